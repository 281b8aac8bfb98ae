package provider_test

import (
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tollgate/internal/canon"
	"tollgate/internal/provider"
)

var (
	chat = provider.Spoken{Dialect: canon.OpenAIChat, Paths: map[canon.Op]string{canon.OpGenerate: "/v1/chat/completions"}}
	resp = provider.Spoken{Dialect: canon.OpenAIResponses, Paths: map[canon.Op]string{canon.OpStoredGet: "/v1/responses/{id}"}}
	gem  = provider.Spoken{Dialect: canon.Gemini, Paths: map[canon.Op]string{canon.OpGenerate: "/v1beta/models/{model}:{action}"}}
	any4 = provider.Provider{Name: "any", Speaks: []provider.Spoken{chat, resp, gem}}
)

func TestURL(t *testing.T) {
	for _, c := range []struct {
		what, base string
		s          provider.Spoken
		t          provider.Target
		want       string
	}{
		{"plain", "https://h", chat, provider.Target{Op: canon.OpGenerate}, "https://h/v1/chat/completions"},
		{"version typed", "https://h/v1/", chat, provider.Target{Op: canon.OpGenerate}, "https://h/v1/chat/completions"},
		{"whole endpoint typed", "https://h/v1/chat/completions", chat, provider.Target{Op: canon.OpGenerate}, "https://h/v1/chat/completions"},
		{"below a prefix", "http://h:8080/team/a/v1", chat, provider.Target{Op: canon.OpGenerate}, "http://h:8080/team/a/v1/chat/completions"},
		{"another version stands in", "https://h/api/v4", chat, provider.Target{Op: canon.OpGenerate}, "https://h/api/v4/chat/completions"},
		{"v1 typed, Gemini wants v1beta", "https://h/v1", gem, provider.Target{Op: canon.OpGenerate, Model: "m"}, "https://h/v1beta/models/m:generateContent"},
		{"stream", "https://h", gem, provider.Target{Op: canon.OpGenerate, Model: "models/m", Stream: true, Query: "alt=json&key=k&x=1"}, "https://h/v1beta/models/m:streamGenerateContent?x=1&alt=sse"},
		{"usage cannot be left out", "https://h", gem, provider.Target{Op: canon.OpGenerate, Model: "m", Query: "fields=candidates&%24fields=candidates&$alt=proto&$callback=f&$key=k&access_token=t&prettyPrint=false"}, "https://h/v1beta/models/m:generateContent?prettyPrint=false"},
		{"what another vendor calls so stays", "https://h", resp, provider.Target{Op: canon.OpStoredGet, ID: "r", Query: "fields=a"}, "https://h/v1/responses/r?fields=a"},
		{"model cannot leave its segment", "https://h", gem, provider.Target{Op: canon.OpGenerate, Model: "../../x?y#z"}, "https://h/v1beta/models/..%2F..%2Fx%3Fy%23z:generateContent"},
		{"key in disguise", "https://h", chat, provider.Target{Op: canon.OpGenerate, Query: "k%65y=sk-1&a"}, "https://h/v1/chat/completions?a"},
		{"id", "https://h", resp, provider.Target{Op: canon.OpStoredGet, ID: "resp_1", Query: "include=a"}, "https://h/v1/responses/resp_1?include=a"},
		{"id with a slash", "https://h", resp, provider.Target{Op: canon.OpStoredGet, ID: "a/../b"}, "https://h/v1/responses/a%2F..%2Fb"},
	} {
		t.Run(c.what, func(t *testing.T) {
			got, err := any4.URL(c.base, c.s, c.t)
			if err != nil || got != c.want {
				t.Errorf("%s, %v\nwant %s", got, err, c.want)
			}
		})
	}
}

func TestURLRefuses(t *testing.T) {
	for _, c := range []struct {
		what, base string
		s          provider.Spoken
		t          provider.Target
	}{
		{"no base", "", chat, provider.Target{Op: canon.OpGenerate}},
		{"an operation it has not", "https://h", chat, provider.Target{Op: canon.OpEmbed}},
		{"no model", "https://h", gem, provider.Target{Op: canon.OpGenerate}},
		{"no id", "https://h", resp, provider.Target{Op: canon.OpStoredGet}},
		{"id that goes up", "https://h", resp, provider.Target{Op: canon.OpStoredGet, ID: ".."}},
		{"query that ends the line", "https://h", chat, provider.Target{Op: canon.OpGenerate, Query: "a=b\r\nHost: x"}},
		{"key behind a semicolon, which some servers split at", "https://h", chat, provider.Target{Op: canon.OpGenerate, Query: "a;key=sk"}},
		{"query badly escaped", "https://h", chat, provider.Target{Op: canon.OpGenerate, Query: "%zz=1"}},
		{"base that goes up", "https://h/a/../b", chat, provider.Target{Op: canon.OpGenerate}},
	} {
		t.Run(c.what, func(t *testing.T) {
			if got, err := any4.URL(c.base, c.s, c.t); err == nil {
				t.Errorf("got %s, want an error", got)
			}
		})
	}
}

// TestURLStaysThere: whatever a client names, the request goes to the host and below the path that
// the operator gave, and has no key of the client's in its query.
func TestURLStaysThere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		target := provider.Target{
			Op: canon.OpGenerate, Stream: rapid.Bool().Draw(t, "stream"),
			Model: rapid.OneOf(rapid.String(), rapid.StringMatching(`[./%:?#@a]{0,9}`)).Draw(t, "model"),
			Query: rapid.OneOf(rapid.String(), rapid.StringMatching(`([key%645]{1,9}=[a-z]&?){0,3}`)).Draw(t, "query"),
		}
		got, err := any4.URL("https://h/base", gem, target)
		if err != nil {
			return
		}
		u, err := url.Parse(got)
		if err != nil {
			t.Fatalf("%q: %v", got, err)
		}
		if u.Host != "h" || u.User != nil || u.Fragment != "" || !strings.HasPrefix(u.EscapedPath(), "/base/v1beta/models/") || strings.Count(u.EscapedPath(), "/") != 4 {
			t.Fatalf("%q leads elsewhere", got)
		}
		if u.Query().Has("key") {
			t.Fatalf("%q carries a key", got)
		}
	})
}
