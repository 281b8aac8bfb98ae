package anthropic

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/jsonedit"
)

func headOf(t testing.TB, body string) (dialect.Head, *canon.Error) {
	t.Helper()
	o, err := jsonedit.Scan([]byte(body), 100)
	if err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return New().Head(dialect.Endpoint{Op: canon.OpGenerate}, httptest.NewRequest(http.MethodPost, "/v1/messages", nil), o)
}

func TestGuardFinds(t *testing.T) {
	in := func(blocks string) string { return `"messages":[{"role":"user","content":` + blocks + `}]` }
	for name, c := range map[string]struct {
		body       string
		refs, also []dialect.Ref
	}{
		"nothing":                {body: in(`"file_id model container"`)},
		"image":                  {body: in(`[{"type":"image","source":{"type":"file","file_id":"f1"}}]`), refs: []dialect.Ref{{Path: "messages[0].content[0].source.file_id", ID: "f1"}}},
		"escaped":                {body: in(`[{"type":"image","source":{"type":"file","file\u005fid":"f\u0031"}}]`), refs: []dialect.Ref{{Path: "messages[0].content[0].source.file_id", ID: "f1"}}},
		"upload":                 {body: in(`[{"type":"text","text":"x"},{"type":"container_upload","file_id":"f2"}]`), refs: []dialect.Ref{{Path: "messages[0].content[1].file_id", ID: "f2"}}},
		"in a result":            {body: in(`[{"type":"tool_result","tool_use_id":"t","content":[{"type":"document","source":{"file_id":"f3","type":"file"}}]}]`), refs: []dialect.Ref{{Path: "messages[0].content[0].content[0].source.file_id", ID: "f3"}}},
		"in a document":          {body: in(`[{"type":"document","source":{"type":"content","content":[{"type":"image","source":{"type":"file","file_id":"f4"}}]}}]`), refs: []dialect.Ref{{Path: "messages[0].content[0].source.content[0].source.file_id", ID: "f4"}}},
		"output of code":         {body: in(`[{"type":"code_execution_tool_result","content":{"content":[{"type":"code_execution_output","file_id":"f5"}]}}]`), refs: []dialect.Ref{{Path: "messages[0].content[0].content.content[0].file_id", ID: "f5"}}},
		"a tool's words":         {body: in(`[{"input":{"file_id":5,"source":{"file_id":"x"}},"type":"tool_use","id":"a","name":"b"},{"type":"server_tool_use","input":{"source":{"file_id":"x"}}}]`)},
		"input of another block": {body: in(`[{"input":{"file_id":"f6"},"type":"new_block"}]`), refs: []dialect.Ref{{Path: "messages[0].content[0].input.file_id", ID: "f6"}}},
		"null file":              {body: in(`[{"type":"image","source":{"file_id":null}}]`)},
		"container":              {body: `"container":"c1"`, refs: []dialect.Ref{{Path: "container", ID: "c1"}}},
		"no container":           {body: `"container":null`},
		"skills": {
			body: `"container":{"id":"c2","skills":[{"type":"anthropic","skill_id":"pdf"},{"type":"custom","skill_id":"s1","version":"latest"}]}`,
			refs: []dialect.Ref{{Path: "container.id", ID: "c2"}, {Path: "container.skills[1].skill_id", ID: "s1"}},
		},
		"fallbacks": {body: `"fallbacks":[{"model":"b"},{"model":"c","max_tokens":5}]`, also: []dialect.Ref{{Path: "fallbacks[0].model", ID: "b"}, {Path: "fallbacks[1].model", ID: "c"}}},
		"advisor":   {body: `"tools":[{"name":"t","input_schema":{"type":"object","properties":{"model":{"type":"string"}}}},{"type":"advisor_20260301","name":"advisor","m\u006fdel":"big"}]`, also: []dialect.Ref{{Path: "tools[1].model", ID: "big"}}},
		"inline advisor": {
			body: `"messages":[{"role":"system","content":[{"type":"tool_addition","tool":{"type":"tool_definition","definition":{"type":"advisor_20260301","model":"big"}}}]}]`,
			also: []dialect.Ref{{Path: "messages[0].content[0].tool.definition.model", ID: "big"}},
		},
		"something new":    {body: `"planner":{"model":"p"}`, also: []dialect.Ref{{Path: "planner.model", ID: "p"}}},
		"told of the user": {body: `"metadata":{"model":"p"}`},
	} {
		head, bad := headOf(t, `{"model":"m",`+c.body+`}`)
		if bad != nil {
			t.Errorf("%s: %v", name, bad)
		}
		if diff := cmp.Diff(c.refs, head.Refs); diff != "" {
			t.Errorf("%s: refs (-want +got)\n%s", name, diff)
		}
		if diff := cmp.Diff(c.also, head.Also); diff != "" {
			t.Errorf("%s: also (-want +got)\n%s", name, diff)
		}
	}
}

