package app_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/internal/canon"
	"tollgate/internal/pool"
	"tollgate/internal/provider"
	"tollgate/internal/provider/builtin"
	"tollgate/internal/relay"
	"tollgate/internal/simulator"
)

// ask is one call in one dialect; %s stands for words of behaviour behind the model's name.
type ask struct {
	name   string
	path   string
	body   string
	header string // of the key
	fault  string // what an error of the dialect holds
}

func asks() []ask {
	return []ask{
		{"chat", "/v1/chat/completions", `{"model":"sim-gpt%s","messages":[{"role":"user","content":"hi"}]}`, "Authorization", `"error":{`},
		{"responses", "/v1/responses", `{"model":"sim-gpt%s","input":"hi"}`, "Authorization", `"error":{`},
		{"messages", "/v1/messages", `{"model":"sim-claude%s","max_tokens":64,"messages":[{"role":"user","content":"hi"}]}`, "X-Api-Key", `"type":"error"`},
		{"gemini", "/v1beta/models/sim-gemini%s:generateContent", `{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}`, "X-Goog-Api-Key", `"error":{`},
	}
}

// streamed are the same calls as streams.
func streamedAsks() []ask {
	all := asks()
	for i := range all {
		all[i].name += " stream"
		all[i].path = strings.Replace(all[i].path, ":generateContent", ":streamGenerateContent?alt=sse", 1)
		if !strings.Contains(all[i].path, "gemini") {
			all[i].body = strings.Replace(all[i].body, "{", `{"stream":true,`, 1)
		}
	}
	all[1].fault = "response.failed"
	return all
}

// words puts words of behaviour behind the model's name.
func (a ask) words(words string) ask {
	a.path = strings.Replace(a.path, "%s", words, 1)
	a.body = strings.Replace(a.body, "%s", words, 1)
	return a
}

func (a ask) of(g *gateway, key string) answer {
	g.t.Helper()
	if a.header == "Authorization" {
		key = "Bearer " + key
	}
	return g.send("POST", a.path, a.body, a.header, key)
}

// member is a channel of the configuration; more is further YAML.
func member(name, provider, url, key, more string) string {
	if more != "" {
		more = ", " + more
	}
	return fmt.Sprintf("  - {name: %s, provider: %s, base_url: %q, key: %s, models: [\"sim-*\", \"mystery-*\"]%s}\n", name, provider, url, key, more)
}

// alice is an account with this credit in dollars.
func alice(credit string) string {
	return "accounts:\n  - {name: alice, credit: " + credit + ", keys: [{name: main, key: " + userKey + "}]}\n"
}

// gate holds the calls of a provider at its door until a test opens it.
type gate struct {
	asked  atomic.Int64 // calls that came to the door, or are through
	opened chan struct{}
	open   func()
}

// gated is a simulator behind a gate, which holds what the simulator has an answer to.
func gated(t *testing.T) (*simulator.Simulator, string, *gate) {
	t.Helper()
	sim, g := simulator.New(simulator.Config{}), &gate{opened: make(chan struct{})}
	g.open = sync.OnceFunc(func() { close(g.opened) })
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body) // only then the server sees that its client has gone
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if strings.Contains(r.URL.Path, "/openai/") { // where Google speaks OpenAI's dialect, and the simulator does not
			sim.Handler().ServeHTTP(w, r)
			return
		}
		g.asked.Add(1)
		select {
		case <-g.opened:
			sim.Handler().ServeHTTP(w, r)
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(srv.Close)
	t.Cleanup(g.open)
	return sim, srv.URL, g
}

// counted are the calls that a simulator served, once none is under way: it counts a call after the
// last byte of its answer.
func counted(t *testing.T, sim *simulator.Simulator) []simulator.Call {
	t.Helper()
	waitFor(t, "the provider to be idle", func() bool { return sim.Stats().Active == 0 })
	return sim.Calls(0)
}

// served counts these calls by upstream key.
func served(t *testing.T, sim *simulator.Simulator) map[string]int {
	t.Helper()
	n := map[string]int{}
	for _, c := range counted(t, sim) {
		n[c.Key]++
	}
	return n
}

// channelState is a channel as the admin API shows it.
func channelState(t *testing.T, g *gateway, name string) map[string]any {
	t.Helper()
	list := g.asRoot("GET", "/api/v1/channels", "").decode(t, 200)
	for _, v := range list {
		rows, ok := v.([]any)
		if !ok {
			continue
		}
		for _, row := range rows {
			if c := row.(map[string]any); c["name"] == name {
				return c
			}
		}
	}
	t.Fatalf("no channel %s in %v", name, list)
	return nil
}

