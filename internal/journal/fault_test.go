package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func crcOf(p []byte) (sum [4]byte) {
	binary.LittleEndian.PutUint32(sum[:], crc32.Checksum(p, castagnoli()))
	return sum
}

var errFull error = syscall.ENOSPC

// disk makes files fail. Room bytes can still be written; noTruncate and noSync fail these.
type disk struct {
	mu                 sync.Mutex
	room               int
	noTruncate, noSync bool
	syncs              int
}

func (d *disk) change(f func(d *disk)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f(d)
}

func (d *disk) create(path string) (File, error) {
	f, err := CreateFile(path)
	if err != nil {
		return nil, err
	}
	return faulty{f, d}, nil
}

type faulty struct {
	File
	d *disk
}

func (f faulty) Write(p []byte) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	fits := min(len(p), f.d.room)
	n, err := f.File.Write(p[:fits])
	f.d.room -= n
	if err == nil && n < len(p) {
		err = errFull
	}
	return n, err
}

func (f faulty) Truncate(size int64) error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if f.d.noTruncate {
		return errors.New("input/output error")
	}
	return f.File.Truncate(size)
}

func (f faulty) Sync() error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	f.d.syncs++
	if f.d.noSync {
		return errors.New("input/output error")
	}
	return f.File.Sync()
}

// TestDiskFull lets the disk fill up at every byte of a record. The record is refused whole, so are
// all after it, until there is room again; none of the good ones suffers.
func TestDiskFull(t *testing.T) {
	record := strings.Repeat("r", 40)
	for room := range len(record) + recordHeader {
		for _, noTruncate := range []bool{false, true} {
			dir := t.TempDir()
			d := &disk{room: 1 << 30}
			j := open(t, dir, Options{Create: d.create, ProbeEvery: time.Hour, SyncEvery: time.Hour})
			add(t, j, "one", "two")
			d.change(func(d *disk) { d.room, d.noTruncate = room, noTruncate })
			for range 3 {
				if _, err := j.Append([]byte(record)); !errors.Is(err, errFull) {
					t.Fatalf("Append on a full disk: %v", err)
				}
			}
			if err := j.Healthy(); !errors.Is(err, errFull) || !strings.Contains(err.Error(), dir) {
				t.Errorf("Healthy: %v", err)
			}
			if got := readAll(t, j, Position{}); !slices.Equal(got, []string{"one", "two"}) {
				t.Errorf("read while broken: %q", got)
			}
			d.change(func(d *disk) { d.room = 2000 }) // for a header and a record, but the disk is as good as full
			if err := j.Probe(); err == nil {
				t.Error("works again with 2000 bytes left")
			}
			d.change(func(d *disk) { d.room, d.noTruncate = 1<<30, false })
			if err := j.Probe(); err != nil {
				t.Fatalf("Probe with room: %v", err)
			}
			add(t, j, "three")
			want := []string{"one", "two", "three"}
			if got := readAll(t, j, Position{}); !slices.Equal(got, want) {
				t.Errorf("read %q, want %q", got, want)
			}
			closeNow(t, j)
			j = open(t, dir, Options{})
			if got := readAll(t, j, Position{}); !slices.Equal(got, want) || len(j.Recovered()) > 0 {
				t.Errorf("after a restart: %q, %+v", got, j.Recovered())
			}
			closeNow(t, j)
			if t.Failed() {
				t.Fatalf("room for %d bytes, truncate fails: %v", room, noTruncate)
			}
		}
	}
}

// TestDiskFullThenCrash ends the process while a failed write could not even be cut off.
func TestDiskFullThenCrash(t *testing.T) {
	dir := t.TempDir()
	d := &disk{room: 1 << 30}
	j := open(t, dir, Options{Create: d.create, ProbeEvery: time.Hour})
	add(t, j, "one")
	d.change(func(d *disk) { d.room, d.noTruncate = 20, true })
	if _, err := j.Append([]byte("this does not fit into twenty bytes")); err == nil {
		t.Fatal("appended")
	}
	closeNow(t, j)
	j = open(t, dir, Options{})
	if got := readAll(t, j, Position{}); !slices.Equal(got, []string{"one"}) || len(j.Recovered()) != 1 {
		t.Errorf("%q, cut %+v", got, j.Recovered())
	}
}

// TestDiskFullAtRotation has no room for another segment.
func TestDiskFullAtRotation(t *testing.T) {
	for room := range headerSize {
		dir := t.TempDir()
		d := &disk{room: 1 << 30}
		j := open(t, dir, Options{Create: d.create, ProbeEvery: time.Hour, SegmentBytes: 60})
		add(t, j, "first of a segment")
		d.change(func(d *disk) { d.room = room })
		if _, err := j.Append([]byte("first of the next")); !errors.Is(err, errFull) {
			t.Fatalf("%v", err)
		}
		d.change(func(d *disk) { d.room = 1 << 30 })
		if err := j.Probe(); err != nil {
			t.Fatal(err)
		}
		add(t, j, "at last")
		closeNow(t, j)
		j = open(t, dir, Options{})
		if got := readAll(t, j, Position{}); !slices.Equal(got, []string{"first of a segment", "at last"}) || len(j.Recovered()) > 0 {
			t.Errorf("room for %d: %q, cut %+v", room, got, j.Recovered())
		}
		closeNow(t, j)
	}
}

