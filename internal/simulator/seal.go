package simulator

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"
)

// signingKey derives the key of all seals from the seed, so that two simulators of one seed accept
// each other's and those of another seed do not.
func signingKey(seed uint64) [32]byte {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], seed)
	return sha256.Sum256(append([]byte("simulator signatures "), b[:]...))
}

func (s *Simulator) mac(purpose, text string) []byte {
	h := hmac.New(sha256.New, s.secret[:])
	h.Write([]byte(purpose)) // hash.Hash never returns an error
	h.Write([]byte{0})
	h.Write([]byte(text))
	return h.Sum(nil)
}

// seal signs text for a purpose ("thinking", "part", ...). It is long, as the real ones are.
func (s *Simulator) seal(purpose, text string) string {
	m := s.mac(purpose, text)
	return "Eq" + base64.StdEncoding.EncodeToString(append(append(m, m...), m...))
}

func (s *Simulator) sealed(purpose, text, seal string) bool {
	return hmac.Equal([]byte(seal), []byte(s.seal(purpose, text)))
}

// stamp is a signature that stands by itself, in standard base64 as Gemini's bytes are.
func (s *Simulator) stamp(purpose, text string) string {
	return base64.StdEncoding.EncodeToString(append(s.mac(purpose, text), text...))
}

// stamped reports whether stamp made it; clients may send it back in either alphabet of base64.
func (s *Simulator) stamped(purpose, stamp string) bool {
	raw, err := base64.StdEncoding.DecodeString(strings.NewReplacer("-", "+", "_", "/").Replace(stamp))
	if err != nil || len(raw) < sha256.Size {
		return false
	}
	return hmac.Equal(raw[:sha256.Size], s.mac(purpose, string(raw[sha256.Size:])))
}

// box hides text so that it can be sent back and recognised.
func (s *Simulator) box(purpose, text string) string {
	return "gAAAAA" + base64.URLEncoding.EncodeToString(append(s.mac(purpose, text), text...))
}

// unbox returns what box hid; ok is false for anything that box did not make.
func (s *Simulator) unbox(purpose, boxed string) (text string, ok bool) {
	rest, ok := strings.CutPrefix(boxed, "gAAAAA")
	if !ok {
		return "", false
	}
	raw, err := base64.URLEncoding.DecodeString(rest)
	if err != nil || len(raw) < sha256.Size {
		return "", false
	}
	text = string(raw[sha256.Size:])
	return text, hmac.Equal(raw[:sha256.Size], s.mac(purpose, text))
}
