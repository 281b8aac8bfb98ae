package pool

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tollgate/internal/canon"
	"tollgate/internal/provider"
	"tollgate/internal/wildcard"
)

// Pool hands out channels. Its configuration is an immutable snapshot; health lives beside it.
type Pool struct {
	providers map[string]provider.Provider
	store     Store
	log       *slog.Logger
	now       func() time.Time

	snap atomic.Pointer[snapshot]

	reloading sync.Mutex // taken before mu

	mu     sync.Mutex // writers of the snapshot, and what follows
	fixed  []Channel  // from the environment and the configuration file
	health map[string]*health
	owners owners
	dirty  map[string]retirement // health changes that the store does not know yet
	dirtyC chan struct{}
}

type retirement struct {
	retired bool
	reason  string
	at      time.Time
}

// snapshot is one state of the configuration.
type snapshot struct {
	entries []entry
	mu      sync.RWMutex
	routes  map[Want]*route
}

type entry struct {
	channel  Channel
	provider provider.Provider
	health   *health
}

// maxRoutes bounds the cache of a snapshot; model names come from clients.
const maxRoutes = 4096

// New returns a pool over the channels of the store and the fixed ones of the configuration.
func New(ctx context.Context, store Store, providers []provider.Provider, fixed []Channel, log *slog.Logger, now func() time.Time) (*Pool, error) {
	p := &Pool{
		providers: map[string]provider.Provider{}, store: store, log: log, now: now, fixed: fixed,
		health: map[string]*health{}, dirty: map[string]retirement{}, dirtyC: make(chan struct{}, 1),
	}
	for _, v := range providers {
		p.providers[v.Name] = v
	}
	p.owners.limit = maxOwners
	return p, p.Reload(ctx)
}

// Reload reads the channels of the store again. What it finds serves the very next call.
func (p *Pool) Reload(ctx context.Context) error {
	p.reloading.Lock() // one at a time, so that an older answer never replaces a newer one
	defer p.reloading.Unlock()
	stored, err := p.store.Channels(ctx)
	if err != nil {
		return err
	}
	p.mu.Lock() // not while the store is asked: calls report through it
	defer p.mu.Unlock()
	s := &snapshot{routes: map[Want]*route{}}
	seen := map[string]bool{}
	for _, c := range slices.Concat(p.fixed, stored) {
		v, ok := p.providers[c.Provider]
		if !ok {
			p.log.LogAttrs(ctx, slog.LevelError, "channel names a provider that is not known", slog.String("channel", c.ID), slog.String("provider", c.Provider))
			continue
		}
		h := p.health[c.ID]
		if h == nil {
			h = &health{}
			if c.Retired {
				h.retire(c.Reason, p.now())
				h.retiredAt = c.RetiredAt
			}
			p.health[c.ID] = h
		}
		seen[c.ID] = true
		s.entries = append(s.entries, entry{channel: c, provider: v, health: h})
	}
	maps.DeleteFunc(p.health, func(id string, _ *health) bool { return !seen[id] })
	p.snap.Store(s)
	return nil
}

// Forget drops what experience says of a channel, after its credential changed.
func (p *Pool) Forget(id string) {
	p.mu.Lock()
	delete(p.health, id)
	delete(p.dirty, id)
	p.mu.Unlock()
}

// Status is how a channel stands.
type Status struct {
	Channel   Channel
	Retired   bool
	Reason    string
	RetiredAt time.Time
	NextCheck time.Time
}

// List returns every channel and how it stands, in order of creation.
func (p *Pool) List() []Status {
	s := p.snap.Load()
	out := make([]Status, 0, len(s.entries))
	for _, e := range s.entries {
		out = append(out, e.status())
	}
	return out
}

func (e entry) status() Status {
	e.health.mu.Lock()
	defer e.health.mu.Unlock()
	st := Status{Channel: e.channel, Retired: e.health.retired, Reason: e.health.reason, RetiredAt: e.health.retiredAt}
	if st.Retired {
		st.NextCheck = e.health.nextCheck
	}
	return st
}