// TestJournalHealsByItself waits for the keeper instead of probing.
func TestJournalHealsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{room: 1 << 30}
		j := open(t, t.TempDir(), Options{Create: d.create, SyncEvery: 100 * time.Millisecond})
		defer closeNow(t, j)
		add(t, j, "one")
		d.change(func(d *disk) { d.room = 0 })
		if _, err := j.Append([]byte("x")); err == nil {
			t.Error("appended")
		}
		time.Sleep(10 * time.Second)
		if j.Healthy() == nil {
			t.Error("healthy without room")
		}
		d.change(func(d *disk) { d.room = 1 << 30 })
		time.Sleep(2 * time.Second)
		if err := j.Healthy(); err != nil {
			t.Error(err)
		}
		add(t, j, "two")
		if got := readAll(t, j, Position{}); !slices.Equal(got, []string{"one", "two"}) {
			t.Errorf("%q", got)
		}
	})
}

// TestSyncInTime counts syncs: none while nothing is written, one within SyncEvery of a record.
func TestSyncInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{room: 1 << 30}
		j := open(t, t.TempDir(), Options{Create: d.create, SyncEvery: 100 * time.Millisecond})
		defer closeNow(t, j)
		count := func() (n int) { d.change(func(d *disk) { n = d.syncs }); return n }
		before := count()
		time.Sleep(time.Hour)
		if n := count(); n != before {
			t.Errorf("%d syncs of nothing", n-before)
		}
		for i := range 50 {
			add(t, j, fmt.Sprint(i))
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(100 * time.Millisecond)
		if n := count() - before; n < 5 || n > 6 {
			t.Errorf("%d syncs in half a second, want one every 100 ms", n)
		}
		before = count()
		time.Sleep(time.Hour)
		if n := count(); n != before {
			t.Errorf("%d syncs of nothing new", n-before)
		}
	})
}

// TestSyncFails pins that after a failed sync the journal goes on in another segment, and that what
// it took before can still be read.
func TestSyncFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{room: 1 << 30}
		j := open(t, t.TempDir(), Options{Create: d.create, SyncEvery: 100 * time.Millisecond})
		defer closeNow(t, j)
		add(t, j, "one")
		d.change(func(d *disk) { d.noSync = true })
		time.Sleep(time.Second)
		if _, err := j.Append([]byte("x")); err == nil {
			t.Error("appended to a file that cannot be synced")
		}
		before := j.End()
		d.change(func(d *disk) { d.noSync = false })
		time.Sleep(2 * time.Second)
		add(t, j, "two")
		if after := j.End(); after.Segment == before.Segment {
			t.Errorf("goes on in the segment that failed, at %v", after)
		}
		if got := readAll(t, j, Position{}); !slices.Equal(got, []string{"one", "two"}) {
			t.Errorf("%q", got)
		}
	})
}

// TestSyncEachFails is a record that reached the file but not the disk: refused, and not there later.
func TestSyncEachFails(t *testing.T) {
	dir := t.TempDir()
	d := &disk{room: 1 << 30}
	j := open(t, dir, Options{Create: d.create, ProbeEvery: time.Hour})
	add(t, j, "one")
	d.change(func(d *disk) { d.noSync = true })
	if _, err := j.Append([]byte("x")); err == nil {
		t.Error("appended")
	}
	d.change(func(d *disk) { d.noSync = false })
	closeNow(t, j)
	j = open(t, dir, Options{})
	if got := readAll(t, j, Position{}); !slices.Equal(got, []string{"one"}) {
		t.Errorf("%q", got)
	}
}

// TestFullDiskUnderLoad lets the disk fill up again and again while many append. Exactly the records
// that were acknowledged are there.
func TestFullDiskUnderLoad(t *testing.T) {
	dir := t.TempDir()
	d := &disk{room: 1 << 30}
	j := open(t, dir, Options{Create: d.create, ProbeEvery: time.Hour, SyncEvery: time.Millisecond, SegmentBytes: 3000})
	var mu sync.Mutex
	var acked []string
	for round := range 20 {
		d.change(func(d *disk) { d.room = 2000 + 37*round })
		var wg sync.WaitGroup
		for w := range 8 {
			wg.Go(func() {
				for i := 0; ; i++ {
					record := fmt.Sprintf("%d/%d/%d", round, w, i)
					if _, err := j.Append([]byte(record)); err != nil {
						return
					}
					mu.Lock()
					acked = append(acked, record)
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		d.change(func(d *disk) { d.room = 1 << 30 })
		if err := j.Probe(); err != nil {
			t.Fatal(err)
		}
	}
	closeNow(t, j)
	j = open(t, dir, Options{})
	got := readAll(t, j, Position{})
	slices.Sort(got)
	slices.Sort(acked)
	if !slices.Equal(got, acked) {
		t.Errorf("%d records are there, %d were acknowledged", len(got), len(acked))
	}
}

// smallDisk has room for capacity bytes in one directory, and gets back what is removed there.
type smallDisk struct {
	mu       sync.Mutex
	dir      string
	capacity int64
}

func (d *smallDisk) create(path string) (File, error) {
	f, err := CreateFile(path)
	if err != nil {
		return nil, err
	}
	return smallFile{f, d}, nil
}

func (d *smallDisk) left() (int64, error) {
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		return 0, err
	}
	left := d.capacity
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return 0, err
		}
		left -= info.Size()
	}
	return max(0, left), nil
}

type smallFile struct {
	File
	d *smallDisk
}

func (f smallFile) Write(p []byte) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	left, err := f.d.left()
	if err != nil {
		return 0, err
	}
	n, err := f.File.Write(p[:min(int64(len(p)), left)])
	if err == nil && n < len(p) {
		err = errFull
	}
	return n, err
}

