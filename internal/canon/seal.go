package canon

import (
	"bytes"
	"encoding/base64"
	"strings"
)

// sealMark begins a seal of another dialect on its way through a client that can't use it.
const sealMark = "tollgate-seal-1."

// WrapSeal returns seal, which the dialect origin made, as a client of the dialect to shall keep it and
// send it back: as it is where both are the same, else marked with its origin, in characters that any
// dialect takes for a signature.
func WrapSeal(origin, to Dialect, seal string) string {
	if origin == to || seal == "" {
		return seal
	}
	return sealMark + string(origin) + "." + base64.RawURLEncoding.EncodeToString([]byte(seal))
}

// MarkSeal is WrapSeal for a dialect that has a place for seals at every thought: there a thought without
// a seal is marked with its origin too, so that it can come home.
func MarkSeal(origin, to Dialect, seal string) string {
	if origin != to && seal == "" {
		return sealMark + string(origin) + "."
	}
	return WrapSeal(origin, to, seal)
}

// MayHoldWrapped reports whether raw, JSON of any dialect, may hold a seal that WrapSeal has marked.
func MayHoldWrapped(raw []byte) bool { return bytes.Contains(raw, []byte(sealMark)) }

// UnwrapSeal returns what WrapSeal was given: whose seal it is and the seal itself. One without the mark
// was made by the dialect from, in which it came.
func UnwrapSeal(from Dialect, seal string) (origin Dialect, inner string) {
	rest, ok := strings.CutPrefix(seal, sealMark)
	if !ok {
		return from, seal
	}
	name, code, ok := strings.Cut(rest, ".")
	if !ok {
		return from, seal
	}
	raw, err := base64.RawURLEncoding.DecodeString(code)
	if err != nil {
		return from, seal // not ours after all
	}
	return Dialect(name), string(raw)
}
