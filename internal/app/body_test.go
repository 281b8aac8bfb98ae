package app_test

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// Large bodies stand in memory that many calls use in turn, edited and not. While attempts are refused in
// the middle of them and repeated elsewhere, each upstream must get its own call's bytes, whole.
func TestLargeBodiesAreNeverMixed(t *testing.T) {
	var asked, whole atomic.Int64
	check := func(body []byte) error {
		var got struct {
			Model    string
			Messages []struct{ Content string }
		}
		if err := json.Unmarshal(body, &got); err != nil {
			return err
		}
		text, sum, _ := strings.Cut(got.Messages[0].Content, "#")
		h := fnv.New64a()
		_, _ = io.WriteString(h, text)
		if want := fmt.Sprintf("%x", h.Sum64()); sum != want || got.Model != "sim-far" && got.Model != "sim-gpt" {
			return fmt.Errorf("model %q, sum %.20q, want %s", got.Model, sum, want)
		}
		return nil
	}
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1)%3 == 0 { // refused before it was read
			http.Error(w, `{"error":{"message":"busy"}}`, http.StatusInternalServerError)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = check(body)
		}
		if err != nil {
			t.Errorf("a body came in broken: %v", err)
		}
		whole.Add(1)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, wireOf(r.URL.Path).plain)
	}))
	t.Cleanup(up.Close)
	var conf strings.Builder
	conf.WriteString("channels:\n")
	for i, models := range []string{"{sim-m: sim-far}", "{sim-m: sim-gpt}", "{sim-m: sim-far, sim-gpt: sim-far}"} {
		fmt.Fprintf(&conf, "  - {name: c%d, provider: simulator, base_url: %q, key: key-%d, models: [sim-m, sim-gpt], mapping: %s}\n", i, up.URL, i, models)
	}
	fmt.Fprintf(&conf, "accounts:\n  - {name: alice, credit: 10, keys: [{name: main, key: %s}]}\n", userKey)
	g := startGateway(t, conf.String())

	const clients, calls = 8, 24
	var failed atomic.Int64
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			for i := range calls {
				text := strings.Repeat(string(rune('a'+c)), (minLarge+c*7_000+i*3_001)%700_000+70_000)
				h := fnv.New64a()
				_, _ = io.WriteString(h, text)
				model := "sim-m"
				if i%2 == 1 {
					model = "sim-gpt"
				}
				a := g.send("POST", "/v1/chat/completions", fmt.Sprintf(`{"messages":[{"role":"user","content":"%s#%x"}],"max_tokens":1,"model":%q}`, text, h.Sum64(), model))
				if a.status != http.StatusOK {
					if failed.Add(1) == 1 {
						t.Logf("the first that failed: %d %.300s", a.status, a.body)
					}
				}
			}
		})
	}
	wg.Wait()
	if whole.Load() != clients*calls-failed.Load() || failed.Load() > clients*calls/4 {
		t.Errorf("%d bodies came in whole, %d of %d calls failed", whole.Load(), failed.Load(), clients*calls)
	}
}

// minLarge is more than what is always in memory of its own.
const minLarge = 64 << 10
