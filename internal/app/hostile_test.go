package app_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// spoken is one dialect as a client speaks it.
type spoken struct {
	name   string
	path   string
	body   string // with MODEL where the model stands, if it does
	model  string
	header string // that carries the key
	fault  func(t *testing.T, a answer) string
}

func (s spoken) request() string { return strings.ReplaceAll(s.body, "MODEL", s.model) }

// key returns the header that carries key.
func (s spoken) key(key string) []string {
	if s.header == "Authorization" {
		key = "Bearer " + key
	}
	return []string{s.header, key}
}

func dialects() []spoken {
	return []spoken{
		{"chat", "/v1/chat/completions", `{"model":"MODEL","messages":[{"role":"user","content":"hi"}]}`, "sim-gpt", "Authorization", openAIFault},
		{"responses", "/v1/responses", `{"model":"MODEL","input":"hi"}`, "sim-gpt", "Authorization", openAIFault},
		{"anthropic", "/v1/messages", `{"model":"MODEL","max_tokens":64,"messages":[{"role":"user","content":"hi"}]}`, "sim-claude", "X-Api-Key", anthropicFault},
		{"gemini", "/v1beta/models/sim-gemini:generateContent", `{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}`, "sim-gemini", "X-Goog-Api-Key", geminiFault},
	}
}

func decode(t *testing.T, a answer, to any) {
	t.Helper()
	if !strings.HasPrefix(a.header.Get("Content-Type"), "application/json") {
		t.Errorf("the error is %s: %.300s", a.header.Get("Content-Type"), a.body)
	}
	if err := json.Unmarshal([]byte(a.body), to); err != nil {
		t.Errorf("the error is no JSON: %v: %.300s", err, a.body)
	}
}

func openAIFault(t *testing.T, a answer) string {
	t.Helper()
	var v struct {
		Error struct {
			Message, Type string
			Param, Code   *string
		}
	}
	decode(t, a, &v)
	if v.Error.Type == "" || !strings.Contains(a.body, `"param"`) || !strings.Contains(a.body, `"code"`) {
		t.Errorf("not OpenAI's shape: %.300s", a.body)
	}
	return v.Error.Message
}

func anthropicFault(t *testing.T, a answer) string {
	t.Helper()
	var v struct {
		Type  string
		Error struct{ Type, Message string }
	}
	decode(t, a, &v)
	if v.Type != "error" || v.Error.Type == "" {
		t.Errorf("not Anthropic's shape: %.300s", a.body)
	}
	return v.Error.Message
}

func geminiFault(t *testing.T, a answer) string {
	t.Helper()
	var v struct {
		Error struct {
			Code            int
			Message, Status string
		}
	}
	decode(t, a, &v)
	if v.Error.Code != a.status || v.Error.Status == "" {
		t.Errorf("not Google's shape: %.300s", a.body)
	}
	return v.Error.Message
}

// hostile is a gateway under attack: it keeps what it showed, and at its end nothing may be left of
// any call and no secret may have been told.
type hostile struct {
	*gateway
	client *http.Client
	mu     sync.Mutex
	shown  bytes.Buffer
}

// upKey is the upstream key of attacked gateways; no mark of any vendor gives it away.
const upKey = "zq9-canary-of-the-upstream-73115"

func attack(t *testing.T, upstream string, env ...string) *hostile {
	t.Helper()
	return attackOn(t, channels(upstream, upKey), env...)
}

// vendors is a configuration with the vendor of each dialect at one address. Those of OpenAI and
// Anthropic are let go when a client has gone, Google is read to the end: each bills like that.
func vendors(upstream string) string {
	var b strings.Builder
	b.WriteString("channels:\n")
	for vendor, models := range map[string]string{"openai": "sim-gpt", "anthropic": "sim-claude", "gemini": "sim-gemini"} {
		fmt.Fprintf(&b, "  - {name: %s, provider: %s, base_url: %q, key: %q, models: [%q]}\n", vendor, vendor, upstream, upKey, models)
	}
	fmt.Fprintf(&b, "accounts:\n  - {name: alice, credit: 10, keys: [{name: main, key: %s}]}\n", userKey)
	return b.String()
}

