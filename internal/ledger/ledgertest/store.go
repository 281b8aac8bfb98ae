// Package ledgertest owns a ledger.Store in memory for tests: faithful in what it keeps, and made to
// fail on demand. The engines that a gateway runs on are in store.
package ledgertest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"tollgate/internal/catalog"
	"tollgate/internal/ledger"
)

// Store is a ledger.Store in memory. The zero value is empty and ready.
type Store struct {
	// Before, if set, is asked before each operation, by the name of its method; an error fails the
	// operation without effect. After is asked when an effect stands: its error is
	// an answer that got lost. They may be called from many goroutines and must not be changed while
	// the store is in use.
	Before, After func(op string) error

	mu        sync.Mutex
	positions map[string]ledger.Position
	purses    map[string]*purse
	calls     map[string]ledger.Call
	order     []string // ids of calls as applied
	entries   []ledger.Entry
	byID      map[string][]int // entries by transfer
	head      ledger.Head
	counters  []ledger.Counter
	known     map[ledger.Counter]bool // of Begin
	closings  []ledger.Closing
}

var _ ledger.Store = (*Store)(nil)

type purse struct {
	cards       []ledger.Card // all that were ever granted
	debt, spent catalog.Nanos
}

// begin takes the lock unless the operation shall fail.
func (s *Store) begin(ctx context.Context, op string) error {
	if s.Before != nil {
		if err := s.Before(op); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	return nil
}

func (s *Store) end(op string) error {
	if s.After != nil {
		return s.After(op)
	}
	return nil
}

func (s *Store) purse(id string) *purse {
	if s.purses == nil {
		s.purses = map[string]*purse{}
	}
	if s.purses[id] == nil {
		s.purses[id] = &purse{}
	}
	return s.purses[id]
}

// Apply implements ledger.Store.
func (s *Store) Apply(ctx context.Context, node string, calls []ledger.Call, pos ledger.Position) error {
	if err := s.begin(ctx, "Apply"); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if s.calls == nil {
		s.calls, s.positions = map[string]ledger.Call{}, map[string]ledger.Position{}
	}
	for _, c := range calls {
		if _, has := s.calls[c.ID]; has {
			continue
		}
		s.calls[c.ID] = c
		s.order = append(s.order, c.ID)
		t := s.open(c.AccountID)
		t.Charge([]ledger.Call{c})
		s.save(t)
		ledger.CountAll(s.counters, []ledger.Call{c})
	}
	s.positions[node] = pos
	return s.end("Apply")
}

// open returns a teller with all that accounts have.
func (s *Store) open(ids ...string) *ledger.Teller {
	t := &ledger.Teller{}
	for _, id := range ids {
		p := s.purse(id)
		t.Open(ledger.Balance{AccountID: id, Cards: p.cards, Debt: p.debt, Spent: p.spent})
	}
	return t
}

// save takes over what a teller did.
func (s *Store) save(t *ledger.Teller) {
	t.Changed(func(c ledger.Card) {
		p := s.purse(c.AccountID)
		if i := slices.IndexFunc(p.cards, func(k ledger.Card) bool { return k.ID == c.ID }); i >= 0 {
			p.cards[i] = c
		} else {
			p.cards = append(p.cards, c)
		}
	}, func(b ledger.Balance) {
		p := s.purse(b.AccountID)
		p.debt, p.spent = b.Debt, b.Spent
	})
	entries := t.Entries()
	s.head = s.head.Chain(entries)
	if s.byID == nil {
		s.byID = map[string][]int{}
	}
	for _, e := range entries {
		if e.Transfer != "" {
			s.byID[e.Transfer] = append(s.byID[e.Transfer], len(s.entries))
		}
		s.entries = append(s.entries, e)
	}
}

// JournalPosition implements ledger.Store.
func (s *Store) JournalPosition(ctx context.Context, node string) (ledger.Position, error) {
	if err := s.begin(ctx, "JournalPosition"); err != nil {
		return ledger.Position{}, err
	}
	defer s.mu.Unlock()
	return s.positions[node], nil
}

// Give puts a card into the store that no entry tells of, for tests that need many.
func (s *Store) Give(c ledger.Card) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.purse(c.AccountID)
	p.cards = append(p.cards, c)
}

