package proxyxai

import (
	"encoding/json"
	"net/http"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/audit"
)

// record writes what was done, or failed, into the audit trail.
func (a *API) record(r *http.Request, who account.Caller, action, targetID, object string, details any, err error) {
	e := audit.Event{Action: action, Status: audit.Done, OperatorID: who.Account.ID, KeyID: who.Key.ID, TargetID: targetID, Object: object}
	if err != nil {
		e.Status = audit.Failed
	}
	a.Trail.Record(r.Context(), e, details)
}

// logEntry is a line of the audit trail as the API shows it.
type logEntry struct {
	ID         string          `json:"id"`
	Action     string          `json:"action"`
	Status     string          `json:"status"`
	OperatorID string          `json:"operator_id"`
	TargetID   string          `json:"target_id"`
	Details    json.RawMessage `json:"details"`
	CreatedAt  time.Time       `json:"created_at"`
}

const (
	defaultLogs = 24
	maxLogs     = 100
	maxLogPages = 10_000 // what is older is asked for by filters
)

// logs answers a page of what was done to and by the caller's account, the newest first.
func (a *API) logs(r *http.Request, who account.Caller) (any, error) {
	q := r.URL.Query()
	page, err := number(q, "page", 1, 1, maxLogPages)
	if err != nil {
		return nil, err
	}
	size, err := number(q, "size", defaultLogs, 1, maxLogs)
	if err != nil {
		return nil, err
	}
	query := audit.Query{AccountIDs: []string{who.Account.ID}, Action: q.Get("action"), Status: audit.Status(q.Get("status")), Offset: (page - 1) * size, Limit: size}
	switch query.Status {
	case "", audit.Done, audit.Failed:
	case "success", "ok", "true":
		query.Status = audit.Done
	case "error", "fail", "false":
		query.Status = audit.Failed
	default:
		return nil, badRequest("status must be done or failed")
	}
	if called := q.Get("target_id"); called != "" {
		query.TargetID = called
		if x := a.Accounts.Directory().Find(called); x != nil && (x.ID == who.Account.ID || below(who, x)) {
			query.TargetID = x.ID
		}
	}
	total, err := a.Trail.Count(r.Context(), query)
	if err != nil {
		return nil, err
	}
	events, err := a.Trail.Events(r.Context(), query)
	if err != nil {
		return nil, err
	}
	out := struct {
		Logs    []logEntry `json:"logs"`
		Total   int        `json:"total"`
		Page    int        `json:"page"`
		Size    int        `json:"size"`
		HasMore bool       `json:"has_more"`
	}{make([]logEntry, 0, len(events)), total, page, size, page*size < total}
	for _, e := range events {
		if len(e.Details) == 0 {
			e.Details = json.RawMessage("{}")
		}
		out.Logs = append(out.Logs, logEntry{e.ID, e.Action, string(e.Status), e.OperatorID, e.TargetID, e.Details, e.At.UTC()})
	}
	return out, nil
}
