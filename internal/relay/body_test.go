package relay

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
)

// A body that an attempt still holds must not be given to another call, whoever lets go first.
func TestBodyGoesBackWhenNobodyHoldsIt(t *testing.T) {
	h := &Handler{}
	b := h.takeBody(minKept)
	b.bytes = append(b.bytes, "hello"...)
	first, second := newOutgoing(b.bytes, b), newOutgoing(b.bytes, b)
	b.release() // the call is over
	if got, err := io.ReadAll(first); string(got) != "hello" || err != nil {
		t.Fatalf("%q, %v", got, err)
	}
	for range 2 { // closing twice lets go once
		if err := first.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if n := b.holds.Load(); n != 1 {
		t.Errorf("%d holds, want that of the second attempt", n)
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	if n := b.holds.Load(); n != 0 {
		t.Errorf("%d holds after all have let go", n)
	}
	if _, err := second.Read(make([]byte, 1)); !errors.Is(err, http.ErrBodyReadAfterClose) {
		t.Errorf("a closed body was read: %v", err)
	}
}

func TestSmallAndHugeBodiesAreNotKept(t *testing.T) {
	h := &Handler{}
	for _, n := range []int64{-1, 0, minKept - 1, maxKept + 1} {
		if h.takeBody(n) != nil {
			t.Errorf("a body of %d bytes is kept", n)
		}
	}
}

// What is in memory leaves in one write, and stays held as long as that
// lasts, though the attempt may be given up in the middle.
func TestBodyLeavesInOneWrite(t *testing.T) {
	h := &Handler{}
	b := h.takeBody(minKept)
	b.bytes = append(b.bytes, make([]byte, 200<<10)...)
	body := newOutgoing(b.bytes, b)
	b.release()
	to := &slowConn{during: func() {
		if err := body.Close(); err != nil {
			t.Error(err)
		}
		if n := b.holds.Load(); n != 1 {
			t.Errorf("%d holds while the bytes are written, want that of the write", n)
		}
	}}
	n, err := io.Copy(to, body)
	if n != 200<<10 || err != nil || to.writes != 1 {
		t.Errorf("%d bytes in %d writes: %v", n, to.writes, err)
	}
	if n := b.holds.Load(); n != 0 {
		t.Errorf("%d holds after the write", n)
	}
	if _, err := body.WriteTo(to); !errors.Is(err, http.ErrBodyReadAfterClose) {
		t.Errorf("a closed body was written: %v", err)
	}
}

// slowConn keeps what is written to it, and lets something happen in the first write.
type slowConn struct {
	net.Conn

	during func()
	writes int
	got    bytes.Buffer
}

func (c *slowConn) Write(p []byte) (int, error) {
	if c.writes++; c.writes == 1 && c.during != nil {
		c.during()
	}
	return c.got.Write(p)
}
