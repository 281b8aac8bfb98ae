// Package providertest is the suite that every vendor in the built-in list passes: its facts are
// complete, its URLs have the right shape from any base an operator may type, and it is recognised.
package providertest

import (
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"tollgate/internal/canon"
	"tollgate/internal/provider"
)

// Run checks every provider of list and the list as a whole.
func Run(t *testing.T, list []provider.Provider) {
	t.Helper()
	names, hosts, envs := map[string]bool{}, map[string]string{}, map[string]string{}
	for _, p := range list {
		t.Run(p.Name, func(t *testing.T) {
			facts(t, p)
			for _, s := range p.Speaks {
				t.Run(string(s.Dialect), func(t *testing.T) { urls(t, p, s) })
			}
		})
		if names[p.Name] {
			t.Errorf("%s stands there twice", p.Name)
		}
		names[p.Name] = true
		for _, h := range p.Hosts {
			if other, ok := hosts[h]; ok {
				t.Errorf("host %s belongs to %s and %s", h, other, p.Name)
			}
			hosts[h] = p.Name
		}
		if p.Env != "" {
			if other, ok := envs[p.Env]; ok {
				t.Errorf("%s belongs to %s and %s", p.Env, other, p.Name)
			}
			envs[p.Env] = p.Name
		}
	}
}

var (
	nameForm = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)
	envForm  = regexp.MustCompile(`^[A-Z][A-Z0-9_]*_API_KEY$`)
	pathForm = regexp.MustCompile(`^(/[a-z0-9_.-]+|/\{id\}|/\{model\}:(\{action\}|[a-zA-Z]+))+$`)
)

func facts(t *testing.T, p provider.Provider) {
	if !nameForm.MatchString(p.Name) || p.Title == "" {
		t.Errorf("name %q, title %q: a lower-case name and a title are needed", p.Name, p.Title)
	}
	if p.Base != "" {
		if err := provider.CheckBase(p.Base); err != nil || strings.HasSuffix(p.Base, "/") {
			t.Errorf("base %q: %v; without a slash at its end", p.Base, err)
		}
	}
	checkAuth(t, p.Auth, false)
	if len(p.Speaks) == 0 {
		t.Error("speaks no dialect")
	}
	var spoken []canon.Dialect
	for _, s := range p.Speaks {
		if slices.Contains(spoken, s.Dialect) {
			t.Errorf("dialect %s stands there twice", s.Dialect)
		}
		spoken = append(spoken, s.Dialect)
		if !slices.Contains([]canon.Dialect{canon.OpenAIChat, canon.OpenAIResponses, canon.Anthropic, canon.Gemini}, s.Dialect) {
			t.Errorf("dialect %q is unknown", s.Dialect)
		}
		checkAuth(t, s.Auth, true)
		for _, q := range s.Quirks {
			if q != provider.QuirkTentative && q != provider.QuirkNoStreamOptions {
				t.Errorf("quirk %q is unknown", q)
			}
		}
		for ours, theirs := range s.Rename {
			if ours == "" || theirs == "" || ours == theirs || slices.Contains(s.Drop, ours) {
				t.Errorf("rename of %q to %q", ours, theirs)
			}
		}
		for i, what := range s.Knows {
			if what == "" || slices.Contains(s.Knows[:i], what) {
				t.Errorf("knows %q: twice, or nothing", what)
			}
		}
		for name := range s.Headers {
			if name != http.CanonicalHeaderKey(name) {
				t.Errorf("header %q is not written canonically", name)
			}
		}
		if s.Dialect == canon.Anthropic && s.Headers["Anthropic-Version"] == "" {
			t.Error("Anthropic refuses requests without a version, and clients of other dialects send none")
		}
		if _, ok := s.Paths[canon.OpGenerate]; !ok {
			t.Errorf("dialect %s has no path for %s", s.Dialect, canon.OpGenerate)
		}
		for op, path := range s.Paths {
			if !slices.Contains(ops, op) {
				t.Errorf("operation %q is unknown, or answered by the gateway itself", op)
			}
			if !pathForm.MatchString(path) {
				t.Errorf("path %q of %s has not the form of a path", path, op)
			}
		}
	}
	for _, pattern := range p.Serves {
		if pattern == "" || pattern == "*" || pattern != strings.ToLower(pattern) {
			t.Errorf("serves %q: patterns are lower case, and no list at all says that any model may be tried", pattern)
		}
	}
	if p.OnAbort != provider.AbortCancel && p.OnAbort != provider.AbortDrain {
		t.Errorf("on_abort %q: cancel or drain", p.OnAbort)
	}
	if p.AbortWhy == "" || p.Source == "" {
		t.Error("on_abort_why and source must be said")
	}
	if read, err := time.Parse(time.DateOnly, p.Read); err != nil || read.Year() < 2025 {
		t.Errorf("read %q: the date on which the source was read", p.Read)
	}
	if p.Check != "" && !pathForm.MatchString(p.Check) {
		t.Errorf("check %q has not the form of a path", p.Check)
	}
	if p.Env != "" && !envForm.MatchString(p.Env) {
		t.Errorf("env %q has not the form X_API_KEY", p.Env)
	}
	if p.Env != "" && p.Base == "" {
		t.Error("env: a key alone makes no channel without a base")
	}
}

