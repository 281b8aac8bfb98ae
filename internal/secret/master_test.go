package secret

import (
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// testMaster is 32 bytes whose base64 has both characters that the URL alphabet replaces.
const testMaster = "+/+/AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0="

func TestParseMaster(t *testing.T) {
	raw, err := base64.StdEncoding.DecodeString(testMaster)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		testMaster, testMaster + "\n", " " + strings.TrimRight(testMaster, "="),
		base64.URLEncoding.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(raw),
		hex.EncodeToString(raw), strings.ToUpper(hex.EncodeToString(raw)),
	} {
		m, err := ParseMaster(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
		} else if m.key != [32]byte(raw) {
			t.Errorf("%q: read as %x", text, m.key)
		}
	}
	for text, want := range map[string]string{
		"":                          "empty",
		"  ":                        "empty",
		"hunter2!":                  "neither base64 nor hex",
		strings.Repeat("ab", 16):    "24 bytes, want 32",
		strings.Repeat("00", 32):    "all its bytes are equal",
		testMaster[:40]:             "30 bytes, want 32",
		testMaster + testMaster:     "neither base64 nor hex",
		strings.Repeat("zz", 32):    "48 bytes, want 32",
		hex.EncodeToString(raw)[1:]: "47 bytes, want 32",
	} {
		_, err := ParseMaster(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q in it", text, err, want)
		} else if len(strings.TrimSpace(text)) > 4 && strings.Contains(err.Error(), text) {
			t.Errorf("%q: the error shows the key: %v", text, err)
		}
	}
}

func TestLoadMaster(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "on the way")
	const starts = 8
	var keys [starts]Master
	var errs [starts]error
	var wg sync.WaitGroup
	for i := range starts {
		wg.Go(func() { keys[i], errs[i] = LoadMaster(dir, "") })
	}
	wg.Wait()
	for i := range starts {
		if errs[i] != nil || keys[i] != keys[0] {
			t.Fatalf("start %d: %v; its key is that of start 0: %v", i, errs[i], keys[i] == keys[0])
		}
	}
	if keys[0] == (Master{}) {
		t.Fatal("the key is empty")
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("the directory holds %v, %v; want the key alone", left, err)
	}
	path := filepath.Join(dir, MasterFile)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 && runtime.GOOS != "windows" {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}

	fromEnv, err := LoadMaster(dir, testMaster)
	if err != nil || fromEnv == keys[0] {
		t.Errorf("the environment does not come first: %v", err)
	}
	if _, err := LoadMaster(dir, "short"); err == nil || !strings.Contains(err.Error(), "environment") {
		t.Errorf("a bad key in the environment: %v, want an error that says where, and no fall-back to the file", err)
	}
}

func TestLoadMasterRefuses(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no such modes")
	}
	for what, test := range map[string]struct {
		content string
		mode    os.FileMode
		want    string
	}{
		"readable by the group": {testMaster, 0o640, "chmod 600"},
		"readable by all":       {testMaster, 0o644, "mode 0644"},
		"empty":                 {"", 0o600, MasterFile},
		"garbage":               {"what is this", 0o600, "neither base64 nor hex"},
		"far too large":         {strings.Repeat(testMaster, 1000), 0o600, MasterFile},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, MasterFile)
		if err := os.WriteFile(path, []byte(test.content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, test.mode); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadMaster(dir, ""); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q in it", what, err, test.want)
		}
		if now, err := os.ReadFile(path); err != nil || string(now) != test.content {
			t.Errorf("%s: the file was changed", what)
		}
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, MasterFile), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadMaster(dir, ""); err == nil || !strings.Contains(err.Error(), "regular file") {
		t.Errorf("a directory: %v, want a refusal", err)
	}
}
