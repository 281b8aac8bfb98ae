package journal

import (
	"fmt"
	"os"
	"slices"
)

// Read returns the records behind pos: at most limit of them and about bytes bytes, but at least one
// if there is one. next is the position to go on from; no records mean that all that was appended has
// been read, and then next may still differ from pos. Everything that Append acknowledged is seen.
//
// A pos in a segment that was pruned goes on at the oldest one there is: compare with Start. The
// records are valid until the next Read. Damage is a *CorruptError.
func (j *Journal) Read(pos Position, limit, bytes int) (records [][]byte, next Position, err error) {
	j.reading.Lock()
	defer j.reading.Unlock()
	for {
		seg, more, err := j.locate(&pos)
		if err != nil {
			return nil, pos, err
		}
		if pos.Offset < seg.size {
			return j.readSegment(seg, pos, limit, bytes)
		}
		if !more {
			return nil, pos, nil
		}
		pos = Position{Segment: seg.number + 1}
	}
}

// locate finds the segment that pos is in and moves pos to where it can be read. more says that
// another segment follows.
func (j *Journal) locate(pos *Position) (seg segment, more bool, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return segment{}, false, ErrClosed
	}
	i := slices.IndexFunc(j.segments, func(s segment) bool { return s.number >= pos.Segment })
	if i < 0 || i == len(j.segments)-1 && j.segments[i].number == pos.Segment && pos.Offset > j.segments[i].size {
		return segment{}, false, fmt.Errorf("journal: nothing was ever written at %v, the end is %d:%d; is this the right directory?",
			*pos, j.current().number, j.current().size)
	}
	seg = j.segments[i]
	if seg.number > pos.Segment {
		*pos = Position{Segment: seg.number}
	}
	pos.Offset = max(pos.Offset, headerSize)
	return seg, i < len(j.segments)-1, nil
}

func (j *Journal) readSegment(seg segment, pos Position, limit, bytes int) (records [][]byte, next Position, err error) {
	if j.reader == nil || j.readNum != seg.number {
		if j.reader != nil {
			err := j.reader.Close()
			j.reader = nil
			if err != nil {
				return nil, pos, fmt.Errorf("journal: %w", err)
			}
		}
		f, err := os.Open(j.path(seg.number))
		if err != nil {
			return nil, pos, fmt.Errorf("journal: %w", err)
		}
		j.reader, j.readNum = f, seg.number
	}
	available := seg.size - pos.Offset
	size := int(min(available, int64(max(bytes, recordHeader))))
	if cap(j.readBuf) < size {
		j.readBuf = make([]byte, size)
	}
	data := j.readBuf[:size]
	if _, err := j.reader.ReadAt(data, pos.Offset); err != nil {
		return nil, pos, fmt.Errorf("journal: read %s: %w", j.reader.Name(), err)
	}
	for rest := data; len(rest) > 0 && len(records) < max(limit, 1); {
		payload, after, need, why := nextRecord(rest)
		if why == "" {
			records = append(records, payload)
			pos.Offset += int64(recordHeader + len(payload))
			rest = after
			continue
		}
		if need == 0 || int64(need) > seg.size-pos.Offset {
			if len(records) > 0 {
				break // the good ones first
			}
			return nil, pos, &CorruptError{File: j.reader.Name(), Offset: pos.Offset, Why: why}
		}
		if len(records) > 0 {
			break // goes on behind what was read
		}
		rest = make([]byte, need)
		if _, err := j.reader.ReadAt(rest, pos.Offset); err != nil {
			return nil, pos, fmt.Errorf("journal: read %s: %w", j.reader.Name(), err)
		}
	}
	return records, pos, nil
}
