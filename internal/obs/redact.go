package obs

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

const hidden = "***"

// secretNames are attribute names whose values are never written, in lower case with _ for -.
var secretNames = map[string]bool{
	"authorization": true, "proxy_authorization": true, "cookie": true, "set_cookie": true,
	"x_api_key": true, "x_goog_api_key": true, "api_key": true, "apikey": true,
	"admin_key": true, "master_key": true, "private_key": true, "secret": true, "secret_key": true, "password": true, "passwd": true,
	"token": true, "credential": true, "credentials": true, "dsn": true,
}

// secretEnds are ends of attribute names whose values are never written. Counts of tokens end in
// _tokens and ids of keys in key_id, so neither is among them.
var secretEnds = []string{"_secret", "_password", "_token", "_api_key", "_dsn"}

// credentials finds what looks like a credential inside a text: provider keys by their prefixes,
// bearer tokens, passwords in URLs, keys in query strings.
var credentials = regexp.MustCompile(`(?i)\b(?:sk|rk|pk|xai|gsk|pplx|r8|hf|fw)[-_][A-Za-z0-9_-]{12,}` +
	`|\bAIza[A-Za-z0-9_-]{20,}` +
	`|\bbearer\s+[A-Za-z0-9._~+/=-]{8,}` +
	`|://[^/\s:@]*:[^/\s@]+@` +
	`|[?&](?:key|api[-_]?key|access_token|token)=[^&\s"']+`)

// Redact returns s with everything that looks like a credential replaced by ***.
func Redact(s string) string {
	if len(s) < 8 {
		return s
	}
	return credentials.ReplaceAllStringFunc(s, func(found string) string {
		switch {
		case strings.HasPrefix(found, "://"):
			user, _, _ := strings.Cut(found[3:], ":")
			return "://" + user + ":" + hidden + "@"
		case found[0] == '?' || found[0] == '&':
			name, _, _ := strings.Cut(found, "=")
			return name + "=" + hidden
		default:
			return hidden
		}
	})
}

// redactAttr is the ReplaceAttr of our handlers. Values that can hold text from outside are looked
// through; numbers, times and ids (which have no room for a key) are left alone.
func redactAttr(_ []string, a slog.Attr) slog.Attr {
	if secretName(a.Key) {
		a.Value = slog.StringValue(hidden)
		return a
	}
	switch a.Value.Kind() {
	case slog.KindString:
		if s := a.Value.String(); suspicious(s) {
			a.Value = slog.StringValue(Redact(s))
		}
	case slog.KindAny:
		switch v := a.Value.Any().(type) {
		case error:
			a.Value = slog.StringValue(Redact(v.Error()))
		case *url.URL:
			a.Value = slog.StringValue(Redact(v.String()))
		case http.Header:
			a.Value = slog.StringValue(headerNames(v))
		case []byte:
			a.Value = slog.StringValue(Redact(string(v)))
		case []string:
			a.Value = slog.StringValue(Redact(fmt.Sprint(v)))
		}
	default: // numbers and times hold no text; members of a group come here one by one
	}
	return a
}

// suspicious reports cheaply whether Redact could find something: a wide line has twenty attributes,
// most of them ids and short words. It errs on the side of true.
func suspicious(s string) bool {
	if len(s) < 8 {
		return false
	}
	query := s[0] == '?' || s[0] == '&' || s[1] == '?' || s[1] == '&'
	for i := 2; i < len(s); i++ {
		if !telling[s[i]] {
			continue
		}
		switch s[i] {
		case '-', '_':
			if keyPrefix(s[:i]) {
				return true
			}
		case 'z', 'Z': // AIza
			if s[i-1]|0x20 == 'i' && s[i-2]|0x20 == 'a' {
				return true
			}
		case ' ', '\t', '\n', '\r', '\f': // bearer
			if s[i-1]|0x20 == 'r' {
				return true
			}
		case '/':
			if s[i-1] == '/' && s[i-2] == ':' {
				return true
			}
		case '?', '&':
			query = true
		case '=':
			if query {
				return true
			}
		}
	}
	return false
}

// telling are the bytes that suspicious looks at; ids have hardly one.
var telling = [256]bool{'-': true, '_': true, 'z': true, 'Z': true, ' ': true, '\t': true, '\n': true, '\r': true, '\f': true, '/': true, '?': true, '&': true, '=': true}

// keyPrefix reports whether s ends in letters that begin providers' keys.
func keyPrefix(s string) bool {
	switch string([]byte{s[len(s)-2] | 0x20, s[len(s)-1] | 0x20}) { // in lower case
	case "sk", "rk", "pk", "r8", "hf", "fw", "ai", "lx": // xai, gsk and pplx by their ends
		return true
	}
	return false
}

// plainName reports the attributes of the wide line of a call; they are asked about for every call. None
// is a secret's, nor has a character to escape.
func plainName(name string) bool {
	switch name {
	case "time", "level", "msg", "call", "account", "key", "dialect", "op", "model", "upstream", "provider", "channel",
		"stream", "status", "attempts", "in", "cached", "out", "usage", "nanos", "first_ms", "ms", "ip",
		"error", "reason", "cause", "spoken", "losses", "quarantine":
		return true
	}
	return false
}

func secretName(name string) bool {
	if plainName(name) {
		return false
	}
	n := strings.ReplaceAll(strings.ToLower(name), "-", "_")
	if secretNames[n] {
		return true
	}
	for _, end := range secretEnds {
		if strings.HasSuffix(n, end) {
			return true
		}
	}
	return false
}

// headerNames stands for headers in a log: which there were, never what they said.
func headerNames(h http.Header) string {
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	return strings.Join(names, ",")
}
