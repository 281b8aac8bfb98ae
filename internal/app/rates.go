package app

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"
)

// saveRatesEvery is how much of what was counted against rates a crash may lose.
const saveRatesEvery = time.Minute

func (a *App) ratesFile() string { return filepath.Join(a.cfg.Data, "rates") }

// loadRates goes on with the rates that an earlier run counted.
func (a *App) loadRates(ctx context.Context) {
	f, err := os.Open(a.ratesFile())
	if err == nil {
		err = errors.Join(a.limits.Load(f), f.Close())
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		a.log.LogAttrs(ctx, slog.LevelWarn, "rates begin anew: what was counted before can't be read", slog.String("file", a.ratesFile()), slog.Any("error", err))
	}
}

// keepRates writes what counts against rates to the data directory, every minute and when ctx ends.
func (a *App) keepRates(ctx context.Context) {
	tick := time.NewTicker(saveRatesEvery)
	defer tick.Stop()
	failing := false
	for last := false; !last; {
		select {
		case <-ctx.Done():
			last = true
		case <-tick.C:
		}
		err := a.saveRates()
		if err != nil && !failing {
			a.log.LogAttrs(ctx, slog.LevelWarn, "what counts against rates can't be kept; a restart may forget it", slog.Any("error", err))
		}
		failing = err != nil
	}
}

// saveRates replaces the file as a whole.
func (a *App) saveRates() error {
	f, err := os.OpenFile(a.ratesFile()+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(a.limits.Save(f), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), a.ratesFile())
}
