package notice

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/ledger"
	"tollgate/internal/mail"
	"tollgate/internal/news"
)

type kept struct{ all []mail.Message }

func (k *kept) Enabled() bool { return true }

func (k *kept) Put(_ context.Context, messages ...mail.Message) error {
	k.all = append(k.all, messages...)
	return nil
}

// take returns the mails by what they are about, and forgets them.
func (k *kept) take() map[string]mail.Message {
	m := map[string]mail.Message{}
	for _, x := range k.all {
		m[x.ID] = x
	}
	k.all = nil
	return m
}

type records []ledger.Usage

func (r records) Usage(_ context.Context, q ledger.UsageQuery) ([]ledger.Usage, error) {
	var out []ledger.Usage
	for _, u := range r {
		for _, id := range q.AccountIDs {
			if u.AccountID == id && !u.Day.Before(q.From) && u.Day.Before(q.To) {
				out = append(out, u)
			}
		}
	}
	return out, nil
}

func tree() *account.Directory {
	return account.NewDirectory([]account.Account{
		{ID: account.RootID, Path: ".root.", Name: "root", Enabled: true},
		{ID: "a", ParentID: account.RootID, Path: ".root.a.", Name: "alice", Email: "alice@example.com", Alias: "Alice A.", Enabled: true, Rates: 2e9},
		{ID: "b", ParentID: "a", Path: ".root.a.b.", Name: "bob", Email: "bob@example.com", BillingEmail: "books@example.com", Enabled: true},
		{ID: "c", ParentID: account.RootID, Path: ".root.c.", Name: "carol", Enabled: true},
	}, nil)
}

func notices(now time.Time, r records) (*Notices, *kept) {
	k := &kept{}
	return New(Deps{
		Accounts: tree(), Records: r, Mails: k, Service: "Gate", Contact: func() string { return "ops@example.com" },
		Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return now },
	}), k
}

func TestNews(t *testing.T) {
	n, k := notices(time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC), nil)
	for _, c := range []struct {
		target news.Target
		to     map[string]string
	}{
		{news.Target{}, map[string]string{"root": "ops@example.com", "a": "alice@example.com", "b": "books@example.com"}},
		{news.Target{Path: ".root.a."}, map[string]string{"a": "alice@example.com"}},
		{news.Target{Path: ".root.a.", Below: true}, map[string]string{"a": "alice@example.com", "b": "books@example.com"}},
		{news.Target{Path: ".root.c."}, nil},
	} {
		n.News(t.Context(), news.Item{ID: "1", AuthorID: account.RootID, Target: c.target, Title: "New prices", Content: "From Monday on."})
		got := k.take()
		if len(got) != len(c.to) {
			t.Errorf("%+v: %d mails, want %d", c.target, len(got), len(c.to))
		}
		for id, to := range c.to {
			m := got["news:1:"+id]
			if m.To != to || m.Subject != "New prices [Gate]" || !strings.Contains(m.Body, "From Monday on.") || !strings.HasSuffix(m.Body, "--\nGate, ops@example.com\n") {
				t.Errorf("%+v: %s got %+v", c.target, id, m)
			}
		}
	}
}

// Who is not root can't write to anybody in the operator's name.
func TestNewsOfOthers(t *testing.T) {
	n, k := notices(time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC), nil)
	n.News(t.Context(), news.Item{ID: "1", AuthorID: "a", Target: news.Target{Path: ".root.a.", Below: true}, Title: "Win", Content: "Click here."})
	if got := k.take(); len(got) != 0 {
		t.Errorf("%d mails", len(got))
	}
}

