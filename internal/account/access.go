package account

import (
	"iter"
	"net/netip"
	"slices"
	"time"

	"tollgate/internal/catalog"
	"tollgate/internal/mapping"
	"tollgate/internal/pool"
	"tollgate/internal/wildcard"
)

// Allows reports whether a list of patterns allows a name: no patterns allow all; "-x" excludes what
// fits x; a list of exclusions alone allows the rest.
func Allows(patterns []string, name string) bool {
	allowed, positive := false, false
	for _, p := range patterns {
		if len(p) > 0 && p[0] == '-' {
			if wildcard.Match(p[1:], name) {
				return false
			}
			continue
		}
		positive = true
		allowed = allowed || wildcard.Match(p, name)
	}
	return allowed || !positive
}

// Line calls yield for an account and those above it, up to root.
func (d *Directory) Line(a *Account) iter.Seq[*Account] {
	return func(yield func(*Account) bool) {
		for n := 0; a != nil && n <= maxDepth; n++ {
			if !yield(a) || a.ParentID == "" {
				return
			}
			a = d.Account(a.ParentID)
		}
	}
}

// MayCall reports whether a caller may call a model: its key, its account and every account above
// allow it.
func (d *Directory) MayCall(c Caller, model string) bool {
	for a := range d.Line(c.Account) {
		if !Allows(a.Models, model) {
			return false
		}
	}
	return Allows(c.Key.Models, model)
}

// MayReach reports whether a caller may call an API path, as MayCall.
func (d *Directory) MayReach(c Caller, path string) bool {
	for a := range d.Line(c.Account) {
		if !Allows(a.Paths, path) {
			return false
		}
	}
	return Allows(c.Key.Paths, path)
}

// Welcome reports whether a caller may come from an address: each list of its key, its account and the
// accounts above holds it, or is empty. The zero address is in no list.
func (d *Directory) Welcome(c Caller, from netip.Addr) bool {
	for a := range d.Line(c.Account) {
		if !within(a.IPs, from) {
			return false
		}
	}
	return within(c.Key.IPs, from)
}

func within(list []netip.Prefix, from netip.Addr) bool {
	return len(list) == 0 || slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(from) })
}

// Map returns the model to send instead of model by the rules of an account or, where none fits, by
// those of the next account above that has one; ok is false if nobody has.
func (d *Directory) Map(a *Account, model string) (mapped string, ok bool) {
	for a := range d.Line(a) {
		if len(a.Mapping) > 0 {
			if to := a.Mapping.Map(model); to != model {
				return to, true
			}
		}
	}
	return model, false
}

// LevelOf returns the level of an account: its own, or that of the next account above that has one.
func (d *Directory) LevelOf(a *Account) int {
	for a := range d.Line(a) {
		if a.Level > 0 {
			return a.Level
		}
	}
	return 0
}

// PoolsOf returns the pools that serve an account where no rule chooses one: the first that is said on
// the line, of Pools and, on the same account after them, Level. The result is shared: do not change it.
func (d *Directory) PoolsOf(a *Account) []string {
	for a := range d.Line(a) {
		if len(a.Pools) > 0 {
			return a.Pools
		}
		if a.Level > 0 && a.Level < len(levelPools) {
			return levelPools[a.Level : a.Level+1]
		}
	}
	return levelPools[:1]
}

// levelPools are the pools of the levels. It is never changed.
var levelPools = func() (all [mapping.MaxLevel + 1]string) {
	for i := range all {
		all[i] = pool.Level(i)
	}
	return all
}()

// MayUsePool reports whether an account may use a pool. Root may use all. Of the others, each on the
// line that has Pools or AllowLevels must have it there; where nobody from some account up has any, that
// account may use the pool of its level alone, and what byRule, a rule of the operator, chooses.
func (d *Directory) MayUsePool(a *Account, name string, byRule bool) bool {
	level, isLevel := pool.LevelOf(name)
	other, said := false, true // of the accounts since the last list: one says another level; the topmost says one
	for up := range d.Line(a) {
		switch {
		case up.ID == RootID:
			return byRule || !other && (said || isLevel && level == up.Level)
		case len(up.Pools) == 0 && len(up.AllowLevels) == 0:
			said = up.Level > 0
			other = other || said && !(isLevel && level == up.Level)
		case slices.Contains(up.Pools, name), isLevel && slices.Contains(up.AllowLevels, level), len(up.Pools) == 0 && isLevel && level == d.LevelOf(up):
			other, said = false, true
		default:
			return false
		}
	}
	return false
}

// Effective is what holds for an account, after those above it have been asked.
type Effective struct {
	Enabled    bool
	Limits     Limits // the lowest on the line; who shares them is another matter
	ChildLimit int64
	Rates      catalog.Multiplier // at least 1
	Level      int
	Unbilled   bool
	Zone       *time.Location
}

// Effective returns what holds for a.
func (d *Directory) Effective(a *Account) Effective {
	e := Effective{Enabled: true, Rates: d.RatesOf(a), Level: d.LevelOf(a), Unbilled: d.Unbilled(a), Zone: d.ZoneOf(a)}
	for up := range d.Line(a) {
		e.Enabled = e.Enabled && up.Enabled
		e.Limits = e.Limits.and(up.Limits)
		if e.ChildLimit == 0 {
			e.ChildLimit = up.ChildLimit
		}
	}
	return e
}

// and returns the lower of each two limits.
func (l Limits) and(o Limits) Limits {
	low := func(a, b int64) int64 {
		if a == 0 || b > 0 && b < a {
			return b
		}
		return a
	}
	return Limits{
		RPM: low(l.RPM, o.RPM), RPH: low(l.RPH, o.RPH), RPD: low(l.RPD, o.RPD),
		TPM: low(l.TPM, o.TPM), TPH: low(l.TPH, o.TPH), TPD: low(l.TPD, o.TPD), Concurrent: low(l.Concurrent, o.Concurrent),
	}
}

// RatesOf returns what calls of an account cost over list prices: the highest that is said on the line,
// at least 1.
func (d *Directory) RatesOf(a *Account) catalog.Multiplier {
	m := catalog.One
	for up := range d.Line(a) {
		m = max(m, up.Rates)
	}
	return m
}

// Unbilled reports whether calls of an account are metered and cost nothing.
func (d *Directory) Unbilled(a *Account) bool {
	for up := range d.Line(a) {
		if up.Unbilled {
			return true
		}
	}
	return false
}

// ZoneOf returns the time zone of an account: its own, or that of the next account above that has one.
func (d *Directory) ZoneOf(a *Account) *time.Location {
	for up := range d.Line(a) {
		if up.TimeZone != "" {
			if z := d.zones.load(up.TimeZone); z != nil {
				return z
			}
		}
	}
	return time.UTC
}

// SoftLimitOf is the monthly spend at which the owner of an account is told: what is laid down for it,
// or 80 % of its hard limit.
func (a *Account) SoftLimitOf(granted catalog.Nanos) catalog.Nanos {
	if a.SoftLimit > 0 {
		return a.SoftLimit
	}
	return a.HardLimitOf(granted) / 5 * 4
}

// HardLimitOf is the hard limit to show for an account that was granted so much: what is laid down for
// it, or granted rounded up to a hundred dollars. The latter is no bound of its own: an account cannot
// spend more than it was granted.
func (a *Account) HardLimitOf(granted catalog.Nanos) catalog.Nanos {
	const hundred = 100 * 1e9
	if a.HardLimit > 0 {
		return a.HardLimit
	}
	return (max(granted, 0) + hundred - 1) / hundred * hundred
}
