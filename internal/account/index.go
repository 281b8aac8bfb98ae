package account

import (
	"cmp"
	"slices"
	"strings"
	"sync"
)

// index finds accounts by what people call them, and what hangs below them. Calls do not need it.
type index struct {
	mu      sync.RWMutex
	byName  map[string]*Account // lower case
	byEmail map[string]*Account // lower case
	below   map[string][]*Account
	keys    map[string]*Key   // by id
	keysOf  map[string][]*Key // by account
}

func (x *index) init() {
	x.byName, x.byEmail, x.below = map[string]*Account{}, map[string]*Account{}, map[string][]*Account{}
	x.keys, x.keysOf = map[string]*Key{}, map[string][]*Key{}
}

// putAccount takes in an account that was old, which is nil for a new one.
func (x *index) putAccount(old, a *Account) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if old != nil {
		forget(x.byName, old.Name, old.ID)
		forget(x.byEmail, old.Email, old.ID)
	}
	remember(x.byName, a.Name, a)
	remember(x.byEmail, a.Email, a)
	if old != nil && old.ParentID == a.ParentID {
		replace(x.below, a.ParentID, a, (*Account).id)
		return
	}
	if old != nil {
		drop(x.below, old.ParentID, old.ID, (*Account).id)
	}
	if a.ParentID != "" {
		x.below[a.ParentID] = append(x.below[a.ParentID], a)
	}
}

// removeAccount forgets an account and its keys, which it returns.
func (x *index) removeAccount(a *Account) []*Key {
	x.mu.Lock()
	defer x.mu.Unlock()
	forget(x.byName, a.Name, a.ID)
	forget(x.byEmail, a.Email, a.ID)
	drop(x.below, a.ParentID, a.ID, (*Account).id)
	keys := x.keysOf[a.ID]
	delete(x.keysOf, a.ID)
	for _, k := range keys {
		delete(x.keys, k.ID)
	}
	return keys
}

// putKey takes in a key and returns what it was before, or nil.
func (x *index) putKey(k *Key) *Key {
	x.mu.Lock()
	defer x.mu.Unlock()
	old := x.keys[k.ID]
	x.keys[k.ID] = k
	if old != nil {
		replace(x.keysOf, k.AccountID, k, (*Key).id)
	} else {
		x.keysOf[k.AccountID] = append(x.keysOf[k.AccountID], k)
	}
	return old
}

func (x *index) removeKey(id string) *Key {
	x.mu.Lock()
	defer x.mu.Unlock()
	k := x.keys[id]
	if k != nil {
		delete(x.keys, id)
		drop(x.keysOf, k.AccountID, id, (*Key).id)
	}
	return k
}

func (a *Account) id() string { return a.ID }
func (k *Key) id() string     { return k.ID }

// remember lets the first who has a name keep it.
func remember(m map[string]*Account, name string, a *Account) {
	name = strings.ToLower(name)
	if have := m[name]; name != "" && (have == nil || have.ID == a.ID) {
		m[name] = a
	}
}

func forget(m map[string]*Account, name, id string) {
	name = strings.ToLower(name)
	if have := m[name]; have != nil && have.ID == id {
		delete(m, name)
	}
}

// replace puts v in the place of what has its id in a list of m. Lists are changed in place: only
// copies of them leave the index.
func replace[T any](m map[string][]T, at string, v T, id func(T) string) {
	for i, have := range m[at] {
		if id(have) == id(v) {
			m[at][i] = v
			return
		}
	}
}

func drop[T any](m map[string][]T, at, gone string, id func(T) string) {
	m[at] = slices.DeleteFunc(m[at], func(v T) bool { return id(v) == gone })
	if len(m[at]) == 0 {
		delete(m, at)
	}
}

// Find returns the account that who means: an id, a name or a mail address, the latter two whatever
// their case; or nil. The result is shared: do not change it.
func (d *Directory) Find(who string) *Account {
	if a := d.Account(who); a != nil {
		return a
	}
	if a := d.byName(who); a != nil {
		return a
	}
	return d.byEmail(who)
}

func (d *Directory) byName(name string) *Account {
	d.index.mu.RLock()
	defer d.index.mu.RUnlock()
	return d.index.byName[strings.ToLower(name)]
}

func (d *Directory) byEmail(email string) *Account {
	d.index.mu.RLock()
	defer d.index.mu.RUnlock()
	return d.index.byEmail[strings.ToLower(email)]
}

// Children returns the accounts right below id, oldest first. They are shared: do not change them.
func (d *Directory) Children(id string) []*Account {
	d.index.mu.RLock()
	list := slices.Clone(d.index.below[id])
	d.index.mu.RUnlock()
	sortAccounts(list)
	return list
}

// CountChildren returns how many accounts are right below id.
func (d *Directory) CountChildren(id string) int {
	d.index.mu.RLock()
	defer d.index.mu.RUnlock()
	return len(d.index.below[id])
}

// Below returns all accounts below id, at any depth: a level after the other, oldest first in each.
// They are shared: do not change them.
func (d *Directory) Below(id string) []*Account {
	d.index.mu.RLock()
	defer d.index.mu.RUnlock()
	var all []*Account
	for level, n := []string{id}, 0; len(level) > 0 && n < maxDepth; n++ {
		var list []*Account
		for _, up := range level {
			list = append(list, d.index.below[up]...)
		}
		sortAccounts(list)
		level = level[:0]
		for _, a := range list {
			level = append(level, a.ID)
		}
		all = append(all, list...)
	}
	return all
}

func sortAccounts(list []*Account) {
	slices.SortFunc(list, func(a, b *Account) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID))
	})
}

// KeyByID returns the key with this id, or nil. The result is shared: do not change it.
func (d *Directory) KeyByID(id string) *Key {
	d.index.mu.RLock()
	defer d.index.mu.RUnlock()
	return d.index.keys[id]
}

// KeysOf returns the keys of an account, oldest first.
func (d *Directory) KeysOf(accountID string) []Key {
	d.index.mu.RLock()
	defer d.index.mu.RUnlock()
	var out []Key
	for _, k := range d.index.keysOf[accountID] {
		out = append(out, *k)
	}
	slices.SortFunc(out, func(a, b Key) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID))
	})
	return out
}
