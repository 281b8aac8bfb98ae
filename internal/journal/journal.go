// Package journal owns the append-only local file that settled calls go to before anything else.
//
// A record is in the hands of the operating system when Append returns, so the death of the process
// loses nothing; it is on the disk within Options.SyncEvery, so the death of the machine loses no
// more than that. Records are opaque bytes: their meaning, and the store they finally go to, are left
// to ledger.
//
// The directory holds segments named by a growing number. Every start of the process begins a new
// segment, therefore a Position that was given out once never means another record, even if a power
// cut took away the end of the file it points into.
package journal

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// MaxRecord is the largest payload of a record, in bytes.
const MaxRecord = 4 << 20

// ErrClosed says that the journal was closed.
var ErrClosed = errors.New("journal: closed")

// Position is a place between two records. The zero Position is before the first one.
type Position struct {
	Segment int64
	Offset  int64 // bytes from the start of the segment's file
}

// Compare is negative if p is before q, positive if p is after q, and 0 if they are the same.
func (p Position) Compare(q Position) int {
	return cmp.Or(cmp.Compare(p.Segment, q.Segment), cmp.Compare(p.Offset, q.Offset))
}

// String is for logs.
func (p Position) String() string { return fmt.Sprintf("%d:%d", p.Segment, p.Offset) }

// File is what the journal writes a segment to.
type File interface {
	Write(p []byte) (n int, err error) // at the end of the file
	Truncate(size int64) error
	Sync() error
	Close() error
}

// Options tune a Journal. The zero value syncs every append; start from DefaultOptions.
type Options struct {
	SyncEvery    time.Duration // longest time that a record waits for fsync; 0: Append waits for it
	SegmentBytes int64         // a segment that would grow beyond it is closed; 0: 16 MiB
	ReserveBytes int64         // disk space kept for the calls that are under way when the disk is full; 0: none
	ProbeEvery   time.Duration // how often a broken journal looks whether it can write again; 0: 1 s
	Logger       *slog.Logger  // nil: silent

	// Create opens a new or emptied file for appending; nil is CreateFile. It is the
	// place to make a disk fail in tests.
	Create func(path string) (File, error)
}

// DefaultOptions are what a gateway runs with.
func DefaultOptions() Options {
	return Options{SyncEvery: 100 * time.Millisecond, ReserveBytes: 4 << 20} // the reserve is for some 4,000 calls
}

// Journal is an open journal. Its methods may be called from many goroutines.
type Journal struct {
	dir       string
	opts      Options
	lock      *os.File
	recovered []Cut

	trouble atomic.Pointer[trouble] // nil: healthy

	mu        sync.Mutex // guards what follows; held for moments only
	gathering *batch     // records that wait for the next write; nil: none
	spare     *batch     // to be used again; may be nil
	segments  []segment  // oldest first; the last one is written to
	closed    bool

	writing sync.Mutex // held by who writes; taken before mu
	size    int64      // of the current segment, records that were acknowledged only; guarded by writing
	reserve bool       // the reserve is there; guarded by writing

	syncing sync.Mutex // guards file against being closed under a running Sync; taken after writing
	file    File       // current segment; nil once closed

	reading sync.Mutex // guards the reader's open file; taken before mu
	reader  *os.File   // may be nil
	readNum int64      // number of the segment that reader reads
	readBuf []byte     // what the last Read returned records of

	dirty   atomic.Bool   // something was written since the last Sync
	wake    chan struct{} // tells the keeper: dirty, or broken
	stop    chan struct{}
	stopped chan struct{} // closed when the keeper has returned
}

// trouble is why a journal is not healthy.
type trouble struct {
	err   error
	takes bool // the reserve was spent: records are taken as long as it lasts
}

// segment is a file of the journal. Its bytes up to size are whole records.
type segment struct {
	number int64
	size   int64
}

