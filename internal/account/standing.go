package account

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"

	"tollgate/internal/catalog"
	"tollgate/internal/limit"
	"tollgate/internal/wildcard"
)

// Standing is what holds for the calls of a key: what is laid down for the key, its account and all above,
// put together so that a call finds it in one place. It is made for the first call after a change and, but
// for Memo, never changed. It is shared, and so is what it refers to.
type Standing struct {
	Account  *Account
	Memo     atomic.Value // for what whoever admits calls works out from the standing
	Unbilled bool

	// What every call looks at comes first and stands together.
	root    bool
	changes uint64           // of the Directory, when it was made
	ips     [][]netip.Prefix // lists of the key and the accounts, of those that have one
	paths   [][]string       // the same
	models  [][]string       // the same
	said    line             // as Line, but that accounts which say nothing of models are silent
	limited []limited        // of the accounts with limits on models

	Limits []limit.Rule // of the key and of the accounts that have any; each with a Found

	// Where what stands above is, as long as it is little.
	ipsRoom     [1][]netip.Prefix
	pathsRoom   [1][]string
	saidRoom    [4]*Account
	limitedRoom [1]limited
	limitRoom   [2]limit.Rule
	foundRoom   [2]limit.Found

	Line     []*Account // the account and those above it, up to root
	Above    []string   // ids of those above it but root, the nearest first; nil if there are none
	Rates    catalog.Multiplier
	lineRoom [4]*Account
}

// seat is an account in a Directory, with what is worked out when it is put there.
type seat struct {
	Account
	models []modelLimits // the most telling first
}

// limited are the limits on models of one account of a standing.
type limited struct {
	models []modelLimits
	own    bool // of the first one
}

// modelLimits are limits of an account on the models that fit a pattern.
type modelLimits struct {
	pattern string
	rule    limit.Rule
	found   limit.Found
}

func newSeat(a Account) *seat {
	s := &seat{Account: a}
	if len(a.ModelLimits) == 0 {
		return s
	}
	patterns := slices.SortedFunc(maps.Keys(a.ModelLimits), func(a, b string) int {
		return cmp.Or(cmp.Compare(telling(b), telling(a)), strings.Compare(a, b))
	})
	s.models = make([]modelLimits, len(patterns))
	for i, p := range patterns {
		m := &s.models[i]
		m.pattern, m.rule = p, limit.Rule{Subject: ModelSubject(a.ID, p), Limits: a.ModelLimits[p], Found: &m.found}
	}
	return s
}

// ModelSubject is what the limiter calls the limits of an account on the models that fit a pattern. No id
// and no pattern has a space.
func ModelSubject(accountID, pattern string) string { return accountID + " " + pattern }

// silent stands for accounts that say nothing of models. It is never changed.
var silent = &Account{}

// isSilent reports whether nothing that the account itself says matters for which models its calls are
// sent to, by which pools, and at which price.
func (a *Account) isSilent() bool {
	return a.ID != RootID && a.Level == 0 && len(a.Mapping) == 0 && len(a.Pools) == 0 && len(a.AllowLevels) == 0 && len(a.Levels) == 0 && len(a.Prices) == 0
}

// StandingOf returns what holds for a caller: as it was when the caller was authenticated, where that is
// how it came about.
func (d *Directory) StandingOf(c Caller) *Standing {
	if c.standing != nil {
		return c.standing
	}
	return d.newStanding(d.lineOf(c.Account), c.Key)
}

// newStanding makes the standing of a key, nil for none, of the first account of a line.
func (d *Directory) newStanding(l line, k *Key) *Standing {
	s := &Standing{}
	s.set(d, l, k)
	return s
}

// set makes the zero standing that of a key, nil for none, of the first account of a line.
func (s *Standing) set(d *Directory, l line, k *Key) {
	s.Account, s.Above, s.Rates, s.Unbilled, s.root = l[0], aboveOn(l), RatesOn(l), UnbilledOn(l), l[0].ID == RootID
	s.Line, s.said, s.Limits, s.limited = append(s.lineRoom[:0], l...), s.saidRoom[:0], s.limitRoom[:0], s.limitedRoom[:0]
	s.ips, s.paths = s.ipsRoom[:0], s.pathsRoom[:0]
	bound := func(subject string, limits Limits, models, paths []string, ips []netip.Prefix) {
		if limits != (Limits{}) {
			rule := limit.Rule{Subject: subject, Limits: limits}
			if n := len(s.Limits); n < len(s.foundRoom) {
				rule.Found = &s.foundRoom[n]
			} else {
				rule.Found = new(limit.Found)
			}
			s.Limits = append(s.Limits, rule)
		}
		if len(models) > 0 {
			s.models = append(s.models, models)
		}
		if len(paths) > 0 {
			s.paths = append(s.paths, paths)
		}
		if len(ips) > 0 {
			s.ips = append(s.ips, ips)
		}
	}
	if k != nil {
		bound(k.ID, k.Limits, k.Models, k.Paths, k.IPs)
	}
	for _, a := range l {
		bound(a.ID, a.Limits, a.Models, a.Paths, a.IPs)
		if a.isSilent() {
			s.said = append(s.said, silent)
		} else {
			s.said = append(s.said, a)
		}
		if len(a.ModelLimits) > 0 {
			s.limited = append(s.limited, limited{models: d.seatOf(a).models, own: a == s.Account})
		}
	}
}

// seatOf returns the seat of an account, a new one if the Directory has another account by now.
func (d *Directory) seatOf(a *Account) *seat {
	if s := d.seat(a.ID); s != nil && &s.Account == a {
		return s
	}
	return newSeat(*a)
}

// mayCall reports whether the key and all accounts of the line allow a model.
func (s *Standing) mayCall(model string) bool { return allAllow(s.models, model) }

func allAllow(lists [][]string, name string) bool {
	for _, list := range lists {
		if !Allows(list, name) {
			return false
		}
	}
	return true
}

// AppendModelLimits appends what the accounts of the line have for a model by any of its names: each the rule
// of its most telling pattern that fits. own says whether the first account of the line has one.
func (s *Standing) AppendModelLimits(rules []limit.Rule, names ...string) (_ []limit.Rule, own bool) {
	for _, at := range s.limited {
		for i := range at.models {
			if m := &at.models[i]; slices.ContainsFunc(names, func(name string) bool { return wildcard.Match(m.pattern, name) }) {
				rules, own = append(rules, m.rule), own || at.own
				break
			}
		}
	}
	return rules, own
}

// PriceFor returns what the accounts of the line have of their own to say on the price of a model by any of its
// names: the first that has something; nil if nobody has.
func (s *Standing) PriceFor(names ...string) *catalog.Override { return PriceOn(s.said, names...) }
