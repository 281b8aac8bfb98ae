package http1

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"net"
	"testing"
)

// source is a connection from which comes what is left of data, some bytes at a time, and then an error, which may
// come with the last bytes.
type source struct {
	net.Conn // nil: nothing else is asked of it

	rnd   *rand.Rand
	data  []byte
	most  int
	last  error
	reads int
}

func (p *source) Read(b []byte) (int, error) {
	p.reads++
	n := copy(b[:min(len(b), 1+p.rnd.IntN(p.most))], p.data)
	if p.data = p.data[n:]; len(p.data) > 0 || n > 0 && p.rnd.IntN(2) == 0 {
		return n, nil
	}
	return n, p.last
}

// TestReadAhead pins that what was read ahead comes in its order, all of it, with the error behind it, and that no room
// is held once all has been read.
func TestReadAhead(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	end := errors.New("the end")
	for range 2000 {
		want := make([]byte, rnd.IntN(5*aheadSize))
		for i := range want {
			want[i] = byte(rnd.Uint32())
		}
		from := &source{rnd: rnd, data: want, most: 1 + rnd.IntN(2*aheadSize), last: end}
		c := &conn{nc: from}
		var got []byte
		var err error
		for p := make([]byte, 1+rnd.IntN(3*aheadSize/2)); err == nil; {
			asked := 1 + rnd.IntN(len(p))
			var n int
			n, err = c.read(p[:asked])
			got = append(got, p[:n]...)
			if n == 0 && err == nil {
				t.Fatal("a read that got nothing")
			}
		}
		if !errors.Is(err, end) || !bytes.Equal(got, want) || c.ahead.room != nil {
			t.Fatalf("%d bytes of %d, then %v; room held: %v", len(got), len(want), err, c.ahead.room != nil)
		}
	}
}

// TestReadAheadOfWhatIsFast pins when more is asked for than the reader does.
func TestReadAheadOfWhatIsFast(t *testing.T) {
	read := func(most, size int) int {
		from := &source{rnd: rand.New(rand.NewPCG(1, 2)), data: make([]byte, 16*4096), most: most, last: net.ErrClosed}
		c := &conn{nc: from}
		for p, err := make([]byte, size), error(nil); err == nil; {
			_, err = c.read(p)
			if most == 1 && c.ahead.room != nil {
				t.Fatal("room is held for a slow answer")
			}
		}
		return from.reads
	}
	if n := read(1, 4096); n < 16*4096 {
		t.Errorf("%d reads of a byte each", n)
	}
	if n := read(1<<30, 4096); n > 5 {
		t.Errorf("%d reads of 64 KiB that are all there", n)
	}
}
