package journal

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func open(t testing.TB, dir string, opts Options) *Journal {
	t.Helper()
	j, err := Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := j.Close(); err != nil && !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	})
	return j
}

func closeNow(t testing.TB, j *Journal) {
	t.Helper()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

func add(t testing.TB, j *Journal, payloads ...string) {
	t.Helper()
	for _, p := range payloads {
		pos, err := j.Append([]byte(p))
		if err != nil {
			t.Fatal(err)
		}
		if end := j.End(); pos != end {
			t.Fatalf("Append returned %v, the end is %v", pos, end)
		}
	}
}

// readAll reads from pos to the end with small limits, so that it has to go on often.
func readAll(t testing.TB, j *Journal, pos Position) []string {
	t.Helper()
	all, err := tryReadAll(j, pos)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func tryReadAll(j *Journal, pos Position) ([]string, error) {
	var all []string
	for {
		records, next, err := j.Read(pos, 3, 40)
		if err != nil {
			return all, err
		}
		for _, r := range records {
			all = append(all, string(r))
		}
		if len(records) == 0 {
			if end := j.End(); next != end {
				return all, fmt.Errorf("read stopped at %v, the end is %v", next, end)
			}
			return all, nil
		}
		if next.Compare(pos) <= 0 {
			return all, fmt.Errorf("read did not go on: %v after %v", next, pos)
		}
		pos = next
	}
}

func numbered(from, to int) []string {
	var out []string
	for i := from; i < to; i++ {
		out = append(out, fmt.Sprintf("record %d %s", i, strings.Repeat("x", i%37)))
	}
	return out
}

func TestReopenKeepsEverythingInOrder(t *testing.T) {
	dir := t.TempDir()
	want := numbered(0, 40)
	for i := 0; i < len(want); i += 8 {
		j := open(t, dir, Options{SegmentBytes: 150})
		add(t, j, want[i:i+8]...)
		if diff := cmp.Diff(want[:i+8], readAll(t, j, Position{})); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
		if cuts := j.Recovered(); len(cuts) > 0 {
			t.Errorf("a clean journal was cut: %+v", cuts)
		}
		closeNow(t, j)
	}
}

// TestEveryPositionIsAPlaceToGoOnFrom reads from each position that Append ever returned, across
// restarts and rotation.
func TestEveryPositionIsAPlaceToGoOnFrom(t *testing.T) {
	dir := t.TempDir()
	want := numbered(0, 30)
	var ends []Position
	for i := 0; i < len(want); i += 10 {
		j := open(t, dir, Options{SegmentBytes: 120})
		for _, p := range want[i : i+10] {
			pos, err := j.Append([]byte(p))
			if err != nil {
				t.Fatal(err)
			}
			ends = append(ends, pos)
		}
		closeNow(t, j)
	}
	j := open(t, dir, DefaultOptions())
	for i, pos := range ends {
		if got := readAll(t, j, pos); !slices.Equal(got, want[i+1:]) {
			t.Errorf("behind record %d at %v: got %q", i, pos, got)
		}
	}
	if !slices.IsSortedFunc(ends, Position.Compare) {
		t.Errorf("positions do not grow: %v", ends)
	}
}

func TestRecordSizeIsBounded(t *testing.T) {
	j := open(t, t.TempDir(), DefaultOptions())
	for _, size := range []int{0, MaxRecord + 1} {
		if _, err := j.Append(make([]byte, size)); err == nil {
			t.Errorf("a record of %d bytes was taken", size)
		}
	}
	big := strings.Repeat("b", MaxRecord)
	add(t, j, "a", big, "c")
	if got := readAll(t, j, Position{}); !slices.Equal(got, []string{"a", big, "c"}) {
		t.Errorf("got %d records", len(got))
	}
}

func TestReadKeepsItsLimits(t *testing.T) {
	j := open(t, t.TempDir(), DefaultOptions())
	add(t, j, numbered(0, 20)...)
	records, next, err := j.Read(Position{}, 7, 1<<20)
	if err != nil || len(records) != 7 {
		t.Fatalf("limit 7: %d records, %v", len(records), err)
	}
	records, _, err = j.Read(next, 100, 100)
	n := 0
	for _, r := range records {
		n += len(r)
	}
	if err != nil || n > 100 || len(records) == 0 {
		t.Errorf("limit of 100 bytes: %d records, %d bytes, %v", len(records), n, err)
	}
}

func TestReadBeyondTheEndIsAnError(t *testing.T) {
	j := open(t, t.TempDir(), DefaultOptions())
	end := j.End()
	for _, pos := range []Position{{end.Segment, end.Offset + 1}, {end.Segment + 1, 0}} {
		if _, _, err := j.Read(pos, 1, 1); err == nil {
			t.Errorf("read at %v, the end is %v", pos, end)
		}
	}
	if err := j.Advance(Position{Segment: 9, Offset: 1000}); err != nil {
		t.Fatal(err)
	}
	pos, err := j.Append([]byte("x"))
	if err != nil || pos.Compare(Position{Segment: 9, Offset: 1000}) <= 0 {
		t.Errorf("after Advance: at %v, %v", pos, err)
	}
	closeNow(t, j)
	if j, err = Open(j.Dir(), DefaultOptions()); err != nil {
		t.Fatalf("the hole that Advance leaves is taken for damage: %v", err)
	}
	closeNow(t, j)
}

func TestPruneKeepsWhatIsAhead(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{SegmentBytes: 120})
	want := numbered(0, 40)
	add(t, j, want...)
	records, pos, err := j.Read(Position{}, 17, 1<<20) // leaves the reader's file open in a segment
	for err == nil && len(records) < 17 {
		var more [][]byte
		more, pos, err = j.Read(pos, 17-len(records), 1<<20)
		records = append(records, more...)
	}
	if err != nil {
		t.Fatal(err)
	}
	bytesAhead := j.Bytes(pos)
	if err := j.Prune(pos); err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, j, pos); !slices.Equal(got, want[17:]) {
		t.Errorf("after Prune: %q", got)
	}
	if got := j.Bytes(pos); got != bytesAhead {
		t.Errorf("Prune changed the bytes ahead from %d to %d", bytesAhead, got)
	}
	numbers, err := listSegments(dir)
	if err != nil || numbers[0] != pos.Segment {
		t.Errorf("segments %v are left, want from %d on (%v)", numbers, pos.Segment, err)
	}
	if err := j.Prune(Position{Segment: 1 << 40}); err != nil {
		t.Fatal(err)
	}
	add(t, j, "after")
	closeNow(t, j)
	j = open(t, dir, DefaultOptions())
	if got := readAll(t, j, Position{}); got[len(got)-1] != "after" {
		t.Errorf("the current segment was pruned: %q", got)
	}
}

