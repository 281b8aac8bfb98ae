package limit

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// clock is a clock that stands until it is moved.
type clock struct{ t time.Time }

func newClock() *clock { return &clock{time.Date(2026, 1, 2, 3, 4, 5, 678_901_234, time.UTC)} }

func (c *clock) now() time.Time       { return c.t }
func (c *clock) pass(d time.Duration) { c.t = c.t.Add(d) }

func one(l Limits) []Rule { return []Rule{{Subject: "s", Limits: l}} }

// done admits a call that takes no time.
func done(l *Limiter, now time.Time, rules []Rule, tokens int64) *Refusal {
	g, refused := l.Admit(now, rules, tokens)
	if refused != nil {
		return refused
	}
	g.Settle(tokens)
	g.Release()
	return nil
}

type admission struct {
	at     time.Time
	tokens int64
}

// arrivals draws a pattern of calls: bursts, steady traffic, noise and silence, around the scale of a window.
func arrivals(t *rapid.T, scale time.Duration) []admission {
	var out []admission
	at := newClock().t
	for range rapid.IntRange(1, 8).Draw(t, "phases") {
		n := rapid.IntRange(1, 60).Draw(t, "calls")
		gap := time.Duration(0)
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 1: // steady
			gap = time.Duration(rapid.Int64Range(1, int64(scale)/10).Draw(t, "gap"))
		case 2: // exactly on the edges of buckets
			gap = scale / buckets
		case 3: // exactly a window
			gap = scale
			n = min(n, 4)
		}
		noisy := rapid.Bool().Draw(t, "noisy")
		for range n {
			out = append(out, admission{at, rapid.Int64Range(0, 50).Draw(t, "tokens")})
			step := gap
			if noisy {
				step = time.Duration(rapid.Int64Range(0, int64(2*gap)).Draw(t, "step"))
			}
			at = at.Add(step)
		}
		at = at.Add(time.Duration(rapid.Int64Range(0, int64(2*scale)).Draw(t, "silence")))
	}
	return out
}

var windowLengths = [windowKinds]time.Duration{time.Minute, time.Hour, 24 * time.Hour, time.Minute, time.Hour, 24 * time.Hour}

func drawLimits(t *rapid.T) Limits {
	draw := func(name string, most int64) int64 {
		if rapid.Bool().Draw(t, "with "+name) {
			return rapid.Int64Range(1, most).Draw(t, name)
		}
		return 0
	}
	return Limits{
		RPM: draw("rpm", 40), RPH: draw("rph", 80), RPD: draw("rpd", 120),
		TPM: draw("tpm", 1000), TPH: draw("tph", 2000), TPD: draw("tpd", 4000),
	}
}

// checkWindows fails if any window whatsoever holds more than its limit.
func checkWindows(t *rapid.T, l Limits, admitted []admission) {
	for k := range windowKinds {
		limit := windowLimit(&l, k)
		if limit <= 0 {
			continue
		}
		sum, first := int64(0), 0
		for _, a := range admitted {
			sum += need(k, a.tokens)
			for a.at.Sub(admitted[first].at) > windowLengths[k] { // both ends belong to a window
				sum -= need(k, admitted[first].tokens)
				first++
			}
			if sum > limit {
				t.Fatalf("%s: %d in the window that ends at %v, limit %d", windowNames[k], sum, a.at, limit)
			}
		}
	}
}

func TestNoWindowHoldsMoreThanItsLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limits := drawLimits(t)
		scale := rapid.SampledFrom(windowLengths[:3]).Draw(t, "scale")
		l := New(newClock().now)
		var admitted []admission
		late := rapid.Int64Range(0, int64(scale)/20).Draw(t, "late")
		for _, a := range arrivals(t, scale) {
			// Some callers looked at the clock a while ago; the latest time seen counts.
			back := time.Duration(rapid.Int64Range(0, late).Draw(t, "back"))
			if done(l, a.at, one(Limits{}), 0) != nil {
				t.Fatal("refused without a limit")
			}
			if done(l, a.at.Add(-back), one(limits), a.tokens) == nil {
				admitted = append(admitted, a)
			}
		}
		checkWindows(t, limits, admitted)
	})
}

