package app_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/internal/canon"
)

// listening is a server on a loopback address that counts its connections.
func listening(t *testing.T, address string, h http.HandlerFunc) (port string, connections *atomic.Int64) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	connections = &atomic.Int64{}
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: h, ConnState: func(_ net.Conn, s http.ConnState) { //nolint:gosec // a test server
		if s == http.StateNew {
			connections.Add(1)
		}
	}}}
	s.Start()
	t.Cleanup(s.Close)
	_, port, err = net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port, connections
}

// shows are calls with something given by URL to an upstream that needs its bytes: whose, where it stands and the
// members of the request.
func shows() []struct{ client, upstream, at, request string } {
	const (
		chatImage = `{"model":"MODEL","messages":[{"role":"user","content":[{"type":"text","text":"what is it"},{"type":"image_url","image_url":{"url":URL}}]}]}`
		claude    = `{"model":"MODEL","max_tokens":100,"messages":[{"role":"user","content":[{"type":"text","text":"what is it"},{"type":"KIND","source":{"type":"url","url":URL}}]}]}`
		result    = `{"model":"MODEL","max_tokens":100,"messages":[{"role":"user","content":"look"},{"role":"assistant","content":[{"type":"tool_use","id":"t1","name":"look","input":{}}]},` +
			`{"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":[{"type":"image","source":{"type":"url","url":URL}}]}]}],"tools":[{"name":"look","input_schema":{"type":"object"}}]}`
		responses = `{"model":"MODEL","input":[{"role":"user","content":[{"type":"input_text","text":"what is it"},{"type":"KIND","LINK":URL}]}]}`
		gemini    = `{"contents":[{"role":"user","parts":[{"text":"what is it"},{"fileData":{"mimeType":"application/pdf","fileUri":URL}}]}]}`
	)
	kind := func(s string, with ...string) string { return strings.NewReplacer(with...).Replace(s) }
	return []struct{ client, upstream, at, request string }{
		{"chat", "gemini", "messages[0].content[1]", chatImage},
		{"claude", "gemini", "messages[0].content[1]", kind(claude, "KIND", "image")},
		{"claude", "gemini", "messages[2].content[0]", result},
		{"claude", "chat", "messages[0].content[1]", kind(claude, "KIND", "document")},
		{"responses", "gemini", "input[0].content[1]", kind(responses, "KIND", "input_image", "LINK", "image_url")},
		{"responses", "chat", "input[0].content[1]", kind(responses, "KIND", "input_file", "LINK", "file_url")},
		{"gemini", "chat", "contents[0].parts[1]", gemini},
	}
}

func showing(c struct{ client, upstream, at, request string }, url string, stream bool) (path, body string) {
	path, _ = clients[c.client].ask(c.upstream+"-model", "", stream, "")
	body = strings.NewReplacer("MODEL", c.upstream+"-model", "URL", fmt.Sprintf("%q", url)).Replace(c.request)
	if stream && c.client != "gemini" {
		body = strings.Replace(body, "{", `{"stream":true,`, 1)
	}
	return path, body
}

// Wherever a URL leads but the public internet, nothing of the gateway goes there, and the caller is told in its own
// dialect which part of the request it was. No upstream is called, nothing is charged.
func TestMediaStayOutside(t *testing.T) {
	port, connections := listening(t, "127.0.0.1:0", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("\x89PNG\r\n\x1a\n0000IHDR")) })
	sim, url := simulate(t)
	h := attackOn(t, translated(url, ""))
	hosts := []string{
		"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:127.0.0.1]", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001", "127.1", "0", "0.0.0.0", "[::]",
		"10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "169.254.169.254", "[fd00:ec2::254]", "[fe80::1]", "[::ffff:169.254.169.254]", "2852039166", "0xa9fea9fe", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "224.0.0.1", "255.255.255.255",
	}
	calls := 0
	for _, c := range shows() {
		side := clients[c.client].side
		refused := func(link string, stream bool) {
			t.Helper()
			path, body := showing(c, link, stream)
			calls++
			a := h.post(t, path, strings.NewReader(body), "Authorization", "Bearer "+userKey)
			e := side.ReadError(a.status, a.header, []byte(a.body))
			if a.status != http.StatusBadRequest || e.Kind != canon.KindInvalid || !strings.Contains(a.body, c.at) {
				t.Errorf("%s on %s, %s: %d %s", c.client, c.upstream, link, a.status, a.body)
			}
		}
		for i, host := range hosts {
			refused("http://"+host+":"+port+"/a.png", i%2 == 0)
		}
		for _, link := range []string{"http://169.254.169.254/latest/meta-data/", "http://127.0.0.1:" + port + "/a.png?signature=secret", "http://user:secret@127.0.0.1:" + port} {
			refused(link, false)
		}
	}
	if n := connections.Load(); n != 0 {
		t.Errorf("%d connections were made to the forbidden address", n)
	}
	for _, c := range counted(t, sim) {
		if c.Status == http.StatusOK {
			t.Errorf("the upstream was called: %+v", c)
		}
	}
	lines := h.lines("call")
	if len(lines) != calls {
		t.Errorf("%d records of %d calls", len(lines), calls)
	}
	for _, line := range lines {
		if line["nanos"].(float64) != 0 || line["error"] != string(canon.KindInvalid) || strings.Contains(fmt.Sprint(line), "secret") {
			t.Errorf("log: %v", line)
		}
	}
}

