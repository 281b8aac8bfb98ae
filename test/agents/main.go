// Command agents runs real coding agents through the gateway, headless: each must read a file with a tool
// and tell what is in it, on a model of its own dialect and on one of every other.
//
//	go run ./test/agents [-agents claude,codex] [-models chat,gemini] [-install] [-v]
//
// The agents come from npm (package.json beside this file, installed into -modules); the models are the
// built-in simulator. Nothing leaves the machine but npm's own downloads. Exit code 1 tells of a failure.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

// rootKey is the admin key of the gateway under test.
const rootKey = "sk-agents-admin-key"

// models are the ways to an upstream, by the dialect that the channel speaks.
var models = []model{
	{"chat", "openai-compatible", "sim-gpt-5", "openaichat"},
	{"responses", "openai", "sim-gpt-codex", "openairesponses"},
	{"claude", "anthropic", "sim-claude", "anthropic"},
	{"gemini", "gemini", "sim-gemini", "gemini"},
}

// model is a name that agents call, and where it leads.
type model struct{ name, provider, upstream, dialect string }

func main() {
	os.Exit(run())
}

type options struct {
	agents, models, modules string
	install, verbose        bool
	timeout                 time.Duration
}

func run() int {
	var o options
	flag.StringVar(&o.agents, "agents", "", "only these, comma-separated")
	flag.StringVar(&o.models, "models", "", "only these, comma-separated: chat, responses, claude, gemini")
	flag.StringVar(&o.modules, "modules", "test/agents", "folder whose node_modules holds the agents")
	flag.BoolVar(&o.install, "install", false, "install the agents with npm first")
	flag.BoolVar(&o.verbose, "v", false, "show what the agents print")
	flag.DurationVar(&o.timeout, "timeout", 2*time.Minute, "for one agent's task")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := try(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "agents:", err)
		return 1
	}
	return 0
}

func try(ctx context.Context, o options) error {
	if o.install {
		npm := exec.CommandContext(ctx, "npm", "install", "--no-audit", "--no-fund", "--no-package-lock")
		npm.Dir, npm.Stdout, npm.Stderr = o.modules, os.Stderr, os.Stderr
		if err := npm.Run(); err != nil {
			return fmt.Errorf("npm install in %s: %w", o.modules, err)
		}
	}
	bin, err := filepath.Abs(filepath.Join(o.modules, "node_modules", ".bin"))
	if err != nil {
		return err
	}
	if _, err := os.Stat(bin); err != nil {
		return fmt.Errorf("no agents in %s; run again with -install", bin)
	}
	dir, err := os.MkdirTemp("", "tollgate-agents-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // a leftover in the temporary directory harms nobody
	w, err := start(ctx, dir)
	if err != nil {
		return err
	}
	defer w.stop()
	w.bin, w.o = bin, o
	return w.all(ctx)
}

// world is the gateway, its upstream, and where agents work.
type world struct {
	o        options
	dir, bin string
	base     string // of the gateway
	sim      string
	procs    []*exec.Cmd
}

// start builds and starts gateway and simulator.
func start(ctx context.Context, dir string) (w *world, err error) {
	w = &world{dir: dir}
	defer func() {
		if err != nil {
			w.stop()
		}
	}()
	tollgate := filepath.Join(dir, "tollgate")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", tollgate, "./cmd/tollgate").CombinedOutput(); err != nil {
		return w, fmt.Errorf("build the gateway (run this in the repository): %w\n%s", err, out)
	}
	sim, err := port()
	if err != nil {
		return w, err
	}
	gate, err := port()
	if err != nil {
		return w, err
	}
	w.sim, w.base = "http://"+sim, "http://"+gate
	var conf strings.Builder
	conf.WriteString("channels:\n")
	for _, m := range models {
		fmt.Fprintf(&conf, "  - {name: %s, provider: %s, base_url: %q, key: sk-sim-%s, models: [%s-model], mapping: {%s-model: %s}}\n",
			m.name, m.provider, w.sim, m.name, m.name, m.name, m.upstream)
	}
	file := filepath.Join(dir, "tollgate.yaml")
	if err := os.WriteFile(file, []byte(conf.String()), 0o600); err != nil {
		return w, err
	}
	if err := w.process(ctx, tollgate, nil, "simulate", "--listen", sim); err != nil {
		return w, err
	}
	env := []string{"TOLLGATE_CONFIG=" + file, "TOLLGATE_DATA=" + filepath.Join(dir, "data"), "LISTEN=" + gate, "ADMIN_KEY=" + rootKey}
	if err := w.process(ctx, tollgate, env, "serve"); err != nil {
		return w, err
	}
	return w, errors.Join(await(ctx, w.sim+"/sim/stats"), await(ctx, w.base+"/readyz"))
}

func (w *world) process(ctx context.Context, name string, env []string, args ...string) error {
	log, err := os.Create(filepath.Join(w.dir, args[0]+".log"))
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + w.dir}, env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", args[0], err)
	}
	w.procs = append(w.procs, cmd)
	return nil
}

