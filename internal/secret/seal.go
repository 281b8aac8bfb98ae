package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// sealVersion opens every sealed text; another version would be another algorithm.
const sealVersion = "tg1"

// Errors of Open that callers may branch on.
var (
	// ErrUnknownMaster says that a value was sealed under a master key that is not in the ring.
	ErrUnknownMaster = errors.New("sealed under another master key")
	// ErrTampered says that a sealed value is damaged, or was moved here from another place.
	ErrTampered = errors.New("sealed value is damaged or belongs elsewhere")
)

// Place is where a sealed value is kept. It is bound into the seal, so that a value copied to another
// row or column does not open there.
type Place struct{ Table, Row, Column string }

// Sealer seals and opens values with AES-256-GCM. It is safe for concurrent use.
type Sealer struct {
	newest string
	ring   map[string]cipher.AEAD // by key id
}

// NewSealer returns a Sealer that seals under newest and opens what was sealed under any key given. To
// rotate, start with the new key first and the old ones after it, and write every value again.
func NewSealer(newest Master, older ...Master) (*Sealer, error) {
	s := &Sealer{ring: make(map[string]cipher.AEAD, 1+len(older))}
	for i, m := range append([]Master{newest}, older...) {
		if m == (Master{}) {
			return nil, errors.New("sealer: a master key is empty")
		}
		id, aead, err := m.sealing()
		if err != nil {
			return nil, fmt.Errorf("sealer: %w", err)
		}
		if i == 0 {
			s.newest = id
		}
		s.ring[id] = aead
	}
	return s, nil
}

// sealing derives the key that seals, and its id, which tells keys apart and says nothing about them.
func (m Master) sealing() (id string, aead cipher.AEAD, err error) {
	name, err := m.Derive("seal key id v1")
	if err != nil {
		return "", nil, err
	}
	key, err := m.Derive("seal v1")
	if err != nil {
		return "", nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return "", nil, err
	}
	aead, err = cipher.NewGCMWithRandomNonce(block)
	return hex.EncodeToString(name[:4]), aead, err
}

// Seal returns the sealed text of plain for its place: version, key id and ciphertext, with dots
// between.
func (s *Sealer) Seal(plain Secret, at Place) string {
	head := sealVersion + "." + s.newest + "."
	box := s.ring[s.newest].Seal(nil, nil, []byte(plain), at.bind(head))
	return head + base64.RawURLEncoding.EncodeToString(box)
}

// Open returns what was sealed for the place. Its errors never hold the value.
func (s *Sealer) Open(sealed string, at Place) (Secret, error) {
	parts := strings.Split(sealed, ".")
	if len(parts) != 3 || parts[0] != sealVersion {
		return "", fmt.Errorf("open %s: not sealed by version %s: %w", at, sealVersion, ErrTampered)
	}
	aead := s.ring[parts[1]]
	if aead == nil {
		return "", fmt.Errorf("open %s: it names key %s, the newest here is %s; start with the master key it was sealed under: %w",
			at, idOnly(parts[1]), s.newest, ErrUnknownMaster)
	}
	box, err := base64.RawURLEncoding.Strict().DecodeString(parts[2])
	if err != nil {
		return "", fmt.Errorf("open %s: not base64: %w", at, ErrTampered)
	}
	plain, err := aead.Open(nil, nil, box, at.bind(parts[0]+"."+parts[1]+"."))
	if err != nil {
		return "", fmt.Errorf("open %s: %w", at, ErrTampered)
	}
	return Secret(plain), nil
}

// String names the place for an error.
func (p Place) String() string { return fmt.Sprintf("%s.%s of %q", p.Table, p.Column, p.Row) }

// bind is the additional data: quoted, so that no two places share it.
func (p Place) bind(head string) []byte {
	return fmt.Appendf(nil, "%s%q%q%q", head, p.Table, p.Row, p.Column)
}

// idOnly keeps a damaged text, in which anything may stand where the id was, out of errors.
func idOnly(id string) string {
	if _, err := hex.DecodeString(id); err != nil || len(id) != 8 {
		return "(unreadable)"
	}
	return id
}
