package secret

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestNewKey(t *testing.T) {
	seen := map[Secret]bool{}
	counts := map[rune]int{}
	const keys = 4000
	for range keys {
		key := NewKey()
		if !WellFormed(key.Reveal()) {
			t.Fatalf("%q is not well formed", key.Reveal())
		}
		if seen[key] {
			t.Fatal("the same key twice")
		}
		seen[key] = true
		for _, c := range key.Reveal()[len(keyPrefix):] {
			counts[c]++
		}
	}
	// 180,000 characters: each of 62 comes 2,903 times give or take 53. A byte taken modulo 62 without
	// rejection would give eight of them 3,516.
	const want = keys * (keyLength - len(keyPrefix)) / len(base62)
	for _, c := range base62 {
		if n := counts[c]; n < want-400 || n > want+400 {
			t.Errorf("%c came %d times, want about %d", c, n, want)
		}
	}
}

func TestWellFormed(t *testing.T) {
	good := "sk-Xvs" + strings.Repeat("aZ9", 15)
	if !WellFormed(good) {
		t.Errorf("%q is refused", good)
	}
	for _, bad := range []string{
		"", "sk-Xvs", good[:50], good + "a", "sk-xvs" + good[6:], " " + good[1:], good[:50] + "-", good[:50] + "\n", good[:49] + "é",
	} {
		if WellFormed(bad) {
			t.Errorf("%q is accepted", bad)
		}
	}
}

// TestHashKey pins the hash: stored keys stop working when it changes.
func TestHashKey(t *testing.T) {
	got := HashKey("sk-Xvs000000000000000000000000000000000000000000000")
	const want = "d6d128b5baa97b0561b4bc03514b33c7837815dcc2a90a177110ae62eb542ce2"
	if hex := fmt.Sprintf("%x", got); hex != want {
		t.Errorf("HashKey = %s, want %s", hex, want)
	}
	if HashKey("") == HashKey("a") {
		t.Error("different keys, one hash")
	}
}

func TestHint(t *testing.T) {
	for key, want := range map[string]string{"": "", "secret": "", "sk-Xvs" + strings.Repeat("a", 41) + "wxyz": "wxyz"} {
		if got := Hint(key); got != want {
			t.Errorf("Hint(%q) = %q, want %q", key, got, want)
		}
	}
}

// TestNothingPrints tries all ways in which a value gets into a log or an answer.
func TestNothingPrints(t *testing.T) {
	master, err := ParseMaster(testMaster)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{Secret("hunter2"), master, &master, struct {
		S Secret
		M Master
	}{"hunter2", master}, []Secret{"hunter2"}, map[string]Secret{"k": "hunter2"}} {
		var log strings.Builder
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v)
		doc, err := json.Marshal(v)
		if err != nil {
			doc = []byte(err.Error())
		}
		all := fmt.Sprintf("%v %+v %#v %s %q %s %s", v, v, v, v, v, log.String(), doc)
		for _, bad := range []string{"hunter2", fmt.Sprint(master.key[0], " ", master.key[1], " ", master.key[2]), fmt.Sprintf("%#v, %#v", master.key[0], master.key[1])} {
			if strings.Contains(all, bad) {
				t.Errorf("%T shows itself: %s", v, all)
			}
		}
	}
}