// Begin puts a counter into the store, for tests that need many.
func (s *Store) Begin(c ledger.Counter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil {
		s.known = map[ledger.Counter]bool{}
	}
	if !s.known[c] {
		s.known[c] = true
		s.counters = append(s.counters, c)
	}
}

// Transfer implements ledger.Store.
func (s *Store) Transfer(ctx context.Context, t ledger.Transfer) (ledger.Transferred, error) {
	if err := s.begin(ctx, "Transfer"); err != nil {
		return ledger.Transferred{}, err
	}
	defer s.mu.Unlock()
	if t.Account != nil {
		return ledger.Transferred{}, errors.New("ledgertest keeps no accounts")
	}
	if out, found, err := s.transferred(t); found || err != nil {
		return out, err
	}
	teller := s.open(t.Accounts()...)
	out, err := teller.Transfer(&t)
	if err != nil {
		return out, err
	}
	s.save(teller)
	return out, s.end("Transfer")
}

func (s *Store) transferred(t ledger.Transfer) (out ledger.Transferred, found bool, err error) {
	var entries []ledger.Entry
	for _, i := range s.byID[t.ID] {
		entries = append(entries, s.entries[i])
	}
	for _, id := range t.Accounts() {
		out.Balances = append(out.Balances, s.balance(id))
	}
	if len(entries) == 0 {
		return out, false, nil
	}
	if !t.Same(entries) {
		return ledger.Transferred{}, true, ledger.ErrReused
	}
	out.Repeat(entries)
	for _, k := range s.purse(t.To).cards {
		if k.ID == t.ID {
			out.Card = k
		}
	}
	return out, true, nil
}

// Transferred implements ledger.Store.
func (s *Store) Transferred(ctx context.Context, t ledger.Transfer) (ledger.Transferred, error) {
	if err := s.begin(ctx, "Transferred"); err != nil {
		return ledger.Transferred{}, err
	}
	defer s.mu.Unlock()
	out, found, err := s.transferred(t)
	if err == nil && !found {
		err = ledger.ErrNotFound
	}
	return out, err
}

