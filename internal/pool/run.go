package pool

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"tollgate/internal/canon"
	"tollgate/internal/provider"
)

// Checker asks a provider, for free, whether a channel's key is valid. nil means yes.
type Checker func(ctx context.Context, c Channel, v provider.Provider) *canon.Error

const (
	checkTick    = time.Second
	checkTimeout = 20 * time.Second
	checksAtOnce = 8
)

// Run keeps the pool healthy until ctx is done: it writes retirements to the store and checks
// retired channels again at growing intervals.
func (p *Pool) Run(ctx context.Context, check Checker) {
	var checks sync.WaitGroup
	checks.Go(func() { p.recheckAll(ctx, check) }) // a provider that hangs must not keep what is known from the store
	tick := time.NewTicker(checkTick)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			checks.Wait()
			p.save(context.WithoutCancel(ctx))
			return
		case <-p.dirtyC:
			p.save(ctx)
		case <-tick.C:
			p.save(ctx)
		}
	}
}

// recheckAll checks retired channels as their time comes until ctx is done.
func (p *Pool) recheckAll(ctx context.Context, check Checker) {
	tick := time.NewTicker(checkTick)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			p.recheck(ctx, check)
		}
	}
}

// changed notes that a channel retired or came back. What a call learns of a credential that was
// replaced or removed meanwhile (h is not its health any more) is nobody's business.
func (p *Pool) changed(c Channel, h *health, retired bool, reason string) {
	id, at := c.ID, p.now()
	p.mu.Lock()
	current := p.health[id] == h
	if current {
		p.dirty[id] = retirement{retired: retired, reason: reason, at: at}
	}
	p.mu.Unlock()
	if !current {
		return
	}
	select {
	case p.dirtyC <- struct{}{}:
	default:
	}
	if retired {
		p.log.LogAttrs(context.Background(), slog.LevelWarn, "channel retired",
			slog.String("channel", id), slog.String("name", c.Name), slog.String("provider", c.Provider), slog.String("reason", reason))
	} else {
		p.log.LogAttrs(context.Background(), slog.LevelInfo, "channel is back",
			slog.String("channel", id), slog.String("name", c.Name), slog.String("provider", c.Provider))
	}
}

// save writes what changed to the store; what can't be written now is kept for the next time.
func (p *Pool) save(ctx context.Context) {
	p.mu.Lock()
	todo := p.dirty
	p.dirty = map[string]retirement{}
	p.mu.Unlock()
	for id, r := range todo {
		c, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := p.store.SetRetired(c, id, r.retired, r.reason, r.at)
		cancel()
		if err == nil || errors.Is(err, ErrNotFound) { // fixed channels have no row
			continue
		}
		p.log.LogAttrs(ctx, slog.LevelWarn, "the store did not take a channel's health", slog.String("channel", id), slog.Any("error", err))
		p.mu.Lock()
		if _, newer := p.dirty[id]; !newer {
			p.dirty[id] = r
		}
		p.mu.Unlock()
	}
}

// recheck looks at the retired channels whose time has come, at a few at once: some providers may hang.
func (p *Pool) recheck(ctx context.Context, check Checker) {
	now := p.now()
	var checks sync.WaitGroup
	defer checks.Wait()
	places := make(chan struct{}, checksAtOnce)
	for _, e := range p.snap.Load().entries {
		e.health.mu.Lock()
		due := e.health.retired && !e.health.trial && !now.Before(e.health.nextCheck)
		reason := e.health.reason
		e.health.mu.Unlock()
		if !due || !e.channel.Enabled {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case places <- struct{}{}:
		}
		checks.Go(func() {
			defer func() { <-places }()
			p.recheckOne(ctx, check, e, reason)
		})
	}
}

// recheckOne checks a retired channel and notes what comes of it; reason is why it was retired.
func (p *Pool) recheckOne(ctx context.Context, check Checker, e entry, reason string) {
	limited, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	err := check(limited, e.channel, e.provider)
	switch {
	case ctx.Err() != nil:
		return
	case err == nil:
		e.health.allowTrial(p.now())
		return
	case err.Kind != canon.KindAuth && err.Kind != canon.KindQuota && err.Kind != canon.KindDenied:
		reason = bound(reason + " (last check: " + err.Message + ")")
	}
	e.health.postpone(reason, p.now())
}

// bound cuts a reason that grows with every check.
func bound(s string) string {
	const most = 500
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") // a store refuses half a character
	}
	return s
}
