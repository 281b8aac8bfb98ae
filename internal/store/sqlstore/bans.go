package sqlstore

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"tollgate/internal/change"
	"tollgate/internal/sharing"
)

// Bans returns the addresses that are refused at an instant.
func (s *Store) Bans(ctx context.Context, now time.Time) ([]sharing.Ban, error) {
	all, err := collect(ctx, s.read, scanBan, `SELECT address, until_ms, accounts FROM bans WHERE until_ms > $1 ORDER BY address`, millis(now))
	if err != nil {
		return nil, fmt.Errorf("read refused addresses: %w", err)
	}
	return all, nil
}

// PutBan refuses an address until an instant, and forgets those that are over by now. With the zero time the
// address is refused no more.
func (s *Store) PutBan(ctx context.Context, b sharing.Ban, now time.Time) error {
	accounts, err := toJSON(b.Accounts)
	if err == nil {
		err = s.noted(ctx, change.Address, b.Addr.String(), func(tx *txn) error {
			if _, err := tx.ExecContext(ctx, `DELETE FROM bans WHERE until_ms <= $1 OR address = $2`, millis(now), b.Addr.String()); err != nil || b.Until.IsZero() {
				return err
			}
			_, err := tx.ExecContext(ctx, `
				INSERT INTO bans (address, until_ms, accounts) VALUES ($1, $2, $3)
				ON CONFLICT (address) DO UPDATE SET until_ms = excluded.until_ms, accounts = excluded.accounts`, b.Addr.String(), millis(b.Until), accounts)
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("keep refused address %s: %w", b.Addr, err)
	}
	return nil
}

func scanBan(row scanner) (b sharing.Ban, err error) {
	var address, accounts string
	var until int64
	if err := row.Scan(&address, &until, &accounts); err != nil {
		return b, err
	}
	b.Until = instant(until)
	if b.Addr, err = netip.ParsePrefix(address); err != nil {
		return b, fmt.Errorf("stored address %q: %w", address, err)
	}
	return b, fromJSON(accounts, "accounts of address "+address, &b.Accounts)
}
