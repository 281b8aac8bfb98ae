package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/audit"
)

// Event is something that somebody did, as the API shows it.
type Event struct {
	ID         string          `json:"id"`
	At         time.Time       `json:"at"`
	Action     string          `json:"action" doc:"The operation, as in account.create or key.rotate; over the management API of ProxyXAI its own words."`
	Status     audit.Status    `json:"status" enum:"done,failed" doc:"failed: refused, or it went wrong; nothing changed."`
	OperatorID string          `json:"operator_id" doc:"Account of who did it."`
	KeyID      string          `json:"key_id,omitempty" doc:"Key that was used."`
	TargetID   string          `json:"target_id,omitempty" doc:"Account that it was done to."`
	Object     string          `json:"object,omitempty" doc:"What else it is about: a key, a channel, a model."`
	Details    json.RawMessage `json:"details,omitempty" doc:"What was said, without secrets."`
}

func viewEvent(e audit.Event) Event {
	return Event{
		ID: e.ID, At: e.At.UTC(), Action: e.Action, Status: e.Status, OperatorID: e.OperatorID, KeyID: e.KeyID, TargetID: e.TargetID, Object: e.Object, Details: e.Details,
	}
}

func (a *API) registerAudit() {
	handle(a, route{
		id: "list-audit", method: http.MethodGet, path: "/audit", policy: PolicyAnyone, tag: "audit", summary: "List who did what",
		more: "Newest first: what was done by and to an account.",
	}, a.listAudit)
}

func (a *API) listAudit(ctx context.Context, who account.Caller, in *struct {
	Page
	AccountID string    `query:"account_id" maxLength:"100" doc:"Without it, the caller's own; for root, all."`
	Action    string    `query:"action" maxLength:"100" doc:"One action, or with a dot at its end all that begin so: account."`
	Status    string    `query:"status" enum:"done,failed"`
	From      time.Time `query:"from" doc:"First instant that counts."`
	To        time.Time `query:"to" doc:"First instant that does not count any more."`
},
) (*listed[Event], error) {
	q := audit.Query{Action: in.Action, Status: audit.Status(in.Status), From: in.From, To: in.To, Before: in.After, Limit: in.Limit + 1}
	switch {
	case in.AccountID != "" && who.IsRoot(): // also of accounts that are gone
		q.AccountIDs = []string{in.AccountID}
	case in.AccountID != "":
		x, err := a.account(who, in.AccountID)
		if err != nil {
			return nil, err
		}
		q.AccountIDs = []string{x.ID}
	case !who.IsRoot():
		q.AccountIDs = []string{who.Account.ID}
	}
	rows, err := a.Trail.Events(ctx, q)
	if err != nil {
		return nil, err
	}
	return paged(rows, in.Limit, func(e audit.Event) string { return e.ID }, viewEvent), nil
}

// draftKey is the context's key for the *audit.Event of a request that changes something.
type draftKey struct{}

// draft is an event that is not recorded yet.
type draft struct {
	audit.Event
	details any
}

// about says whom and what the request of ctx is about, for the audit trail.
func about(ctx context.Context, targetID, object string, details any) {
	if d, ok := ctx.Value(draftKey{}).(*draft); ok {
		d.TargetID, d.Object, d.details = targetID, object, details
	}
}

// audited runs do and records how it ended.
func (a *API) audited(ctx context.Context, r route, who account.Caller, in any, do func(context.Context) (out any, err error)) error {
	verb, noun, _ := strings.Cut(r.id, "-") // "create-account" is told as "account.create"
	d := &draft{Event: audit.Event{Action: noun + "." + verb, Status: audit.Done, OperatorID: who.Account.ID, KeyID: who.Key.ID}}
	out, err := do(context.WithValue(ctx, draftKey{}, d))
	if d.TargetID == "" && d.Object == "" {
		d.Object = named(in, out)
	}
	if err != nil {
		d.Status = audit.Failed
		if reason := told(err); reason != "" {
			d.details = map[string]any{"said": d.details, "refused": reason}
		}
	}
	a.Trail.Record(ctx, d.Event, d.details)
	return err
}

// named returns what stands in the path of a request or, where nothing does, the id of what was made.
func named(in, out any) string {
	v := reflect.Indirect(reflect.ValueOf(in))
	for _, f := range reflect.VisibleFields(v.Type()) {
		if f.Tag.Get("path") != "" {
			return v.FieldByIndex(f.Index).String()
		}
	}
	if v = reflect.Indirect(reflect.ValueOf(out)); v.Kind() != reflect.Struct {
		return ""
	}
	if v = v.FieldByName("Body"); v.IsValid() && v.Kind() == reflect.Struct {
		if id := v.FieldByName("ID"); id.IsValid() && id.Kind() == reflect.String {
			return id.String()
		}
	}
	return ""
}

// told is what a client is told of an error; "" if it is not one for clients.
func told(err error) string {
	if s, ok := err.(interface { //nolint:errorlint // it is what problem made, wrapped by nobody
		error
		GetStatus() int
	}); ok && s.GetStatus() < http.StatusInternalServerError {
		return s.Error()
	}
	return ""
}

// said returns what a body says, by name, without what is for writing only.
func said(body any) map[string]any {
	out := map[string]any{}
	v := reflect.ValueOf(body)
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "-" || v.Field(i).IsZero() {
			continue
		}
		switch value := v.Field(i).Interface().(type) {
		case interface{ said() any }:
			out[name] = value.said()
		default:
			out[name] = value
		}
		if f.Tag.Get("writeOnly") == "true" {
			out[name] = "***"
		}
	}
	return out
}

// said returns the value of a field that is there.
func (o optional[T]) said() any {
	switch v := any(o.value).(type) {
	case limitsChange:
		if !o.null {
			return said(v)
		}
	case quotaChange:
		if !o.null {
			return said(v)
		}
	}
	if o.null {
		return nil
	}
	return o.value
}