// What calls really took, where it is less than estimated, keeps the limits too, while calls overlap.
func TestSettledTokensKeepTheLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limits := drawLimits(t)
		c := newClock()
		l := New(c.now)
		var admitted []admission
		type open struct {
			g *Grant
			i int
		}
		var calls []open
		for _, a := range arrivals(t, time.Minute) {
			c.t = a.at
			if g, refused := l.Admit(a.at, one(limits), a.tokens); refused == nil {
				calls = append(calls, open{g, len(admitted)})
				admitted = append(admitted, a)
			}
			for len(calls) > 0 && rapid.Bool().Draw(t, "settle") {
				k := rapid.IntRange(0, len(calls)-1).Draw(t, "which")
				took := rapid.Int64Range(0, admitted[calls[k].i].tokens).Draw(t, "took")
				calls[k].g.Settle(took)
				calls[k].g.Release()
				admitted[calls[k].i].tokens = took
				calls = append(calls[:k], calls[k+1:]...)
			}
		}
		checkWindows(t, limits, admitted)
	})
}

// What a call takes within its guess keeps the limits that are above it, however small others are.
func TestGuessedTokensKeepTheLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		own, above := Limits{TPM: rapid.Int64Range(1, 400).Draw(t, "own")}, Limits{TPM: rapid.Int64Range(600, 1000).Draw(t, "tpm"), TPH: rapid.Int64Range(600, 2000).Draw(t, "tph")}
		rules := []Rule{{Subject: "own", Limits: own}, {Subject: "above", Limits: above}}
		c := newClock()
		l := New(c.now)
		var all []admission
		var calls []*Grant
		var which []int
		for _, a := range arrivals(t, time.Minute) {
			c.t = a.at
			sure := min(a.tokens, 200)
			guess := rapid.Int64Range(0, 400).Draw(t, "guess")
			asked := rules[rapid.IntRange(0, 1).Draw(t, "from"):]
			if g, refused := l.AdmitGuess(a.at, asked, sure, guess); refused == nil {
				calls, which = append(calls, g), append(which, len(all))
				all = append(all, admission{a.at, sure + guess})
			}
			for len(calls) > 0 && rapid.Bool().Draw(t, "settle") {
				took := rapid.Int64Range(0, all[which[0]].tokens).Draw(t, "took")
				calls[0].Settle(took)
				calls[0].Release()
				all[which[0]].tokens = took
				calls, which = calls[1:], which[1:]
			}
		}
		checkWindows(t, above, all)
	})
}

// Refused and withdrawn calls leave no trace: without them the others fare the same.
func TestRefusedCallsTakeNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules := []Rule{{Subject: "a", Limits: drawLimits(t)}, {Subject: "b", Limits: drawLimits(t)}}
		all, some := New(newClock().now), New(newClock().now)
		for _, a := range arrivals(t, time.Minute) {
			g, refused := all.Admit(a.at, rules, a.tokens)
			if refused != nil {
				continue
			}
			if rapid.IntRange(0, 3).Draw(t, "withdraw") == 0 {
				g.Release() // not settled
				continue
			}
			other, refused := some.Admit(a.at, rules, a.tokens)
			if refused != nil {
				t.Fatalf("refused only where nothing was refused before: %v", refused)
			}
			if diff := cmp.Diff(other.State(), g.State()); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}

