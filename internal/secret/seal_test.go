package secret

import (
	"errors"
	"strings"
	"testing"
)

func master(t *testing.T) Master {
	t.Helper()
	m, err := LoadMaster(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func sealer(t *testing.T, newest Master, older ...Master) *Sealer {
	t.Helper()
	s, err := NewSealer(newest, older...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSealAndOpen(t *testing.T) {
	s := sealer(t, master(t))
	at := Place{"channels", "c", "secret"}
	for _, plain := range []Secret{"", "sk-upstream", "a.b.c", "\x00\xff", Secret(strings.Repeat("x", 1<<20))} {
		sealed := s.Seal(plain, at)
		if again := s.Seal(plain, at); again == sealed {
			t.Error("sealing twice gives the same text: equal secrets could be seen")
		}
		got, err := s.Open(sealed, at)
		if err != nil || got != plain {
			t.Errorf("opened %d bytes of %d, %v", len(got), len(plain), err)
		}
	}
}

func TestOpenElsewhere(t *testing.T) {
	s := sealer(t, master(t))
	sealed := s.Seal("sk-upstream", Place{"channels", "c", "secret"})
	for _, at := range []Place{{"channels", "d", "secret"}, {"channels", "c", "other"}, {"accounts", "c", "secret"}, {"channels", "", "csecret"}, {`channels""c`, "", "secret"}, {}} {
		if got, err := s.Open(sealed, at); !errors.Is(err, ErrTampered) || got != "" {
			t.Errorf("opened at %v: %v, want ErrTampered", at, err)
		}
	}
}

func TestOpenTampered(t *testing.T) {
	s := sealer(t, master(t))
	at := Place{"channels", "c", "secret"}
	sealed := s.Seal("sk-upstream", at)
	for i := range sealed {
		for _, c := range []byte{'A', 'z', '.', 0} {
			if sealed[i] == c {
				continue
			}
			bad := sealed[:i] + string(c) + sealed[i+1:]
			got, err := s.Open(bad, at)
			if err == nil {
				t.Fatalf("opened with byte %d changed", i)
			}
			if got != "" || strings.Contains(err.Error(), "sk-upstream") || strings.Contains(err.Error(), sealed[15:]) {
				t.Fatalf("byte %d: %q, %v", i, got.Reveal(), err)
			}
		}
		if _, err := s.Open(sealed[:i], at); err == nil {
			t.Fatalf("opened with %d bytes left", i)
		}
	}
	if _, err := s.Open("sk-upstream", at); !errors.Is(err, ErrTampered) || strings.Contains(err.Error(), "sk-upstream") {
		t.Errorf("a plain value: %v, want ErrTampered without it", err)
	}
}

func TestRotation(t *testing.T) {
	old, now := master(t), master(t)
	at := Place{"channels", "c", "secret"}
	sealed := sealer(t, old).Seal("sk-upstream", at)

	_, err := sealer(t, now).Open(sealed, at)
	if !errors.Is(err, ErrUnknownMaster) || !strings.Contains(err.Error(), "master key it was sealed under") {
		t.Errorf("under another master key: %v, want it to say what to do", err)
	}
	ring := sealer(t, now, old)
	got, err := ring.Open(sealed, at)
	if err != nil || got != "sk-upstream" {
		t.Errorf("with the old key in the ring: %v", err)
	}
	fresh := ring.Seal("sk-upstream", at)
	if _, err := sealer(t, now).Open(fresh, at); err != nil {
		t.Errorf("what the ring seals must open with the new key alone: %v", err)
	}
	if _, err := sealer(t, old).Open(fresh, at); !errors.Is(err, ErrUnknownMaster) {
		t.Errorf("… and not with the old: %v", err)
	}
	if _, err := NewSealer(now, Master{}); err == nil {
		t.Error("an empty master key was accepted")
	}
}

// TestDerive pins that purposes are apart, and the derivation itself: what was sealed must stay
// readable by later releases.
func TestDerive(t *testing.T) {
	m, err := ParseMaster(testMaster)
	if err != nil {
		t.Fatal(err)
	}
	a, errA := m.Derive("a")
	b, errB := m.Derive("b")
	if errA != nil || errB != nil || len(a) != 32 || string(a) == string(b) || string(a) == string(m.key[:]) {
		t.Error("derived keys are not apart", errA, errB)
	}
	const sealed = "tg1.dc7bc859.-yYl5nXvmoprStuguH8gXFwDQ64XIwT2FIKJmHniPSD3LRclsHdK"
	got, err := sealer(t, m).Open(sealed, Place{"channels", "c", "secret"})
	if err != nil || got != "sk-upstream" {
		t.Errorf("a value sealed by the first release: %q, %v", got.Reveal(), err)
	}
}
