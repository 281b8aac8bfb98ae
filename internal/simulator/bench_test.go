package simulator_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"tollgate/internal/simulator"
)

// sink is a ResponseWriter that forgets, so that the benchmark measures the simulator alone.
type sink struct {
	header http.Header
	events int
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(int)             {}
func (s *sink) Write(b []byte) (int, error) { return len(b), nil }
func (s *sink) FlushError() error           { s.events++; return nil }

func bench(b *testing.B, path, body string) {
	h := simulator.New(simulator.Config{}).Handler()
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer sk-bench-123456")
		r.Header.Set("Anthropic-Version", "2023-06-01")
		h.ServeHTTP(&sink{header: http.Header{}}, r)
	}
}

func BenchmarkPlain(b *testing.B) {
	bench(b, "/v1/chat/completions", `{"model":"sim-gpt","messages":[{"role":"user","content":"hello"}]}`)
}

func BenchmarkStream100(b *testing.B) {
	bench(b, "/v1/chat/completions", `{"model":"sim-gpt+events=100","stream":true,"messages":[{"role":"user","content":"hello"}]}`)
}

func BenchmarkStream100Anthropic(b *testing.B) {
	bench(b, "/v1/messages", `{"model":"sim-claude+events=100","stream":true,"max_tokens":1000,"messages":[{"role":"user","content":"hello"}]}`)
}

func BenchmarkPlainMegabyte(b *testing.B) {
	bench(b, "/v1/chat/completions", `{"model":"sim-gpt","messages":[{"role":"user","content":"`+strings.Repeat("hello ", 170_000)+`"}]}`)
}

// BenchmarkPlainHTTP includes a connection on loopback and the client.
func BenchmarkPlainHTTP(b *testing.B) {
	srv := httptest.NewServer(simulator.New(simulator.Config{}).Handler())
	defer srv.Close()
	for b.Loop() {
		req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, srv.URL+"/v1/chat/completions", strings.NewReader(`{"model":"sim-gpt","messages":[{"role":"user","content":"hello"}]}`))
		if err != nil {
			b.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer sk-bench-123456")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.Body.Close() != nil {
			b.Fatal(err)
		}
	}
}