// Open opens the journal in dir, creating it if need be, and takes it for this process alone.
//
// The end of the newest segment may be torn, by a crash or a power cut: it is saved beside the
// segment, cut off, logged, and told by Recovered. Damage anywhere else is a *CorruptError and changes
// nothing: restore the file, or accept the loss with Repair. The caller must Close the journal.
func Open(dir string, opts Options) (*Journal, error) {
	opts.SegmentBytes = cmp.Or(opts.SegmentBytes, 16<<20)
	opts.ProbeEvery = cmp.Or(opts.ProbeEvery, time.Second)
	if opts.SyncEvery < 0 || opts.ProbeEvery < 0 || opts.ReserveBytes < 0 || opts.SegmentBytes < headerSize {
		return nil, fmt.Errorf("journal: SyncEvery, ProbeEvery, ReserveBytes and SegmentBytes must not be negative or tiny: %v, %v, %d, %d",
			opts.SyncEvery, opts.ProbeEvery, opts.ReserveBytes, opts.SegmentBytes)
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Create == nil {
		opts.Create = CreateFile
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	j := &Journal{
		dir: dir, opts: opts, lock: lock,
		wake: make(chan struct{}, 1), stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	if err := j.load(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	go j.keep()
	return j, nil
}

// load recovers what is there and begins a new segment.
func (j *Journal) load() error {
	segments, cuts, err := inspect(j.dir, false)
	for _, c := range cuts {
		j.opts.Logger.Warn("journal: cut off a torn end", "file", c.File, "offset", c.Offset,
			"bytes", c.Bytes, "saved_to", c.SavedTo, "why", c.Why)
	}
	if err != nil {
		return err
	}
	j.recovered, j.segments = cuts, segments
	if err := j.begin(j.End().Segment+1, false); err != nil {
		return err
	}
	if err := j.makeReserve(); err != nil {
		j.opts.Logger.Warn("journal: no reserve for a full disk", "dir", j.dir, "bytes", j.opts.ReserveBytes, "error", err)
	}
	return nil
}

// Recovered returns what Open had to cut off; usually nothing.
func (j *Journal) Recovered() []Cut { return j.recovered }

// Dir returns the directory of the journal.
func (j *Journal) Dir() string { return j.dir }

// Healthy returns nil, or why nothing new should be begun that would need a record. What is under way
// may still be appended as long as the reserve lasts. It costs next to nothing.
func (j *Journal) Healthy() error {
	if t := j.trouble.Load(); t != nil {
		return t.err
	}
	return nil
}

// takes returns nil, or why no records are taken.
func (j *Journal) takes() error {
	if t := j.trouble.Load(); t != nil && !t.takes {
		return t.err
	}
	return nil
}

// End returns the position behind the last record that was acknowledged.
func (j *Journal) End() Position {
	j.mu.Lock()
	defer j.mu.Unlock()
	c := j.current()
	return Position{Segment: c.number, Offset: c.size}
}

// Start returns the position before the oldest record that is still there.
func (j *Journal) Start() Position {
	j.mu.Lock()
	defer j.mu.Unlock()
	return Position{Segment: j.segments[0].number, Offset: headerSize}
}

// Bytes returns how many bytes of records lie behind from.
func (j *Journal) Bytes(from Position) int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	var n int64
	for _, s := range j.segments {
		switch {
		case s.number > from.Segment:
			n += s.size - headerSize
		case s.number == from.Segment:
			n += max(0, s.size-max(from.Offset, headerSize))
		}
	}
	return n
}

// current returns the segment that is written to, or the zero segment if there is none yet. The
// caller holds mu, or is Open.
func (j *Journal) current() segment {
	if len(j.segments) == 0 {
		return segment{}
	}
	return j.segments[len(j.segments)-1]
}

// Prune deletes the segments that lie wholly before the position. The current one stays.
func (j *Journal) Prune(before Position) error {
	j.reading.Lock()
	defer j.reading.Unlock()
	var errs []error
	pruned := false
	for {
		j.mu.Lock()
		oldest, last := j.segments[0], len(j.segments) == 1
		j.mu.Unlock()
		if last || oldest.number >= before.Segment {
			break
		}
		if j.reader != nil && j.readNum == oldest.number {
			errs = append(errs, j.reader.Close())
			j.reader = nil
		}
		// Oldest first: were a crash to stop us, no hole would be left in the sequence.
		if err := os.Remove(j.path(oldest.number)); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, fmt.Errorf("journal: prune: %w", err))
			break
		}
		j.mu.Lock()
		j.segments = j.segments[1:]
		j.mu.Unlock()
		pruned = true
	}
	if pruned {
		errs = append(errs, SyncDir(j.dir))
	}
	return errors.Join(errs...)
}

// Close writes what is under way, syncs, and gives the directory free. Later calls answer ErrClosed.
func (j *Journal) Close() error {
	j.mu.Lock()
	if j.closed {
		j.mu.Unlock()
		return ErrClosed
	}
	j.closed = true
	j.mu.Unlock()
	close(j.stop)
	<-j.stopped

	j.writing.Lock()
	defer j.writing.Unlock()
	j.syncing.Lock()
	defer j.syncing.Unlock()
	errs := []error{j.file.Sync(), j.file.Close()}
	j.file = nil
	j.reading.Lock()
	defer j.reading.Unlock()
	if j.reader != nil {
		errs = append(errs, j.reader.Close())
		j.reader = nil
	}
	errs = append(errs, j.lock.Close())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("journal: close: %w", err)
	}
	return nil
}

func (j *Journal) path(number int64) string { return filepath.Join(j.dir, segmentName(number)) }
