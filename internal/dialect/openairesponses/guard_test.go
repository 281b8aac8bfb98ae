package openairesponses_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/openairesponses"
	"tollgate/internal/jsonedit"
)

func headOf(t testing.TB, raw string) (dialect.Head, *canon.Error) {
	t.Helper()
	body, err := jsonedit.Scan([]byte(raw), 100)
	if err != nil {
		t.Fatal(err)
	}
	return openairesponses.New().Head(dialect.Endpoint{Op: canon.OpGenerate}, httptest.NewRequest(http.MethodPost, "/", nil), body)
}

// TestGuard pins where a request can name what an upstream account keeps, and further models.
func TestGuard(t *testing.T) {
	for _, c := range []struct{ body, want string }{
		{`"input":"x"`, ""},
		{`"conversation":"conv_1"`, "conversation=conv_1"},
		{`"conversation":{"id":"conv_1"}`, "conversation.id=conv_1"},
		{`"conversation":null`, ""},
		{`"conversation":7`, "! conversation"},
		{`"prompt":{"id":"pmpt_1","variables":{"a":{"type":"input_file","file_id":"file_1"},"b":"x"}}`, "prompt.id=pmpt_1 prompt.variables.a.file_id=file_1"},
		{`"prompt":"pmpt_1"`, "! prompt"},
		{`"prompt":{}`, "! prompt.id"},
		{`"prompt_cache_options":{"comparison_response_id":"resp_1"}`, "prompt_cache_options.comparison_response_id=resp_1"},
		{`"moderation":{"model":"omni"}`, "also moderation.model=omni"},
		{`"moderation":[]`, "! moderation"},
		{`"input":[{"role":"user","content":[{"type":"input_image","file_id":"file_1"},{"type":"input_file","file_id":null}]}]`, "input[0].content[0].file_id=file_1"},
		{`"input":[{"role":"user","content":[{"type":"input_image","file_id":["file_1"]}]}]`, "! input[0].content[0].file_id"},
		{`"input":[{"type":"item_reference","id":"msg_1"}]`, "input[0].id=msg_1"},
		{`"input":[{"type":"item\u005freference","id":"msg1"}]`, "input[0].id=msg1"},
		{`"input":[{"role":"user","content":"x"}, { "id" : "rs_1" } ]`, "input[1].id=rs_1"},
		{`"input":[{"id":"ig_1","type":"image_generation_call"}]`, "input[0].id=ig_1"},
		{`"input":[{"id":"ig_1","type":"image_generation_call","result":"aGk="}]`, ""},
		{`"input":[{"id":"msg_1","type":"message","role":"assistant","content":[{"type":"output_text","text":"x","annotations":[{"type":"container_file_citation","file_id":"cfile_1","container_id":"cntr_1"}]}]}]`, ""},
		{`"input":[{"id":"ci_1","type":"code_interpreter_call","container_id":"cntr_1","code":""}]`, ""},
		{`"input":[{"type":"function_call_output","call_id":"call_1","output":[{"type":"input_file","file_id":"file_1"}]}]`, "input[0].output[0].file_id=file_1"},
		{`"input":[{"type":"computer_call_output","call_id":"call_1","output":{"type":"computer_screenshot","file_id":"file_1"}}]`, "input[0].output.file_id=file_1"},
		{`"input":[{"type":"additional_tools","tools":[{"type":"file_search","vector_store_ids":["vs_1"]}]}]`, "input[0].tools[0].vector_store_ids[0]=vs_1"},
		{`"tools":[{"type":"file_search","vector_store_ids":["vs_1","vs_2"]}]`, "tools[0].vector_store_ids[0]=vs_1 tools[0].vector_store_ids[1]=vs_2"},
		{`"tools":[{"type":"file_search","vector_store_ids":"vs_1"}]`, "! tools[0].vector_store_ids"},
		{`"tools":[{"type":"code_interpreter","container":"cntr_1"}]`, "tools[0].container=cntr_1"},
		{`"tools":[{"type":"code_interpreter","container":{"type":"auto","file_ids":["file_1"]}}]`, "tools[0].container.file_ids[0]=file_1"},
		{`"tools":[{"type":"code_interpreter","container":7}]`, "! tools[0].container"},
		{`"tools":[{"type":"shell","environment":{"type":"container_auto","skills":[{"type":"skill_reference","skill_id":"skill_1"}]}}]`, "tools[0].environment.skills[0].skill_id=skill_1"},
		{`"tools":[{"type":"mcp","server_label":"x","tunnel_id":"tun_1"}]`, "tools[0].tunnel_id=tun_1"},
		{`"tools":[{"type":"image_generation","model":"gpt-image-1","input_image_mask":{"file_id":"file_1"}}]`, "also tools[0].model=gpt-image-1 tools[0].input_image_mask.file_id=file_1"},
		{`"tools":[{"type":"image_generation","model":{"x":1}}]`, "! tools[0].model"},
		{`"tools":[{"type":"function","name":"spawn","parameters":{"type":"object","properties":{"model":{"type":"string"},"file_id":{"type":"string"},"container":{}}}}]`, ""},
		{`"input":[{"type":"function_call","call_id":"c","name":"f","arguments":"{\"file_id\":\"file_1\"}"}]`, ""},
	} {
		head, e := headOf(t, `{"model":"m",`+c.body+`}`)
		var got []string
		for _, r := range head.Also {
			got = append(got, "also "+r.Path+"="+r.ID)
		}
		for _, r := range head.Refs {
			got = append(got, r.Path+"="+r.ID)
		}
		if e != nil {
			got = []string{"! " + e.Param}
		}
		if diff := cmp.Diff(c.want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.body, diff)
		}
	}
}

