package provider

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"tollgate/internal/canon"
)

// Target is what a URL shall lead to.
type Target struct {
	Op     canon.Op
	Model  string // the upstream's name, for paths that hold {model}
	ID     string // of a stored object, for paths that hold {id}
	Stream bool   // chooses {action}
	Query  string // the client's query string, passed on but for a key in it
}

// URL returns where t is at the vendor, below base ("": the vendor's own). An operator may write a
// base with or without the version, or with any other beginning of the vendor's own paths: what
// base already says is not said twice. A base that ends in a version that the vendor does not have
// ("/v4") stands in for everything up to the version in the vendor's path.
func (p Provider) URL(base string, s Spoken, t Target) (string, error) {
	path, ok := s.Paths[t.Op]
	if !ok {
		return "", fmt.Errorf("%s does not answer %s in dialect %s", p.Name, t.Op, s.Dialect)
	}
	if base == "" || base == p.Base {
		base = cmp.Or(s.Base, p.Base)
	}
	u, err := parseBase(base)
	if err != nil {
		return "", err
	}
	segments := strings.Split(strings.Trim(path, "/"), "/")
	root := p.root(splitPath(u.EscapedPath()))
	if len(root) > 0 && isVersion(root[len(root)-1]) {
		segments = segments[slices.IndexFunc(segments, isVersion)+1:]
	}
	for i := range segments {
		if segments[i], err = t.fill(segments[i]); err != nil {
			return "", err
		}
	}
	query, err := t.query(s.Dialect)
	if err != nil {
		return "", err
	}
	return u.Scheme + "://" + u.Host + "/" + strings.Join(append(root, segments...), "/") + query, nil
}

// ErrQuery is what URL answers to a client's query string that can't be passed on.
var ErrQuery = errors.New("the query string is not properly escaped")

// CheckBase reports what is wrong with a base URL that a person typed.
func CheckBase(base string) error {
	_, err := parseBase(base)
	return err
}

func parseBase(base string) (*url.URL, error) {
	if base == "" {
		return nil, errors.New("base URL is missing: this provider has no address of its own")
	}
	u, err := url.Parse(base)
	switch {
	case err != nil:
		return nil, errors.New("base URL cannot be read; it should look like https://api.example.com")
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.Opaque != "":
		return nil, errors.New("base URL must begin with https:// or http:// and name a host")
	case u.User != nil:
		return nil, errors.New("base URL must not hold a user or password; the key is given on its own")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, errors.New("base URL must not have a query or fragment")
	}
	for _, seg := range splitPath(u.EscapedPath()) {
		if isDots(seg) {
			return nil, errors.New("base URL must not have . or .. in its path")
		}
	}
	return u, nil
}

// root takes from the end of a base path what is the beginning of one of the vendor's own paths.
func (p Provider) root(base []string) []string {
	most := 0
	for _, s := range p.Speaks {
		for _, path := range s.Paths {
			most = max(most, overlap(base, splitPath(path)))
		}
	}
	return base[:len(base)-most]
}

// overlap counts the segments that end base and begin path, before anything that is filled in.
func overlap(base, path []string) int {
	for i, seg := range path {
		if strings.Contains(seg, "{") {
			path = path[:i]
			break
		}
	}
	for n := min(len(base), len(path)); n > 0; n-- {
		tail, same := base[len(base)-n:], true
		for i := range n {
			same = same && tail[i] == path[i]
		}
		if same {
			return n
		}
	}
	return 0
}

// fill puts the target's names into a segment, escaped so that they stay one segment.
func (t Target) fill(seg string) (string, error) {
	for _, f := range []struct{ mark, what, value string }{
		{"{model}", "model", strings.TrimPrefix(t.Model, "models/")},
		{"{id}", "id", t.ID},
		{"{action}", "action", t.action()},
	} {
		if !strings.Contains(seg, f.mark) {
			continue
		}
		if f.value == "" || isDots(f.value) {
			return "", fmt.Errorf("%s %q cannot stand in a path", f.what, f.value)
		}
		seg = strings.ReplaceAll(seg, f.mark, url.PathEscape(f.value))
	}
	return seg, nil
}

// action is Gemini's method name for a generated answer.
func (t Target) action() string {
	if t.Stream {
		return "streamGenerateContent"
	}
	return "generateContent"
}

// query returns the query string with its '?'. A key in it is the client's key with us and never
// leaves, nor does what would hide an answer's usage. Gemini streams are always asked for as server-sent
// events: the gateway frames them anew.
func (t Target) query(d canon.Dialect) (string, error) {
	var kept []string
	for pair := range strings.SplitSeq(t.Query, "&") {
		name, err := url.QueryUnescape(strings.SplitN(pair, "=", 2)[0])
		if err != nil || strings.ContainsFunc(pair, func(r rune) bool { return r <= ' ' || r == '#' || r == ';' || r == 0x7f }) {
			return "", ErrQuery
		}
		if pair == "" || name == "key" || d == canon.Gemini && ofAnswer(name) {
			continue
		}
		kept = append(kept, pair)
	}
	if d == canon.Gemini && t.Op == canon.OpGenerate && t.Stream {
		kept = append(kept, "alt=sse")
	}
	if len(kept) == 0 {
		return "", nil
	}
	return "?" + strings.Join(kept, "&"), nil
}

// ofAnswer reports Google's parameters that change the form of an answer, leave members out of it, such as its
// usage, or say who asks.
// Source: https://cloud.google.com/apis/docs/system-parameters, as known on 2026-11-21.
func ofAnswer(name string) bool {
	switch strings.TrimPrefix(name, "$") {
	case "alt", "fields", "callback", "key", "access_token", "oauth_token":
		return true
	default:
		return false
	}
}

// splitPath returns the segments of a path, without empty ones.
func splitPath(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}

// isDots reports whether a segment, escaped or not, means "here" or "up".
func isDots(seg string) bool {
	plain, err := url.PathUnescape(seg)
	return err == nil && (plain == "." || plain == "..")
}

// isVersion reports whether a segment is a version: v1, v4, v1beta, v1beta2.
func isVersion(seg string) bool {
	rest, ok := strings.CutPrefix(seg, "v")
	if !ok || rest == "" || rest[0] < '0' || rest[0] > '9' {
		return false
	}
	rest = strings.TrimLeft(rest, "0123456789")
	rest = strings.TrimPrefix(strings.TrimPrefix(rest, "alpha"), "beta")
	return strings.Trim(rest, "0123456789") == ""
}
