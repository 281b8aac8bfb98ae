package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// usage is what a call consumed, in the buckets that the simulator and the gateway both count in.
type usage struct {
	Input        int64 `json:"input"`
	CacheRead    int64 `json:"cache_read"`
	CacheWrite5m int64 `json:"cache_write_5m"`
	CacheWrite1h int64 `json:"cache_write_1h"`
	InputImage   int64 `json:"input_image"`
	InputAudio   int64 `json:"input_audio"`
	Output       int64 `json:"output"`
	Reasoning    int64 `json:"reasoning"`
	OutputAudio  int64 `json:"output_audio"`
}

// in and out are what the model read and wrote, in tokens.
func (u usage) in() int64 {
	return u.Input + u.CacheRead + u.CacheWrite5m + u.CacheWrite1h + u.InputImage + u.InputAudio
}

func (u usage) out() int64 { return u.Output + u.Reasoning + u.OutputAudio }

// entry is a call as the gateway's store has it.
type entry struct {
	ID         string `json:"id"`
	AccountID  string `json:"account_id"`
	Op         string `json:"op"`
	Model      string `json:"model"`
	Stream     bool   `json:"stream"`
	Status     int    `json:"status"`
	Error      string `json:"error"`
	Usage      usage  `json:"usage"`
	Source     string `json:"usage_source"`
	Cost       string `json:"cost"`
	Quarantine string `json:"quarantine"`
}

// admin asks the admin API of g as root.
func (g *gateway) admin(path string, into any) error {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, g.base+"/api/v1"+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+adminKey)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // the answer has been judged
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", path, resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

// ledger returns all stored calls of g by their ids.
func (g *gateway) ledger() (map[string]entry, error) {
	out := map[string]entry{}
	for after := ""; ; {
		var page struct {
			Data []entry `json:"data"`
			Next string  `json:"next"`
		}
		if err := g.admin("/calls?limit=100&after="+url.QueryEscape(after), &page); err != nil {
			return nil, err
		}
		for _, e := range page.Data {
			if _, twice := out[e.ID]; twice {
				return nil, fmt.Errorf("call %s is stored twice", e.ID)
			}
			out[e.ID] = e
		}
		if after = page.Next; after == "" {
			return out, nil
		}
	}
}

// nanosOf reads dollars.
func nanosOf(dollars string) (int64, error) {
	whole, frac, _ := strings.Cut(strings.TrimPrefix(dollars, "-"), ".")
	n, err := strconv.ParseInt(whole+(frac + "000000000")[:9], 10, 64)
	if err != nil || len(frac) > 9 {
		return 0, fmt.Errorf("%q is not an amount of dollars", dollars)
	}
	if strings.HasPrefix(dollars, "-") {
		n = -n
	}
	return n, nil
}

// compareBooks compares what the gateways recorded with what the simulator counted, call by call,
// after all tests: every dialect, streamed or not, with and without failures before.
func compareBooks() error {
	var err error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if err = booksDiffer(); err == nil { // a drained call may still be on its way to the store
			return nil
		}
	}
	return err
}

func booksDiffer() error {
	calls, err := fix.sim.calls()
	if err != nil {
		return err
	}
	byCall := map[string][]served{}
	for _, s := range calls {
		byCall[s.CallID] = append(byCall[s.CallID], s)
	}
	var faults []error
	stored, compared, seen := 0, 0, map[string]bool{}
	for _, g := range fix.all {
		entries, err := g.ledger()
		if err != nil {
			return err
		}
		faults = append(faults, logDiffers(g, entries), balancesDiffer(g, entries), secretsShow(g))
		stored += len(entries)
		if g.chained {
			continue // the gateway behind it is compared instead
		}
		for id, e := range entries {
			seen[id] = true
			n, err := entryDiffers(e, byCall[id])
			compared += n
			faults = append(faults, err)
		}
	}
	for id, all := range byCall {
		if !seen[id] {
			faults = append(faults, fmt.Errorf("the simulator served calls that no gateway has: %+v", all))
		}
	}
	if err := errors.Join(faults...); err != nil {
		return err
	}
	fmt.Printf("e2e: %d calls are stored, %d were served by the simulator; usage and cost of %d compared\n", stored, len(calls), compared)
	return nil
}