// After RetryAfter the call passes, and just before it does not.
func TestRetryAfterIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules := []Rule{{Subject: "a", Limits: drawLimits(t)}, {Subject: "b", Limits: drawLimits(t)}}
		pattern := arrivals(t, time.Minute)
		replay := func() (*Limiter, *Refusal, admission) {
			l := New(newClock().now)
			for _, a := range pattern {
				if refused := done(l, a.at, rules, a.tokens); refused != nil {
					return l, refused, a
				}
			}
			return nil, nil, admission{}
		}
		l, refused, a := replay()
		if refused == nil {
			t.Skip("nothing refused")
		}
		if refused.TooLarge {
			if refused.RetryAfter != 0 || a.tokens <= refused.Limit {
				t.Fatalf("%+v for %d tokens", refused, a.tokens)
			}
			return
		}
		if early := done(l, a.at.Add(refused.RetryAfter-1), rules, a.tokens); early == nil || early.RetryAfter != 1 {
			t.Fatalf("a nanosecond before %v: %v", refused.RetryAfter, early)
		}
		if late := done(l, a.at.Add(refused.RetryAfter), rules, a.tokens); late != nil {
			t.Fatalf("after %v: %v", refused.RetryAfter, late)
		}
	})
}

// steady offers rate times the limit for some windows and returns what share of the limit is admitted.
func steady(limits Limits, k int, perWindow float64, tokens int64, windows int) float64 {
	c := newClock()
	l := New(c.now)
	gap := time.Duration(float64(windowLengths[k]) / perWindow)
	admitted := 0
	for at := time.Duration(0); at < time.Duration(windows)*windowLengths[k]; at += gap {
		if done(l, c.t.Add(at), one(limits), tokens) == nil {
			admitted++
		}
	}
	return float64(admitted) / float64(windows)
}

func TestSteadyTrafficIsNotStarved(t *testing.T) {
	for k, limits := range []Limits{{RPM: 60}, {RPH: 60}, {RPD: 60}, {TPM: 6000}, {TPH: 6000}, {TPD: 6000}} {
		for _, offered := range []float64{60.1, 61, 63, 66, 70, 80, 120, 600} {
			if got := steady(limits, k, offered, 100, 50); got < 57 || got > 60*51/50 {
				t.Errorf("%s: offered %v, admitted %.1f of 60 a window", windowNames[k], offered, got)
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.Int64Range(60, 500).Draw(t, "limit")
		offered := float64(limit) * rapid.Float64Range(1, 3).Draw(t, "factor")
		if got := steady(Limits{RPM: limit}, 0, offered, 0, 30); got < 0.95*float64(limit) {
			t.Fatalf("offered %.1f, admitted %.1f of %d a window", offered, got, limit)
		}
	})
}

// From 19 on steady traffic gets 95 %, whatever its rate.
func TestSmallLimitsAreReached(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := rapid.IntRange(0, windowKinds-1).Draw(t, "window")
		limit := rapid.Int64Range(19, 64).Draw(t, "limit")
		tokens := rapid.Int64Range(1, 1000).Draw(t, "tokens")
		limits := []Limits{{RPM: limit}, {RPH: limit}, {RPD: limit}, {TPM: limit * tokens}, {TPH: limit * tokens}, {TPD: limit * tokens}}[k]
		offered := float64(limit) * rapid.Float64Range(1, 3).Draw(t, "factor")
		if got := steady(limits, k, offered, tokens, 60); got < 0.95*float64(limit) {
			t.Fatalf("offered %.2f, admitted %.2f of %d a window", offered, got, limit)
		}
	})
}

// A small limit admits of steady traffic what it may: of the requests that lie within any one window,
// as many as the limit.
func TestSmallLimitsAdmitAllTheyMay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.Int64Range(1, share).Draw(t, "limit")
		gap := time.Duration(float64(time.Minute) / (float64(limit) * rapid.Float64Range(0.8, 3).Draw(t, "factor")))
		within := int64(time.Minute/gap) + 1 // requests in a window with both its ends
		n := rapid.Int64Range(1, 10*within).Draw(t, "requests")
		want := n/within*min(limit, within) + min(limit, n%within)
		c := newClock()
		l := New(c.now)
		got := int64(0)
		for range n {
			if done(l, c.t, one(Limits{RPM: limit}), 0) == nil {
				got++
			}
			c.pass(gap)
		}
		if got != want {
			t.Fatalf("limit %d, one each %v: %d of %d admitted, want %d", limit, gap, got, n, want)
		}
	})
}

