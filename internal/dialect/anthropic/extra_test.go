package anthropic_test

import (
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/anthropic"
	"tollgate/internal/dialect/dialecttest"
)

// A member that a client calls like a path stays where it stands, and moves nowhere else: at home everything
// is sent that is not declared.
func TestMembersCalledLikePaths(t *testing.T) {
	const body = `{"model":"m","max_tokens":10,"thinking.type":1,"output_config.effort":2,"tool_choice.a":3,"metadata.user_id":4,"a[\"b\"]":5,"":6,"[\"x\"]":7,
		"thinking":{"type":"adaptive","a.b":8,"c":{"d":1}},"output_config":{"effort":"low","effort.x":9,"format":{"type":"json_schema","schema":{"type":"object"},"n.m":10}},
		"tool_choice":{"type":"auto","x.y":11},"metadata":{"user_id":"u","k.l":12,"":"empty"},"tools":[{"name":"f","input_schema":{"type":"object"},"t.u":13}],
		"messages":[{"role":"user","content":[{"type":"text","text":"hi","v.w":14}],"role.x":15}]}`
	req, err := anthropic.New().ReadRequest(canon.OpGenerate, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	canon.Pair(req)
	out, lost, bad := anthropic.New().WriteRequest(req, dialect.Target{Op: canon.OpGenerate, Model: "m"})
	if bad != nil || len(lost) > 0 {
		t.Fatalf("%v, %v", bad, lost)
	}
	want, got := dialecttest.Leaves(gjson.Parse(body)), dialecttest.Leaves(gjson.ParseBytes(out))
	for path, value := range want {
		if got[path] != value {
			t.Errorf("%s is %s, was %s in %s", path, got[path], value, out)
		}
	}
	for path, value := range got {
		if _, ok := want[path]; !ok && !strings.HasPrefix(path, "/messages") {
			t.Errorf("%s: %s was not there", path, value)
		}
	}
}

// A member of something that is not sent is declared.
func TestMembersOfWhatIsNotSent(t *testing.T) {
	req, err := anthropic.New().ReadRequest(canon.OpGenerate, []byte(`{"model":"m","max_tokens":10,"messages":[{"role":"user","content":"hi"}],"thinking":{"type":"adaptive","block_binding":true}}`))
	if err != nil {
		t.Fatal(err)
	}
	out, lost, bad := anthropic.New().WriteRequest(req, dialect.Target{Op: canon.OpGenerate, Model: "m", Thinking: dialect.ThinkingNone})
	if bad != nil || strings.Contains(string(out), "thinking") {
		t.Fatalf("%v: %s", bad, out)
	}
	if !strings.Contains(lossLines(lost), `extra lost "thinking.block_binding"`) {
		t.Errorf("declared: %s", lossLines(lost))
	}
}
