package app_test

import (
	"bufio"
	"context"
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

	"tollgate/internal/simulator"
)

// open starts a streamed call and returns once the first bytes of the answer are here.
func (g *gateway) open(a ask) (first string, resp *http.Response, hangUp func()) {
	g.t.Helper()
	ctx, cancel := context.WithCancel(g.t.Context())
	g.t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.base+a.path, strings.NewReader(a.body))
	if err != nil {
		g.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if a.header == "Authorization" {
		req.Header.Set(a.header, "Bearer "+userKey)
	} else {
		req.Header.Set(a.header, userKey)
	}
	resp, err = http.DefaultClient.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { _ = resp.Body.Close() }) // it may have been read to its end
	buf := make([]byte, 4<<10)
	n, err := resp.Body.Read(buf)
	if err != nil {
		g.t.Fatalf("%s: %v", resp.Status, err)
	}
	return string(buf[:n]), resp, cancel
}

// onlyCall waits for the one call line of the log.
func (g *gateway) onlyCall() map[string]any {
	g.t.Helper()
	waitFor(g.t, "the call to be settled", func() bool { return len(g.lines("call")) > 0 })
	lines := g.lines("call")
	if len(lines) != 1 {
		g.t.Fatalf("%d calls were settled: %v", len(lines), lines)
	}
	return lines[0]
}

// A client that hangs up: where the provider bills the whole answer all the same, it is read to its end
// and billed as measured; where it stops billing, the connection ends and what was delivered is billed.
func TestFaultClientHangsUp(t *testing.T) {
	for _, a := range streamedAsks() {
		t.Run(a.name+" drain", func(t *testing.T) {
			t.Parallel()
			sim, url := simulate(t)
			g := startGateway(t, "channels:\n"+member("c", "simulator", url, "sk-up", "")+alice("10"))
			_, _, hangUp := g.open(a.words("+events=40+slow=10ms"))
			hangUp()
			line := g.onlyCall()
			calls := counted(t, sim)
			if len(calls) != 1 || !calls[0].Complete {
				t.Fatalf("the provider served %+v", calls)
			}
			if line["usage"] != "measured" || line["out"].(float64) != float64(calls[0].Usage.Output+calls[0].Usage.Reasoning) || line["nanos"].(float64) <= 0 {
				t.Errorf("the provider reported %+v, the log has %v", calls[0].Usage, line)
			}
		})
	}
	for _, a := range streamedAsks()[:2] { // the dialects of a vendor that stops billing
		t.Run(a.name+" cancel", func(t *testing.T) {
			t.Parallel()
			sim, url := simulate(t)
			g := startGateway(t, "channels:\n"+member("c", "openai", url, "sk-up", "")+alice("10"))
			_, _, hangUp := g.open(a.words("+events=2000+slow=20ms"))
			hangUp()
			line := g.onlyCall()
			if call := counted(t, sim)[0]; call.Complete || call.Events > 1000 {
				t.Errorf("the provider wrote on: %+v", call)
			}
			out := line["out"].(float64)
			if line["usage"] != "estimated" && line["usage"] != "derived" || line["error"] != "canceled" || out <= 0 || out > 10_000 || line["nanos"].(float64) <= 0 {
				t.Errorf("log: %v", line)
			}
		})
	}
}

// A plain answer is billed whole, whether its client waits for it or not.
func TestFaultClientHangsUpPlain(t *testing.T) {
	sim, url, gate := gated(t)
	g := startGateway(t, "channels:\n"+member("c", "openai", url, "sk-up", "")+alice("10"))
	a := asks()[0].words("")
	ctx, hangUp := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.base+a.path, strings.NewReader(a.body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+userKey)
	go func() {
		for gate.asked.Load() == 0 && t.Context().Err() == nil {
			time.Sleep(time.Millisecond)
		}
		hangUp()
	}()
	if resp, err := http.DefaultClient.Do(req); err == nil {
		_ = resp.Body.Close()
		t.Fatal("the answer came before the client hung up")
	}
	gate.open()
	if line := g.onlyCall(); line["usage"] != "measured" || line["nanos"].(float64) <= 0 {
		t.Errorf("log: %v", line)
	}
	if n := len(counted(t, sim)); n != 1 {
		t.Errorf("the provider served %d calls", n)
	}
}

