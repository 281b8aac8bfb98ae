package app_test

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// bad is an upstream that misbehaves in one way.
func bad(t *testing.T, behave func(w http.ResponseWriter, r *http.Request, say wire)) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // the gateway's own requests are right
		path := r.URL.Path
		w.Header().Set("Content-Type", "application/json")
		if strings.Contains(path, "streamGenerate") || r.Header.Get("Accept") == "text/event-stream" {
			w.Header().Set("Content-Type", "text/event-stream")
		}
		behave(w, r, wireOf(path))
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// send writes and flushes; false when the gateway has hung up.
func send(w http.ResponseWriter, parts ...string) bool {
	for _, p := range parts {
		if _, err := io.WriteString(w, p); err != nil {
			return false
		}
		if err := http.NewResponseController(w).Flush(); err != nil {
			return false
		}
	}
	return true
}

// patience is short where a time-out is due, and long where a slow machine must not cause one.
func patience(says string) string {
	if says == "in time" {
		return "500ms"
	}
	return "1m"
}

// brokenEnd checks that a stream ends in the terminal error of its dialect and in nothing else.
func brokenEnd(t *testing.T, d spoken, a answer, text string) {
	t.Helper()
	if a.status != 200 || !strings.Contains(a.body, text) {
		t.Fatalf("%d %.300s …%s", a.status, a.body, a.body[max(0, len(a.body)-300):])
	}
	for _, normal := range []string{"[DONE]", "response.completed", "message_stop", `"finishReason":"STOP"`} {
		if strings.Contains(a.body, normal) {
			t.Errorf("a broken stream has the end %q", normal)
		}
	}
	if d.name == "gemini array" {
		var list []map[string]any
		if err := json.Unmarshal([]byte(a.body), &list); err != nil || len(list) == 0 || list[len(list)-1]["error"] == nil {
			t.Errorf("not an array that ends in an error: %v …%s", err, a.body[max(0, len(a.body)-300):])
		}
		return
	}
	frames := strings.Split(strings.TrimRight(strings.ReplaceAll(a.body, "\r\n", "\n"), "\n"), "\n\n")
	last := frames[len(frames)-1]
	want := map[string]string{"chat": `data: {"error":{`, "responses": "event: ", "anthropic": "event: error\ndata: {\"type\":\"error\"", "gemini": `data: {"error":{`}[d.name]
	if !strings.HasPrefix(last, want) || !strings.Contains(last, "error") {
		t.Errorf("the last event is %.300q", last)
	}
	if _, data, _ := strings.Cut(last, "data: "); !json.Valid([]byte(data)) {
		t.Errorf("the last event holds no JSON: %.300q", data)
	}
}

