package journal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// written returns the files of a closed journal with these records: file name to content, and the
// names in order.
func written(t *testing.T, opts Options, records []string) (map[string][]byte, []string) {
	t.Helper()
	dir := t.TempDir()
	j := open(t, dir, opts)
	add(t, j, records...)
	closeNow(t, j)
	files := map[string][]byte{}
	var names []string
	numbers, err := listSegments(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range numbers {
		name := segmentName(n)
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = data
		names = append(names, name)
	}
	return files, names
}

func put(t *testing.T, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// with returns files with one of them replaced.
func with(files map[string][]byte, name string, data []byte) map[string][]byte {
	out := map[string][]byte{}
	for n, d := range files {
		out[n] = d
	}
	out[name] = data
	return out
}

// boundaries returns the offsets behind each record of a segment, beginning with that of the header.
func boundaries(data []byte) []int {
	ends := []int{headerSize}
	for rest := data[headerSize:]; len(rest) > 0; {
		_, after, _, _ := nextRecord(rest)
		rest = after
		ends = append(ends, len(data)-len(rest))
	}
	return ends
}

// recovers opens the journal in dir twice, and appends in between, to see that recovery settles matters.
func recovers(t *testing.T, dir string, want []string, cut *Cut) {
	t.Helper()
	j := open(t, dir, Options{})
	if got := readAll(t, j, Position{}); !slices.Equal(got, want) {
		t.Errorf("recovered %q, want %q", got, want)
	}
	switch cuts := j.Recovered(); {
	case cut == nil && len(cuts) > 0:
		t.Errorf("cut %+v, nothing was torn", cuts)
	case cut != nil && len(cuts) != 1:
		t.Errorf("cut %+v, want one at %d", cuts, cut.Offset)
	case cut != nil:
		if cuts[0].Offset != cut.Offset || cuts[0].Bytes != cut.Bytes || filepath.Base(cuts[0].File) != cut.File {
			t.Errorf("cut %+v, want %+v", cuts[0], *cut)
		}
	}
	add(t, j, "after")
	closeNow(t, j)
	j = open(t, dir, Options{})
	if got := readAll(t, j, Position{}); !slices.Equal(got, append(slices.Clone(want), "after")) {
		t.Errorf("after another start: %q", got)
	}
	if cuts := j.Recovered(); len(cuts) > 0 {
		t.Errorf("the second start cut again: %+v", cuts)
	}
	closeNow(t, j)
}

// TestTornEnd cuts the last segment at every byte. What was whole stays, the rest is saved and told.
func TestTornEnd(t *testing.T) {
	records := numbered(0, 8)
	files, names := written(t, Options{SegmentBytes: 150}, records)
	last := names[len(names)-1]
	data := files[last]
	ends := boundaries(data)
	before := len(records) - (len(ends) - 1)
	for n := range len(data) {
		dir := put(t, with(files, last, data[:n]))
		whole, good := 0, 0
		for i, e := range ends {
			if e <= n {
				whole, good = i, e
			}
		}
		cut := &Cut{File: last, Offset: int64(good), Bytes: int64(n - good)}
		if n == good && n > 0 {
			cut = nil // ends between two records: nobody can know
		}
		recovers(t, dir, records[:before+whole], cut)
		if cut != nil && n > good {
			saved, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("%s.cut-%d", last, good)))
			if err != nil || !bytes.Equal(saved, data[good:n]) {
				t.Errorf("cut at byte %d: saved %q, %v; want %q", n, saved, err, data[good:n])
			}
		}
		if t.Failed() {
			t.Fatalf("cut at byte %d of %d", n, len(data))
		}
	}
}

// TestTornEndWithZeros is what a file system may leave after a power cut: the length is there, the
// content is not.
func TestTornEndWithZeros(t *testing.T) {
	records := numbered(0, 3)
	files, names := written(t, Options{}, records)
	last := names[len(names)-1]
	data := files[last]
	ends := boundaries(data)
	for from := ends[2]; from <= len(data); from++ {
		torn := append(slices.Clone(data[:from]), make([]byte, 5000)...)
		want, at := records[:2], ends[2]
		if from == len(data) {
			want, at = records, len(data)
		}
		recovers(t, put(t, with(files, last, torn)), want, &Cut{File: last, Offset: int64(at), Bytes: int64(len(torn) - at)})
		if t.Failed() {
			t.Fatalf("zeros from byte %d", from)
		}
	}
}