// A client that stops reading does not hold a channel for ever: it is dropped and settled.
func TestFaultClientStopsReading(t *testing.T) {
	sim, url := simulate(t)
	g := startGateway(t, "channels:\n"+member("c", "openai", url, "sk-up", "")+alice("1000"), "TIMEOUT_CLIENT_WRITE=100ms")
	a := streamedAsks()[0].words("+events=20000+size=16384") // more than any socket buffers
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(g.base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s", a.path, userKey, len(a.body), a.body)
	if err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReaderSize(conn, 16).ReadString('\n'); err != nil || !strings.Contains(line, "200") {
		t.Fatalf("%q %v", line, err)
	}
	line := g.onlyCall() // the client holds the connection open and reads no more
	if line["error"] != "canceled" || line["client_gone"] != true || line["usage"] == "measured" || line["nanos"].(float64) <= 0 {
		t.Errorf("log: %v", line)
	}
	if call := counted(t, sim)[0]; call.Complete {
		t.Errorf("the provider wrote all of it: %+v", call)
	}
}

// A shutdown lets a stream finish and settles it.
func TestFaultShutdownWaits(t *testing.T) {
	for _, a := range streamedAsks() {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			_, url := simulate(t)
			g := startGateway(t, channels(url, "sk-up"), "TIMEOUT_SHUTDOWN=20s")
			_, resp, _ := g.open(a.words("+events=30+slow=20ms"))
			stopped := make(chan struct{})
			go func() {
				defer close(stopped)
				g.stop()
			}()
			rest, err := io.ReadAll(resp.Body)
			if err != nil || strings.Contains(string(rest), a.fault) {
				t.Errorf("the stream broke off: %v …%s", err, rest[max(0, len(rest)-300):])
			}
			<-stopped
			if line := g.onlyCall(); line["usage"] != "measured" || line["error"] != nil {
				t.Errorf("log: %v", line)
			}
		})
	}
}

// A stream that takes longer than a shutdown may is ended with the error of its dialect, and settled on
// what was delivered.
func TestFaultShutdownCuts(t *testing.T) {
	for _, a := range streamedAsks() {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			_, url := simulate(t)
			g := startGateway(t, channels(url, "sk-up"), "TIMEOUT_SHUTDOWN=100ms")
			first, resp, _ := g.open(a.words("+events=5000+slow=20ms"))
			stopped := make(chan struct{})
			go func() {
				defer close(stopped)
				g.stop()
			}()
			rest, err := io.ReadAll(resp.Body)
			all := first + string(rest)
			if err != nil || !strings.Contains(all, a.fault) || !strings.Contains(all, "shutting down") {
				t.Errorf("%v …%s", err, all[max(0, len(all)-300):])
			}
			<-stopped
			if line := g.onlyCall(); line["usage"] == "measured" || line["error"] != "overloaded" || line["client_gone"] != nil || line["out"].(float64) <= 0 || line["nanos"].(float64) <= 0 {
				t.Errorf("log: %v", line)
			}
		})
	}
}

// An answer without usage is counted by ourselves, and labelled so; it is never free.
func TestFaultUsageIsMissing(t *testing.T) {
	_, url := simulate(t)
	for _, a := range append(asks(), streamedAsks()...) {
		t.Run(a.name, func(t *testing.T) {
			g := startGateway(t, channels(url, "sk-up"))
			if got := a.words("+nousage+events=8").of(g, userKey); got.status != 200 {
				t.Fatalf("%d %s", got.status, got.body)
			}
			line := g.onlyCall()
			if line["usage"] != "estimated" || line["in"].(float64) <= 0 || line["out"].(float64) <= 0 || line["nanos"].(float64) <= 0 || line["error"] != nil {
				t.Errorf("log: %v", line)
			}
		})
	}
}

// A client of another dialect is told the input that it is billed, where the upstream tells of its output alone.
func TestFaultUsageHasNoInput(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"id":"x","object":"chat.completion","created":1,"model":"sim-claude","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"Hello!"}}],"usage":{"prompt_tokens":0,"completion_tokens":5,"total_tokens":5}}`)
	}))
	t.Cleanup(srv.Close)
	g := startGateway(t, "channels:\n"+member("c", "openai-compatible", srv.URL, "sk-up", "")+alice("10"))
	a := asks()[2].words("")
	got := a.of(g, userKey)
	line := g.onlyCall()
	if got.status != 200 || line["usage"] != "derived" || line["in"].(float64) <= 0 || !strings.Contains(got.body, fmt.Sprintf(`"input_tokens":%v,`, line["in"])) || !strings.Contains(got.body, `"output_tokens":5`) {
		t.Errorf("%d %s\nlog: %v", got.status, got.body, line)
	}
}