func TestBytesCountsWhatIsAhead(t *testing.T) {
	j := open(t, t.TempDir(), Options{SegmentBytes: 100})
	var ends []Position
	var sum []int64
	total := int64(0)
	for _, p := range numbered(0, 20) {
		pos, err := j.Append([]byte(p))
		if err != nil {
			t.Fatal(err)
		}
		total += int64(len(p)) + recordHeader
		ends, sum = append(ends, pos), append(sum, total)
	}
	for i, pos := range ends {
		if got := j.Bytes(pos); got != total-sum[i] {
			t.Errorf("Bytes(%v) = %d, want %d", pos, got, total-sum[i])
		}
	}
	if got := j.Bytes(Position{}); got != total {
		t.Errorf("Bytes(0) = %d, want %d", got, total)
	}
}

func TestDirectoryIsTakenOnce(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, DefaultOptions())
	if _, err := Open(dir, DefaultOptions()); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("second Open: %v", err)
	}
	if _, err := Repair(dir); err == nil {
		t.Error("Repair of an open journal")
	}
	closeNow(t, j)
	open(t, dir, DefaultOptions())
}

func TestClosedJournalSaysSo(t *testing.T) {
	j := open(t, t.TempDir(), DefaultOptions())
	closeNow(t, j)
	if _, err := j.Append([]byte("x")); !errors.Is(err, ErrClosed) {
		t.Errorf("Append: %v", err)
	}
	if _, _, err := j.Read(Position{}, 1, 1); !errors.Is(err, ErrClosed) {
		t.Errorf("Read: %v", err)
	}
	if err := j.Close(); !errors.Is(err, ErrClosed) {
		t.Errorf("Close: %v", err)
	}
}

