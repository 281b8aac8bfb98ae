package openairesponses_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/openairesponses"
)

// ask writes the answer events to the request body, streamed, and keeps it.
func ask(t *testing.T, body string, before *openairesponses.Kept, id string, events ...canon.Event) *openairesponses.Kept {
	t.Helper()
	req := read(t, openairesponses.New(), body)
	w := openairesponses.New().NewWriter(dialect.Answer{
		Head: dialect.Head{Op: canon.OpGenerate, Stream: true}, Request: req, ID: id, Model: "m", Origin: canon.Anthropic, Created: time.Unix(1, 0),
	})
	var b []byte
	for _, e := range events {
		b = w.Write(b, e)
	}
	if openairesponses.Response(w) != nil {
		t.Error("an answer that is not at its end can be kept")
	}
	w.Close(b)
	k, e := openairesponses.Keep([]byte(body), before, openairesponses.Response(w))
	if e != nil {
		t.Fatal(e)
	}
	raw, err := k.Encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := openairesponses.DecodeKept(raw)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(k, back); diff != "" {
		t.Errorf("encoded and read back (-was +is):\n%s", diff)
	}
	return back
}

// TestContinue pins that a kept response is gone on with as if the client had sent everything again: its
// request, its answer with sealed thoughts and calls, then the new input; and instructions are the new ones.
// A response says what it continues, though the request that its writer sees is whole.
func TestWriterSaysWhatItContinues(t *testing.T) {
	for _, a := range []dialect.Answer{
		{Continues: "resp_a1", Request: &canon.Request{}},
		{Request: &canon.Request{PreviousID: "resp_a1"}},
	} {
		a.Head, a.ID = dialect.Head{Op: canon.OpGenerate}, "x"
		w := openairesponses.New().NewWriter(a)
		if body := w.Close(w.Write(nil, canon.Ended{})); gjson.GetBytes(body, "previous_response_id").Str != "resp_a1" {
			t.Errorf("%s", body)
		}
	}
}

func TestContinue(t *testing.T) {
	first := `{"model":"m","instructions":"old","input":"one","tools":[{"type":"function","name":"f"}]}`
	k := ask(t, first, nil, "a-1",
		canon.ReasoningDelta{Text: "Hm."}, canon.ReasoningDelta{Seal: "c2ln"}, canon.TextDelta{Index: 1, Text: "Calling."},
		canon.ToolStart{Index: 2, ID: "toolu_1", Name: "f"}, canon.ToolDelta{Index: 2, JSON: `{"a":1}`}, canon.Stopped{Why: canon.StopTools})

	second := ` {"model":"m","previous_response_id":"resp_a1","instructions":"new","input":[{"type":"item_reference","id":"msg_a101"},{"type":"function_call_output","call_id":"toolu_1","output":"2"}],"n":1.50}`
	whole, earlier, e := openairesponses.Continue([]byte(second), k)
	if e != nil {
		t.Fatal(e)
	}
	if earlier != 4 { // the text, the thought, the words and the call
		t.Errorf("%d items are said to be earlier ones", earlier)
	}
	req := read(t, openairesponses.New(), string(whole))
	want := &canon.Request{
		Origin: canon.OpenAIResponses, Model: "m", System: []canon.Block{canon.Text{Text: "new"}},
		Turns: []canon.Turn{
			{Role: canon.RoleUser, Blocks: []canon.Block{canon.Text{Text: "one"}}},
			{Role: canon.RoleAssistant, Blocks: []canon.Block{
				canon.Reasoning{Text: "Hm.", Seal: "c2ln", Origin: canon.Anthropic},
				canon.Text{Text: "Calling."},
				canon.ToolUse{ID: "toolu_1", Name: "f", Input: json.RawMessage(`{"a":1}`)},
			}},
			{Role: canon.RoleTool, Blocks: []canon.Block{canon.ToolResult{ID: "toolu_1", Name: "f", Blocks: []canon.Block{canon.Text{Text: "2"}}}}},
		},
		Extra: []canon.Field{{Name: "n", Value: json.RawMessage("1.50")}},
	}
	if diff := cmp.Diff(want, req, anywhere); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	k = ask(t, string(whole), k, "a-2", canon.TextDelta{Text: "Two."}, canon.Stopped{Why: canon.StopEnd})
	third, _, e := openairesponses.Continue([]byte(`{"previous_response_id":"resp_a2","model":"m","input":"three"}`), k)
	if e != nil {
		t.Fatal(e)
	}
	if n := len(read(t, openairesponses.New(), string(third)).Turns); n != 5 {
		t.Errorf("%d turns, want 5: %s", n, third)
	}

	list, e := k.ListItems("resp_a2", url.Values{})
	if e != nil {
		t.Fatal(e)
	}
	if s := string(list); !strings.Contains(s, "function_call_output") || strings.Contains(s, "Calling.") || !strings.Contains(s, `"has_more":false`) {
		t.Errorf("the input of the second request is %s", s)
	}
}

