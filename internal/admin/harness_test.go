package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/audit"
	"tollgate/internal/canon"
	"tollgate/internal/catalog"
	"tollgate/internal/ledger"
	"tollgate/internal/limit"
	"tollgate/internal/pool"
	"tollgate/internal/provider"
	"tollgate/internal/provider/builtin"
	"tollgate/internal/secret"
	"tollgate/internal/sharing"
)

// gate is the API over real domain packages and stores in memory.
type gate struct {
	t      *testing.T
	api    *API
	reg    *account.Registry
	pool   *pool.Pool
	memory *memory
	limits *limit.Limiter
	log    *bytes.Buffer
	answer *bytes.Buffer     // everything that was answered
	keys   map[string]string // plain keys by account name
	ids    map[string]string // accounts by name
}

// memory keeps what the stores keep. Only what the API asks for works.
type memory struct {
	mu       sync.Mutex
	accounts map[string]account.Account
	keys     map[string]account.Key
	channels map[string]pool.Channel
	cards    map[string]ledger.Card
	calls    []ledger.Call // newest first
	mailed   []string      // of replaced keys: account, key
	unstored []ledger.Call // those that only the journal has
	entries  []ledger.Entry
	rollups  []ledger.Rollup
	models   []catalog.Model
	verdict  *canon.Error  // of every check of a channel
	events   []audit.Event // newest first
	closed   []ledger.Transfer
	moved    []ledger.Transfer
}

func (m *memory) InsertEvent(_ context.Context, e audit.Event) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.events = append([]audit.Event{e}, m.events...)
	return nil
}

func (m *memory) Events(_ context.Context, q audit.Query) ([]audit.Event, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := slices.DeleteFunc(slices.Clone(m.events), func(e audit.Event) bool {
		return len(q.AccountIDs) > 0 && !slices.Contains(q.AccountIDs, e.OperatorID) && !slices.Contains(q.AccountIDs, e.TargetID) || q.Action != "" && e.Action != q.Action
	})
	return all[:min(len(all), q.Limit)], nil
}

func (m *memory) CountEvents(context.Context, audit.Query) (int, error) { return len(m.events), nil }

func (m *memory) Accounts(context.Context) ([]account.Account, error) { return nil, nil }
func (m *memory) Keys(context.Context) ([]account.Key, error)         { return nil, nil }
func (m *memory) Account(_ context.Context, id string) (account.Account, error) {
	return get(m, m.accounts, id, account.ErrNotFound)
}

func (m *memory) Key(_ context.Context, id string) (account.Key, error) {
	return get(m, m.keys, id, account.ErrNotFound)
}

func (m *memory) Card(_ context.Context, id string) (ledger.Card, error) {
	return get(m, m.cards, id, ledger.ErrNotFound)
}

func (m *memory) Channel(_ context.Context, id string) (pool.Channel, error) {
	return get(m, m.channels, id, pool.ErrNotFound)
}

func get[T any](m *memory, from map[string]T, id string, missing error) (T, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	x, ok := from[id]
	if !ok {
		return x, missing
	}
	return x, nil
}

func (m *memory) InsertAccount(_ context.Context, a account.Account) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.putAccount(a)
}

func (m *memory) putAccount(a account.Account) error {
	for _, x := range m.accounts {
		if x.Name == a.Name && x.ID != a.ID {
			return account.ErrConflict
		}
	}
	m.accounts[a.ID] = a
	return nil
}

func (m *memory) UpdateAccount(_ context.Context, a account.Account) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.accounts[a.ID].Version != a.Version {
		return account.ErrConflict
	}
	a.Version++
	return m.putAccount(a)
}

func (m *memory) MoveAccount(_ context.Context, a account.Account, from string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.accounts[a.ID].Version != a.Version {
		return account.ErrConflict
	}
	a.Version++
	m.accounts[a.ID] = a
	for id, x := range m.accounts {
		if rest, ok := strings.CutPrefix(x.Path, from); ok {
			x.Path = a.Path + rest
			m.accounts[id] = x
		}
	}
	return nil
}