// Whoever comes back when it is told gets all of the limit.
func TestWaitingAsToldLosesNothing(t *testing.T) {
	for _, limit := range []int64{1, 2, 5, 30, 64} {
		c := newClock()
		l := New(c.now)
		end := c.t.Add(100 * time.Minute)
		admitted := int64(0)
		for c.t.Before(end) {
			refused := done(l, c.t, one(Limits{RPM: limit}), 0)
			if refused == nil {
				admitted++
				c.pass(time.Millisecond)
				continue
			}
			c.pass(refused.RetryAfter)
		}
		if admitted < 99*limit || admitted > 101*limit {
			t.Errorf("limit %d: %d in 100 minutes", limit, admitted)
		}
	}
}

// The three runs in which a limiter that counts refused requests starves its callers to nothing.
func TestLimitIsReachedEveryMinute(t *testing.T) {
	for _, c := range []struct{ limit, offered int64 }{{30, 40}, {60, 120}, {60, 66}} {
		ck := newClock()
		l := New(ck.now)
		var perMinute []int64
		for range 20 {
			n := int64(0)
			for range c.offered {
				if done(l, ck.t, one(Limits{RPM: c.limit}), 0) == nil {
					n++
				}
				ck.pass(time.Minute / time.Duration(c.offered))
			}
			perMinute = append(perMinute, n)
		}
		sum := int64(0)
		for i, n := range perMinute {
			if n > c.limit || n < c.limit*3/4 {
				t.Errorf("limit %d, offered %d: %d in minute %d", c.limit, c.offered, n, i)
			}
			sum += n
		}
		if sum*100 < c.limit*95*20 {
			t.Errorf("limit %d, offered %d: %v", c.limit, c.offered, perMinute)
		}
	}
}

func TestBurstMayTakeTheWholeLimit(t *testing.T) {
	c := newClock()
	l := New(c.now)
	for i := range 100 {
		if refused := done(l, c.t, one(Limits{RPM: 100}), 0); refused != nil {
			t.Fatalf("call %d: %v", i, refused)
		}
	}
	refused := done(l, c.t, one(Limits{RPM: 100}), 0)
	if refused == nil || refused.RetryAfter <= time.Minute || refused.RetryAfter > time.Minute+time.Second {
		t.Fatalf("got %+v", refused)
	}
	if want := "the limit of 100 requests per minute is reached; try again in 1m1s"; refused.Error() != want {
		t.Errorf("got %q, want %q", refused, want)
	}
}

func TestAllOrNothing(t *testing.T) {
	c := newClock()
	l := New(c.now)
	wide, narrow := Limits{RPM: 10, TPM: 1000, Concurrent: 10}, Limits{RPD: 2, Concurrent: 1}
	rules := []Rule{{Subject: "key", Limits: wide}, {Subject: "account", Limits: narrow}}
	g, refused := l.Admit(c.t, rules, 100)
	if refused != nil {
		t.Fatal(refused)
	}
	want := State{
		Requests: Gauge{"account", "rpd", 2, 1, 24*time.Hour + 1},
		Tokens:   Gauge{"key", "tpm", 1000, 900, time.Minute + 1},
	}
	if diff := cmp.Diff(want, g.State()); diff != "" {
		t.Error(diff)
	}
	_, refused = l.Admit(c.t, rules, 100)
	if refused == nil || refused.Subject != "account" || refused.What != "concurrent" || refused.RetryAfter != callWait {
		t.Fatalf("got %+v", refused)
	}
	if diff := cmp.Diff(want, refused.State); diff != "" { // nothing was taken
		t.Error(diff)
	}
	g.Settle(100)
	g.Release()
	if refused := done(l, c.t, rules, 100); refused != nil {
		t.Fatal(refused)
	}
	refused = done(l, c.t, rules, 100)
	if refused == nil || refused.What != "rpd" || refused.RetryAfter <= 24*time.Hour {
		t.Errorf("got %+v", refused)
	}
	refused = done(l, c.t, rules, 1001)
	if refused == nil || !refused.TooLarge || refused.What != "tpm" || refused.Subject != "key" || refused.RetryAfter != 0 {
		t.Errorf("got %+v", refused)
	}
	if refused := done(l, c.t, rules[:1], 100); refused != nil { // the others go on
		t.Error(refused)
	}
}

