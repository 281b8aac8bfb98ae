package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/netip"
	"strings"
	"testing"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/anthropic"
	"tollgate/internal/dialect/gemini"
	"tollgate/internal/dialect/openaichat"
	"tollgate/internal/dialect/openairesponses"
	"tollgate/internal/relay"
)

// options are those of a gateway without accounts.
func options() Options {
	protocols := []dialect.Protocol{openaichat.New(), openairesponses.New(), anthropic.New(), gemini.New()}
	byName := map[canon.Dialect]dialect.Protocol{}
	for _, p := range protocols {
		byName[p.Dialect()] = p
	}
	return Options{
		Relay:     relay.New(relay.Deps{Protocols: byName, Accounts: account.NewDirectory(nil, nil), ClientIP: func(*http.Request) netip.Addr { return netip.Addr{} }}),
		Protocols: protocols, Ready: func(context.Context) error { return nil },
		MaxHeaderBytes: 8 << 10, ClientRead: time.Minute, Shutdown: time.Minute, Log: slog.New(slog.DiscardHandler),
	}
}

func request(method, target string, headers ...string) *http.Request {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

func TestDialectOf(t *testing.T) {
	s := New(options())
	for _, c := range []struct {
		r    *http.Request
		want canon.Dialect
	}{
		{request("GET", "/v1/models"), canon.OpenAIChat},
		{request("GET", "/"), canon.OpenAIChat},
		{request("GET", "/v1/models", "Authorization", "Bearer k"), canon.OpenAIChat},
		{request("GET", "/v1/models", "Anthropic-Version", "2023-06-01"), canon.Anthropic},
		{request("GET", "/v1/models", "X-Api-Key", "k", "Anthropic-Version", "2023-06-01"), canon.Anthropic},
		{request("POST", "/v1/messages"), canon.Anthropic},
		{request("POST", "/v1/messages/count_tokens"), canon.Anthropic},
		{request("POST", "/v1/responses"), canon.OpenAIResponses},
		{request("GET", "/v1/responses/resp_1"), canon.OpenAIResponses},
		{request("GET", "/v1beta/models"), canon.Gemini},
		{request("GET", "/v1beta/models", "Authorization", "Bearer k"), canon.Gemini},
		{request("GET", "/v1beta/models", "Anthropic-Version", "2023-06-01"), canon.Gemini},
		{request("GET", "/v1/models", "X-Goog-Api-Key", "k"), canon.Gemini},
		{request("GET", "/v1/models?key=k"), canon.Gemini},
		{request("GET", "/v1/models?key=k", "Authorization", "Bearer k"), canon.OpenAIChat},
		{request("GET", "/v1/models?monkey=k"), canon.OpenAIChat},
	} {
		if got := s.dialectOf(c.r).Dialect(); got != c.want {
			t.Errorf("%s %s %v: %s, want %s", c.r.Method, c.r.URL, c.r.Header, got, c.want)
		}
	}
	o := options()
	o.Protocols = o.Protocols[2:3]
	if got := New(o).dialectOf(request("GET", "/v1/models")).Dialect(); got != canon.Anthropic {
		t.Errorf("the one dialect there is: %s", got)
	}
}

func serve(s *Server, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w
}

func TestHealthAndReady(t *testing.T) {
	o := options()
	var journal error
	o.Ready = func(context.Context) error { return journal }
	s := New(o)
	check := func(path string, status int, body string) {
		t.Helper()
		w := serve(s, request("GET", path))
		if w.Code != status || w.Body.String() != body || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	check("/healthz", 200, `{"status":"ok"}`)
	check("/readyz", 200, `{"status":"ready"}`)
	journal = errors.New(`disk "full"`)
	check("/readyz", 503, `{"status":"not ready","reason":"disk \"full\""}`)
	check("/healthz", 200, `{"status":"ok"}`)
	journal = nil
	s.closing.Store(true)
	check("/readyz", 503, `{"status":"closing","reason":"the gateway is shutting down"}`)
	check("/healthz", 200, `{"status":"ok"}`)
}

func TestNotFoundInTheClientsShape(t *testing.T) {
	s := New(options())
	ids := map[string]bool{}
	for _, c := range []struct {
		r    *http.Request
		mark string // stands in errors of this dialect alone
	}{
		{request("GET", "/v1/nothing"), `"param":`},
		{request("PUT", "/v1/responses/x/y"), `"param":`},
		{request("GET", "/v1/nothing", "Anthropic-Version", "2023-06-01"), `"type":"not_found_error"`},
		{request("PUT", "/v1/messages/x"), `"type":"not_found_error"`},
		{request("GET", "/v1beta/nothing"), `"status":"NOT_FOUND"`},
		{request("POST", "/healthz/x"), `"param":`},
		{request("POST", "/v1/chat%2Fcompletions"), `"param":`},
	} {
		w := serve(s, c.r)
		var body struct{ Error struct{ Message string } }
		err := json.Unmarshal(w.Body.Bytes(), &body)
		if err != nil || w.Code != 404 || !strings.Contains(body.Error.Message, c.r.Method+" "+c.r.URL.Path) || !strings.Contains(w.Body.String(), c.mark) {
			t.Errorf("%s %s: %d %s, %v", c.r.Method, c.r.URL, w.Code, w.Body, err)
		}
		id := w.Header().Get("X-Request-Id")
		if id == "" || ids[id] {
			t.Errorf("%s: request id %q", c.r.URL, id)
		}
		if got, anthropics := w.Header().Get("Request-Id"), strings.Contains(c.mark, "not_found_error"); anthropics && got != id || !anthropics && got != "" {
			t.Errorf("%s: Request-Id %q, the id is %s", c.r.URL, got, id)
		}
		ids[id] = true
	}
	if w := serve(s, request("GET", "/v1beta/models")); w.Code == 404 || w.Code == 200 || !strings.Contains(w.Body.String(), `"status":`) {
		t.Errorf("models without a key: %d %s", w.Code, w.Body)
	}
}

// What is served with other methods says with which, in the client's shape.
func TestMethodNotAllowed(t *testing.T) {
	o := options()
	o.Routes = map[string]http.Handler{
		"GET /things/{id}": http.NotFoundHandler(), "PUT /things/{id}": http.NotFoundHandler(), "OPTIONS /things/{id}": http.NotFoundHandler(),
		"/whole/": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }),
	}
	s := New(o)
	const openai, anthropic, gemini = `"param":null,"code":"method_not_allowed"`, `"type":"invalid_request_error"`, `"code":405`
	for _, c := range []struct {
		r           *http.Request
		allow, mark string
	}{
		{request("GET", "/v1/chat/completions"), "POST", openai},
		{request("HEAD", "/v1/chat/completions"), "POST", ""},
		{request("OPTIONS", "/v1/chat/completions"), "POST", openai},
		{request("TRACE", "/v1/chat/completions"), "POST", openai},
		{request("BREW", "/v1/chat/completions"), "POST", openai},
		{request("PUT", "/v1/messages"), "POST", anthropic},
		{request("GET", "/v1/messages/count_tokens"), "POST", anthropic},
		{request("PUT", "/v1/responses/resp_1"), "DELETE, GET, HEAD", openai},
		{request("DELETE", "/v1/models"), "GET, HEAD", openai},
		{request("POST", "/v1/models"), "GET, HEAD", openai},
		{request("POST", "/v1/models", "Anthropic-Version", "2023-06-01"), "GET, HEAD", anthropic},
		{request("POST", "/v1beta/models"), "GET, HEAD", gemini},
		{request("DELETE", "/v1beta/models/m:generateContent"), "GET, HEAD, POST", gemini},
		{request("POST", "/healthz"), "GET, HEAD", openai},
		{request("OPTIONS", "/readyz"), "GET, HEAD", openai},
		{request("PATCH", "/things/x"), "GET, HEAD, OPTIONS, PUT", openai},
	} {
		w := serve(s, c.r)
		if w.Code != 405 || w.Header().Get("Allow") != c.allow || !strings.Contains(w.Body.String(), c.mark) || c.mark != "" && !strings.Contains(w.Body.String(), c.r.Method) {
			t.Errorf("%s %s: %d, Allow %q, %s", c.r.Method, c.r.URL, w.Code, w.Header().Get("Allow"), w.Body)
		}
		if w.Header().Get("X-Request-Id") == "" {
			t.Errorf("%s %s has no request id", c.r.Method, c.r.URL)
		}
	}
	for _, c := range []struct {
		r    *http.Request
		code int
	}{
		{request("HEAD", "/healthz"), 200},
		{request("HEAD", "/v1/models"), 401},
		{request("BREW", "/whole/part"), http.StatusTeapot},
		{request("OPTIONS", "/nothing"), 404},
	} {
		if w := serve(s, c.r); w.Code != c.code || w.Header().Get("Allow") != "" {
			t.Errorf("%s %s: %d, Allow %q", c.r.Method, c.r.URL, w.Code, w.Header().Get("Allow"))
		}
	}
}

