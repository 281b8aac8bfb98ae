package simulator_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"tollgate/internal/simulator"
)

// clock is a time that stands until a test moves it.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// upstream is a simulator behind a real listener.
type upstream struct {
	*simulator.Simulator
	t     *testing.T
	url   string
	clock *clock
	key   string
}

func start(t *testing.T, cfg simulator.Config) *upstream {
	t.Helper()
	c := &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	cfg.Now = c.Now
	s := simulator.New(cfg)
	srv := httptest.NewServer(s.Handler())
	t.Cleanup(srv.Close)
	return &upstream{Simulator: s, t: t, url: srv.URL, clock: c, key: "sk-test-key-abcdef"}
}

// answer is what came back; err says how the body broke off, if it did.
type answer struct {
	status int
	header http.Header
	body   string
	err    error
}

// client does what the gateway's transport does: no redirects, no silent gzip.
func client() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{DisableCompression: true, DisableKeepAlives: true, MaxResponseHeaderBytes: 1 << 20},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// request makes one; headers are pairs.
func (u *upstream) request(ctx context.Context, method, path, body string, headers ...string) *http.Request {
	u.t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, u.url+path, strings.NewReader(body))
	if err != nil {
		u.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	switch {
	case u.key == "":
	case strings.HasPrefix(path, "/v1/messages"):
		req.Header.Set("X-Api-Key", u.key)
		req.Header.Set("Anthropic-Version", "2023-06-01")
	case strings.HasPrefix(path, "/v1beta"):
		req.Header.Set("X-Goog-Api-Key", u.key)
	default:
		req.Header.Set("Authorization", "Bearer "+u.key)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return req
}

// do sends one request and returns once it was recorded, so that calls are recorded in the order of the test.
func (u *upstream) do(ctx context.Context, method, path, body string, headers ...string) answer {
	u.t.Helper()
	defer u.settled()
	resp, err := client().Do(u.request(ctx, method, path, body, headers...))
	if err != nil {
		return answer{err: err}
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	header := resp.Header
	for k, v := range resp.Trailer {
		header[k] = v
	}
	return answer{resp.StatusCode, header, string(raw), err}
}

func (u *upstream) post(path, body string, headers ...string) answer {
	u.t.Helper()
	return u.do(u.t.Context(), http.MethodPost, path, body, headers...)
}

func (u *upstream) get(path string, headers ...string) answer {
	u.t.Helper()
	return u.do(u.t.Context(), http.MethodGet, path, "", headers...)
}

// event is one server-sent event.
type event struct{ name, data string }

// events splits a body by the rules of https://html.spec.whatwg.org/multipage/server-sent-events.html
// as far as vendors use them.
func events(body string) []event {
	var out []event
	var e event
	sc := bufio.NewScanner(strings.NewReader(body))
	sc.Buffer(nil, 64<<20)
	for sc.Scan() {
		line := strings.TrimSuffix(sc.Text(), "\r")
		switch {
		case line == "":
			if e != (event{}) {
				out = append(out, e)
			}
			e = event{}
		case strings.HasPrefix(line, "event: "):
			e.name = line[len("event: "):]
		case strings.HasPrefix(line, "data: "):
			e.data += line[len("data: "):]
		}
	}
	return out
}

// tree decodes JSON into maps; it fails the test on anything else.
func tree(t *testing.T, s string) map[string]any {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(s))
	var v map[string]any
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("not a JSON object: %v\n%.400s", err, s)
	}
	if dec.More() {
		t.Fatalf("something follows the JSON object:\n%.400s", s)
	}
	return v
}

// at walks a tree: string steps are members, int steps are elements; nil when there is nothing.
func at(v any, path ...any) any {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[step]
		case int:
			l, _ := v.([]any)
			if step >= len(l) {
				return nil
			}
			v = l[step]
		}
	}
	return v
}

func num(v any, path ...any) int64 {
	f, _ := at(v, path...).(float64)
	return int64(f)
}

func str(v any, path ...any) string {
	s, _ := at(v, path...).(string)
	return s
}

// settled waits for the handlers, which may still be on their way out after the client has its last byte.
func (u *upstream) settled() {
	u.t.Helper()
	for deadline := time.Now().Add(time.Minute); u.Stats().Active != 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			u.t.Fatal("a call does not end")
		}
	}
}

// last returns the newest record.
func (u *upstream) last() simulator.Call {
	u.t.Helper()
	calls := u.Calls(0)
	if len(calls) == 0 {
		u.t.Fatal("no call was recorded")
	}
	return calls[len(calls)-1]
}
