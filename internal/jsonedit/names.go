package jsonedit

import (
	"bytes"
	"hash/maphash"
)

// few is the number of names up to which an object's names are simply compared with each other.
const few = 24

// seed makes the hashes of names unpredictable, so that nobody can send names that collide. It never changes.
var seed = maphash.MakeSeed()

// nameRef is a name of an object that is still open.
type nameRef struct {
	hash       uint64
	start, end int // the unescaped bytes: in raw; or, if start is negative, in nameStack.plain from ^start on
}

// nameStack holds the names of all open objects, outermost first, and finds duplicates.
type nameStack struct {
	refs  []nameRef
	plain []byte // names that had escapes, unescaped
	sets  []nameSet
}

// nameSet is an open-addressed hash table over the names of one object that has many.
type nameSet struct {
	base  int      // the object's first name in refs
	slots []uint32 // 0: free; else 1 + index in refs, counted from base. The size is a power of two
}

func (n *nameStack) bytes(raw []byte, r nameRef) []byte {
	if r.start < 0 {
		return n.plain[^r.start:r.end]
	}
	return raw[r.start:r.end]
}

// add notes the name quoted in raw[start:end] for the object whose names begin at base. It returns
// false if the object has that name already.
func (n *nameStack) add(raw []byte, base, start, end int, escaped bool) bool {
	r := nameRef{start: start + 1, end: end - 1}
	name := raw[start+1 : end-1]
	if escaped {
		r.start = ^len(n.plain)
		n.plain = appendUnescaped(n.plain, name)
		r.end = len(n.plain)
		name = n.plain[^r.start:]
	}
	r.hash = maphash.Bytes(seed, name)

	own := n.refs[base:]
	if len(own) >= few {
		if !n.addToSet(raw, base, r) {
			return false
		}
		n.refs = append(n.refs, r)
		return true
	}
	for k := range own {
		if own[k].hash == r.hash && bytes.Equal(n.bytes(raw, own[k]), name) {
			return false
		}
	}
	n.refs = append(n.refs, r)
	return true
}

// addToSet adds the name that will stand at the end of refs to the object's set, which it makes at
// the first call.
func (n *nameStack) addToSet(raw []byte, base int, r nameRef) bool {
	own := n.refs[base:]
	if len(n.sets) == 0 || n.sets[len(n.sets)-1].base != base {
		n.pushSet(base)
	}
	set := &n.sets[len(n.sets)-1]
	if 2*(len(own)+1) > len(set.slots) {
		set.resize(max(128, 4*len(set.slots)))
		for k := range own {
			set.slots[n.find(raw, set, own, own[k])] = uint32(k + 1)
		}
	}
	slot := n.find(raw, set, own, r)
	if set.slots[slot] != 0 {
		return false
	}
	set.slots[slot] = uint32(len(own) + 1)
	return true
}

// pushSet begins an empty set. It reuses the memory of one that is over, if there is any.
func (n *nameStack) pushSet(base int) {
	k := len(n.sets)
	if k < cap(n.sets) {
		n.sets = n.sets[:k+1]
	} else {
		n.sets = append(n.sets, nameSet{})
	}
	n.sets[k].base, n.sets[k].slots = base, n.sets[k].slots[:0]
}

// resize makes room of size and empties it.
func (s *nameSet) resize(size int) {
	if cap(s.slots) < size {
		s.slots = make([]uint32, size)
		return
	}
	s.slots = s.slots[:size]
	clear(s.slots)
}

// find returns the slot that holds the name of r, or the free one where it belongs.
func (n *nameStack) find(raw []byte, set *nameSet, own []nameRef, r nameRef) uint64 {
	mask := uint64(len(set.slots) - 1)
	for slot := r.hash & mask; ; slot = (slot + 1) & mask {
		k := set.slots[slot]
		if k == 0 || own[k-1].hash == r.hash && bytes.Equal(n.bytes(raw, own[k-1]), n.bytes(raw, r)) {
			return slot
		}
	}
}

// truncate forgets the names of the innermost object.
func (n *nameStack) truncate(refs, plain int) {
	if k := len(n.sets); k > 0 && n.sets[k-1].base == refs {
		n.sets = n.sets[:k-1]
	}
	n.refs = n.refs[:refs]
	n.plain = n.plain[:plain]
}

// seenNames is a Bloom filter of the names at every depth: 4,096 bits, three of them for each.
type seenNames [64]uint64

// add notes the name with that hash in an object at depth.
func (s *seenNames) add(depth int, hash uint64) {
	for _, bit := range spread(depth, hash) {
		s[bit/64] |= 1 << (bit % 64)
	}
}

func (s *seenNames) has(depth int, hash uint64) bool {
	for _, bit := range spread(depth, hash) {
		if s[bit/64]&(1<<(bit%64)) == 0 {
			return false
		}
	}
	return true
}

// spread returns the bits of a name at a depth.
func spread(depth int, hash uint64) [3]uint64 {
	hash += uint64(depth) * 0x9e3779b97f4a7c15 // 2⁶⁴ through the golden ratio: far apart for every depth
	return [3]uint64{hash >> 52, hash >> 40 & 4095, hash >> 28 & 4095}
}
