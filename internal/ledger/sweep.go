package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

const (
	sweepEvery  = time.Minute
	expireGrace = 5 * time.Minute // calls of other processes settled before an expiry may come that late
	expireBatch = 200             // accounts
	closingLife = 24 * time.Hour  // longer than any call
)

// Closing says that an account is closed and that what it has goes to its parent, also what is held for
// calls under way, when they have ended.
type Closing struct {
	ID        string // of the first transfer
	AccountID string
	ParentID  string
	At        time.Time
	Note      string
}

// sweep does what is due until the book closes.
func (b *Book) sweep() {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-b.ctx.Done():
			return
		case <-tick.C:
		}
		ctx, cancel := context.WithTimeout(b.ctx, sweepEvery)
		if err := b.Sweep(ctx, time.Now()); err != nil && b.ctx.Err() == nil {
			b.log.Error("ledger: what has expired, or was left by closed accounts, waits", "error", err)
		}
		cancel()
	}
}

// Sweep writes off what is left on cards that have expired so long ago that no call runs any more which began before, and moves what closed accounts
// still have. A Book does so by itself every minute; several processes at one store do no harm.
func (b *Book) Sweep(ctx context.Context, now time.Time) error {
	return errors.Join(b.expire(ctx, now.Add(-b.longestCall-expireGrace)), b.closings(ctx, now))
}

func (b *Book) expire(ctx context.Context, before time.Time) error {
	for {
		ids, err := b.store.Expired(ctx, before, expireBatch)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if err := b.expireOf(ctx, id, before); err != nil {
				return err
			}
		}
		if len(ids) < expireBatch {
			return nil
		}
	}
}

func (b *Book) expireOf(ctx context.Context, accountID string, before time.Time) error {
	if err := b.Flush(ctx); err != nil { // most of what has to be waited for, without holding anybody up
		return err
	}
	p := b.purse(accountID)
	p.settling.Lock()
	defer p.settling.Unlock()
	ctx, cancel := context.WithTimeout(ctx, lockedTimeout)
	defer cancel()
	if err := b.Flush(ctx); err != nil {
		return err
	}
	if p.unsure {
		return nil // next time
	}
	bal, err := b.store.Expire(ctx, accountID, before)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		// Whether it happened or not: no call that settles from now on began that early.
		p.cards = slices.DeleteFunc(p.cards, func(c Card) bool { return !c.ExpiresAt.After(before) })
		return err
	}
	p.set(bal)
	return nil
}

func (b *Book) closings(ctx context.Context, now time.Time) error {
	all, err := b.store.Closings(ctx)
	if err != nil {
		return err
	}
	for _, c := range all {
		if b.Balance(c.AccountID, now).Left <= 0 {
			if now.Sub(c.At) > closingLife {
				if err := b.store.DropClosing(ctx, c.AccountID); err != nil {
					return err
				}
			}
			continue
		}
		_, err := b.Transfer(ctx, Transfer{
			ID: fmt.Sprintf("%s@%d", c.ID, now.UnixMilli()), Kind: EntryClose, From: c.AccountID, To: c.ParentID, Amount: maxCard, UpTo: true,
			At: now, Reference: "closed " + c.AccountID, Note: c.Note,
		})
		var short *ShortError
		if err != nil && !errors.As(err, &short) {
			return err
		}
	}
	return nil
}
