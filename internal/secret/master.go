package secret

import (
	"bytes"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

const masterSize = 32

// MasterFile is the name of the master key's file in the data directory.
const MasterFile = "master.key"

// Master is the key under which everything that must be readable again is sealed. It is used only to
// derive others from it, and cannot print itself.
type Master struct{ key [masterSize]byte }

func (m Master) String() string       { return "***" }
func (m Master) GoString() string     { return "***" }
func (m Master) LogValue() slog.Value { return slog.StringValue("***") }

// Derive returns 32 bytes for one purpose; what is known of them says nothing about the master key or
// about those of another purpose.
func (m Master) Derive(purpose string) ([]byte, error) {
	key, err := hkdf.Key(sha256.New, m.key[:], nil, "tollgate "+purpose, masterSize)
	if err != nil {
		return nil, fmt.Errorf("derive the key for %s: %w", purpose, err)
	}
	return key, nil
}

// ParseMaster reads a master key: 32 bytes in base64 (standard or URL, padded or not) or in hex.
func ParseMaster(text string) (Master, error) {
	text = strings.TrimSpace(text)
	raw, err := decodeMaster(text)
	if err != nil {
		return Master{}, err
	}
	if len(raw) != masterSize {
		return Master{}, fmt.Errorf("it is %d bytes, want %d: make one with `openssl rand -base64 32`", len(raw), masterSize)
	}
	if bytes.Count(raw, raw[:1]) == masterSize {
		return Master{}, errors.New("all its bytes are equal, which is no secret: make one with `openssl rand -base64 32`")
	}
	return Master{key: [masterSize]byte(raw)}, nil
}

func decodeMaster(text string) ([]byte, error) {
	if text == "" {
		return nil, errors.New("it is empty: make one with `openssl rand -base64 32`")
	}
	if len(text) == hex.EncodedLen(masterSize) {
		if raw, err := hex.DecodeString(text); err == nil {
			return raw, nil
		}
	}
	standard := strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(text, "="))
	raw, err := base64.RawStdEncoding.DecodeString(standard)
	if err != nil {
		// The decoder's error names a position and no byte of the key.
		return nil, fmt.Errorf("its %d characters are neither base64 nor hex: make one with `openssl rand -base64 32`", len(text))
	}
	return raw, nil
}

// LoadMaster returns the master key: env if it is not empty, otherwise that in the file MasterFile of
// the data directory, which is made on the first start.
func LoadMaster(dataDir, env string) (Master, error) {
	if env != "" {
		m, err := ParseMaster(env)
		if err != nil {
			return Master{}, fmt.Errorf("master key from the environment: %w", err)
		}
		return m, nil
	}
	path := filepath.Join(dataDir, MasterFile)
	m, err := readMaster(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return m, err
	}
	if err := createMaster(path); err != nil {
		return Master{}, fmt.Errorf("make the master key: %w", err)
	}
	return readMaster(path)
}

func readMaster(path string) (Master, error) {
	f, err := os.Open(path)
	if err != nil {
		return Master{}, fmt.Errorf("master key: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Master{}, fmt.Errorf("master key: %w", err)
	}
	if !info.Mode().IsRegular() {
		return Master{}, fmt.Errorf("master key: %s is not a regular file", path)
	}
	// Windows has no such bits and reports 0666 for every file.
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return Master{}, fmt.Errorf("master key: %s has mode %04o, so others may read it: run `chmod 600 %s`, and if others had access change the keys kept under it", path, mode, path)
	}
	// A little more than any accepted form, so that a wrong file is refused without reading it all.
	var text [256]byte
	n, err := f.Read(text[:])
	if err != nil && n == 0 {
		return Master{}, fmt.Errorf("master key: read %s: %w", path, err)
	}
	m, err := ParseMaster(string(text[:n]))
	if err != nil {
		return Master{}, fmt.Errorf("master key: %s: %w; without the right key stored credentials cannot be opened", path, err)
	}
	return m, nil
}

// createMaster writes a new key to path, whole or not at all. If another process makes one first, that
// one stands.
func createMaster(path string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	var key [masterSize]byte
	rand.Read(key[:])
	tmp, err := os.CreateTemp(dir, MasterFile+".*") // made with mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // what stays behind is as private as the key
	_, err = tmp.WriteString(base64.StdEncoding.EncodeToString(key[:]) + "\n")
	if err := errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	// Link, not Rename: it fails when path exists already and so never replaces a key in use.
	if err := os.Link(tmp.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(dir)
}

// syncDir makes a new name in dir survive a power cut.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // a directory cannot be synced there
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
