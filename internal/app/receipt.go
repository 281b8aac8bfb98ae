package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"tollgate/internal/catalog"
	"tollgate/internal/config"
	"tollgate/internal/ledger"
)

// ErrReceiptDiffers says that a receipt recomputes to another total than the one charged.
var ErrReceiptDiffers = errors.New("the receipt does not add up to what was charged")

// Receipt recomputes the stored receipt of call id from its items, compares them with the usage that is stored
// and their sum with what was charged, and writes it to out, saying equal or not. The gateway may be running:
// it only reads.
func Receipt(ctx context.Context, cfg *config.Config, id string, out io.Writer) (err error) {
	store, err := openFilled(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	call, err := store.Call(ctx, id)
	if errors.Is(err, ledger.ErrForgotten) {
		return fmt.Errorf("call %q is not in the store: it is older than the retention (CALLS_KEEP_DAYS). What its account was charged for it stands in the entries of the ledger", id)
	}
	if errors.Is(err, ledger.ErrNotFound) {
		return fmt.Errorf("there is no call %q in the store; a call of the last seconds may still be in the journal", id)
	}
	if err != nil {
		return err
	}
	return writeReceipt(call, out)
}

func writeReceipt(call ledger.Call, out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', tabwriter.AlignRight)
	p := func(format string, args ...any) { fmt.Fprintf(w, format, args...) } // Flush reports the first error
	p("call %s\naccount %s, model %s, usage %s\n", call.ID, call.AccountID, call.Model, call.Source)
	if call.Quarantine != "" {
		p("in quarantine: %s\n", call.Quarantine)
	}
	if call.Receipt == nil {
		p("nothing was charged\n")
		if err := w.Flush(); err != nil {
			return err
		}
		if call.Cost != 0 {
			return fmt.Errorf("%w: no receipt, but $%s charged", ErrReceiptDiffers, call.Cost)
		}
		return nil
	}
	p("item\tquantity\t$ per million\t$\t\n")
	for _, it := range call.Receipt.Items {
		p("%s\t%d\t%s\t%s\t\n", it.What, it.Quantity, it.Rate, it.Amount)
	}
	p("total\t\t\t%s\t\n", call.Receipt.Total)
	if r := call.Receipt; r.Rates != 0 {
		p("shown at rates %s\t\t\t%s\t\n", r.Rates, r.Rates.ToFace(r.Total))
	}
	if r := call.Receipt; r.Tier != "" || r.When != "" || r.Above > 0 {
		p("service tier %q, input above %d tokens, %s\n", r.Tier, r.Above, cmp.Or(r.When, "no condition"))
	}
	p("price version %s\n", call.Receipt.Version)
	total, err := catalog.Recompute(*call.Receipt)
	if err == nil {
		err = call.Receipt.Covers(call.Usage)
	}
	if err == nil && total != call.Cost {
		err = fmt.Errorf("the items sum to %s, charged was %s", total, call.Cost)
	}
	if err != nil {
		p("NOT EQUAL: %v\n", err)
		err = ErrReceiptDiffers
	} else {
		p("recomputed %s: equal\n", total)
	}
	return errors.Join(err, w.Flush())
}