// turning is a simulator whose provider may refuse one key for a while.
func turning(t *testing.T, key string) (sim *simulator.Simulator, url string, refuse *atomic.Bool) {
	t.Helper()
	sim, refuse = simulator.New(simulator.Config{}), &atomic.Bool{}
	inner := sim.Handler()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refuse.Load() && r.Header.Get("Authorization") == "Bearer "+key {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"error":{"message":"Incorrect API key provided.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}`)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return sim, srv.URL, refuse
}

// A key that turns invalid is taken out with its reason, no client sees it, and it comes back once a
// check finds it accepted again and a call was answered with it.
func TestFaultKeyRetires(t *testing.T) {
	const key = "sk-turncoat"
	sim, url, refuse := turning(t, key)
	g := startGateway(t, "channels:\n"+member("turns", "simulator", url, key, "priority: 1")+member("stays", "simulator", url, "sk-steady", "")+alice("10"))
	calls := func(n int) {
		t.Helper()
		for range n {
			if a := asks()[0].words("").of(g, userKey); a.status != 200 {
				t.Fatalf("%d %s", a.status, a.body)
			}
		}
	}
	calls(3)
	refuse.Store(true)
	calls(5)
	if n := served(t, sim); n["rncoat"] != 3 || n["steady"] != 5 {
		t.Fatalf("served: %v", n)
	}
	if n := len(g.lines("channel retired")); n != 1 {
		t.Errorf("the log says %d times that it retired", n)
	}
	state := channelState(t, g, "turns")
	if reason, _ := state["reason"].(string); state["retired"] != true || !strings.Contains(reason, "Incorrect API key") || state["next_check"] == nil {
		t.Errorf("%v", state)
	}
	check := "/api/v1/channels/" + state["id"].(string) + "/check"
	if m := g.asRoot("POST", check, "").decode(t, 200); m["ok"] != false {
		t.Errorf("check while it is refused: %v", m)
	}
	calls(2)
	refuse.Store(false)
	if m := g.asRoot("POST", check, "").decode(t, 200); m["ok"] != true {
		t.Errorf("check: %v", m)
	}
	calls(4)
	if n := served(t, sim); n["steady"] != 7 || n["rncoat"] < 7 { // checks are served, too
		t.Errorf("served: %v", n)
	}
	if state = channelState(t, g, "turns"); state["retired"] != false || len(g.lines("channel is back")) != 1 {
		t.Errorf("%v", state)
	}
}

// noStore is a pool's store without channels.
type noStore struct{ pool.Store }

func (noStore) Channels(context.Context) ([]pool.Channel, error) { return nil, nil }

func (noStore) SetRetired(context.Context, string, bool, string, time.Time) error {
	return pool.ErrNotFound
}

// A retired key is checked again by itself, when its time has come.
func TestFaultKeyIsCheckedAgain(t *testing.T) {
	const key = "sk-turncoat"
	sim, url, refuse := turning(t, key)
	providers, err := builtin.List()
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	now := time.Now()
	clock := func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}
	fixed := []pool.Channel{{ID: "c", Provider: "simulator", BaseURL: url, Secret: key, Enabled: true}}
	p, err := pool.New(t.Context(), noStore{}, providers, fixed, slog.New(slog.DiscardHandler), clock)
	if err != nil {
		t.Fatal(err)
	}
	lease := func() *pool.Lease {
		t.Helper()
		walk, cerr := p.Route(pool.Want{Model: "sim-gpt", Dialect: canon.OpenAIChat, Op: canon.OpGenerate})
		if cerr != nil {
			t.Fatal(cerr)
		}
		l, _ := walk.Next(clock())
		return l
	}
	lease().Failed(&canon.Error{Kind: canon.KindAuth, Message: "no"}, clock())
	if lease() != nil {
		t.Fatal("a retired channel is handed out")
	}
	h := relay.New(relay.Deps{Protocols: nil})
	t.Cleanup(h.Close)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	var checks atomic.Int64
	go func() {
		defer close(done)
		p.Run(ctx, func(ctx context.Context, c pool.Channel, v provider.Provider) *canon.Error {
			defer checks.Add(1)
			if refuse.Load() {
				return &canon.Error{Kind: canon.KindAuth, Message: "still no"}
			}
			return h.Check(ctx, c, v)
		})
	}()
	t.Cleanup(func() {
		stop()
		<-done
	})
	advance := func(d time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(d)
	}
	refuse.Store(true)
	advance(2 * time.Minute)
	waitFor(t, "the first check", func() bool { return checks.Load() == 1 })
	refuse.Store(false)
	advance(2 * time.Minute) // the second one is due after four
	if lease() != nil {
		t.Error("handed out though the check refused it")
	}
	advance(3 * time.Minute)
	waitFor(t, "the second check", func() bool { return checks.Load() == 2 })
	var l *pool.Lease
	waitFor(t, "a trial", func() bool { l = lease(); return l != nil })
	if lease() != nil {
		t.Error("two calls try it at once")
	}
	l.Succeeded()
	if lease() == nil {
		t.Error("it is not back")
	}
	if n := len(counted(t, sim)); n != 1 {
		t.Errorf("the provider saw %d checks", n)
	}
}

// A channel that names a time rests until then, and the others serve.
func TestFaultRetryAfterCools(t *testing.T) {
	sim, url := simulate(t)
	g := startGateway(t, "channels:\n"+member("busy", "simulator", url, "sk-retryafter30-busyyy", "priority: 1")+member("free", "simulator", url, "sk-freeee", "")+alice("10"))
	for range 10 {
		if a := asks()[0].words("").of(g, userKey); a.status != 200 {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	if n := served(t, sim); n["busyyy"] != 1 || n["freeee"] != 10 {
		t.Errorf("served: %v", n)
	}
	if s := channelState(t, g, "busy"); s["retired"] != false {
		t.Errorf("a busy channel is not a bad one: %v", s)
	}
}

// A channel that answered and then loses its right to the model for good is left alone before long; clients
// notice nothing.
func TestFaultLostRightRests(t *testing.T) {
	for name, code := range map[string]int{"denied": http.StatusForbidden, "gone": http.StatusNotFound} {
		t.Run(name, func(t *testing.T) {
			sim, url := simulate(t)
			inner := sim.Handler()
			var refuse atomic.Bool
			var asked atomic.Int64
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				if refuse.Load() {
					http.Error(w, `{"error":{"message":"not for this project","type":"invalid_request_error"}}`, code)
					return
				}
				inner.ServeHTTP(w, r)
			}))
			t.Cleanup(srv.Close)
			g := startGateway(t, "channels:\n"+member("first", "simulator", srv.URL, "sk-firstt", "priority: 1")+member("second", "simulator", url, "sk-seconddd", "")+alice("10"))
			for range 40 {
				if a := asks()[0].words("").of(g, userKey); a.status != 200 {
					t.Fatalf("%d %s", a.status, a.body)
				}
				refuse.Store(true)
			}
			// One answer, the refusals that it takes, and who tests it after rests of 1, 2, 4… seconds.
			if n := asked.Load(); n < 2 || n > 20 {
				t.Errorf("40 calls asked it %d times", n)
			}
			if s := channelState(t, g, "first"); s["retired"] != false {
				t.Errorf("retired: %v", s)
			}
		})
	}
}

