package app_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"tollgate/internal/simulator"
)

// A stream that has ended leaves its upstream connection to the next call.
func TestStreamsShareConnections(t *testing.T) {
	var opened atomic.Int64
	srv := httptest.NewUnstartedServer(simulator.New(simulator.Config{}).Handler())
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			opened.Add(1)
		}
	}
	srv.Start()
	t.Cleanup(srv.Close)
	g := startGateway(t, channels(srv.URL, "sk-up-1"))
	for range 20 {
		a := g.send("POST", "/v1/chat/completions", strings.Replace(hello, "{", `{"stream":true,`, 1))
		if a.status != http.StatusOK || !strings.HasSuffix(a.body, "data: [DONE]\n\n") {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	if n := opened.Load(); n > 2 {
		t.Errorf("20 streams in a row took %d connections", n)
	}
}