// What could name something in a way that we can't read is refused, with its place.
func TestGuardFailsClosed(t *testing.T) {
	for body, where := range map[string]string{
		`"fallbacks":"default"`:                                      "fallbacks",
		`"fallbacks":[{"model":["a"]}]`:                              "fallbacks[0].model",
		`"tools":[{"type":"advisor_20260301","model":{"name":"a"}}]`: "tools[0].model",
		`"container":5`:                                              "container",
		`"container":["c"]`:                                          "container",
		`"container":{"ids":["c"]}`:                                  "container.ids",
		`"container":{"id":["c"]}`:                                   "container.id",
		`"container":{"skills":{}}`:                                  "container",
		`"container":{"skills":["s"]}`:                               "container.skills[0]",
		`"container":{"skills":[{"skill_id":7}]}`:                    "container.skills[0].skill_id",
		`"messages":[{"content":[{"type":"image","source":{"type":"file","file_id":["f"]}}]}]`:  "messages[0].content[0].source.file_id",
		`"messages":[{"content":[{"type":"tool_addition","tool":{"definition":{"model":1}}}]}]`: "messages[0].content[0].tool.definition.model",
	} {
		_, bad := headOf(t, `{"model":"m",`+body+`}`)
		if bad == nil || bad.Kind != canon.KindInvalid || bad.Param != where || !strings.HasPrefix(bad.Message, where+" ") {
			t.Errorf("%s: %+v, want invalid at %s", body, bad, where)
		}
	}
}

// agentBody is a request of 77 KB such as coding agents send.
func agentBody(t testing.TB) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(`{"model":"m","max_tokens":32000,"stream":true,"metadata":{"user_id":"u"},"thinking":{"type":"adaptive"},"tools":[`)
	for i := range 20 {
		if i > 0 {
			b.WriteByte(',')
		}
		n := string(rune('a' + i))
		b.WriteString(`{"name":"tool_` + n + `","description":"` + strings.Repeat("what it does and when to use it, ", 60) + `","input_schema":{"type":"object","properties":{"path_` + n + `":{"type":"string"},"model":{"type":"string","enum":["opus"]},"limit_` + n + `":{"type":"integer","description":"how many"}},"required":["path_` + n + `"],"additionalProperties":false}}`)
	}
	b.WriteString(`],"system":[{"type":"text","text":"` + strings.Repeat("You are a coding agent. ", 500) + `","cache_control":{"type":"ephemeral"}}],"messages":[`)
	for i := range 20 {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`{"role":"user","content":[{"type":"text","text":"go on"}]},{"role":"assistant","content":[{"type":"text","text":"` + strings.Repeat("I look at it. ", 40) + `"},{"type":"tool_use","id":"t","name":"tool_a","input":{"path_a":"/x"}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"` + strings.Repeat("line of a file\\n", 30) + `"}]}`)
	}
	b.WriteString(`]}`)
	return b.String()
}

// BenchmarkGuard measures what the guard adds to a usual request.
func BenchmarkGuard(b *testing.B) {
	o, err := jsonedit.Scan([]byte(agentBody(b)), 100)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		var head dialect.Head
		if err := guard(&head, o); err != nil || head.Refs != nil {
			b.Fatal(err, head.Refs)
		}
	}
	b.ReportMetric(float64(len(o.Raw())), "bytes")
}

// BenchmarkTranslate reads a usual request and writes it for another upstream of the dialect; BenchmarkScan
// is what passing it on costs.
func BenchmarkTranslate(b *testing.B) {
	body := []byte(agentBody(b))
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		req, err := New().ReadRequest(canon.OpGenerate, body)
		if err != nil {
			b.Fatal(err)
		}
		req.Origin = canon.OpenAIChat
		canon.Pair(req)
		if _, _, err := New().WriteRequest(req, dialect.Target{Model: "m"}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkScan(b *testing.B) {
	body := []byte(agentBody(b))
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		o, err := jsonedit.Scan(body, 100)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := jsonedit.Apply(body, o.Set("model", []byte(`"other"`))); err != nil {
			b.Fatal(err)
		}
	}
}