func TestSettle(t *testing.T) {
	c := newClock()
	l := New(c.now)
	rules := one(Limits{TPM: 1000})
	left := func() int64 {
		t.Helper()
		g, refused := l.Admit(c.t, rules, 0)
		if refused != nil {
			return refused.State.Tokens.Remaining
		}
		defer g.Release()
		return g.State().Tokens.Remaining
	}
	admit := func(tokens int64) *Grant {
		t.Helper()
		g, refused := l.Admit(c.t, rules, tokens)
		if refused != nil {
			t.Fatal(refused)
		}
		return g
	}
	check := func(what string, want int64) {
		t.Helper()
		if got := left(); got != want {
			t.Errorf("%s: %d left, want %d", what, got, want)
		}
	}

	a, b := admit(400), admit(500)
	check("reserved", 100)
	c.pass(30 * time.Second)
	a.Settle(150)
	check("less than estimated", 350)
	a.Settle(0)
	a.Release()
	a.Release()
	a.Settle(0)
	check("settled again", 350)
	b.Settle(700)
	b.Release()
	check("more than estimated", 150)
	c.pass(32 * time.Second)
	check("what was reserved has passed", 800)
	c.pass(30 * time.Second)
	check("all has passed", 1000)

	// A call that outlives its reservation counts when its size is known, even over the limit.
	d := admit(10)
	c.pass(5 * time.Minute)
	check("its reservation has passed", 1000)
	d.Settle(5000)
	d.Release()
	check("over the limit", 0)
	if refused := done(l, c.t, rules, 0); refused == nil || refused.RetryAfter <= 59*time.Second {
		t.Errorf("got %+v", refused)
	}
	c.pass(62 * time.Second)
	check("passed", 1000)

	// Too little left over to give back: the reservation has passed.
	e := admit(300)
	c.pass(2 * time.Minute)
	admit(200)
	e.Settle(0)
	check("late refund", 800)
}

// A guess that is larger than a limit takes all of it, and no more of larger limits than it would.
func TestGuess(t *testing.T) {
	c := newClock()
	l := New(c.now)
	rules := []Rule{{Subject: "key", Limits: Limits{TPM: 1000, TPD: 5000}}, {Subject: "team", Limits: Limits{TPM: 100_000}}, {Subject: "key", Limits: Limits{TPM: 900}}}
	left := func(subject int) int64 { return l.Use(c.t, rules[subject]).Windows[0].Remaining }
	g, refused := l.AdmitGuess(c.t, rules, 50, 4096)
	if refused != nil {
		t.Fatal(refused)
	}
	if key, team := left(2), left(1); key != 0 || team != 100_000-4146 {
		t.Errorf("reserved: %d of the key left, %d of the team", key, team)
	}
	if _, refused := l.AdmitGuess(c.t, rules, 50, 4096); refused == nil || refused.TooLarge || refused.What != "tpm" || refused.Need != 900 || refused.RetryAfter <= 0 {
		t.Errorf("one more at once: %+v", refused)
	}
	g.Settle(80)
	g.Release()
	if key, day, team := left(2), l.Use(c.t, rules[0]).Windows[1].Remaining, left(1); key != 820 || day != 4920 || team != 99_920 {
		t.Errorf("settled: %d of the key left, %d of its day, %d of the team", key, day, team)
	}
	if refused := done(l, c.t, rules, 820); refused != nil {
		t.Errorf("a call that is sure of what it takes: %v", refused)
	}
	_, refused = l.AdmitGuess(c.t, rules, 50, 4096)
	if refused == nil {
		t.Fatal("admitted beside others")
	}
	c.pass(refused.RetryAfter)
	if g, refused = l.AdmitGuess(c.t, rules, 50, 4096); refused != nil {
		t.Fatalf("it came back as told: %v", refused)
	}
	g.Settle(4000)
	g.Release()
	c.pass(2 * time.Second) // what was small beside the limit counts a little longer
	if key, team := left(2), left(1); key != 0 || team != 96_000 {
		t.Errorf("more than the limit: %d of the key left, %d of the team", key, team)
	}
	c.pass(24*time.Hour + time.Hour)
	for sure, large := range map[int64]bool{899: false, 900: true, 901: true} {
		g, refused := l.AdmitGuess(c.t, rules, sure, 1)
		if large != (refused != nil && refused.TooLarge) {
			t.Errorf("%d tokens and something beyond: %+v", sure, refused)
		}
		if g != nil {
			g.Release()
		}
	}
	if g, refused := l.AdmitGuess(c.t, rules, 50, 849); refused != nil {
		t.Errorf("a guess that fits: %v", refused)
	} else if g.Release(); left(2) != 900 {
		t.Errorf("%d left after a call that did not take place", left(2))
	}
}

