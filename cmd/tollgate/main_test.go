package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"tollgate/internal/simulator"
)

// output is a buffer that may be read while a command writes to it.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// waitFor returns the first group of pattern in what o holds, as soon as it does.
func (o *output) waitFor(t *testing.T, pattern string) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if m := re.FindStringSubmatch(o.String()); m != nil {
			return m[1]
		}
	}
	t.Fatalf("%q never came; there is:\n%s", pattern, o.String())
	return ""
}

// command runs tollgate to its end.
func command(t *testing.T, environ []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err output
	code = run(t.Context(), world{args: args, environ: environ, stdout: &out, stderr: &err})
	return code, out.String(), err.String()
}

// start runs tollgate in the background; stop interrupts it and returns its exit code.
func start(t *testing.T, environ []string, args ...string) (stdout, stderr *output, stop func() int) {
	t.Helper()
	stdout, stderr = &output{}, &output{}
	ctx, cancel := context.WithCancel(context.Background())
	code := make(chan int, 1)
	go func() { code <- run(ctx, world{args: args, environ: environ, stdout: stdout, stderr: stderr}) }()
	stop = sync.OnceValue(func() int {
		cancel()
		return <-code
	})
	t.Cleanup(func() { stop() })
	return stdout, stderr, stop
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{nil, {"--help"}, {"serve", "--help"}, {"simulate", "--help"}, {"receipt", "--help"}, {"journal", "repair", "--help"}, {"ledger", "verify", "--help"}, {"config", "check", "--help"}, {"health", "--help"}} {
		code, out, _ := command(t, nil, args...)
		if code != exitOK || !strings.Contains(out, "Usage: tollgate") {
			t.Errorf("%q: exit code %d, %q", args, code, out)
		}
	}
}

// The words that the simulator knows are in its help, for people who have the binary alone.
func TestHelpOfSimulate(t *testing.T) {
	_, out, _ := command(t, nil, "simulate", "--help")
	for _, w := range simulator.Behaviours() {
		if !regexp.MustCompile(`(?m)^ +` + w.Word + `(\[?=\S+)? +` + regexp.QuoteMeta(w.Means) + `$`).MatchString(out) {
			t.Errorf("lacks %q:\n%s", w.Word, out)
		}
	}
}

func TestUsageErrors(t *testing.T) {
	for _, args := range [][]string{{"sreve"}, {"serve", "--port", "1"}, {"receipt"}, {"journal"}, {"ledger"}, {"config"}, {"simulate", "--first", "soon"}} {
		code, _, errs := command(t, nil, args...)
		if code != exitUsage || !strings.Contains(errs, "tollgate: ") || !strings.Contains(errs, "--help") {
			t.Errorf("%q: exit code %d, %q", args, code, errs)
		}
	}
}

func TestVersion(t *testing.T) {
	code, out, _ := command(t, nil, "version")
	if code != exitOK || !regexp.MustCompile(`^tollgate \S+ go1\S+ \w+/\w+\n$`).MatchString(out) {
		t.Errorf("exit code %d, %q", code, out)
	}
}

func TestConfig(t *testing.T) {
	code, out, errs := command(t, []string{"LISTEN=127.0.0.1:7", "ADMIN_KEY=sk-topsecret"}, "config", "check", "--log-level", "debug")
	if code != exitOK || strings.Contains(out+errs, "topsecret") {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
	for _, want := range []string{`LISTEN +127\.0\.0\.1:7 +environment`, `LOG_LEVEL +DEBUG +flag`, `ADMIN_KEY +\*\*\* +environment`} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("lacks %s:\n%s", want, out)
		}
	}
	for _, args := range [][]string{{"config", "check"}, {"serve"}, {"receipt", "x"}, {"ledger", "verify"}} {
		code, _, errs = command(t, []string{"LISTEN=nowhere", "TOLLGATE_NONSENSE=1"}, args...)
		if code != exitUsage || !strings.Contains(errs, "2 settings are wrong") || !strings.Contains(errs, "LISTEN (environment)") || !strings.Contains(errs, "TOLLGATE_NONSENSE (environment)") {
			t.Errorf("%q: exit code %d\n%s", args, code, errs)
		}
	}
	code, out, _ = command(t, nil, "config", "docs")
	if code != exitOK || !strings.Contains(out, "# Configuration") {
		t.Errorf("exit code %d\n%s", code, out)
	}
}

func TestSimulate(t *testing.T) {
	stdout, stderr, stop := start(t, nil, "simulate", "--listen", "127.0.0.1:0")
	base := stdout.waitFor(t, `(http://127\.0\.0\.1:\d+)`)
	status, body := ask(t, base, "any-key")
	if status != http.StatusOK || !strings.Contains(body, `"choices"`) {
		t.Errorf("status %d: %s", status, body)
	}
	if code := stop(); code != exitOK {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
	if code, _, errs := command(t, nil, "simulate", "--listen", "127.0.0.1:99999"); code != exitFailed || !strings.Contains(errs, "99999") {
		t.Errorf("exit code %d, %q", code, errs)
	}
}

// ask sends a chat completion and returns the answer.
func ask(t *testing.T, base, key string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/v1/chat/completions", strings.NewReader(`{"model":"sim-gpt","messages":[{"role":"user","content":"Hello"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+key)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	raw, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(raw)
}

func TestHealth(t *testing.T) {
	status := http.StatusOK
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" {
			t.Errorf("asked %s", r.URL.Path)
		}
		w.WriteHeader(status)
		fmt.Fprint(w, "the reason")
	}))
	defer s.Close()
	if code, out, errs := command(t, nil, "health", s.URL); code != exitOK || out != "ready\n" {
		t.Errorf("exit code %d, %q %q", code, out, errs)
	}
	port := s.URL[strings.LastIndex(s.URL, ":")+1:]
	if code, _, errs := command(t, []string{"PORT=" + port}, "health"); code != exitOK {
		t.Errorf("with PORT: exit code %d, %q", code, errs)
	}
	status = http.StatusServiceUnavailable
	if code, _, errs := command(t, nil, "health", s.URL); code != exitFailed || !strings.Contains(errs, "the reason") {
		t.Errorf("not ready: exit code %d, %q", code, errs)
	}
	s.Close()
	if code, _, errs := command(t, nil, "health", s.URL); code != exitFailed || !strings.Contains(errs, "not ready") {
		t.Errorf("nobody there: exit code %d, %q", code, errs)
	}
}

