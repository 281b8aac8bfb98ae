// Package secret owns values that nobody may read by accident: a string type that cannot print
// itself, the making and the hash of virtual keys, the master key and the sealing of upstream
// credentials with it. Where sealed text is kept it leaves to store.
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