func TestUse(t *testing.T) {
	c := newClock()
	l := New(c.now)
	rule := Rule{Subject: "s", Limits: Limits{RPM: 5, TPH: 100, Concurrent: 2}}
	g, refused := l.Admit(c.t, []Rule{rule}, 30)
	if refused != nil {
		t.Fatal(refused)
	}
	want := Use{Windows: []Gauge{{"s", "rpm", 5, 4, time.Minute + 1}, {"s", "tph", 100, 70, time.Hour + 1}}, Running: 1}
	for range 2 { // asking counts nothing
		if diff := cmp.Diff(want, l.Use(c.t, rule)); diff != "" {
			t.Error(diff)
		}
	}
	g.Settle(30)
	g.Release()
	c.pass(2 * time.Hour)
	if got := l.Use(c.t, rule); got.Running != 0 || got.Windows[0].Remaining != 5 || got.Windows[1].Remaining != 100 {
		t.Errorf("%+v", got)
	}
	if got := l.Use(c.t, Rule{Subject: "other", Limits: Limits{RPD: 7}}); len(got.Windows) != 1 || got.Windows[0].Remaining != 7 || l.find("other") != nil {
		t.Errorf("%+v", got)
	}
}

func TestConcurrent(t *testing.T) {
	c := newClock()
	l := New(c.now)
	rules := one(Limits{Concurrent: 3})
	var grants []*Grant
	for range 3 {
		g, refused := l.Admit(c.t, rules, 0)
		if refused != nil {
			t.Fatal(refused)
		}
		grants = append(grants, g)
	}
	c.pass(48 * time.Hour) // calls in flight are never forgotten
	for range shardCount {
		l.Admit(c.t, nil, 0)
		c.pass(time.Second)
	}
	for range 2 {
		if _, refused := l.Admit(c.t, rules, 0); refused == nil || refused.What != "concurrent" {
			t.Fatalf("got %+v", refused)
		}
		grants[0].Settle(1)
		grants[0].Release()
		grants[0].Release() // frees one slot, not two
		g, refused := l.Admit(c.t, rules, 0)
		if refused != nil {
			t.Fatal(refused)
		}
		grants = append(grants[1:], g)
	}
}

func TestSameSubjectTwiceCountsOnce(t *testing.T) {
	c := newClock()
	l := New(c.now)
	rules := []Rule{{Subject: "s", Limits: Limits{RPM: 5, Concurrent: 2}}, {Subject: "s", Limits: Limits{RPM: 3, TPM: 10, Concurrent: 2}}}
	for i := range 4 {
		if refused := done(l, c.t, rules, 1); (refused == nil) != (i < 3) {
			t.Fatalf("call %d: %v", i, refused)
		}
	}
}

func TestManyRules(t *testing.T) {
	c := newClock()
	l := New(c.now)
	var rules []Rule
	for i := range 3 * usualRules {
		rules = append(rules, Rule{Subject: fmt.Sprint(i), Limits: Limits{RPM: int64(100 - i)}})
	}
	for i := range 100 {
		refused := done(l, c.t, rules, 1)
		if i < 77 && refused != nil || i >= 77 && (refused == nil || refused.Subject != "23") {
			t.Fatalf("call %d: %+v", i, refused)
		}
	}
}

