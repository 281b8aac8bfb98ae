package pool_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"tollgate/internal/mapping"
	"tollgate/internal/pool"
)

func TestLevels(t *testing.T) {
	for n := range mapping.MaxLevel + 1 {
		if got, ok := pool.LevelOf(pool.Level(n)); !ok || got != n {
			t.Errorf("the pool of level %d is that of level %d, %v", n, got, ok)
		}
	}
	if pool.Level(0) != pool.DefaultPool {
		t.Errorf("level 0 is %s", pool.Level(0))
	}
	for _, name := range []string{"", "level-", "level-0", "level-11", "level-01", "level-x", "eu", "level--1", "Level-1"} {
		if n, ok := pool.LevelOf(name); ok {
			t.Errorf("%q is level %d", name, n)
		}
	}
}

func TestSwitchOver(t *testing.T) {
	steps, err := mapping.ParseSteps("0=1,1=2,2=1,3=0")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ pools, want []string }{
		{nil, []string{"default", "level-1", "level-2"}},
		{[]string{"default"}, []string{"default", "level-1", "level-2"}},
		{[]string{"level-2"}, []string{"level-2", "level-1"}},
		{[]string{"eu", "level-3"}, []string{"eu", "level-3", "default", "level-1", "level-2"}},
		{[]string{"level-2", "level-1"}, []string{"level-2", "level-1"}},
		{[]string{"level-9"}, []string{"level-9"}},
	} {
		if diff := cmp.Diff(c.want, pool.SwitchOver(c.pools, steps)); diff != "" {
			t.Errorf("%v: %s", c.pools, diff)
		}
	}
	if got := pool.SwitchOver(nil, nil); got != nil {
		t.Errorf("without steps: %v", got)
	}
}
