package relay

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

// What is read is what was sent, however it comes and whatever length was announced; nothing over the
// limit is kept.
func TestReadAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sent := bytes.Repeat([]byte("0123456789abcdef"), rapid.IntRange(0, 20_000).Draw(t, "sixteens"))
		size := rapid.SampledFrom([]int64{-1, 0, 1, 100, int64(len(sent)), int64(len(sent)) + 1, 1 << 40}).Draw(t, "announced")
		limit := rapid.SampledFrom([]int64{0, 10, int64(len(sent)) - 1, int64(len(sent)), 1 << 30}).Draw(t, "limit")
		var r io.Reader = bytes.NewReader(sent)
		switch rapid.IntRange(0, 2).Draw(t, "how") {
		case 1:
			r = iotest.HalfReader(r)
		case 2:
			r = iotest.DataErrReader(r)
		}
		used := bytes.Repeat([]byte("old"), rapid.IntRange(0, 50_000).Draw(t, "used"))
		got, err := readAll(used[:0], r, size, limit, plenty())
		if int64(len(sent)) > limit {
			if !errors.Is(err, errTooLarge) || got != nil {
				t.Fatalf("%d bytes, %v; %d were sent, %d allowed", len(got), err, len(sent), limit)
			}
			return
		}
		if err != nil || !bytes.Equal(got, sent) {
			t.Fatalf("%d bytes, %v; %d were sent", len(got), err, len(sent))
		}
	})
}

// An announced length alone costs next to nothing; memory is taken as bytes come.
func TestReadAllTrustsNoLength(t *testing.T) {
	for _, sent := range []int{10, 3 << 20} {
		got, err := readAll(nil, strings.NewReader(strings.Repeat("x", sent)), 1<<40, 1<<41, plenty())
		if err != nil || len(got) != sent {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
		if most := max(2*maxPrealloc, 6*sent); cap(got) > most {
			t.Errorf("%d bytes take %d", sent, cap(got))
		}
	}
}

func TestReadAllBreaks(t *testing.T) {
	broken := errors.New("broken")
	if got, err := readAll(nil, io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(broken)), -1, 10, plenty()); !errors.Is(err, broken) || got != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// plenty is a share of as much memory as anybody wants.
func plenty() *share { return &share{of: newMemory(1 << 50)} }

// What is read takes memory as it comes, what is announced does not, and nobody gets what is not there.
func TestReadAllTakesMemory(t *testing.T) {
	for name, c := range map[string]struct {
		sent     int
		size     int64
		room     int
		least    int64
		most     int64
		noMemory bool
	}{
		"small":                {sent: 100, size: 100},
		"announced":            {sent: 1 << 20, size: 1 << 20, least: 1 << 20, most: 1<<20 + 1},
		"not announced":        {sent: 1 << 20, size: -1, least: 1 << 20, most: 2<<20 + 2},
		"announced, not sent":  {sent: 10, size: 1 << 40, least: 1, most: maxPrealloc + 1},
		"into a lent buffer":   {sent: 3 << 20, size: 3 << 20, room: 4 << 20, least: 3 << 20, most: 3 << 20},
		"more than there is":   {sent: 8 << 20, size: 8 << 20, noMemory: true},
		"and not announced":    {sent: 8 << 20, size: -1, noMemory: true},
		"into a buffer, alike": {sent: 8 << 20, size: 8 << 20, room: 9 << 20, noMemory: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := share{of: newMemory(5 << 20)}
			got, err := readAll(make([]byte, 0, c.room), strings.NewReader(strings.Repeat("x", c.sent)), c.size, 1<<40, &s)
			if c.noMemory {
				if !errors.Is(err, errNoMemory) || got != nil {
					t.Fatalf("%d bytes, %v", len(got), err)
				}
				return
			}
			if err != nil || len(got) != c.sent || s.held < c.least || s.held > c.most {
				t.Errorf("%d bytes, %v, with %d of memory", len(got), err, s.held)
			}
		})
	}
}
