package app_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/internal/app"
	"tollgate/internal/catalog"
	"tollgate/internal/config"
	"tollgate/internal/simulator"
)

// load is many calls at once over HTTP on one account, some streamed and some not, beyond its credit.
type load struct {
	model         string
	credit        string // dollars
	calls, atOnce int
	declared      int64 // output tokens
	answered      int64 // that the provider bills
}

const (
	inPrice, outPrice = 1_000, 10_000 // nano-dollars a token: $1 and $10 a million
	loadPrices        = `price: {input: "1", cache_read: "1", output: "10"}`
)

// An account can't be overspent by more than what calls under way cost beyond what was held for them. Calls
// that cost at most what they declared overspend nothing; what is charged is what the provider served, to
// the nano-dollar.
func TestLoadOnOneAccount(t *testing.T) {
	calls := 10_000
	if testing.Short() {
		calls = 1_000
	}
	t.Run("answers as declared", func(t *testing.T) {
		credit := catalog.Nanos(calls) * 1e5 // $1 for 10,000 calls
		over := load{model: "sim-gpt", credit: credit.String(), calls: calls, atOnce: 256, declared: 16, answered: 16}.run(t)
		if over != 0 {
			t.Errorf("$%v were spent beyond the credit", over)
		}
	})
	t.Run("answers longer than declared", func(t *testing.T) {
		l := load{model: "sim-gpt+events=24+size=4", credit: "0.1", calls: 1000, atOnce: 100, declared: 16, answered: 24}
		over := l.run(t)
		if most := catalog.Nanos(l.atOnce) * catalog.Nanos(l.answered-l.declared) * outPrice; over > most {
			t.Errorf("$%v were spent beyond the credit, %d calls at once explain $%v", over, l.atOnce, most)
		}
	})
}

// run answers what was spent beyond the credit, when all that is known of it agrees.
func (l load) run(t *testing.T) catalog.Nanos {
	sim := simulator.New(simulator.Config{MaxCalls: l.calls})
	srv := httptest.NewServer(sim.Handler())
	t.Cleanup(srv.Close)
	yaml := "models:\n  - {name: \"" + l.model + "\", " + loadPrices + "}\n" +
		"channels:\n" + member("c", "simulator", srv.URL, "sk-up", "") + alice(l.credit)
	g := startGateway(t, yaml)
	id := g.send("GET", "/api/v1/me", "").decode(t, 200)["account"].(map[string]any)["id"].(string)

	least := l.watch(t, g, id)
	served, refused := l.offer(t, g)
	lowest := least()

	calls := counted(t, sim)
	if len(calls) != served || served+refused != l.calls || refused == 0 {
		t.Errorf("of %d calls %d were answered and %d refused; the provider served %d", l.calls, served, refused, len(calls))
	}
	var cost catalog.Nanos
	want := map[string]float64{} // nano-dollars by call
	for _, c := range calls {
		u := c.Usage
		n := (u.Input+u.CacheRead)*inPrice + (u.Output+u.Reasoning)*outPrice
		if want[c.CallID] != 0 || !c.Complete || u.Output+u.Reasoning != l.answered {
			t.Fatalf("the provider served %+v", c)
		}
		want[c.CallID] = float64(n)
		cost += catalog.Nanos(n)
	}
	got := map[string]float64{}
	for _, line := range g.lines("call") {
		got[line["call"].(string)] += line["nanos"].(float64)
	}
	if !maps.Equal(got, want) {
		t.Errorf("%d calls were charged, %d served, or not each at its price", len(got), len(want))
	}

	credit, err := catalog.ParseNanos(l.credit)
	if err != nil {
		t.Fatal(err)
	}
	balance := g.asRoot("GET", "/api/v1/accounts/"+id+"/balance", "").decode(t, 200)
	spent, debt, left := nanos(t, balance["spent"]), nanos(t, balance["debt"]), nanos(t, balance["left"])
	over := max(cost-credit, 0)
	if spent != cost || debt != over || left != credit-cost || balance["held"] != "0" {
		t.Errorf("the provider served $%v on a credit of $%v; the account has %v", cost, credit, balance)
	}
	if hold := catalog.Nanos(1_000*inPrice + l.declared*outPrice); left >= hold {
		t.Errorf("$%v were left, calls were refused all the same", left)
	}
	if lowest < -over {
		t.Errorf("the balance was at $%v for a moment", lowest)
	}
	g.stop()
	l.verify(t, g, len(calls))
	return over
}

