package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// lockDir takes dir for this process: a file opened without sharing cannot be opened again.
func lockDir(dir string) (*os.File, error) {
	name := filepath.Join(dir, "lock")
	p, err := syscall.UTF16PtrFromString(name)
	if err != nil {
		return nil, fmt.Errorf("journal: lock %s: %w", dir, err)
	}
	h, err := syscall.CreateFile(p, syscall.GENERIC_READ|syscall.GENERIC_WRITE, 0, nil,
		syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	if err != nil {
		const sharingViolation = syscall.Errno(32) // ERROR_SHARING_VIOLATION
		if errors.Is(err, sharingViolation) {
			err = errors.New("another process uses it; stop that one, or give this one its own data directory")
		}
		return nil, fmt.Errorf("journal: lock %s: %w", dir, err)
	}
	return os.NewFile(uintptr(h), name), nil
}

// SyncDir does nothing: a directory cannot be opened for that here, NTFS journals names itself.
func SyncDir(string) error { return nil }

// CreateFile opens a new or emptied file for appending: without O_APPEND, whose handle could not be truncated on Windows. Nothing is written
// behind a truncated place but the first record of a segment that was probed, and there seek does it.
func CreateFile(path string) (File, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	return seekingFile{f}, nil
}

type seekingFile struct{ *os.File }

func (f seekingFile) Truncate(size int64) error {
	if err := f.File.Truncate(size); err != nil {
		return err
	}
	_, err := f.Seek(size, 0)
	return err
}

// isFull reports whether err says that there is no room: ERROR_DISK_FULL, ERROR_HANDLE_DISK_FULL.
func isFull(err error) bool {
	return errors.Is(err, syscall.Errno(112)) || errors.Is(err, syscall.Errno(39))
}
