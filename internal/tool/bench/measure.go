package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"
)

const (
	clientKey = "sk-bench-0123456789abcdefghijklmnopqrstuvwxyz"
	adminKey  = "sk-bench-admin-0123456789abcdefgh"
)

// field is the three processes of a run.
type field struct {
	dir                          string
	sim, proxy, tollgate, before *process
	targets                      []target
}

func (f *field) close() {
	for _, p := range []*process{f.before, f.tollgate, f.proxy, f.sim} {
		p.stop()
	}
	_ = os.RemoveAll(f.dir) // a temporary directory
}

// set starts simulator, bare proxy and gateway.
func set(ctx context.Context, o options) (f *field, err error) {
	f = &field{}
	defer func() {
		if err != nil {
			f.close()
		}
	}()
	if f.dir, err = os.MkdirTemp("", "tollgate-bench-"); err != nil {
		return f, err
	}
	addr, err := freeAddr()
	if err != nil {
		return f, err
	}
	if f.sim, err = start(ctx, "simulator", addr, "/sim/stats", o.binary, nil, "simulate", "--listen", addr); err != nil {
		return f, err
	}
	if addr, err = freeAddr(); err != nil {
		return f, err
	}
	self, err := os.Executable()
	if err != nil {
		return f, err
	}
	if f.proxy, err = start(ctx, "proxy", addr, "/sim/stats", self, nil, "-proxy-to", f.sim.base, "-listen", addr); err != nil {
		return f, err
	}
	if f.tollgate, err = gateway(ctx, o, f.dir, f.sim.base); err != nil {
		return f, err
	}
	f.targets = []target{
		{"direct", f.sim.base, "sk-direct", nil},
		{"proxy", f.proxy.base, "sk-direct", f.proxy},
		{"tollgate", f.tollgate.base, clientKey, f.tollgate},
	}
	if o.before == "" {
		return f, nil
	}
	o.binary = o.before
	dir := filepath.Join(f.dir, "before")
	if err = os.Mkdir(dir, 0o700); err != nil {
		return f, err
	}
	if f.before, err = gateway(ctx, o, dir, f.sim.base); err != nil {
		return f, err
	}
	f.targets = append(f.targets, target{"before", f.before.base, clientKey, f.before})
	return f, nil
}

// gateway starts Tollgate with an account that has credit, a key with limits, and one channel.
func gateway(ctx context.Context, o options, dir, upstream string, env ...string) (*process, error) {
	file := filepath.Join(dir, "tollgate.yaml")
	conf := fmt.Sprintf(`channels:
  - {name: bench, provider: simulator, base_url: %q, key: sk-upstream, models: ["sim-*"]}
%saccounts:
  - name: bench
    credit: 1000000
    limits: {rpm: 100000000, tpm: 1000000000000, concurrent: 100000}
    keys: [{name: bench, key: %s}]
`, upstream, translatedChannels(upstream), clientKey)
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		return nil, err
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	return start(ctx, "tollgate", addr, "/healthz", o.binary, append(env, "SIMULATOR=off", "ADMIN_KEY="+adminKey, "LOG_FORMAT=json"),
		"serve", "--listen", addr, "--data", filepath.Join(dir, "data"), "--config", file)
}

