package pool

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tollgate/internal/canon"
)

func only(id string) Want {
	w := want
	w.Only = id
	return w
}

// rests tells until when the one model of a channel rests, and whether on the provider's word.
func (b *bench) rests(id string) (time.Duration, bool) {
	b.t.Helper()
	walk, err := b.Route(only(id))
	if err != nil {
		b.t.Fatal(err)
	}
	c := walk.route.all[0]
	st, until := c.model.look(c.Op, b.clock)
	if st == ready {
		return 0, false
	}
	return until.Sub(b.clock), st == barred
}

func TestErrorsShrinkTheShareAndItHeals(t *testing.T) {
	b := newBench(t, nil, channel("a"), channel("b"))
	if got := b.counts(100); got["a"] != 50 {
		t.Fatal(got)
	}
	for range 2 { // fewer than make it rest
		b.next(only("a")).Failed(failure(canon.KindTimeout), b.clock)
	}
	got := b.counts(100)
	if got["a"] == 0 || got["a"] >= 40 {
		t.Errorf("two failures leave a share of %v", got)
	}
	b.counts(500)
	if got := b.counts(100); got["a"] < 49 {
		t.Errorf("its share has not healed: %v", got)
	}
	for range 20 {
		b.next(only("a")).Failed(failure(canon.KindOverloaded), b.clock)
	}
	b.next(only("a")).Succeeded()
	if got := b.counts(100); got["a"] < 49 {
		t.Errorf("a busy channel lost its share: %v", got)
	}
}

func TestFailuresRestLongerEachTime(t *testing.T) {
	b := newBench(t, nil, channel("a"), channel("b", at(-1)))
	var got []time.Duration
	for range 12 {
		b.next(only("a")).Failed(failure(canon.KindUpstream), b.clock)
		d, firm := b.rests("a")
		if firm {
			t.Fatal("nobody named a time")
		}
		got = append(got, d/time.Second)
	}
	if diff := cmp.Diff([]time.Duration{0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60}, got); diff != "" {
		t.Error(diff)
	}
	b.next(only("a")).Succeeded()
	b.next(only("a")).Failed(failure(canon.KindUpstream), b.clock)
	if d, _ := b.rests("a"); d != 0 {
		t.Errorf("one failure after an answer rests it for %s", d)
	}
	for n := range 70 { // the shift must not wrap
		if d := backoff(n + 1); d < minCool || d > maxCool {
			t.Errorf("backoff(%d) = %s", n+1, d)
		}
	}
}

func TestRetryAfterBarsUntilThen(t *testing.T) {
	for _, kind := range []canon.Kind{canon.KindRateLimited, canon.KindOverloaded} {
		b := newBench(t, nil, channel("a"))
		b.next(want).Failed(&canon.Error{Kind: kind, RetryAfter: 10 * time.Second}, b.clock)
		b.clock = noon.Add(10*time.Second - 1)
		if err := b.refused(want); err.RetryAfter != time.Second || err.Kind != kind {
			t.Errorf("%+v", err)
		}
		b.clock = noon.Add(10 * time.Second)
		b.next(want).Succeeded()

		b.next(want).Failed(&canon.Error{Kind: kind, RetryAfter: 48 * time.Hour}, b.clock)
		if d, firm := b.rests("a"); d != maxProviderCool || !firm {
			t.Errorf("two days bar for %s", d)
		}
	}
}

// A limit is one of the key and the model: in whatever dialect it was met, it holds in all that the vendor speaks.
func TestALimitHoldsInEveryDialect(t *testing.T) {
	messages := want
	messages.Dialect = canon.Anthropic
	for what, meet := range map[string]func(*Lease, time.Time){
		"429": func(l *Lease, now time.Time) {
			l.Failed(&canon.Error{Kind: canon.KindRateLimited, RetryAfter: 10 * time.Second}, now)
		},
		"headers": func(l *Lease, now time.Time) { l.Succeeded(); l.Rest(10*time.Second, now) },
	} {
		b := newBench(t, nil, channel("a", of("picky")))
		b.next(messages).Succeeded()
		meet(b.next(want), b.clock)
		for _, w := range []Want{want, messages} {
			if err := b.refused(w); err.Kind != canon.KindRateLimited || err.RetryAfter != 10*time.Second {
				t.Errorf("%s, %s: %v, again in %s", what, w.Dialect, err, err.RetryAfter)
			}
		}
		b.clock = b.clock.Add(10 * time.Second)
		b.next(messages).Succeeded()
		b.next(want).Succeeded()
	}
}

