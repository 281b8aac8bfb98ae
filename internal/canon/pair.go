package canon

import "strconv"

// Orphan is a tool call without its result, or a result without its call.
type Orphan struct {
	Path   string // where it stands in the client's request
	Result bool   // a result; else a call
	ID     string
	Name   string
}

// Pair makes calls and results of tools find each other, whatever of id and name a dialect leaves out: a
// call without an id gets one, unique within the request and the same whenever the same request is
// paired; a result without an id belongs to the first open call of its name, or, without a name, to the
// first open call at all; a result without a name gets that of its call. It returns what has no partner,
// in order. Blocks are changed in place, so the request must be the caller's own.
func Pair(req *Request) []Orphan {
	type open struct {
		path     string
		id, name string
		custom   bool
	}
	var waiting []open
	var orphans []Orphan
	taken := map[string]bool{}
	each(req, func(_ *Turn, _ int, b Block) Block {
		if u, ok := b.(ToolUse); ok && u.ID != "" {
			taken[u.ID] = true
		}
		return b
	})
	made := 0
	each(req, func(t *Turn, i int, b Block) Block {
		switch b := b.(type) {
		case ToolUse:
			for b.ID == "" {
				made++
				if id := "call_" + strconv.Itoa(made); !taken[id] {
					b.ID = id
				}
			}
			waiting = append(waiting, open{path: t.Path(i), id: b.ID, name: b.Name, custom: b.Custom})
			return b
		case ToolResult:
			for j, w := range waiting {
				if b.ID != "" && b.ID != w.id || b.ID == "" && b.Name != "" && b.Name != w.name {
					continue
				}
				b.ID, b.Custom = w.id, w.custom
				if b.Name == "" {
					b.Name = w.name
				}
				waiting = append(waiting[:j], waiting[j+1:]...)
				return b
			}
			orphans = append(orphans, Orphan{Path: t.Path(i), Result: true, ID: b.ID, Name: b.Name})
			return b
		}
		return b
	})
	for _, w := range waiting {
		orphans = append(orphans, Orphan{Path: w.path, ID: w.id, Name: w.name})
	}
	return orphans
}

// each replaces every block of the conversation by what f makes of it.
func each(req *Request, f func(t *Turn, i int, b Block) Block) {
	for n := range req.Turns {
		t := &req.Turns[n]
		for i, b := range t.Blocks {
			t.Blocks[i] = f(t, i, b)
		}
	}
}
