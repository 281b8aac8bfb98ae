package ledger_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"tollgate/internal/ledger"
)

// TestChargesReadBack writes charges with ids that need quoting, and reads them back; and what the
// chain's format says of their text.
func TestChargesReadBack(t *testing.T) {
	want := []ledger.Charge{{CallID: `a"\ ,]`, Amount: 1}, {CallID: "☃\n", Amount: 9_223_372_036_854_775_807}, {CallID: "", Amount: 0}}
	text := ledger.WriteCharges(want)
	got, err := text.List()
	if err != nil || !slices.Equal(got, want) || text != `[["a\"\\ ,]",1],["☃\n",9223372036854775807],["",0]]` {
		t.Errorf("%s reads back as %+v, %v", text, got, err)
	}
	if ledger.WriteCharges(nil) != "" || text.One() != "" || ledger.WriteCharges(want[:1]).One() != want[0].CallID {
		t.Error("none, many or one")
	}
	for _, bad := range []ledger.Charges{"x", "[1]", `[["a"]]`, `[["a",1.5]]`, `[["a",1,2]]`, `[[1,1]]`} {
		if list, err := bad.List(); err == nil {
			t.Errorf("%s reads as %+v", bad, list)
		}
	}
}

// TestSealIsTheFormat recomputes the hash of an entry from the words of docs/decisions/0010-ledger.md.
func TestSealIsTheFormat(t *testing.T) {
	e := ledger.Entry{
		Seq: 7, Movement: 5, At: time.UnixMilli(1_800_000_000_123), Kind: ledger.EntryGrant, Account: "a", Counter: "@operator", Amount: -2,
		CardID: "card", ExpiresAt: time.UnixMilli(1_900_000_000_000), Reference: "ref ☃", Transfer: "t", Calls: `[["c",2]]`, Note: "n",
	}
	var before ledger.Hash
	before[0], before[31] = 1, 0xff
	var b bytes.Buffer
	b.WriteString("tollgate entry 1\n")
	b.Write(before[:])
	for _, n := range []int64{7, 5, 1_800_000_000_123, -2, 1_900_000_000_000} {
		if err := binary.Write(&b, binary.BigEndian, n); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range []string{"grant", "a", "@operator", "card", "ref ☃", "t", `[["c",2]]`, "n"} {
		if err := binary.Write(&b, binary.BigEndian, uint32(len(s))); err != nil {
			t.Fatal(err)
		}
		b.WriteString(s)
	}
	if got := e.Seal(before); got != ledger.Hash(sha256.Sum256(b.Bytes())) {
		t.Errorf("%x", got)
	}
}
