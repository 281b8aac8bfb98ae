package obs

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"tollgate/internal/canon"
	"tollgate/internal/ledger"
	"tollgate/internal/secret"
)

// sink is a writer that may be read while it is written to.
type sink struct {
	mu  sync.Mutex
	buf bytes.Buffer
	err error
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return 0, s.err
	}
	return s.buf.Write(p)
}

func (s *sink) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

func TestLogHidesSecrets(t *testing.T) {
	const key = "sk-proj-abcdefghijklmnop1234"
	out := &sink{}
	logger, log := NewLog(out, slog.LevelDebug, FormatJSON)
	logger.Info("x",
		slog.String("authorization", "Basic Zm9vOmJhcg=="),
		slog.String("X-Api-Key", "plain-word"),
		slog.String("refresh_token", "abc"),
		slog.String("reason", "upstream said: incorrect key "+key+" given"),
		slog.Any("error", fmt.Errorf("get: %w", errors.New("https://host/v1?key=AIzaSyDUMMYDUMMYDUMMYDUMMYDUMMY&alt=sse"))),
		slog.Any("header", http.Header{"Cookie": {"session=1"}}),
		slog.Any("url", &url.URL{Scheme: "postgres", User: url.UserPassword("me", "hunter22"), Host: "db"}),
		slog.Any("secret_value", secret.Secret(key)),
		slog.Group("nested", slog.String("note", "Bearer abcdefghijkl")),
	)
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	got := out.String()
	for _, leak := range []string{key, "Zm9v", "plain-word", "abc\"", "AIza", "session=1", "hunter22", "abcdefghijkl"} {
		if strings.Contains(got, leak) {
			t.Errorf("the log holds %q:\n%s", leak, got)
		}
	}
	for _, kept := range []string{"incorrect key ***", "?key=***&alt=sse", `"header":"Cookie"`} {
		if !strings.Contains(got, kept) {
			t.Errorf("the log lacks %q:\n%s", kept, got)
		}
	}
}

func TestLogKeepsOrdinaryWords(t *testing.T) {
	for _, s := range []string{
		"gpt-4o-mini-2024-07-18", "desk-top-computer-model", "risk-assessment-of-things", "0199f3a2-7c11-7d3e-8f00-0123456789ab",
		"http://127.0.0.1:3000/v1", "user@example.com asks", "tokens: 12", "the bearer of news",
	} {
		if got := Redact(s); got != s {
			t.Errorf("Redact(%q) = %q", s, got)
		}
	}
	for _, name := range []string{"input_tokens", "key", "key_id", "tokens", "model"} {
		if secretName(name) {
			t.Errorf("%s is taken for a secret", name)
		}
	}
}

func TestLogFlushes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &sink{}
		logger, log := NewLog(out, slog.LevelInfo, FormatText)
		logger.Info("one")
		synctest.Wait()
		if got := out.String(); got != "" {
			t.Errorf("written at once: %q", got)
		}
		time.Sleep(flushEvery)
		synctest.Wait()
		if got := out.String(); !strings.Contains(got, "msg=one") {
			t.Errorf("not written after %v: %q", flushEvery, got)
		}
		logger.With("a", 1).WithGroup("g").Warn("two", "b", 2)
		if got := out.String(); !strings.Contains(got, "msg=two a=1 g.b=2") {
			t.Errorf("a warning waits: %q", got)
		}
		logger.Info("three")
		if err := log.Close(); err != nil {
			t.Error(err)
		}
		if got := out.String(); !strings.Contains(got, "msg=three") {
			t.Errorf("lost at the end: %q", got)
		}
		logger.Info("four")
		if got := out.String(); !strings.Contains(got, "msg=four") {
			t.Errorf("a line after Close is lost: %q", got)
		}
	})
}

func TestLogIsBounded(t *testing.T) {
	out := &sink{err: errors.New("disk full")}
	logger, log := NewLog(out, slog.LevelInfo, FormatJSON)
	for range 100 {
		logger.Info("x", slog.String("pad", strings.Repeat("p", 10_000)))
	}
	log.mu.Lock()
	held := len(log.buf)
	log.mu.Unlock()
	if held > maxBuffered {
		t.Errorf("%d bytes are held, want at most %d", held, maxBuffered)
	}
	if err := log.Close(); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("Close says %v, want the failure to write", err)
	}
}

func TestRequestID(t *testing.T) {
	id := NewRequestID()
	if u, err := uuid.Parse(id); err != nil || u.Version() != 7 {
		t.Errorf("%q is no UUIDv7: %v", id, err)
	}
}