// Expired implements ledger.Store.
func (s *Store) Expired(ctx context.Context, before time.Time, limit int) ([]string, error) {
	if err := s.begin(ctx, "Expired"); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	var ids []string
	for _, id := range slices.Sorted(maps.Keys(s.purses)) {
		if len(ids) < limit && slices.ContainsFunc(s.purses[id].cards, func(k ledger.Card) bool { return k.Balance > 0 && !k.ExpiresAt.After(before) }) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// Expire implements ledger.Store.
func (s *Store) Expire(ctx context.Context, accountID string, before time.Time) (ledger.Balance, error) {
	if err := s.begin(ctx, "Expire"); err != nil {
		return ledger.Balance{}, err
	}
	defer s.mu.Unlock()
	t := s.open(accountID)
	t.Expire(accountID, before)
	s.save(t)
	return s.balance(accountID), s.end("Expire")
}

// Balances implements ledger.Store.
func (s *Store) Balances(ctx context.Context) ([]ledger.Balance, error) {
	if err := s.begin(ctx, "Balances"); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	var all []ledger.Balance
	for _, id := range slices.Sorted(maps.Keys(s.purses)) {
		all = append(all, s.balance(id))
	}
	return all, nil
}

// Balance implements ledger.Store.
func (s *Store) Balance(ctx context.Context, accountID string) (ledger.Balance, error) {
	if err := s.begin(ctx, "Balance"); err != nil {
		return ledger.Balance{}, err
	}
	defer s.mu.Unlock()
	if s.purses[accountID] == nil {
		return ledger.Balance{}, ledger.ErrNotFound
	}
	return s.balance(accountID), nil
}

func (s *Store) balance(id string) ledger.Balance {
	p := s.purse(id)
	b := ledger.Balance{AccountID: id, Debt: p.debt, Spent: p.spent}
	for _, k := range p.cards {
		if k.Balance > 0 {
			b.Cards = append(b.Cards, k)
		}
	}
	slices.SortFunc(b.Cards, func(a, b ledger.Card) int {
		return cmp.Or(a.ExpiresAt.Compare(b.ExpiresAt), a.GrantedAt.Compare(b.GrantedAt), strings.Compare(a.ID, b.ID))
	})
	return b
}

// Moved implements ledger.Store. It takes all changes for those of others.
func (s *Store) Moved(ctx context.Context, node string, since ledger.Changes) (ledger.Moved, error) {
	if err := s.begin(ctx, "Moved"); err != nil {
		return ledger.Moved{}, err
	}
	defer s.mu.Unlock()
	m := ledger.Moved{Position: s.positions[node], Now: ledger.Changes{Entries: s.head.Seq, Counters: int64(len(s.order))}}
	for _, e := range s.entries[min(since.Entries, s.head.Seq):] {
		if !ledger.IsSide(e.Account) && !slices.Contains(m.Accounts, e.Account) {
			m.Accounts = append(m.Accounts, e.Account)
		}
	}
	if since.Counters < m.Now.Counters {
		m.Counters = slices.Clone(s.counters)
	}
	return m, nil
}

// PutClosing implements ledger.Store.
func (s *Store) PutClosing(ctx context.Context, c ledger.Closing) error {
	if err := s.begin(ctx, "PutClosing"); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if !slices.ContainsFunc(s.closings, func(have ledger.Closing) bool { return have.AccountID == c.AccountID }) {
		s.closings = append(s.closings, c)
	}
	return s.end("PutClosing")
}

// Closings implements ledger.Store.
func (s *Store) Closings(ctx context.Context) ([]ledger.Closing, error) {
	if err := s.begin(ctx, "Closings"); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	return slices.Clone(s.closings), nil
}

// DropClosing implements ledger.Store.
func (s *Store) DropClosing(ctx context.Context, accountID string) error {
	if err := s.begin(ctx, "DropClosing"); err != nil {
		return err
	}
	defer s.mu.Unlock()
	s.closings = slices.DeleteFunc(s.closings, func(c ledger.Closing) bool { return c.AccountID == accountID })
	return s.end("DropClosing")
}

// Audit goes through the books with a, as an engine's Verify does.
func (s *Store) Audit(a *ledger.Audit) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.entries {
		if err := a.Entry(&s.entries[i]); err != nil {
			return err
		}
	}
	if err := a.End(s.head); err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(s.purses)) {
		p := s.purses[id]
		for i := range p.cards {
			if err := a.Card(&p.cards[i]); err != nil {
				return err
			}
		}
		if err := a.Balance(&ledger.Balance{AccountID: id, Debt: p.debt, Spent: p.spent}); err != nil {
			return err
		}
	}
	for _, id := range s.order {
		c := s.calls[id]
		a.Call(&c)
	}
	wrong, err := a.Charged()
	if err == nil && len(wrong) > 0 {
		err = fmt.Errorf("account %s is not charged for its calls", wrong[0])
	}
	return err
}

// Counters implements ledger.Store.
func (s *Store) Counters(ctx context.Context) ([]ledger.Counter, error) {
	if err := s.begin(ctx, "Counters"); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	return slices.Clone(s.counters), nil
}

func (s *Store) counter(c ledger.Counter) int {
	return slices.IndexFunc(s.counters, func(have ledger.Counter) bool {
		return have.Subject == c.Subject && have.Period == c.Period && have.Zone == c.Zone
	})
}

// Count implements ledger.Store.
func (s *Store) Count(ctx context.Context, node string, c ledger.Counter) (ledger.Counter, ledger.Position, error) {
	if err := s.begin(ctx, "Count"); err != nil {
		return c, ledger.Position{}, err
	}
	defer s.mu.Unlock()
	i := s.counter(c)
	if i < 0 {
		i = len(s.counters)
		c.Spent = 0
		for _, id := range s.order {
			call := s.calls[id]
			for subject := range call.CountsFor {
				if subject == c.Subject && call.AtMillis >= c.Start && call.AtMillis < c.End {
					c.Spent += call.Cost
				}
			}
		}
		s.counters = append(s.counters, c)
	}
	return s.counters[i], s.positions[node], s.end("Count")
}

// Warn implements ledger.Store.
func (s *Store) Warn(ctx context.Context, c ledger.Counter) (bool, error) {
	if err := s.begin(ctx, "Warn"); err != nil {
		return false, err
	}
	defer s.mu.Unlock()
	i := s.counter(c)
	first := i >= 0 && s.counters[i].Start == c.Start && !s.counters[i].Warned
	if first {
		s.counters[i].Warned = true
	}
	return first, s.end("Warn")
}

