package jsonedit

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
)

// few is the number of names up to which an object's names are simply compared with each other.
const few = 24

// seed makes the hashes of names unpredictable, so that nobody can send names that collide. It never changes.
var seed = maphash.MakeSeed()

// nameRef is a name of an object that is still open.
type nameRef struct {
	print      uint64 // first bytes and length: equal names have equal prints
	start, end int    // unescaped bytes: in raw, or in nameStack.plain if inPlain
	inPlain    bool
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
	slots []uint32 // 0: free; else 1 + index in refs, counted from base
}

func (n *nameStack) bytes(raw []byte, r nameRef) []byte {
	if r.inPlain {
		return n.plain[r.start:r.end]
	}
	return raw[r.start:r.end]
}

// add notes the name quoted in raw[start:end] for the object whose names begin at base. It returns
// false if the object has that name already.
func (n *nameStack) add(raw []byte, base, start, end int, escaped bool) bool {
	r := nameRef{start: start + 1, end: end - 1}
	if escaped {
		r.inPlain = true
		r.start = len(n.plain)
		n.plain = appendUnescaped(n.plain, raw[start+1:end-1])
		r.end = len(n.plain)
	}
	name := n.bytes(raw, r)
	r.print = print(name)

	own := n.refs[base:]
	if len(own) >= few {
		if !n.addToSet(raw, base, name) {
			return false
		}
		n.refs = append(n.refs, r)
		return true
	}
	for k := range own {
		if own[k].print == r.print && bytes.Equal(n.bytes(raw, own[k]), name) {
			return false
		}
	}
	n.refs = append(n.refs, r)
	return true
}

// print packs the first seven bytes of a name and its length.
func print(name []byte) uint64 {
	var first [8]byte
	copy(first[:7], name)
	return binary.LittleEndian.Uint64(first[:]) | uint64(byte(len(name)))<<56
}

// addToSet adds the name that will stand at the end of refs to the object's set, which it makes at
// the first call.
func (n *nameStack) addToSet(raw []byte, base int, name []byte) bool {
	own := n.refs[base:]
	if len(n.sets) == 0 || n.sets[len(n.sets)-1].base != base {
		n.sets = append(n.sets, nameSet{base: base})
	}
	set := &n.sets[len(n.sets)-1]
	if 2*(len(own)+1) > len(set.slots) {
		set.slots = make([]uint32, max(4*few, 2*len(set.slots)))
		for k := range own {
			set.slots[n.find(raw, set, own, n.bytes(raw, own[k]))] = uint32(k + 1)
		}
	}
	slot := n.find(raw, set, own, name)
	if set.slots[slot] != 0 {
		return false
	}
	set.slots[slot] = uint32(len(own) + 1)
	return true
}

// find returns the slot that holds name, or the free one where it belongs.
func (n *nameStack) find(raw []byte, set *nameSet, own []nameRef, name []byte) uint64 {
	size := uint64(len(set.slots))
	slot := maphash.Bytes(seed, name) % size
	for set.slots[slot] != 0 && !bytes.Equal(n.bytes(raw, own[set.slots[slot]-1]), name) {
		slot = (slot + 1) % size
	}
	return slot
}

// truncate forgets the names of the innermost object.
func (n *nameStack) truncate(refs, plain int) {
	if k := len(n.sets); k > 0 && n.sets[k-1].base == refs {
		n.sets = n.sets[:k-1]
	}
	n.refs = n.refs[:refs]
	n.plain = n.plain[:plain]
}