// What answers at an allowed address and is no such file: too large, of another kind, slow, gone, or only a way to
// somewhere else.
func TestMediaThatAreNone(t *testing.T) {
	inside, connections := listening(t, "127.0.0.2:0", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("\x89PNG\r\n\x1a\n0000IHDR")) })
	stop := make(chan struct{})
	port, _ := listening(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/good":
			_, _ = w.Write([]byte("\x89PNG\r\n\x1a\n0000IHDR"))
		case "/large":
			_, _ = w.Write([]byte("\x89PNG\r\n\x1a\n" + strings.Repeat("x", 2000)))
		case "/html":
			w.Header().Set("Content-Type", "application/pdf")
			_, _ = w.Write([]byte("<!DOCTYPE html><html>canary of the page"))
		case "/slow":
			select {
			case <-r.Context().Done():
			case <-stop:
			}
		case "/first":
			http.Redirect(w, r, "/second", http.StatusFound)
		case "/second":
			http.Redirect(w, r, "http://127.0.0.2:"+inside+"/", http.StatusFound)
		default:
			http.Error(w, "canary of the server", http.StatusForbidden)
		}
	})
	defer close(stop)
	sim, url := simulate(t)
	refused := func(h *hostile, at, says string) {
		t.Helper()
		for _, c := range shows() {
			if c.upstream != "gemini" {
				continue
			}
			path, body := showing(c, "http://127.0.0.1:"+port+at, false)
			a := h.post(t, path, strings.NewReader(body), "Authorization", "Bearer "+userKey)
			e := clients[c.client].side.ReadError(a.status, a.header, []byte(a.body))
			if a.status != http.StatusBadRequest || !strings.Contains(a.body, c.at) || !strings.Contains(e.Message, says) || strings.Contains(a.body, "canary") || strings.Contains(a.body, "127.0.0.2") {
				t.Errorf("%s, %s: %d %s", c.client, at, a.status, a.body)
			}
		}
	}
	t.Run("slow", func(t *testing.T) {
		refused(attackOn(t, translated(url, ""), "FETCH_ALLOW=127.0.0.1/32", "FETCH_TIMEOUT=200ms"), "/slow", "in time")
	})
	h := attackOn(t, translated(url, ""), "FETCH_ALLOW=127.0.0.1/32", "FETCH_MAX_BYTES=1KiB", "FETCH_TIMEOUT=1m")
	for at, says := range map[string]string{"/large": "larger than", "/html": "no image", "/first": "not a public one", "/gone": "status 403"} {
		refused(h, at, says)
	}
	for _, c := range shows() {
		if c.upstream != "gemini" {
			continue
		}
		path, body := showing(c, "http://127.0.0.1:"+port+"/good", true)
		if a := h.post(t, path, strings.NewReader(body), "Authorization", "Bearer "+userKey); a.status != http.StatusOK || strings.Contains(a.header.Get("X-Tollgate-Loss"), c.at) {
			t.Errorf("%s: %d %v %s", c.client, a.status, a.header, a.body)
		}
	}
	if n := connections.Load(); n != 0 {
		t.Errorf("%d connections were made to the forbidden address", n)
	}
	for _, c := range counted(t, sim) {
		if c.Status == http.StatusOK && !c.Stream {
			t.Errorf("the upstream was called: %+v", c)
		}
	}
}