func TestSoftLimitAndKey(t *testing.T) {
	n, k := notices(time.Date(2026, 11, 20, 9, 5, 0, 0, time.UTC), nil)
	month := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	n.SoftLimit(t.Context(), ledger.SoftLimit{Subject: "a", Period: ledger.PeriodMonth, Start: month, Soft: 40e9, Spent: 40_123e6})
	n.SoftLimit(t.Context(), ledger.SoftLimit{Subject: "a", Period: ledger.PeriodDay, Start: month, Soft: 1, Spent: 1})
	n.SoftLimit(t.Context(), ledger.SoftLimit{Subject: "key", Period: ledger.PeriodMonth, Start: month, Soft: 1, Spent: 1})
	n.KeyRotated(t.Context(), n.Accounts.Account("b"), account.Key{ID: "k", Hint: "wxyz", Version: 3})
	n.KeyRotated(t.Context(), n.Accounts.Account("a"), account.Key{ID: "k3", OldUntil: n.Now().Add(time.Hour)})
	n.KeyRotated(t.Context(), n.Accounts.Account("c"), account.Key{ID: "k2"})
	tokyo, err := time.LoadLocation("Asia/Tokyo")
	if err != nil {
		t.Fatal(err)
	}
	n.SoftLimit(t.Context(), ledger.SoftLimit{Subject: "b", Period: ledger.PeriodMonth, Zone: "Asia/Tokyo", Start: time.Date(2026, 11, 1, 0, 0, 0, 0, tokyo), Soft: 1, Spent: 1})
	got := k.take()
	if m := got["soft:b:2026-11"]; m.To == "" {
		t.Error("a month that began in October of UTC is another one: its mail would be that of the month before")
	}
	if m := got["rotated:a:2026-11-20T09"]; !strings.Contains(m.Body, "the old one works until 2026-11-20 10:05 UTC") {
		t.Errorf("%+v", m)
	}
	if m := got["soft:a:2026-11"]; len(got) != 4 || !strings.Contains(m.Body, "$80.24") || !strings.Contains(m.Body, "$80.00") || !strings.Contains(m.Body, "Hello Alice A.,") {
		t.Errorf("%d mails, %+v", len(got), m)
	}
	if m := got["rotated:b:2026-11-20T09"]; m.To != "books@example.com" || !strings.Contains(m.Body, "wxyz") || !strings.Contains(m.Body, "2026-11-20 09:05 UTC; the old one does not work any more") {
		t.Errorf("%+v", m)
	}
}

// Bills are of last month, in the first days of a month, for those who used something.
func TestBills(t *testing.T) {
	at := func(month time.Month, day int) time.Time { return time.Date(2026, month, day, 0, 0, 0, 0, time.UTC) }
	r := records{
		{Day: at(10, 1), AccountID: "a", Model: "small", Calls: 2, Cost: 1e9},
		{Day: at(10, 31), AccountID: "a", Model: "large", Calls: 1, Cost: 20e9},
		{Day: at(10, 31), AccountID: "a", Model: "small", Calls: 1, Cost: 5e6},
		{Day: at(9, 30), AccountID: "a", Model: "small", Calls: 5, Cost: 7e9},
		{Day: at(11, 1), AccountID: "a", Model: "small", Calls: 5, Cost: 7e9},
		{Day: at(9, 30), AccountID: "b", Model: "small", Calls: 5, Cost: 7e9},
		{Day: at(10, 30), AccountID: "c", Model: "small", Calls: 5, Cost: 7e9}, // has no address
	}
	n, k := notices(at(11, 3), r)
	n.bills(t.Context())
	got := k.take()
	m := got["bill:a:2026-10"]
	if len(got) != 1 || m.To != "alice@example.com" || m.Subject != "Bill for 2026-10 [Gate]" {
		t.Fatalf("%d mails, %+v", len(got), m)
	}
	for _, line := range []string{"in October 2026 your account alice made 4 calls, which cost $42.01.", "      $40.00        1  large\n       $2.01        3  small\n"} {
		if !strings.Contains(m.Body, line) {
			t.Errorf("%q is not in\n%s", line, m.Body)
		}
	}
	n, k = notices(at(11, 20), r)
	n.bills(t.Context())
	if got := k.take(); len(got) != 0 {
		t.Errorf("weeks after the month: %d mails", len(got))
	}
}
