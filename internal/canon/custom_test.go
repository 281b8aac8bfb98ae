package canon_test

import (
	"encoding/json"
	"strings"
	"testing"

	"tollgate/internal/canon"
)

// TestCustomText pins that the text of a custom tool is the same however its JSON is cut.
func TestCustomText(t *testing.T) {
	for _, c := range []struct{ json, want string }{
		{`"SELECT \"1\"\n"`, "SELECT \"1\"\n"},
		{`{"input":"*** Begin\n\tü\u00e9\ud83d\ude00\\"}`, "*** Begin\n\tüé😀\\"},
		{` { "input" : "a" , "more":1}`, "a"},
		{`{"input":""}`, ""},
		{`""`, ""},
		{`{"input":"cut off`, "cut off"},
		{`{"input":"\ud83dx"}`, "\ufffdx"},
		{`{"first":1,"input":"late"}`, "late"},
		{`{"patch":"other"}`, `{"patch":"other"}`},
		{`not JSON`, `not JSON`},
		{``, ``},
	} {
		for size := 1; size <= len(c.json)+1; size++ {
			var d canon.CustomText
			var b strings.Builder
			for rest := c.json; rest != ""; {
				n := min(size, len(rest))
				b.WriteString(d.Feed(rest[:n]))
				rest = rest[n:]
			}
			b.WriteString(d.End())
			if b.String() != c.want {
				t.Errorf("%s in pieces of %d: got %q, want %q", c.json, size, b.String(), c.want)
			}
		}
	}
}

// TestCustomFunction pins that a custom tool and its call become valid JSON that CustomText reads back.
func TestCustomFunction(t *testing.T) {
	description, schema := canon.CustomFunction(canon.Tool{Name: "apply_patch", Description: "Edit.", Custom: true, Grammar: &canon.Grammar{Syntax: "lark", Definition: "start: x"}})
	if !json.Valid(schema) || !strings.HasPrefix(description, "Edit.") || !strings.Contains(description, "start: x") {
		t.Errorf("got %q, %s", description, schema)
	}
	var d canon.CustomText
	if got := d.Feed(string(canon.CustomArguments(json.RawMessage(`"a\nb"`)))); got != "a\nb" {
		t.Errorf("got %q", got)
	}
}
