package pool

import (
	"strconv"
	"strings"

	"tollgate/internal/mapping"
)

// levelPrefix begins the names of pools that are levels.
const levelPrefix = "level-"

// Level returns the pool of a level of keys. Level 0 is the default pool, where the channels of an
// operator are who does not use levels.
func Level(n int) string {
	if n == 0 {
		return DefaultPool
	}
	return levelPrefix + strconv.Itoa(n)
}

// LevelOf returns the level that a pool is; ok is false for pools with names of their own.
func LevelOf(name string) (level int, ok bool) {
	if name == DefaultPool {
		return 0, true
	}
	rest, ok := strings.CutPrefix(name, levelPrefix)
	if !ok {
		return 0, false
	}
	level, err := mapping.ParseLevel(rest)
	return level, err == nil && level > 0 && Level(level) == name
}

// SwitchOver returns pools with those that take over from them, in order and each once: after a level
// that steps name comes its successor.
func SwitchOver(pools []string, steps mapping.Steps) []string {
	if len(steps) == 0 {
		return pools
	}
	if len(pools) == 0 {
		pools = []string{DefaultPool}
	}
	var out []string
	seen := map[string]bool{}
	for _, name := range pools {
		chain := []string{name}
		if level, ok := LevelOf(name); ok {
			chain = chain[:0]
			for _, n := range steps.Chain(level) {
				chain = append(chain, Level(n))
			}
		}
		for _, name := range chain {
			if !seen[name] {
				seen[name] = true
				out = append(out, name)
			}
		}
	}
	return out
}
