package app

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// The heap may grow to paceBytes with the garbage in it, less what is alive, within these percentages of that.
// Calls leave little behind, so with Go's usual 100 % a small heap is collected many times a second
// for nothing; a large one, thousands of streams, is kept tighter instead.
const (
	paceBytes  = 160 << 20
	minPercent = 50
	maxPercent = 1600
)

// pace sets the garbage collector's percentage by the size of the live heap until ctx is done. A
// percentage in GOGC is left alone.
func pace(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	now := 100
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		metrics.Read(sample)
		live := sample[0].Value.Uint64()
		want := maxPercent
		if live >= paceBytes/2 {
			want = minPercent
		} else if live > 0 {
			want = int(min(max((paceBytes-2*live)*100/live, minPercent), maxPercent))
		}
		if diff := want - now; diff > now/8 || diff < -now/8 { // setting it stops the world for a moment
			debug.SetGCPercent(want)
			now = want
		}
		select {
		case <-ctx.Done():
			debug.SetGCPercent(100)
			return
		case <-tick.C:
		}
	}
}
