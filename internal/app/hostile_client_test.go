package app_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Clients that never finish what they send get an answer, or a closed connection, in bounded time,
// whoever would read their body; and the time is over when the body has come.
func TestHostileUploads(t *testing.T) {
	sim, url := simulate(t)
	h := attack(t, url, "TIMEOUT_CLIENT_READ=500ms")
	head := func(d spoken, path, key string) string {
		k := d.key(key)
		return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: g\r\nContent-Type: application/json\r\n%s: %s\r\n", path, k[0], k[1])
	}
	t.Run("uploads", func(t *testing.T) { // they wait most of the time
		for _, d := range dialects() {
			for _, c := range []struct {
				name, send string
				status     int
				says       string
			}{
				{"nothing", head(d, d.path, userKey) + "Content-Length: 1000\r\n\r\n", 408, "in time"},
				{"half a body", head(d, d.path, userKey) + "Content-Length: 1000\r\n\r\n" + d.request(), 408, "in time"},
				{"no last chunk", head(d, d.path, userKey) + "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":", 408, "in time"},
				{"no chunk", head(d, d.path, userKey) + "Transfer-Encoding: chunked\r\n\r\n", 408, "in time"},
				{"half a gzip", head(d, d.path, userKey) + "Content-Encoding: gzip\r\nContent-Length: 1000\r\n\r\n\x1f\x8b\x08", 408, "in time"},
				{"expectation", head(d, d.path, userKey) + "Expect: 100-continue\r\nContent-Length: 1000\r\n\r\n", 100, ""},
				{"no key", head(d, d.path, "") + "Content-Length: 1000\r\n\r\n", 401, ""},
				{"wrong key", head(d, d.path, "sk-wrong") + "Transfer-Encoding: chunked\r\n\r\n5\r\n", 401, ""},
				{"wrong type", strings.Replace(head(d, d.path, userKey), "application/json", "text/plain", 1) + "Content-Length: 1000\r\n\r\n", 415, ""},
				{"too large", head(d, d.path, userKey) + "Content-Length: 99999999999\r\n\r\n", 413, "67108864"},
			} {
				t.Run(d.name+" "+c.name, func(t *testing.T) {
					t.Parallel()
					got := h.raw(t, c.send)
					if len(got) == 0 || got[0].status != c.status {
						t.Fatalf("answers: %.500v", got)
					}
					if c.status >= 400 {
						if said := d.fault(t, got[0]); !strings.Contains(said, c.says) {
							t.Errorf("%q does not say %q", said, c.says)
						}
					}
				})
			}
			t.Run(d.name+" drip", func(t *testing.T) {
				t.Parallel()
				conn := h.dial(t)
				if _, err := io.WriteString(conn, head(d, d.path, userKey)+"Content-Length: 100000\r\n\r\n{"); err != nil {
					t.Fatal(err)
				}
				var dripping sync.WaitGroup
				dripping.Go(func() {
					for {
						if _, err := io.WriteString(conn, " "); err != nil {
							return
						}
						time.Sleep(20 * time.Millisecond)
					}
				})
				if got := h.answers(t, conn); len(got) == 0 || got[0].status != 408 {
					// A reset may overtake the answer, because bytes keep coming.
					if len(got) != 0 {
						t.Errorf("answers: %.500v", got)
					}
				}
				_ = conn.Close()
				dripping.Wait()
			})
			t.Run(d.name+" much, then nothing", func(t *testing.T) { // what came fast buys no long silence
				t.Parallel()
				conn := h.dial(t)
				if _, err := io.WriteString(conn, head(d, d.path, userKey)+"Content-Length: 60000000\r\n\r\n{"); err != nil {
					t.Fatal(err)
				}
				piece := strings.Repeat(" ", 256<<10)
				for range 8 {
					if _, err := io.WriteString(conn, piece); err != nil {
						t.Fatal(err)
					}
					time.Sleep(100 * time.Millisecond)
				}
				if got := h.answers(t, conn); len(got) != 1 || got[0].status != 408 {
					t.Errorf("answers: %.500v", got)
				}
			})
			t.Run(d.name+" slow but steady", func(t *testing.T) {
				t.Parallel()
				body, w := io.Pipe()
				go func() {
					piece := strings.Repeat(" ", 10<<10)
					for range 8 {
						if _, err := io.WriteString(w, piece); err != nil {
							return
						}
						time.Sleep(150 * time.Millisecond)
					}
					_, _ = io.WriteString(w, d.request())
					_ = w.Close()
				}()
				if a := h.post(t, d.path, body, d.key(userKey)...); a.status != 200 {
					t.Errorf("%d %s", a.status, a.body)
				}
			})
			t.Run(d.name+" answer later than the body may take", func(t *testing.T) {
				t.Parallel()
				slow := strings.NewReplacer("sim-gpt", "sim-gpt+first=1200ms", "sim-claude", "sim-claude+first=1200ms", "sim-gemini", "sim-gemini+first=1200ms")
				for _, body := range []io.Reader{strings.NewReader(slow.Replace(d.request())), io.MultiReader(strings.NewReader(slow.Replace(d.request())))} {
					if a := h.post(t, slow.Replace(d.path), body, d.key(userKey)...); a.status != 200 {
						t.Errorf("%d %s", a.status, a.body)
					}
				}
			})
		}
	})
	for _, path := range []string{"/", "/nothing", "/v1/models", "/v1/responses/resp_x/cancel", "/healthz", "/metrics"} {
		h.raw(t, head(dialects()[0], path, userKey)+"Content-Length: 1000\r\n\r\n") // must end
	}
	if n := len(counted(t, sim)); n != 12 {
		t.Errorf("the upstream saw %d calls", n)
	}
}

// HTTP/2 has the same bounds.
func TestHostileHTTP2(t *testing.T) {
	_, url := simulate(t)
	h := attack(t, url, "TIMEOUT_CLIENT_READ=500ms")
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	h.client.Transport = &http.Transport{Protocols: protocols, DisableCompression: true}
	for _, d := range dialects() {
		body, w := io.Pipe()
		a := h.post(t, d.path, body, d.key(userKey)...)
		refused(t, d, a, 408, "in time")
		_ = w.Close()
		slow := strings.NewReplacer("sim-gpt", "sim-gpt+first=1200ms", "sim-claude", "sim-claude+first=1200ms", "sim-gemini", "sim-gemini+first=1200ms")
		if a := h.post(t, slow.Replace(d.path), strings.NewReader(slow.Replace(d.request())), d.key(userKey)...); a.status != 200 {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	h.client.CloseIdleConnections() // before the client of the first protocol comes back
	h.idle(t)
	h.client.CloseIdleConnections()
}

// Connections that send nothing, or half a header, are closed, and others are served meanwhile.
func TestHostileConnections(t *testing.T) {
	_, url := simulate(t)
	h := attack(t, url, "TIMEOUT_CLIENT_READ=1s")
	var conns []*net.TCPConn
	for i := range 500 {
		conn := h.dial(t)
		if i%2 == 1 {
			if _, err := io.WriteString(conn, "POST /v1/chat/completions HTTP/1.1\r\nHost: g\r\nX-A: "); err != nil {
				t.Fatal(err)
			}
		}
		conns = append(conns, conn)
	}
	d := dialects()[0]
	if a := h.post(t, d.path, strings.NewReader(d.request()), d.key(userKey)...); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
	for _, conn := range conns {
		_, err := io.Copy(io.Discard, conn)
		var ne net.Error
		if errors.As(err, &ne) && ne.Timeout() {
			t.Fatal("the gateway keeps a silent connection")
		}
	}
}

// A client that stops reading is dropped, its call settled, its upstream let go.
func TestHostileReaders(t *testing.T) {
	var running atomic.Int32
	url := bad(t, func(w http.ResponseWriter, r *http.Request, say wire) {
		running.Add(1)
		defer running.Add(-1)
		if w.Header().Get("Content-Type") == "application/json" {
			_, _ = io.WriteString(w, strings.Replace(say.plain, "ok", strings.Repeat("much ", 6<<20), 1)) // a gateway that is stopped hangs up
			return
		}
		send(w, say.setup)
		piece := say.say(strings.Repeat("endless ", 8<<10))
		for n := 0; n < 500 && send(w, piece); n++ {
		}
		send(w, say.end)
	})
	h := attackOn(t, vendors(url), "TIMEOUT_CLIENT_WRITE=100ms")
	for i, d := range append(dialects(), streamed()...) {
		t.Run(fmt.Sprint(d.name, i), func(t *testing.T) {
			before := len(h.lines("call"))
			conn := h.dial(t)
			if err := conn.SetReadBuffer(4 << 10); err != nil {
				t.Fatal(err)
			}
			k := d.key(userKey)
			if _, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: g\r\n%s: %s\r\nContent-Length: %d\r\n\r\n%s", d.path, k[0], k[1], len(d.request()), d.request()); err != nil {
				t.Fatal(err)
			}
			waitFor(t, "the line of the call", func() bool { return len(h.lines("call")) > before })
			h.idle(t)
			line := h.lines("call")[before]
			if line["nanos"].(float64) <= 0 || (line["error"] == "canceled") != (line["stream"] == true && line["provider"] != "gemini") {
				t.Errorf("log: %v", line)
			}
			waitFor(t, "the end of the upstream's answer", func() bool { return running.Load() == 0 })
		})
	}
}

// A client that reads slowly and steadily gets all of a large answer, however long that takes.
func TestSlowReadersGetAllOfALargeAnswer(t *testing.T) {
	const size = 30 << 20
	url := bad(t, func(w http.ResponseWriter, _ *http.Request, say wire) {
		_, _ = io.WriteString(w, strings.Replace(say.plain, "ok", strings.Repeat("a", size), 1)) // a gateway that hangs up is seen below
	})
	h := attackOn(t, vendors(url), "TIMEOUT_CLIENT_WRITE=1s")
	d := dialects()[0]
	conn := h.dial(t)
	if err := conn.SetReadBuffer(256 << 10); err != nil {
		t.Fatal(err)
	}
	k := d.key(userKey)
	if _, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: g\r\nConnection: close\r\n%s: %s\r\nContent-Length: %d\r\n\r\n%s", d.path, k[0], k[1], len(d.request()), d.request()); err != nil {
		t.Fatal(err)
	}
	var got int64
	for {
		n, err := io.CopyN(io.Discard, conn, 256<<10)
		if got += n; err != nil {
			break
		}
		time.Sleep(40 * time.Millisecond)
	}
	if got < size {
		t.Errorf("got %d bytes of %d", got, size)
	}
}

// A query string that can't be passed on is its writer's fault, not the operator's.
func TestHostileQueries(t *testing.T) {
	_, url := simulate(t)
	h := attackOn(t, vendors(url))
	for _, d := range dialects() {
		for _, query := range []string{"%zz=1", "a=1;b=2"} {
			a := h.post(t, d.path+"?"+query, strings.NewReader(d.request()), d.key(userKey)...)
			if said := d.fault(t, a); a.status != 400 || !strings.Contains(said, "query") {
				t.Errorf("%s ?%s: %d %s", d.name, query, a.status, said)
			}
		}
	}
}

// Clients that go away at any moment leave nothing behind.
func TestHostileDisconnects(t *testing.T) {
	var running atomic.Int32
	url := bad(t, func(w http.ResponseWriter, r *http.Request, say wire) {
		running.Add(1)
		defer running.Add(-1)
		switch {
		case r.Header.Get("User-Agent") == "wait":
		case r.Header.Get("User-Agent") == "setup":
			send(w, say.setup)
		default:
			send(w, say.setup, say.say("some words"))
		}
		<-r.Context().Done()
	})
	const short = "1s" // for an upstream that says nothing; those that stop when a client has gone must not come to that
	for _, d := range streamed() {
		t.Run(d.name, func(t *testing.T) {
			google, silence := strings.HasPrefix(d.name, "gemini"), "1m"
			if google {
				silence = short
			}
			h := attackOn(t, vendors(url), "TIMEOUT_FIRST_BYTE="+silence, "TIMEOUT_IDLE="+silence)
			k := d.key(userKey)
			whole := func(agent string) string {
				return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: g\r\nUser-Agent: %s\r\n%s: %s\r\nContent-Length: %d\r\n\r\n%s", d.path, agent, k[0], k[1], len(d.request()), d.request())
			}
			for _, c := range []struct {
				name, send string
				calls      bool // that the upstream is asked
				read       string
			}{
				{"in the header", whole("x")[:40], false, ""},
				{"before the body", whole("x")[:strings.Index(whole("x"), "\r\n\r\n")+4], false, ""},
				{"in the body", whole("x")[:len(whole("x"))-9], false, ""},
				{"before any answer", whole("wait"), true, ""},
				{"before content", whole("setup"), true, ""},
				{"in the stream", whole("x"), true, "some words"},
			} {
				t.Run(c.name, func(t *testing.T) {
					before := len(h.lines("call"))
					conn := h.dial(t)
					if _, err := io.WriteString(conn, c.send); err != nil {
						t.Fatal(err)
					}
					if c.calls {
						waitFor(t, "the upstream to be asked", func() bool { return running.Load() == 1 })
					}
					var got []byte
					for piece := make([]byte, 4<<10); !strings.Contains(string(got), c.read); {
						n, err := conn.Read(piece)
						if err != nil {
							t.Fatalf("%v after %q", err, got)
						}
						got = append(got, piece[:n]...)
					}
					if err := conn.Close(); err != nil {
						t.Fatal(err)
					}
					waitFor(t, "the end of the upstream's answer", func() bool { return running.Load() == 0 })
					h.idle(t)
					lines := h.lines("call")[before:]
					switch {
					case !c.calls && len(lines) != 0, c.calls && len(lines) != 1:
						t.Errorf("log: %v", lines)
					case c.calls && (lines[0]["error"] != map[bool]string{true: "timeout", false: "canceled"}[google] || c.read != "" && lines[0]["nanos"].(float64) <= 0 || lines[0]["usage"] == "measured"):
						t.Errorf("log: %v", lines)
					}
				})
			}
		})
	}
	// A plain answer is read to its end: nobody can stop it from being written, and billed.
	h := attackOn(t, vendors(url), "TIMEOUT_FIRST_BYTE="+short, "TIMEOUT_IDLE="+short)
	for _, d := range dialects() {
		before := len(h.lines("call"))
		ctx, cancel := context.WithCancel(t.Context())
		go func() { // hangs up once the upstream was asked
			for running.Load() == 0 && ctx.Err() == nil {
				time.Sleep(time.Millisecond)
			}
			cancel()
		}()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.base+d.path, strings.NewReader(d.request()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set(d.key(userKey)[0], d.key(userKey)[1])
		req.Header.Set("User-Agent", "wait")
		if resp, err := h.client.Do(req); err == nil {
			t.Errorf("%s: %d", d.name, resp.StatusCode)
			_ = resp.Body.Close()
		}
		cancel()
		waitFor(t, "the line of the call", func() bool { return len(h.lines("call")) == before+1 })
		if line := h.lines("call")[before]; line["error"] != "timeout" {
			t.Errorf("log: %v", line)
		}
		waitFor(t, "the end of the upstream's answer", func() bool { return running.Load() == 0 })
	}
}

// No byte of one client's body ever stands in what is sent for another, though bodies are held for
// retries, upstreams answer before they have read, and clients go away in between.
func TestHostileNeighbours(t *testing.T) {
	var mixed, whole atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		early := r.ContentLength%3 == 0
		if early { // an answer that does not wait for the request
			w.Header().Set("Connection", "close")
			w.WriteHeader(http.StatusServiceUnavailable)
			send(w, "{}")
		}
		body, err := io.ReadAll(r.Body)
		_, filling, _ := strings.Cut(string(body), `"user":"`)
		if filling != "" && strings.Trim(strings.TrimRight(filling, `"}`), filling[:1]) != "" {
			mixed.Add(1)
		}
		if err == nil && !early {
			whole.Add(1)
			_, _ = io.WriteString(w, wireOf(r.URL.Path).plain) // the client may have gone
		}
	}))
	t.Cleanup(srv.Close)
	h := attack(t, srv.URL)
	var clients sync.WaitGroup
	for i := range 8 {
		clients.Go(func() {
			for n := range 30 {
				body := `{"model":"sim-gpt","messages":[{"role":"user","content":"hi"}],"user":"` + strings.Repeat(string(rune('a'+i)), 70_000+37*n*(i+1)) + `"}`
				ctx, cancel := context.WithCancel(t.Context())
				if n%5 == 0 {
					time.AfterFunc(time.Duration(n)*100*time.Microsecond, cancel)
				}
				req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.base+"/v1/chat/completions", strings.NewReader(body))
				if err != nil {
					t.Error(err)
				} else {
					req.Header.Set("Authorization", "Bearer "+userKey)
					if resp, err := h.client.Do(req); err == nil {
						_, _ = io.Copy(io.Discard, resp.Body) // it may be cancelled
						_ = resp.Body.Close()
					}
				}
				cancel()
			}
		})
	}
	clients.Wait()
	if mixed.Load() != 0 || whole.Load() == 0 {
		t.Errorf("%d bodies were mixed, %d came whole", mixed.Load(), whole.Load())
	}
}
