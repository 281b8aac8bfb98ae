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

// LineOf returns the account of a caller and those above it, up to root: as they were when the caller was
// authenticated, where that is how it came about. The result is shared: do not change it.
func (d *Directory) LineOf(c Caller) []*Account {
	if c.standing != nil {
		return c.standing.Line
	}
	return d.lineOf(c.Account)
}

func (d *Directory) lineOf(a *Account) line { return slices.Collect(d.Line(a)) }

// line is an account and those above it, up to root. What holds for the first is decided on it.
type line []*Account

// MayCall reports whether a caller may call a model: its key, its account and every account above
// allow it.
func (d *Directory) MayCall(c Caller, model string) bool { return d.StandingOf(c).mayCall(model) }

// MayReach reports whether a caller may call an API path, as MayCall.
func (d *Directory) MayReach(c Caller, path string) bool {
	return allAllow(d.StandingOf(c).paths, path)
}

// Welcome reports whether a caller may come from an address: each list of its key, its account and the
// accounts above holds it, or is empty. The zero address is in no list.
func (d *Directory) Welcome(c Caller, from netip.Addr) bool {
	for _, list := range d.StandingOf(c).ips {
		if !within(list, from) {
			return false
		}
	}
	return true
}

func within(list []netip.Prefix, from netip.Addr) bool {
	return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(from) })
}

// Map returns the model to send instead of model by the rules of an account or, where none fits, by
// those of the next account above that has one; ok is false if nobody has.
func (d *Directory) Map(a *Account, model string) (mapped string, ok bool) {
	return d.lineOf(a).mapped(model)
}

func (l line) mapped(model string) (string, bool) {
	for _, a := range l {
		if len(a.Mapping) > 0 {
			if to := a.Mapping.Map(model); to != model {
				return to, true
			}
		}
	}
	return model, false
}

// LevelOf returns the level of an account: its own, or that of the next account above that has one.
func (d *Directory) LevelOf(a *Account) int { return d.lineOf(a).level() }

func (l line) level() int {
	for _, a := range l {
		if a.Level > 0 {
			return a.Level
		}
	}
	return 0
}

// PoolsOf returns the pools that serve an account where no rule chooses one: the first that is said on
// the line, of Pools and, on the same account after them, Level. The result is shared: do not change it.
func (d *Directory) PoolsOf(a *Account) []string { return d.lineOf(a).pools() }