func TestNoRules(t *testing.T) {
	l := New(nil)
	if refused := done(l, time.Now(), nil, 5); refused != nil {
		t.Error(refused)
	}
	if refused := done(l, time.Now(), one(Limits{}), -5); refused != nil {
		t.Error(refused)
	}
}

func (l *Limiter) size() (n int) {
	for i := range l.shards {
		n += len(l.shards[i].subjects)
	}
	return n
}

func TestIdleSubjectsAreForgotten(t *testing.T) {
	c := newClock()
	l := New(c.now)
	for i := range 20_000 {
		if refused := done(l, c.t, []Rule{{Subject: fmt.Sprint(i), Limits: Limits{RPM: 10, RPH: 100}}}, 1); refused != nil {
			t.Fatal(refused)
		}
	}
	traffic := func(d time.Duration) {
		for end := c.t.Add(d); c.t.Before(end); c.pass(100 * time.Millisecond) {
			done(l, c.t, []Rule{{Subject: "busy", Limits: Limits{RPM: 1_000_000}}}, 1)
		}
	}
	traffic(30 * time.Minute)
	if n := l.size(); n != 20_001 {
		t.Errorf("%d subjects after half an hour: their hour has not passed", n)
	}
	traffic(34 * time.Minute)
	if n := l.size(); n != 1 {
		t.Errorf("%d subjects in the end", n)
	}
	for i := range l.shards {
		if p := l.shards[i].peak; p > 32 {
			t.Errorf("shard %d keeps room for %d", i, p)
		}
	}
}

func TestWindowIsBounded(t *testing.T) {
	c := newClock()
	l := New(c.now)
	for range 10_000 {
		done(l, c.t, one(Limits{RPM: 1e9, TPD: 1e12}), 10)
		c.pass(333 * time.Millisecond)
	}
	for k := range windowKinds {
		w := l.find("s").window(k)
		if w.len > buckets+1 || len(w.ring) > 64 {
			t.Errorf("a window keeps %d of %d entries", w.len, len(w.ring))
		}
	}

	// Large and small calls, estimates that are far too low, and a limit that changes all the time.
	rapid.Check(t, func(t *rapid.T) {
		l := New(c.now)
		for range 2000 {
			limit := int64(1) << rapid.IntRange(0, 20).Draw(t, "limit")
			g, refused := l.Admit(c.t, one(Limits{TPM: limit}), rapid.Int64Range(0, limit/8+1).Draw(t, "tokens"))
			if refused == nil {
				g.Settle(rapid.Int64Range(0, 2*limit).Draw(t, "took"))
				g.Release()
			}
			c.pass(time.Duration(rapid.Int64Range(0, int64(time.Second)/10).Draw(t, "gap")))
			sum := int64(0)
			w := l.find("s").window(3)
			for i := range w.len {
				sum += w.entry(i).count
				if i > 0 && w.entry(i).stamp <= w.entry(i-1).stamp {
					t.Fatal("out of order")
				}
			}
			if sum != w.total || w.len > maxEntries || len(w.ring) > 256 {
				t.Fatalf("%d entries in room for %d, %d in all, %d by entries", w.len, len(w.ring), w.total, sum)
			}
		}
	})
	t.Run("full", func(t *testing.T) {
		w := &window{}
		for i := range int64(1000) {
			w.add(i, 1)
		}
		if w.len != maxEntries || w.total != 1000 || w.last() != 999 {
			t.Errorf("%d entries, %d in all, the last %d", w.len, w.total, w.last())
		}
		if !w.expire(1000) || w.total != 0 {
			t.Errorf("%d left", w.total)
		}
	})
}

func (l *Limiter) find(name string) *subject {
	for i := range l.shards {
		if s, ok := l.shards[i].subjects[name]; ok {
			return s
		}
	}
	return nil
}