// Route starts a walk over the channels that can answer w. When there are none at all the error says
// whether the model, the dialect or the pool is at fault.
func (p *Pool) Route(w Want) (*Walk, *canon.Error) {
	s := p.snap.Load()
	s.mu.RLock()
	r := s.routes[w]
	s.mu.RUnlock()
	if r == nil {
		var err *canon.Error
		if r, err = s.build(w); err != nil {
			return nil, err
		}
		s.mu.Lock()
		if len(s.routes) >= maxRoutes {
			clear(s.routes)
		}
		if have := s.routes[w]; have != nil {
			r = have
		} else {
			s.routes[w] = r
		}
		s.mu.Unlock()
	}
	return &Walk{p: p, route: r, model: w.Model}, nil
}

// build finds the candidates of w.
func (s *snapshot) build(w Want) (*route, *canon.Error) {
	pools := strings.Fields(w.Pools)
	if len(pools) == 0 {
		pools = []string{DefaultPool}
	}
	r := &route{}
	hasModel, hasEnabled := false, false
	for i, name := range pools {
		for _, e := range s.entries {
			c := e.channel
			if w.Only != "" && c.ID != w.Only || w.Only == "" && (!c.in(name) || !c.Enabled) {
				continue
			}
			if w.Only != "" && i > 0 {
				continue
			}
			hasEnabled = true
			if w.Only == "" && !e.serves(w.Model) || w.Only != "" && !e.continues(pools, w.Model) {
				continue
			}
			hasModel = true
			if slices.ContainsFunc(r.all, func(have *Candidate) bool { return have.Channel.ID == c.ID }) {
				continue // it is in an earlier pool already
			}
			r.all = append(r.all, e.candidates(w)...)
		}
		r.addTiers()
	}
	switch {
	case len(r.all) > 0:
		return r, nil
	case w.Only != "" && hasEnabled && !hasModel:
		return nil, &canon.Error{
			Kind: canon.KindNotFound, Param: "model", Code: "model_not_found",
			Message: "the model `" + shown(w.Model) + "` is not served by the channel that keeps the object, or the account may not use that channel any more",
		}
	case w.Only != "":
		return nil, canon.Errorf(canon.KindNotFound, "the channel that keeps this object is gone")
	case !hasEnabled:
		return nil, canon.Errorf(canon.KindOverloaded, "no channel is configured for this account: the operator must add an upstream key")
	case !hasModel:
		return nil, &canon.Error{
			Kind: canon.KindNotFound, Param: "model", Code: "model_not_found",
			Message: "the model `" + shown(w.Model) + "` does not exist here, or no channel serves it",
		}
	}
	return nil, &canon.Error{
		Kind: canon.KindNotFound, Param: "model", Cause: ErrNotSpoken,
		Message: "the model `" + shown(w.Model) + "` is not served at this endpoint: its channels have nothing that can answer it",
	}
}

// ErrNotSpoken is the cause when channels have the model but none can answer the operation.
var ErrNotSpoken = errors.New("no channel of the model can answer this operation")

// continues reports whether the channel may go on with an object that it keeps. Reading or deleting the
// object is always possible; a new answer, which names a model, is for channels that would have got the
// call without the object too.
func (e entry) continues(pools []string, model string) bool {
	return model == "" || e.channel.Enabled && slices.ContainsFunc(pools, e.channel.in) && e.serves(model)
}

// compareTiers puts the higher priority first, and among equals who needs no translation.
func compareTiers(a, b *Candidate) int {
	rank := func(c *Candidate) int {
		if c.Native {
			return 0
		}
		return 1
	}
	return cmp.Or(cmp.Compare(b.Channel.Priority, a.Channel.Priority), cmp.Compare(rank(a), rank(b)))
}