func (l line) pools() []string {
	for _, a := range l {
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
	return d.lineOf(a).mayUsePool(name, byRule, nil)
}

// mayUsePool is MayUsePool, also for a pool that a rule of giver, on the line, names, if that is not nil:
// then giver and those below it that have no lists do not stand against it.
func (l line) mayUsePool(name string, byRule bool, giver *Account) bool {
	level, isLevel := pool.LevelOf(name)
	given := giver != nil
	other, said := false, true // of the accounts since the last list: one says another level; the topmost says one
	for i, up := range l {
		switch {
		case up.ID == RootID:
			return byRule || !other && (said || isLevel && level == up.Level)
		case given && len(up.Pools) == 0 && len(up.AllowLevels) == 0:
		case len(up.Pools) == 0 && len(up.AllowLevels) == 0:
			said = up.Level > 0
			other = other || said && (!isLevel || level != up.Level)
		case slices.Contains(up.Pools, name), isLevel && slices.Contains(up.AllowLevels, level), len(up.Pools) == 0 && isLevel && level == l[i:].level():
			other, said = false, true
		default:
			return false
		}
		given = given && up != giver
	}
	return false
}

// Rules are what the operator lays down for all accounts. They are immutable.
type Rules struct {
	Models mapping.Models // models sent instead of those asked for, where no account on the line says so
	Levels mapping.Levels // levels that serve models, where no account on the line says so
	Steps  mapping.Steps  // levels that take over
	Paths  []string       // API paths that may be called, as Account.Paths
}

// Serve says how a caller's call of a model goes: which model is sent and which pools serve it, in
// order. It is false when the caller may not call the model; without pools, it may use none of those
// that serve it. Calls and lists of models ask the same. The result is shared: do not change it.
func (d *Directory) Serve(c Caller, asked string, rules *Rules) (sent string, pools []string, ok bool) {
	s := d.StandingOf(c)
	if !s.mayCall(asked) {
		return asked, nil, false
	}
	sent, mapped := s.said.mapped(asked)
	if !mapped {
		sent = rules.Models.Map(asked)
	}
	if sent != asked && !s.mayCall(sent) {
		return sent, nil, false
	}
	return sent, s.said.serving(sent, rules), true
}

// Pools returns the pools that serve a model to an account, in order, with those that take over. A rule
// that names a level which the account may not use does not hold for it. The result is shared: do not
// change it.
func (d *Directory) Pools(a *Account, model string, rules *Rules) []string {
	return d.lineOf(a).serving(model, rules)
}

func (l line) serving(model string, rules *Rules) []string {
	start, byRule := l.pools(), false
	level, giver := l.levelFor(model)
	if giver != nil && l.mayUsePool(levelPools[level], false, giver) {
		start = levelPools[level : level+1]
	} else if level, ok := rules.Levels.Level(model); ok && l.mayUsePool(levelPools[level], true, nil) {
		start, byRule, giver = levelPools[level:level+1], true, nil
	} else {
		giver = nil
	}
	all := pool.SwitchOver(start, rules.Steps)
	may := func(name string) bool { return l.mayUsePool(name, byRule || !slices.Contains(start, name), giver) }
	for _, name := range all {
		if !may(name) {
			return slices.DeleteFunc(slices.Clone(all), func(name string) bool { return !may(name) })
		}
	}
	return all
}

// Reach returns the pools that any model may be served from to an account, and perhaps some that none
// is: who lists models asks Serve of each that it finds there.
func (d *Directory) Reach(a *Account, rules *Rules) []string {
	l := d.lineOf(a)
	all := slices.Clone(l.pools())
	for _, r := range rules.Levels {
		all = append(all, pool.Level(r.Level))
	}
	for _, up := range l {
		for _, r := range up.Levels {
			all = append(all, pool.Level(r.Level))
		}
	}
	return pool.SwitchOver(all, rules.Steps)
}

// levelFor returns the level that the first account on the line with a rule for the model names, and
// that account; nil if there is none.
func (l line) levelFor(model string) (int, *Account) {
	for _, a := range l {
		if len(a.Levels) > 0 {
			if level, ok := a.Levels.Level(model); ok && level >= 0 && level < len(levelPools) {
				return level, a
			}
		}
	}
	return 0, nil
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
	l := d.lineOf(a)
	e := Effective{Enabled: true, Rates: RatesOn(l), Level: l.level(), Unbilled: UnbilledOn(l), Zone: d.ZoneOn(l)}
	for _, up := range l {
		e.Enabled = e.Enabled && up.Enabled
		e.Limits = e.Limits.And(up.Limits)
		if e.ChildLimit == 0 {
			e.ChildLimit = up.ChildLimit
		}
	}
	return e
}

// RatesOf returns what calls of an account cost over list prices: the highest that is said on the line,
// at least 1.
func (d *Directory) RatesOf(a *Account) catalog.Multiplier { return RatesOn(d.lineOf(a)) }

// RatesOn is RatesOf for the first account of a line.
func RatesOn(l []*Account) catalog.Multiplier {
	m := catalog.One
	for _, up := range l {
		m = max(m, up.Rates)
	}
	return m
}

// UnbilledOn reports whether calls of the first account of a line are metered and cost nothing.
func UnbilledOn(l []*Account) bool {
	return slices.ContainsFunc(l, func(up *Account) bool { return up.Unbilled })
}

// ZoneOf returns the time zone of an account: its own, or that of the next account above that has one.
func (d *Directory) ZoneOf(a *Account) *time.Location { return d.ZoneOn(d.lineOf(a)) }

// ZoneOn is ZoneOf for the first account of a line.
func (d *Directory) ZoneOn(l []*Account) *time.Location {
	for _, up := range l {
		if up.TimeZone != "" {
			if z := d.zones.load(up.TimeZone); z != nil {
				return z
			}
		}
	}
	return time.UTC
}

// SoftLimitOf is the monthly spend at which the owner of an account is told: what is laid down for it,
// or 80 % of its hard limit; 0 if it has neither.
func (a *Account) SoftLimitOf() catalog.Nanos {
	if a.SoftLimit > 0 {
		return a.SoftLimit
	}
	return a.HardLimit * 4 / 5 // of at most maxMoney
}

// telling says how much a pattern says: of two that fit a name, the one that says more holds.
func telling(pattern string) int {
	n := 2 * wildcard.Literals(pattern)
	if !wildcard.Is(pattern) {
		n++
	}
	return n
}

// PriceOn returns what the first account of a line has of its own to say on the price of a model by any
// of its names, or the next account above that has something; nil if nobody has.
func PriceOn(l []*Account, names ...string) *catalog.Override {
	for _, up := range l {
		if len(up.Prices) > 0 {
			if o := overrideFor(up.Prices, names); o != nil {
				return o
			}
		}
	}
	return nil
}

// overrideFor returns the override that fits and says most, but for those that are off.
func overrideFor(list []catalog.Override, names []string) *catalog.Override {
	var best *catalog.Override
	most := -1
	for i := range list {
		o := &list[i]
		n := telling(o.Model)
		if !o.Off && n > most && slices.ContainsFunc(names, func(name string) bool { return wildcard.Match(o.Model, name) }) {
			best, most = o, n
		}
	}
	return best
}

// RatioOn returns by what the catalogue's limits for one account on a model are multiplied for the first
// account of a line.
func RatioOn(l []*Account) catalog.Multiplier {
	for _, up := range l {
		if up.LimitRatio > 0 {
			return up.LimitRatio
		}
	}
	return catalog.One
}

// aboveOn returns the ids of the accounts of a line above the first one but root, the nearest first; nil
// if there are none.
func aboveOn(l []*Account) []string {
	if len(l) <= 2 {
		return nil
	}
	ids := make([]string, 0, len(l)-2)
	for _, up := range l[1:] {
		if up.ID != RootID {
			ids = append(ids, up.ID)
		}
	}
	return ids
}
