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
	var orphans []Orphan
	taken := map[string]bool{}
	each(req, func(_ *Turn, _ int, b Block) Block {
		if u, ok := b.(ToolUse); ok && u.ID != "" {
			taken[u.ID] = true
		}
		return b
	})
	made := 0
	waiting := waiting{byID: map[string][]int{}, byName: map[string][]int{}}
	each(req, func(t *Turn, i int, b Block) Block {
		switch b := b.(type) {
		case ToolUse:
			for b.ID == "" {
				made++
				if id := "call_" + strconv.Itoa(made); !taken[id] {
					b.ID = id
				}
			}
			waiting.add(openCall{path: t.Path(i), id: b.ID, name: b.Name, custom: b.Custom})
			return b
		case ToolResult:
			call := waiting.take(b.ID, b.Name)
			if call == nil {
				orphans = append(orphans, Orphan{Path: t.Path(i), Result: true, ID: b.ID, Name: b.Name})
				return b
			}
			b.ID, b.Custom = call.id, call.custom
			if b.Name == "" {
				b.Name = call.name
			}
			return b
		}
		return b
	})
	for _, c := range waiting.calls {
		if !c.answered {
			orphans = append(orphans, Orphan{Path: c.path, ID: c.id, Name: c.name})
		}
	}
	return orphans
}

// waiting are the calls that have no result yet, in order. A call leaves a queue when it is at its front, so
// that each is passed once.
type waiting struct {
	calls        []openCall
	byID, byName map[string][]int // numbers of calls
	first        int              // no call before it is open
}

type openCall struct {
	path     string
	id, name string
	custom   bool
	answered bool
}

func (w *waiting) add(c openCall) {
	n := len(w.calls)
	w.calls = append(w.calls, c)
	w.byID[c.id] = append(w.byID[c.id], n)
	w.byName[c.name] = append(w.byName[c.name], n)
}

// take returns the first open call of that id, or of that name where no id is given, or the first of all
// where none of the two is; nil if there is none. It is open no longer.
func (w *waiting) take(id, name string) *openCall {
	switch {
	case id != "":
		return w.from(w.byID, id)
	case name != "":
		return w.from(w.byName, name)
	}
	for ; w.first < len(w.calls); w.first++ {
		if c := &w.calls[w.first]; !c.answered {
			c.answered = true
			return c
		}
	}
	return nil
}

func (w *waiting) from(queues map[string][]int, key string) *openCall {
	for queue := queues[key]; len(queue) > 0; queue = queue[1:] {
		if c := &w.calls[queue[0]]; !c.answered {
			c.answered = true
			queues[key] = queue[1:]
			return c
		}
	}
	delete(queues, key)
	return nil
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
