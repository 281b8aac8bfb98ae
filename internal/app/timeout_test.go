package app_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// A pool of channels that never answer is walked for TIMEOUT_ROUTE, not to its end; then the client is told
// in its own dialect.
func TestTimeoutOfTheWalk(t *testing.T) {
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then the server sees that its client has gone
		<-r.Context().Done()
	}))
	t.Cleanup(silent.Close)
	const pool = 40
	var b strings.Builder
	b.WriteString("channels:\n")
	for i := range pool {
		b.WriteString(member("silent"+strconv.Itoa(i), "simulator", silent.URL, "sk-silent-"+strconv.Itoa(i), ""))
	}
	for _, a := range append(asks(), streamedAsks()...) {
		t.Run(a.name, func(t *testing.T) {
			g := startGateway(t, b.String()+alice("10"), "TIMEOUT_FIRST_BYTE=100ms", "TIMEOUT_ROUTE=350ms")
			got := a.words("").of(g, userKey)
			if got.status != http.StatusGatewayTimeout || !strings.Contains(got.body, `"error"`) {
				t.Errorf("%d %s", got.status, got.body)
			}
			lines := g.lines("call")
			// Each attempt but the last takes its 100 ms, so that no more than four begin.
			if len(lines) != 1 || lines[0]["error"] != "timeout" || lines[0]["attempts"].(float64) > 4 || lines[0]["nanos"] != 0.0 {
				t.Errorf("log: %v", lines)
			}
		})
	}
}

// A call that goes on and on ends with TIMEOUT_CALL: as an error if nothing was said, with the error event
// of the dialect after content, never like a whole answer.
func TestTimeoutOfTheCall(t *testing.T) {
	t.Parallel() // it waits most of the time
	_, url := simulate(t)
	g := startGateway(t, channels(url, "sk-up"), "TIMEOUT_CALL=3s", "TIMEOUT_ROUTE=3s")
	var calls sync.WaitGroup
	for _, a := range asks() {
		calls.Go(func() {
			if got := a.words("+hang").of(g, userKey); got.status != http.StatusGatewayTimeout || !strings.Contains(got.body, a.fault) {
				t.Errorf("%s: %d %s", a.name, got.status, got.body)
			}
		})
	}
	for _, a := range streamedAsks() {
		calls.Go(func() {
			got := a.words("+slow=20ms+events=10000").of(g, userKey)
			if got.status != http.StatusOK || !strings.Contains(got.body, a.fault) || strings.Contains(got.body, "[DONE]") || strings.Contains(got.body, "message_stop") {
				t.Errorf("%s: %d %s", a.name, got.status, got.body)
			}
		})
	}
	calls.Wait()
	lines := g.lines("call")
	if len(lines) != 8 {
		t.Errorf("%d calls are in the log", len(lines))
	}
	for _, line := range lines {
		if line["error"] != "timeout" || (line["stream"] == true) != (line["nanos"].(float64) > 0) {
			t.Errorf("log: %v", line)
		}
	}
}

// A provider that takes the connection and says nothing, not even TLS, is left after TIMEOUT_CONNECT for
// the next channel.
func TestTimeoutOfConnecting(t *testing.T) {
	t.Parallel() // it waits most of the time
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() }) // never accepts
	_, url := simulate(t)
	g := startGateway(t, "channels:\n"+member("mute", "simulator", "https://"+ln.Addr().String(), "sk-mute", "priority: 1")+
		member("good", "simulator", url, "sk-good", "")+alice("10"), "TIMEOUT_CONNECT=2s")
	if got := asks()[0].words("").of(g, userKey); got.status != http.StatusOK {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if lines := g.lines("call"); len(lines) != 1 || lines[0]["attempts"] != 2.0 {
		t.Errorf("log: %v", lines)
	}
}
