package app

import (
	"fmt"
	"io"
	"path/filepath"

	"tollgate/internal/config"
	"tollgate/internal/journal"
)

// journalDir is where the journal of the gateway that cfg describes is.
func journalDir(cfg *config.Config) string { return filepath.Join(cfg.Data, "journal") }

// RepairJournal sets aside what is damaged in the journal and writes to out what that was and where it
// is now, also when it fails halfway. The gateway must not be running.
func RepairJournal(cfg *config.Config, out io.Writer) error {
	dir := journalDir(cfg)
	cuts, err := journal.Repair(dir)
	for _, c := range cuts {
		fmt.Fprintf(out, "%s: %s\n", c.File, c.Why)
		switch {
		case c.SavedTo != "":
			fmt.Fprintf(out, "  %d bytes from byte %d on are no longer part of the journal; they are saved in %s\n", c.Bytes, c.Offset, c.SavedTo)
			fmt.Fprintf(out, "  calls in them that can still be read: %d; those that the store does not have are not billed\n", c.Intact)
		case c.Bytes == 0:
			fmt.Fprintln(out, "  accepted; there was nothing to save")
		}
	}
	if err == nil && len(cuts) == 0 {
		_, err = fmt.Fprintf(out, "%s is whole; nothing was changed\n", dir)
	}
	if err != nil {
		return fmt.Errorf("repair the journal: %w", err)
	}
	return nil
}