// TestReserveTakesWhatIsUnderWay fills a disk. When it is full the journal says so, and still takes
// records into its reserve until that is full too. With room again, the reserve is filled again.
func TestReserveTakesWhatIsUnderWay(t *testing.T) {
	for _, segment := range []int64{1 << 20, 3000} { // with and without rotation in between
		dir := t.TempDir()
		d := &smallDisk{dir: dir, capacity: 30_000}
		opts := Options{Create: d.create, ProbeEvery: time.Hour, SyncEvery: time.Hour, SegmentBytes: segment, ReserveBytes: 10_000}
		j := open(t, dir, opts)
		var want []string
		fill := func() (healthy, reserve int) {
			for i := 0; ; i++ {
				record := fmt.Sprintf("%d %s", len(want), strings.Repeat("r", 90))
				if _, err := j.Append([]byte(record)); err != nil {
					if !errors.Is(err, errFull) {
						t.Fatal(err)
					}
					return healthy, reserve
				}
				want = append(want, record)
				if j.Healthy() == nil {
					healthy++
				} else {
					reserve++
				}
			}
		}
		if healthy, reserve := fill(); healthy < 150 || reserve < 80 {
			t.Errorf("%d records on the disk, %d in the reserve", healthy, reserve)
		}
		if err := j.Probe(); err == nil {
			t.Error("healthy on a full disk")
		}
		if _, err := j.Append([]byte("x")); err == nil {
			t.Error("appended to a full disk without a reserve")
		}
		d.mu.Lock()
		d.capacity = 1_000_000
		d.mu.Unlock()
		if err := j.Probe(); err != nil {
			t.Fatal(err)
		}
		d.mu.Lock()
		left, err := d.left()
		d.capacity -= left - 5000
		d.mu.Unlock()
		if err != nil {
			t.Fatal(err)
		}
		if healthy, reserve := fill(); healthy < 30 || reserve < 80 {
			t.Errorf("the second time: %d records on the disk, %d in the reserve", healthy, reserve)
		}
		closeNow(t, j)
		opts.Create = nil
		j = open(t, dir, opts)
		if got := readAll(t, j, Position{}); !slices.Equal(got, want) {
			t.Errorf("%d records, want %d", len(got), len(want))
		}
		closeNow(t, j)
	}
}

// TestProbeKeepsTheReserveOpen probes a full disk while the reserve still has room: calls under way
// must go on being taken.
func TestProbeKeepsTheReserveOpen(t *testing.T) {
	dir := t.TempDir()
	d := &smallDisk{dir: dir, capacity: 20_000}
	j := open(t, dir, Options{Create: d.create, ProbeEvery: time.Hour, ReserveBytes: 10_000})
	var want []string
	for j.Healthy() == nil {
		want = append(want, fmt.Sprint(len(want), strings.Repeat("r", 500)))
		add(t, j, want[len(want)-1])
	}
	for range 5 {
		if err := j.Probe(); err == nil {
			t.Fatal("healthy on a full disk")
		}
		want = append(want, fmt.Sprint("under way ", len(want)))
		add(t, j, want[len(want)-1])
	}
	if got := readAll(t, j, Position{}); !slices.Equal(got, want) {
		t.Errorf("%d records, want %d", len(got), len(want))
	}
}

// TestReserveIsForFullDisksOnly breaks a disk that has room: its reserve would not help.
func TestReserveIsForFullDisksOnly(t *testing.T) {
	dir := t.TempDir()
	d := &disk{room: 1 << 30}
	j := open(t, dir, Options{Create: d.create, ProbeEvery: time.Hour, ReserveBytes: 1000})
	d.change(func(d *disk) { d.noSync = true })
	if _, err := j.Append([]byte("x")); err == nil {
		t.Error("appended")
	}
	if info, err := os.Stat(j.reservePath()); err != nil || info.Size() != 1000 {
		t.Errorf("the reserve: %v, %v", info, err)
	}
	d.change(func(d *disk) { d.noSync = false })
}
