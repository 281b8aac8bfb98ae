package pool

import (
	"iter"
	"maps"
	"slices"

	"tollgate/internal/wildcard"
)

// Serves reports whether any enabled channel of these pools has the model, whatever its health and
// dialect.
func (p *Pool) Serves(pools []string, model string) bool {
	for e := range p.members(pools) {
		if e.serves(model) {
			return true
		}
	}
	return false
}

// Named returns the models that channels of these pools name themselves, without wildcards.
func (p *Pool) Named(pools []string) []string {
	set := map[string]bool{}
	add := func(names iter.Seq[string]) {
		for name := range names {
			if !wildcard.Is(name) {
				set[name] = true
			}
		}
	}
	for e := range p.members(pools) {
		add(slices.Values(e.channel.Models))
		add(maps.Keys(e.channel.Mapping))
	}
	return slices.Sorted(maps.Keys(set))
}

// OnlyFree reports whether the model is served, and by channels of providers without a price alone.
func (p *Pool) OnlyFree(pools []string, model string) bool {
	free := false
	for e := range p.members(pools) {
		if e.serves(model) {
			if !e.provider.Free {
				return false
			}
			free = true
		}
	}
	return free
}

// members returns the enabled channels of these pools, each once; no pools are DefaultPool.
func (p *Pool) members(pools []string) iter.Seq[entry] {
	if len(pools) == 0 {
		pools = []string{DefaultPool}
	}
	return func(yield func(entry) bool) {
		for _, e := range p.snap.Load().entries {
			if e.channel.Enabled && slices.ContainsFunc(pools, e.channel.in) && !yield(e) {
				return
			}
		}
	}
}