// Switched off, nothing is fetched: what the model can't be given is told as lost, and refused to whoever is strict.
func TestMediaOff(t *testing.T) {
	port, connections := listening(t, "127.0.0.1:0", func(http.ResponseWriter, *http.Request) {})
	_, url := simulate(t)
	g := startGateway(t, translated(url, ""), "FETCH_MEDIA=off", "FETCH_ALLOW=127.0.0.1/32")
	for _, c := range shows() {
		path, body := showing(c, "http://127.0.0.1:"+port+"/a.pdf", false)
		loose := g.send("POST", path, body)
		if loose.status == http.StatusOK && !strings.Contains(loose.header.Get("X-Tollgate-Loss"), c.at) {
			t.Errorf("%s on %s: not told: %v %s", c.client, c.upstream, loose.header, loose.body)
		}
		strict := g.send("POST", path, body, "Authorization", "Bearer "+strictKey)
		if strict.status != http.StatusBadRequest || strings.Count(c.at, "[2]") == 0 && !strings.Contains(strict.body, c.at) { // the result of a tool has a call before it, which loses more
			t.Errorf("%s on %s: %d %s", c.client, c.upstream, strict.status, strict.body)
		}
	}
	if n := connections.Load(); n != 0 {
		t.Errorf("%d connections were made", n)
	}
}

// A file that only an account at the upstream can read is nobody's to name from another dialect either, unless the
// operator shares such files.
func TestMediaOfTheUpstreamsAccount(t *testing.T) {
	asked := ""
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if noGateway(w, r) {
			return
		}
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		asked += string(raw)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, wireOf(r.URL.Path).plain)
	}))
	defer srv.Close()
	off, shared := startGateway(t, translated(srv.URL, ""), "FETCH_MEDIA=off"), startGateway(t, translated(srv.URL, ""), "FETCH_MEDIA=off", "SHARED_OBJECTS=on")
	on := startGateway(t, translated(srv.URL, ""))
	for _, c := range shows() {
		if c.upstream != "gemini" {
			continue
		}
		for _, link := range []string{
			"gs://canary-bucket/o.png", "https://generativelanguage.googleapis.com/v1beta/files/canary.png", "files/canary.png", "https://storage.googleapis.com/canary-bucket/o.png",
		} {
			path, body := showing(c, link, false)
			for name, g := range map[string]*gateway{"fetching": on, "not fetching": off} {
				if name == "fetching" && strings.Contains(link, "storage.googleapis.com") {
					continue // anybody may fetch what is public there
				}
				a := g.send("POST", path, body)
				if a.status < 400 || a.status >= 500 || !strings.Contains(a.body, c.at) {
					t.Errorf("%s, %s, %s: %d %s", c.client, link, name, a.status, a.body)
				}
			}
			if asked != "" {
				t.Errorf("%s, %s: the upstream was asked for it: %s", c.client, link, asked)
			}
			if a := shared.send("POST", path, body); a.status != http.StatusOK || !strings.Contains(asked, "canary") {
				t.Errorf("%s, %s, shared: %d %s, asked %s", c.client, link, a.status, a.body, asked)
			}
			asked = ""
		}
	}
}

// A file that can't be had for a channel that needs its bytes is looked for once, however many such channels there
// are, and a channel that reads URLs itself is tried.
func TestMediaFindAnotherChannel(t *testing.T) {
	var looks atomic.Int64
	port, _ := listening(t, "127.0.0.1:0", func(w http.ResponseWriter, _ *http.Request) {
		looks.Add(1)
		http.Error(w, "gone", http.StatusNotFound)
	})
	_, url := simulate(t)
	var b strings.Builder
	b.WriteString("channels:\n")
	for i := range 20 {
		fmt.Fprintf(&b, "  - {name: g%d, provider: gemini, base_url: %q, key: sk-g%d-1, models: [\"m\"], mapping: {m: sim-gemini+lax}, priority: 5}\n", i, url, i)
	}
	fmt.Fprintf(&b, "  - {name: c, provider: anthropic, base_url: %q, key: sk-c-1, models: [\"m\"], mapping: {m: sim-claude}}\n", url)
	g := startGateway(t, b.String()+"models:\n  - {name: m, price: {input: \"1\", output: \"2\"}}\n"+alice("10"), "FETCH_ALLOW=127.0.0.1/32")
	a := g.send("POST", "/v1/responses", `{"model":"m","input":[{"role":"user","content":[{"type":"input_image","image_url":"http://127.0.0.1:`+port+`/a.png"},{"type":"input_text","text":"echo: seen"}]}]}`)
	if a.status != http.StatusOK || !strings.Contains(a.body, "seen") || looks.Load() != 1 {
		t.Errorf("%d looks, %d %s", looks.Load(), a.status, a.body)
	}
}

