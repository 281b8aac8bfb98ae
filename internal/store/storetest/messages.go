package storetest

import (
	"errors"
	"strings"
	"testing"
	"time"

	"tollgate/internal/mail"
	"tollgate/internal/news"
)

func testChangeSettings(t *testing.T, s Stores) {
	ctx := t.Context()
	must(t, s.PutSetting(ctx, "old", "1"))
	must(t, s.ChangeSettings(ctx, map[string]string{"a": "x", "b": ""}, []string{"old", "never there"}))
	all, err := s.Settings(ctx)
	must(t, err)
	same(t, "settings", map[string]string{"a": "x", "b": ""}, all)
	if err := s.ChangeSettings(ctx, map[string]string{"a": "y", "c": "bad \x00"}, []string{"b"}); err == nil {
		t.Error("a NUL was accepted")
	}
	all, err = s.Settings(ctx)
	must(t, err)
	same(t, "settings after a refused change", map[string]string{"a": "x", "b": ""}, all)

	sealed := s.SealSetting("password", "canary-password")
	if strings.Contains(sealed, "canary") {
		t.Error("a sealed setting can be read")
	}
	plain, err := s.OpenSetting("password", sealed)
	must(t, err)
	same(t, "password", "canary-password", plain.Reveal())
	if _, err := s.OpenSetting("another", sealed); err == nil {
		t.Error("a sealed setting opens under another name")
	}
}

func testMails(t *testing.T, s Stores) {
	ctx := t.Context()
	item := func(id, key string, at time.Time) mail.Item {
		return mail.Item{ID: id, Key: key, To: "a@example.com", Subject: "s ☃", Body: "b\n", State: mail.Waiting, NextAt: at, CreatedAt: noon}
	}
	one, two, later := item("1", "bill:a", noon), item("2", "bill:b", noon.Add(time.Second)), item("3", "bill:c", noon.Add(time.Hour))
	must(t, s.AddMails(ctx, []mail.Item{two, later, one}, 10))
	again := item("4", "bill:a", noon)
	must(t, s.AddMails(ctx, []mail.Item{again}, 10))
	if err := s.AddMails(ctx, []mail.Item{item("5", "bill:d", noon), item("6", "bill:e", noon)}, 4); !errors.Is(err, mail.ErrFull) {
		t.Errorf("more than may wait: %v", err)
	}
	due, err := s.DueMails(ctx, noon.Add(time.Minute), 10)
	must(t, err)
	same(t, "due mails", []mail.Item{one, two}, due)
	due, err = s.DueMails(ctx, noon.Add(2*time.Hour), 1)
	must(t, err)
	same(t, "the first due mail", []mail.Item{one}, due)

	for i, want := range []bool{true, false} {
		got, err := s.ClaimMail(ctx, one, noon.Add(time.Minute))
		must(t, err)
		if got != want {
			t.Errorf("claim %d: %v", i+1, got)
		}
	}
	must(t, s.SettleMail(ctx, one)) // the try was cut off: it stands as before
	due, err = s.DueMails(ctx, noon, 10)
	must(t, err)
	same(t, "due mails after a try that does not count", []mail.Item{one}, due)
	one.Tries, one.NextAt, one.Error = 1, noon.Add(2*time.Minute), "later, please"
	must(t, s.SettleMail(ctx, one))
	due, err = s.DueMails(ctx, noon.Add(2*time.Minute), 10)
	must(t, err)
	same(t, "due mails after a try", []mail.Item{two, one}, due)

	one.State = mail.Sent
	must(t, s.SettleMail(ctx, one))
	if got, err := s.ClaimMail(ctx, one, noon); err != nil || got {
		t.Errorf("a sent mail is claimed: %v, %v", got, err)
	}
	must(t, s.AddMails(ctx, []mail.Item{again}, 10)) // its key is still known
	must(t, s.ForgetMails(ctx, noon.Add(time.Second)))
	must(t, s.AddMails(ctx, []mail.Item{again}, 10))
	due, err = s.DueMails(ctx, noon.Add(2*time.Minute), 10)
	must(t, err)
	same(t, "due mails after the sent one was forgotten", []mail.Item{again, two}, due)
}

func testNews(t *testing.T, s Stores) {
	ctx := t.Context()
	item := func(id string, target news.Target, minutes int) news.Item {
		at := noon.Add(time.Duration(minutes) * time.Minute)
		return news.Item{ID: id, Target: target, Title: "t " + id, Content: "c ☃\n", AuthorID: "root", CreatedAt: at, ExpiresAt: at.AddDate(0, 0, 1)}
	}
	all := item("1", news.Target{}, 0)
	alone := item("2", news.Target{Path: ".root.a."}, 1)
	below := item("3", news.Target{Path: ".root.a.", Below: true}, 2)
	other := item("4", news.Target{Path: ".root.ab.", Below: true}, 3)
	for _, n := range []news.Item{all, alone, below, other} {
		must(t, s.AddNews(ctx, n, 2))
	}
	if err := s.AddNews(ctx, item("5", news.Target{Path: ".root.a."}, 4), 2); !errors.Is(err, news.ErrFull) {
		t.Errorf("more than may be shown: %v", err)
	}
	for path, want := range map[string][]news.Item{
		".root.": {all}, ".root.a.": {below, alone, all}, ".root.a.b.": {below, all}, ".root.ab.": {other, all}, ".root.abc.": {all},
	} {
		got, err := s.News(ctx, path, noon.Add(5*time.Minute))
		must(t, err)
		same(t, "news of "+path, want, got)
	}
	got, err := s.News(ctx, ".root.a.b.", noon.AddDate(0, 0, 1))
	must(t, err)
	same(t, "news a day later", []news.Item{below}, got)

	for author, want := range map[string]int64{"somebody": 0, "root": 1} {
		n, err := s.DeleteNews(ctx, alone.Target, author)
		must(t, err)
		same(t, "deleted of "+author, want, n)
	}
	n, err := s.DeleteNews(ctx, other.Target, "")
	must(t, err)
	same(t, "deleted of anybody", 1, n)
	got, err = s.News(ctx, ".root.a.", noon.Add(5*time.Minute))
	must(t, err)
	same(t, "news after", []news.Item{below, all}, got)
	must(t, s.AddNews(ctx, item("6", news.Target{}, 60*24+1), 1)) // the old one for everybody is over
}
