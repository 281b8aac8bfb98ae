package relay

import (
	"errors"
	"io"
	"net/http"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// deadlines is the side of a connection that a paced body has to do with: it brings pieces at their times, unless the
// deadline is over by then.
type deadlines struct {
	http.ResponseWriter
	sent []sending
	at   time.Time // the deadline
	sets int
}

// sending is a piece of a body, so long after the one before.
type sending struct {
	after time.Duration
	size  int
}

func (d *deadlines) SetReadDeadline(t time.Time) error {
	d.at = t
	d.sets++
	return nil
}

func (d *deadlines) Read(p []byte) (int, error) {
	if len(d.sent) == 0 {
		return 0, io.EOF
	}
	next := d.sent[0]
	d.sent = d.sent[1:]
	if time.Sleep(next.after); time.Now().After(d.at) {
		return 0, os.ErrDeadlineExceeded
	}
	return next.size, nil
}

func (*deadlines) Close() error { return nil }

// A client has the time that its bytes have bought, whenever they came.
func TestPacedBodies(t *testing.T) {
	steady := func(first, every time.Duration, size, times int) []sending {
		sent := []sending{{first, size}}
		for range times - 1 {
			sent = append(sent, sending{every, size})
		}
		return sent
	}
	for name, c := range map[string]struct {
		sent []sending
		cut  bool
		most int // how often the deadline may be set
	}{
		"fast":                             {steady(0, time.Millisecond, 32<<10, 2000), false, 1},
		"slow but steady":                  {steady(0, time.Second, 5<<10, 300), false, 300},
		"late, then fast":                  {append([]sending{{29 * time.Second, 4 << 10}}, steady(0, 100*time.Millisecond, 32<<10, 300)...), false, 20},
		"late, then as fast as it must be": {steady(29*time.Second, 900*time.Millisecond, 4<<10, 100), false, 100},
		"too slow":                         {steady(0, 2*time.Second, 4<<10, 100), true, 100},
		"much, then nothing":               {append(steady(0, time.Millisecond, 1<<20, 60), sending{31 * time.Second, 1}), true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				conn := &deadlines{sent: c.sent, at: began.Add(time.Minute)}
				p := &paced{c: &call{h: &Handler{Deps: Deps{Settings: Settings{ClientRead: 30 * time.Second}}}, w: conn, began: began}, body: conn}
				var err error
				for err == nil {
					_, err = p.Read(nil)
				}
				if cut := !errors.Is(err, io.EOF); cut != c.cut {
					t.Errorf("after %s, %d bytes: %v", time.Since(began), p.came, err)
				}
				if conn.sets > c.most {
					t.Errorf("the deadline was set %d times", conn.sets)
				}
			})
		})
	}
}
