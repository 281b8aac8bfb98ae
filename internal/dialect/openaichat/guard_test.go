package openaichat_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/openaichat"
	"tollgate/internal/jsonedit"
)

func headOf(t testing.TB, op canon.Op, raw string) (dialect.Head, *canon.Error) {
	t.Helper()
	body, err := jsonedit.Scan([]byte(raw), 100)
	if err != nil {
		t.Fatal(err)
	}
	return openaichat.New().Head(dialect.Endpoint{Op: op}, httptest.NewRequest(http.MethodPost, "/", nil), body)
}

// TestHeadNames pins that everything is found that belongs to an upstream account or is another model.
func TestHeadNames(t *testing.T) {
	for _, c := range []struct {
		body       string
		refs, also []dialect.Ref
	}{
		{`"messages":[{"role":"user","content":"file_id ms://x"},{"role":"assistant","content":null,"tool_calls":[{"id":"c","function":{"name":"f","arguments":"{\"file_id\":\"x\",\"model\":\"y\"}"}}]}],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"file_id":{"type":"string"},"model":{"type":"string"}}}}}],"audio":{"voice":"alloy"},"metadata":{"model":"x"}`, nil, nil},
		{`"messages":[{"role":"user","content":[{"type":"text","text":"x"},{"type":"file","file":{"file_id":"file-1"}}]}]`, []dialect.Ref{{Path: "messages[0].content[1].file.file_id", ID: "file-1"}}, nil},
		{`"messages":[{"role":"user","content":[{"type":"file","f\u0069le":{"fil\u0065_id":"file-1","file_data":null}}]}]`, []dialect.Ref{{Path: "messages[0].content[0].file.file_id", ID: "file-1"}}, nil},
		{`"messages":[{"role":"user","content":[{"type":"document","source":{"type":"file","file_id":"file-2"}},{"type":"x","file_id":"f3"}]}]`, []dialect.Ref{{Path: "messages[0].content[0].source.file_id", ID: "file-2"}, {Path: "messages[0].content[1].file_id", ID: "f3"}}, nil},
		{`"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"\u006ds:\/\/abc"}},{"type":"video_url","video_url":"ms://def"},{"type":"image_url","image_url":{"url":"https://a.test/:/"}}]}]`, []dialect.Ref{{Path: "messages[0].content[0].image_url.url", ID: "abc"}, {Path: "messages[0].content[1].video_url", ID: "def"}}, nil},
		{`"messages":[{"role":"assistant","audio":{"id":"audio_1"}},{"role":"assistant","audio":null}]`, []dialect.Ref{{Path: "messages[0].audio.id", ID: "audio_1"}}, nil},
		{`"messages":[],"models":["a","b"],"plugins":[{"id":"fusion","analysis_models":["c"],"model":"d"}]`, nil, []dialect.Ref{{Path: "models[0]", ID: "a"}, {Path: "models[1]", ID: "b"}, {Path: "plugins[0].analysis_models[0]", ID: "c"}, {Path: "plugins[0].model", ID: "d"}}},
		{`"messages":[],"fallbacks":["a",{"model":"b"}],"compound_custom":{"models":{"answering_model":"c","reasoning_model":"d"}}`, nil, []dialect.Ref{{Path: "fallbacks[0]", ID: "a"}, {Path: "fallbacks[1].model", ID: "b"}, {Path: "compound_custom.models.answering_model", ID: "c"}, {Path: "compound_custom.models.reasoning_model", ID: "d"}}},
		{`"messages":[],"tools":[{"type":"openrouter:advisor","parameters":{"model":"a"}},{"type":"file_search","vector_store_ids":["v1"]},{"type":"retrieval","retrieval":{"knowledge_id":"k"}}]`, []dialect.Ref{{Path: "tools[1].vector_store_ids[0]", ID: "v1"}, {Path: "tools[2].retrieval.knowledge_id", ID: "k"}}, []dialect.Ref{{Path: "tools[0].parameters.model", ID: "a"}}},
		{`"messages":[],"extra_body":{"google":{"cached_content":"cachedContents/1"}},"preset":"p","prompt":{"id":"pmpt_1"}`, []dialect.Ref{{Path: "extra_body.google.cached_content", ID: "cachedContents/1"}, {Path: "preset", ID: "p"}, {Path: "prompt.id", ID: "pmpt_1"}}, nil},
	} {
		head, e := headOf(t, canon.OpGenerate, `{"model":"m",`+c.body+`}`)
		if e != nil {
			t.Errorf("%s: %v", c.body, e)
			continue
		}
		if diff := cmp.Diff(c.refs, head.Refs); diff != "" {
			t.Errorf("%s: refs\n%s", c.body, diff)
		}
		if diff := cmp.Diff(c.also, head.Also); diff != "" {
			t.Errorf("%s: also\n%s", c.body, diff)
		}
	}
}

// TestHeadNamesFailClosed pins that a name in a form that we can't read is refused.
func TestHeadNamesFailClosed(t *testing.T) {
	for _, c := range []struct{ body, param string }{
		{`"messages":[{"role":"user","content":[{"type":"file","file":{"file_id":7}}]}]`, "messages[0].content[0].file.file_id"},
		{`"messages":[{"role":"assistant","audio":{"x":"audio_1"}}]`, "messages[0].audio"},
		{`"messages":[{"role":"assistant","audio":true}]`, "messages[0].audio"},
		{`"messages":[],"models":{"x":1}`, "models"},
		{`"messages":[],"models":[1]`, "models[0]"},
		{`"messages":[],"Models":["a"]`, "Models"},
		{`"messages":[],"preset":{"slug":"x"}`, "preset"},
		{`"messages":[],"tools":[{"type":"x","model":{"a":1}}]`, "tools[0].model"},
		{`"messages":[],"previous_response_id":7`, "previous_response_id"},
	} {
		if _, e := headOf(t, canon.OpGenerate, `{"model":"m",`+c.body+`}`); e == nil || e.Param != c.param {
			t.Errorf("%s: got %v, want it refused for %q", c.body, e, c.param)
		}
	}
	head, e := headOf(t, canon.OpGenerate, `{"model":"m","messages":[],"previous_response_id":"r"}`)
	if e != nil || head.PreviousID != "r" {
		t.Errorf("got %+v, %v", head, e)
	}
}

// BenchmarkHead reads the head of a request of 77 KB with 25 tools. All calls pay for it.
func BenchmarkHead(b *testing.B) {
	raw := agentRequest()
	body, err := jsonedit.Scan(raw, 100)
	if err != nil {
		b.Fatal(err)
	}
	p, r := openaichat.New(), httptest.NewRequest(http.MethodPost, "/", strings.NewReader(""))
	b.ReportAllocs()
	for b.Loop() {
		if _, e := p.Head(dialect.Endpoint{Op: canon.OpGenerate}, r, body); e != nil {
			b.Fatal(e)
		}
	}
}