// When all channels are limited, clients are told 429 and when to come back, the first one and those
// after it, which no channel sees any more.
func TestFaultAllLimited(t *testing.T) {
	for _, a := range append(asks(), streamedAsks()...) {
		t.Run(a.name, func(t *testing.T) {
			sim, url := simulate(t)
			g := startGateway(t, "channels:\n"+member("a", "simulator", url, "sk-retryafter20-aaaaaa", "")+member("b", "simulator", url, "sk-retryafter40-bbbbbb", "")+alice("10"))
			for i := range 3 {
				got := a.words("").of(g, userKey)
				after := got.header.Get("Retry-After")
				if got.status != 429 || !strings.Contains(got.body, strings.Replace(a.fault, "response.failed", `"error":{`, 1)) {
					t.Errorf("call %d: %d %s", i, got.status, got.body)
				}
				if after != "20" && after != "19" && after != "18" {
					t.Errorf("call %d: Retry-After %q, want what is left of the 20 seconds of the channel that is back first", i, after)
				}
			}
			if n := len(counted(t, sim)); n != 2 {
				t.Errorf("the channels saw %d calls", n)
			}
		})
	}
}

// The line, the record and the metric of a call that failed hold the status that its client got.
func TestFaultStatus(t *testing.T) {
	for _, a := range append(asks(), streamedAsks()...) {
		for words, key := range map[string]string{
			"+status=500": "sk-up", "": "sk-invalid-1", "+status=400": "sk-up", "+ratelimit": "sk-up", "+html": "sk-up", "+empty": "sk-up", "+overloaded": "sk-up",
		} {
			t.Run(a.name+words+" "+key, func(t *testing.T) {
				t.Parallel()
				_, url := simulate(t)
				g := startGateway(t, "channels:\n"+member("c", "simulator", url, key, "")+alice("10"))
				got := a.words(words).of(g, userKey)
				if got.status < 400 {
					t.Fatalf("%d %s", got.status, got.body)
				}
				if line := g.onlyCall(); line["status"] != float64(got.status) {
					t.Errorf("the client got %d, the log says %v", got.status, line)
				}
				if rec := g.recorded(got); rec["status"] != float64(got.status) {
					t.Errorf("the client got %d, the record says %v", got.status, rec)
				}
				class := fmt.Sprintf(`status="%dxx"} 1`, got.status/100)
				if metrics := g.asRoot("GET", "/metrics", "").body; !strings.Contains(metrics, class) {
					t.Errorf("no call with %s", class)
				}
			})
		}
	}
}