// TestNotKept pins what is not kept: what the request asked not to store, and an answer that broke off.
func TestNotKept(t *testing.T) {
	no := false
	for name, c := range map[string]struct {
		store *bool
		fail  bool
		kept  bool
	}{"said nothing": {nil, false, true}, "store is false": {&no, false, false}, "broken": {nil, true, false}} {
		w := openairesponses.New().NewWriter(dialect.Answer{Head: dialect.Head{Op: canon.OpGenerate, Stream: true}, Request: &canon.Request{Store: c.store}, ID: "x"})
		b := w.Write(nil, canon.TextDelta{Text: "a"})
		if c.fail {
			b = w.Fail(b, canon.Errorf(canon.KindUpstream, "x"))
		}
		w.Close(b)
		if got := openairesponses.Response(w) != nil; got != c.kept {
			t.Errorf("%s: kept %v", name, got)
		}
	}
}

// TestListItems pins the pages of a kept response's input.
func TestListItems(t *testing.T) {
	body := `{"model":"m","input":[{"role":"user","content":"a","id":"msg_a"},{"role":"user","content":"b"},{}]}`
	k, e := openairesponses.Keep([]byte(body), nil, []byte(`{"output":[]}`))
	if e != nil {
		t.Fatal(e)
	}
	for query, want := range map[string]string{
		"":                       `item_r02 item_r01 msg_a false`,
		"order=asc":              `msg_a item_r01 item_r02 false`,
		"order=asc&limit=2":      `msg_a item_r01 true`,
		"order=asc&after=msg_a":  `item_r01 item_r02 false`,
		"limit=1&after=item_r01": `msg_a false`,
		"after=msg_a":            `false`,
		"after=nothing":          `! after`,
		"limit=0":                `! limit`,
		"order=up":               `! order`,
	} {
		q, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		raw, e := k.ListItems("r", q)
		if e == nil && !strings.HasPrefix(string(raw), `{"object":"list","data":[`) {
			t.Errorf("%s: %s", query, raw)
		}
		got := ""
		if e != nil {
			got = "! " + e.Param
		} else {
			var list struct {
				Data    []struct{ ID string }
				HasMore bool `json:"has_more"`
			}
			if err := json.Unmarshal(raw, &list); err != nil {
				t.Fatalf("%s: %v", raw, err)
			}
			for _, d := range list.Data {
				got += d.ID + " "
			}
			got += map[bool]string{true: "true", false: "false"}[list.HasMore]
		}
		if got != want {
			t.Errorf("%q: %s, want %s", query, got, want)
		}
	}
}

// An item whose id says nothing, as SDKs write it, is listed with one, and only one.
func TestListedItemsHaveOneID(t *testing.T) {
	for _, id := range []string{`null`, `""`, `5`} {
		k, e := openairesponses.Keep([]byte(`{"model":"m","input":[{"role":"user","id":`+id+`,"content":"a"}]}`), nil, []byte(`{"output":[]}`))
		if e != nil {
			t.Fatal(e)
		}
		raw, e := k.ListItems("r", url.Values{})
		want := `{"object":"list","data":[{"role":"user","id":"item_r00","content":"a"}],"first_id":"item_r00","last_id":"item_r00","has_more":false}`
		if e != nil || string(raw) != want {
			t.Errorf("%s, %v", raw, e)
		}
	}
}

// A conversation of so many items can be kept and continued, and one more can't.
func TestKeptItemsAreBounded(t *testing.T) {
	const most = 1 << 14
	input := func(n int) []byte {
		return []byte(`{"model":"m","input":[` + strings.TrimSuffix(strings.Repeat(`{"role":"user","content":"a"},`, n), ",") + `]}`)
	}
	k, e := openairesponses.Keep(input(most), nil, []byte(`{"output":[]}`))
	if e != nil || len(k.Items) != most {
		t.Fatalf("%d items: %v", most, e)
	}
	if _, e := openairesponses.Keep(input(most+1), nil, []byte(`{"output":[]}`)); e == nil || e.Param != "input" {
		t.Errorf("%d items are kept: %v", most+1, e)
	}
	if _, _, e := openairesponses.Continue([]byte(`{"input":[]}`), k); e != nil {
		t.Errorf("%d items: %v", most, e)
	}
	if _, _, e := openairesponses.Continue([]byte(`{"input":"b"}`), k); e == nil || e.Param != "input" {
		t.Errorf("%d items are continued: %v", most+1, e)
	}
}