// measure runs everything and prints it.
func measure(ctx context.Context, o options) error {
	f, err := set(ctx, o)
	if err != nil {
		return err
	}
	defer f.close()
	if o.train != "" {
		return f.train(ctx, o.train)
	}
	if o.profile != "" {
		return f.profile(ctx, o)
	}
	out := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', tabwriter.AlignRight)
	wanted := func(name string) bool { return strings.Contains(name, o.only) }
	head := "CPU µs per request\tproxy\ttollgate\tratio\taim\trequests\t"
	if o.before != "" {
		head += "before\tratio\tnow to before\t"
	}
	told := false
	for _, s := range scenarios() {
		if wanted(s.name) {
			if !told {
				told = true
				fmt.Fprintln(out, head)
			}
			if err := f.cpuOf(ctx, o, s, out); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	if wanted("translated") {
		if err := f.translated(ctx, o, os.Stdout); err != nil {
			return fmt.Errorf("translated: %w", err)
		}
	}
	if wanted("latency") {
		if err := f.latency(ctx, os.Stdout); err != nil {
			return err
		}
	}
	if wanted("start") {
		if err := startUp(ctx, o, f.sim.base, os.Stdout); err != nil {
			return err
		}
	}
	if wanted("small") {
		if err := small(ctx, o, f.sim.base, os.Stdout); err != nil {
			return err
		}
	}
	if wanted("streams") {
		return f.streams(ctx, o, os.Stdout)
	}
	return nil
}

// drainTime is longer than settled calls wait for others on their way to the store.
const drainTime = 350 * time.Millisecond

// warmUp is how long a process is loaded before it is measured: until heap and write-ahead log have their size.
const warmUp = 3 * time.Second

// cpuOf measures the CPU of a scenario at each target, in turns.
func (f *field) cpuOf(ctx context.Context, o options, s scenario, out io.Writer) error {
	clients := make([]*http.Client, len(f.targets))
	each := make([][]float64, len(f.targets)) // µs per request, round by round
	var count int64
	for i, t := range f.targets {
		clients[i] = client()
		if _, err := t.load(ctx, clients[i], s, warmUp); err != nil {
			return err
		}
	}
	for r := range o.rounds {
		for k := range f.targets {
			i := (k + r/2) % len(f.targets)
			if r%2 == 1 { // every target also comes right before the one that it comes after
				i = len(f.targets) - 1 - i
			}
			t := f.targets[i]
			if t.proc == nil {
				continue
			}
			spent, n, err := t.spend(ctx, clients[i], s, o.round)
			if err != nil {
				return err
			}
			each[i] = append(each[i], spent)
			count += n
		}
	}
	fmt.Fprintf(out, "%s\t%.1f\t%.1f\t%.2f\t%.2f\t%d\t", s.name, median(each[1]), median(each[2]), ratio(each[2], each[1]), s.aim, count)
	if f.before != nil {
		fmt.Fprintf(out, "%.1f\t%.2f\t%.3f\t", median(each[3]), ratio(each[3], each[1]), ratio(each[2], each[3]))
	}
	fmt.Fprintln(out)
	return nil
}

// ratio is the median of the ratios of the rounds: what disturbs the machine for a moment disturbs few.
func ratio(a, b []float64) float64 {
	each := make([]float64, len(a))
	for i := range a {
		each[i] = a[i] / b[i]
	}
	return median(each)
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// latency sends 200 requests a second, to the targets in turns, and compares how long they take.
func (f *field) latency(ctx context.Context, out io.Writer) error {
	const rate, total = 200, 6000
	s := scenarios()[0]
	c := client()
	took := make([][]time.Duration, len(f.targets))
	var mu sync.Mutex
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	tick := time.NewTicker(time.Second / rate)
	defer tick.Stop()
	for n := range total {
		<-tick.C
		i := n % len(f.targets)
		wg.Go(func() {
			d, err := f.targets[i].one(ctx, c, s.path, s.body)
			if err != nil {
				failed.CompareAndSwap(nil, &err)
				return
			}
			mu.Lock()
			took[i] = append(took[i], d)
			mu.Unlock()
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	fmt.Fprintf(out, "\nlatency at %d requests/s, µs:\n", rate)
	for i, t := range f.targets {
		slices.Sort(took[i])
		at := func(q float64) int64 { return took[i][int(q*float64(len(took[i])-1))].Microseconds() }
		fmt.Fprintf(out, "  %-9s p50 %6d   p90 %6d   p99 %6d\n", t.name, at(.5), at(.9), at(.99))
	}
	return nil
}

// startUp measures the time from the start of the process to its first answer, and its memory idle.
func startUp(ctx context.Context, o options, upstream string, out io.Writer) error {
	var best time.Duration
	var idle int64
	for range 5 {
		dir, err := os.MkdirTemp("", "tollgate-bench-")
		if err != nil {
			return err
		}
		began := time.Now()
		p, err := gateway(ctx, o, dir, upstream)
		if err != nil {
			return err
		}
		t := target{"tollgate", p.base, clientKey, p}
		_, err = t.one(ctx, client(), chatPath, scenarios()[0].body)
		took := time.Since(began)
		time.Sleep(time.Second)
		if err == nil {
			idle, err = p.memory()
		}
		p.stop()
		_ = os.RemoveAll(dir) // a temporary directory
		if err != nil {
			return err
		}
		if best == 0 || took < best {
			best = took
		}
	}
	fmt.Fprintf(out, "\nstart to first answer: %d ms on an empty data directory (aim 200), idle %.1f MB (aim 60)\n", best.Milliseconds(), float64(idle)/1e6)
	return nil
}

// small runs a gateway on one core, as hard as it goes, with plain calls, large ones and streams, and
// looks at its memory: it is to live on a machine of one core and 1 GB.
func small(ctx context.Context, o options, upstream string, out io.Writer) error {
	dir, err := os.MkdirTemp("", "tollgate-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // a temporary directory
	p, err := gateway(ctx, o, dir, upstream, "GOMAXPROCS=1")
	if err != nil {
		return err
	}
	defer p.stop()
	t := target{"tollgate", p.base, clientKey, p}
	const spell = 4 * time.Second
	var peak int64
	watch, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		for watch.Err() == nil {
			if m, err := p.memory(); err == nil {
				peak = max(peak, m)
			}
			time.Sleep(50 * time.Millisecond)
		}
	})
	fmt.Fprintf(out, "\non one core:\n")
	for _, s := range scenarios() {
		s.workers = 32
		var n int64
		if n, err = t.load(ctx, client(), s, spell); err != nil {
			break
		}
		fmt.Fprintf(out, "  %-18s %7.0f a second\n", s.name, float64(n)/spell.Seconds())
	}
	stop()
	wg.Wait()
	fmt.Fprintf(out, "  %.1f MB resident at most (1 GB is to suffice)\n", float64(peak)/1e6)
	return err
}

// streams opens many slow streams at once and looks at the memory of the gateway.
func (f *field) streams(ctx context.Context, o options, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	t := f.targets[2]
	c := client()
	body := []byte(`{"model":"sim-gpt+events=40+slow=500ms","stream":true,"messages":[{"role":"user","content":"Tell me a long story."}]}`)
	var open, failed atomic.Int64
	var wg sync.WaitGroup
	for range o.streams {
		wg.Go(func() {
			open.Add(1)
			defer open.Add(-1)
			if _, err := t.one(ctx, c, chatPath, body); err != nil && ctx.Err() == nil {
				failed.Add(1)
			}
		})
		time.Sleep(time.Millisecond)
	}
	var peak int64
	for range 40 {
		time.Sleep(250 * time.Millisecond)
		m, err := f.tollgate.memory()
		if err != nil {
			return err
		}
		if open.Load() >= int64(o.streams) {
			peak = max(peak, m)
		}
	}
	at := open.Load()
	wg.Wait()
	fmt.Fprintf(out, "\n%d slow streams at once: %.1f MB resident at most (aim 180 for 2,000), %d open at the end of the look, %d failed\n", o.streams, float64(peak)/1e6, at, failed.Load())
	if failed.Load() > 0 {
		return fmt.Errorf("%d streams failed", failed.Load())
	}
	return nil
}
