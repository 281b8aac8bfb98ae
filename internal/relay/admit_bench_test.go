package relay

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/canon"
	"tollgate/internal/catalog"
	"tollgate/internal/dialect"
	"tollgate/internal/journal"
	"tollgate/internal/ledger"
	"tollgate/internal/ledger/ledgertest"
	"tollgate/internal/limit"
	"tollgate/internal/mapping"
	"tollgate/internal/pool"
	"tollgate/internal/secret"
)

// noChannels is a pool.Store without channels.
type noChannels struct{ pool.Store }

func (noChannels) Channels(context.Context) ([]pool.Channel, error) { return nil, nil }

// BenchmarkAdmit is what it takes to decide on a call: key, address, path, model, pools, limits, budgets
// and money, of 100,000 accounts four levels deep. The store must not be asked. The request is one that net/http has
// just read: all but its key is made once.
func BenchmarkAdmit(b *testing.B) {
	b.Run("plain", func(b *testing.B) { benchmarkAdmit(b, false) })
	b.Run("all rules", func(b *testing.B) { benchmarkAdmit(b, true) })
}

// benchmarkAdmit admits calls of accounts right below root that have rates and credit, or, with all rules,
// of accounts on the fourth level that have every rule there is, as all above them have.
func benchmarkAdmit(b *testing.B, every bool) {
	const accounts = 100_000
	now := time.Now()
	ips := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("10.0.0.0/8")}
	all := []account.Account{{ID: account.RootID, Path: ".root.", Name: "root", Enabled: true, Role: account.RoleManager}}
	all = append(all,
		account.Account{ID: "reseller", ParentID: account.RootID, Name: "reseller", Enabled: true, Limits: account.Limits{RPM: 1e9, TPM: 1e15}, HardLimit: 1e7 * 1e9},
		account.Account{ID: "agency", ParentID: "reseller", Name: "agency", Enabled: true, Models: []string{"gpt-*", "-gpt-4-32k"}, AllowLevels: []int{0, 2}})
	keys := make([]account.Key, accounts)
	header := []byte("Bearer sk-Xvs" + strings.Repeat("0", 45))
	keyOf := func(i int) []byte { // in place, as the key of a call stands in the caches: it has just come
		for at := len(header) - 1; i > 0 || at > len(header)-7; at, i = at-1, i/10 {
			header[at] = byte('0' + i%10)
		}
		return header
	}
	store := &ledgertest.Store{}
	for i := range accounts {
		id := fmt.Sprintf("0198c1a2-7b1e-7c3d-9e4f-%012d", i)
		if !every {
			all = append(all, account.Account{ID: id, ParentID: account.RootID, Name: id, Enabled: true, Limits: account.Limits{RPM: 1e6, TPM: 1e12}})
			keys[i] = account.Key{ID: "k" + id, AccountID: id, Enabled: true, Hash: secret.HashKey(string(keyOf(i)[len("Bearer "):]))}
			store.Give(ledger.Card{ID: id, AccountID: id, Amount: 1e15, Balance: 1e15, GrantedAt: now.Add(-time.Hour), ExpiresAt: now.Add(24 * time.Hour)})
			continue
		}
		all = append(all, account.Account{
			ID: id, ParentID: "agency", Name: id, Enabled: true, Limits: account.Limits{RPM: 1e6, TPM: 1e12, Concurrent: 1e6}, Paths: []string{"/v1/*"}, IPs: ips,
			ModelLimits: map[string]account.Limits{"gpt-5*": {RPM: 1e6}},
		})
		keys[i] = account.Key{ID: "k" + id, AccountID: id, Enabled: true, Hash: secret.HashKey(string(keyOf(i)[len("Bearer "):])), Limits: account.Limits{RPM: 1e6}}
		store.Give(ledger.Card{ID: id, AccountID: id, Amount: 1e15, Balance: 1e15, GrantedAt: now.Add(-time.Hour), ExpiresAt: now.Add(24 * time.Hour)})
	}
	j, err := journal.Open(b.TempDir(), journal.DefaultOptions())
	if err != nil {
		b.Fatal(err)
	}
	book, err := ledger.OpenBook(b.Context(), ledger.Options{Store: store, Journal: j, Node: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := book.Close(context.Background()); err != nil {
			b.Error(err)
		}
		if err := j.Close(); err != nil {
			b.Error(err)
		}
	})
	snap, err := catalog.NewSnapshot([]catalog.Model{{Name: "gpt-5", Price: &catalog.Price{Rates: catalog.Rates{Input: "1", Output: "10"}}}})
	if err != nil {
		b.Fatal(err)
	}
	channels, err := pool.New(b.Context(), noChannels{}, nil, nil, slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		b.Fatal(err)
	}
	rules := account.Rules{Models: mapping.Models{{From: "gpt-best", To: "gpt-5"}}, Levels: mapping.Levels{{Model: "gpt-5", Level: 2}}}
	h := New(Deps{
		Accounts: account.NewDirectory(all, keys), Catalog: func() *catalog.Snapshot { return snap }, Rules: func() account.Rules { return rules },
		Pool: channels, Book: book, Limits: limit.New(nil), ClientIP: func(*http.Request) netip.Addr { return netip.AddrFrom4([4]byte{10, 1, 2, 3}) },
		Settings: Settings{DefaultOutput: 1000},
	})
	for i := range keys { // as the start does it
		x := h.Accounts.Account(keys[i].AccountID)
		if err := book.Watch(b.Context(), now, Budgets(h.Accounts, account.Caller{Account: x, Key: &keys[i]}, nil)...); err != nil {
			b.Fatal(err)
		}
	}
	store.Before = func(op string) error {
		if op != "Moved" { // which the book asks by itself, now and then
			b.Errorf("the store was asked: %s", op)
		}
		return nil
	}
	w, authorization := httptest.NewRecorder(), []string{""}
	r := &http.Request{Method: http.MethodPost, Header: http.Header{"Authorization": authorization}}
	one := func(b *testing.B, i int) {
		b.Helper()
		authorization[0] = string(keyOf(i % accounts))
		clear(w.Header())
		c := &call{h: h, w: w, r: r, ep: dialect.Endpoint{Dialect: canon.OpenAIChat}, began: time.Now()}
		c.from = h.ClientIP(r)
		var err *canon.Error
		if c.caller, err = h.authenticate(r, c.from, c.began); err != nil {
			b.Fatal(err)
		}
		if !h.Accounts.MayReach(c.caller, "/v1/chat/completions") {
			b.Fatal("not reached")
		}
		c.head = dialect.Head{Op: canon.OpGenerate, Model: "gpt-best", TextBytes: 1000, Choices: 1}
		if err := c.admit(); err != nil {
			b.Fatal(err)
		}
		if err := c.hold.Release(); err != nil {
			b.Fatal(err)
		}
		c.grant.Release()
	}
	for i := range accounts { // the limiter knows them all
		one(b, i)
	}
	b.Run("one account", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			one(b, 1)
		}
	})
	b.Run("100000 accounts", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i += 7919 {
			one(b, i)
		}
	})
	store.Before = nil
}
