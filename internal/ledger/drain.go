package ledger

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"tollgate/internal/journal"
)

const (
	batchRecords = 1024 // twice what the store has a statement for
	batchBytes   = 1 << 20
	gatherTime   = 250 * time.Millisecond // how long a settled call may wait for others
	applyTimeout = 15 * time.Second
	firstPause   = 10 * time.Millisecond // after a failure of the store; doubles …
	longestPause = 5 * time.Second       // … up to this
)

var errStopped = errors.New("ledger: the book is closed")

// progress is how far the drain has come.
type progress struct {
	appended    atomic.Int64 // records that the journal got, here or before the start
	carried     atomic.Int64 // records of these that the drain is done with
	quarantined atomic.Int64
	oldest      atomic.Int64 // AtMillis of the oldest call under way to the store; 0: none

	mu      sync.Mutex
	applied journal.Position // everything before it is in the store
	changed chan struct{}    // closed, and replaced, when applied moves
}

// Lag is what the journal holds beyond the store.
type Lag struct {
	Records int64
	Bytes   int64
	Age     time.Duration // of the oldest call the drain is busy with; 0 if there is none
}

// Lag returns how far the store is behind.
func (b *Book) Lag(now time.Time) Lag {
	l := Lag{
		Records: max(0, b.waiting()),
		Bytes:   b.journal.Bytes(b.applied()),
	}
	if at := b.progress.oldest.Load(); at > 0 {
		l.Age = max(0, now.Sub(time.UnixMilli(at)))
	}
	return l
}

// Quarantined returns how many records could not be read and were set aside since the start.
func (b *Book) Quarantined() int64 { return b.progress.quarantined.Load() }

// Healthy returns nil, or why no calls can be recorded.
func (b *Book) Healthy() error { return b.journal.Healthy() }

// Flush waits until everything that was settled before the call is in the store.
func (b *Book) Flush(ctx context.Context) error {
	target := b.journal.End()
	for {
		b.progress.mu.Lock()
		applied, changed := b.progress.applied, b.progress.changed
		b.progress.mu.Unlock()
		if applied.Compare(target) >= 0 {
			return nil
		}
		b.hurry()
		select {
		case <-changed:
		case <-b.drained:
			return errStopped
		case <-ctx.Done():
			return fmt.Errorf("the journal is at %v, the store at %v: %w", target, applied, context.Cause(ctx))
		}
	}
}

// waiting is how many records the drain is not done with.
func (b *Book) waiting() int64 { return b.progress.appended.Load() - b.progress.carried.Load() }

func (b *Book) applied() journal.Position {
	b.progress.mu.Lock()
	defer b.progress.mu.Unlock()
	return b.progress.applied
}

// nudge tells the drain that there is something to carry, in a while.
func (b *Book) nudge() { signal(b.work) }

// hurry tells it to carry what there is now.
func (b *Book) hurry() { signal(b.now) }

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// drain carries records from the journal to the store until Close. It never gives one up: while the
// store fails it tries again, with smaller batches, as a batch too large to finish in time may be why.
func (b *Book) drain(pos journal.Position) {
	defer close(b.drained)
	pause, limit := firstPause, batchRecords
	for {
		next, n, err := b.carry(pos, limit)
		var wait <-chan time.Time
		switch {
		case b.ctx.Err() != nil:
			return
		case err != nil:
			b.log.Error("ledger: calls wait in the journal", "error", err, "position", pos, "again_in", pause)
			wait = time.After(pause)
			pause, limit = min(2*pause, longestPause), max(1, limit/2)
		case n == 0:
			pos = next
		default:
			pos, pause, limit = next, firstPause, min(2*limit, batchRecords)
			if b.waiting() >= int64(limit) || b.journal.Bytes(pos) >= batchBytes {
				continue
			}
			if pos.Compare(b.journal.End()) < 0 {
				b.nudge() // whoever brought it may have asked for haste before carry forgot that
			}
		}
		if !b.await(wait) {
			return
		}
	}
}

// await waits until there is something to carry: pause, if it is not nil; else until records have
// gathered for a while, enough of them for a batch are there, or somebody waits for them. A batch
// costs the store little more than a single call. It is false when the book closes.
func (b *Book) await(pause <-chan time.Time) bool {
	if pause != nil { // an impatient Flush does not shorten it
		select {
		case <-b.ctx.Done():
			return false
		case <-pause:
			return true
		}
	}
	select {
	case <-b.ctx.Done():
		return false
	case <-b.now:
		return true
	case <-b.work:
	}
	gathered := time.NewTimer(gatherTime)
	defer gathered.Stop()
	select {
	case <-b.ctx.Done():
		return false
	case <-b.now:
	case <-gathered.C:
	}
	return true
}

