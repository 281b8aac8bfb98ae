package simulator

import (
	"slices"
	"strings"
)

// wantedCalls decides which tools to call, if any.
func (c *call) wantedCalls(a *ask) []toolCall {
	if len(a.tools) == 0 || a.choice == choiceNone {
		return nil
	}
	forced := a.choice == choiceAny || a.choice == choiceNamed
	if !forced && (!a.isUser || c.be.noTools || a.asJSON && c.be.tools == 0) {
		return nil
	}
	words := plainWords(a.user)
	h := hints{path: pathIn(words), word: wordIn(words), tool: true}
	t := a.pick(words, h.path != "")
	if t.reads() {
		h.path = absolute(h.path, a)
	}
	n := 1
	if c.be.tools > 0 {
		n = c.be.tools
	} else if strings.Contains(words, "parallel") && !a.single {
		n = 2
	}
	calls := make([]toolCall, n)
	for i := range calls {
		this := t
		if i > 0 && a.choice != choiceNamed && h.path == "" {
			this = a.after(t, i)
		}
		calls[i] = toolCall{id: c.toolID(), name: strings.Clone(this.name), custom: this.custom}
		if this.custom {
			calls[i].args = "simulated input"
		} else if this.schema == "" {
			calls[i].args = "{}"
		} else {
			calls[i].args = string(sample(this.schema, h))
		}
	}
	return calls
}

// renamed copies calls with ids of their own.
func (c *call) renamed(calls []toolCall) []toolCall {
	out := make([]toolCall, len(calls))
	for i, tc := range calls {
		tc.id = c.toolID()
		out[i] = tc
	}
	return out
}

func (c *call) toolID() string {
	if c.rt.dialect == anthropic {
		return c.s.newID("toolu_01", base62, 22)
	}
	return c.s.newID("call_", base62, 24)
}

// pick chooses the tool: the forced one; one that the prompt names; with a path one that reads files;
// else the first that sounds harmless, or the first.
func (a *ask) pick(words string, path bool) tool {
	if a.choice == choiceNamed {
		for _, t := range a.tools {
			if t.name == a.forced {
				return t
			}
		}
	}
	for _, t := range a.tools {
		if len(t.name) > 4 && containsWord(words, t.name) {
			return t
		}
	}
	if path {
		for _, fits := range []func(tool) bool{tool.reads, tool.runs} {
			if i := slices.IndexFunc(a.tools, fits); i >= 0 {
				return a.tools[i]
			}
		}
	}
	for _, t := range a.tools {
		low := strings.ToLower(t.name)
		for _, start := range []string{"get", "read", "list", "glob", "grep", "search", "lookup", "find", "view"} {
			if strings.HasPrefix(low, start) {
				return t
			}
		}
	}
	return a.tools[0]
}

// reads reports whether t sounds like reading a file; runs, like running a command.
func (t tool) reads() bool {
	return t.is("read", "read_file", "readfile", "view", "view_file", "cat", "open_file", "get_file_contents")
}

func (t tool) runs() bool {
	return t.is("shell", "shell_command", "exec_command", "bash", "run_shell_command", "run_command", "execute_command", "run_in_terminal")
}

// is compares the name of t, or what follows an MCP server's name in it, with names.
func (t tool) is(names ...string) bool {
	low := strings.ToLower(t.name)
	if i := strings.LastIndex(low, "__"); i >= 0 {
		low = low[i+2:]
	}
	return slices.Contains(names, low)
}

// after returns the i-th tool after t, going round.
func (a *ask) after(t tool, i int) tool {
	for j := range a.tools {
		if a.tools[j].name == t.name {
			return a.tools[(j+i)%len(a.tools)]
		}
	}
	return t
}

func containsWord(s, w string) bool {
	for rest := s; ; {
		i := strings.Index(rest, w)
		if i < 0 {
			return false
		}
		before := i == 0 || !wordByte(rest[i-1])
		rest = rest[i+len(w):]
		if before && (rest == "" || !wordByte(rest[0])) {
			return true
		}
	}
}

func wordByte(b byte) bool {
	return b == '_' || b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
}

// plainWords removes what coding agents put around the person's own words.
func plainWords(s string) string {
	for _, tag := range []string{"system-reminder", "environment_context", "environment_details", "user_instructions", "session_context", "system"} {
		for {
			before, rest, ok := strings.Cut(s, "<"+tag+">")
			if !ok {
				break
			}
			_, after, _ := strings.Cut(rest, "</"+tag+">")
			s = before + after
		}
	}
	return s
}

// pathIn returns the first word that looks like a path: with a slash, or a name with an extension.
func pathIn(s string) string {
	for w := range strings.FieldsSeq(s) {
		w = strings.Trim(w, "\"'`()[]{}<>,;:!?")
		w = strings.TrimPrefix(strings.TrimRight(w, "."), "@")
		if strings.Contains(w, "://") || len(w) < 3 {
			continue
		}
		dot := strings.LastIndexByte(w, '.')
		slash := strings.LastIndexByte(w, '/')
		ext := dot > 0 && dot > slash && len(w)-dot <= 6 && letters(w[dot+1:])
		if ext || slash >= 0 && strings.Count(w, "/") >= 1 && w[0] == '/' && len(w) > 2 {
			return strings.Clone(w)
		}
	}
	return ""
}

func letters(s string) bool {
	for i := range len(s) {
		if c := s[i] | 0x20; (c < 'a' || c > 'z') && (s[i] < '0' || s[i] > '9') {
			return false
		}
	}
	return s != "" && (s[0] < '0' || s[0] > '9')
}

// wordIn returns the longest word of the prompt, something to search for.
func wordIn(s string) string {
	best := ""
	for w := range strings.FieldsSeq(s) {
		w = strings.Trim(w, "\"'`()[]{}<>,;:.!?")
		if len(w) > len(best) && len(w) < 40 {
			best = w
		}
	}
	return strings.Clone(best)
}

// absolute joins path to the working directory that an agent told, since its tools want full paths.
func absolute(path string, a *ask) string {
	if path == "" || path[0] == '/' || len(path) > 2 && path[1] == ':' {
		return path
	}
	for _, s := range a.segs {
		for _, before := range []string{"Working directory: ", "working directory: ", "working in the directory: ", "<cwd>"} {
			if _, after, ok := strings.Cut(s.text, before); ok {
				dir, _, _ := strings.Cut(after, "\n")
				dir, _, _ = strings.Cut(dir, "<")
				if dir = strings.TrimSpace(dir); strings.HasPrefix(dir, "/") && len(dir) < 4096 {
					return strings.TrimRight(dir, "/") + "/" + path
				}
			}
		}
	}
	return path
}
