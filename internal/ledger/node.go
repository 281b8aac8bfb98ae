package ledger

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"

	"tollgate/internal/journal"
)

// NodeID returns the name that the process working in the data directory dir has towards the store.
// It is made at the first call and kept in dir/node. Copying a data directory copies the name: remove
// the file, and the journal with it, before a copy runs beside its origin.
func NodeID(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("ledger: %w", err)
	}
	name := filepath.Join(dir, "node")
	data, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		if err := createNode(dir, name); err != nil {
			return "", fmt.Errorf("ledger: make a node id: %w", err)
		}
		data, err = os.ReadFile(name)
	}
	if err != nil {
		return "", fmt.Errorf("ledger: read the node id: %w", err)
	}
	id, err := uuid.Parse(strings.TrimSpace(string(data)))
	if err != nil {
		return "", fmt.Errorf("ledger: %s does not hold a UUID (%w); put back the one it had, the store knows the journal by it", name, err)
	}
	return id.String(), nil
}

// createNode writes a new id; the file appears whole or not at all. It must be on the disk before the
// store hears of the id: under another one, what the journal holds would look as if it were new.
func createNode(dir, name string) error {
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, "node-*")
	if err != nil {
		return err
	}
	_, err = f.WriteString(id.String() + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return journal.SyncDir(dir)
}