// A provider that is broken and says for how long is left alone as long as another channel is there.
func TestRetryAfterOfABrokenProviderRestsIt(t *testing.T) {
	for _, kind := range []canon.Kind{canon.KindUpstream, canon.KindTimeout} {
		b := newBench(t, nil, channel("a"), channel("b", at(-1)))
		b.next(only("a")).Failed(&canon.Error{Kind: kind, RetryAfter: 10 * time.Second}, b.clock)
		if d, firm := b.rests("a"); d != 10*time.Second || firm {
			t.Errorf("%s: it rests for %s, firmly %v", kind, d, firm)
		}
		if got := b.counts(3); got["b"] != 3 {
			t.Errorf("%s: while it rests, calls go to %v", kind, got)
		}
		b.next(only("a")).Failed(&canon.Error{Kind: kind, RetryAfter: 48 * time.Hour}, b.clock)
		if d, _ := b.rests("a"); d != maxProviderCool {
			t.Errorf("%s: two days rest it for %s", kind, d)
		}
	}
}

// Calls that ran when a broken provider named a time, and fail too, make its rest no shorter.
func TestOlderFailuresDoNotShortenARest(t *testing.T) {
	b := newBench(t, nil, channel("a"))
	var old []*Lease
	for range failuresToCool + 2 {
		old = append(old, b.next(want))
	}
	old[0].Failed(&canon.Error{Kind: canon.KindUpstream, RetryAfter: 30 * time.Second}, b.clock)
	for _, l := range old[1:] {
		l.Failed(failure(canon.KindUpstream), b.clock)
	}
	if d, firm := b.rests("a"); d != 30*time.Second || firm {
		t.Errorf("it rests for %s, firmly %v", d, firm)
	}
}

// Calls that ran when the provider named a time end in their own ways; none of them lifts the bar.
func TestOlderCallsDoNotLiftABar(t *testing.T) {
	for what, end := range map[string]func(l *Lease, now time.Time){
		"an answer":  func(l *Lease, _ time.Time) { l.Succeeded() },
		"a failure":  func(l *Lease, now time.Time) { l.Failed(failure(canon.KindUpstream), now) },
		"a bare 429": func(l *Lease, now time.Time) { l.Failed(failure(canon.KindRateLimited), now) },
		"a shorter one": func(l *Lease, now time.Time) {
			l.Failed(&canon.Error{Kind: canon.KindRateLimited, RetryAfter: time.Second}, now)
		},
		"an empty rest": func(l *Lease, now time.Time) { l.Succeeded(); l.Rest(time.Second, now) },
		"a 404":         func(l *Lease, now time.Time) { l.Failed(failure(canon.KindNotFound), now) },
		"a hang-up":     func(l *Lease, now time.Time) { l.Failed(failure(canon.KindCanceled), now) },
	} {
		b := newBench(t, nil, channel("a"))
		b.next(want).Succeeded()
		var old []*Lease
		for range 5 {
			old = append(old, b.next(want))
		}
		b.next(want).Failed(&canon.Error{Kind: canon.KindRateLimited, RetryAfter: time.Minute}, b.clock)
		for _, l := range old {
			end(l, b.clock)
		}
		if err := b.refused(want); err.Kind != canon.KindRateLimited || err.RetryAfter != time.Minute {
			t.Errorf("after %s: %v, again in %s", what, err, err.RetryAfter)
		}
		b.clock = b.clock.Add(time.Minute)
		b.next(want).Succeeded()
		b.next(want).Succeeded()
		if d, _ := b.rests("a"); d != 0 {
			t.Errorf("after %s, the bar and an answer it rests for %s", what, d)
		}
	}
}

// After a rest one call goes first; while it runs, others take another channel.
func TestOneCallTestsAfterARest(t *testing.T) {
	b := newBench(t, nil, channel("a", at(1)), channel("b"))
	b.next(want).Failed(&canon.Error{Kind: canon.KindRateLimited, RetryAfter: time.Minute}, b.clock)
	b.clock = b.clock.Add(time.Minute)
	for _, end := range []func(*Lease){
		func(l *Lease) { l.Dropped() },
		func(l *Lease) { l.Failed(failure(canon.KindInvalid), b.clock) },
		func(l *Lease) { l.Succeeded() },
	} {
		trial := b.next(want)
		if trial.Channel.ID != "a" {
			t.Fatalf("the trial went to %s", trial.Channel.ID)
		}
		if got := b.counts(10); got["b"] != 10 {
			t.Errorf("while one call tests it, others go there too: %v", got)
		}
		end(trial)
	}
	if got := b.counts(10); got["a"] != 10 {
		t.Errorf("it is back: %v", got)
	}
}

