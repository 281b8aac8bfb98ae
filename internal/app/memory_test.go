package app_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// padded is a request of d of about n bytes.
func padded(d spoken, n int) string {
	return strings.Replace(d.request(), "{", "{"+strings.Repeat(" ", n), 1)
}

// What large requests take of memory together is bounded. One more is refused before it costs anything, small ones are
// served, and there is room again when a large one ends.
func TestMemoryForRequests(t *testing.T) {
	for _, d := range dialects() {
		t.Run(d.name, func(t *testing.T) {
			overloaded := 503
			if d.name == "anthropic" {
				overloaded = 529
			}
			var calls atomic.Int32
			hold := make(chan struct{})
			url := bad(t, func(w http.ResponseWriter, r *http.Request, say wire) {
				if calls.Add(1) <= 2 {
					select {
					case <-hold:
					case <-r.Context().Done():
					}
				}
				_, _ = io.WriteString(w, say.plain)
			})
			h := attack(t, url, "MAX_BODY_BYTES=1MiB", "MAX_BODIES_BYTES=1KiB") // two of the largest fit all the same
			post := func(body io.Reader, headers ...string) answer {
				return h.post(t, d.path, body, append(headers, d.key(userKey)...)...)
			}
			var wg sync.WaitGroup
			for range 2 {
				wg.Go(func() {
					if a := post(strings.NewReader(padded(d, 1000<<10))); a.status != 200 {
						t.Errorf("the first: %d %.300s", a.status, a.body)
					}
				})
			}
			waitFor(t, "the first calls", func() bool { return calls.Load() == 2 })
			for name, a := range map[string]answer{
				"announced": post(strings.NewReader(padded(d, 600<<10))),
				"chunked":   post(io.MultiReader(strings.NewReader(padded(d, 600<<10)))),
				"zipped":    post(strings.NewReader(zip(t, padded(d, 600<<10))), "Content-Encoding", "gzip"),
			} {
				refused(t, d, a, overloaded, "memory")
				if a.header.Get("Retry-After") == "" {
					t.Errorf("%s: no Retry-After: %v", name, a.header)
				}
			}
			for _, n := range []int{0, 20 << 10} {
				if a := post(strings.NewReader(padded(d, n))); a.status != 200 {
					t.Errorf("%d bytes: %d %.300s", n, a.status, a.body)
				}
			}
			close(hold)
			wg.Wait()
			h.idle(t)
			if a := post(strings.NewReader(padded(d, 1000<<10))); a.status != 200 || calls.Load() != 5 {
				t.Errorf("after the first: %d %.300s, %d calls", a.status, a.body, calls.Load())
			}
			for _, line := range h.lines("call") { // a channel has no part in it
				if line["attempts"] != 1.0 {
					t.Errorf("log: %v", line)
				}
			}
		})
	}
}

// Large answers share that memory. They have been paid for, so they wait for each other, and all of them arrive.
func TestMemoryForAnswers(t *testing.T) {
	const many = 8
	var half sync.WaitGroup
	half.Add(many)
	all := make(chan struct{})
	url := bad(t, func(w http.ResponseWriter, r *http.Request, say wire) {
		body := strings.Replace(say.plain, "{", "{"+strings.Repeat(" ", 900<<10), 1)
		send(w, body[:400<<10])
		half.Done()
		select { // all are under way before one can end
		case <-all:
		case <-r.Context().Done():
		}
		_, _ = io.WriteString(w, body[400<<10:])
	})
	// No more than the silence of its upstream counts as one.
	h := attack(t, url, "MAX_BODY_BYTES=1MiB", "MAX_BODIES_BYTES=1KiB", "TIMEOUT_IDLE=20s", "TIMEOUT_FIRST_BYTE=20s")
	var wg sync.WaitGroup
	for i := range many {
		d := dialects()[i%len(dialects())]
		wg.Go(func() {
			if a := h.post(t, d.path, strings.NewReader(d.request()), d.key(userKey)...); a.status != 200 || len(a.body) < 900<<10 {
				t.Errorf("%s: %d, %d bytes, %.100s", d.name, a.status, len(a.body), fmt.Sprint(strings.TrimSpace(a.body)))
			}
		})
	}
	half.Wait()
	time.Sleep(50 * time.Millisecond) // until they wait; if they do not yet, the test proves less
	close(all)
	wg.Wait()
}

// An answer that waits for memory until its call is over is not the fault of its channel.
func TestMemoryForAnswersIsNoChannelsFault(t *testing.T) {
	d := dialects()[0]
	large := func(w http.ResponseWriter, _ *http.Request, say wire) {
		_, _ = io.WriteString(w, strings.Replace(say.plain, "{", "{"+strings.Repeat(" ", 24<<20), 1))
	}
	first, second := bad(t, large), bad(t, func(w http.ResponseWriter, _ *http.Request, say wire) { _, _ = io.WriteString(w, say.plain) })
	yaml := "channels:\n" + member("first", "openai", first, upKey, "priority: 1") + member("second", "openai", second, upKey, "") + alice("10")
	h := attackOn(t, yaml, "MAX_BODY_BYTES=1KiB", "MAX_BODIES_BYTES=1KiB", "TIMEOUT_CALL=1s", "TIMEOUT_ROUTE=1s")
	idle := h.dial(t) // it takes the one place without memory, and does not read
	if _, err := fmt.Fprintf(idle, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", d.path, userKey, len(d.request()), d.request()); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the answer that nobody reads", func() bool { return len(h.lines("call")) == 1 })
	for range 5 { // more than a channel may fail
		if a := h.post(t, d.path, strings.NewReader(d.request()), d.key(userKey)...); a.status != 504 || !strings.Contains(d.fault(t, a), "memory") {
			t.Errorf("%d %.300s", a.status, a.body) // 200: it rests, the second one has answered
		}
	}
	if err := idle.Close(); err != nil {
		t.Fatal(err)
	}
}

