package http1

import (
	"errors"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// shut is a connection that can only be closed.
type shut struct {
	net.Conn

	closed atomic.Bool
}

func (s *shut) Close() error {
	s.closed.Store(true)
	return nil
}

// Connections that have waited for too long are closed, and nothing is left of hosts that are gone.
func TestIdleConnectionsGoWithTheirTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := &Transport{MaxIdle: 2, MaxWait: 4, IdleTime: time.Minute}
		var all []*conn
		open := func() (left []int) {
			synctest.Wait()
			for i, c := range all {
				if !c.nc.(*shut).closed.Load() {
					left = append(left, i)
				}
			}
			return left
		}
		for i, host := range []string{"a", "a", "a", "b", "c", "d"} { // one a second
			time.Sleep(time.Second)
			all = append(all, &conn{t: tr, host: host, nc: &shut{}})
			tr.put(all[i])
		}
		if got := open(); !slices.Equal(got, []int{1, 3, 4, 5}) {
			t.Errorf("connections %d are open; there may be two of a host and four in all, the newest", got)
		}
		if c := tr.idle.newest("b"); c != all[3] {
			t.Error("not the connection to b")
		}
		time.Sleep(57 * time.Second) // until those of the first 3 seconds are a minute old
		if got := open(); !slices.Equal(got, []int{3, 4, 5}) {
			t.Errorf("connections %d are open after a minute", got)
		}
		tr.put(all[3])
		time.Sleep(3 * time.Second)
		if got := open(); !slices.Equal(got, []int{3}) {
			t.Errorf("connections %d are open, want that which was used since", got)
		}
		time.Sleep(time.Minute)
		if got := open(); len(got) > 0 || len(tr.idle.hosts) > 0 || tr.idle.n != 0 || tr.idle.sweep != nil {
			t.Errorf("connections %d are open, %d hosts and %d connections known", got, len(tr.idle.hosts), tr.idle.n)
		}
	})
}

// The end of a request is waited for, not for long.
func TestTheEndOfARequestIsWaitedFor(t *testing.T) {
	for name, v := range map[string]struct {
		after time.Duration
		err   error
		want  bool
	}{
		"soon":       {writerTime / 2, nil, true},
		"soon, half": {writerTime / 2, errors.New("broken"), false},
		"late":       {2 * writerTime, nil, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			o := &outgoing{done: make(chan struct{})}
			go func() {
				time.Sleep(v.after)
				o.err = v.err
				close(o.done)
			}()
			if got := o.complete(); got != v.want {
				t.Errorf("%s: %v", name, got)
			}
			o.wait()
			if got := o.complete(); got != (v.err == nil) {
				t.Errorf("%s, when it is over: %v", name, got)
			}
		})
	}
}