// entryDiffers compares one stored call with what the simulator served for it, in as many attempts as
// there were. compared is 1 if there was a usage to compare.
func entryDiffers(e entry, all []served) (compared int, err error) {
	if e.Quarantine != "" {
		return 0, fmt.Errorf("in quarantine: %+v", e)
	}
	var truth *served
	for i, s := range all {
		if s.Status == http.StatusOK && s.Reported && billedAt(s.Endpoint) && (s.Complete || truth == nil) {
			truth = &all[i]
		}
	}
	switch {
	case truth == nil && e.Source == "measured" && e.Usage != usage{}:
		return 0, fmt.Errorf("measured, yet the simulator reported nothing: %+v\n  %+v", e, all)
	case truth == nil:
		return 0, nil
	case e.Source != "measured" && (e.Error != "" || !truth.Complete):
		return 0, nil // the answer broke off, and the gateway counted what had come
	case e.Source != "measured" || e.Usage != truth.Usage:
		return 1, fmt.Errorf("usage differs:\n  gateway   %+v\n  simulator %+v", e, *truth)
	}
	nanos, err := nanosOf(e.Cost)
	if want, known := cost(*truth); err == nil && known && nanos != want {
		err = fmt.Errorf("cost differs, want %d nano-dollars:\n  gateway   %+v\n  simulator %+v", want, e, *truth)
	}
	return 1, err
}

// billedAt tells the simulator's endpoints that report a usage of their own.
func billedAt(endpoint string) bool {
	switch endpoint {
	case "chat.completions", "completions", "embeddings", "responses", "messages", "generateContent", "streamGenerateContent":
		return true
	}
	return false
}

// logDiffers compares the lines that g wrote with what it stored.
func logDiffers(g *gateway, entries map[string]entry) error {
	var faults []error
	lines := 0
	for _, r := range g.records() {
		if r.Msg != "call" {
			continue
		}
		lines++
		e, ok := entries[r.Call]
		if !ok {
			faults = append(faults, fmt.Errorf("%s: logged, not stored: %+v", g.name, r))
			continue
		}
		nanos, err := nanosOf(e.Cost)
		if err != nil || nanos != r.Nanos || e.Usage.in() != r.In || e.Usage.out() != r.Out || e.Source != r.Usage || e.Status != r.Status {
			faults = append(faults, fmt.Errorf("%s: the log differs from the store (%v):\n  %+v\n  %+v", g.name, err, r, e))
		}
	}
	if lines != len(entries) {
		faults = append(faults, fmt.Errorf("%s: %d calls are logged, %d stored", g.name, lines, len(entries)))
	}
	return errors.Join(faults...)
}

// balancesDiffer compares what the accounts of g have spent and left with the sum of their calls.
func balancesDiffer(g *gateway, entries map[string]entry) error {
	var faults []error
	spent := map[string]int64{}
	for _, e := range entries {
		n, err := nanosOf(e.Cost)
		faults = append(faults, err)
		spent[e.AccountID] += n
	}
	for id, want := range spent {
		var b struct {
			Left, Held, Debt, Spent string
			Cards                   []struct{ Amount string }
		}
		if err := g.admin("/accounts/"+id+"/balance", &b); err != nil {
			return err
		}
		granted := int64(0)
		for _, c := range b.Cards {
			n, err := nanosOf(c.Amount)
			faults = append(faults, err)
			granted += n
		}
		got, err1 := nanosOf(b.Spent)
		left, err2 := nanosOf(b.Left)
		held, err3 := nanosOf(b.Held)
		if err := errors.Join(err1, err2, err3); err != nil || got != want || held != 0 || left != granted-want {
			faults = append(faults, fmt.Errorf("%s: account %s: %+v, its calls cost %d nano-dollars of %d granted (%v)", g.name, id, b, want, granted, err))
		}
	}
	return errors.Join(faults...)
}

// secretsShow looks for keys, of clients, the operator and upstreams, in what g wrote.
func secretsShow(g *gateway) error {
	for _, secret := range []string{adminKey, aliceKey, bobKey, brokeKey, "sk-up-", "sk-e2e-", "sk-good-"} {
		if i := bytes.Index(g.out.bytes(), []byte(secret)); i >= 0 {
			return fmt.Errorf("%s wrote a key: …%s", g.name, g.out.bytes()[max(0, i-100):i+len(secret)])
		}
	}
	return nil
}