// TestFlippedBit flips every bit of a journal. In the last record of the last segment it is a torn
// end; anywhere else it is damage that names file and offset, changes nothing, and can be repaired.
func TestFlippedBit(t *testing.T) {
	records := []string{"one", "two", "three", "four", "five", "six"}
	files, names := written(t, Options{SegmentBytes: 55}, records)
	if len(names) != 3 {
		t.Fatalf("segments %v, want 3", names)
	}
	read := 0
	for s, name := range names {
		data := files[name]
		ends := boundaries(data)
		for bit := range len(data) * 8 {
			if testing.Short() && bit%8 != bit/8%8 {
				continue // one bit of every byte
			}
			flipped := slices.Clone(data)
			flipped[bit/8] ^= 1 << (bit % 8)
			rec := 0 // damaged record, counted from 1; 0: the header
			for rec < len(ends)-1 && ends[rec] <= bit/8 {
				rec++
			}
			at, kept := 0, 0
			if rec > 0 {
				at, kept = ends[rec-1], rec-1
			}
			dir := put(t, with(files, name, flipped))
			newest := s == len(names)-1
			if newest && rec == len(ends)-1 {
				recovers(t, dir, records[:read+kept], &Cut{File: name, Offset: int64(at), Bytes: int64(len(data) - at)})
			} else {
				damaged(t, dir, name, at, flipped)
				want := append(slices.Clone(records[:read+kept]), records[read+len(ends)-1:]...)
				repaired(t, dir, want, Cut{File: name, Offset: int64(at), Intact: len(ends) - 1 - max(rec, 0)})
			}
			if t.Failed() {
				t.Fatalf("bit %d of byte %d of %s", bit%8, bit/8, name)
			}
		}
		read += len(ends) - 1
	}
}

// damaged wants Open to refuse and to leave everything as it is.
func damaged(t *testing.T, dir, name string, offset int, content []byte) {
	t.Helper()
	j, err := Open(dir, Options{})
	if err == nil {
		t.Errorf("opened, with %q", readAll(t, j, Position{}))
		closeNow(t, j)
		return
	}
	var c *CorruptError
	if !errors.As(err, &c) || filepath.Base(c.File) != name || c.Offset != int64(offset) ||
		!strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), fmt.Sprint(offset)) {
		t.Errorf("error %v, want one about %s at byte %d", err, name, offset)
	}
	if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !bytes.Equal(got, content) {
		t.Errorf("the damaged file was changed: %q, %v", got, err)
	}
}

func repaired(t *testing.T, dir string, want []string, cut Cut) {
	t.Helper()
	cuts, err := Repair(dir)
	if err != nil || len(cuts) != 1 {
		t.Errorf("Repair: %+v, %v", cuts, err)
		return
	}
	c := cuts[0]
	if filepath.Base(c.File) != cut.File || c.Offset != cut.Offset || c.Intact != cut.Intact {
		t.Errorf("cut %+v, want %+v", c, cut)
	}
	if saved, err := os.ReadFile(c.SavedTo); err != nil || int64(len(saved)) != c.Bytes {
		t.Errorf("saved %d bytes, %v; want %d", len(saved), err, c.Bytes)
	}
	if again, err := Repair(dir); err != nil || len(again) > 0 {
		t.Errorf("a second Repair: %+v, %v", again, err)
	}
	recovers(t, dir, want, nil)
}

func TestMissingSegment(t *testing.T) {
	records := numbered(0, 20)
	files, names := written(t, Options{SegmentBytes: 150}, records)
	delete(files, names[2])
	dir := put(t, files)
	var c *CorruptError
	if _, err := Open(dir, Options{}); !errors.As(err, &c) || filepath.Base(c.File) != names[3] {
		t.Fatalf("a hole in the journal: %v", err)
	}
	cuts, err := Repair(dir)
	if err != nil || len(cuts) != 1 || cuts[0].SavedTo != "" {
		t.Errorf("Repair: %+v, %v", cuts, err)
	}
	j := open(t, dir, Options{})
	if got := readAll(t, j, Position{}); len(got) == 0 || len(got) >= len(records) || got[len(got)-1] != records[len(records)-1] {
		t.Errorf("after Repair: %q", got)
	}
}

func TestNewerFormatIsNotTouched(t *testing.T) {
	files, names := written(t, Options{}, []string{"a"})
	data := slices.Clone(files[names[0]])
	data[4]++
	head := encodeHeader(1, 0)
	head[4]++
	copy(data, head[:24])
	sum := crcOf(data[:24])
	copy(data[24:28], sum[:])
	for _, run := range []func(dir string) error{
		func(dir string) error { _, err := Open(dir, Options{}); return err },
		func(dir string) error { _, err := Repair(dir); return err },
	} {
		dir := put(t, with(files, names[0], data))
		if err := run(dir); err == nil || !strings.Contains(err.Error(), "version 2") {
			t.Errorf("error %v, want one about version 2", err)
		}
		if got, err := os.ReadFile(filepath.Join(dir, names[0])); err != nil || !bytes.Equal(got, data) {
			t.Errorf("the file was changed: %q, %v", got, err)
		}
	}
}

// TestDamageUnderAReader damages a record that was written in this process already.
func TestDamageUnderAReader(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{})
	add(t, j, "one", "two", "three")
	path := filepath.Join(dir, segmentName(1))
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	second := int64(headerSize + recordHeader + len("one"))
	if _, err := f.WriteAt([]byte("X"), second+recordHeader); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := tryReadAll(j, Position{})
	var c *CorruptError
	if !errors.As(err, &c) || c.Offset != second || !slices.Equal(got, []string{"one"}) {
		t.Errorf("read %q, %v; want \"one\" and damage at %d", got, err, second)
	}
}
