package account

import (
	"hash/maphash"
	"iter"
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
	for _, a := range accounts {
		am[d.shard(a.ID)][a.ID] = &a
	}
	for _, k := range keys {
		km[k.Hash[0]][k.Hash] = &k
	}
	for i := range shards {
		d.accounts[i].Store(&am[i])
		d.keys[i].Store(&km[i])
	}
	return d
}

func (d *Directory) shard(id string) int { return int(maphash.String(d.seed, id) % shards) }

// Key returns the key with this hash, or nil. The result is shared: do not change it.
func (d *Directory) Key(hash [32]byte) *Key { return (*d.keys[hash[0]].Load())[hash] }

// Account returns the account with this id, or nil. The result is shared: do not change it.
func (d *Directory) Account(id string) *Account { return (*d.accounts[d.shard(id)].Load())[id] }

// PutAccount adds or replaces an account.
func (d *Directory) PutAccount(a Account) {
	d.mu.Lock()
	defer d.mu.Unlock()
	put(&d.accounts[d.shard(a.ID)], a.ID, &a)
}

// PutKey adds or replaces a key; old is the hash it had before, when that changed.
func (d *Directory) PutKey(k Key, old ...[32]byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, h := range old {
		if h != k.Hash {
			put(&d.keys[h[0]], h, nil)
		}
	}
	put(&d.keys[k.Hash[0]], k.Hash, &k)
}

// RemoveKey forgets a key.
func (d *Directory) RemoveKey(hash [32]byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	put(&d.keys[hash[0]], hash, nil)
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

// Caller is who makes a call: a key and the account it belongs to.
type Caller struct {
	Key     *Key
	Account *Account
}

// Refusal says why a key may not call.
type Refusal string

// The refusals of Authenticate.
const (
	Unknown         Refusal = "unknown"          // no such key
	KeyDisabled     Refusal = "key_disabled"     // switched off
	KeyExpired      Refusal = "key_expired"      // past its expiry
	AccountDisabled Refusal = "account_disabled" // its account, or one above it, is switched off
)

// maxDepth bounds the walk up the tree, should a row ever name itself its ancestor.
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
	c := Caller{Key: k, Account: a}
	switch {
	case !k.Enabled:
		return c, KeyDisabled
	case !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt):
		return c, KeyExpired
	}
	for up, n := a, 0; ; n++ {
		if !up.Enabled || n == maxDepth {
			return c, AccountDisabled
		}
		if up.ParentID == "" {
			return c, ""
		}
		if up = d.Account(up.ParentID); up == nil {
			return c, AccountDisabled
		}
	}
}

// Line calls yield for an account and those above it, up to root.
func (d *Directory) Line(a *Account) iter.Seq[*Account] {
	return func(yield func(*Account) bool) {
		for n := 0; a != nil && n <= maxDepth; n++ {
			if !yield(a) || a.ParentID == "" {
				return
			}
			a = d.Account(a.ParentID)
		}
	}
}

// IsRoot reports whether the caller is root, whose calls are never refused for money.
func (c Caller) IsRoot() bool { return c.Account.ID == RootID }