// addTiers sorts the candidates that are in no tier yet by priority and appends their tiers.
func (r *route) addTiers() {
	n := 0
	for _, t := range r.tiers {
		n += len(t.cands)
	}
	fresh := slices.Clone(r.all[n:])
	slices.SortStableFunc(fresh, compareTiers)
	for i, c := range fresh {
		if i == 0 || compareTiers(c, fresh[i-1]) != 0 {
			r.tiers = append(r.tiers, &tier{})
		}
		t := r.tiers[len(r.tiers)-1]
		t.cands = append(t.cands, c)
	}
}

func (c Channel) in(pool string) bool {
	if len(c.Pools) == 0 {
		return pool == DefaultPool
	}
	return slices.Contains(c.Pools, pool)
}

// serves reports whether the channel has the model: by its own list, else by what its provider serves.
func (e entry) serves(model string) bool {
	if _, ok := e.channel.Mapping[model]; ok {
		return true
	}
	patterns := e.channel.Models
	if len(patterns) == 0 {
		patterns = e.provider.Serves
	}
	if len(patterns) == 0 {
		return true
	}
	return wildcard.Any(patterns, model)
}

// candidates returns how the channel can answer w, best first: in the client's own dialect, or else in the
// first of its dialects that the call can be translated to. Where the best may turn out not to be there
// for this model, the next one stands by.
func (e entry) candidates(w Want) []*Candidate {
	up := e.channel.upstream(w.Model)
	var native, foreign []*Candidate
	for _, s := range e.provider.Speaks {
		op, ok := standIn(w, s)
		if !ok || !s.Has(up) {
			continue
		}
		c := &Candidate{
			Channel: e.channel, Provider: e.provider, Spoken: s, Op: op, Native: s.Dialect == w.Dialect && op == w.Op, Upstream: up,
			health: e.health, model: e.health.spoken(s.Dialect, up),
		}
		if c.Native {
			native = append(native, c)
		} else {
			foreign = append(foreign, c)
		}
	}
	slices.SortStableFunc(foreign, func(a, b *Candidate) int { return cmp.Compare(tentative(a), tentative(b)) })
	all := append(native, foreign...)
	for i := 1; i < len(all); i++ {
		all[i].after = all[i-1]
	}
	return all
}

func tentative(c *Candidate) int {
	if slices.Contains(c.Spoken.Quirks, provider.QuirkTentative) {
		return 1
	}
	return 0
}

// standIn returns the operation by which s can answer w. A call is translated only where one dialect's
// answer can stand for the other's; what an upstream keeps under an id is never translated.
func standIn(w Want, s provider.Spoken) (canon.Op, bool) {
	has := func(op canon.Op) bool { _, ok := s.Paths[op]; return ok }
	switch {
	case s.Dialect == w.Dialect && has(w.Op):
		return w.Op, true
	case w.Only != "":
		return "", false
	case s.Dialect != w.Dialect && (w.Op == canon.OpGenerate || w.Op == canon.OpCountTokens):
		return w.Op, has(w.Op)
	case w.Op == canon.OpComplete:
		return canon.OpGenerate, has(canon.OpGenerate)
	case w.Op == canon.OpEmbed || w.Op == canon.OpBatchEmbed:
		if s.Dialect == canon.Gemini { // one text or many: its batch takes both
			return canon.OpBatchEmbed, has(canon.OpBatchEmbed)
		}
		return canon.OpEmbed, has(canon.OpEmbed)
	}
	return "", false
}

// upstream returns the channel's own name for the model: an exact mapping first, then the longest
// pattern that matches.
func (c Channel) upstream(model string) string {
	if to, ok := c.Mapping[model]; ok {
		return to
	}
	best, to := "", model
	for _, from := range slices.Sorted(maps.Keys(c.Mapping)) {
		if len(from) > len(best) && wildcard.Match(from, model) {
			best, to = from, c.Mapping[from]
		}
	}
	return to
}
