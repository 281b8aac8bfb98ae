package app_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Over HTTP/2 a write deadline resets the stream when it passes, whether anybody writes or not. A model
// that is silent for longer than a client may take for a write must not lose its client by that.
func TestHTTP2StreamOutlivesSilence(t *testing.T) {
	url := bad(t, func(w http.ResponseWriter, r *http.Request, say wire) {
		send(w, say.setup, say.say("before"))
		select {
		case <-time.After(1500 * time.Millisecond): // the deadline is a second more than configured
		case <-r.Context().Done():
		}
		send(w, say.say("after"), say.end)
	})
	h := attack(t, url, "TIMEOUT_CLIENT_WRITE=50ms")
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	h.client.Transport = &http.Transport{Protocols: protocols}
	d := streamed()[0]
	a := h.post(t, d.path, strings.NewReader(d.request()), d.key(userKey)...)
	if !strings.Contains(a.body, "after") || !strings.HasSuffix(a.body, "data: [DONE]\n\n") {
		t.Errorf("%d %s", a.status, a.body)
	}
	h.client.CloseIdleConnections()
	h.idle(t)
	h.client.CloseIdleConnections()
}

// A stream that is read to its end for a client that has gone is cut by a shutdown like any other, and
// settled before the journal closes.
func TestShutdownSettlesWhatNobodyWaitsFor(t *testing.T) {
	_, url := simulate(t)
	g := startGateway(t, "channels:\n"+member("c", "simulator", url, "sk-up", "")+alice("10"), "TIMEOUT_SHUTDOWN=100ms")
	_, _, hangUp := g.open(streamedAsks()[0].words("+events=5000+slow=20ms"))
	hangUp()
	time.Sleep(300 * time.Millisecond) // until the gateway has noticed; if it has not, the test proves less
	if n := len(g.lines("call")); n != 0 {
		t.Fatalf("%d calls were settled before the shutdown", n)
	}
	g.stop()
	lines := g.lines("call")
	if len(lines) != 1 || lines[0]["out"].(float64) <= 0 || lines[0]["nanos"].(float64) <= 0 {
		t.Errorf("log: %v", lines)
	}
}

// Who continues a stored response is held to what its channel serves, as everybody is.
func TestContinuedResponseKeepsTheRules(t *testing.T) {
	var calls atomic.Int32
	url := bad(t, func(w http.ResponseWriter, _ *http.Request, say wire) {
		calls.Add(1)
		_, _ = io.WriteString(w, say.plain) // the gateway takes it whole
	})
	g := startGateway(t, "channels:\n"+member("c", "simulator", url, "sk-up", "")+alice("10"))
	if a := g.send("POST", "/v1/responses", `{"model":"sim-gpt","input":"hi"}`); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if a := g.send("POST", "/v1/responses", `{"model":"sim-gpt","input":"hi","previous_response_id":"resp_1"}`); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
	a := g.send("POST", "/v1/responses", `{"model":"o9-unpriced","input":"hi","previous_response_id":"resp_1"}`)
	if a.status != 404 || calls.Load() != 2 {
		t.Errorf("%d %s, after %d calls", a.status, a.body, calls.Load())
	}
}

// Names of models are kept for routing and in records, so they are bounded in every dialect.
func TestLongModelNames(t *testing.T) {
	var calls atomic.Int32
	url := bad(t, func(w http.ResponseWriter, _ *http.Request, say wire) {
		calls.Add(1)
		_, _ = io.WriteString(w, say.plain) // the gateway takes it whole
	})
	h := attack(t, url)
	for _, d := range dialects() {
		d.model += strings.Repeat("x", 2000)
		path := strings.Replace(d.path, "sim-gemini", d.model, 1)
		a := h.post(t, path, strings.NewReader(d.request()), d.key(userKey)...)
		if a.status != 404 && a.status != 400 || calls.Load() != 0 {
			t.Errorf("%s: %d %.200s, after %d calls", d.name, a.status, a.body, calls.Load())
		}
	}
}

// What an upstream says of the operator's account is as private in the middle of a stream as before it.
func TestErrorInAStreamIsPublic(t *testing.T) {
	url := bad(t, func(w http.ResponseWriter, _ *http.Request, say wire) {
		send(w, say.setup, say.say("so far"), "data: {\"error\":{\"message\":\"acme-canary has exceeded its quota\",\"type\":\"insufficient_quota\",\"code\":\"insufficient_quota\"}}\n\n")
	})
	h := attack(t, url)
	d := streamed()[0]
	a := h.post(t, d.path, strings.NewReader(d.request()), d.key(userKey)...)
	if !strings.Contains(a.body, "so far") || !strings.Contains(a.body, `"error"`) || strings.Contains(a.body, "canary") {
		t.Errorf("%d %s", a.status, a.body)
	}
	if len(h.lines("channel retired")) != 1 {
		t.Error("the channel goes on with a key that has no quota left")
	}
}

