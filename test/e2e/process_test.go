package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait for something that must come.
const patience = time.Minute

// output keeps what a process wrote; it may be read meanwhile.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) bytes() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	return bytes.Clone(o.b.Bytes())
}

// process is a run of the binary.
type process struct {
	cmd  *exec.Cmd
	out  output // both streams
	once sync.Once
	err  error
}

// start runs the binary with nothing of our environment but what env says, and returns the first
// group of pattern in its output.
func start(pattern string, env []string, args ...string) (*process, string, error) {
	p := &process{cmd: exec.CommandContext(context.Background(), fix.bin, args...)}
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + fix.dir}, env...)
	p.cmd.Dir = fix.dir
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	if err := p.cmd.Start(); err != nil {
		return nil, "", err
	}
	re := regexp.MustCompile(pattern)
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if m := re.FindSubmatch(p.out.bytes()); m != nil {
			return p, string(m[1]), nil
		}
	}
	return nil, "", errors.Join(fmt.Errorf("%v did not say %s but:\n%s", args, pattern, p.out.bytes()), p.stop())
}

// stop ends the process in an orderly way; a bad exit code is an error.
func (p *process) stop() error {
	p.once.Do(func() {
		if p.err = p.cmd.Process.Signal(syscall.SIGTERM); p.err == nil {
			p.err = p.cmd.Wait()
		}
		if p.err != nil {
			p.err = fmt.Errorf("%v: %w\n%s", p.cmd.Args, p.err, tail(p.out.bytes(), 2000))
		}
	})
	return p.err
}

func tail(b []byte, n int) []byte { return b[max(0, len(b)-n):] }

// simulator is the upstream, a process of its own.
type simulator struct {
	*process
	base string
}

func startSimulator() (*simulator, error) {
	p, base, err := start(`(http://127\.0\.0\.1:\d+)`, nil, "simulate", "--listen", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return &simulator{p, base}, nil
}

// served is one call as the simulator counted it.
type served struct {
	Seq      int64  `json:"seq"`
	Key      string `json:"key"` // its last six characters
	CallID   string `json:"call_id"`
	Dialect  string `json:"dialect"`
	Endpoint string `json:"endpoint"`
	Model    string `json:"model"`
	Stream   bool   `json:"stream"`
	Status   int    `json:"status"`
	Complete bool   `json:"complete"`
	Reported bool   `json:"reported"`
	Usage    usage  `json:"usage"`
}

// calls returns the count of the simulator.
func (s *simulator) calls() ([]served, error) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, s.base+"/sim/calls", nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }() // read to its end below
	var out []served
	for dec := json.NewDecoder(resp.Body); dec.More(); {
		var c served
		if err := dec.Decode(&c); err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

// answered returns the simulator's count of the good answer to a call of a gateway.
func (s *simulator) answered(t *testing.T, callID string) served {
	t.Helper()
	return eventually(t, "the simulator's count of call "+callID, func() (served, bool) {
		calls, err := s.calls()
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range calls {
			if c.CallID == callID && c.Status == http.StatusOK && c.Complete {
				return c, true
			}
		}
		return served{}, false
	})
}

// gateway is a Tollgate process.
type gateway struct {
	*process
	name, base string
	chained    bool // another gateway is upstream, so call ids do not reach the simulator
}

// startGateway runs a gateway with a configuration file and further settings. It is stopped, and its
// books are compared, when all tests have run.
func startGateway(name, yaml string, env ...string) (*gateway, error) {
	dir := filepath.Join(fix.dir, name+"-"+strconv.Itoa(len(fix.all)))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "tollgate.yaml")
	if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
		return nil, err
	}
	env = append([]string{
		"LISTEN=127.0.0.1:0", "TOLLGATE_CONFIG=" + file, "TOLLGATE_DATA=" + filepath.Join(dir, "data"), "ADMIN_KEY=" + adminKey,
		"SIMULATOR=off", "LOG_FORMAT=json", "TIMEOUT_SHUTDOWN=5s",
	}, env...)
	p, addr, err := start(`"msg":"tollgate is listening","address":"([^"]+)"`, env, "serve")
	if err != nil {
		return nil, err
	}
	g := &gateway{process: p, name: name, base: "http://" + addr}
	fix.all = append(fix.all, g)
	return g, nil
}

// record is the line that a gateway writes for a call.
type record struct {
	Msg      string `json:"msg"`
	Call     string `json:"call"`
	Account  string `json:"account"`
	Dialect  string `json:"dialect"`
	Op       string `json:"op"`
	Model    string `json:"model"`
	Channel  string `json:"channel"`
	Stream   bool   `json:"stream"`
	Status   int    `json:"status"`
	Attempts int    `json:"attempts"`
	In       int64  `json:"in"`
	Cached   int64  `json:"cached"`
	Out      int64  `json:"out"`
	Usage    string `json:"usage"` // measured, derived, estimated; "" when nothing was consumed
	Nanos    int64  `json:"nanos"`
	Error    string `json:"error"`
	Reason   string `json:"reason"`
	Cause    string `json:"cause"`
	Quarant  string `json:"quarantine"`
}

// records returns the lines of all calls so far, refused ones included.
func (g *gateway) records() []record {
	var out []record
	for lines := bufio.NewScanner(bytes.NewReader(g.out.bytes())); lines.Scan(); {
		var r record
		if json.Unmarshal(lines.Bytes(), &r) == nil && (r.Msg == "call" || r.Msg == "call refused") {
			out = append(out, r)
		}
	}
	return out
}

// record returns the line of one call as soon as it is written.
func (g *gateway) record(t *testing.T, callID string) record {
	t.Helper()
	return eventually(t, g.name+"'s record of call "+callID, func() (record, bool) {
		for _, r := range g.records() {
			if r.Call == callID {
				return r, true
			}
		}
		return record{}, false
	})
}

// eventually polls until get has what it looks for.
func eventually[T any](t *testing.T, what string, get func() (T, bool)) T {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		v, ok := get()
		if ok {
			return v
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// readAll returns a whole answer; one that breaks off fails the test.
func readAll(t *testing.T, resp *http.Response) (status int, body string, h http.Header) {
	t.Helper()
	defer func() { _ = resp.Body.Close() }() // it was read to its end
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("the answer broke off: %v after %q", err, raw)
	}
	return resp.StatusCode, string(raw), resp.Header
}