func TestLocal(t *testing.T) {
	for addr, want := range map[string]string{
		":3000": "http://127.0.0.1:3000", "0.0.0.0:1": "http://127.0.0.1:1", "[::]:1": "http://[::1]:1", "10.0.0.1:1": "http://10.0.0.1:1", "[::1]:1": "http://[::1]:1", "host:1": "http://host:1",
	} {
		if got, err := local(addr); err != nil || got != want {
			t.Errorf("local(%q) = %q, %v; want %q", addr, got, err, want)
		}
	}
}

// The promise of the README: with no setting at all, a key is made, shown once, and a simulated model answers.
func TestServe(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	_, stderr, stop := start(t, nil, "serve", "--listen", "127.0.0.1:0", "--data", data)
	addr := stderr.waitFor(t, `"address":"([^"]+)"`)
	raw, err := os.ReadFile(filepath.Join(data, "admin.key"))
	if err != nil {
		t.Fatal(err)
	}
	key := strings.TrimSpace(string(raw))
	status, body := ask(t, "http://"+addr, key)
	if status != http.StatusOK || !strings.Contains(body, `"choices"`) {
		t.Errorf("status %d: %s", status, body)
	}
	if status, body := ask(t, "http://"+addr, "sk-wrong"); status != http.StatusUnauthorized {
		t.Errorf("with a wrong key: status %d: %s", status, body)
	}
	if code, _, errs := command(t, nil, "health", "http://"+addr); code != exitOK {
		t.Errorf("health: exit code %d, %q", code, errs)
	}
	if code := stop(); code != exitOK {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
	if strings.Contains(stderr.String(), key) {
		t.Error("the admin key is in the log")
	}
}

// Damage that no crash explains stops the start; the error names the command that helps, and that
// command refuses while a gateway runs, saves what it cuts off, and makes the start possible.
func TestJournalRepair(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	args := []string{"--listen", "127.0.0.1:0", "--data", data}
	repair := []string{"journal", "repair", "--data", data}
	_, stderr, stop := start(t, nil, append([]string{"serve"}, args...)...)
	addr := stderr.waitFor(t, `"address":"([^"]+)"`)
	key, err := os.ReadFile(filepath.Join(data, "admin.key"))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if status, body := ask(t, "http://"+addr, strings.TrimSpace(string(key))); status != http.StatusOK {
			t.Fatalf("status %d: %s", status, body)
		}
	}
	if code, _, errs := command(t, nil, repair...); code != exitFailed || !strings.Contains(errs, "another process uses it") {
		t.Errorf("while it runs: exit code %d, %q", code, errs)
	}
	if code := stop(); code != exitOK {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	if code, out, errs := command(t, nil, repair...); code != exitOK || !strings.Contains(out, "is whole") {
		t.Errorf("without damage: exit code %d, %q %q", code, out, errs)
	}

	segments, err := filepath.Glob(filepath.Join(data, "journal", "0*"))
	if err != nil || len(segments) == 0 {
		t.Fatal(segments, err)
	}
	segment := segments[len(segments)-1]
	raw, err := os.ReadFile(segment)
	if err != nil {
		t.Fatal(err)
	}
	const at = 200 // inside the first record
	raw[at] ^= 1
	if err := os.WriteFile(segment, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, errs := command(t, nil, append([]string{"serve"}, args...)...)
	if code != exitFailed || !strings.Contains(errs, segment) || !strings.Contains(errs, "tollgate journal repair") {
		t.Fatalf("a damaged journal: exit code %d, %q", code, errs)
	}
	code, out, errs := command(t, nil, repair...)
	saved := regexp.MustCompile(`saved in (\S+)`).FindStringSubmatch(out)
	if code != exitOK || saved == nil || !strings.Contains(out, "can still be read: 2;") {
		t.Fatalf("exit code %d\n%s%s", code, out, errs)
	}
	if cut, err := os.ReadFile(saved[1]); err != nil || !bytes.HasSuffix(raw, cut) || len(cut) < len(raw)-at {
		t.Errorf("%d bytes are saved of %d, or others: %v", len(cut), len(raw), err)
	}
	_, stderr, stop = start(t, nil, append([]string{"serve"}, args...)...)
	addr = stderr.waitFor(t, `"address":"([^"]+)"`)
	if status, body := ask(t, "http://"+addr, strings.TrimSpace(string(key))); status != http.StatusOK {
		t.Errorf("after it: status %d: %s", status, body)
	}
	if code := stop(); code != exitOK {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
}

// TestPortTaken: what most first starts stumble over says how to go on.
func TestPortTaken(t *testing.T) {
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	code, _, errs := command(t, []string{"TOLLGATE_DATA=" + t.TempDir(), "LISTEN=" + ln.Addr().String()}, "serve")
	if code != exitFailed || !strings.Contains(errs, "choose another port with PORT or LISTEN") {
		t.Errorf("exit code %d, %s", code, errs)
	}
}
