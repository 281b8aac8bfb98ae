package app

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"tollgate/internal/config"
	"tollgate/internal/ledger"
)

// VerifyLedger proves the books in the store, or fails with the first row that is wrong. head is "" or
// what an earlier run printed: the chain must still hold it. The gateway may be running: it only reads.
func VerifyLedger(ctx context.Context, cfg *config.Config, head string, out io.Writer) (err error) {
	var a ledger.Audit
	if a.Known, err = parseHead(head); err != nil {
		return err
	}
	store, err := openFilled(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if err := store.Verify(ctx, &a); err != nil {
		if fault, ok := errors.AsType[*ledger.Fault](err); ok {
			return fmt.Errorf("the ledger is wrong: %w", fault)
		}
		return err
	}
	return writeAudit(&a, out)
}

func writeAudit(a *ledger.Audit, out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	p := func(format string, args ...any) { fmt.Fprintf(w, format, args...) } // Flush reports the first error
	p("the ledger is in order\n")
	p("%d entries\tin %d movements, each of them adds up to nothing; none was changed, moved or removed\n", a.Entries, a.Movements)
	p("%d cards\thave what their entries add up to\n", a.Cards)
	p("%d accounts\towe and spent what their entries add up to\n", a.Accounts)
	p("%d calls\tare charged as they cost, once each\n", a.Calls)
	if a.Forgotten > 0 {
		p("%d calls\tthat are kept no more were charged as was noted when they were removed\n", a.Forgotten)
	}
	for side, sum := range a.Sides {
		p("%s\t%s\n", side, sum)
	}
	if a.Head.Seq > 0 {
		p("head\t%d:%s\n", a.Head.Seq, hex.EncodeToString(a.Head.Hash[:]))
	}
	return w.Flush()
}

func parseHead(text string) (ledger.Head, error) {
	var h ledger.Head
	if text == "" {
		return h, nil
	}
	number, sum, _ := strings.Cut(text, ":")
	seq, err := strconv.ParseInt(number, 10, 64)
	raw, err2 := hex.DecodeString(sum)
	if err != nil || err2 != nil || seq <= 0 || len(raw) != len(h.Hash) {
		return h, fmt.Errorf("the head %.100q is not one that was printed: want a number, a colon and %d hexadecimal digits", text, 2*len(h.Hash))
	}
	return ledger.Head{Seq: seq, Hash: ledger.Hash(raw)}, nil
}
