package relay

import (
	"sync"
	"testing"
)

func TestShare(t *testing.T) {
	m := newMemory(1 << 20)
	a, b := share{of: m}, share{of: m}
	if !a.grow(minCounted-1) || a.held != 0 {
		t.Errorf("a small body counts %d", a.held)
	}
	for _, size := range []int64{minCounted, 600 << 10, 500 << 10} {
		if !a.grow(size) {
			t.Errorf("no memory for %d bytes", size)
		}
	}
	if a.held != 600<<10 || b.grow(600<<10) || b.held != 0 || !b.grow(424<<10) || b.grow(425<<10) {
		t.Errorf("held %d and %d", a.held, b.held)
	}
	m.last <- struct{}{}
	b.last = true
	if !b.grow(1<<30) || b.held != 424<<10 {
		t.Errorf("the last one held %d", b.held)
	}
	a.free()
	a.free()
	b.free()
	if left := m.left.Load(); left != 1<<20 || len(m.last) != 0 {
		t.Errorf("%d are left, %d hold the last place", left, len(m.last))
	}
}

func TestShareIsNeverOverdrawn(t *testing.T) {
	m := newMemory(10 * minCounted)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 2000 {
				s := share{of: m}
				for n := int64(minCounted); s.grow(n); n += minCounted {
					if m.left.Load() < 0 {
						t.Error("overdrawn")
					}
				}
				s.free()
			}
		})
	}
	wg.Wait()
	if left := m.left.Load(); left != 10*minCounted {
		t.Errorf("%d are left", left)
	}
}
