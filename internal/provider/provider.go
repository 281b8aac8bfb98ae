// Package provider owns what we know of vendors: base URLs, the dialects they speak and at which
// paths, how a request is signed, what they do when a client hangs up. Facts, no behaviour of ours
// but how they make a URL: it knows dialects by name and never tenants or money. The one explicit
// list is in builtin.
package provider

import (
	"slices"

	"tollgate/internal/canon"
	"tollgate/internal/wildcard"
)

// Provider is what we know of one vendor.
type Provider struct {
	Name   string   `json:"name"`            // lower case, unique, e.g. "deepseek"
	Title  string   `json:"title"`           // as the vendor writes itself
	Base   string   `json:"base,omitempty"`  // base URL without trailing slash; "" means that a channel must give one
	Hosts  []string `json:"hosts,omitempty"` // hosts by which a bare base URL is recognised as this vendor; "*.x" matches below x
	Auth   Auth     `json:"auth"`
	Speaks []Spoken `json:"speaks"` // best first

	// Serves are wildcard patterns of the models that it has, used when a channel names none.
	// Empty: any model may be tried.
	Serves []string `json:"serves,omitempty"`

	OnAbort  Abort  `json:"on_abort"`     // what the vendor bills when we hang up decides whether we do
	AbortWhy string `json:"on_abort_why"` // what is known of that, and from where

	Check   string `json:"check,omitempty"` // path of a free GET that tells whether a key is valid
	Keyless bool   `json:"keyless,omitempty"`
	Free    bool   `json:"free,omitempty"` // costs nothing per token (self-hosted), so an unknown price is zero

	Env    string `json:"env,omitempty"`    // environment variable whose key becomes a channel by itself
	Source string `json:"source,omitempty"` // where these facts come from
	Read   string `json:"read,omitempty"`   // when, YYYY-MM-DD
	Note   string `json:"note,omitempty"`
}

// Spoken is one dialect that a vendor answers, with the path of each operation below the base URL.
// {model}, {action} and {id} in a path are filled in by URL.
type Spoken struct {
	Dialect canon.Dialect       `json:"dialect"`
	Paths   map[canon.Op]string `json:"paths"`
	Auth    Auth                `json:"auth,omitempty"`   // where this dialect is signed differently
	Drop    []string            `json:"drop,omitempty"`   // top-level members that the vendor refuses and that carry no meaning for it
	Rename  map[string]string   `json:"rename,omitempty"` // top-level members that the vendor has under another name: ours, then its
	Base    string              `json:"base,omitempty"`   // where this dialect has a base of its own
	Quirks  []Quirk             `json:"quirks,omitempty"`
	Not     []string            `json:"not,omitempty"` // patterns of models that the vendor does not serve in this dialect

	// Knows are features that the vendor takes beyond what all that speak the dialect do.
	Knows []canon.What `json:"knows,omitempty"`

	// Headers are sent where the client gave none; names in canonical form.
	Headers map[string]string `json:"headers,omitempty"`
}

// Auth says how a request carries the key.
type Auth string

// The ways.
const (
	AuthBearer  Auth = "bearer"         // Authorization: Bearer KEY
	AuthXAPIKey Auth = "x-api-key"      // x-api-key: KEY
	AuthGoogle  Auth = "x-goog-api-key" // x-goog-api-key: KEY
	AuthAPIKey  Auth = "api-key"        // api-key: KEY (Azure)
	AuthNone    Auth = "none"
)

// Abort says what to do with an upstream when the client has gone.
type Abort string

// The choices.
const (
	AbortCancel Abort = "cancel" // the vendor stops billing when the connection of a stream closes; a plain answer it bills whole
	AbortDrain  Abort = "drain"  // it bills the whole answer anyway: read it to the end and know the usage
)

// Quirk names a deviation from the dialect that relay must know.
type Quirk string

// The quirks.
const (
	// QuirkNoStreamOptions: the vendor refuses stream_options or sends usage without being asked.
	QuirkNoStreamOptions Quirk = "no_stream_options"
	// QuirkTentative: the vendor may not have this dialect at all; a 404 or 405 says so and is remembered.
	QuirkTentative Quirk = "tentative"
)

// Has reports whether the vendor serves the model, by its own name for it, in this dialect, as far as is known.
func (s Spoken) Has(model string) bool {
	return !slices.ContainsFunc(s.Not, func(p string) bool { return wildcard.Match(p, model) })
}

// AuthFor says how a request in dialect s is signed.
func (p Provider) AuthFor(s Spoken) Auth {
	if s.Auth != "" {
		return s.Auth
	}
	return p.Auth
}
