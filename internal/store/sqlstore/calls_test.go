package sqlstore

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/uuid"

	"tollgate/internal/ledger"
)

// FuzzClean compares with what cleaning was before it looked whether there is anything to clean.
func FuzzClean(f *testing.F) {
	for _, s := range []string{"", "gpt-5", "\x00", "a\x00b", "\x7f", "\x80", "ü", "a\xffb\xff\xff", "\x01~"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want := strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
		if got := clean(s); got != want {
			t.Errorf("%q became %q, want %q", s, got, want)
		}
	})
}

// TestCallsBesideOthers stores calls that repeat some of what the one before says, and finds each as if it were
// alone.
func TestCallsBesideOthers(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(of ...string) string { return of[random.IntN(len(of))] }
	long := strings.Repeat("long", 200)
	hour := int64(3_600_000)
	calls := make([]ledger.Call, 700)
	for i := range calls {
		calls[i] = ledger.Call{
			ID: fmt.Sprintf("%04d", i), AccountID: pick("a", "a", "b"), KeyID: pick("k", "k", "", "l"), Model: pick("m", "m", long, long+"er", "\x00"),
			ChannelID: pick("c", "c", "", "\xff"), AtMillis: 1_800_000_000_000 + int64(i/100)*hour + int64(random.IntN(3)), Status: 200, Cost: 3,
		}
		if i > 0 && random.IntN(3) > 0 { // the same again, often
			last := calls[i-1]
			calls[i].AccountID, calls[i].KeyID, calls[i].Model, calls[i].ChannelID = last.AccountID, last.KeyID, last.Model, last.ChannelID
		}
		calls[i].Document = calls[i].AppendRecord(nil)
	}
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			together, alone := openTest(t, e.dsn(t), testSealer(t)), openTest(t, e.dsn(t), testSealer(t))
			node := uuid.NewString()
			if err := together.Apply(t.Context(), node, calls, ledger.Position{Segment: 1, Offset: 1}); err != nil {
				t.Fatal(err)
			}
			for i := range calls {
				if err := alone.Apply(t.Context(), node, calls[i:i+1], ledger.Position{Segment: 1, Offset: int64(i + 1)}); err != nil {
					t.Fatal(err)
				}
			}
			const rows = `SELECT id || ' ' || at_ms || ' ' || account_id || ' ' || key_id || ' ' || model || ' ' || channel_id || ' ' || doc FROM calls ORDER BY id`
			const sums = `SELECT account_id || ' ' || hour_ms || ' ' || key_id || ' ' || model || ' ' || channel_id || ' ' || calls || ' ' || cost FROM rollups ORDER BY 1`
			for _, query := range []string{rows, sums} {
				want, err := collect(t.Context(), alone.read, scanString, query)
				if err != nil {
					t.Fatal(err)
				}
				got, err := collect(t.Context(), together.read, scanString, query)
				if err != nil {
					t.Fatal(err)
				}
				if len(got) != len(want) || len(got) == 0 {
					t.Fatalf("%d rows, want %d", len(got), len(want))
				}
				for i := range got {
					if got[i] != want[i] {
						t.Errorf("row %d is\n%.200q, want\n%.200q", i, got[i], want[i])
					}
				}
			}
		})
	}
}
