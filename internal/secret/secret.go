// Package secret owns values that nobody may read by accident: a string type that cannot print
// itself, the hash under which virtual keys are stored, and the sealing of upstream credentials.
package secret

import (
	"encoding/json"
	"log/slog"
)

// Secret is a credential. Every way of printing it shows "***"; only Reveal gives the value.
type Secret string

// Reveal returns the value, for the one place that must send or seal it.
func (s Secret) Reveal() string { return string(s) }

func (s Secret) String() string               { return "***" }
func (s Secret) GoString() string             { return "***" }
func (s Secret) LogValue() slog.Value         { return slog.StringValue("***") }
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal("***") }
func (s Secret) MarshalText() ([]byte, error) { return []byte("***"), nil }
