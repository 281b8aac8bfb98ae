package relay

import (
	"errors"
	"io"
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
