package jsonedit

import (
	"fmt"
	"slices"
)

// Edit replaces raw[Start:End] with New.
type Edit struct {
	Start, End int
	New        []byte

	// Set for edits that come and go with a comma, which Apply finds once it knows them all.
	in     *Object
	member int    // removed: its index; inserted: -1
	name   string // inserted
}

// Set returns the edit that makes value (valid JSON, which is not checked) the value of the member
// name: in place of the present one, or as a new first member.
func (o *Object) Set(name string, value []byte) Edit {
	if m, ok := o.Find(name); ok {
		return Edit{Start: m.Start, End: m.End, New: value}
	}
	text := Quote(name)
	text = append(text, ':')
	text = append(text, value...)
	return Edit{Start: o.open + 1, End: o.open + 1, New: text, in: o, member: -1, name: name}
}

// Remove returns the edit that takes the member name away together with its comma, or false if there
// is none.
func (o *Object) Remove(name string) (Edit, bool) {
	for i, m := range o.members {
		if m.Name == name {
			return Edit{Start: m.NameStart, End: m.End, in: o, member: i}, true
		}
	}
	return Edit{}, false
}

// Rename returns the edit that calls the member name to instead, or takes it away if there is one called
// so already; false if there is no member name.
func (o *Object) Rename(name, to string) (Edit, bool) {
	m, ok := o.Find(name)
	if !ok {
		return Edit{}, false
	}
	if _, taken := o.Find(to); taken {
		return o.Remove(name)
	}
	return Edit{Start: m.NameStart, End: m.NameEnd, New: Quote(to)}, true
}

// Apply returns raw with the edits made. raw is what the edits' objects were scanned from and is left
// as it is; without edits it is returned itself. The order of the edits does not matter, except that
// insertions at the same place keep theirs. Edits that overlap, lie outside of raw or insert the same
// name twice are an error.
func Apply(raw []byte, edits ...Edit) ([]byte, error) {
	if len(edits) == 0 {
		return raw, nil
	}
	return Append(nil, raw, edits...)
}

// Append appends to dst what Apply returns. dst and raw must not overlap.
func Append(dst, raw []byte, edits ...Edit) ([]byte, error) {
	todo, err := withCommas(edits)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(todo, func(a, b Edit) int {
		if a.Start != b.Start {
			return a.Start - b.Start
		}
		return a.End - b.End // insertions before what is replaced there
	})
	size, last := len(raw), 0
	for _, e := range todo {
		if e.Start < 0 || e.End < e.Start || e.End > len(raw) {
			return nil, fmt.Errorf("edit of bytes %d to %d lies outside of the %d bytes", e.Start, e.End, len(raw))
		}
		if e.Start < last {
			return nil, fmt.Errorf("edit of bytes %d to %d overlaps another one that ends at %d", e.Start, e.End, last)
		}
		last = e.End
		size += len(e.New) - (e.End - e.Start)
	}
	dst = slices.Grow(dst, size)
	last = 0
	for _, e := range todo {
		dst = append(dst, raw[last:e.Start]...)
		dst = append(dst, e.New...)
		last = e.End
	}
	return append(dst, raw[last:]...), nil
}

// withCommas turns insertions and removals of members into plain edits. A comma belongs to two
// members, so which ones go is known only with all edits of an object at hand.
func withCommas(edits []Edit) ([]Edit, error) {
	var plain, member []Edit
	for _, e := range edits {
		if e.in == nil {
			plain = append(plain, e)
		} else {
			member = append(member, e)
		}
	}
	slices.SortStableFunc(member, func(a, b Edit) int { return a.in.open - b.in.open })
	for len(member) > 0 {
		o, n := member[0].in, 1
		for n < len(member) && member[n].in.open == o.open {
			n++
		}
		cuts, left, err := o.cuts(member[:n])
		if err != nil {
			return nil, err
		}
		insertion, err := o.insertion(member[:n], left > 0)
		if err != nil {
			return nil, err
		}
		plain = append(append(plain, insertion), cuts...)
		member = member[n:]
	}
	return plain, nil
}

// insertion joins the insertions among edits into one. more says that members follow it.
func (o *Object) insertion(edits []Edit, more bool) (Edit, error) {
	all := Edit{Start: o.open + 1, End: o.open + 1}
	var names []string
	for _, e := range edits {
		if e.member >= 0 {
			continue
		}
		if slices.Contains(names, e.name) {
			return Edit{}, fmt.Errorf("two edits insert the member %q", shorten(e.name))
		}
		if len(names) > 0 {
			all.New = append(all.New, ',')
		}
		all.New = append(all.New, e.New...)
		names = append(names, e.name)
	}
	if len(names) > 0 && more {
		all.New = append(all.New, ',')
	}
	return all, nil
}

// cuts returns an edit for each run of members that the removals among edits take away, with the
// commas that go with it, and how many members are left.
func (o *Object) cuts(edits []Edit) (cuts []Edit, left int, err error) {
	var gone []int
	for _, e := range edits {
		if e.member >= 0 {
			gone = append(gone, e.member)
		}
	}
	slices.Sort(gone)
	n := len(o.members)
	for i := 0; i < len(gone); {
		first, last := gone[i], gone[i]
		for i++; i < len(gone) && gone[i] <= last+1; i++ {
			if gone[i] == last {
				return nil, 0, fmt.Errorf("two edits remove the member %q", shorten(o.members[last].Name))
			}
			last = gone[i]
		}
		cut := Edit{Start: o.members[first].NameStart, End: o.members[last].End}
		switch {
		case last < n-1: // with the comma and white space behind it
			cut.End = o.members[last+1].NameStart
		case first > 0: // with the comma before it
			cut.Start = o.members[first-1].End
		}
		cuts = append(cuts, cut)
	}
	return cuts, n - len(gone), nil
}