// A model without a price is refused to accounts before anything is sent; what root asks is answered
// and put in quarantine, never booked as free.
func TestFaultPriceIsUnknown(t *testing.T) {
	for _, a := range asks() {
		t.Run(a.name, func(t *testing.T) {
			sim, url := simulate(t)
			g := startGateway(t, "channels:\n"+member("c", "simulator", url, "sk-up", "")+alice("10"))
			a.body = strings.NewReplacer("sim-gpt", "mystery-1", "sim-claude", "mystery-1").Replace(a.body)
			a.path = strings.Replace(a.path, "sim-gemini", "mystery-1", 1)
			a := a.words("")
			if got := a.of(g, userKey); got.status != 404 || !strings.Contains(got.body, "price") || !strings.Contains(got.body, a.fault) {
				t.Errorf("account: %d %s", got.status, got.body)
			}
			if n := len(counted(t, sim)); n != 0 {
				t.Errorf("the provider saw %d calls", n)
			}
			if got := a.of(g, adminKey); got.status != 200 {
				t.Fatalf("root: %d %s", got.status, got.body)
			}
			if line := g.onlyCall(); line["quarantine"] == nil || line["nanos"] != 0.0 || line["usage"] != "measured" || line["out"].(float64) <= 0 {
				t.Errorf("log: %v", line)
			}
		})
	}
}

// An account out of credit is refused in the words of its dialect, and not a byte is sent upstream.
func TestFaultOutOfCredit(t *testing.T) {
	for _, a := range append(asks(), streamedAsks()...) {
		t.Run(a.name, func(t *testing.T) {
			var connections atomic.Int64
			srv := httptest.NewUnstartedServer(simulator.New(simulator.Config{}).Handler())
			srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
				if s == http.StateNew {
					connections.Add(1)
				}
			}
			srv.Start()
			t.Cleanup(srv.Close)
			g := startGateway(t, "channels:\n"+member("c", "simulator", srv.URL, "sk-up", "")+alice("0.000001"))
			want := 429 // insufficient_quota, RESOURCE_EXHAUSTED
			if strings.HasPrefix(a.name, "messages") {
				want = 402 // billing_error
			}
			got := a.words("").of(g, userKey)
			if got.status != want || !strings.Contains(got.body, "credit") || !strings.Contains(got.body, strings.Replace(a.fault, "response.failed", `"error":{`, 1)) {
				t.Errorf("%d %s, want %d", got.status, got.body, want)
			}
			if got.header.Get("Retry-After") != "" {
				t.Error("waiting does not help, but Retry-After is set")
			}
			if n := connections.Load(); n != 0 {
				t.Errorf("%d connections to the provider", n)
			}
			if lines := g.lines("call refused"); len(lines) != 1 || lines[0]["error"] != "quota" || len(g.lines("call")) != 0 {
				t.Errorf("log: %v", lines)
			}
		})
	}
}

// Many calls at once on little credit: what is spent stays within it, as every call reserves first
// what it declares.
func TestFaultLittleCredit(t *testing.T) {
	sim, url, gate := gated(t)
	const credit = 150_000 // nano-dollars: five reservations of 64 tokens at $0.40 a million, and a bit
	g := startGateway(t, "channels:\n"+member("c", "simulator", url, "sk-up", "")+alice("0.000150"))
	var served, refused atomic.Int64
	const atOnce = 30
	round := func(decided func()) {
		var wg sync.WaitGroup
		for i := range atOnce {
			wg.Go(func() {
				body := `{"model":"sim-gpt","max_tokens":64,"messages":[{"role":"user","content":"hi"}]}`
				if i%2 == 1 {
					body = strings.Replace(body, "{", `{"stream":true,`, 1)
				}
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.base+"/v1/chat/completions", strings.NewReader(body))
				if err != nil {
					t.Error(err)
					return
				}
				req.Header.Set("Content-Type", "application/json")
				req.Header.Set("Authorization", "Bearer "+userKey)
				resp, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Error(err)
					return
				}
				defer resp.Body.Close()
				if _, err := io.Copy(io.Discard, resp.Body); err != nil {
					t.Error(err)
				}
				switch resp.StatusCode {
				case http.StatusOK:
					served.Add(1)
				case http.StatusTooManyRequests:
					refused.Add(1)
				default:
					t.Errorf("status %d", resp.StatusCode)
				}
			})
		}
		decided()
		wg.Wait()
	}
	round(func() { // no call ends before all have begun
		waitFor(t, "all calls to be refused or under way", func() bool { return refused.Load()+gate.asked.Load() == atOnce || t.Failed() })
		gate.open()
	})
	if n := served.Load(); n < 1 || n > 5 {
		t.Errorf("%d calls were under way at once on credit for five", n)
	}
	for before := int64(-1); before != served.Load(); { // until nothing goes any more
		before = served.Load()
		round(func() {})
	}
	spent := 0.0
	for _, line := range g.lines("call") {
		spent += line["nanos"].(float64)
	}
	if spent <= 0 || spent > credit {
		t.Errorf("$%v of $%v were spent", spent/1e9, credit/1e9)
	}
	if n := len(counted(t, sim)); int64(n) != served.Load() || n != len(g.lines("call")) {
		t.Errorf("the provider served %d calls, clients got %d, %d were settled", n, served.Load(), len(g.lines("call")))
	}
	waitFor(t, "the money that was held, now that no call is under way", func() bool {
		return strings.Contains(g.asRoot("GET", "/metrics", "").body, "held_dollars 0\n")
	})
}