func attackOn(t *testing.T, yaml string, env ...string) *hostile {
	t.Helper()
	before := goleak.IgnoreCurrent()
	h := &hostile{client: &http.Client{
		Transport:     &http.Transport{DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	t.Cleanup(func() {
		err := errors.New("never looked")
		for deadline := time.Now().Add(30 * time.Second); err != nil && time.Now().Before(deadline); { // a look itself takes a moment
			h.client.CloseIdleConnections()
			http.DefaultClient.CloseIdleConnections()
			err = goleak.Find(before)
		}
		if err != nil {
			t.Error(err)
		}
	})
	h.gateway = startGateway(t, yaml, env...)
	t.Cleanup(func() {
		h.idle(t)
		h.stop()
		for _, secret := range []string{adminKey, userKey, upKey} {
			if at := strings.Index(h.logs.String(), secret); at >= 0 {
				t.Errorf("a secret is in the log: …%s…", h.logs.String()[max(0, at-200):at+len(secret)])
			}
			if at := strings.Index(h.shown.String(), secret); at >= 0 {
				t.Errorf("a secret is in an answer: …%s…", h.shown.String()[max(0, at-200):at+len(secret)])
			}
		}
	})
	return h
}

// idle waits until no call runs and no money is held.
func (h *hostile) idle(t *testing.T) {
	t.Helper()
	waitFor(t, "the end of all calls", func() bool {
		resp, err := h.client.Get(h.base + "/metrics")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		raw, err := io.ReadAll(resp.Body)
		return err == nil && bytes.Contains(raw, []byte("\ntollgate_held_dollars 0\n")) && bytes.Contains(raw, []byte("\ntollgate_calls_in_flight 0\n"))
	})
}

// keep remembers what a client was shown, for the search for secrets.
func (h *hostile) keep(s string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.shown.WriteString(s)
	h.shown.WriteByte('\n')
}

// post sends any bytes; headers come in pairs, an empty value leaves one out.
func (h *hostile) post(t *testing.T, path string, body io.Reader, headers ...string) answer {
	t.Helper()
	return h.do(t, http.MethodPost, path, body, headers...)
}

func (h *hostile) do(t *testing.T, method, path string, body io.Reader, headers ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, h.base+path, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
		if headers[i+1] == "" {
			req.Header.Del(headers[i])
		}
	}
	resp, err := h.client.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	h.keep(fmt.Sprint(resp.Header) + string(raw))
	if err != nil {
		t.Fatalf("%s %s: the answer broke off: %v after %.300q", method, path, err, raw)
	}
	return answer{resp.StatusCode, resp.Header, string(raw)}
}

// refused checks that an answer is an error of the dialect that says what was wrong.
func refused(t *testing.T, d spoken, a answer, status int, says ...string) {
	t.Helper()
	if a.status != status {
		t.Fatalf("%d %.500s; want %d", a.status, a.body, status)
	}
	if a.status >= 400 {
		said := d.fault(t, a)
		for _, s := range says {
			if !strings.Contains(said, s) {
				t.Errorf("%q does not say %q", said, s)
			}
		}
		if a.header.Get("X-Request-Id") == "" {
			t.Error("no X-Request-Id")
		}
	}
}

func zip(t *testing.T, s string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, s); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Keys that are missing, wrong or malformed are refused in each form that a client may send.
func TestHostileKeys(t *testing.T) {
	sim, url := simulate(t)
	h := attack(t, url)
	for _, d := range dialects() {
		t.Run(d.name, func(t *testing.T) {
			send := func(query string, headers ...string) answer {
				return h.post(t, d.path+query, strings.NewReader(d.request()), headers...)
			}
			refused(t, d, send(""), 401, "no API key", "x-api-key")
			refused(t, d, send("", "Authorization", "Bearer"), 401, "no API key")
			refused(t, d, send("", "Authorization", "Bearer  "), 401, "no API key")
			for _, wrong := range []string{"sk-wrong-0123456789abcdefgh", userKey + "x", userKey[:len(userKey)-1], strings.ToUpper(userKey), strings.Repeat("k", 30000), "sk-\xff\xfe"} {
				for _, form := range []string{"Authorization", "X-Api-Key", "X-Goog-Api-Key", "Api-Key"} {
					value := wrong
					if form == "Authorization" {
						value = "Bearer " + wrong
					}
					a := send("", form, value)
					refused(t, d, a, 401, "not known")
					if strings.Contains(a.body, wrong) {
						t.Errorf("the wrong key is shown: %.300s", a.body)
					}
				}
			}
			refused(t, d, send("?key=sk-wrong-0123456789abcdefgh"), 401, "not known")
			refused(t, d, send("?key=%zz"), 401, "no API key")
			refused(t, d, send("", "Authorization", "Basic "+userKey), 401, "not known")
			for _, form := range []string{"X-Api-Key", "X-Goog-Api-Key", "Api-Key"} {
				if a := send("", form, userKey); a.status != 200 {
					t.Errorf("%s: %d %s", form, a.status, a.body)
				}
			}
			for _, value := range []string{"Bearer " + userKey, "bearer " + userKey, userKey} {
				if a := send("", "Authorization", value); a.status != 200 {
					t.Errorf("Authorization: %d %s", a.status, a.body)
				}
			}
			if a := send("?key=" + userKey); a.status != 200 {
				t.Errorf("?key=: %d %s", a.status, a.body)
			}
		})
	}
	if n := len(counted(t, sim)); n != 7*len(dialects()) {
		t.Errorf("the upstream saw %d calls", n)
	}
}

// Bodies that are no request are refused before anybody sees them, and the error says why.
func TestHostileBodies(t *testing.T) {
	sim, url := simulate(t)
	h := attack(t, url, "MAX_BODY_BYTES=1MiB")
	big := strings.Repeat("x", 2<<20)
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	// with adds a member to a request that is right otherwise.
	with := func(d spoken, member string) string { return "{" + member + "," + d.request()[1:] }
	const sent = "Content-Encoding"
	for _, c := range []struct {
		name   string
		body   func(d spoken) string
		head   []string
		status int
		says   string
	}{
		{"half", func(spoken) string { return `{"model":` }, nil, 400, "JSON"},
		{"truncated", func(d spoken) string { return d.request()[:len(d.request())-1] }, nil, 400, "JSON"},
		{"trailing byte", func(d spoken) string { return d.request() + "x" }, nil, 400, "JSON"},
		{"two objects", func(d spoken) string { return d.request() + d.request() }, nil, 400, "JSON"},
		{"trailing NUL", func(d spoken) string { return d.request() + "\x00" }, nil, 400, "JSON"},
		{"byte order mark", func(d spoken) string { return "\ufeff" + d.request() }, nil, 400, "byte order mark"},
		{"UTF-16", func(d spoken) string { return "\xff\xfe" + strings.Join(strings.Split(d.request(), ""), "\x00") }, nil, 400, "JSON"},
		{"empty", func(spoken) string { return "" }, nil, 400, "no body"},
		{"blank", func(spoken) string { return " \n" }, nil, 400, "JSON"},
		{"array", func(d spoken) string { return "[" + d.request() + "]" }, nil, 400, "object"},
		{"string", func(spoken) string { return `"hi"` }, nil, 400, "object"},
		{"number", func(spoken) string { return `5` }, nil, 400, "object"},
		{"null", func(spoken) string { return `null` }, nil, 400, "object"},
		{"true", func(spoken) string { return `true` }, nil, 400, "object"},
		{"comment", func(d spoken) string { return "/* */" + d.request() }, nil, 400, "JSON"},
		{"single quotes", func(d spoken) string { return strings.ReplaceAll(d.request(), `"`, "'") }, nil, 400, "JSON"},
		{"trailing comma", func(d spoken) string { return d.request()[:len(d.request())-1] + ",}" }, nil, 400, "JSON"},
		{"NaN", func(d spoken) string { return with(d, `"temperature":NaN`) }, nil, 400, "JSON"},
		{"too deep", func(d spoken) string { return with(d, `"metadata":`+deep(300)) }, nil, 400, "deep"},
		{"very deep", func(d spoken) string { return with(d, `"metadata":`+deep(400_000)) }, nil, 400, "deep"},
		{"duplicate", func(d spoken) string { return with(d, `"x":1,"x":2`) }, nil, 400, `"x"`},
		{"escaped duplicate", func(d spoken) string { return with(d, `"xy":1,"x\u0079":2`) }, nil, 400, `x\u0079`},
		{"nested duplicate", func(d spoken) string { return with(d, `"metadata":{"a":[{"b":1,"b":2}]}`) }, nil, 400, `b`},
		{"invalid UTF-8", func(d spoken) string { return with(d, "\"user\":\"a\xffb\"") }, nil, 400, "UTF-8"},
		{"overlong UTF-8", func(d spoken) string { return with(d, "\"user\":\"a\xc0\xafb\"") }, nil, 400, "UTF-8"},
		{"surrogate in UTF-8", func(d spoken) string { return with(d, "\"user\":\"a\xed\xa0\x80b\"") }, nil, 400, "UTF-8"},
		{"lone surrogate", func(d spoken) string { return with(d, `"user":"\ud800"`) }, nil, 400, "surrogate"},
		{"reversed surrogates", func(d spoken) string { return with(d, `"user":"\udc00\ud800"`) }, nil, 400, "surrogate"},
		{"raw NUL", func(d spoken) string { return with(d, "\"user\":\"a\x00b\"") }, nil, 400, "JSON"},
		{"raw newline", func(d spoken) string { return with(d, "\"user\":\"a\nb\"") }, nil, 400, "JSON"},
		{"leading zero", func(d spoken) string { return with(d, `"temperature":01`) }, nil, 400, "JSON"},
		{"text", func(d spoken) string { return d.request() }, []string{"Content-Type", "text/plain"}, 415, "application/json"},
		{"form", func(d spoken) string { return d.request() }, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "application/json"},
		{"multipart", func(d spoken) string { return d.request() }, []string{"Content-Type", "multipart/form-data; boundary=x"}, 415, "application/json"},
		{"jsonp", func(d spoken) string { return d.request() }, []string{"Content-Type", "application/jsonp"}, 415, "application/json"},
		{"broken type", func(d spoken) string { return d.request() }, []string{"Content-Type", "application/json; charset"}, 415, "application/json"},
		{"brotli", func(d spoken) string { return d.request() }, []string{sent, "br"}, 415, "gzip"},
		{"deflate", func(d spoken) string { return d.request() }, []string{sent, "deflate"}, 415, "gzip"},
		{"gzip twice", func(d spoken) string { return zip(t, zip(t, d.request())) }, []string{sent, "gzip, gzip"}, 415, "gzip"},
		{"no gzip", func(d spoken) string { return d.request() }, []string{sent, "gzip"}, 400, "gzip"},
		{"cut gzip", func(d spoken) string { z := zip(t, d.request()); return z[:len(z)-5] }, []string{sent, "gzip"}, 400, "EOF"},
		{"bad sum", func(d spoken) string { z := []byte(zip(t, d.request())); z[len(z)-8] ^= 1; return string(z) }, []string{sent, "gzip"}, 400, "gzip"},
		{"rubbish after gzip", func(d spoken) string { return zip(t, d.request()) + "rubbish of some length" }, []string{sent, "gzip"}, 400, "gzip"},
		{"gzip bomb", func(d spoken) string { return zip(t, strings.Repeat(" ", 200<<20)+d.request()) }, []string{sent, "gzip"}, 413, "1048576"},
		{"gzip over the limit", func(d spoken) string { return zip(t, with(d, `"user":"`+big+`"`)) }, []string{sent, "GZIP"}, 413, "1048576"},
		{"too large", func(d spoken) string { return with(d, `"user":"`+big+`"`) }, nil, 413, "1048576"},
		{"many names", func(d spoken) string {
			var b strings.Builder
			for i := range 60_000 {
				fmt.Fprintf(&b, `"%x":1,`, i)
			}
			return "{" + b.String() + `"0":2,` + d.request()[1:]
		}, nil, 400, `"0"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, d := range dialects() {
				body := c.body(d)
				head := append(d.key(userKey), c.head...)
				a := h.post(t, d.path, strings.NewReader(body), head...)
				refused(t, d, a, c.status, c.says)
				// The same in chunks, so that nobody knows the length beforehand.
				a = h.post(t, d.path, io.MultiReader(strings.NewReader(body)), head...)
				refused(t, d, a, c.status, c.says)
			}
		})
	}
	if n := len(counted(t, sim)); n != 0 {
		t.Errorf("the upstream saw %d calls", n)
	}
	for _, d := range dialects() {
		for name, head := range map[string][]string{
			"charset": {"Content-Type", "application/json; charset=utf-8"}, "no type": {"Content-Type", ""}, "suffix": {"Content-Type", "application/vnd.x+json"},
			"identity": {sent, "identity"}, "gzip": {sent, "gzip"}, "case": {sent, "GZip"},
		} {
			body := d.request()
			if strings.EqualFold(head[1], "gzip") {
				body = zip(t, body)
			}
			if a := h.post(t, d.path, strings.NewReader(body), append(d.key(userKey), head...)...); a.status != 200 {
				t.Errorf("%s, %s: %d %s", d.name, name, a.status, a.body)
			}
		}
		if a := h.post(t, d.path, strings.NewReader(" \r\n\t"+d.request()+"\n\n"), d.key(userKey)...); a.status != 200 {
			t.Errorf("%s, blanks around: %d %s", d.name, a.status, a.body)
		}
	}
}

// What the gateway decides by is refused where another parser could read it differently.
func TestHostileModels(t *testing.T) {
	sim, url := simulate(t)
	h := attack(t, url)
	for _, d := range dialects() {
		const gone = "" // the member is left out
		for member, want := range map[string]string{
			`"model":5`: "model", `"model":true`: "model", `"model":["sim-gpt"]`: "model", `"model":{"a":1}`: "model",
			`"model":""`: "model", `"model":null`: "model", gone: "model",
			`"model":"M","model":"sim-embed"`: "model", `"model":"M","mod\u0065l":"sim-embed"`: `mod\u0065l`, `"model":"M","model":"M"`: "model",
			`"Model":"M"`: "Model", `"model":"M","MODEL":"sim-embed"`: "MODEL", `"model":"M","modeL":"M"`: "modeL",
			`"model":"nothing-here"`: "nothing-here",
		} {
			t.Run(d.name+" "+member, func(t *testing.T) {
				_, rest, ok := strings.Cut(d.body, `"model":"MODEL",`)
				if !ok { // Gemini names the model in the path; a body may name it too, and then the same
					rest = d.body[1:]
					if member == gone || strings.HasSuffix(member, "null") {
						return
					}
				}
				body := "{" + strings.ReplaceAll(member, `"M"`, `"`+d.model+`"`)
				if member != gone {
					body += ","
				}
				a := h.post(t, d.path, strings.NewReader(body+rest), d.key(userKey)...)
				status := 400
				if strings.Contains(member, "nothing") && ok {
					status = 404
				}
				refused(t, d, a, status, want)
			})
		}
	}
	if n := len(counted(t, sim)); n != 0 {
		t.Errorf("the upstream saw %d calls", n)
	}
}

// Large and odd requests that are right go through, and come to the upstream as they are.
func TestHostileButRight(t *testing.T) {
	up := newRecorder(t)
	h := attack(t, up.url)
	var members strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&members, `"%x":1,`, i)
	}
	for _, d := range dialects() {
		for name, member := range map[string]string{
			"ten megabytes":        `"user":"` + strings.Repeat("ab\\u0000", 10<<20/8) + `"`,
			"a hundred thousand":   `"metadata":{` + strings.TrimSuffix(members.String(), ",") + `}`,
			"huge numbers":         `"seed":1e99999,"big":` + strings.Repeat("9", 100_000) + `,"small":-0.0e-99999`,
			"escaped NUL":          `"user":"\u0000"`,
			"deep":                 `"metadata":` + strings.Repeat("[", 200) + strings.Repeat("]", 200),
			"surrogate pair":       `"user":"\ud83d\ude00"`,
			"names like ours":      `"metadata":{"model":"other","stream":true,"Model":1}`,
			"noncharacters":        "\"user\":\"\uffff\ufffe\u202e\"",
			"prototype":            `"__proto__":{"admin":"x"},"constructor":1`,
			"empty names":          `"":1,"\u0000":2`,
			"escapes of all kinds": `"user":"\"\\\/\b\f\n\r\t\u00e9"`,
		} {
			t.Run(d.name+" "+name, func(t *testing.T) {
				body := "{" + member + "," + d.request()[1:]
				a := h.post(t, d.path, strings.NewReader(body), d.key(userKey)...)
				if a.status != 200 {
					t.Fatalf("%d %.300s", a.status, a.body)
				}
				if got := string(up.last(t).body); got != body {
					t.Errorf("the upstream got %d bytes, not the %d that were sent: %.100s", len(got), len(body), got)
				}
			})
		}
	}
}