// Files that are fetched count together: a request can't make the gateway hold more than a request may have.
func TestMediaTogetherAreBounded(t *testing.T) {
	port, _ := listening(t, "127.0.0.1:0", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("\x89PNG\r\n\x1a\n" + strings.Repeat("x", 40<<10)))
	})
	sim, url := simulate(t)
	g := startGateway(t, translated(url, ""), "FETCH_ALLOW=127.0.0.1/32", "MAX_BODY_BYTES=100KiB")
	image := `,{"type":"image_url","image_url":{"url":"http://127.0.0.1:` + port + `/a.png"}}`
	for n, status := range map[int]int{1: http.StatusOK, 2: http.StatusRequestEntityTooLarge, 19: http.StatusRequestEntityTooLarge} {
		a := g.send("POST", "/v1/chat/completions", `{"model":"gemini-model","messages":[{"role":"user","content":[{"type":"text","text":"what are they"}`+strings.Repeat(image, n)+`]}]}`)
		if a.status != status && (status != http.StatusRequestEntityTooLarge || a.status != http.StatusBadRequest) || status != http.StatusOK && !strings.Contains(a.body, "together") {
			t.Errorf("%d: %d %s", n, a.status, a.body)
		}
	}
	if n := len(counted(t, sim)); n > 2 { // one more for Google's own gateway for chats
		t.Errorf("%d upstream calls", n)
	}
}

// A request that never fits into memory with its files is too large for the gateway, which is no reason to come again.
func TestMediaThatNeverFit(t *testing.T) {
	port, _ := listening(t, "127.0.0.1:0", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("\x89PNG\r\n\x1a\n" + strings.Repeat("x", 40<<10)))
	})
	_, url := simulate(t)
	g := startGateway(t, translated(url, ""), "FETCH_ALLOW=127.0.0.1/32", "MAX_BODY_BYTES=100KiB", "MAX_BODIES_BYTES=1KiB")
	for pad, status := range map[int]int{10 << 10: http.StatusOK, 60 << 10: http.StatusRequestEntityTooLarge} {
		a := g.send("POST", "/v1/chat/completions", `{`+strings.Repeat(" ", pad)+`"model":"gemini-model","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"http://127.0.0.1:`+port+`/a.png"}}]}]}`)
		if a.status != status && (status == http.StatusOK || a.status != http.StatusBadRequest) || status != http.StatusOK && !strings.Contains(a.body, "together") {
			t.Errorf("%d bytes: %d %s", pad, a.status, a.body)
		}
	}
}

// The time that fetching a file takes is not the upstream's.
func TestSlowMediaLeaveTimeToAnswer(t *testing.T) {
	t.Parallel()
	const each = 2 * time.Second
	port, _ := listening(t, "127.0.0.1:0", func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(each)
		_, _ = w.Write([]byte("\x89PNG\r\n\x1a\n" + strings.Repeat("x", 100)))
	})
	sim, _ := simulate(t)
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(each)
		sim.Handler().ServeHTTP(w, r)
	}))
	t.Cleanup(slow.Close)
	g := startGateway(t, translated(slow.URL, ""), "FETCH_ALLOW=127.0.0.1/32", "TIMEOUT_FIRST_BYTE=3s")
	a := g.send("POST", "/v1/chat/completions", `{"model":"gemini-model","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"http://127.0.0.1:`+port+`/a.png"}}]}]}`)
	if a.status != http.StatusOK {
		t.Errorf("%d %s", a.status, a.body)
	}
}
