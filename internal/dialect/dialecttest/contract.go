package dialecttest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
)

// kinds is every kind of error.
var kinds = [...]canon.Kind{
	canon.KindInvalid, canon.KindAuth, canon.KindDenied, canon.KindNotFound, canon.KindTooLarge,
	canon.KindUnsupported, canon.KindRateLimited, canon.KindQuota, canon.KindOverloaded,
	canon.KindUpstream, canon.KindTimeout, canon.KindCanceled, canon.KindInternal,
}

// contract checks what holds for every dialect.
func contract(t *testing.T, p dialect.Protocol) {
	if len(p.Endpoints()) == 0 {
		t.Error("no endpoints")
	}
	for _, ep := range p.Endpoints() {
		if ep.Dialect != p.Dialect() {
			t.Errorf("%s %s belongs to %q, not to %q", ep.Method, ep.Path, ep.Dialect, p.Dialect())
		}
		if ep.Op == "" || !strings.HasPrefix(ep.Path, "/") {
			t.Errorf("endpoint %+v: no operation or no path", ep)
		}
	}
	for _, name := range p.RequestHeaders() {
		if name != http.CanonicalHeaderKey(name) {
			t.Errorf("header %q is not in canonical form", name)
		}
		low := strings.ToLower(name)
		for _, never := range []string{"auth", "key", "cookie", "host", "token", "organization", "project", "forwarded"} {
			if strings.Contains(low, never) {
				t.Errorf("header %q must not travel upstream: it carries credentials, hosts or billing tags", name)
			}
		}
	}
	for _, k := range kinds {
		e := &canon.Error{Kind: k, Message: "wh\"at\n was <wrong> \xff", RetryAfter: 1100 * time.Millisecond, Cause: errSecret}
		rec := httptest.NewRecorder()
		p.WriteError(rec, e)
		body := rec.Body.String()
		if rec.Code < 400 || rec.Code > 599 {
			t.Errorf("%s: status %d", k, rec.Code)
		}
		if !json.Valid([]byte(body)) {
			t.Errorf("%s: the body is not JSON: %s", k, body)
		}
		if ct := rec.Header().Get("Content-Type"); !strings.HasPrefix(ct, "application/json") {
			t.Errorf("%s: Content-Type %q", k, ct)
		}
		if ra := rec.Header().Get("Retry-After"); ra != "2" {
			t.Errorf("%s: Retry-After %q, want 2: whole seconds, rounded up", k, ra)
		}
		end := string(p.AppendStreamError([]byte("before"), dialect.Head{Op: canon.OpGenerate, Stream: true, Framing: dialect.FramingSSE, Choices: 1}, e))
		if !strings.HasPrefix(end, "before") || !strings.HasSuffix(end, "\n\n") && !strings.HasSuffix(end, "\r\n\r\n") {
			t.Errorf("%s: a stream error must be appended as whole events: %q", k, end)
		}
		text, events, err := readBack(p, end[len("before"):])
		if err != nil {
			t.Errorf("%s: our own stream error cannot be read: %v", k, err)
		}
		failed := slices.ContainsFunc(events, func(e canon.Event) bool { _, ok := e.(canon.Failed); return ok })
		ended := slices.ContainsFunc(events, func(e canon.Event) bool { _, ok := e.(canon.Ended); return ok })
		if !failed || ended || !strings.HasSuffix(text, "not complete\n") {
			t.Errorf("%s: a stream error must read as a failure without a normal end: %s", k, lines(events))
		}
		for _, out := range []string{body, end} {
			if strings.Contains(out, errSecret.Error()) {
				t.Errorf("%s: the cause reached the client: %s", k, out)
			}
		}
	}
	for _, stream := range []bool{false, true} {
		if p.NewReader(dialect.Head{Op: canon.OpGenerate, Stream: stream, Choices: 1}).Complete() {
			t.Errorf("stream %v: nothing was read and the answer is complete", stream)
		}
	}
	for _, status := range []int{400, 401, 402, 403, 404, 405, 408, 409, 413, 415, 422, 429, 451, 499, 500, 501, 502, 503, 504, 520, 529, 599} {
		for _, body := range []string{"", "{", "null", "[]", `{"error":null}`, `"x"`, "<html><body>Bad gateway</body></html>", strings.Repeat("long ", 1<<16)} {
			e := p.ReadError(status, http.Header{}, []byte(body))
			if e == nil || e.Kind == "" || e.Message == "" || len(e.Message) > 4096 {
				t.Errorf("status %d, body %.20q: want an error with a kind and a bounded message, got %.200v", status, body, e)
				continue
			}
			if status == 429 && e.Kind != canon.KindRateLimited {
				t.Errorf("a 429 without words is %s", e.Kind)
			}
			if status == 401 && e.Kind != canon.KindAuth {
				t.Errorf("a 401 without words is %s", e.Kind)
			}
		}
	}
}

// errSecret stands for what only our own log may see.
const errSecret = secretError("only for our log")

type secretError string

func (e secretError) Error() string { return string(e) }

// readBack reads a stream of our own with the dialect's reader.
func readBack(p dialect.Protocol, stream string) (string, []canon.Event, error) {
	return replay(p, dialect.Head{Op: canon.OpGenerate, Stream: true, Framing: dialect.FramingSSE, Choices: 1}, strings.NewReader(stream))
}
