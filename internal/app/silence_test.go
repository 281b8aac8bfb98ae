package app_test

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"

	"tollgate/internal/dialect/crosstest"
)

// sign is what tells clients that a silent stream goes on; Gemini's are told nothing, see dialect.Ping.
var sign = map[string]string{"chat": ": ping\n\n", "responses": ": ping\n\n", "claude": "event: ping\ndata: {\"type\":\"ping\"}\n\n"}

// silent is an upstream that says a part of its answer each time that it is told to.
func silent(t *testing.T, say chan struct{}, parts func(say wire) []string) string {
	return bad(t, func(w http.ResponseWriter, r *http.Request, wire wire) {
		if noGateway(w, r) {
			return
		}
		for i, part := range parts(wire) {
			if i > 0 {
				select {
				case <-say:
				case <-r.Context().Done():
					return
				}
			}
			if !send(w, part) {
				return
			}
		}
	})
}

// listener is a client that reads its answer as it comes.
type listener struct {
	t    *testing.T
	resp *http.Response
	in   *bufio.Reader
	told strings.Builder
}

func (g *gateway) listen(t *testing.T, path, body string) *listener {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+userKey)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return &listener{t: t, resp: resp, in: bufio.NewReader(resp.Body)}
}

// until reads on until n more of what have come.
func (l *listener) until(n int, what string) {
	l.t.Helper()
	for had := strings.Count(l.told.String(), what); strings.Count(l.told.String(), what) < had+n; {
		line, err := l.in.ReadString('\n')
		if l.told.WriteString(line); err != nil {
			l.t.Fatalf("waits for %q: %v after %q", what, err, l.told.String())
		}
	}
}

// rest reads to the end.
func (l *listener) rest() answer {
	l.t.Helper()
	rest, err := io.ReadAll(l.in)
	l.told.Write(rest)
	if err != nil {
		l.t.Fatalf("%v after %q", err, l.told.String())
	}
	return answer{status: l.resp.StatusCode, header: l.resp.Header, body: l.told.String()}
}

// While an upstream that has begun is silent, its client is told again and again that the stream goes on: after the
// first event and between two of them, in the way of its dialect, and its answer is none the worse for it.
func TestSilentStreams(t *testing.T) {
	say := make(chan struct{})
	url := silent(t, say, func(say wire) []string { return []string{say.setup, say.say("o"), say.say("k"), say.end} })
	g := startGateway(t, translated(url, ""), "PING_AFTER=20ms")
	cells(t, func(t *testing.T, name string, c wireClient, upstream string) {
		path, body := c.ask(upstream+"-model", "think first", true, "")
		l := g.listen(t, path, body)
		for part := range 3 {
			// A ping would be the first event of a message where the upstream has said nothing but a comment.
			if name != "gemini" && (part > 0 || name != "claude" || upstream != "gemini") {
				l.until(2, sign[name])
			}
			say <- struct{}{}
		}
		got := l.rest()
		if told := c.read(t, true, got); told.Text() != "ok" || told.Failed != nil {
			t.Errorf("%q, failed %v: %s", told.Text(), told.Failed, got.body)
		}
		if name == "claude" && strings.HasPrefix(got.body, sign[name]) || name == "gemini" && strings.Contains(got.body, "ping") {
			t.Errorf("%s", got.body)
		}
	})
	for _, line := range g.lines("call") {
		if line["error"] != nil || line["usage"] != "measured" {
			t.Errorf("log: %v", line)
		}
	}
}

// Signs of life do not make an upstream live: one that stays silent ends as an error of the client's dialect, in time.
func TestSilenceEnds(t *testing.T) {
	for _, begun := range []string{"", "half"} {
		url := silent(t, nil, func(say wire) []string {
			if begun == "" {
				return []string{say.setup, ""}
			}
			return []string{say.setup + say.say(begun), ""}
		})
		g := startGateway(t, translated(url, ""), "PING_AFTER=20ms", "TIMEOUT_IDLE=120ms")
		cells(t, func(t *testing.T, name string, c wireClient, upstream string) {
			path, body := c.ask(upstream+"-model", "think first", true, "")
			got := g.send("POST", path, body)
			events, err := crosstest.ReadAnswer(c.side, true, []byte(got.body), 0)
			if told := crosstest.Collect(events); got.status != http.StatusOK || err == nil && told.Failed == nil || told.Ended || told.Text() != begun ||
				!strings.Contains(got.body, "the call may be sent again") || strings.Contains(got.body, "what came is incomplete") != (begun != "") {
				t.Errorf("%d, %q, failed %v: %s", got.status, told.Text(), told.Failed, got.body)
			}
			if name != "gemini" && (begun != "" || name != "claude" || upstream != "gemini") && strings.Count(got.body, sign[name]) < 2 {
				t.Errorf("%s", got.body)
			}
		})
		for _, line := range g.lines("call") {
			if line["error"] != "timeout" || line["status"] != 200.0 {
				t.Errorf("log: %v", line)
			}
		}
	}
}

// Nothing is told before the upstream has begun, so that another can be tried; nor, without PING_AFTER, while it says
// nothing of meaning.
func TestNoSignBeforeTheFirstEvent(t *testing.T) {
	for setting, begins := range map[string]bool{"PING_AFTER=20ms": false, "PING_AFTER=0s": true} {
		first := silent(t, nil, func(say wire) []string {
			if begins {
				return []string{say.setup, ""}
			}
			return []string{"", ""} // the headers
		})
		second := bad(t, func(w http.ResponseWriter, _ *http.Request, say wire) { _ = send(w, say.setup, say.say("ok"), say.end) })
		for name, c := range clients {
			g := startGateway(t, relays(first, second, ""), setting, "TIMEOUT_IDLE=100ms", "TIMEOUT_FIRST_BYTE=100ms")
			path, body := c.ask("chat-then-claude-1", "hi", true, "")
			got := g.send("POST", path, body)
			if told := c.read(t, true, got); told.Failed != nil || told.Text() != "ok" || strings.Contains(got.body, "ping") {
				t.Errorf("%s, %s: %d %s", setting, name, got.status, got.body)
			}
			if line := g.onlyCall(); line["attempts"] != 2.0 || line["error"] != nil {
				t.Errorf("%s: %v", setting, line)
			}
		}
	}
}
