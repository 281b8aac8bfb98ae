package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/pprof"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// profiles serves the profiles of the bare proxy where the gateway has its own.
func profiles() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	return mux
}

// profileTime is how long one profile is taken.
const profileTime = 8 * time.Second

// profile writes NAME-SCENARIO.cpu and .allocs for gateway and proxy.
func (f *field) profile(ctx context.Context, o options) error {
	if err := os.MkdirAll(o.profile, 0o750); err != nil {
		return err
	}
	for _, s := range scenarios() {
		if !strings.Contains(s.name, o.only) {
			continue
		}
		for _, t := range f.targets {
			if t.proc == nil {
				continue
			}
			name := filepath.Join(o.profile, t.name+"-"+strings.ReplaceAll(s.name, " ", "-"))
			fmt.Fprintf(os.Stdout, "%s, process %d\n", name, t.proc.cmd.Process.Pid)
			var wg sync.WaitGroup
			var cpu error
			wg.Go(func() {
				cpu = t.save(ctx, name+".cpu", profileTime)
			})
			_, err := t.load(ctx, client(), s, profileTime+time.Second)
			wg.Wait()
			if err := errors.Join(err, cpu, t.save(ctx, name+".allocs", 0)); err != nil {
				return err
			}
		}
	}
	return nil
}

// train writes one CPU profile of the gateway under what it mostly does: calls in all dialects, translated
// and not, plain and streamed. The compiler looks there for what is worth its while.
func (f *field) train(ctx context.Context, file string) error {
	const turn = time.Second
	load := slices.Repeat(scenarios()[:2], 8)
	for _, a := range translatedCalls() {
		for _, client := range sides() {
			for _, up := range sides() {
				s, err := client.call(a, up)
				if err != nil {
					return err
				}
				load = append(load, s)
			}
		}
	}
	t := f.targets[2]
	var wg sync.WaitGroup
	var cpu error
	wg.Go(func() { cpu = t.save(ctx, file, time.Duration(len(load))*turn) })
	defer wg.Wait()
	c := client()
	for _, s := range load {
		if _, err := t.load(ctx, c, s, turn); err != nil {
			return fmt.Errorf("%s at %s: %w", s.name, s.path, err)
		}
	}
	wg.Wait()
	return cpu
}

// save writes a profile to a file: of the CPU over some time, or of what was allocated so far.
func (t target) save(ctx context.Context, file string, over time.Duration) error {
	profile := "allocs"
	if over > 0 {
		profile = fmt.Sprintf("profile?seconds=%d", int(over.Seconds()))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.url+"/debug/pprof/"+profile, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+adminKey)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	raw, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %d to %s", t.name, resp.StatusCode, profile)
	}
	return os.WriteFile(file, raw, 0o600)
}