// stop ends what start began.
func (w *world) stop() {
	for _, p := range w.procs {
		_ = p.Process.Signal(syscall.SIGTERM) // one that is gone needs no signal
		_ = p.Wait()                          // its exit code says nothing after a signal
	}
}

func port() (string, error) {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func await(ctx context.Context, at string) error {
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if body, err := get(ctx, at); err == nil && body != nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return fmt.Errorf("%s does not answer", at)
}

func get(ctx context.Context, at string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: status %d", at, resp.StatusCode)
	}
	return body, nil
}

// all runs every agent on every model and prints what came of it.
func (w *world) all(ctx context.Context) error {
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "agent\tmodel of\tresult\tseconds\tupstream calls")
	failed, ran := 0, 0
	for _, a := range agents {
		if !chosen(w.o.agents, a.name) {
			continue
		}
		for _, m := range models {
			if !chosen(w.o.models, m.name) {
				continue
			}
			ran++
			began := time.Now()
			calls, err := w.task(ctx, a, m)
			result := "read the file and told its content"
			if err != nil {
				failed++
				result = "FAILED: " + err.Error()
			}
			fmt.Fprintf(table, "%s\t%s\t%s\t%.1f\t%d\n", a.name, m.name, result, time.Since(began).Seconds(), calls)
			if err := table.Flush(); err != nil {
				return err
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
	}
	if ran == 0 {
		return errors.New("nothing to run: look at -agents and -models")
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d tasks failed", failed, ran)
	}
	fmt.Printf("%d tasks passed\n", ran)
	return nil
}

func chosen(list, name string) bool {
	if list == "" {
		return true
	}
	for one := range strings.SplitSeq(list, ",") {
		if one == name {
			return true
		}
	}
	return false
}

// task lets an agent read a file that says something nobody could guess. It returns the calls that the
// upstream has seen.
func (w *world) task(ctx context.Context, a agent, m model) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, w.o.timeout)
	defer cancel()
	home := filepath.Join(w.dir, a.name+"-"+m.name)
	work := filepath.Join(home, "work")
	if err := os.MkdirAll(work, 0o700); err != nil {
		return 0, err
	}
	word := fmt.Sprintf("periwinkle-%d", time.Now().UnixNano()%1_000_000)
	if err := os.WriteFile(filepath.Join(work, "note.txt"), []byte("The word of the day is "+word+".\n"), 0o600); err != nil {
		return 0, err
	}
	if err := w.forget(ctx); err != nil {
		return 0, err
	}
	s := setup{home: home, base: w.base, model: m.name + "-model", prompt: "Read the file " + filepath.Join(work, "note.txt") + " and tell me the word of the day."}
	args, env, err := a.launch(s)
	if err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(w.bin, args[0]), args[1:]...)
	cmd.Dir = work
	cmd.Env = append([]string{
		"PATH=" + w.bin + string(os.PathListSeparator) + os.Getenv("PATH"), "HOME=" + home,
		"XDG_CONFIG_HOME=" + filepath.Join(home, ".config"), "XDG_DATA_HOME=" + filepath.Join(home, ".local/share"),
		"XDG_CACHE_HOME=" + filepath.Join(home, ".cache"), "XDG_STATE_HOME=" + filepath.Join(home, ".local/state"),
		"CI=1", "NO_COLOR=1", "TERM=dumb",
	}, env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.WaitDelay = 5 * time.Second
	rerr := cmd.Run()
	if w.o.verbose {
		fmt.Fprintf(os.Stderr, "--- %s on %s\n%s\n%s\n", a.name, m.name, out.String(), errs.String())
	}
	calls, cerr := w.calls(ctx, m)
	switch {
	case rerr != nil:
		return calls, fmt.Errorf("%w: %s", rerr, tail(errs.String()+out.String()))
	case !strings.Contains(out.String(), word):
		return calls, fmt.Errorf("the word of the day is not in its answer: %s", tail(out.String()))
	case cerr != nil:
		return calls, cerr
	case calls < 2:
		return calls, fmt.Errorf("%d calls at %s: it can't have used a tool", calls, m.dialect)
	}
	return calls, nil
}

func tail(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > 400 {
		s = "…" + s[len(s)-400:]
	}
	return s
}

func (w *world) forget(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, w.sim+"/sim/calls", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// calls counts the good calls that the upstream had in the model's dialect.
func (w *world) calls(ctx context.Context, m model) (int, error) {
	body, err := get(ctx, w.sim+"/sim/calls?since=0")
	if err != nil {
		return 0, err
	}
	n := 0
	for line := range bytes.Lines(body) {
		if bytes.Contains(line, []byte(`"dialect":"`+m.dialect+`"`)) && bytes.Contains(line, []byte(`"status":200`)) {
			n++
		}
	}
	return n, nil
}