// TestForeignSeals pins that thoughts of another vendor's model, sealed by us, do not reach OpenAI, and that
// nothing else of the request changes.
func TestForeignSeals(t *testing.T) {
	const mine, others = `{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"gAAAA"}`, `{"type":"reasoning","id":"rs_2","summary":[],"encrypted_content":"tollgate-seal-1.anthropic.c2ln"}`
	const rest = `{"role":"user","content":"about tollgate-seal-1.anthropic.c2ln"}`
	raw := `{ "model":"m","input":[` + others + `, ` + mine + `,` + rest + `,` + others + ` ],"n":1.0 }`
	body, err := jsonedit.Scan([]byte(raw), 100)
	if err != nil {
		t.Fatal(err)
	}
	edits, err := openairesponses.New().Edits(dialect.Head{}, body, "m")
	if err != nil {
		t.Fatal(err)
	}
	got, err := jsonedit.Apply([]byte(raw), edits...)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{ "model":"m","input":[` + mine + `,` + rest + `],"n":1.0 }`; string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// BenchmarkHead is the head of an agent's request of 77 KB. Every call has its head read.
func BenchmarkHead(b *testing.B) {
	var s strings.Builder
	s.WriteString(`{"model":"m","stream":true,"store":false,"input":[`)
	for i := range 60 {
		fmt.Fprintf(&s, `{"type":"message","id":"msg_%d","role":"user","content":[{"type":"input_text","text":%q}]},{"type":"function_call","id":"fc_%d","call_id":"call_%d","name":"exec_command","arguments":"{\"cmd\":\"ls -la some_file\"}"},{"type":"function_call_output","call_id":"call_%d","output":%q},`, i, strings.Repeat("Some text of a user. ", 20), i, i, i, strings.Repeat("internal/app/main.go\n", 15))
	}
	s.WriteString(`{"role":"user","content":"go"}],"tools":[`)
	for i := range 25 {
		fmt.Fprintf(&s, `{"type":"function","name":"tool_%d","description":%q,"parameters":{"type":"object","properties":{"path":{"type":"string"}}}},`, i, strings.Repeat("What it does. ", 20))
	}
	s.WriteString(`{"type":"web_search"}]}`)
	raw := []byte(s.String())
	body, err := jsonedit.Scan(raw, 100)
	if err != nil {
		b.Fatal(err)
	}
	p, ep, r := openairesponses.New(), dialect.Endpoint{Op: canon.OpGenerate}, httptest.NewRequest(http.MethodPost, "/", nil)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, e := p.Head(ep, r, body); e != nil {
			b.Fatal(e)
		}
	}
}