// carry brings one batch behind pos to the store and returns where it ends and how many records it had.
func (b *Book) carry(pos journal.Position, limit int) (next journal.Position, n int, err error) {
	records, next, err := b.journal.Read(pos, limit, batchBytes)
	if err != nil {
		return pos, 0, fmt.Errorf("ledger: what was settled cannot be read back: %w", err)
	}
	if next == pos {
		return pos, 0, nil
	}
	calls, err := b.recallAll(records)
	if err != nil {
		return pos, 0, err
	}
	defer clear(calls) // what they refer to is not kept until the next batch
	if len(calls) > 0 {
		b.progress.oldest.Store(calls[0].AtMillis)
	}
	ctx, cancel := context.WithTimeout(b.ctx, applyTimeout)
	defer cancel()
	if err := b.store.Apply(ctx, b.node, calls, Position(next)); err != nil {
		return pos, 0, fmt.Errorf("ledger: the store does not take calls: %w", err)
	}
	b.progress.oldest.Store(0)
	b.progress.carried.Add(int64(len(records)))
	select {
	case <-b.now: // was for this batch: the next one would be of the few calls that came meanwhile
	default:
	}
	b.progress.mu.Lock()
	b.progress.applied = next
	close(b.progress.changed)
	b.progress.changed = make(chan struct{})
	b.progress.mu.Unlock()
	if next.Segment > pos.Segment {
		if err := b.journal.Prune(next); err != nil {
			b.log.Warn("ledger: prune the journal", "error", err)
		}
	}
	return next, len(records), nil
}

// maxRecent bounds the calls kept in memory until they are carried; what is beyond is decoded again.
const maxRecent = 3 * batchRecords

// recent keeps calls between their settling and their way to the store, so that the drain need not
// decode what this process has just encoded.
type recent struct {
	mu   sync.Mutex
	byID map[string]*Call
	free []*Call // to be used again; empty
}

func (r *recent) put(call *Call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byID == nil {
		r.byID = map[string]*Call{}
	}
	if len(r.byID) >= maxRecent || r.byID[call.ID] != nil {
		return
	}
	kept := new(Call)
	if n := len(r.free); n > 0 {
		kept, r.free = r.free[n-1], r.free[:n-1]
	}
	*kept = *call
	r.byID[call.ID] = kept
}

func (r *recent) drop(id string) {
	r.take([]byte(id), &Call{})
}

// take sets call to the one with this id and forgets it; it is false if it is not there.
func (r *recent) take(id []byte, call *Call) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	kept := r.byID[string(id)]
	if kept == nil {
		return false
	}
	delete(r.byID, string(id))
	*call, *kept = *kept, Call{}
	r.free = append(r.free, kept)
	return true
}

// recallAll returns the calls of records, and sets aside what is none. They are valid until the next batch.
func (b *Book) recallAll(records [][]byte) ([]Call, error) {
	calls := b.batch[:0]
	for _, r := range records {
		calls = append(calls, Call{})
		if err := b.recall(r, &calls[len(calls)-1]); err != nil {
			if err := b.quarantine(r, err); err != nil {
				return nil, err
			}
			calls = calls[:len(calls)-1]
		}
	}
	b.batch = calls
	return calls, nil
}

// recall sets call to that of a record, from memory if it is there.
func (b *Book) recall(record []byte, call *Call) error {
	known := false
	if rest, ok := bytes.CutPrefix(record, []byte(`{"id":"`)); ok {
		if id, _, ok := bytes.Cut(rest, []byte{'"'}); ok {
			known = b.recent.take(id, call)
		}
	}
	if !known {
		var err error
		if *call, err = decode(record); err != nil {
			return err
		}
	}
	call.Document = record
	return nil
}

// quarantine saves a record that is no call beside the journal, for a person to look at: it must
// neither hold up the money of others nor be lost. Its name comes from its content, so a second
// attempt writes the same file.
func (b *Book) quarantine(record []byte, why error) error {
	name := filepath.Join(b.journal.Dir(), fmt.Sprintf("quarantine-%x", sha256.Sum256(record)))
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("ledger: set a record aside: %w", err)
	}
	_, err = f.Write(record)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("ledger: set a record aside: %w", err)
	}
	b.progress.quarantined.Add(1)
	b.log.Error("ledger: a record of the journal is not a call and was set aside; nothing was charged for it",
		"file", name, "bytes", len(record), "error", why)
	return nil
}
