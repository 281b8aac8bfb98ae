package sqlstore

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"tollgate/internal/audit"
)

// InsertEvent adds an event to the audit trail.
func (s *Store) InsertEvent(ctx context.Context, e audit.Event) error {
	details := string(e.Details)
	if details == "" {
		details = "{}"
	}
	_, err := s.write.ExecContext(ctx, `
		INSERT INTO audit (id, at_ms, action, status, operator_id, key_id, target_id, object, details)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		e.ID, millis(e.At), clean(e.Action), string(e.Status), clean(e.OperatorID), clean(e.KeyID), clean(e.TargetID), clean(e.Object), clean(details))
	if err != nil {
		return fmt.Errorf("add event %s: %w", e.ID, err)
	}
	return nil
}

// Events returns the events that q selects, newest first.
func (s *Store) Events(ctx context.Context, q audit.Query) ([]audit.Event, error) {
	where, args := auditWhere(q)
	if q.Before != "" {
		args = append(args, clean(q.Before))
		where += " AND id < $" + strconv.Itoa(len(args))
	}
	args = append(args, q.Limit, q.Offset)
	all, err := collect(ctx, s.read, scanEvent, `
		SELECT id, at_ms, action, status, operator_id, key_id, target_id, object, details
		FROM audit`+where+fmt.Sprintf(` ORDER BY id DESC LIMIT $%d OFFSET $%d`, len(args)-1, len(args)), args...)
	if err != nil {
		return nil, fmt.Errorf("read the audit trail: %w", err)
	}
	return all, nil
}

// CountEvents returns how many events q selects.
func (s *Store) CountEvents(ctx context.Context, q audit.Query) (int, error) {
	where, args := auditWhere(q)
	var n int
	err := s.read.QueryRowContext(ctx, `SELECT COUNT(*) FROM audit`+where, args...).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count the audit trail: %w", err)
	}
	return n, nil
}

// auditWhere is the condition of a query and its parameters.
func auditWhere(q audit.Query) (string, []any) {
	parts, args := []string{"TRUE"}, []any{}
	add := func(text string, v any) {
		args = append(args, v)
		parts = append(parts, text+" $"+strconv.Itoa(len(args)))
	}
	if len(q.AccountIDs) > 0 {
		operators, values := in("operator_id IN {list}", len(args)+1, q.AccountIDs)
		args = append(args, values...)
		targets, values := in("target_id IN {list}", len(args)+1, q.AccountIDs)
		args = append(args, values...)
		parts = append(parts, "("+operators+" OR "+targets+")")
	}
	if prefix, ok := strings.CutSuffix(q.Action, "."); ok && prefix != "" {
		args = append(args, clean(q.Action), len(clean(q.Action)))
		parts = append(parts, fmt.Sprintf("SUBSTR(action, 1, $%d) = $%d", len(args), len(args)-1))
	} else if q.Action != "" {
		add("action =", clean(q.Action))
	}
	if q.Status != "" {
		add("status =", clean(string(q.Status)))
	}
	if q.OperatorID != "" {
		add("operator_id =", clean(q.OperatorID))
	}
	if q.TargetID != "" {
		add("target_id =", clean(q.TargetID))
	}
	if !q.From.IsZero() {
		add("at_ms >=", millis(q.From))
	}
	if !q.To.IsZero() {
		add("at_ms <", millis(q.To))
	}
	return " WHERE " + strings.Join(parts, " AND "), args
}

func scanEvent(row scanner) (audit.Event, error) {
	var e audit.Event
	var at int64
	var details string
	err := row.Scan(&e.ID, &at, &e.Action, &e.Status, &e.OperatorID, &e.KeyID, &e.TargetID, &e.Object, &details)
	e.At = instant(at)
	if details != "{}" {
		e.Details = []byte(details)
	}
	return e, err
}
