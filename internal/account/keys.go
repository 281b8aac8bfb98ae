package account

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// keys finds keys by the hashes that they are called by. Reads take no lock, and look at two places of
// memory: a slot and what it points to. It is an open table: a hash that is not in its own slot is in one
// of those behind it, before the first empty one. Writers take turns.
type keys struct {
	mix   uint64 // odd and random, so that nobody can choose keys that share a slot
	used  int    // slots that are not empty
	live  int    // of them, those with a key
	slots atomic.Pointer[[]atomic.Pointer[entry]]
}

// entry is a key by one of its hashes. It is never changed: another one takes its place.
type entry struct {
	hash     [32]byte
	key      *Key      // nil: there is none any more
	standing *Standing // nil: not known
	until    time.Time // when it stops working; zero: never
	enabled  bool
	replaced bool // the hash is the one from before the key's rotation
}

// stood is an entry with its standing beside it, where a call that has read the one finds the other.
type stood struct {
	entry
	room Standing
}

const minSlots = 64

func (t *keys) init(size int) {
	t.mix = rand.Uint64() | 1
	t.resize(size)
}

// resize makes room for so many hashes, and drops what was removed.
func (t *keys) resize(size int) {
	n := minSlots
	for n < 2*size {
		n *= 2
	}
	slots := make([]atomic.Pointer[entry], n)
	if old := t.slots.Load(); old != nil {
		for i := range *old {
			if e := (*old)[i].Load(); e != nil && e.key != nil {
				t.place(slots, e.hash).Store(e)
			}
		}
	}
	t.used = t.live
	t.slots.Store(&slots)
}

// place returns the slot that the hash is in, or the empty one that it belongs into.
func (t *keys) place(slots []atomic.Pointer[entry], hash [32]byte) *atomic.Pointer[entry] {
	at := binary.LittleEndian.Uint64(hash[:]) * t.mix >> (64 - bits.Len(uint(len(slots)-1)))
	for {
		slot := &slots[at]
		if e := slot.Load(); e == nil || e.hash == hash {
			return slot
		}
		at = (at + 1) & uint64(len(slots)-1)
	}
}

// find returns the entry of a hash, nil if there is no key.
func (t *keys) find(hash [32]byte) *entry {
	e := t.place(*t.slots.Load(), hash).Load()
	if e == nil || e.key == nil {
		return nil
	}
	return e
}

// put lets the key be found by a hash.
func (t *keys) put(hash [32]byte, k *Key) {
	e := &entry{hash: hash, key: k, until: k.ExpiresAt, enabled: k.Enabled, replaced: hash != k.Hash}
	if e.replaced && (e.until.IsZero() || k.OldUntil.Before(e.until)) {
		e.until = k.OldUntil
	}
	slot := t.place(*t.slots.Load(), hash)
	old := slot.Load()
	if old == nil || old.key == nil {
		t.live++
	}
	if old == nil {
		t.used++
	}
	slot.Store(e)
	if 2*t.used > len(*t.slots.Load()) {
		t.resize(2 * t.live)
	}
}

// stand puts an entry with its standing in the place of one without, or with an old one; unless the key has
// changed meanwhile. It may be called at any time.
func (t *keys) stand(old *entry, s *stood) {
	t.place(*t.slots.Load(), old.hash).CompareAndSwap(old, &s.entry)
}

// remove forgets a hash. Its slot stays taken, as others may have been put behind it.
func (t *keys) remove(hash [32]byte) {
	slot := t.place(*t.slots.Load(), hash)
	if e := slot.Load(); e != nil && e.key != nil {
		t.live--
		slot.Store(&entry{hash: hash})
	}
}

// all calls yield for every key, once, until it returns false.
func (t *keys) all(yield func(*Key) bool) {
	for i, slots := 0, *t.slots.Load(); i < len(slots); i++ {
		if e := slots[i].Load(); e != nil && e.key != nil && !e.replaced && !yield(e.key) {
			return
		}
	}
}