// What the gateway reads itself, to count tokens for a client whose channel can't, takes memory as a translated request
// does, and is refused before it does.
func TestMemoryForEstimates(t *testing.T) {
	d := dialects()[0]
	hold, asked := make(chan struct{}), make(chan struct{}, 1)
	url := bad(t, func(w http.ResponseWriter, r *http.Request, say wire) {
		asked <- struct{}{}
		select {
		case <-hold:
		case <-r.Context().Done():
		}
		_, _ = io.WriteString(w, say.plain)
	})
	h := attackOn(t, "channels:\n"+member("first", "groq", url, upKey, "")+alice("10"), "MAX_BODY_BYTES=1MiB", "MAX_BODIES_BYTES=1KiB")
	count := func() answer {
		return h.post(t, "/v1/messages/count_tokens", strings.NewReader(`{`+strings.Repeat(" ", 1000<<10)+`"model":"sim-gpt","messages":[{"role":"user","content":"hi"}]}`), d.key(userKey)...)
	}
	done := make(chan answer, 1)
	go func() { done <- h.post(t, d.path, strings.NewReader(padded(d, 1000<<10)), d.key(userKey)...) }()
	<-asked
	if a := count(); a.status != 529 || a.header.Get("Retry-After") == "" {
		t.Errorf("while a request is held: %d %s", a.status, a.body)
	}
	close(hold)
	if a := <-done; a.status != 200 {
		t.Errorf("the request: %d %s", a.status, a.body)
	}
	h.idle(t)
	if a := count(); a.status != 200 || a.header.Get("X-Tollgate-Estimate") == "" {
		t.Errorf("after it: %d %s", a.status, a.body)
	}
}

// However calls end, what they took of memory comes back: the largest request that is translated needs all there is.
func TestMemoryComesBack(t *testing.T) {
	var calls atomic.Int64
	url := bad(t, func(w http.ResponseWriter, r *http.Request, say wire) {
		large := strings.Replace(say.plain, "{", "{"+strings.Repeat(" ", 900<<10), 1)
		switch calls.Add(1) % 9 {
		case 0:
			_, _ = io.WriteString(w, large)
		case 1:
			send(w, large[:500<<10])
			panic(http.ErrAbortHandler)
		case 2:
			w.Header().Set("Content-Length", fmt.Sprint(len(large)))
			send(w, large[:500<<10])
			panic(http.ErrAbortHandler)
		case 3:
			_, _ = io.WriteString(w, large+strings.Repeat(" ", 2<<20)) // too large
		case 4:
			http.Error(w, "broken", http.StatusBadGateway)
		case 5:
			send(w, large[:300<<10])
			select { // longer than the clients that leave
			case <-r.Context().Done():
			case <-time.After(300 * time.Millisecond):
			}
			_, _ = io.WriteString(w, large[300<<10:])
		case 6:
			_, _ = io.WriteString(w, strings.Repeat("x", 900<<10)) // no answer
		case 7:
			send(w, large[:300<<10])
			<-r.Context().Done() // until it is idle for too long
		default:
			panic(http.ErrAbortHandler)
		}
	})
	h := attackOn(t, vendors(url), "MAX_BODY_BYTES=1MiB", "MAX_ANSWER_BYTES=2MiB", "MAX_BODIES_BYTES=1KiB", "TIMEOUT_IDLE=500ms", "TIMEOUT_FIRST_BYTE=5s", "TIMEOUT_ROUTE=5s", "TIMEOUT_CALL=5s")
	models := []string{"sim-gpt", "sim-claude", "sim-gemini"}
	for round := range 9 {
		var wg sync.WaitGroup
		for i := range 12 {
			d, model := dialects()[i%len(dialects())], models[(i+round)%len(models)]
			wg.Go(func() {
				path, body := strings.ReplaceAll(d.path, d.model, model), strings.ReplaceAll(padded(d, i*80<<10), d.model, model)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if i%4 == 3 {
					time.AfterFunc(time.Duration(20*(round+1))*time.Millisecond, cancel)
				}
				req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.base+path, io.MultiReader(strings.NewReader(body)))
				if err != nil {
					t.Error(err)
					return
				}
				req.Header.Set("Content-Type", "application/json")
				for k := d.key(userKey); len(k) > 1; k = k[2:] {
					req.Header.Set(k[0], k[1])
				}
				if resp, err := h.client.Do(req); err == nil {
					_, _ = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
				}
			})
		}
		wg.Wait()
	}
	h.idle(t)
	d := dialects()[0]
	for calls.Load()%9 != 8 { // the next one is answered
		calls.Add(1)
	}
	if a := h.post(t, d.path, strings.NewReader(strings.ReplaceAll(padded(d, 1023<<10), d.model, "sim-claude")), d.key(userKey)...); a.status != 200 {
		t.Errorf("%d %.300s", a.status, a.body)
	}
}