// TestFound: who has the Limiter note its subjects gets the same answers as who names them each time, also
// when subjects were forgotten meanwhile.
func TestFound(t *testing.T) {
	forgotten := 0
	rapid.Check(t, func(t *rapid.T) {
		c := newClock()
		named, noted := New(c.now), New(c.now)
		var found [3]Found
		type running struct{ a, b *Grant }
		var all []running
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			var plain, quick []Rule
			for i := range rapid.IntRange(1, 4).Draw(t, "rules") {
				n := rapid.IntRange(0, 2).Draw(t, "subject")
				r := Rule{Subject: fmt.Sprint("s", n), Limits: Limits{RPM: rapid.Int64Range(0, 3).Draw(t, "rpm"), TPH: rapid.Int64Range(0, 30).Draw(t, "tph"), Concurrent: rapid.Int64Range(0, 2).Draw(t, "calls")}}
				plain = append(plain, r)
				if i < 3 {
					r.Found = &found[n]
				}
				quick = append(quick, r)
			}
			tokens := rapid.Int64Range(0, 10).Draw(t, "tokens")
			a, no := named.Admit(c.t, plain, tokens)
			b, neither := noted.Admit(c.t, quick, tokens)
			if diff := cmp.Diff(no, neither); diff != "" {
				t.Fatal(diff)
			}
			if a != nil {
				if diff := cmp.Diff(a.State(), b.State()); diff != "" {
					t.Fatal(diff)
				}
				all = append(all, running{a, b})
			}
			for len(all) > 0 && rapid.Bool().Draw(t, "end") {
				took := rapid.Int64Range(0, 12).Draw(t, "took")
				if rapid.Bool().Draw(t, "settle") {
					all[0].a.Settle(took)
					all[0].b.Settle(took)
				}
				all[0].a.Release()
				all[0].b.Release()
				all = all[1:]
			}
			if rapid.IntRange(0, 4).Draw(t, "idle") == 0 { // both sweep all of their shards
				c.pass(time.Duration(rapid.IntRange(1, 130).Draw(t, "minutes")) * time.Minute)
				for range shardCount {
					done(named, c.t, nil, 0)
					done(noted, c.t, nil, 0)
				}
				if named.size() != noted.size() {
					t.Fatalf("%d subjects, %d by name", noted.size(), named.size())
				}
			}
			for i := range found {
				if s := found[i].load(); s != nil && s.gone {
					forgotten++
				}
			}
		}
	})
	if forgotten == 0 {
		t.Error("no subject was forgotten that had been noted")
	}
}

// Concurrent callers share a limit exactly.
func TestParallel(t *testing.T) {
	l := New(nil)
	now := time.Now()
	rules := func(i int) []Rule {
		key := Rule{Subject: fmt.Sprint("key", i), Limits: Limits{RPM: 1 << 40, TPD: 1 << 50}}
		acc := Rule{Subject: "account", Limits: Limits{RPD: 1000, TPD: 1 << 40, Concurrent: 5}}
		if i%2 == 0 {
			return []Rule{key, acc}
		}
		return []Rule{acc, key}
	}
	var mu sync.Mutex
	admitted, flying := 0, 0
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 2000 {
				g, refused := l.Admit(now, rules(i), 10)
				if refused != nil {
					continue
				}
				mu.Lock()
				admitted++
				flying++
				if flying > 5 {
					t.Errorf("%d calls at once", flying)
				}
				mu.Unlock()
				g.Settle(5)
				mu.Lock()
				flying--
				mu.Unlock()
				g.Release()
			}
		})
	}
	wg.Wait()
	g, refused := l.Admit(now, []Rule{{Subject: "account", Limits: Limits{TPD: 1 << 40}}}, 0)
	if refused != nil {
		t.Fatal(refused)
	}
	if used := 1<<40 - g.State().Tokens.Remaining; admitted > 1000 || used != int64(5*admitted) {
		t.Errorf("%d admitted, %d tokens", admitted, used)
	}
}
