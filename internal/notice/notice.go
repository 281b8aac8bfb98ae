// Package notice owns what account holders are told by mail, and when: news, a key that was replaced, a
// soft limit that was reached, the bill of a month. How mail travels is mail's business, what calls cost
// ledger's.
package notice

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/catalog"
	"tollgate/internal/ledger"
	"tollgate/internal/mail"
	"tollgate/internal/news"
)

// Records is what the store sums up.
type Records interface {
	Usage(ctx context.Context, q ledger.UsageQuery) ([]ledger.Usage, error)
}

// Mails takes messages. *mail.Queue implements it.
type Mails interface {
	Enabled() bool
	Put(ctx context.Context, messages ...mail.Message) error
}

// Deps is what notices are made from. All fields are required.
type Deps struct {
	Accounts *account.Directory
	Records  Records
	Mails    Mails
	Service  string        // name of the service
	Contact  func() string // address of the operator, "" if none; it gets what is root's
	Log      *slog.Logger
	Now      func() time.Time
}

// Notices writes mails.
type Notices struct{ Deps }

// New returns notices over d.
func New(d Deps) *Notices { return &Notices{d} }

// address is where mail of an account goes; "" if it has none.
func (n *Notices) address(x *account.Account) string {
	to := cmp.Or(x.BillingEmail, x.Email)
	if to == "" && x.ID == account.RootID {
		to = n.Contact()
	}
	return to
}

// message returns a mail to an account; ok is false when it has no address. key says what it is about.
func (n *Notices) message(x *account.Account, key, subject, body string) (m mail.Message, ok bool) {
	to := n.address(x)
	if to == "" {
		return m, false
	}
	foot := "\n--\n" + n.Service + "\n"
	if c := n.Contact(); c != "" {
		foot = "\n--\n" + n.Service + ", " + c + "\n"
	}
	return mail.Message{
		ID: key, To: to, Subject: subject + " [" + n.Service + "]",
		Body: "Hello " + cmp.Or(x.Alias, x.Name) + ",\n\n" + body + foot, At: n.Now(),
	}, true
}

// put queues messages and reports whether it could. A notice that can't be queued is logged: what it is
// about has happened anyway.
func (n *Notices) put(ctx context.Context, about string, messages ...mail.Message) bool {
	if len(messages) == 0 || !n.Mails.Enabled() {
		return true
	}
	if err := n.Mails.Put(ctx, messages...); err != nil {
		n.Log.LogAttrs(ctx, slog.LevelError, "notices were not queued", slog.String("about", about), slog.Int("count", len(messages)), slog.Any("error", err))
		return false
	}
	return true
}

// chunk is how many messages are made at once.
const chunk = 500

// News mails a piece of news to those it is for, if it is root's. That of others is only shown: they
// choose the addresses of the accounts below them, and could write to anybody in the operator's name.
func (n *Notices) News(ctx context.Context, item news.Item) {
	if item.AuthorID != account.RootID || !n.Mails.Enabled() {
		return
	}
	var out []mail.Message
	for x := range n.Accounts.Accounts {
		if t := item.Target; t.Path != "" && x.Path != t.Path && (!t.Below || !strings.HasPrefix(x.Path, t.Path)) {
			continue
		}
		if m, ok := n.message(x, "news:"+item.ID+":"+x.ID, item.Title, item.Content+"\n"); ok {
			out = append(out, m)
		}
		if len(out) == chunk {
			if !n.put(ctx, "news", out...) {
				return
			}
			out = out[:0]
		}
	}
	n.put(ctx, "news", out...)
}

// KeyRotated mails that a key of an account was replaced, once an hour at the most.
func (n *Notices) KeyRotated(ctx context.Context, x *account.Account, key account.Key) {
	const minute = "2006-01-02 15:04 MST"
	now, old := n.Now().UTC(), "does not work any more"
	if key.OldUntil.After(now) {
		old = "works until " + key.OldUntil.UTC().Format(minute)
	}
	m, ok := n.message(x, "rotated:"+x.ID+":"+now.Format("2006-01-02T15"), "A key was replaced",
		fmt.Sprintf("a key of your account %s was replaced by a new one at %s; the old one %s. The new one ends in %s.\n\nIf that was not you, tell the operator at once.\n",
			x.Name, now.Format(minute), old, key.Hint))
	if ok {
		n.put(ctx, "a replaced key", m)
	}
}

// SoftLimit mails that the spending of an account has reached its soft limit. Amounts are real money.
func (n *Notices) SoftLimit(ctx context.Context, s ledger.SoftLimit) {
	x := n.Accounts.Account(s.Subject)
	if x == nil || s.Period != ledger.PeriodMonth {
		return // of a key, or of an account that is gone
	}
	zone, err := time.LoadLocation(s.Zone)
	if err != nil { // it was found when the budget was made
		zone = time.UTC
	}
	r := n.Accounts.RatesOf(x)
	m, ok := n.message(x, "soft:"+x.ID+":"+s.Start.In(zone).Format("2006-01"), "The soft limit is reached",
		fmt.Sprintf("your account %s has spent $%s this month, which reaches its soft limit of $%s. Calls go on until the hard limit or the end of the credit.\n",
			x.Name, short(r.Shown(s.Spent)), short(r.Shown(s.Soft))))
	if ok {
		n.put(ctx, "a soft limit", m)
	}
}

// short writes an amount with two places or, if it is below a cent, whole.
func short(n catalog.Nanos) string {
	if n > -1e7 && n < 1e7 {
		return n.String()
	}
	text := (n / 1e7 * 1e7).String()
	whole, part, _ := strings.Cut(text, ".")
	return whole + "." + (part + "00")[:2]
}
