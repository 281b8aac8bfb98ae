// Package ledgertest owns a ledger.Store in memory for tests: faithful in what it keeps, and made to
// fail on demand. The engines that a gateway runs on are in store.
package ledgertest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"tollgate/internal/catalog"
	"tollgate/internal/ledger"
)

// Store is a ledger.Store in memory. The zero value is empty and ready.
type Store struct {
	// Before, if set, is asked before each operation, by the name of its method; an error fails the
	// operation without effect. After is asked when the effect of Apply or Grant stands: its error is
	// an answer that got lost. They may be called from many goroutines and must not be changed while
	// the store is in use.
	Before, After func(op string) error

	mu        sync.Mutex
	positions map[string]ledger.Position
	purses    map[string]*purse
	calls     map[string]ledger.Call
	order     []string // ids of calls as applied
	entries   []ledger.Entry
	counters  []ledger.Counter
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
		s.spend(c)
		ledger.CountAll(s.counters, []ledger.Call{c})
	}
	s.positions[node] = pos
	return s.end("Apply")
}

func (s *Store) spend(c ledger.Call) {
	if c.Charged() == 0 {
		return
	}
	at := time.UnixMilli(c.AtMillis)
	p := s.purse(c.AccountID)
	moves, uncovered := ledger.Spend(p.cards, at, c.Cost)
	for _, m := range moves {
		i := slices.IndexFunc(p.cards, func(k ledger.Card) bool { return k.ID == m.CardID })
		p.cards[i].Balance -= m.Amount
		s.enter(ledger.Entry{
			At: at, Kind: ledger.EntrySpend, Account: c.AccountID, Counter: ledger.SideRevenue,
			Amount: -m.Amount, CardID: m.CardID, CallID: c.ID,
		})
	}
	p.debt += uncovered
	p.spent += c.Cost
	if uncovered > 0 {
		s.enter(ledger.Entry{
			At: at, Kind: ledger.EntryDebt, Account: c.AccountID, Counter: ledger.SideRevenue,
			Amount: -uncovered, CallID: c.ID,
		})
	}
}

func (s *Store) enter(e ledger.Entry) {
	e.ID = fmt.Sprintf("%012d", len(s.entries))
	s.entries = append(s.entries, e)
}

// JournalPosition implements ledger.Store.
func (s *Store) JournalPosition(ctx context.Context, node string) (ledger.Position, error) {
	if err := s.begin(ctx, "JournalPosition"); err != nil {
		return ledger.Position{}, err
	}
	defer s.mu.Unlock()
	return s.positions[node], nil
}

// Grant implements ledger.Store.
func (s *Store) Grant(ctx context.Context, card ledger.Card, note string) (ledger.Card, error) {
	if err := s.begin(ctx, "Grant"); err != nil {
		return ledger.Card{}, err
	}
	defer s.mu.Unlock()
	p := s.purse(card.AccountID)
	if slices.ContainsFunc(p.cards, func(k ledger.Card) bool { return k.ID == card.ID }) {
		return ledger.Card{}, fmt.Errorf("card %s is there already", card.ID)
	}
	repaid := min(p.debt, card.Amount)
	p.debt -= repaid
	card.Balance = card.Amount - repaid
	p.cards = append(p.cards, card)
	s.enter(ledger.Entry{
		At: card.GrantedAt, Kind: ledger.EntryGrant, Account: card.AccountID, Counter: ledger.SideOperator,
		Amount: card.Amount, CardID: card.ID, Note: note,
	})
	if repaid > 0 {
		s.enter(ledger.Entry{
			At: card.GrantedAt, Kind: ledger.EntryRepay, Account: card.AccountID, Counter: ledger.SideRevenue,
			Amount: -repaid, CardID: card.ID,
		})
	}
	return card, s.end("Grant")
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
	p := s.purses[id]
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
	var out []ledger.Entry
	for _, e := range slices.Backward(s.entries) {
		if e.Account == accountID && (q.Before == "" || e.ID < q.Before) && len(out) < q.Limit {
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
