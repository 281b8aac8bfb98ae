package journal

import (
	"fmt"
	"io"
	"os"
	"time"
)

const (
	maxBatch   = 8 << 20   // bytes gathered for one write
	keepBuffer = 1 << 20   // a larger buffer is not kept for the next batch
	probeBytes = 256 << 10 // a disk with less room than this is still full
)

// batch is what one write(2) carries.
type batch struct {
	buf  []byte
	done chan struct{} // closed when written; nil as long as only the leader is in it
	base Position      // where buf begins; valid when done
	err  error         // valid when done
}

// Append adds a record. When it returns without an error the record is in the hands of the operating
// system (with SyncEvery 0: on the disk); the position is the one right behind it. With an error the
// record is not in the journal. The payload is not kept.
//
// Who comes first writes, in its own goroutine; who comes meanwhile is gathered and written at once by
// the first of them.
func (j *Journal) Append(payload []byte) (Position, error) {
	if len(payload) == 0 || len(payload) > MaxRecord {
		return Position{}, fmt.Errorf("journal: a record has 1 to %d bytes, this one %d", MaxRecord, len(payload))
	}
	if err := j.takes(); err != nil {
		return Position{}, err
	}
	head := recordHead(payload)
	b, leads, end, err := j.join(head, payload)
	if err != nil {
		return Position{}, err
	}
	if leads {
		j.lead(b)
	} else {
		<-b.done
	}
	if b.err != nil {
		return Position{}, b.err
	}
	pos := Position{Segment: b.base.Segment, Offset: b.base.Offset + int64(end)}
	if leads {
		j.recycle(b)
	}
	return pos, nil
}

// join adds a record to the batch that gathers, or opens one and makes the caller its leader. end is
// where the record ends in the batch.
func (j *Journal) join(head [recordHeader]byte, payload []byte) (b *batch, leads bool, end int, err error) {
	for {
		j.mu.Lock()
		if j.closed {
			j.mu.Unlock()
			return nil, false, 0, ErrClosed
		}
		b, leads = j.gathering, j.gathering == nil
		if leads {
			if b, j.spare = j.spare, nil; b == nil {
				b = &batch{}
			}
			j.gathering = b
		} else if b.done == nil {
			b.done = make(chan struct{})
		}
		if leads || len(b.buf)+len(payload) <= maxBatch {
			b.buf = append(append(b.buf, head[:]...), payload...)
			end = len(b.buf)
			j.mu.Unlock()
			return b, leads, end, nil
		}
		j.mu.Unlock()
		<-b.done // full: wait for the next one
	}
}

// lead waits for its turn, closes the batch and writes it.
func (j *Journal) lead(b *batch) {
	j.writing.Lock()
	j.mu.Lock()
	j.gathering = nil
	j.mu.Unlock()
	j.write(b)
	j.writing.Unlock()
	if b.done != nil {
		close(b.done)
	}
}

// recycle keeps a batch that nobody else knows for the next leader.
func (j *Journal) recycle(b *batch) {
	if b.done != nil || cap(b.buf) > keepBuffer {
		return
	}
	b.buf = b.buf[:0]
	j.mu.Lock()
	j.spare = b
	j.mu.Unlock()
}

// write writes b at the end of the journal and fills in b.base or b.err. The caller holds writing.
func (j *Journal) write(b *batch) {
	if b.err = j.takes(); b.err != nil {
		return
	}
	if j.file == nil {
		b.err = ErrClosed
		return
	}
	if err := j.put(b.buf); err != nil {
		if !j.spendReserve(err) {
			b.err = j.fail(err)
			return
		}
		if err := j.put(b.buf); err != nil {
			b.err = j.fail(err)
			return
		}
	}
	j.mu.Lock()
	last := &j.segments[len(j.segments)-1]
	b.base = Position{Segment: last.number, Offset: last.size}
	last.size += int64(len(b.buf))
	j.size = last.size
	j.mu.Unlock()
	if j.opts.SyncEvery > 0 && !j.dirty.Swap(true) {
		j.nudge()
	}
}

