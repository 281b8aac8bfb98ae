package journal

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// fail makes the journal refuse records and returns the error that everybody gets from now on.
func (j *Journal) fail(cause error) error {
	t := &trouble{err: fmt.Errorf("journal: takes no records, writing in %s failed (free space or repair the disk; it goes on by itself): %w", j.dir, cause)}
	j.trouble.Store(t)
	j.opts.Logger.Error("journal: broken, takes no records", "dir", j.dir, "error", cause)
	j.nudge()
	return t.err
}

// spendReserve gives a full disk the reserve back and reports whether it is worth trying again. From
// then on the journal is not healthy but takes records. The caller holds writing.
func (j *Journal) spendReserve(cause error) bool {
	if !j.reserve || !isFull(cause) {
		return false
	}
	j.reserve = false
	if err := os.Remove(j.reservePath()); err != nil {
		j.opts.Logger.Error("journal: remove the reserve", "error", err)
		return false
	}
	if err := j.file.Truncate(j.size); err != nil {
		return false
	}
	j.trouble.Store(&trouble{takes: true, err: fmt.Errorf("journal: writing in %s failed, what is under way is recorded in %d bytes of reserve "+
		"(free space or repair the disk; it goes on by itself): %w", j.dir, j.opts.ReserveBytes, cause)})
	j.opts.Logger.Error("journal: broken, lives on its reserve", "dir", j.dir, "bytes", j.opts.ReserveBytes, "error", cause)
	j.nudge()
	return true
}

// makeReserve fills the reserve, if there shall be one and it is not there. Its content is random, as
// some file systems store zeros in no space at all. The caller holds writing, or is Open.
func (j *Journal) makeReserve() error {
	if j.opts.ReserveBytes == 0 || j.reserve {
		return nil
	}
	path := j.reservePath()
	if info, err := os.Stat(path); err == nil && info.Size() == j.opts.ReserveBytes {
		j.reserve = true
		return nil
	}
	f, err := j.opts.Create(path)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	chunk := make([]byte, 64<<10)
	for left := j.opts.ReserveBytes; left > 0 && err == nil; left -= int64(len(chunk)) {
		chunk = chunk[:min(int64(len(chunk)), left)]
		rand.Read(chunk) // never fails
		_, err = f.Write(chunk)
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(fmt.Errorf("journal: fill the reserve: %w", err), os.Remove(path))
	}
	j.reserve = true
	return nil
}

func (j *Journal) reservePath() string { return filepath.Join(j.dir, "reserve") }

// Probe looks at once whether a broken journal can write again, and returns Healthy. The journal does
// it by itself every Options.ProbeEvery.
func (j *Journal) Probe() error {
	if j.Healthy() == nil {
		return nil
	}
	j.writing.Lock()
	defer j.writing.Unlock()
	if j.file == nil {
		return ErrClosed
	}
	was := j.trouble.Load()
	if was == nil {
		return nil
	}
	// What the failed write may have left must go before another segment follows.
	err := j.file.Truncate(j.size)
	if err == nil {
		err = j.makeReserve()
	}
	if err == nil {
		err = j.begin(j.End().Segment+1, true)
	}
	if err != nil {
		t := &trouble{takes: was.takes, err: fmt.Errorf("journal: writing in %s still fails (free space or repair the disk; it goes on by itself): %w", j.dir, err)}
		j.trouble.Store(t)
		return t.err
	}
	j.trouble.Store(nil)
	j.opts.Logger.Info("journal: works again", "dir", j.dir)
	return nil
}