func (m *memory) DeleteAccount(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.accounts, id)
	for kid, k := range m.keys {
		if k.AccountID == id {
			delete(m.keys, kid)
		}
	}
	return nil
}

func (m *memory) InsertKey(_ context.Context, k account.Key) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.keys[k.ID] = k
	return nil
}

func (m *memory) UpdateKey(_ context.Context, k account.Key) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.keys[k.ID].Version != k.Version {
		return account.ErrConflict
	}
	k.Version++
	m.keys[k.ID] = k
	return nil
}

func (m *memory) DeleteKey(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.keys[id]; !ok {
		return account.ErrNotFound
	}
	delete(m.keys, id)
	return nil
}

func (m *memory) Channels(context.Context) ([]pool.Channel, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []pool.Channel
	for _, c := range m.channels {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b pool.Channel) int { return strings.Compare(a.ID, b.ID) })
	return all, nil
}

func (m *memory) InsertChannel(_ context.Context, c pool.Channel) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.channels[c.ID] = c
	return nil
}

func (m *memory) UpdateChannel(_ context.Context, c pool.Channel) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.channels[c.ID].Version != c.Version {
		return pool.ErrConflict
	}
	c.Version++
	m.channels[c.ID] = c
	return nil
}

func (m *memory) DeleteChannel(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.channels[id]; !ok {
		return pool.ErrNotFound
	}
	delete(m.channels, id)
	return nil
}

func (m *memory) SetRetired(context.Context, string, bool, string, time.Time) error { return nil }
func (m *memory) Owner(context.Context, string, string) (string, error) {
	return "", pool.ErrNotFound
}

func (m *memory) Call(_ context.Context, id string) (ledger.Call, error) {
	for _, c := range m.calls {
		if c.ID == id {
			return c, nil
		}
	}
	return ledger.Call{}, ledger.ErrNotFound
}

func (m *memory) Calls(_ context.Context, q ledger.CallQuery) ([]ledger.Call, error) {
	all := m.calls
	if q.Before != "" {
		i := slices.IndexFunc(all, func(c ledger.Call) bool { return c.ID == q.Before })
		if i < 0 {
			return nil, ledger.ErrNotFound
		}
		all = all[i+1:]
	}
	all = slices.DeleteFunc(slices.Clone(all), func(c ledger.Call) bool {
		return len(q.AccountIDs) > 0 && !slices.Contains(q.AccountIDs, c.AccountID) || q.Quarantined && c.Quarantine == ""
	})
	return all[:min(len(all), q.Limit)], nil
}

func (m *memory) Entries(_ context.Context, id string, q ledger.Page) ([]ledger.Entry, error) {
	all := slices.DeleteFunc(slices.Clone(m.entries), func(e ledger.Entry) bool { return e.Account != id })
	return all[:min(len(all), q.Limit)], nil
}

func (m *memory) Rollups(_ context.Context, q ledger.RollupQuery) ([]ledger.Rollup, error) {
	return slices.DeleteFunc(slices.Clone(m.rollups), func(r ledger.Rollup) bool {
		return len(q.AccountIDs) > 0 && !slices.Contains(q.AccountIDs, r.AccountID) || r.Hour.Before(q.From) || !r.Hour.Before(q.To)
	}), nil
}

// Transfer creates a card, once.
func (m *memory) Transfer(_ context.Context, t ledger.Transfer) (ledger.Transferred, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if t.Kind == ledger.EntryClose {
		m.closed = append(m.closed, t)
		return ledger.Transferred{}, nil
	}
	if t.From != account.RootID && t.Amount > 10e9 {
		return ledger.Transferred{}, &ledger.ShortError{AccountID: t.From, Need: t.Amount, Left: 10e9}
	}
	m.moved = append(m.moved, t)
	have, ok := m.cards[t.ID]
	if ok && have.Amount != t.Amount {
		return ledger.Transferred{}, ledger.ErrReused
	}
	if !ok {
		have = ledger.Card{ID: t.ID, AccountID: t.To, Amount: t.Amount, Balance: t.Amount, Reference: t.Reference, GrantedAt: t.At, ExpiresAt: t.ExpiresAt}
		m.cards[t.ID] = have
	}
	return ledger.Transferred{Card: have, Amount: t.Amount, Repeated: ok}, nil
}

