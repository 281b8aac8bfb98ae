package app

import (
	"context"
	"log/slog"
	"math"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

const (
	memoryRatio   = 0.8     // of the container's or machine's memory, that the process may use
	bodiesPart    = 4       // what bodies may have of that, as a divisor
	unknownMemory = 1 << 30 // where the system does not tell
)

// memory bounds the memory of the process, unless GOMEMLIMIT does, and returns what bodies may take of it at once.
func (a *App) memory(ctx context.Context) int64 {
	limit, err := memlimit.Set(memlimit.WithRatio(memoryRatio), memlimit.WithProvider(memlimit.ApplyFallback(memlimit.FromCgroup, memlimit.FromSystem)))
	if err != nil {
		a.log.LogAttrs(ctx, slog.LevelWarn, "the memory of this machine is not known; set GOMEMLIMIT", slog.Any("error", err))
	}
	if a.cfg.MaxBodiesBytes > 0 {
		return a.cfg.MaxBodiesBytes
	}
	if limit == math.MaxInt64 {
		limit = unknownMemory
	}
	return limit / bodiesPart
}
