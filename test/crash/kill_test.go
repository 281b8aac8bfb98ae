package crash

import (
	"testing"
	"time"

	"tollgate/internal/store/storetest"
)

// engines runs a test on both databases; dsn is "" for SQLite.
func engines(t *testing.T, test func(t *testing.T, dsn string)) {
	t.Run("sqlite", func(t *testing.T) { test(t, "") })
	t.Run("postgres", func(t *testing.T) { test(t, storetest.Postgres(t)) })
}

// A gateway that is killed again and again under load loses no call that a client got, and charges
// none twice.
func TestKilled(t *testing.T) {
	rounds := number(t, "CRASH_ROUNDS", 15)
	engines(t, func(t *testing.T, dsn string) {
		rnd := random(t)
		r := newRig(t, dsn)
		for round := range rounds {
			if round > 0 && rnd.IntN(8) == 0 { // and sometimes before it is ready
				r.launch()
				time.Sleep(between(rnd, 0, 60*time.Millisecond))
				r.gate.kill()
			}
			r.start()
			before := r.got.answered()
			r.loaded(rnd, 8, func() {
				time.Sleep(between(rnd, 50*time.Millisecond, 400*time.Millisecond))
				for deadline := time.Now().Add(patience); r.got.answered() == before && time.Now().Before(deadline); {
					time.Sleep(5 * time.Millisecond) // a busy machine: a round without any answer shows nothing
				}
				r.gate.kill()
			})
		}
		r.start()
		r.stop()
		b := r.audit(0)
		t.Logf("%d rounds: %d answers to their last byte, %d broken off, refused %v; %v", rounds, r.got.answered(), r.got.partial, r.got.refused, b)
		if r.got.refusals() > 0 || r.got.answered() < rounds || r.got.partial == 0 {
			t.Errorf("%d rounds: %d answers, %d broken off, refused %v", rounds, r.got.answered(), r.got.partial, r.got.refused)
		}
	})
}

// A first start that is killed half-way, while it makes database, keys and accounts, leaves nothing
// that the next one can't finish: the accounts have their credit, once.
func TestKilledFirstStarts(t *testing.T) {
	engines(t, func(t *testing.T, dsn string) {
		rnd := random(t)
		for n := range 8 {
			if n > 0 && dsn != "" {
				dsn = storetest.Postgres(t)
			}
			r := newRig(t, dsn)
			for range 3 {
				r.launch()
				time.Sleep(between(rnd, 10*time.Millisecond, 150*time.Millisecond))
				r.gate.kill()
			}
			r.start()
			r.loaded(rnd, 2, func() { waitUntil(t, "calls", func() bool { return r.got.answered() > 10 || r.got.refusals() > 0 }) })
			r.stop()
			b := r.audit(0)
			if t.Failed() || r.got.refusals() > 0 {
				t.Fatalf("start %d: %v, refused %v", n, b, r.got.refused)
			}
			r.sim.kill()
		}
	})
}