// A streamed answer that goes wrong before content is an error of the dialect, after content the
// dialect's terminal event; never a normal end.
func TestHostileStreams(t *testing.T) {
	const limit = 1 << 20
	rubbish := strings.Repeat("\x00\xff\xfe\x01\n\n\r\r", 3000)
	for _, c := range []struct {
		name string
		then func(w http.ResponseWriter, r *http.Request, say wire) // what comes in place of the rest
		says string
	}{
		{"event over the limit", func(w http.ResponseWriter, _ *http.Request, say wire) {
			send(w, say.say(strings.Repeat("x", 20<<20)), say.end)
		}, "over the limit"},
		{"line without end", func(w http.ResponseWriter, _ *http.Request, _ wire) {
			for send(w, strings.Repeat("x", 64<<10)) {
			}
		}, "over the limit"},
		{"slow drip", func(w http.ResponseWriter, r *http.Request, _ wire) {
			for r.Context().Err() == nil && send(w, "d") {
				time.Sleep(20 * time.Millisecond)
			}
		}, "in time"},
		{"silence", func(w http.ResponseWriter, r *http.Request, _ wire) { send(w, ": ok\n\n"); <-r.Context().Done() }, "in time"},
		{"rubbish", func(w http.ResponseWriter, _ *http.Request, _ wire) { send(w, "data: "+rubbish+"\n\n") }, ""},
		{"web page", func(w http.ResponseWriter, _ *http.Request, _ wire) { send(w, "data: <html>busy</html>\n\n") }, ""},
		{"wrong types", func(w http.ResponseWriter, _ *http.Request, _ wire) { send(w, "data: [[5]]\n\n") }, ""},
		{"half an event", func(w http.ResponseWriter, _ *http.Request, say wire) { send(w, say.text[:len(say.text)/2]) }, ""},
		{"no end", func(w http.ResponseWriter, _ *http.Request, _ wire) {}, "complete"},
		{"reset", func(http.ResponseWriter, *http.Request, wire) { panic(http.ErrAbortHandler) }, "complete"},
		{"error with our key", func(w http.ResponseWriter, _ *http.Request, say wire) {
			fault := `data: {"type":"error","error":{"code":"x","type":"overloaded_error","status":"UNAVAILABLE","message":"no credit on ` + upKey + ` left"}}` + "\n\n"
			if strings.Contains(say.text, "event: ") {
				fault = "event: error\n" + fault
			}
			send(w, fault)
		}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, after := range []bool{false, true} {
				t.Run(map[bool]string{false: "before content", true: "after content"}[after], func(t *testing.T) {
					url := bad(t, func(w http.ResponseWriter, r *http.Request, say wire) {
						send(w, say.setup)
						if after {
							send(w, say.say("so far so good"))
						}
						c.then(w, r, say)
					})
					first := patience(c.says)
					if after {
						first = patience("") // content has to come before the silence
					}
					h := attack(t, url, fmt.Sprintf("MAX_EVENT_BYTES=%d", limit), "TIMEOUT_FIRST_BYTE="+first, "TIMEOUT_IDLE="+patience(c.says))
					for _, d := range streamed() {
						a := h.post(t, d.path, strings.NewReader(d.request()), d.key(userKey)...)
						if after {
							brokenEnd(t, d, a, "so far so good")
						} else if a.status < 500 {
							t.Errorf("%s: %d %.300s", d.name, a.status, a.body)
						} else if said := d.fault(t, a); !strings.Contains(said, c.says) {
							t.Errorf("%s: %q does not say %q", d.name, said, c.says)
						}
					}
					waitFor(t, "the lines of all calls", func() bool { return len(h.lines("call")) == len(streamed()) })
					for _, line := range h.lines("call") {
						if line["error"] == nil || after && (line["usage"] == "measured" || line["out"].(float64) <= 0) || !after && line["nanos"].(float64) != 0 {
							t.Errorf("log: %v", line)
						}
					}
				})
			}
		})
	}
}

// Odd answers that are right all the same reach the client whole.
func TestHostileButWhole(t *testing.T) {
	for _, c := range []struct {
		name  string
		write func(w http.ResponseWriter, r *http.Request, whole func(text string) string)
		text  string
	}{
		{"huge event under the limit", func(w http.ResponseWriter, _ *http.Request, whole func(string) string) {
			send(w, whole(strings.Repeat("many megabytes", 600_000)))
		}, strings.Repeat("many megabytes", 600_000)},
		{"gzip that nobody asked for", func(w http.ResponseWriter, _ *http.Request, whole func(string) string) {
			w.Header().Set("Content-Encoding", "gzip")
			zw := gzip.NewWriter(w)
			_, _ = io.WriteString(zw, whole("squeezed"))
			_ = zw.Close()
		}, "squeezed"},
		{"trailers", func(w http.ResponseWriter, _ *http.Request, whole func(string) string) {
			w.Header().Set("Trailer", "X-Canary-Trailer")
			send(w, whole("trailed"))
			w.Header().Set("X-Canary-Trailer", "1")
		}, "trailed"},
		{"early hints", func(w http.ResponseWriter, _ *http.Request, whole func(string) string) {
			for range 5 {
				w.WriteHeader(http.StatusEarlyHints)
			}
			send(w, whole("hinted"))
		}, "hinted"},
		{"byte by byte", func(w http.ResponseWriter, _ *http.Request, whole func(string) string) {
			for _, b := range []byte(whole("crumbs")) {
				send(w, string([]byte{b}))
			}
		}, "crumbs"},
		{"an end that goes on", func(w http.ResponseWriter, _ *http.Request, whole func(string) string) {
			all := whole("and on")
			if w.Header().Get("Content-Type") == "text/event-stream" {
				all += strings.Repeat(": and on\n\n", 100_000)
			}
			_, _ = io.WriteString(w, all) // the gateway may have hung up: it has the whole answer
		}, "and on"},
	} {
		t.Run(c.name, func(t *testing.T) {
			url := bad(t, func(w http.ResponseWriter, r *http.Request, say wire) {
				c.write(w, r, func(text string) string {
					if w.Header().Get("Content-Type") == "text/event-stream" {
						return say.setup + say.say(text) + say.end
					}
					return strings.Replace(say.plain, "ok", text, 1)
				})
			})
			h := attack(t, url)
			for _, d := range append(dialects(), streamed()...) {
				a := h.post(t, d.path, strings.NewReader(d.request()), d.key(userKey)...)
				if a.status != 200 || !strings.Contains(a.body, c.text) || strings.Contains(a.body, `"error":{`) {
					t.Fatalf("%s: %d %.300s …%s", d.name, a.status, a.body, a.body[max(0, len(a.body)-200):])
				}
				if a.header.Get("Content-Encoding") != "" || a.header.Get("Trailer") != "" || a.header.Get("X-Canary-Trailer") != "" {
					t.Errorf("headers: %v", a.header)
				}
			}
			for _, line := range h.lines("call") {
				if line["usage"] != "measured" || line["error"] != nil {
					t.Errorf("log: %v", line)
				}
			}
		})
	}
}