func (m *memory) Balance(id string, _ time.Time) ledger.Funds {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := ledger.Funds{AccountID: id}
	for _, c := range m.cards {
		if c.AccountID == id {
			f.Cards, f.Left = append(f.Cards, c), f.Left+c.Balance
		}
	}
	return f
}

func (m *memory) Used(ledger.Budget, time.Time) (ledger.Used, bool) {
	return ledger.Used{Spent: 1e9, Held: 2e9}, true
}

// KeyRotated notes who would get a mail.
func (m *memory) KeyRotated(_ context.Context, x *account.Account, k account.Key) {
	m.mailed = append(m.mailed, x.Name+" "+k.ID)
}

func (m *memory) Flush(context.Context) error {
	m.calls, m.unstored = append(m.unstored, m.calls...), nil
	return nil
}

func (m *memory) Held() catalog.Nanos      { return 1_500_000_000 }
func (m *memory) Lag(time.Time) ledger.Lag { return ledger.Lag{Records: 1} }

// memoryModels is the catalogue.
type memoryModels struct{ m *memory }

func (x memoryModels) List(context.Context) ([]CatalogModel, error) {
	var all []CatalogModel
	for _, model := range x.m.models {
		s, err := catalog.NewSnapshot([]catalog.Model{model})
		if err != nil {
			return nil, err
		}
		all = append(all, CatalogModel{Entry: s.Entry(model.Name), Origin: "api"})
	}
	slices.SortFunc(all, func(a, b CatalogModel) int { return strings.Compare(a.Entry.Model.Name, b.Entry.Model.Name) })
	return all, nil
}

func (x memoryModels) Put(_ context.Context, m catalog.Model) error {
	x.m.models = append(slices.DeleteFunc(x.m.models, func(o catalog.Model) bool { return o.Name == m.Name }), m)
	return nil
}

func (x memoryModels) Delete(_ context.Context, name string) error {
	n := len(x.m.models)
	x.m.models = slices.DeleteFunc(x.m.models, func(o catalog.Model) bool { return o.Name == name })
	if len(x.m.models) == n {
		return catalog.ErrNotFound
	}
	return nil
}

type checkedPool struct {
	*pool.Pool
	check pool.Checker
}

func (p checkedPool) CheckNow(ctx context.Context, id string) (*canon.Error, error) {
	return p.Pool.CheckNow(ctx, id, p.check)
}

