package crosstest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"tollgate/internal/dialect/anthropic"
	"tollgate/internal/dialect/crosstest"
	"tollgate/internal/dialect/openaichat"
)

// A client that gives all its calls one id gets one for each at an upstream that demands it, each with its
// result, however many there are: the search for a free one doesn't begin anew every time.
func TestManyCallsWithOneID(t *testing.T) {
	const many = 5_000
	for _, id := range []string{"c", strings.Repeat("long", 16)} {
		var b strings.Builder
		b.WriteString(`{"messages":[{"role":"user","content":"go"}`)
		for i := range many {
			fmt.Fprintf(&b, `,{"role":"assistant","content":null,"tool_calls":[{"id":%q,"type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":%q,"content":"%d"}`, id, id, i)
		}
		b.WriteString("]}")
		asked, err := crosstest.Read(openaichat.New(), []byte(b.String()), false)
		if err != nil {
			t.Fatal(err)
		}
		over, _, cerr := anthropic.New().WriteRequest(asked, crosstest.Target(false))
		if cerr != nil {
			t.Fatal(cerr)
		}
		seen := map[string]bool{}
		waits := ""
		gjson.GetBytes(over, "messages").ForEach(func(_, message gjson.Result) bool {
			message.Get("content").ForEach(func(_, block gjson.Result) bool {
				switch block.Get("type").Str {
				case "tool_use":
					waits = block.Get("id").Str
					if seen[waits] || len(waits) > 64 {
						t.Fatalf("the id %q is there twice, or too long", waits)
					}
					seen[waits] = true
				case "tool_result":
					if got := block.Get("tool_use_id").Str; got != waits {
						t.Fatalf("a result of %q follows the call %q", got, waits)
					}
				}
				return true
			})
			return true
		})
		if len(seen) != many {
			t.Errorf("%d calls of %d", len(seen), many)
		}
	}
}
