package pool

import (
	"context"
	"time"

	"tollgate/internal/canon"
)

// CheckNow runs the free check of a channel, whatever its turn, and acts on what it finds: a key that
// the provider refuses retires, a retired one that it knows may be tried by a call. A nil verdict
// means that the key is known; the error is ErrNotFound, or that of ctx.
func (p *Pool) CheckNow(ctx context.Context, id string, check Checker) (verdict *canon.Error, err error) {
	for _, e := range p.snap.Load().entries {
		if e.channel.ID != id {
			continue
		}
		c, cancel := context.WithTimeout(ctx, checkTimeout)
		defer cancel()
		verdict = check(c, e.channel, e.provider)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case verdict == nil:
			e.health.allowTrial(p.now())
		case verdict.Kind == canon.KindAuth || verdict.Kind == canon.KindQuota:
			reason := bound("a check found that the provider refuses the key: " + verdict.Message)
			if e.health.retire(reason, p.now()) {
				p.changed(e.channel, e.health, true, reason)
			}
		}
		return verdict, nil
	}
	return nil, ErrNotFound
}

// allowTrial lets one call try a retired channel whose key is known again. Whether it has money only
// a call can tell; if it fails, the client is served by another channel.
func (h *health) allowTrial(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.retired {
		h.trial = true
		h.nextCheck = now.Add(h.interval)
	}
}