func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func TestMetrics(t *testing.T) {
	m := NewMetrics("v1")
	done := m.Begin()
	rec := ledger.Call{
		Dialect: canon.Anthropic, Op: canon.OpGenerate, Model: "m", Status: 200, FirstMs: 30, TotalMs: 90, Cost: 1_500_000_000,
		Usage: canon.Usage{Input: 10, CacheRead: 20, Output: 5},
	}
	m.Settled(rec, "")
	m.Settled(rec, "")
	m.Refused("gemini", "generate", canon.KindAuth)
	m.Attempt("openai", "")
	m.Attempt("openai", canon.KindRateLimited)
	if err := m.Watch("journal_lag_bytes", "Lag.", func() float64 { return 7 }); err != nil {
		t.Fatal(err)
	}
	if err := m.Watch("journal_lag_bytes", "Lag.", func() float64 { return 7 }); err == nil {
		t.Error("a taken name is no error")
	}
	got := scrape(t, m)
	for _, want := range []string{
		`tollgate_calls_total{dialect="anthropic",error="",model="m",op="generate",status="2xx"} 2`,
		`tollgate_calls_total{dialect="gemini",error="auth",model="",op="generate",status="refused"} 1`,
		`tollgate_tokens_total{dialect="anthropic",kind="cache_read",model="m",op="generate"} 40`,
		`tollgate_cost_dollars_total{dialect="anthropic",model="m",op="generate"} 3`,
		`tollgate_attempts_total{provider="openai",result="ok"} 1`,
		`tollgate_attempts_total{provider="openai",result="rate_limited"} 1`,
		`tollgate_call_first_byte_seconds_bucket{dialect="anthropic",model="m",op="generate",le="0.05"} 2`,
		`tollgate_calls_in_flight 1`, `tollgate_journal_lag_bytes 7`, `tollgate_build_info{version="v1"} 1`, `go_goroutines`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("lacks %s", want)
		}
	}
	if strings.Contains(got, `kind="reasoning"`) {
		t.Error("a kind of tokens that never came is shown")
	}
	done()
	if got := scrape(t, m); !strings.Contains(got, "tollgate_calls_in_flight 0") {
		t.Error("done does not count down")
	}
}

func TestModelLabelIsBounded(t *testing.T) {
	m := NewMetrics("v1")
	unknown := ledger.Call{Dialect: canon.Gemini, Op: canon.OpGenerate, Status: 404, ErrorKind: canon.KindNotFound}
	for i := range 50 {
		unknown.Model = fmt.Sprint("made-up-", i)
		m.Settled(unknown, "")
	}
	served := ledger.Call{Dialect: canon.Gemini, Op: canon.OpGenerate, Status: 200}
	for _, name := range []string{"bad\xff", strings.Repeat("x", 500)} {
		served.Model = name
		m.Settled(served, "")
	}
	for i := range maxModels + 30 {
		served.Model = fmt.Sprint("served-", i)
		m.Settled(served, "")
	}
	got := scrape(t, m)
	if strings.Contains(got, "made-up") {
		t.Error("a name that a client made up is a label")
	}
	if n := strings.Count(got, "tollgate_call_seconds_count{"); n != maxModels+1 {
		t.Errorf("%d series, want %d and one for the rest", n, maxModels)
	}
	if want := `tollgate_call_seconds_count{dialect="gemini",model="other",op="generate"} 82`; !strings.Contains(got, want) {
		t.Errorf("lacks %s", want)
	}
}

// However many names clients make up, those that the catalogue prices by a pattern are one label, and names of its
// entries stay labels of their own.
func TestCatalogueKeepsItsLabels(t *testing.T) {
	m := NewMetrics("v1")
	rec := ledger.Call{Dialect: canon.Gemini, Op: canon.OpGenerate, Status: 200}
	settle := func(model, entry string) {
		rec.Model = model
		m.Settled(rec, entry)
	}
	const names = 10_000
	for i := range names {
		settle(fmt.Sprint("gpt-", i), "gpt-*")
		settle(fmt.Sprint("made-up-", i), "")
	}
	settle("gpt-5-2026-01-01", "gpt-5")
	rec.Status, rec.ErrorKind = 504, canon.KindTimeout // a first call that fails counts under its name all the same
	settle("claude", "claude")
	settle("x", strings.Repeat("x", 150))
	settle("y", "bad\xff")
	got := scrape(t, m)
	if n := strings.Count(got, "tollgate_call_seconds_count{"); n != maxModels+5 {
		t.Errorf("%d series, want %d of made-up names, four of the catalogue's and one for the rest", n, maxModels)
	}
	for model, n := range map[string]int{"gpt-*": names, "gpt-5": 1, "claude": 1, Other: names - maxModels + 1} {
		if want := fmt.Sprintf(`tollgate_call_seconds_count{dialect="gemini",model=%q,op="generate"} %d`+"\n", model, n); !strings.Contains(got, want) {
			t.Errorf("lacks %s", want)
		}
	}
}

// A call must cost little: relay counts every one.
func TestSettledDoesNotAllocate(t *testing.T) {
	m := NewMetrics("v1")
	rec := ledger.Call{Dialect: canon.OpenAIChat, Op: canon.OpGenerate, Model: "m", Status: 200, TotalMs: 5, FirstMs: 1, Cost: 5, Usage: canon.Usage{Input: 1, Output: 1}}
	for _, entry := range []string{"", "gpt-*"} {
		m.Settled(rec, entry)
		m.Attempt("openai", "")
		if n := testing.AllocsPerRun(100, func() { m.Settled(rec, entry); m.Attempt("openai", "") }); n != 0 {
			t.Errorf("entry %q: %v allocations", entry, n)
		}
	}
}

func TestMetricsTogether(t *testing.T) {
	m := NewMetrics("v1")
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 100 {
				m.Settled(ledger.Call{Dialect: canon.Gemini, Op: canon.OpGenerate, Model: fmt.Sprint((i + g) % 20), Status: 200, Usage: canon.Usage{Input: 1}}, "")
			}
		})
	}
	wg.Wait()
	total := 0
	for line := range strings.Lines(scrape(t, m)) {
		if strings.HasPrefix(line, "tollgate_tokens_total{") {
			var n int
			if _, err := fmt.Sscan(line[strings.LastIndex(line, " "):], &n); err != nil {
				t.Fatal(err)
			}
			total += n
		}
	}
	if total != 800 {
		t.Errorf("%d tokens counted, want 800", total)
	}
}
