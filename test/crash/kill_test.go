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
				for deadline := time.Now().Add(20 * time.Second); r.got.answered() == before && time.Now().Before(deadline); {
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
