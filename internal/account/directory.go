package account

import (
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Directory finds the account behind a key. Reads take no lock. What a key may do is put together once,
// and again after any account has changed. Accounts are in shards: each is an immutable map behind an atomic
// pointer, copied when one of its few hundred rows changes, so a change costs microseconds with 100,000
// accounts too.
type Directory struct {
	mu       sync.Mutex // writers
	seed     maphash.Seed
	keys     keys
	accounts [shards]atomic.Pointer[map[string]*seat]
	changes  atomic.Uint64 // of accounts, each counted after it is in force
	index    index
	zones    zones
}

const shards = 256

// NewDirectory returns a directory of these accounts and keys.
func NewDirectory(accounts []Account, list []Key) *Directory {
	d := &Directory{seed: maphash.MakeSeed()}
	var am [shards]map[string]*seat
	for i := range shards {
		am[i] = map[string]*seat{}
	}
	d.index.init()
	for _, a := range accounts {
		s := newSeat(a)
		am[d.shard(a.ID)][a.ID] = s
		d.index.putAccount(nil, &s.Account)
	}
	d.keys.init(len(list))
	for _, k := range list {
		for _, h := range k.hashes() {
			d.keys.put(h, &k)
		}
		d.index.putKey(&k)
	}
	for i := range shards {
		d.accounts[i].Store(&am[i])
	}
	return d
}

func (d *Directory) shard(id string) int { return int(maphash.String(d.seed, id) % shards) }

// Key returns the key with this hash, or nil; with the hash it had before a rotation too, whether or
// not that still works. The result is shared: do not change it.
func (d *Directory) Key(hash [32]byte) *Key {
	if e := d.keys.find(hash); e != nil {
		return e.key
	}
	return nil
}

// Account returns the account with this id, or nil. The result is shared: do not change it.
func (d *Directory) Account(id string) *Account {
	if s := d.seat(id); s != nil {
		return &s.Account
	}
	return nil
}

func (d *Directory) seat(id string) *seat { return (*d.accounts[d.shard(id)].Load())[id] }

// PutAccount adds or replaces an account.
func (d *Directory) PutAccount(a Account) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := newSeat(a)
	d.index.putAccount(d.Account(a.ID), &s.Account)
	put(&d.accounts[d.shard(a.ID)], a.ID, s)
	d.changes.Add(1)
}

// RemoveAccount forgets an account and its keys.
func (d *Directory) RemoveAccount(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	a := d.Account(id)
	if a == nil {
		return
	}
	put(&d.accounts[d.shard(id)], id, nil) // first: from here on its keys are refused
	d.changes.Add(1)
	for _, k := range d.index.removeAccount(a) {
		for _, h := range k.hashes() {
			d.keys.remove(h)
		}
	}
}

// PutKey adds or replaces a key; what it was called by before and is no more stops working.
func (d *Directory) PutKey(k Key) {
	d.mu.Lock()
	defer d.mu.Unlock()
	old := d.index.putKey(&k)
	now := k.hashes()
	if old != nil {
		for _, h := range old.hashes() {
			if !slices.Contains(now, h) {
				d.keys.remove(h)
			}
		}
	}
	for _, h := range now {
		d.keys.put(h, &k)
	}
}

// RemoveKey forgets a key.
func (d *Directory) RemoveKey(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if k := d.index.removeKey(id); k != nil {
		for _, h := range k.hashes() {
			d.keys.remove(h)
		}
	}
}

// hashes are what the key is found by.
func (k *Key) hashes() [][32]byte {
	if k.OldUntil.IsZero() {
		return [][32]byte{k.Hash}
	}
	return [][32]byte{k.Hash, k.OldHash}
}

// put swaps in a copy of the map with s at id, or without id when s is nil.
func put(p *atomic.Pointer[map[string]*seat], id string, s *seat) {
	old := *p.Load()
	m := make(map[string]*seat, len(old)+1)
	for have, other := range old {
		if have != id {
			m[have] = other
		}
	}
	if s != nil {
		m[id] = s
	}
	p.Store(&m)
}

// Accounts calls yield for every account, in no order, until it returns false.
func (d *Directory) Accounts(yield func(*Account) bool) {
	for i := range shards {
		for _, s := range *d.accounts[i].Load() {
			if !yield(&s.Account) {
				return
			}
		}
	}
}

// Keys calls yield for every key, in no order, until it returns false.
func (d *Directory) Keys(yield func(*Key) bool) { d.keys.all(yield) }

// Caller is who makes a call: a key and the account it belongs to.
type Caller struct {
	Key     *Key
	Account *Account

	// Replaced says that the caller came with the plain key that a rotation replaced, in its time of grace.
	// It calls; but it must not replace the one that took its place.
	Replaced bool

	standing *Standing // as it was when the caller was authenticated; nil: not known
}

// Refusal says why a key may not call.
type Refusal string

// The refusals of Authenticate.
const (
	Unknown         Refusal = "unknown"          // no such key
	KeyDisabled     Refusal = "key_disabled"     // switched off
	KeyExpired      Refusal = "key_expired"      // past its expiry
	KeyRotated      Refusal = "key_rotated"      // replaced by another one, and the time of grace is over
	AccountDisabled Refusal = "account_disabled" // its account, or one above it, is switched off
)

// maxDepth is how many levels the tree may have, root being the first. It also bounds the walk up,
// should a row ever name itself its ancestor.
const maxDepth = 64

// Authenticate finds the caller behind a hashed key. The refusal is "" when the caller may call.
func (d *Directory) Authenticate(hash [32]byte, now time.Time) (Caller, Refusal) {
	e := d.keys.find(hash)
	if e == nil {
		return Caller{}, Unknown
	}
	changes := d.changes.Load() // before accounts are read
	if s := e.standing; s != nil && s.changes == changes && e.works(now) {
		return Caller{Key: e.key, Account: s.Account, Replaced: e.replaced, standing: s}, ""
	}
	k := e.key
	a := d.Account(k.AccountID)
	if a == nil {
		return Caller{}, Unknown
	}
	c := Caller{Key: k, Account: a, Replaced: e.replaced}
	switch {
	case e.works(now):
	case !k.Enabled:
		return c, KeyDisabled
	case !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt):
		return c, KeyExpired
	default:
		return c, KeyRotated
	}
	var room [4]*Account
	l := line(room[:0])
	for up, n := a, 0; ; n++ {
		if !up.Enabled || n == maxDepth {
			return c, AccountDisabled
		}
		l = append(l, up)
		if up.ParentID == "" {
			break
		}
		if up = d.Account(up.ParentID); up == nil {
			return c, AccountDisabled
		}
	}
	s := &stood{entry: *e}
	s.standing = &s.room
	s.room.set(d, l, k)
	s.room.changes = changes
	d.keys.stand(e, s)
	c.standing = &s.room
	return c, ""
}

// works reports whether the key itself may be used.
func (e *entry) works(now time.Time) bool {
	return e.enabled && (e.until.IsZero() || now.Before(e.until))
}

// IsRoot reports whether the caller is root, whose calls are never refused for money.
func (c Caller) IsRoot() bool {
	if c.standing != nil {
		return c.standing.root // what a call looks at anyway
	}
	return c.Account.ID == RootID
}
