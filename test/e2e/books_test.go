package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// billedAt tells the simulator's endpoints whose usage is billed.
func billedAt(endpoint string) bool {
	switch endpoint {
	case "chat.completions", "completions", "embeddings", "responses", "messages", "generateContent", "streamGenerateContent":
		return true
	}
	return false
}

// compareBooks compares what the gateways recorded with what the simulator counted, call by call,
// after all tests: every dialect, streamed or not, with and without failures before.
func compareBooks() error {
	var last error
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if last = booksDiffer(); last == nil { // a drained call may still be on its way
			return nil
		}
	}
	return last
}

func booksDiffer() error {
	calls, err := fix.sim.calls()
	if err != nil {
		return err
	}
	records := map[string]record{}
	direct := 0
	for _, g := range fix.all {
		if g.chained {
			continue
		}
		for _, r := range g.records() {
			if _, twice := records[r.Call]; twice {
				err = errors.Join(err, fmt.Errorf("call %s is recorded twice", r.Call))
			}
			records[r.Call] = r
			direct++
		}
	}
	whole := map[string]bool{}
	compared := 0
	for _, s := range calls {
		r, ok := records[s.CallID]
		if !ok {
			err = errors.Join(err, fmt.Errorf("the simulator served a call that no gateway recorded: %+v", s))
			continue
		}
		if !billedAt(s.Endpoint) {
			if r.Op == "embed" || r.Op == "batch_embed" {
				continue // Gemini reports no usage for them, so there is none to compare
			}
			if r.Nanos != 0 || r.In+r.Out != 0 {
				err = errors.Join(err, fmt.Errorf("%s is free, yet billed: %+v", s.Endpoint, r))
			}
			continue
		}
		if s.Status != http.StatusOK || !s.Complete || !s.Reported {
			continue
		}
		whole[s.CallID] = true
		if r.Error != "" && r.Usage != "measured" {
			continue // the gateway broke off and counted what had come; the simulator wrote on
		}
		compared++
		if r.In != s.in() || r.Out != s.out() || r.Cached != s.Usage.CacheRead || r.Usage != "measured" {
			err = errors.Join(err, fmt.Errorf("usage differs:\n  gateway   %+v\n  simulator %+v", r, s))
		}
		if want, known := cost(s); known && r.Nanos != want {
			err = errors.Join(err, fmt.Errorf("cost differs: %d nano-dollars, want %d:\n  gateway   %+v\n  simulator %+v", r.Nanos, want, r, s))
		}
	}
	for id, r := range records {
		if r.Usage == "measured" && !whole[id] {
			err = errors.Join(err, fmt.Errorf("measured, yet the simulator reported nothing: %+v", r))
		}
		if r.Quarant != "" {
			err = errors.Join(err, fmt.Errorf("in quarantine: %+v", r))
		}
	}
	if err == nil {
		fmt.Printf("e2e: %d calls recorded, %d served by the simulator, usage and cost of %d compared\n", direct, len(calls), compared)
	}
	return err
}
