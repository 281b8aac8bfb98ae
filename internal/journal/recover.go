package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Cut is an end of a segment that was set aside.
type Cut struct {
	File    string
	Offset  int64  // where it began
	Bytes   int64  // how long it was
	SavedTo string // file that has it now; "" if there was nothing to save
	Intact  int    // records in it that are still readable
	Why     string
}

// CorruptError is damage that no crash explains, so nothing was done about it.
type CorruptError struct {
	File   string
	Offset int64
	Why    string
}

// Error says where the damage is and what to do.
func (e *CorruptError) Error() string {
	return fmt.Sprintf("journal: %s is damaged at byte %d: %s; restore the file from a copy, "+
		"or run tollgate journal repair, which sets the rest of this file aside", e.File, e.Offset, e.Why)
}

// Repair accepts the loss of what is damaged: in every damaged segment of the journal in dir it saves
// everything from the damage on beside the segment and cuts it off. Whole segments that are missing
// are accepted too, as a Cut without bytes. The journal must not be open. The records in the saved
// files are no longer part of the journal; Cut.Intact counts those that could still be read.
func Repair(dir string) ([]Cut, error) {
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	_, cuts, err := inspect(dir, true)
	return cuts, errors.Join(err, lock.Close())
}

// inspect reads all segments of dir and cuts off a torn end of the last one; with repair, whatever
// follows damage in any of them. The cuts are valid even with an error: they have happened.
func inspect(dir string, repair bool) (segments []segment, cuts []Cut, err error) {
	numbers, err := listSegments(dir)
	if err != nil {
		return nil, nil, err
	}
	var before int64
	for i, number := range numbers {
		path := filepath.Join(dir, segmentName(number))
		data, err := os.ReadFile(path) // one segment at a time: at most Options.SegmentBytes and one batch
		if err != nil {
			return nil, cuts, fmt.Errorf("journal: %w", err)
		}
		said, newer, why := decodeHeader(data, number)
		if newer {
			return nil, cuts, fmt.Errorf("journal: %s: %s; use the program that wrote it, or a newer one", path, why)
		}
		good := 0
		if why == "" {
			n, bad := wholeRecords(data[headerSize:])
			good, why = headerSize+n, bad
		}
		lost := good > 0 && i > 0 && said != before
		if lost && !repair {
			return nil, cuts, &CorruptError{File: path, Why: fmt.Sprintf(
				"it follows segment %d, but the one that is there is %d: files are missing", said, before)}
		}
		if why != "" {
			// A crash tears only the end of the newest segment, and nothing that can be read follows.
			intact := countIntact(data[min(good+1, len(data)):])
			if !repair && (i < len(numbers)-1 || intact > 0) {
				return nil, cuts, &CorruptError{File: path, Offset: int64(good), Why: why}
			}
			cut := Cut{File: path, Offset: int64(good), Bytes: int64(len(data) - good), Intact: intact, Why: why}
			if cut.SavedTo, err = setAside(path, good, data[good:]); err != nil {
				return nil, cuts, err
			}
			cuts = append(cuts, cut)
		}
		if lost {
			cuts = append(cuts, Cut{File: path, Why: fmt.Sprintf("segments between %d and %d are missing", before, number)})
		}
		if lost || good == 0 {
			if err := writeHeader(path, number, before, good == 0); err != nil {
				return nil, cuts, err
			}
			good = max(good, headerSize)
		}
		segments = append(segments, segment{number: number, size: int64(good)})
		before = number
	}
	return segments, cuts, nil
}

// setAside saves rest, which stands in the file path from offset on, to a new file beside it, and
// then cuts it off. Both are on the disk when it returns.
func setAside(path string, offset int, rest []byte) (savedTo string, err error) {
	if len(rest) > 0 {
		f, err := createNew(fmt.Sprintf("%s.cut-%d", path, offset))
		if err != nil {
			return "", fmt.Errorf("journal: save the end of %s: %w", path, err)
		}
		savedTo = f.Name()
		_, err = f.Write(rest)
		if err = errors.Join(err, f.Sync(), f.Close(), SyncDir(filepath.Dir(path))); err != nil {
			return "", fmt.Errorf("journal: save the end of %s: %w", path, err)
		}
	}
	if err := modify(path, func(f *os.File) error { return f.Truncate(int64(offset)) }); err != nil {
		return "", err
	}
	return savedTo, nil
}

// createNew creates the file name, or name.1, name.2 … if a former recovery left one.
func createNew(name string) (*os.File, error) {
	for i := 0; ; i++ {
		try := name
		if i > 0 {
			try = fmt.Sprintf("%s.%d", name, i)
		}
		f, err := os.OpenFile(try, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if !errors.Is(err, os.ErrExist) || i == 1000 {
			return f, err
		}
	}
}

// writeHeader puts a good header into a segment; with alone, it is all that the segment has.
func writeHeader(path string, number, before int64, alone bool) error {
	return modify(path, func(f *os.File) error {
		if alone {
			if err := f.Truncate(0); err != nil {
				return err
			}
		}
		_, err := f.WriteAt(encodeHeader(number, before), 0)
		return err
	})
}

// modify changes the file path and syncs it.
func modify(path string, change func(*os.File) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if err := errors.Join(change(f), f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}
