package openaichat_test

import (
	"fmt"
	"strings"
	"testing"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/openaichat"
	"tollgate/internal/jsonedit"
)

// What another vendor's model sealed, and the gateway gave the client, stays behind where the conversation comes to an
// upstream of the client's own dialect. Its own seals and every other byte pass.
func TestForeignSealsStayBehind(t *testing.T) {
	wrapped := canon.WrapSeal(canon.Anthropic, canon.OpenAIChat, "c2ln")
	signed := `"extra_content":{"google":{"thought_signature":"` + wrapped + `"}}`
	entry := `{"type":"reasoning.text","text":"Hm.","signature":"` + wrapped + `","format":"unknown","index":0}`
	hidden := `{"type":"reasoning.encrypted","data":"` + wrapped + `"}`
	own := `{"type":"reasoning.text","text":"Own.","signature":"b3du"}`
	for name, c := range map[string]struct{ message, want, lost string }{
		"an entry, and all that there is": {
			`{"role":"assistant", "content":null,"reasoning_content":"Hm.","reasoning_details":[` + entry + `]}`,
			`{"role":"assistant", "content":null,"reasoning_content":"Hm."}`, "messages[1].reasoning_details[0] reasoning.seal",
		},
		"its text with it": {
			`{"role":"assistant","reasoning_details":[` + entry + `],"content":"a"}`, `{"role":"assistant","content":"a"}`,
			"messages[1].reasoning_details[0] reasoning.seal,messages[1].reasoning_details[0] reasoning.text",
		},
		"beside an own one": {
			`{"reasoning_details":[` + hidden + `, ` + own + `,` + entry + `],"reasoning":"Hm.Own.","role":"assistant","content":"a"}`,
			`{"reasoning_details":[` + own + `],"reasoning":"Hm.Own.","role":"assistant","content":"a"}`,
			"messages[1].reasoning_details[0] reasoning.seal,messages[1].reasoning_details[2] reasoning.seal",
		},
		"at a call": {
			`{"role":"assistant","content":null,"tool_calls":[{"id":"a","x":null,"function":{"name":"f","arguments":"{}"},` + signed + `},{"id":"b", "extra_content":{"google":{"thought_signature":"b3du"}}}]}`,
			`{"role":"assistant","content":null,"tool_calls":[{"id":"a","x":null,"function":{"name":"f","arguments":"{}"}},{"id":"b", "extra_content":{"google":{"thought_signature":"b3du"}}}]}`,
			"messages[1].tool_calls[0].extra_content reasoning.seal",
		},
		"its own":                {`{"role":"assistant","content":"a", "reasoning_details":[ ` + own + ` ]}`, "", ""},
		"a text that looks so":   {`{"role":"assistant","content":"` + wrapped + `","reasoning_details":[ ` + own + ` ]}`, "", ""},
		"what is no list at all": {`{"role":"assistant","content":"` + wrapped + `","reasoning_details":{"a":1},"tool_calls":[{"extra_content":5}]}`, "", ""},
	} {
		if c.want == "" {
			c.want = c.message
		}
		body := `{"model":"m", "x":[1, 2],"messages":[{"role":"user","content":"hi"},%s],"y":null}`
		obj, err := jsonedit.Scan(fmt.Appendf(nil, body, c.message), 64)
		if err != nil {
			t.Fatal(err)
		}
		edits, err := openaichat.New().Edits(dialect.Head{Op: canon.OpGenerate}, obj, "m")
		if err != nil {
			t.Fatal(err)
		}
		got, err := jsonedit.Apply(obj.Raw(), edits...)
		if want := fmt.Sprintf(body, c.want); err != nil || string(got) != want {
			t.Errorf("%s: %v\n%s, want\n%s", name, err, got, want)
		}
		var lost []string
		for _, l := range openaichat.New().Unsealed(obj) {
			lost = append(lost, l.Path+" "+string(l.What))
		}
		if strings.Join(lost, ",") != c.lost {
			t.Errorf("%s: told %v, want %s", name, lost, c.lost)
		}
	}
}

// A request without seals is not looked into, and sent as it came.
func TestNothingIsUnsealed(t *testing.T) {
	wrapped := canon.WrapSeal(canon.Anthropic, canon.OpenAIChat, "c2ln")
	for _, body := range []string{
		`{"model":"m","messages":[{"role":"user","content":"` + wrapped + `"}]}`,
		`{"model":"m","prompt":"` + wrapped + `","a":{"b":{"reasoning_details":1}}}`,
		`{"model":"m","messages":{"a":{"reasoning_details":"` + wrapped + `"}}}`,
	} {
		obj, err := jsonedit.Scan([]byte(body), 64)
		if err != nil {
			t.Fatal(err)
		}
		edits, err := openaichat.New().Edits(dialect.Head{Op: canon.OpGenerate}, obj, "m")
		if out, aerr := jsonedit.Apply(obj.Raw(), edits...); err != nil || aerr != nil || string(out) != body {
			t.Errorf("%s became %s: %v %v", body, out, err, aerr)
		}
		if lost := openaichat.New().Unsealed(obj); len(lost) > 0 {
			t.Errorf("%s: %v", body, lost)
		}
	}
}