// Plain answers that can't be answers are errors of the dialect, and cost nothing.
func TestHostileAnswers(t *testing.T) {
	var trapped atomic.Int32
	trap := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { trapped.Add(1) }))
	t.Cleanup(trap.Close)
	bomb := zip(t, strings.Repeat(" ", 100<<20))
	status := func(code int, header, value string) func(http.ResponseWriter, *http.Request, wire) {
		return func(w http.ResponseWriter, _ *http.Request, say wire) {
			if header != "" {
				w.Header().Set(header, value)
			}
			w.WriteHeader(code)
			if code != 204 && code != 304 {
				_, _ = io.WriteString(w, say.plain) // a redirect's body may be left unread
			}
		}
	}
	write := func(body string) func(http.ResponseWriter, *http.Request, wire) {
		return func(w http.ResponseWriter, _ *http.Request, _ wire) { _, _ = io.WriteString(w, body) } // may be cut off at the limit
	}
	hijack := func(bytes string) func(http.ResponseWriter, *http.Request, wire) {
		return func(w http.ResponseWriter, _ *http.Request, say wire) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				panic(err)
			}
			defer conn.Close()
			_, _ = io.WriteString(conn, strings.ReplaceAll(bytes, "PLAIN", say.plain))
		}
	}
	for _, c := range []struct {
		name   string
		behave func(http.ResponseWriter, *http.Request, wire)
		says   string
	}{
		{"over the limit", write(`{"x":"` + strings.Repeat("y", 3<<20) + `"}`), "over the limit of 1048576"},
		{"endless", func(w http.ResponseWriter, _ *http.Request, _ wire) {
			for send(w, strings.Repeat(" ", 64<<10)) {
			}
		}, "over the limit of 1048576"},
		{"gzip bomb", func(w http.ResponseWriter, _ *http.Request, _ wire) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = io.WriteString(w, bomb) // the gateway hangs up before its end
		}, "over the limit of 1048576"},
		{"no gzip", status(200, "Content-Encoding", "gzip"), "not the gzip"},
		{"brotli", status(200, "Content-Encoding", "br"), "not asked for"},
		{"rubbish", write("\x00\xff\xfe\x01"), ""},
		{"web page", write("<html>busy</html>"), ""},
		{"array", write("[]"), ""},
		{"string", write(`"ok"`), ""},
		{"empty", write(""), "empty"},
		{"blank", write(" \n"), "empty"},
		{"two objects", func(w http.ResponseWriter, _ *http.Request, say wire) { _, _ = io.WriteString(w, say.plain+say.plain) }, ""},
		{"half", func(w http.ResponseWriter, _ *http.Request, say wire) {
			_, _ = io.WriteString(w, say.plain[:len(say.plain)/2])
		}, ""},
		{"deep", write(strings.Repeat(`{"a":`, 100_000)), ""},
		{"no content", status(204, "", ""), ""},
		{"reset content", status(205, "", ""), ""},
		{"partial", status(206, "Content-Range", "bytes 0-1/2"), "206"},
		{"not modified", status(304, "", ""), "304"},
		{"moved", status(301, "Location", trap.URL), "301"},
		{"moved with the body", status(307, "Location", trap.URL+"/v1/chat/completions"), "307"},
		{"moved for good", status(308, "Location", "//"+strings.TrimPrefix(trap.URL, "http://")), "308"},
		{"refresh", status(300, "Refresh", "0; url="+trap.URL), "300"},
		{"streamed", status(200, "Content-Type", "text/event-stream"), "streamed"},
		{"huge headers", status(200, "X-Huge", strings.Repeat("h", 1<<20)), ""},
		{"flood of hints", func(w http.ResponseWriter, _ *http.Request, say wire) {
			w.Header().Set("Link", strings.Repeat("l", 4096))
			for range 1000 {
				w.WriteHeader(http.StatusEarlyHints)
			}
			_, _ = io.WriteString(w, say.plain)
		}, ""},
		{"switched", hijack("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nPLAIN"), "101"},
		{"length too long", hijack("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99999\r\n\r\nPLAIN"), "complete"},
		{"length too short", hijack("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\nPLAIN"), ""},
		{"two lengths", hijack("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\nContent-Length: 10\r\n\r\nPLAIN"), ""},
		{"no HTTP", hijack("SSH-2.0-OpenSSH_9.9\r\n"), ""},
		{"hung up", hijack(""), ""},
		{"silence", func(_ http.ResponseWriter, r *http.Request, _ wire) { <-r.Context().Done() }, "in time"},
		{"silence after the headers", func(w http.ResponseWriter, r *http.Request, say wire) {
			send(w, say.plain[:20])
			<-r.Context().Done()
		}, "in time"},
		{"slow drip", func(w http.ResponseWriter, r *http.Request, _ wire) {
			for r.Context().Err() == nil && send(w, " ") {
				time.Sleep(20 * time.Millisecond)
			}
		}, "in time"},
		{"fault with our key", func(w http.ResponseWriter, _ *http.Request, _ wire) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"type":"error","error":{"type":"invalid_request_error","code":400,"status":"INVALID_ARGUMENT","message":"`+upKey+` and Bearer `+upKey+`"}}`)
		}, "***"},
		{"fault in a good status", write(`{"type":"error","error":{"type":"api_error","code":"` + upKey + `","message":"said ` + upKey + `"}}`), ""},
		{"huge fault", func(w http.ResponseWriter, _ *http.Request, _ wire) {
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = io.WriteString(w, strings.Repeat(upKey, 100_000))
		}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := attack(t, bad(t, c.behave), "MAX_ANSWER_BYTES=1MiB", "TIMEOUT_FIRST_BYTE="+patience(c.says), "TIMEOUT_IDLE="+patience(c.says), "TIMEOUT_ROUTE="+patience(c.says))
			for _, d := range dialects() {
				a := h.post(t, d.path, strings.NewReader(d.request()), d.key(userKey)...)
				if a.status < 400 {
					t.Errorf("%s: %d %.300s", d.name, a.status, a.body)
				} else if said := d.fault(t, a); !strings.Contains(said, c.says) {
					t.Errorf("%s: %q does not say %q", d.name, said, c.says)
				}
			}
			for _, line := range h.lines("call") {
				if line["error"] == nil || line["nanos"].(float64) != 0 {
					t.Errorf("log: %v", line)
				}
			}
		})
	}
	if n := trapped.Load(); n != 0 {
		t.Errorf("redirects were followed %d times", n)
	}
}

// A channel whose provider never answers a connection does not keep a call for good.
func TestHostileConnect(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() }) // never accepts
	h := attack(t, "http://"+ln.Addr().String(), "TIMEOUT_FIRST_BYTE=300ms")
	for _, d := range append(dialects(), streamed()...) {
		a := h.post(t, d.path, strings.NewReader(d.request()), d.key(userKey)...)
		refused(t, d, a, 504, "in time")
	}
}