// Call implements ledger.Store.
func (s *Store) Call(ctx context.Context, id string) (ledger.Call, error) {
	if err := s.begin(ctx, "Call"); err != nil {
		return ledger.Call{}, err
	}
	defer s.mu.Unlock()
	c, ok := s.calls[id]
	if !ok {
		return ledger.Call{}, ledger.ErrNotFound
	}
	return c, nil
}

// Calls implements ledger.Store.
func (s *Store) Calls(ctx context.Context, q ledger.CallQuery) ([]ledger.Call, error) {
	if err := s.begin(ctx, "Calls"); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	var out []ledger.Call
	for _, id := range slices.Backward(slices.Sorted(maps.Keys(s.calls))) {
		if c := s.calls[id]; selects(q, c) && len(out) < q.Limit {
			out = append(out, c)
		}
	}
	return out, nil
}

func selects(q ledger.CallQuery, c ledger.Call) bool {
	at := time.UnixMilli(c.AtMillis)
	return (q.Before == "" || c.ID < q.Before) &&
		(len(q.AccountIDs) == 0 || slices.Contains(q.AccountIDs, c.AccountID)) &&
		(q.KeyID == "" || c.KeyID == q.KeyID) &&
		(q.Model == "" || c.Model == q.Model) &&
		(q.ChannelID == "" || c.ChannelID == q.ChannelID) &&
		(q.From.IsZero() || !at.Before(q.From)) && (q.To.IsZero() || at.Before(q.To)) &&
		(!q.OnlyErrors || c.ErrorKind != "") && (!q.Quarantined || c.Quarantine != "")
}

// Entries implements ledger.Store.
func (s *Store) Entries(ctx context.Context, accountID string, q ledger.Page) ([]ledger.Entry, error) {
	if err := s.begin(ctx, "Entries"); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	before := int64(0)
	if q.Before != "" {
		var err error
		if before, err = strconv.ParseInt(q.Before, 10, 64); err != nil {
			return nil, ledger.ErrNotFound
		}
	}
	var out []ledger.Entry
	for _, e := range slices.Backward(s.entries) {
		if e.Account == accountID && (before == 0 || e.Seq < before) && len(out) < q.Limit {
			out = append(out, e)
		}
	}
	return out, nil
}

// Rollups implements ledger.Store.
func (s *Store) Rollups(ctx context.Context, q ledger.RollupQuery) ([]ledger.Rollup, error) {
	if err := s.begin(ctx, "Rollups"); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	type key struct {
		hour                     int64
		account, k, model, chanl string
	}
	sums := map[key]*ledger.Rollup{}
	for _, id := range s.order {
		c := s.calls[id]
		hour := time.UnixMilli(c.AtMillis).UTC().Truncate(time.Hour)
		if len(q.AccountIDs) > 0 && !slices.Contains(q.AccountIDs, c.AccountID) ||
			!q.From.IsZero() && hour.Before(q.From) || !q.To.IsZero() && !hour.Before(q.To) {
			continue
		}
		k := key{hour.Unix(), c.AccountID, c.KeyID, c.Model, c.ChannelID}
		r := sums[k]
		if r == nil {
			r = &ledger.Rollup{Hour: hour, AccountID: c.AccountID, KeyID: c.KeyID, Model: c.Model, ChannelID: c.ChannelID}
			sums[k] = r
		}
		r.Calls++
		if c.ErrorKind != "" {
			r.Errors++
		}
		if c.Quarantine != "" {
			r.Quarantined++
		}
		r.InTokens += c.Usage.In()
		r.CacheRead += c.Usage.CacheRead
		r.OutTokens += c.Usage.Out()
		r.Cost += c.Cost
	}
	var out []ledger.Rollup
	for _, r := range sums {
		out = append(out, *r)
	}
	slices.SortFunc(out, func(a, b ledger.Rollup) int {
		return cmp.Or(a.Hour.Compare(b.Hour), strings.Compare(a.AccountID, b.AccountID),
			strings.Compare(a.KeyID, b.KeyID), strings.Compare(a.Model, b.Model), strings.Compare(a.ChannelID, b.ChannelID))
	})
	return out, nil
}

// Applied returns the ids of all calls in the order in which they were applied.
func (s *Store) Applied() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.order)
}