// newGate starts with this tree, every account with a key:
//
//	root ─ team (manager) ─ leaf (caller)
//	     ─ other (manager)
func newGate(t *testing.T) *gate {
	t.Helper()
	g := &gate{t: t, memory: &memory{
		accounts: map[string]account.Account{}, keys: map[string]account.Key{}, channels: map[string]pool.Channel{}, cards: map[string]ledger.Card{},
	}, limits: limit.New(nil), log: &bytes.Buffer{}, answer: &bytes.Buffer{}, keys: map[string]string{}, ids: map[string]string{}}
	root := account.Account{ID: account.RootID, Path: ".root.", Name: "root", Enabled: true, Role: account.RoleManager, Version: 1}
	g.memory.accounts[root.ID] = root
	g.reg = account.NewRegistry(g.memory, account.NewDirectory([]account.Account{root}, nil), time.Now)
	log := slog.New(slog.NewTextHandler(g.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	if g.pool, err = pool.New(t.Context(), g.memory, builtin.All(), nil, log, time.Now); err != nil {
		t.Fatal(err)
	}
	g.api, err = New(Deps{
		Authenticate: func(r *http.Request, now time.Time) (account.Caller, *canon.Error) {
			plain, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
			who, refusal := g.reg.Directory().Authenticate(secret.HashKey(plain), now)
			if refusal == "" {
				return who, nil
			}
			if refusal == account.AccountDisabled {
				return who, canon.Errorf(canon.KindDenied, "disabled")
			}
			return who, canon.Errorf(canon.KindAuth, "who are you")
		},
		MayUse:   func(c account.Caller, model string) bool { return !strings.HasPrefix(model, "hidden") },
		Accounts: g.reg, Channels: checkedPool{g.pool, func(context.Context, pool.Channel, provider.Provider) *canon.Error { return g.memory.verdict }},
		Models: memoryModels{g.memory}, Money: g.memory, Records: g.memory, Notices: g.memory, Providers: builtin.All(),
		Limits: g.limits,
		Budgets: func(c account.Caller) []ledger.Budget {
			if c.Account.HardLimit == 0 {
				return nil
			}
			return []ledger.Budget{{Subject: c.Account.ID, Period: ledger.PeriodMonth, Limit: c.Account.HardLimit}}
		},
		Guard: sharing.New(sharing.Options{Ban: 2}), Trail: audit.NewTrail(g.memory, log, time.Now),
		Log: log, Now: time.Now, Version: "test", Began: time.Now().Add(-time.Minute),
	})
	if err != nil {
		t.Fatal(err)
	}
	g.ids["root"] = account.RootID
	g.giveKey("root")
	g.addAccount("team", account.RootID, account.RoleManager)
	g.addAccount("leaf", g.ids["team"], account.RoleCaller)
	g.addAccount("other", account.RootID, account.RoleManager)
	return g
}

func (g *gate) addAccount(name, parent string, role account.Role) {
	g.t.Helper()
	x, err := g.reg.CreateAccount(g.t.Context(), account.Account{ParentID: parent, Name: name, Email: name + "@example.com", Enabled: true, Role: role})
	if err != nil {
		g.t.Fatal(err)
	}
	g.ids[name] = x.ID
	g.giveKey(name)
}

func (g *gate) giveKey(name string) account.Key {
	g.t.Helper()
	k, plain, err := g.reg.CreateKey(g.t.Context(), account.Key{AccountID: g.ids[name], Name: name + "-key", Enabled: true})
	if err != nil {
		g.t.Fatal(err)
	}
	g.keys[name] = plain.Reveal()
	return k
}

// reply is what a caller got.
type reply struct {
	code   int
	header http.Header
	body   string
}

// do sends a request as the account who; "" is without a key.
func (g *gate) do(who, method, path, body string, headers ...string) reply {
	g.t.Helper()
	r := httptest.NewRequestWithContext(g.t.Context(), method, Prefix+path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if who != "" {
		key, ok := g.keys[who]
		if !ok {
			key = who
		}
		r.Header.Set("Authorization", "Bearer "+key)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	g.api.ServeHTTP(w, r)
	g.answer.Write(w.Body.Bytes())
	return reply{w.Code, w.Header(), w.Body.String()}
}

// must returns the decoded body of an answer that has this status.
func (g *gate) must(status int, r reply) map[string]any {
	g.t.Helper()
	if r.code != status {
		g.t.Fatalf("status %d, want %d: %s", r.code, status, r.body)
	}
	m := map[string]any{}
	if r.body != "" {
		if err := json.Unmarshal([]byte(r.body), &m); err != nil {
			g.t.Fatalf("%v: %s", err, r.body)
		}
	}
	return m
}

// addChannel adds a channel and returns its id.
func (g *gate) addChannel(key string) string {
	g.t.Helper()
	m := g.must(201, g.do("root", "POST", "/channels", fmt.Sprintf(`{"provider":"openai","key":%q}`, key)))
	return m["id"].(string)
}

// request grants credit as root and returns the status; unlike do it may run beside others.
func request(g *gate, path, body, idempotencyKey string) int {
	r := httptest.NewRequest(http.MethodPost, Prefix+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+g.keys["root"])
	r.Header.Set("Idempotency-Key", idempotencyKey)
	w := httptest.NewRecorder()
	g.api.ServeHTTP(w, r)
	return w.Code
}
