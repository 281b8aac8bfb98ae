package secret

import (
	"crypto/rand"
	"crypto/sha256"
	"strings"
)

// Every virtual key is keyLength characters and starts with keyPrefix; clients of ProxyXAI check
// exactly that. The 45 characters after it carry 267 random bits.
const (
	keyPrefix = "sk-Xvs"
	keyLength = 51
	base62    = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// keyDomain separates the hash of a key from any other SHA-256 of the same text. Changing it
// invalidates every stored key.
const keyDomain = "tollgate virtual key v1\x00"

// HashKey is the only form in which a virtual key is stored. Keys are random, so a fast hash is
// enough and one lookup finds them.
func HashKey(plain string) [32]byte {
	buf := make([]byte, 0, len(keyDomain)+2*keyLength)
	buf = append(buf, keyDomain...)
	buf = append(buf, plain...)
	return sha256.Sum256(buf)
}

// NewKey makes a virtual key. It is to be shown once and never stored.
func NewKey() Secret {
	// Bytes from unbiased up are thrown away: 256 is no multiple of 62, and keeping them would make
	// the first characters of the alphabet likelier.
	const unbiased = 256 - 256%len(base62)
	key := make([]byte, 0, keyLength)
	key = append(key, keyPrefix...)
	var random [64]byte
	for {
		rand.Read(random[:]) // never fails: it ends the program if the system has no randomness
		for _, b := range random {
			if int(b) >= unbiased {
				continue
			}
			if key = append(key, base62[int(b)%len(base62)]); len(key) == keyLength {
				return Secret(key)
			}
		}
	}
}

// WellFormed reports whether key has the form of a virtual key.
func WellFormed(key string) bool {
	if len(key) != keyLength || !strings.HasPrefix(key, keyPrefix) {
		return false
	}
	for i := len(keyPrefix); i < len(key); i++ {
		c := key[i]
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

// Hint returns the last four characters of a key, to recognise it by; of a key too short to spare
// them, nothing.
func Hint(key string) string {
	if len(key) < 20 {
		return ""
	}
	return key[len(key)-4:]
}
