package account

import (
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Directory finds the account behind a key. Reads take no lock: each of its shards is an immutable
// map behind an atomic pointer, copied when one of its few hundred rows changes, so a change costs
// microseconds with 100,000 accounts too.
type Directory struct {
	mu       sync.Mutex // writers
	seed     maphash.Seed
	keys     [shards]atomic.Pointer[map[[32]byte]*Key]
	accounts [shards]atomic.Pointer[map[string]*Account]
	index    index
	zones    zones
}

const shards = 256

// NewDirectory returns a directory of these accounts and keys.
func NewDirectory(accounts []Account, keys []Key) *Directory {
	d := &Directory{seed: maphash.MakeSeed()}
	var am [shards]map[string]*Account
	var km [shards]map[[32]byte]*Key
	for i := range shards {
		am[i], km[i] = map[string]*Account{}, map[[32]byte]*Key{}
	}
	d.index.init()
	for _, a := range accounts {
		am[d.shard(a.ID)][a.ID] = &a
		d.index.putAccount(nil, &a)
	}
	for _, k := range keys {
		for _, h := range k.hashes() {
			km[h[0]][h] = &k
		}
		d.index.putKey(&k)
	}
	for i := range shards {
		d.accounts[i].Store(&am[i])
		d.keys[i].Store(&km[i])
	}
	return d
}

func (d *Directory) shard(id string) int { return int(maphash.String(d.seed, id) % shards) }

// Key returns the key with this hash, or nil; with the hash it had before a rotation too, whether or
// not that still works. The result is shared: do not change it.
func (d *Directory) Key(hash [32]byte) *Key { return (*d.keys[hash[0]].Load())[hash] }

// Account returns the account with this id, or nil. The result is shared: do not change it.
func (d *Directory) Account(id string) *Account { return (*d.accounts[d.shard(id)].Load())[id] }

// PutAccount adds or replaces an account.
func (d *Directory) PutAccount(a Account) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.index.putAccount(d.Account(a.ID), &a)
	put(&d.accounts[d.shard(a.ID)], a.ID, &a)
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
	for _, k := range d.index.removeAccount(a) {
		for _, h := range k.hashes() {
			put(&d.keys[h[0]], h, nil)
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
				put(&d.keys[h[0]], h, nil)
			}
		}
	}
	for _, h := range now {
		put(&d.keys[h[0]], h, &k)
	}
}

// RemoveKey forgets a key.
func (d *Directory) RemoveKey(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if k := d.index.removeKey(id); k != nil {
		for _, h := range k.hashes() {
			put(&d.keys[h[0]], h, nil)
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

// put swaps in a copy of the map with v at k, or without k when v is nil.
func put[K comparable, V any](p *atomic.Pointer[map[K]*V], k K, v *V) {
	old := *p.Load()
	m := make(map[K]*V, len(old)+1)
	for ok, ov := range old {
		if ok != k {
			m[ok] = ov
		}
	}
	if v != nil {
		m[k] = v
	}
	p.Store(&m)
}

// Accounts calls yield for every account, in no order, until it returns false.
func (d *Directory) Accounts(yield func(*Account) bool) {
	for i := range shards {
		for _, a := range *d.accounts[i].Load() {
			if !yield(a) {
				return
			}
		}
	}
}

// Keys calls yield for every key, in no order, until it returns false.
func (d *Directory) Keys(yield func(*Key) bool) {
	for i := range shards {
		for hash, k := range *d.keys[i].Load() {
			if hash == k.Hash && !yield(k) {
				return
			}
		}
	}
}

// Caller is who makes a call: a key and the account it belongs to.
type Caller struct {
	Key     *Key
	Account *Account

	// Replaced says that the caller came with the plain key that a rotation replaced, in its time of grace.
	// It calls; but it must not replace the one that took its place.
	Replaced bool

	line line // as it was when the caller was authenticated; nil: not known
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
	k := d.Key(hash)
	if k == nil {
		return Caller{}, Unknown
	}
	a := d.Account(k.AccountID)
	if a == nil {
		return Caller{}, Unknown
	}
	c := Caller{Key: k, Account: a, Replaced: hash != k.Hash}
	switch {
	case !k.Enabled:
		return c, KeyDisabled
	case !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt):
		return c, KeyExpired
	case c.Replaced && !now.Before(k.OldUntil):
		return c, KeyRotated
	}
	l := make(line, 0, 4) // few are deeper
	for up, n := a, 0; ; n++ {
		if !up.Enabled || n == maxDepth {
			return c, AccountDisabled
		}
		l = append(l, up)
		if up.ParentID == "" {
			c.line = l
			return c, ""
		}
		if up = d.Account(up.ParentID); up == nil {
			return c, AccountDisabled
		}
	}
}

// IsRoot reports whether the caller is root, whose calls are never refused for money.
func (c Caller) IsRoot() bool { return c.Account.ID == RootID }