// Channels of equal priority share by weight.
func TestFaultWeights(t *testing.T) {
	sim, url := simulate(t)
	g := startGateway(t, "channels:\n"+member("three", "simulator", url, "sk-triple", "weight: 3")+member("one", "simulator", url, "sk-single", "weight: 1")+alice("10"))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.base+"/v1/chat/completions", strings.NewReader(hello))
				if err != nil {
					t.Error(err)
					return
				}
				req.Header.Set("Content-Type", "application/json")
				req.Header.Set("Authorization", "Bearer "+userKey)
				resp, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
					t.Errorf("%s: %v", resp.Status, err)
				}
				_ = resp.Body.Close()
			}
		})
	}
	wg.Wait()
	if n := served(t, sim); n["triple"]+n["single"] != 400 || n["single"] < 95 || n["single"] > 105 {
		t.Errorf("400 calls are shared %v, want 3 to 1", n)
	}
}

// The tier of highest priority serves alone; when it fails, the next one does, and no client sees it.
func TestFaultPriorities(t *testing.T) {
	sim, url := simulate(t)
	g := startGateway(t, "channels:\n"+
		member("low", "simulator", url, "sk-lowest", "priority: -1")+member("mid", "simulator", url, "sk-middle", "")+
		member("top1", "simulator", url, "sk-fail500-topone", "priority: 5")+member("top2", "simulator", url, "sk-fail500-toptwo", "priority: 5")+alice("10"))
	for range 12 {
		if a := asks()[2].words("").of(g, userKey); a.status != 200 {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	n := served(t, sim)
	if n["middle"] != 12 || n["lowest"] != 0 {
		t.Errorf("served: %v", n)
	}
	if n["topone"] != 3 || n["toptwo"] != 3 { // after three failures in a row it rests for a second and longer
		t.Logf("served: %v", n)
		if n["topone"] > 6 || n["toptwo"] > 6 {
			t.Error("channels that fail are tried on and on")
		}
	}
}

// One good key among twenty bad ones is found by the first call; later calls go straight to it.
func TestFaultWholePool(t *testing.T) {
	sim, url := simulate(t)
	var b strings.Builder
	b.WriteString("channels:\n")
	for i := range 20 {
		word := []string{"invalid", "quota"}[i%2]
		b.WriteString(member(fmt.Sprintf("bad%d", i), "simulator", url, fmt.Sprintf("sk-%s-bad%03d", word, i), "priority: 1"))
	}
	b.WriteString(member("good", "simulator", url, "sk-goodie", "") + alice("10"))
	g := startGateway(t, b.String())
	for range 3 {
		if a := asks()[1].words("").of(g, userKey); a.status != 200 {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	lines := g.lines("call")
	if len(lines) != 3 || lines[0]["attempts"] != 21.0 || lines[1]["attempts"] != 1.0 || lines[2]["attempts"] != 1.0 {
		t.Errorf("log: %v", lines)
	}
	if n := len(g.lines("channel retired")); n != 20 {
		t.Errorf("%d channels retired", n)
	}
	if n := len(counted(t, sim)); n != 23 {
		t.Errorf("the channels saw %d calls", n)
	}
}

// Nothing is tried again once content has left, and the client is told that it has a part and may try again itself.
func TestFaultNoRetryAfterContent(t *testing.T) {
	for _, a := range streamedAsks() {
		for _, how := range []string{"cut=7", "garble=7", "inband=7", "hang=7"} {
			t.Run(a.name+" "+how, func(t *testing.T) {
				t.Parallel()
				sim, url := simulate(t)
				g := startGateway(t, channels(url, "sk-up-1", "sk-up-2", "sk-up-3"), "TIMEOUT_IDLE="+silence(how))
				got := a.words("+events=20+"+how).of(g, userKey)
				if got.status != 200 || !strings.Contains(got.body, a.fault) || !strings.Contains(got.body, "what came is incomplete, and the call may be sent again") {
					t.Errorf("%d …%s", got.status, got.body[max(0, len(got.body)-300):])
				}
				if n := len(counted(t, sim)); n != 1 {
					t.Errorf("the channels saw %d calls", n)
				}
				if line := g.lines("call"); len(line) != 1 || line[0]["error"] == nil || line[0]["attempts"] != 1.0 || line[0]["nanos"].(float64) <= 0 {
					t.Errorf("log: %v", line)
				}
			})
		}
	}
}
