package admin

import (
	"context"
	"net/http"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/canon"
)

// Status is how the gateway stands.
type Status struct {
	Version       string    `json:"version"`
	StartedAt     time.Time `json:"started_at"`
	UptimeSeconds int64     `json:"uptime_seconds"`
	Held          string    `json:"held" doc:"Dollars reserved for calls that run."`
	Journal       struct {
		Records int64 `json:"lag_records" doc:"Settled calls that the store has not taken yet."`
		Bytes   int64 `json:"lag_bytes"`
		AgeMs   int64 `json:"lag_ms" doc:"Age of the oldest of them."`
	} `json:"journal"`
	Channels struct {
		Total   int `json:"total"`
		Enabled int `json:"enabled"`
		Retired int `json:"retired"`
	} `json:"channels"`
}

// Provider is what is known of a vendor.
type Provider struct {
	Name     string          `json:"name"`
	Title    string          `json:"title"`
	BaseURL  string          `json:"base_url" doc:"Empty: a channel must give one."`
	Dialects []canon.Dialect `json:"dialects" doc:"What it speaks itself, best first."`
	Models   []string        `json:"models" doc:"Patterns of what a channel serves that names none; empty: anything may be tried."`
	Keyless  bool            `json:"keyless"`
	Env      string          `json:"env,omitempty" doc:"Environment variable whose key becomes a channel by itself."`
	Note     string          `json:"note,omitempty"`
	Source   string          `json:"source,omitempty" doc:"Where this is from."`
	Read     string          `json:"read,omitempty" doc:"When, YYYY-MM-DD."`
}

func (a *API) registerStatus() {
	handle(a, route{id: "get-status", method: http.MethodGet, path: "/status", policy: PolicyRoot, tag: "status", summary: "How the gateway stands"}, a.status)
	handle(a, route{id: "list-providers", method: http.MethodGet, path: "/providers", policy: PolicyAnyone, tag: "providers", summary: "List the vendors that are known"}, a.listProviders)
}

func (a *API) status(context.Context, account.Caller, *struct{}) (*one[Status], error) {
	now := a.Now()
	s := Status{Version: a.Version, StartedAt: a.Began.UTC().Truncate(time.Millisecond), UptimeSeconds: int64(now.Sub(a.Began).Seconds()), Held: a.Money.Held().String()}
	lag := a.Money.Lag(now)
	s.Journal.Records, s.Journal.Bytes, s.Journal.AgeMs = lag.Records, lag.Bytes, lag.Age.Milliseconds()
	for _, c := range a.Channels.List() {
		s.Channels.Total++
		if c.Channel.Enabled {
			s.Channels.Enabled++
		}
		if c.Retired {
			s.Channels.Retired++
		}
	}
	return &one[Status]{s}, nil
}

func (a *API) listProviders(context.Context, account.Caller, *struct{}) (*listed[Provider], error) {
	out := &listed[Provider]{Body: List[Provider]{Data: make([]Provider, 0, len(a.Providers))}}
	for _, p := range a.Providers {
		v := Provider{
			Name: p.Name, Title: p.Title, BaseURL: p.Base, Dialects: make([]canon.Dialect, 0, len(p.Speaks)), Models: listOf(p.Serves),
			Keyless: p.Keyless, Env: p.Env, Note: p.Note, Source: p.Source, Read: p.Read,
		}
		for _, s := range p.Speaks {
			v.Dialects = append(v.Dialects, s.Dialect)
		}
		out.Body.Data = append(out.Body.Data, v)
	}
	return out, nil
}