// A client that takes its time for what was written is not a provider that stalls.
func TestSlowClientIsNotASlowProvider(t *testing.T) {
	url := bad(t, func(w http.ResponseWriter, _ *http.Request, say wire) {
		send(w, say.setup)
		piece := say.say(strings.Repeat("much ", 12<<10))
		for range 400 {
			if !send(w, piece) {
				return
			}
		}
		send(w, say.end)
	})
	h := attack(t, url, "TIMEOUT_FIRST_BYTE=1500ms", "TIMEOUT_IDLE=1500ms")
	d := streamed()[0]
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.base+d.path, strings.NewReader(d.request()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(d.header, d.key(userKey)[1])
	resp, err := h.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	time.Sleep(2500 * time.Millisecond) // longer than a provider may be silent
	raw, err := io.ReadAll(resp.Body)
	if err != nil || !strings.HasSuffix(string(raw), "data: [DONE]\n\n") {
		t.Errorf("%d bytes, %v, …%s", len(raw), err, fmt.Sprintf("%.300s", raw[max(0, len(raw)-300):]))
	}
}

// Some providers send blanks while a model thinks, for longer than a first byte may take. They show life; an answer
// that has begun and stops is another thing, and one of blanks alone has to begin in time.
func TestBlanksBeforeAWholeAnswer(t *testing.T) {
	blanks := func(w http.ResponseWriter, r *http.Request, n int) {
		for range n {
			if r.Context().Err() != nil || !send(w, "\n") {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
	for _, c := range []struct {
		name   string
		env    []string
		behave func(w http.ResponseWriter, r *http.Request, say wire)
		status int
		says   string
	}{
		{"then an answer", []string{"TIMEOUT_FIRST_BYTE=1s", "TIMEOUT_IDLE=1m"}, func(w http.ResponseWriter, r *http.Request, say wire) {
			blanks(w, r, 15)
			_, _ = io.WriteString(w, say.plain)
		}, 200, ""},
		{"then half of one", []string{"TIMEOUT_FIRST_BYTE=1m", "TIMEOUT_IDLE=300ms"}, func(w http.ResponseWriter, r *http.Request, say wire) {
			send(w, "\n", say.plain[:len(say.plain)/2])
			<-r.Context().Done()
		}, 504, "the answer stalled"},
		{"and nothing else", []string{"TIMEOUT_ROUTE=500ms"}, func(w http.ResponseWriter, r *http.Request, _ wire) { blanks(w, r, 600) }, 504, "nothing came in time"},
		{"then letters without end", []string{"TIMEOUT_CALL=1s", "TIMEOUT_ROUTE=900ms"}, func(w http.ResponseWriter, r *http.Request, _ wire) {
			for send(w, " x") && r.Context().Err() == nil {
				time.Sleep(20 * time.Millisecond)
			}
		}, 504, "the call took too long"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := attack(t, bad(t, c.behave), c.env...)
			for _, d := range dialects() {
				a := h.post(t, d.path, strings.NewReader(d.request()), d.key(userKey)...)
				if a.status != c.status {
					t.Errorf("%s: %d %.300s", d.name, a.status, a.body)
				} else if c.status != 200 && !strings.Contains(d.fault(t, a), c.says) {
					t.Errorf("%s: %.300s", d.name, a.body)
				}
			}
		})
	}
}

// slowly is a request that takes d to come.
func slowly(request string, d time.Duration) io.Reader {
	body, pipe := io.Pipe()
	go func() {
		_, err := io.WriteString(pipe, request[:20])
		if err == nil {
			time.Sleep(d)
			_, err = io.WriteString(pipe, request[20:])
		}
		_ = pipe.CloseWithError(err)
	}()
	return body
}

// A client that takes its time to send its request takes none from those who answer it.
func TestSlowRequestLeavesTimeToAnswer(t *testing.T) {
	h := attack(t, bad(t, func(w http.ResponseWriter, _ *http.Request, say wire) { _, _ = io.WriteString(w, say.plain) }), "TIMEOUT_ROUTE=2s")
	var wg sync.WaitGroup
	for _, d := range dialects() {
		wg.Go(func() {
			if a := h.post(t, d.path, slowly(d.request(), 2200*time.Millisecond), d.key(userKey)...); a.status != 200 {
				t.Errorf("%s: %d %.300s", d.name, a.status, a.body)
			}
		})
	}
	wg.Wait()
}

// A call whose time is over before anybody was asked says so, and no channel is held to blame.
func TestSlowRequestTakesTheWholeCall(t *testing.T) {
	h := attack(t, bad(t, func(http.ResponseWriter, *http.Request, wire) { t.Error("it is asked") }), "TIMEOUT_ROUTE=300ms", "TIMEOUT_CALL=300ms")
	for _, d := range dialects() {
		refused(t, d, h.post(t, d.path, slowly(d.request(), 400*time.Millisecond), d.key(userKey)...), 504, "before any upstream")
	}
	if tried := h.lines("call"); len(tried) != 0 {
		t.Error(tried)
	}
}