// A test may be a stream of an hour. Others do not wait for its end: before long the next call is one, too.
func TestLongTestsKeepNobodyAway(t *testing.T) {
	for name, rest := range map[string]func(b *bench){
		"failures": func(b *bench) {
			for range failuresToCool {
				b.next(only("a")).Failed(failure(canon.KindUpstream), b.clock)
			}
		},
		"refusals": func(b *bench) {
			for range refusalsToCool {
				b.disproved(want, "a", "b", canon.KindDenied)
			}
		},
	} {
		b := newRefusing(t)
		rest(b)
		b.clock = b.clock.Add(minCool)
		for range 3 {
			if l := b.next(want); l.Channel.ID != "a" {
				t.Fatalf("%s: the test went to %s", name, l.Channel.ID)
			}
			if l := b.next(want); l.Channel.ID != "b" {
				t.Errorf("%s: while one call tests it, others go there too", name)
			}
			b.clock = b.clock.Add(maxTest)
		}
		l := b.next(want)
		l.Succeeded()
		if got := b.counts(10); l.Channel.ID != "a" || got["a"] != 10 {
			t.Errorf("%s: %s answered, and calls go to %v", name, l.Channel.ID, got)
		}
	}
}

// A 404 or 403 bars a model that never answered. Of one that has, it speaks of the call: it neither
// rests nor counts, as long as nobody else answers that call.
func TestRefusalsOfAModel(t *testing.T) {
	for _, kind := range []canon.Kind{canon.KindNotFound, canon.KindDenied} {
		b := newBench(t, nil, channel("a"))
		b.next(want).Failed(failure(kind), b.clock)
		if d, firm := b.rests("a"); d != denyCool || !firm {
			t.Errorf("%s of an unknown model rests it for %s", kind, d)
		}
		other := want
		other.Model = "gpt-4"
		b.next(other).Dropped() // other models go on
		b.clock = b.clock.Add(denyCool)
		b.next(want).Succeeded()
		for range 12 {
			b.next(want).Failed(failure(kind), b.clock)
		}
		if d, _ := b.rests("a"); d != 0 {
			t.Errorf("%s of a model that answers rests it for %s", kind, d)
		}
		b.next(want).Failed(failure(canon.KindUpstream), b.clock)
		if d, _ := b.rests("a"); d != 0 {
			t.Errorf("%s counts as a failure: rests for %s", kind, d)
		}
	}
}

// newRefusing has channel a, which has answered before, in front of b and c.
func newRefusing(t *testing.T) *bench {
	t.Helper()
	b := newBench(t, nil, channel("a", at(2)), channel("b", at(1)), channel("c"))
	b.next(want).Succeeded()
	return b
}

// What one channel refuses again and again and another one answers is the channel's fault.
func TestDisprovedRefusalsRestLongerEachTime(t *testing.T) {
	for _, kind := range []canon.Kind{canon.KindNotFound, canon.KindDenied} {
		b := newRefusing(t)
		var got []time.Duration
		for range refusalsToCool + 8 {
			b.disproved(want, "a", "b", kind)
			d, firm := b.rests("a")
			if firm {
				t.Fatal("nobody named a time")
			}
			got = append(got, d/time.Second)
			if d > 0 {
				if l := b.next(want); l.Channel.ID != "b" {
					t.Fatalf("while it rests, calls go to %s", l.Channel.ID)
				}
			}
			b.clock = b.clock.Add(d)
		}
		if diff := cmp.Diff([]time.Duration{0, 0, 0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60}, got); diff != "" {
			t.Errorf("%s: %s", kind, diff)
		}
		l := b.next(want)
		if l.Channel.ID != "a" {
			t.Fatalf("after its rest %s is tried", l.Channel.ID)
		}
		if l.model.share() != 1 {
			t.Error("refusals shrink its share")
		}
		l.Succeeded()
		if got := b.counts(10); got["a"] != 10 {
			t.Errorf("it answered and is not back: %v", got)
		}
		for range refusalsToCool - 1 {
			b.disproved(want, "a", "b", kind)
		}
		if d, _ := b.rests("a"); d != 0 {
			t.Errorf("refusals from before an answer count: rests for %s", d)
		}
	}
}

