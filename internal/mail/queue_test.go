package mail_test

import (
	"context"
	"errors"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/internal/mail"
	"tollgate/internal/secret"
	"tollgate/internal/store/sqlstore"
)

// openStore opens the store in a directory; the test closes it.
func openStore(t *testing.T, dir string) *sqlstore.Store {
	t.Helper()
	master, err := secret.LoadMaster(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := secret.NewSealer(master)
	if err != nil {
		t.Fatal(err)
	}
	s, err := sqlstore.Open(t.Context(), sqlstore.Config{DSN: "sqlite:" + filepath.Join(dir, "x.db"), Sealer: sealer})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// clock is a time that a test moves.
type clock struct{ at atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.at.Store(time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) now() time.Time                   { return time.Unix(0, c.at.Load()).UTC() }
func (c *clock) pass(d time.Duration)             { c.at.Add(int64(d)) }
func (c *clock) of() func() time.Time             { return c.now }
func sameServer(s mail.Server) func() mail.Server { return func() mail.Server { return s } }

func message(key string) mail.Message {
	return mail.Message{ID: key, To: "bob@example.org", Subject: "about " + key, Body: "text of " + key + "\n"}
}

func TestQueueSends(t *testing.T) {
	fake := &smtpServer{}
	server := fake.start(t)
	q := mail.NewQueue(openStore(t, t.TempDir()), sameServer(server), quiet(), time.Now)
	run(t, q)
	for range 2 { // the second time the key is known
		if err := q.Put(t.Context(), message("bill:a"), message("bill:b")); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "two letters", func() bool { return len(fake.got()) >= 2 })
	if err := q.Put(t.Context(), message("bill:c")); err != nil {
		t.Fatal(err)
	}
	until(t, "the third letter", func() bool { return len(fake.got()) >= 3 })
	all := fake.got()
	for i, key := range []string{"bill:a", "bill:b", "bill:c"} {
		if len(all) != 3 || !strings.Contains(all[i].raw, "text of "+key) {
			t.Fatalf("%d letters, %+v", len(all), all)
		}
	}
}

// What waits when the process ends goes out after the next start.
func TestQueueSurvivesARestart(t *testing.T) {
	dir := t.TempDir()
	fake := &smtpServer{}
	server := fake.start(t)
	first := openStore(t, dir)
	if err := mail.NewQueue(first, sameServer(server), quiet(), time.Now).Put(t.Context(), message("a")); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	run(t, mail.NewQueue(openStore(t, dir), sameServer(server), quiet(), time.Now))
	until(t, "the letter", func() bool { return len(fake.got()) == 1 })
}

// A server that is busy is asked again, later and later; one that refuses is not.
func TestQueueTriesAgain(t *testing.T) {
	fake := &smtpServer{}
	var busy atomic.Bool
	busy.Store(true)
	fake.rcpt = func(to string) string {
		switch {
		case strings.Contains(to, "nobody"):
			return "550 no such user"
		case busy.Load():
			return "451 busy"
		}
		return ""
	}
	server := fake.start(t)
	c := newClock()
	store := openStore(t, t.TempDir())
	q := mail.NewQueue(store, sameServer(server), quiet(), c.of())
	tries := func() int { fake.mu.Lock(); defer fake.mu.Unlock(); return fake.tries }
	nobody := message("x")
	nobody.To = "nobody@example.org"
	if err := q.Put(t.Context(), nobody, message("y")); err != nil {
		t.Fatal(err)
	}
	once := func() { q.SendDue(t.Context()) }
	once()
	if n := tries(); n != 2 {
		t.Fatalf("%d tries, want one of each", n)
	}
	// After 1 minute, then 2, then 4 more; not before.
	for i, wait := range []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute} {
		c.pass(wait - time.Second)
		once()
		if n := tries(); n != 2+i {
			t.Fatalf("%d tries a second before the pause is over, want %d", n, 2+i)
		}
		c.pass(time.Second)
		once()
		if n := tries(); n != 3+i {
			t.Fatalf("%d tries after pause %d, want %d", n, i+1, 3+i)
		}
	}
	busy.Store(false)
	c.pass(time.Hour)
	once()
	if got := fake.got(); len(got) != 1 || !strings.Contains(got[0].raw, "text of y") {
		t.Errorf("%+v", got)
	}
	// The tries have an end.
	busy.Store(true)
	if err := q.Put(t.Context(), message("z")); err != nil {
		t.Fatal(err)
	}
	before := tries()
	for range 40 {
		once()
		c.pass(25 * time.Hour)
	}
	if n := tries() - before; n != 14 {
		t.Errorf("a mail that nobody takes was tried %d times", n)
	}
}

// A try that only the end of the process cut off costs a mail nothing: it goes out after the next start.
func TestQueueCutOff(t *testing.T) {
	fake := &smtpServer{}
	var cut atomic.Pointer[context.CancelFunc]
	end := func() bool {
		cancel := cut.Load()
		if cancel != nil {
			(*cancel)()
		}
		return cancel != nil
	}
	fake.drop = end
	var answers atomic.Bool
	fake.rcpt = func(string) string {
		if answers.Load() && end() {
			return "451 busy"
		}
		return ""
	}
	server := fake.start(t)
	c := newClock()
	store := openStore(t, t.TempDir())
	q := mail.NewQueue(store, sameServer(server), quiet(), c.of())
	if err := q.Put(t.Context(), message("a")); err != nil {
		t.Fatal(err)
	}
	due := func() []mail.Item {
		t.Helper()
		all, err := store.DueMails(t.Context(), c.now(), 10)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	for range 20 { // more often than a mail is tried
		ctx, cancel := context.WithCancel(t.Context())
		cut.Store(&cancel)
		q.SendDue(ctx)
		if ctx.Err() == nil {
			t.Fatal("the mail was not tried")
		}
	}
	if all := due(); len(all) != 1 || all[0].Tries != 0 || all[0].Error != "" {
		t.Fatalf("after tries that were cut off: %+v", all)
	}
	// What the server said counts, though the process ends.
	answers.Store(true)
	ctx, cancel := context.WithCancel(t.Context())
	cut.Store(&cancel)
	q.SendDue(ctx)
	if all := due(); len(all) != 0 {
		t.Fatalf("a busy server is asked again at once: %+v", all)
	}
	cut.Store(nil)
	c.pass(time.Minute)
	q.SendDue(t.Context())
	if got := fake.got(); len(got) != 1 {
		t.Errorf("%d letters after the next start", len(got))
	}
}

// A process that dies after the server took a message, before that was written down, sends it again:
// later, once, and under the same Message-ID.
func TestQueueAfterACrash(t *testing.T) {
	fake := &smtpServer{}
	server := fake.start(t)
	c := newClock()
	store := openStore(t, t.TempDir())
	q := mail.NewQueue(store, sameServer(server), quiet(), c.of())
	if err := q.Put(t.Context(), message("a")); err != nil {
		t.Fatal(err)
	}
	due, err := store.DueMails(t.Context(), c.now(), 1)
	if err != nil || len(due) != 1 {
		t.Fatal(due, err)
	}
	if got, err := store.ClaimMail(t.Context(), due[0], c.now().Add(5*time.Minute)); err != nil || !got {
		t.Fatal(got, err)
	}
	if err := server.Send(t.Context(), mail.Message{ID: due[0].ID, To: due[0].To, Subject: due[0].Subject, Body: due[0].Body, At: due[0].CreatedAt}); err != nil {
		t.Fatal(err)
	}
	c.pass(6 * time.Minute)
	stop := run(t, q)
	until(t, "the second letter", func() bool { return len(fake.got()) == 2 })
	stop()
	if all := fake.got(); all[0].raw != all[1].raw || !strings.Contains(all[0].raw, "Message-ID: <"+due[0].ID+"@") {
		t.Errorf("the letters differ:\n%s\n%s", all[0].raw, all[1].raw)
	}
}

func TestQueueBounds(t *testing.T) {
	server := mail.Server{}
	store := openStore(t, t.TempDir())
	q := mail.NewQueue(store, func() mail.Server { return server }, quiet(), time.Now)
	if err := q.Put(t.Context(), message("a")); err != nil {
		t.Fatal(err)
	}
	due, err := store.DueMails(t.Context(), time.Now().Add(time.Hour), 10)
	if err != nil || len(due) != 0 {
		t.Errorf("without a server: %v, %v", due, err)
	}
	server.Host = "127.0.0.1"
	many := make([]mail.Message, 20_001)
	for i := range many {
		many[i] = message(strconv.Itoa(i))
	}
	if err := q.Put(t.Context(), many...); !errors.Is(err, mail.ErrFull) {
		t.Errorf("a flood: %v", err)
	}
	bad := message("b")
	bad.To = "nowhere"
	if err := q.Put(t.Context(), bad, message("c")); err != nil {
		t.Fatal(err)
	}
	due, err = store.DueMails(t.Context(), time.Now().Add(time.Hour), 10)
	if err != nil || len(due) != 1 || due[0].Key != "c" {
		t.Errorf("%v, %v", due, err)
	}
}