// A background response ends after its call: accounts can't have one, root's is put in quarantine.
func TestFaultBackground(t *testing.T) {
	sim, url := simulate(t)
	g := startGateway(t, channels(url, "sk-up"))
	const body = `{"model":"sim-gpt","input":"hi","background":true,"store":true}`
	if a := g.send("POST", "/v1/responses", body); a.status != 400 || !strings.Contains(a.body, "background") {
		t.Errorf("account: %d %s", a.status, a.body)
	}
	if n := len(counted(t, sim)); n != 0 {
		t.Errorf("the provider saw %d calls", n)
	}
	if a := g.asRoot("POST", "/v1/responses", body); a.status != 200 || !strings.Contains(a.body, `"queued"`) && !strings.Contains(a.body, `"in_progress"`) {
		t.Fatalf("root: %d %s", a.status, a.body)
	}
	if line := g.onlyCall(); line["quarantine"] == nil || !strings.Contains(line["quarantine"].(string), "background") || line["nanos"] != 0.0 {
		t.Errorf("log: %v", line)
	}
}

// Money is held before a channel is looked for; where there is none, it is free again.
func TestFaultNoChannelHoldsNothing(t *testing.T) {
	sim, url := simulate(t)
	g := startGateway(t, "channels:\n"+strings.Replace(member("c", "simulator", url, "sk-up", ""), `"sim-*", `, "", 1)+alice("10"))
	for _, a := range append(asks(), streamedAsks()...) {
		if got := a.words("").of(g, userKey); got.status < 400 {
			t.Errorf("%s: %d %s", a.name, got.status, got.body)
		}
	}
	if n := len(counted(t, sim)); n != 0 {
		t.Errorf("the provider saw %d calls", n)
	}
	waitFor(t, "the money that was held, now that no call is under way", func() bool {
		return strings.Contains(g.asRoot("GET", "/metrics", "").body, "held_dollars 0\n")
	})
}

// What a provider gives away costs nothing without a price, too, and nobody has to look at it.
func TestFaultFreeProvider(t *testing.T) {
	_, url := simulate(t)
	g := startGateway(t, "channels:\n"+member("c", "vllm", url, "sk-up", "")+alice("10"))
	if a := g.send("POST", "/v1/chat/completions", `{"model":"mystery-1","messages":[{"role":"user","content":"hi"}]}`); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if line := g.onlyCall(); line["quarantine"] != nil || line["nanos"] != 0.0 || line["usage"] != "measured" || line["out"].(float64) <= 0 {
		t.Errorf("log: %v", line)
	}
}

// What is held covers an answer whose every token is of the dearest kind.
func TestFaultDearThoughtsAreHeld(t *testing.T) {
	sim, url := simulate(t)
	g := startGateway(t, "channels:\n"+member("c", "simulator", url, "sk-up", "")+
		"models:\n  - {name: mystery-1, price: {input: \"1\", output: \"1\", reasoning: \"1000\"}}\n"+alice("0.01"))
	a := g.send("POST", "/v1/chat/completions", `{"model":"mystery-1","max_tokens":64,"messages":[{"role":"user","content":"hi"}]}`)
	if a.status != 429 || !strings.Contains(a.body, "credit") {
		t.Errorf("a cent does not cover 64 tokens of thoughts for a tenth of a cent each: %d %s", a.status, a.body)
	}
	if n := len(counted(t, sim)); n != 0 {
		t.Errorf("the provider saw %d calls", n)
	}
}