// running is a server on a port of this machine.
type running struct {
	url    string
	ln     net.Listener
	stop   context.CancelFunc
	result chan error
}

func start(t *testing.T, o Options) *running {
	t.Helper()
	return startServer(t, New(o))
}

func startServer(t *testing.T, s *Server) *running {
	t.Helper()
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{url: "http://" + ln.Addr().String(), ln: ln, stop: cancel, result: make(chan error, 1)}
	go func() { r.result <- s.Serve(ctx, ln) }()
	t.Cleanup(cancel)
	return r
}

// do makes a request on a connection of its own.
func (r *running) do(req *http.Request) (status int, body string, header http.Header, err error) {
	tr := &http.Transport{}
	defer tr.CloseIdleConnections()
	resp, err := tr.RoundTrip(req)
	if err != nil {
		return 0, "", nil, err
	}
	raw, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(raw), resp.Header, errors.Join(err, resp.Body.Close())
}

func (r *running) request(t *testing.T, method, path string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), method, r.url+path, body)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// later makes a request and returns where the body of its answer will be, or what went wrong.
func (r *running) later(req *http.Request) <-chan string {
	answered := make(chan string, 1)
	go func() {
		_, body, _, err := r.do(req)
		if err != nil {
			body = err.Error()
		}
		answered <- body
	}()
	return answered
}