// offer makes the calls and answers how many were served and refused.
func (l load) offer(t *testing.T, g *gateway) (served, refused int) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: l.atOnce}}
	t.Cleanup(client.CloseIdleConnections)
	plain := fmt.Sprintf(`{"model":%q,"max_tokens":%d,"messages":[{"role":"user","content":"hi"}]}`, l.model, l.declared)
	bodies := [2]string{plain, strings.Replace(plain, "{", `{"stream":true,`, 1)}
	var next, ok, no atomic.Int64
	var wg sync.WaitGroup
	for range l.atOnce {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(l.calls) && !t.Failed(); i = next.Add(1) {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.base+"/v1/chat/completions", strings.NewReader(bodies[i%2]))
				if err != nil {
					t.Error(err)
					return
				}
				req.Header.Set("Content-Type", "application/json")
				req.Header.Set("Authorization", "Bearer "+userKey)
				resp, err := client.Do(req)
				if err != nil {
					t.Error(err)
					return
				}
				raw, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close() // it was read to its end
				switch {
				case err != nil:
					t.Error(err)
				case resp.StatusCode == http.StatusOK && (i%2 == 0 || bytes.HasSuffix(raw, []byte("data: [DONE]\n\n"))):
					ok.Add(1)
				case resp.StatusCode == http.StatusTooManyRequests && bytes.Contains(raw, []byte("insufficient_quota")):
					no.Add(1)
				default:
					t.Errorf("call %d: %d %s", i, resp.StatusCode, raw)
				}
			}
		})
	}
	wg.Wait()
	return int(ok.Load()), int(no.Load())
}

// watch looks at the balance all the time and answers a function that stops it and tells the lowest:
// cards less debt, whatever is held.
func (l load) watch(t *testing.T, g *gateway, id string) func() catalog.Nanos {
	stop, lowest := make(chan struct{}), make(chan catalog.Nanos, 1)
	go func() {
		least := catalog.Nanos(1 << 62)
		defer func() { lowest <- least }()
		for {
			b, err := l.balance(t, g, id)
			if err != nil {
				t.Error(err)
				return
			}
			least = min(least, nanos(t, b.Left)+nanos(t, b.Held))
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	return func() catalog.Nanos { close(stop); return <-lowest }
}

type loadBalance struct{ Left, Held string }

func (l load) balance(t *testing.T, g *gateway, id string) (b loadBalance, err error) {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.base+"/api/v1/accounts/"+id+"/balance", http.NoBody)
	if err != nil {
		return b, err
	}
	req.Header.Set("Authorization", "Bearer "+adminKey)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return b, err
	}
	defer resp.Body.Close()
	return b, json.NewDecoder(resp.Body).Decode(&b)
}

// verify proves the books that the gateway left.
func (l load) verify(t *testing.T, g *gateway, calls int) {
	cfg, err := config.Load(config.Source{Environ: []string{"TOLLGATE_DATA=" + g.dir + "/data"}, File: g.dir + "/tollgate.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := app.VerifyLedger(t.Context(), cfg, "", &out); err != nil || !strings.Contains(out.String(), fmt.Sprintf("%d calls ", calls)) {
		t.Errorf("%v\n%s", err, out.String())
	}
}

func nanos(t *testing.T, dollars any) catalog.Nanos {
	t.Helper()
	text, below := strings.CutPrefix(fmt.Sprint(dollars), "-")
	n, err := catalog.ParseNanos(text)
	if err != nil {
		t.Error(err)
	}
	if below {
		return -n
	}
	return n
}
