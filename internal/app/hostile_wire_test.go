package app_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// dial opens a connection of a client that writes what it wants.
func (h *hostile) dial(t *testing.T) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(h.base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return conn.(*net.TCPConn)
}

// raw sends bytes as they are and returns all answers until the gateway closes. A gateway that does
// not close in time fails the test.
func (h *hostile) raw(t *testing.T, bytes string) []answer {
	t.Helper()
	conn := h.dial(t)
	go func() { _, _ = io.WriteString(conn, bytes) }() // ends with the connection; a refusal may come first
	return h.answers(t, conn)
}

// answers reads all answers on a connection until the gateway closes it.
func (h *hostile) answers(t *testing.T, conn net.Conn) []answer {
	t.Helper()
	var out []answer
	for r := bufio.NewReader(conn); ; {
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
				t.Fatal("the gateway does not close the connection")
			}
			return out
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Errorf("an answer broke off: %v after %.300q", err, body)
		}
		h.keep(fmt.Sprint(resp.Header) + string(body))
		out = append(out, answer{resp.StatusCode, resp.Header, string(body)})
	}
}

// Requests whose length or header two parsers could read differently: refused or read in the one safe
// way, and never does a hidden second request run.
func TestHostileFraming(t *testing.T) {
	sim, url := simulate(t)
	h := attack(t, url, "TIMEOUT_CLIENT_READ=500ms", "MAX_HEADER_BYTES=16KiB")
	auth := "Host: gateway\r\nAuthorization: Bearer " + userKey + "\r\nContent-Type: application/json\r\n"
	post := "POST /v1/chat/completions HTTP/1.1\r\n" + auth
	good := `{"model":"sim-gpt","messages":[{"role":"user","content":"hi"}]}`
	hidden := fmt.Sprintf("POST /v1/chat/completions HTTP/1.1\r\n%sContent-Length: %d\r\n\r\n%s", auth, len(`{"model":"sim-hidden","messages":[]}`), `{"model":"sim-hidden","messages":[]}`)
	chunked := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(good), good)
	length := fmt.Sprintf("Content-Length: %d\r\n", len(good))
	for _, c := range []struct {
		name, send string
		first      int // status of the first answer; 0: closed without one
		most       int // answers at most
	}{
		{"two lengths", post + length + "Content-Length: 5\r\n\r\n" + good + hidden, 400, 1},
		{"list of lengths", post + "Content-Length: 5, 6\r\n\r\n" + good + hidden, 400, 1},
		{"signed length", post + "Content-Length: +5\r\n\r\n" + good + hidden, 400, 1},
		{"negative length", post + "Content-Length: -5\r\n\r\n" + good + hidden, 400, 1},
		{"hex length", post + "Content-Length: 0x10\r\n\r\n" + good + hidden, 400, 1},
		{"huge length", post + "Content-Length: 99999999999999999999\r\n\r\n" + good + hidden, 400, 1},
		{"empty length", post + "Content-Length: \r\n\r\n" + good, 400, 1},
		{"chunks and a short length", post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n" + chunked, 200, 1},
		{"chunks end early", post + "Content-Length: 300\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden, 400, 1},
		{"unknown coding", post + "Transfer-Encoding: xchunked\r\n\r\n" + chunked, 501, 1},
		{"coding of two", post + "Transfer-Encoding: gzip, chunked\r\n\r\n" + chunked, 501, 1},
		{"coding twice", post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n" + chunked, 501, 1},
		{"coding with a tab", post + "Transfer-Encoding: \x0bchunked\r\n\r\n" + chunked, 400, 1},
		{"space before colon", post + "Transfer-Encoding : chunked\r\n" + length + "\r\n" + good, 400, 1},
		{"bad chunk size", post + "Transfer-Encoding: chunked\r\n\r\n0x10\r\n" + good + "\r\n0\r\n\r\n", 400, 1},
		{"huge chunk size", post + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n" + good, 400, 1},
		{"chunk without end", post + "Transfer-Encoding: chunked\r\n\r\n5\r\n" + good, 400, 1},
		{"long chunk extension", post + "Transfer-Encoding: chunked\r\n\r\n5;" + strings.Repeat("x", 100_000) + "\r\n", 400, 1},
		{"CR in a value", post + "X-A: b\rTransfer-Encoding: chunked\r\n" + length + "\r\n" + good, 400, 1},
		{"NUL in a value", post + "X-A: b\x00c\r\n" + length + "\r\n" + good, 400, 1},
		{"folded header", post + length + "X-A: b\r\n Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n" + good, 200, 1},
		{"bad name", post + length + "X A: b\r\n\r\n" + good, 400, 1},
		{"two hosts", post + "Host: other\r\n" + length + "\r\n" + good, 400, 1},
		{"no host", "POST /v1/chat/completions HTTP/1.1\r\n" + length + "\r\n" + good, 400, 1},
		{"bad host", strings.Replace(post, "Host: gateway", "Host: a/b@c", 1) + length + "\r\n" + good, 400, 1},
		{"huge header", post + "X-A: " + strings.Repeat("a", 64<<10) + "\r\n" + length + "\r\n" + good, 431, 1},
		{"many headers", post + strings.Repeat("X-A: b\r\n", 10_000) + length + "\r\n" + good, 431, 1},
		{"huge path", "POST /" + strings.Repeat("a", 64<<10) + " HTTP/1.1\r\n" + auth + "\r\n", 431, 1},
		{"no HTTP", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, 1},
		{"HTTP/9", "POST /v1/chat/completions HTTP/9.0\r\n" + auth + "\r\n", 505, 1},
		{"method of blanks", " /v1/models HTTP/1.1\r\n" + auth + "\r\n", 400, 1},
		{"expectation", post + length + "Expect: 200-maybe\r\n\r\n" + good, 417, 1},
		{"upgrade", post + length + "Connection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n" + good, 200, 1},
		{"other proxy", "CONNECT 127.0.0.1:22 HTTP/1.1\r\n" + auth + "Connection: close\r\n\r\n", 404, 1},
		{"absolute form", strings.Replace(post, "/v1", "http://elsewhere.invalid/v1", 1) + length + "Connection: close\r\n\r\n" + good, 200, 1},
		{"absolute file", "GET file:///etc/passwd HTTP/1.1\r\n" + auth + "Connection: close\r\n\r\n", 404, 1},
		{"asterisk", "OPTIONS * HTTP/1.1\r\n" + auth + "Connection: close\r\n\r\n", 200, 1},
		{"HTTP/1.0", strings.Replace(post, "1.1", "1.0", 1) + length + "\r\n" + good, 200, 1},
		{"HTTP/1.0 chunked", strings.Replace(post, "1.1", "1.0", 1) + "Transfer-Encoding: chunked\r\n\r\n" + chunked, 400, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := h.raw(t, c.send)
			if c.first == 0 && len(got) > 0 || c.first != 0 && (len(got) == 0 || got[0].status != c.first) || len(got) > c.most {
				t.Errorf("answers: %.600v; want %d first, %d at most", got, c.first, c.most)
			}
		})
	}
	for _, call := range counted(t, sim) {
		if strings.Contains(fmt.Sprint(call), "hidden") {
			t.Errorf("a hidden request ran: %+v", call)
		}
	}
}

// Pipelined requests are answered in their order, also behind one that is refused.
func TestHostilePipeline(t *testing.T) {
	_, url := simulate(t)
	h := attack(t, url)
	request := func(body, more string) string {
		return fmt.Sprintf("POST /v1/chat/completions HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n%s\r\n%s", userKey, len(body), more, body)
	}
	say := func(s, more string) string {
		return request(`{"model":"sim-gpt","messages":[{"role":"user","content":"echo: `+s+`"}]`+more+`}`, "")
	}
	got := h.raw(t, say("one", "")+say("two", `,"stream":true`)+request("{", "")+
		strings.Replace(say("three", ""), userKey, "sk-wrong", 1)+say("four", "")+request("{", "Connection: close\r\n")+say("never", ""))
	want := []string{"one", "two", "JSON", "not known", "four", "JSON"}
	if len(got) != len(want) {
		t.Fatalf("%d answers: %.500v", len(got), got)
	}
	for i, w := range want {
		if !strings.Contains(got[i].body, w) {
			t.Errorf("answer %d: %s", i, got[i].body)
		}
	}
}

// Paths that are served by nobody, or try to be another one.
func TestHostilePaths(t *testing.T) {
	up := newRecorder(t)
	h := attack(t, up.url)
	ds := dialects()
	chat, ant, gem := ds[0], ds[2], ds[3]
	models := "/v1beta/models/"
	for _, c := range []struct {
		d            spoken
		method, path string
		status       int
		says         string
	}{
		{gem, "POST", models + "sim-gemini:predict", 404, "predict"},
		{gem, "POST", models + "sim-gemini:GenerateContent", 404, "GenerateContent"},
		{gem, "POST", models + "sim-gemini:generateContent:", 404, "generateContent"},
		{gem, "POST", models + "sim-gemini:generateContent/x", 404, "generateContent"},
		{gem, "POST", models + "sim-gemini:generateContent%00", 404, ""},
		{gem, "POST", models + "sim-gemini:generateContent%0d%0aX-A:%20b", 404, ""},
		{gem, "POST", models + "sim-gemini:batchGenerateContent", 404, "served are"},
		{gem, "POST", models + "sim-gemini:bidiGenerateContent", 404, "served are"},
		{gem, "POST", models + ":generateContent", 404, "MODEL:METHOD"},
		{gem, "POST", models + "sim-gemini", 404, "MODEL:METHOD"},
		{gem, "POST", models + "%2e%2e:generateContent", 404, ".."},
		{gem, "POST", models + "..%2f..%2fadmin:generateContent", 404, "admin"},
		{gem, "POST", models + "sim-gemini%2f..%2f..%2fv1beta%2fmodels%2fother:generateContent", 200, ""},
		{gem, "POST", models + "sim-%3fkey=x%23:generateContent", 200, ""},
		{gem, "POST", models + "sim-a%0d%0aHost:%20x:generateContent", 200, ""},
		{gem, "POST", models + "sim-%ff%fe:generateContent", 200, ""},
		{gem, "POST", models + strings.Repeat("m", 5000) + ":generateContent", 404, "longer than 512 bytes"},
		{gem, "POST", models + strings.Repeat("%E2%82%AC", 400) + ":generateContent", 404, "longer than 512 bytes"},
		{gem, "GET", models + "sim-gemini:generateContent", 404, "sim-gemini:generateContent"},
		{gem, "DELETE", models + "sim-gemini", 405, "DELETE"},
		{gem, "POST", models + "sim-gemini:streamGenerateContent?alt=proto", 400, "alt"},
		{gem, "POST", models + "sim-gemini:streamGenerateContent?alt=sse&alt=json", 400, "alt"},
		{chat, "GET", "/v1/chat/completions", 405, "/v1/chat/completions does not take GET"},
		{chat, "DELETE", "/v1/chat/completions", 405, "DELETE"},
		{chat, "PUT", "/v1/embeddings", 405, "PUT"},
		{chat, "POST", "/v1/chat/completions/", 404, "nothing is served"},
		{chat, "POST", "/v1/chat%2Fcompletions", 404, "nothing is served"},
		{chat, "POST", "/V1/chat/completions", 404, "nothing is served"},
		{chat, "POST", "/v1/nothing", 404, "/v1/nothing"},
		{chat, "POST", "/v1/chat/completions;x", 404, "nothing is served"},
		{chat, "POST", "/v1/files", 404, "/v1/files"},
		{chat, "POST", "/%00", 404, ""},
		{chat, "POST", "/<script>", 404, ""},
		{chat, "GET", "/v1/responses/..%2f..%2fmodels", 400, "response_id"},
		{chat, "GET", "/v1/responses/%2e%2e", 400, "response_id"},
		{chat, "GET", "/v1/responses/" + strings.Repeat("%E2%82%AC", 100), 400, "response_id"},
		{chat, "DELETE", "/v1/responses/resp_of_nobody", 404, "resp_of_nobody"},
		{chat, "POST", "/v1/responses/resp_x%0d%0a/cancel", 400, "response_id"},
		{chat, "GET", "/v1/models/nothing%2f..%2fhere", 404, "nothing"},
		{ant, "POST", "/v1/messages/count_token", 404, "count_token"},
		{ant, "PATCH", "/v1/messages", 405, "PATCH"},
	} {
		t.Run(c.method+" "+c.path[:min(len(c.path), 60)], func(t *testing.T) {
			body := io.Reader(strings.NewReader(c.d.request()))
			if c.method == "GET" || c.method == "DELETE" {
				body = nil
			}
			a := h.do(t, c.method, c.path, body, append(c.d.key(userKey), "Anthropic-Version", map[bool]string{true: "2023-06-01"}[c.d.name == "anthropic"])...)
			if a.status != c.status {
				t.Fatalf("%d %.300s; want %d", a.status, a.body, c.status)
			}
			if a.status == 200 {
				s := up.last(t)
				if rest, ok := strings.CutPrefix(s.uri, "/v1beta/models/"); !ok || strings.ContainsAny(rest, "/?#\r\n ") || !strings.HasSuffix(rest, ":generateContent") {
					t.Errorf("the upstream was asked for %s", s.uri)
				}
				return
			}
			if said := c.d.fault(t, a); !strings.Contains(said, c.says) {
				t.Errorf("%q does not say %q", said, c.says)
			}
			if strings.ContainsAny(a.body, "\x00\r") || strings.ContainsRune(a.body, '\ufffd') {
				t.Errorf("control characters or half characters in %q", a.body)
			}
			if up.count() > 0 {
				t.Errorf("the upstream was asked: %+v", up.last(t))
			}
		})
	}
}