// Nobody rests a channel with calls that are wrong everywhere, or that nobody answers for other reasons.
func TestRefusalsThatNobodyDisproves(t *testing.T) {
	b := newRefusing(t)
	b.next(only("b")).Succeeded()
	b.next(only("c")).Succeeded()
	for range 3 * refusalsToCool {
		walk, err := b.Route(want)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			l, err := walk.Next(b.clock)
			if err != nil {
				t.Fatal(err)
			}
			l.Failed(failure(canon.KindNotFound), b.clock)
		}
	}
	for _, kind := range []canon.Kind{canon.KindInvalid, canon.KindCanceled, canon.KindOverloaded} {
		for range 3 * refusalsToCool {
			walk, err := b.Route(want)
			if err != nil {
				t.Fatal(err)
			}
			l, _ := walk.Next(b.clock)
			l.Failed(failure(canon.KindDenied), b.clock)
			l, _ = walk.Next(b.clock)
			l.Failed(failure(kind), b.clock)
			b.next(only(l.Channel.ID)).Succeeded() // another call's answer is no proof
		}
	}
	if d, _ := b.rests("a"); d != 0 {
		t.Errorf("rests for %s", d)
	}
}

// A refusal says nothing of other models of the channel, nor of other operations of the model.
func TestDisprovedRefusalsRestOneOperation(t *testing.T) {
	b := newBench(t, nil, channel("a", of("count"), at(1)), channel("b", of("count")))
	w := Want{Model: "m", Dialect: canon.Anthropic, Op: canon.OpGenerate}
	other := w
	other.Model = "n"
	count := w
	count.Op = canon.OpCountTokens
	for _, x := range []Want{w, other} {
		b.next(x).Succeeded()
	}
	for range refusalsToCool {
		b.disproved(count, "a", "b", canon.KindNotFound)
		b.next(w).Succeeded() // and its answers say nothing of this one
	}
	if l := b.next(count); l.Channel.ID != "b" {
		t.Error("it does not rest")
	}
	for _, x := range []Want{w, other} {
		if l := b.next(x); l.Channel.ID != "a" {
			t.Errorf("%s of %s goes to %s", x.Op, x.Model, l.Channel.ID)
		}
	}
}

// Whoever refuses what one of the walk answers is at fault, not just the first.
func TestAllDisprovedRest(t *testing.T) {
	b := newRefusing(t)
	b.next(only("b")).Succeeded()
	for range refusalsToCool {
		walk, err := b.Route(want)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{"a", "b", "c"} {
			l, _ := walk.Next(b.clock)
			if l == nil || l.Channel.ID != id {
				t.Fatalf("%+v instead of %s", l, id)
			}
			if id == "c" {
				l.Succeeded()
			} else {
				l.Failed(failure(canon.KindDenied), b.clock)
			}
		}
	}
	for id, want := range map[string]time.Duration{"a": minCool, "b": minCool, "c": 0} {
		if d, _ := b.rests(id); d != want {
			t.Errorf("%s rests for %s, want %s", id, d, want)
		}
	}
}

// It is tried again before there is no answer at all.
func TestDisprovedRefusalsLeaveALastResort(t *testing.T) {
	b := newRefusing(t)
	for range refusalsToCool {
		b.disproved(want, "a", "b", canon.KindDenied)
	}
	if diff := cmp.Diff([]string{"b", "c", "a"}, b.order(want)); diff != "" {
		t.Error(diff)
	}
	b.next(only("b")).Failed(failure(canon.KindAuth), b.clock)
	b.next(only("c")).Failed(&canon.Error{Kind: canon.KindRateLimited, RetryAfter: time.Minute}, b.clock)
	l := b.next(want)
	if l.Channel.ID != "a" {
		t.Fatalf("the last resort is %s", l.Channel.ID)
	}
	l.Succeeded()
	if d, _ := b.rests("a"); d != 0 {
		t.Errorf("it answered and rests for %s", d)
	}
}