// TestConcurrentAppends lets many goroutines append while one reads and prunes behind itself. Every
// goroutine's records must come in its order, each exactly once, at the positions that were returned.
func TestConcurrentAppends(t *testing.T) {
	for _, opts := range []Options{{SegmentBytes: 4000, SyncEvery: time.Millisecond}, {SegmentBytes: 4000}} {
		t.Run(opts.SyncEvery.String(), func(t *testing.T) {
			const writers, each = 16, 200
			j := open(t, t.TempDir(), opts)
			var mu sync.Mutex
			at := map[string]Position{}
			var wg sync.WaitGroup
			for w := range writers {
				wg.Go(func() {
					for i := range each {
						payload := fmt.Sprintf("%d %d %s", w, i, strings.Repeat("y", rand.IntN(50)))
						pos, err := j.Append([]byte(payload))
						if err != nil {
							t.Error(err)
							return
						}
						mu.Lock()
						at[payload] = pos
						mu.Unlock()
					}
				})
			}
			next := make([]int, writers)
			seen := map[string]Position{}
			var pos Position
			for len(seen) < writers*each && !t.Failed() {
				records, after, err := j.Read(pos, 1, 1<<16)
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range records {
					var w, i int
					if _, err := fmt.Sscan(string(r), &w, &i); err != nil {
						t.Fatal(err)
					}
					if i != next[w] {
						t.Fatalf("writer %d: record %d, want %d", w, i, next[w])
					}
					next[w]++
					seen[string(r)] = after
				}
				if after.Segment > pos.Segment {
					if err := j.Prune(after); err != nil {
						t.Fatal(err)
					}
				}
				pos = after
			}
			wg.Wait()
			if diff := cmp.Diff(at, seen); diff != "" {
				t.Errorf("positions that Append returned and that Read found (-append +read):\n%s", diff)
			}
		})
	}
}

func TestOtherFilesAreLeftAlone(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"node", "1.tgj", "0000000000000001.tgj.cut-5", "notes.txt"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	j := open(t, dir, DefaultOptions())
	add(t, j, "a")
	if err := j.Prune(j.End()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"node", "1.tgj", "0000000000000001.tgj.cut-5", "notes.txt"} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != "mine" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	payload := []byte(strings.Repeat("p", 900))
	for _, sync := range []time.Duration{100 * time.Millisecond, 0} {
		b.Run("sync="+sync.String()+"/alone", func(b *testing.B) {
			j := open(b, b.TempDir(), Options{SyncEvery: sync})
			b.SetBytes(int64(len(payload)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := j.Append(payload); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("sync="+sync.String()+"/from32", func(b *testing.B) {
			j := open(b, b.TempDir(), Options{SyncEvery: sync})
			b.SetBytes(int64(len(payload)))
			b.ReportAllocs()
			b.SetParallelism(16) // times 2 cores
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := j.Append(payload); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// TestFormat pins the bytes on the disk: an old journal must stay readable.
func TestFormat(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, DefaultOptions())
	add(t, j, "123456789")
	closeNow(t, j)
	got, err := os.ReadFile(filepath.Join(dir, "0000000000000001.tgj"))
	want := "TGJL\x01\x00\x00\x00" + "\x01\x00\x00\x00\x00\x00\x00\x00" + "\x00\x00\x00\x00\x00\x00\x00\x00"
	want += crcString(want) + "\x09\x00\x00\x00" + crcString("\x09\x00\x00\x00123456789") + "123456789"
	if err != nil || string(got) != want {
		t.Errorf("got  %q, %v\nwant %q", got, err, want)
	}
}

func crcString(s string) string { sum := crcOf([]byte(s)); return string(sum[:]) }