// drains waits until the server takes no new connection; it must not have ended, as a call still runs.
func (r *running) drains(t *testing.T) {
	t.Helper()
	for {
		if _, _, _, err := r.do(r.request(t, "GET", "/healthz", nil)); err != nil {
			break
		}
	}
	select {
	case err := <-r.result:
		t.Fatalf("it ended while a call ran: %v", err)
	default:
	}
}

func TestShutdownWaits(t *testing.T) {
	o := options()
	began, release := make(chan struct{}), make(chan struct{})
	o.Routes = map[string]http.Handler{"GET /slow": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(began)
		<-release
		_, _ = io.WriteString(w, "whole, "+http.StatusText(http.StatusOK))
		if err := r.Context().Err(); err != nil {
			t.Error(err)
		}
	})}
	s := New(o)
	s.after = func(time.Duration) <-chan time.Time {
		t.Error("a delay that nobody asked for")
		return time.After(0)
	}
	r := startServer(t, s)
	answered := r.later(r.request(t, "GET", "/slow", nil))
	<-began
	r.stop()
	r.drains(t)
	close(release)
	if got := <-answered; got != "whole, OK" {
		t.Error(got)
	}
	if err := <-r.result; err != nil {
		t.Error(err)
	}
}

// delayed is a server whose delay lasts until over is closed; asked tells that it has begun.
func delayed(t *testing.T, o Options) (r *running, asked <-chan time.Duration, over chan time.Time) {
	t.Helper()
	began := make(chan time.Duration, 1)
	over = make(chan time.Time)
	s := New(o)
	s.after = func(d time.Duration) <-chan time.Time {
		began <- d
		return over
	}
	return startServer(t, s), began, over
}