// ops are the operations that an upstream can be asked for.
var ops = []canon.Op{
	canon.OpGenerate, canon.OpComplete, canon.OpEmbed, canon.OpBatchEmbed, canon.OpModerate, canon.OpCountTokens,
	canon.OpStoredGet, canon.OpStoredDelete, canon.OpStoredCancel, canon.OpStoredItems,
}

func checkAuth(t *testing.T, a provider.Auth, mayInherit bool) {
	switch a {
	case provider.AuthBearer, provider.AuthXAPIKey, provider.AuthGoogle, provider.AuthAPIKey, provider.AuthNone:
	case "":
		if !mayInherit {
			t.Error("auth must be said")
		}
	default:
		t.Errorf("auth %q is unknown", a)
	}
}

// urls checks that every operation leads to the same address whether an operator types the base
// bare, with a slash, or with the beginning of any of the vendor's paths.
func urls(t *testing.T, p provider.Provider, s provider.Spoken) {
	base := p.Base
	if base == "" {
		base = "https://gw.example:8443/team"
	}
	if p.Check != "" { // a check is asked for as an operation of its own
		s.Paths = maps.Clone(s.Paths)
		s.Paths[canon.OpListModels] = p.Check
	}
	for op, path := range s.Paths {
		target := provider.Target{Op: op, Model: "maker/m 1", ID: "resp_1", Stream: true, Query: "key=sk-client&after=x"}
		want, err := p.URL(base, s, target)
		if err != nil {
			t.Errorf("%s: %v", op, err)
			continue
		}
		u, err := url.Parse(want)
		if err != nil {
			t.Errorf("%s: %v", op, err)
			continue
		}
		if !strings.HasPrefix(want, base+"/") || strings.Contains(want, "{") || strings.Contains(want, " ") || strings.Contains(u.EscapedPath(), "//") {
			t.Errorf("%s: %s is not below %s", op, want, base)
		}
		if strings.Contains(path, "{model}") && !strings.Contains(want, "/maker%2Fm%201:") {
			t.Errorf("%s: the model is not escaped in %s", op, want)
		}
		if u.Query().Has("key") || u.Query().Get("after") != "x" {
			t.Errorf("%s: of the query, all but the key shall stay: %s", op, want)
		}
		for _, typed := range beginnings(p, base) {
			if got, err := p.URL(typed, s, target); err != nil || got != want {
				t.Errorf("%s from %s: %s, %v; want %s", op, typed, got, err, want)
			}
		}
	}
}

// beginnings are the forms in which a person may type the base.
func beginnings(p provider.Provider, base string) []string {
	forms := []string{base, base + "/", base + "//"}
	for _, s := range p.Speaks {
		for _, path := range s.Paths {
			path, _, _ = strings.Cut(path, "{")
			for i := range path {
				if path[i] == '/' && i > 0 {
					forms = append(forms, base+path[:i], base+path[:i+1])
				}
			}
		}
	}
	return forms
}