// After the rest one call goes first. If it is refused the channel rests on, as others may take long to answer
// that call; only their answer makes the rest longer.
func TestOneCallTestsAfterRefusals(t *testing.T) {
	b := newRefusing(t)
	for range refusalsToCool + 1 {
		b.disproved(want, "a", "b", canon.KindNotFound)
		d, _ := b.rests("a")
		b.clock = b.clock.Add(d)
	}
	for _, end := range []func(*Lease){
		func(l *Lease) { l.Dropped() },
		func(l *Lease) { l.Failed(failure(canon.KindInvalid), b.clock) },
		func(l *Lease) { l.Failed(failure(canon.KindTimeout), b.clock) },
		func(l *Lease) { l.Failed(failure(canon.KindAuth), b.clock); l.health.restore() },
		func(l *Lease) { l.Failed(failure(canon.KindNotFound), b.clock) },
	} {
		trial := b.next(want)
		if trial.Channel.ID != "a" {
			t.Fatalf("the trial went to %s", trial.Channel.ID)
		}
		if l := b.next(want); l.Channel.ID != "b" {
			t.Error("while one call tests it, others go there too")
		}
		end(trial)
	}
	for range 3 {
		d, _ := b.rests("a")
		if d != 2*time.Second {
			t.Errorf("after a refusal that nobody has disproved it rests for %s", d)
		}
		b.clock = b.clock.Add(d)
		b.next(want).Failed(failure(canon.KindNotFound), b.clock)
	}
	b.next(only("a")).Succeeded()
	if d, _ := b.rests("a"); d != 0 {
		t.Errorf("it answered and rests for %s", d)
	}
}

// Calls that ran together are one rest, however many they are and however late their answers come; an answer
// makes the refusals before it void.
func TestLateProofs(t *testing.T) {
	b := newRefusing(t)
	refusedCalls := func(n int) (others []*Lease) {
		for range n {
			walk, err := b.Route(want)
			if err != nil {
				t.Fatal(err)
			}
			l, _ := walk.Next(b.clock)
			if l.Channel.ID != "a" {
				t.Fatalf("%s is tried first", l.Channel.ID)
			}
			l.Failed(failure(canon.KindDenied), b.clock)
			l, _ = walk.Next(b.clock)
			others = append(others, l)
		}
		return others
	}
	answer := func(ls []*Lease) {
		for _, l := range ls {
			l.Succeeded()
		}
	}
	var said strings.Builder
	b.log = slog.New(slog.NewTextHandler(&said, nil))
	void := refusedCalls(3 * refusalsToCool)
	b.next(want).Succeeded()
	answer(void)
	if said.Len() > 0 {
		t.Error(said.String())
	}
	if d, _ := b.rests("a"); d != 0 {
		t.Fatalf("it answered since and rests for %s", d)
	}
	answer(refusedCalls(3 * refusalsToCool))
	if d, _ := b.rests("a"); d != minCool {
		t.Fatalf("calls that ran together rest it for %s", d)
	}
	// Trials go on while the first of them waits for its answer, which makes the rest longer all the same.
	var slow []*Lease
	for range 5 {
		b.clock = b.clock.Add(minCool)
		slow = append(slow, refusedCalls(1)...)
	}
	answer(slow)
	if d, _ := b.rests("a"); d != 2*minCool {
		t.Errorf("after slow answers it rests for %s", d)
	}
	if got := said.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "channel=a name=\"\" model=gpt-5 op=generate reason=no") {
		t.Errorf("the operator is told: %s", got)
	}
}

func TestClientsFaultsSayNothing(t *testing.T) {
	b := newBench(t, nil, channel("a"))
	for _, kind := range []canon.Kind{canon.KindInvalid, canon.KindTooLarge, canon.KindUnsupported, canon.KindCanceled, canon.KindInternal} {
		for range 5 {
			b.next(want).Failed(failure(kind), b.clock)
		}
	}
	if d, _ := b.rests("a"); d != 0 {
		t.Errorf("rests for %s", d)
	}
	if s := b.next(want).model.share(); s != 1 {
		t.Errorf("its share is %f", s)
	}
}

// A retired channel that may be tried keeps that chance while another one is better.
func TestTrialIsNotSpentOnALook(t *testing.T) {
	b := newBench(t, nil, channel("a"), channel("b"))
	for id, n := range map[string]int{"a": 5, "b": 3} {
		for range n {
			b.next(only(id)).Failed(failure(canon.KindUpstream), b.clock)
		}
	}
	retired := b.next(only("a"))
	retired.Failed(failure(canon.KindAuth), b.clock)
	retired.health.allowTrial(b.clock)
	if l := b.next(want); l.Channel.ID != "b" {
		t.Fatalf("%s is back first", l.Channel.ID)
	}
	if !retired.health.usable() {
		t.Error("a look took the trial")
	}
}