// put writes p at the end of the current segment, or of a new one. After an error the file ends where
// it ended before, or Probe sees to that. The caller holds writing.
func (j *Journal) put(p []byte) error {
	if j.size+int64(len(p)) > j.opts.SegmentBytes && j.size > headerSize {
		if err := j.begin(j.End().Segment+1, false); err != nil {
			return err
		}
	}
	n, err := j.file.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	if err == nil && j.opts.SyncEvery == 0 {
		err = j.file.Sync()
	}
	if err != nil {
		if err := j.file.Truncate(j.size); err != nil {
			j.opts.Logger.Error("journal: cannot cut off a failed write, will try again", "error", err)
		}
	}
	return err
}

// Advance makes all later positions come after p, by beginning a new segment if need be. It is for a
// journal that was lost or replaced by an older copy while the positions reached in it live on
// elsewhere.
func (j *Journal) Advance(p Position) error {
	j.writing.Lock()
	defer j.writing.Unlock()
	if j.file == nil {
		return ErrClosed
	}
	if j.End().Compare(p) >= 0 {
		return nil
	}
	if err := j.begin(p.Segment+1, false); err != nil {
		return j.fail(err)
	}
	return nil
}

// begin syncs and closes the current segment, if any, and opens one of the given number. With probe it
// first makes sure that there is room for more than a header. On an error the current segment is as it
// was. The caller holds writing, or is Open.
func (j *Journal) begin(number int64, probe bool) error {
	j.syncing.Lock()
	defer j.syncing.Unlock()
	if j.file != nil {
		if err := j.file.Sync(); err != nil {
			return err
		}
	}
	path := j.path(number)
	next, err := j.opts.Create(path)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if err := j.prepare(next, number, probe); err != nil {
		if err := next.Close(); err != nil {
			j.opts.Logger.Error("journal: close an unused segment", "file", path, "error", err)
		}
		// If it stays, the next attempt empties it, or the next start cuts it off.
		if err := os.Remove(path); err != nil {
			j.opts.Logger.Error("journal: remove an unused segment", "file", path, "error", err)
		}
		return fmt.Errorf("journal: begin %s: %w", path, err)
	}
	old := j.file
	j.file, j.size = next, headerSize
	j.dirty.Store(false)
	j.mu.Lock()
	j.segments = append(j.segments, segment{number: number, size: headerSize})
	j.mu.Unlock()
	if old != nil {
		if err := old.Close(); err != nil {
			j.opts.Logger.Error("journal: close a full segment", "error", err) // it was synced above
		}
	}
	return nil
}

// prepare writes the header of a new segment and makes file and name durable.
func (j *Journal) prepare(f File, number int64, probe bool) error {
	content := encodeHeader(number, j.End().Segment)
	if probe {
		content = append(content, make([]byte, probeBytes)...)
	}
	if n, err := f.Write(content); err != nil {
		return err
	} else if n < len(content) {
		return io.ErrShortWrite
	}
	if probe {
		if err := f.Sync(); err != nil {
			return err
		}
		if err := f.Truncate(headerSize); err != nil {
			return err
		}
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return SyncDir(j.dir)
}

// nudge wakes the keeper.
func (j *Journal) nudge() {
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

// keep syncs what was written and probes a broken journal, until Close.
func (j *Journal) keep() {
	defer close(j.stopped)
	for {
		select {
		case <-j.stop:
			return
		case <-j.wake:
		}
		for {
			wait, broken := j.opts.SyncEvery, j.Healthy() != nil
			if broken {
				wait = j.opts.ProbeEvery
			} else if !j.dirty.Load() {
				break
			}
			select {
			case <-j.stop:
				return // Close syncs
			case <-time.After(wait):
			}
			if !broken {
				j.sync()
			} else if err := j.Probe(); err != nil {
				j.opts.Logger.Warn("journal: still broken", "error", err)
			}
		}
	}
}

// sync brings the current segment to the disk. After a failure nobody knows what the disk has, so the
// journal is broken and goes on in another segment; what the old one has in memory stays readable.
func (j *Journal) sync() {
	j.syncing.Lock()
	defer j.syncing.Unlock()
	j.dirty.Store(false)
	if err := j.file.Sync(); err != nil {
		_ = j.fail(err) // logged there; the next Append gets it
	}
}
