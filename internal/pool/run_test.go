package pool

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"tollgate/internal/canon"
	"tollgate/internal/provider"
)

func TestSaveTriesAgain(t *testing.T) {
	b := newBench(t, []Channel{channel("env")}, channel("a"))
	ctx := t.Context()
	b.next(only("a")).Failed(failure(canon.KindAuth), b.clock)
	b.next(only("env")).Failed(failure(canon.KindAuth), b.clock)
	b.store.refuse = errStore
	b.save(ctx)
	if len(b.dirty) != 2 || b.store.rows[0].Retired {
		t.Fatalf("%d changes are kept", len(b.dirty))
	}
	b.store.refuse = nil
	b.save(ctx) // a fixed channel has no row: nothing to keep for it
	if row := b.store.rows[0]; len(b.dirty) != 0 || !row.Retired || !strings.Contains(row.Reason, "refuses the key") || !row.RetiredAt.Equal(noon) {
		t.Errorf("%d changes are kept, %+v", len(b.dirty), row)
	}
}

// A refused key is checked at intervals that grow to a bound; once it is known again, one call tries it.
func TestRetiredChannelComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memory{rows: []Channel{channel("a")}}
		p, err := New(t.Context(), store, vendors(), nil, slog.New(slog.DiscardHandler), time.Now)
		if err != nil {
			t.Fatal(err)
		}
		b := &bench{Pool: p, t: t, store: store}
		began := time.Now()
		var mu sync.Mutex
		var checks []time.Duration // when they were made, in minutes
		made := func() []time.Duration {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(checks)
		}
		var verdict atomic.Pointer[canon.Error]
		verdict.Store(failure(canon.KindAuth))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			p.Run(ctx, func(context.Context, Channel, provider.Provider) *canon.Error {
				mu.Lock()
				defer mu.Unlock()
				checks = append(checks, time.Since(began).Round(time.Minute)/time.Minute)
				return verdict.Load()
			})
		}()
		retire := func(kind canon.Kind) {
			t.Helper()
			b.clock = time.Now()
			b.next(want).Failed(failure(kind), time.Now())
			synctest.Wait()
			if !store.rows[0].Retired {
				t.Error("the store does not know")
			}
			b.refused(want)
		}
		retire(canon.KindAuth)
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		// 1, 4, 16, 64, 256 minutes, then six hours each
		if diff := cmp.Diff([]time.Duration{1, 5, 21, 85, 341, 701, 1061, 1421}, made()); diff != "" {
			t.Error(diff)
		}
		verdict.Store(nil)
		time.Sleep(6 * time.Hour)
		synctest.Wait()
		n := len(made())
		retire(canon.KindQuota) // the trial, and it failed
		verdict.Store(failure(canon.KindTimeout))
		time.Sleep(6*time.Hour + time.Minute)
		synctest.Wait()
		if st, _ := b.Get("a"); len(made()) != n+1 || !st.Retired || !strings.Contains(st.Reason, "last check") {
			t.Errorf("%d checks after the failed trial, %+v", len(made())-n, st)
		}
		verdict.Store(nil)
		time.Sleep(6*time.Hour + time.Minute)
		b.clock = time.Now()
		trial := b.next(want)
		b.refused(want) // one call alone tries
		trial.Succeeded()
		synctest.Wait()
		if store.rows[0].Retired {
			t.Error("the store does not know that it is back")
		}
		b.next(want).Succeeded()
		n = len(made())
		time.Sleep(24 * time.Hour)
		if len(made()) != n {
			t.Error("a healthy channel is checked")
		}
		store.refusing(errStore)
		b.clock = time.Now()
		b.next(want).Failed(failure(canon.KindAuth), time.Now())
		synctest.Wait()
		store.refusing(nil)
		cancel()
		<-done
		if !store.rows[0].Retired {
			t.Error("what the store refused is lost at the end")
		}
	})
}

// A key that worked for long is checked soon again when it fails anew; one that comes and goes is not.
func TestIntervalBeginsAnewAfterLongService(t *testing.T) {
	h := &health{}
	for _, c := range []struct {
		after time.Duration // since it came back
		want  time.Duration // until the next check
	}{{0, firstRecheck}, {time.Hour, 4 * firstRecheck}, {maxRecheck / 2, 16 * firstRecheck}, {maxRecheck + time.Minute, firstRecheck}} {
		at := h.nextCheck.Add(c.after)
		if h.nextCheck.IsZero() {
			at = noon
		}
		if !h.retire("no money", at) || h.nextCheck.Sub(at) != c.want {
			t.Errorf("after %v of service it is checked in %v, want %v", c.after, h.nextCheck.Sub(at), c.want)
		}
		h.restore()
	}
}

