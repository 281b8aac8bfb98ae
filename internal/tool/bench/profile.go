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

// profileTime is how long one profile is taken, in seconds.
const profileTime = 8

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
				cpu = t.save(ctx, name+".cpu", fmt.Sprintf("profile?seconds=%d", profileTime))
			})
			_, err := t.load(ctx, client(), s, (profileTime+1)*time.Second)
			wg.Wait()
			if err := errors.Join(err, cpu, t.save(ctx, name+".allocs", "allocs")); err != nil {
				return err
			}
		}
	}
	return nil
}

// save writes a profile to a file.
func (t target) save(ctx context.Context, file, profile string) error {
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