// While load balancers see that the gateway goes, it serves: on new connections, and on those that are kept,
// which end with the next answer.
func TestShutdownDelay(t *testing.T) {
	o := options()
	o.Delay = 7 * time.Second
	began, release := make(chan struct{}), make(chan struct{})
	o.Routes = map[string]http.Handler{
		"POST /call": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "served") }),
		"GET /slow": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(began)
			<-release
			_, _ = io.WriteString(w, "whole")
		}),
	}
	r, asked, over := delayed(t, o)
	h2 := http.Protocols{}
	h2.SetUnencryptedHTTP2(true)
	kept := map[string]*http.Transport{"HTTP/1.1": {}, "HTTP/2.0": {Protocols: &h2}}
	call := func(proto string) (reused, ends bool) {
		t.Helper()
		req := r.request(t, "POST", "/call", nil)
		trace := &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { reused = i.Reused }}
		resp, err := kept[proto].RoundTrip(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
		if err != nil {
			t.Fatal(proto, err)
		}
		raw, err := io.ReadAll(resp.Body)
		if err = errors.Join(err, resp.Body.Close()); err != nil || resp.StatusCode != http.StatusOK || string(raw) != "served" || resp.Proto != proto {
			t.Fatalf("%s: %d %s over %s, %v", proto, resp.StatusCode, raw, resp.Proto, err)
		}
		return reused, resp.Close
	}
	for proto, tr := range kept {
		defer tr.CloseIdleConnections()
		if _, ends := call(proto); ends {
			t.Errorf("%s: the connection ends before the shutdown", proto)
		}
	}
	answered := r.later(r.request(t, "GET", "/slow", nil))
	<-began

	r.stop()
	select {
	case d := <-asked:
		if d != o.Delay {
			t.Errorf("it is to take %v", d)
		}
	case err := <-r.result:
		t.Fatalf("it ended at once: %v", err)
	}
	if status, body, _, err := r.do(r.request(t, "GET", "/readyz", nil)); status != 503 || !strings.Contains(body, `"closing"`) {
		t.Errorf("/readyz: %d %s, %v", status, body, err)
	}
	if status, body, _, err := r.do(r.request(t, "POST", "/call", nil)); status != 200 || body != "served" {
		t.Errorf("a call on a new connection: %d %s, %v", status, body, err)
	}
	if reused, ends := call("HTTP/1.1"); !reused || !ends {
		t.Errorf("a call on a connection that was kept: reused %v, ends %v", reused, ends)
	}
	if reused, _ := call("HTTP/2.0"); !reused {
		t.Error("a call over HTTP/2 did not use the connection that was kept")
	}
	for end := time.Now().Add(30 * time.Second); ; { // until the client has seen the GOAWAY
		if reused, _ := call("HTTP/2.0"); !reused {
			break
		}
		if time.Now().After(end) {
			t.Fatal("calls over HTTP/2 stay on the connection that was kept")
		}
	}
	select {
	case err := <-r.result:
		t.Fatalf("it ended within the delay: %v", err)
	default:
	}

	close(over)
	r.drains(t)
	close(release)
	if got := <-answered; got != "whole" {
		t.Error(got)
	}
	if err := <-r.result; err != nil {
		t.Error(err)
	}
}

