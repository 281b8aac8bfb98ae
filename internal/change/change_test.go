package change

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// memory is a Store.
type memory struct {
	mu        sync.Mutex
	list      []Change
	forgotten int64
	err       error
}

func (m *memory) Changes(_ context.Context, since int64) ([]Change, int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if since < m.forgotten {
		return nil, int64(len(m.list)), ErrForgotten
	}
	return m.list[min(since, int64(len(m.list))):], int64(len(m.list)), m.err
}

func (m *memory) ForgetChanges(_ context.Context, keep int64) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forgotten = int64(len(m.list)) - keep
	return 0, nil
}

func (m *memory) change(list ...Change) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.list = append(m.list, list...)
}

func (m *memory) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
}

func TestFollow(t *testing.T) {
	m := &memory{}
	m.change(Change{Account, "before"})
	f, err := New(t.Context(), m, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	var fail error
	for _, kind := range []Kind{Account, Key} {
		f.On(kind, func(_ context.Context, ids []string) error {
			got = append(got, string(kind)+" "+strings.Join(ids, " "))
			return fail
		}, func(context.Context) error {
			got = append(got, "all of "+string(kind))
			return fail
		})
	}
	follow := func(want ...string) {
		t.Helper()
		got = nil
		if err := f.Follow(t.Context()); !errors.Is(err, fail) {
			t.Error(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	follow()
	m.change(Change{Key, "k"}, Change{"unknown", "x"}, Change{Account, "a"}, Change{Account, "b"})
	fail = errors.New("store is away")
	follow("account a b")
	fail = nil
	follow("account a b", "key k") // again, as nothing was lost
	follow()
	m.change(Change{Key, "k"}, Change{Account, "a"}, Change{Account, "c"})
	if _, err := m.ForgetChanges(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	fail = errors.New("store is away")
	follow("all of account")
	fail = nil
	follow("all of account", "all of key")
	follow()
	m.change(Change{Key, "l"})
	follow("key l")
}

// slow is a Store that answers when it is told to.
type slow struct {
	memory
	asked  atomic.Int64
	answer chan struct{}
}

func (s *slow) Changes(ctx context.Context, since int64) ([]Change, int64, error) {
	s.asked.Add(1)
	select {
	case <-s.answer:
	case <-ctx.Done():
		return nil, 0, ctx.Err()
	}
	return s.memory.Changes(ctx, since)
}

// Many who want to be up to date at once are so after two looks: one that was under way, and one after it.
func TestFollowTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{answer: make(chan struct{}, 1)}
		s.answer <- struct{}{}
		f, err := New(t.Context(), s, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		var took atomic.Int64
		f.On(Account, func(context.Context, []string) error { took.Add(1); return nil }, nil)
		s.asked.Store(0)
		first := make(chan error, 1)
		go func() { first <- f.Follow(t.Context()) }()
		synctest.Wait()
		s.change(Change{Account, "late"}) // the look that is under way may have missed it
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if err := f.Follow(t.Context()); err != nil || took.Load() == 0 {
					t.Error(err, took.Load())
				}
			})
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := f.Follow(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		close(s.answer)
		if err := <-first; err != nil {
			t.Error(err)
		}
		wg.Wait()
		if n := s.asked.Load(); n != 2 {
			t.Errorf("the store was asked %d times", n)
		}
	})
}

// Run asks every second, says once that it can't, and goes on.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, logs := &memory{}, &strings.Builder{}
		f, err := New(t.Context(), m, slog.New(slog.NewTextHandler(logs, nil)))
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		f.On(Account, func(context.Context, []string) error { n++; return nil }, nil)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); f.Run(ctx) }()
		m.change(Change{Account, "a"})
		time.Sleep(every + time.Millisecond)
		synctest.Wait()
		if n != 1 {
			t.Errorf("%d changes seen", n)
		}
		m.fail(errors.New("store is away"))
		m.change(Change{Account, "b"})
		time.Sleep(5 * every)
		m.fail(nil)
		time.Sleep(every)
		synctest.Wait()
		stop()
		<-done
		if said := strings.Count(logs.String(), "store is away"); n != 2 || said != 1 {
			t.Errorf("%d changes seen, %d warnings", n, said)
		}
	})
}
