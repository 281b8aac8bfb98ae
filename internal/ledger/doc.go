// Package ledger owns money: cards, holds, entries, balances, budgets, and the settled calls that move
// them. It leaves prices to catalog, the tree of accounts to account, files to journal and SQL to store.
//
// # A call
//
// The Book decides in memory, from one atomic view, whether a call may be paid:
//
//	payer := book.Payer(ledger.Terms{ // once for many calls
//		Account: a.ID,
//		Above:   []string{parent.ID, grandparent.ID}, // without root
//		Budgets: []ledger.Budget{
//			{Subject: key.ID, Period: ledger.PeriodTotal, Limit: quota},
//			{Subject: a.ID, Period: ledger.PeriodMonth, Zone: zone, Limit: hard, Soft: soft},
//			{Subject: parent.ID, Period: ledger.PeriodMonth, Zone: zone, Limit: parentHard},
//		},
//		Charge: billing, // false: metered and counted, but no money is taken or needed
//	})
//	hold, err := payer.Hold(declared, now) // real money: what the catalogue's prices cost
//	…
//	err = book.Settle(hold, call) // or hold.Release()
//
// A *ShortError says that the cards do not suffice, a *BudgetError which budget does not and when it
// renews. A settled call goes to the journal first and from there to the Store.
//
// # Budgets
//
// A call counts for its key, its account, the accounts above it and root, in every period and zone that
// a budget was ever listed with. Limits are the caller's: they may differ from call to call. What was
// spent before a budget was listed for the first time is read from the store then, by the first hold or,
// better, by Book.Watch when the budget is made.
//
// What can be overspent is bounded: a card or a budget can end below its limit by at most what the calls
// under way cost beyond what was held for them.
//
// # Real money and face values
//
// All amounts here are real money. An account whose prices are multiplied sees face values, which
// catalog.Multiplier converts to and fro at the border.
package ledger