func TestShutdownDelayEndsWithTheListener(t *testing.T) {
	o := options()
	o.Delay = time.Hour
	r, asked, _ := delayed(t, o)
	r.stop()
	<-asked
	if err := r.ln.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-r.result; !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

// Calls end in order also where the listener breaks, before or within the delay: what they settle in is closed next.
func TestBrokenListenerLetsCallsFinish(t *testing.T) {
	for _, stops := range []bool{false, true} {
		o := options()
		o.Delay = time.Hour
		began, release := make(chan struct{}), make(chan struct{})
		o.Routes = map[string]http.Handler{"GET /slow": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(began)
			<-release
			_, _ = io.WriteString(w, "whole")
		})}
		r, asked, _ := delayed(t, o)
		answered := r.later(r.request(t, "GET", "/slow", nil))
		<-began
		if stops {
			r.stop()
			<-asked
		}
		if err := r.ln.Close(); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-r.result:
			t.Errorf("stops %v: it ended while a call ran: %v", stops, err)
			close(release)
			<-answered
			continue
		case <-time.After(50 * time.Millisecond): // if it has not seen it yet, the test proves less
		}
		close(release)
		if got := <-answered; got != "whole" {
			t.Error(got)
		}
		if err := <-r.result; !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	}
}

func TestShutdownCutsWhatIsTooSlow(t *testing.T) {
	o := options()
	var said strings.Builder
	o.Shutdown, o.Delay, o.Log = 20*time.Millisecond, time.Millisecond, slog.New(slog.NewJSONHandler(&said, nil))
	began, cause := make(chan struct{}), make(chan error, 1)
	o.Routes = map[string]http.Handler{"GET /slow": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(began)
		<-r.Context().Done()
		cause <- context.Cause(r.Context())
		_, _ = io.WriteString(w, "settled")
	})}
	r := start(t, o)
	answered := r.later(r.request(t, "GET", "/slow", nil))
	<-began
	r.stop()
	if err := <-cause; !errors.Is(err, relay.ErrShutdown) {
		t.Errorf("the call learns: %v", err)
	}
	if got := <-answered; got != "settled" {
		t.Error(got)
	}
	if err := <-r.result; err != nil {
		t.Error(err)
	}
	log := said.String()
	for _, want := range []string{`calls are still taken","for":"1ms"}`, `running calls may finish","for":"20ms"}`, `did not finish in time","after":"20ms"}`} {
		if before, after, ok := strings.Cut(log, want); !ok {
			t.Errorf("the log does not go on with %s:\n%s%s", want, before, after)
		} else {
			log = after
		}
	}
}

func TestServeTellsWhyItCannot(t *testing.T) {
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	if err := New(options()).Serve(t.Context(), ln); !errors.Is(err, net.ErrClosed) || !strings.Contains(err.Error(), ln.Addr().String()) {
		t.Error(err)
	}
}

func TestHeadersAreBounded(t *testing.T) {
	r := start(t, options())
	for size, want := range map[int]int{4 << 10: 200, 64 << 10: 431} {
		req := r.request(t, "GET", "/healthz", nil)
		req.Header.Set("X-Long", strings.Repeat("x", size))
		if status, _, _, err := r.do(req); status != want {
			t.Errorf("%d bytes: %d, %v", size, status, err)
		}
	}
}

// After a body in chunks the connection is not used again: what follows may be somebody's smuggling.
func TestChunkedBodiesEndTheConnection(t *testing.T) {
	r := start(t, options())
	for name, c := range map[string]struct {
		body  io.Reader
		close bool
	}{
		"none":   {nil, false},
		"length": {strings.NewReader("{}"), false},
		"chunks": {io.MultiReader(bytes.NewReader([]byte("{}"))), true},
	} {
		req := r.request(t, "POST", "/nothing", c.body)
		tr := &http.Transport{}
		resp, err := tr.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		if resp.Close != c.close || resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: status %d, close %v", name, resp.StatusCode, resp.Close)
		}
		_ = resp.Body.Close()
		tr.CloseIdleConnections()
	}
}