// An id alone tells an operator of channels in the environment and the file nothing.
func TestRetirementIsToldByName(t *testing.T) {
	b := newBench(t, nil, channel("a", func(c *Channel) { c.Name = "main" }))
	var said strings.Builder
	b.log = slog.New(slog.NewTextHandler(&said, nil))
	b.next(want).Failed(failure(canon.KindAuth), b.clock)
	valid := func(context.Context, Channel, provider.Provider) *canon.Error { return nil }
	if verdict, err := b.CheckNow(t.Context(), "a", valid); verdict != nil || err != nil {
		t.Fatal(verdict, err)
	}
	b.next(want).Succeeded()
	retired, back, _ := strings.Cut(said.String(), "\n")
	if !strings.Contains(retired, `"channel retired" channel=a name=main provider=any reason=`) || !strings.Contains(back, `"channel is back" channel=a name=main provider=any`) {
		t.Error(said.String())
	}
}

// Providers that hang keep neither the checks of others nor what is known from the store.
func TestChecksDoNotWaitForOneAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memory{}
		for i := range 5 {
			store.rows = append(store.rows, channel(name("c", i)))
		}
		p, err := New(t.Context(), store, vendors(), nil, slog.New(slog.DiscardHandler), time.Now)
		if err != nil {
			t.Fatal(err)
		}
		b := &bench{Pool: p, t: t, store: store, clock: time.Now()}
		for range 4 {
			b.next(want).Failed(failure(canon.KindAuth), b.clock)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		var checked atomic.Int64
		go func() {
			defer close(done)
			p.Run(ctx, func(ctx context.Context, _ Channel, _ provider.Provider) *canon.Error {
				checked.Add(1)
				<-ctx.Done()
				return failure(canon.KindTimeout)
			})
		}()
		time.Sleep(firstRecheck + 2*checkTick)
		synctest.Wait()
		if n := checked.Load(); n != 4 {
			t.Errorf("%d of 4 checks have begun", n)
		}
		b.clock = time.Now()
		last := b.next(want)
		last.Failed(failure(canon.KindAuth), b.clock)
		synctest.Wait()
		store.mu.Lock()
		if row := store.rows[store.at(last.Channel.ID)]; !row.Retired {
			t.Error("the store is not told while checks hang")
		}
		store.mu.Unlock()
		cancel()
		<-done
	})
}

// A call that began before the retirement ends well while a check runs that ends badly.
func TestCheckDoesNotRetireWhatCameBack(t *testing.T) {
	b := newBench(t, nil, channel("a"))
	old := b.next(want)
	b.next(want).Failed(failure(canon.KindAuth), b.clock)
	b.clock = b.clock.Add(firstRecheck)
	b.recheck(t.Context(), func(context.Context, Channel, provider.Provider) *canon.Error {
		old.Succeeded()
		return failure(canon.KindTimeout)
	})
	b.next(want).Succeeded()
}

func TestCheckNow(t *testing.T) {
	b := newBench(t, nil, channel("a"))
	ctx := t.Context()
	says := func(e *canon.Error) Checker {
		return func(context.Context, Channel, provider.Provider) *canon.Error { return e }
	}
	if _, err := b.CheckNow(ctx, "nobody", says(nil)); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if v, err := b.CheckNow(ctx, "a", says(failure(canon.KindTimeout))); v == nil || err != nil {
		t.Error(v, err)
	}
	b.next(want).Dropped() // a timeout says nothing of the key
	bad := &canon.Error{Kind: canon.KindAuth, Message: strings.Repeat("é", 400) + "x"}
	if v, err := b.CheckNow(ctx, "a", says(bad)); v != bad || err != nil {
		t.Error(v, err)
	}
	b.refused(want)
	if r := b.dirty["a"].reason; !utf8.ValidString(r) || len(r) > 500 {
		t.Errorf("%d bytes, valid %v: a database refuses half a character", len(r), utf8.ValidString(r))
	}
	if v, err := b.CheckNow(ctx, "a", says(nil)); v != nil || err != nil {
		t.Error(v, err)
	}
	b.next(want).Succeeded()
	if st, _ := b.Get("a"); st.Retired {
		t.Error("it answered and is still retired")
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := b.CheckNow(gone, "a", says(bad)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	b.next(want).Dropped()
}
