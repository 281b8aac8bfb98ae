package account

import (
	"strconv"
	"sync"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func hash(s string) (h [32]byte) {
	copy(h[:], s)
	return h
}

// tree is root, a below it, b below a, each with a key of its own name.
func tree() *Directory {
	return NewDirectory(
		[]Account{{ID: RootID, Enabled: true}, {ID: "a", ParentID: RootID, Enabled: true}, {ID: "b", ParentID: "a", Enabled: true}},
		[]Key{
			{ID: "kr", AccountID: RootID, Hash: hash("root"), Enabled: true},
			{ID: "ka", AccountID: "a", Hash: hash("a"), Enabled: true},
			{ID: "kb", AccountID: "b", Hash: hash("b"), Enabled: true, ExpiresAt: noon},
		})
}

func TestAuthenticate(t *testing.T) {
	before := noon.Add(-1)
	for _, c := range []struct {
		what   string
		key    string
		now    time.Time
		change func(*Directory)
		want   Refusal
		caller string
	}{
		{"all well", "b", before, nil, "", "b"},
		{"root", "root", noon, nil, "", RootID},
		{"no such key", "c", before, nil, Unknown, ""},
		{"at its expiry", "b", noon, nil, KeyExpired, "b"},
		{"no expiry", "a", noon.AddDate(900, 0, 0), nil, "", "a"},
		{"key off", "a", before, func(d *Directory) { d.PutKey(Key{ID: "ka", AccountID: "a", Hash: hash("a")}) }, KeyDisabled, "a"},
		{"key gone", "a", before, func(d *Directory) { d.RemoveKey("ka") }, Unknown, ""},
		{"account gone", "x", before, func(d *Directory) { d.PutKey(Key{AccountID: "nobody", Hash: hash("x"), Enabled: true}) }, Unknown, ""},
		{"account off", "b", before, func(d *Directory) { d.PutAccount(Account{ID: "b", ParentID: "a"}) }, AccountDisabled, "b"},
		{"parent off", "b", before, func(d *Directory) { d.PutAccount(Account{ID: "a", ParentID: RootID}) }, AccountDisabled, "b"},
		{"child off", "a", before, func(d *Directory) { d.PutAccount(Account{ID: "b", ParentID: "a"}) }, "", "a"},
		{"root off", "b", before, func(d *Directory) { d.PutAccount(Account{ID: RootID}) }, AccountDisabled, "b"},
		{"parent gone", "b", before, func(d *Directory) { d.PutAccount(Account{ID: "b", ParentID: "lost", Enabled: true}) }, AccountDisabled, "b"},
		{"own parent", "b", before, func(d *Directory) { d.PutAccount(Account{ID: "b", ParentID: "b", Enabled: true}) }, AccountDisabled, "b"},
		{"a cycle", "b", before, func(d *Directory) { d.PutAccount(Account{ID: "a", ParentID: "b", Enabled: true}) }, AccountDisabled, "b"},
		{"old hash", "a", before, func(d *Directory) { d.PutKey(Key{ID: "ka", AccountID: "a", Hash: hash("new"), Enabled: true}) }, Unknown, ""},
		{"new hash", "new", before, func(d *Directory) { d.PutKey(Key{ID: "ka", AccountID: "a", Hash: hash("new"), Enabled: true}) }, "", "a"},
		{"same hash", "a", before, func(d *Directory) { d.PutKey(Key{ID: "ka", AccountID: "a", Hash: hash("a"), Enabled: true}) }, "", "a"},
	} {
		d := tree()
		if c.change != nil {
			c.change(d)
		}
		caller, refusal := d.Authenticate(hash(c.key), c.now)
		id := ""
		if caller.Account != nil {
			id = caller.Account.ID
			if caller.Key == nil || caller.IsRoot() != (id == RootID) {
				t.Errorf("%s: %+v", c.what, caller)
			}
		}
		if refusal != c.want || id != c.caller {
			t.Errorf("%s: %q of %q, want %q of %q", c.what, refusal, id, c.want, c.caller)
		}
	}
	n := 0
	tree().Accounts(func(*Account) bool { n++; return n < 2 })
	if n != 2 {
		t.Errorf("%d accounts after the end was asked for", n)
	}
}

// Readers see each row whole, in the state before a change or after it.
func TestReadsDuringPuts(t *testing.T) {
	d := tree()
	stop := make(chan struct{})
	var writers, readers sync.WaitGroup
	for w := range 2 {
		writers.Go(func() {
			for i := range 400 {
				id := strconv.Itoa(w*1000 + i%300)
				d.PutAccount(Account{ID: id, ParentID: RootID, Enabled: true})
				d.PutKey(Key{ID: "k" + id, AccountID: id, Hash: hash(id), Enabled: true})
				d.PutAccount(Account{ID: "a", ParentID: RootID, Enabled: true, Version: int64(i), CreatedAt: time.Unix(int64(i), 0)})
			}
		})
	}
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				c, refusal := d.Authenticate(hash("a"), noon)
				if refusal != "" || c.Account.Version != 0 && c.Account.CreatedAt.Unix() != c.Account.Version {
					t.Errorf("%q, %+v", refusal, c.Account)
					return
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
	n := 0
	d.Accounts(func(*Account) bool { n++; return true })
	if n != 603 {
		t.Errorf("%d accounts, want 603: two writers lose nothing of each other", n)
	}
}
