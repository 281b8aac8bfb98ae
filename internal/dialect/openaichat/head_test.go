package openaichat_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/openaichat"
	"tollgate/internal/jsonedit"
)

// TestHeadRefuses pins what another parser could read differently, or what makes no sense to act on.
func TestHeadRefuses(t *testing.T) {
	p := openaichat.New()
	for _, c := range []struct{ op, body, param string }{
		{"generate", `{"messages":[]}`, "model"},
		{"generate", `{"model":null}`, "model"},
		{"generate", `{"model":""}`, "model"},
		{"generate", `{"model":7}`, "model"},
		{"generate", `{"model":["a"]}`, "model"},
		{"generate", `{"model":"a\u0000b"}`, "model"},
		{"generate", `{"Model":"a"}`, "Model"},
		{"generate", `{"model":"a","MODEL":"b"}`, "MODEL"},
		{"generate", `{"model":"a","Stream":true}`, "Stream"},
		{"generate", `{"model":"a","\u017ftream":true}`, "ſtream"}, // folds to s, so encoding/json takes it for stream
		{"generate", `{"model":"a","stream":"true"}`, "stream"},
		{"generate", `{"model":"a","stream":1}`, "stream"},
		{"generate", `{"model":"a","max_tokens":"9"}`, "max_tokens"},
		{"generate", `{"model":"a","max_tokens":-1}`, "max_tokens"},
		{"generate", `{"model":"a","max_completion_tokens":1.5}`, "max_completion_tokens"},
		{"generate", `{"model":"a","max_completion_tokens":99999999999}`, "max_completion_tokens"},
		{"generate", `{"model":"a","Max_Tokens":9}`, "Max_Tokens"},
		{"generate", `{"model":"a","n":0}`, "n"},
		{"generate", `{"model":"a","n":1000}`, "n"},
		{"generate", `{"model":"a","N":2}`, "N"},
		{"generate", `{"model":"a","stream_options":true}`, "stream_options"},
		{"generate", `{"model":"a","Stream_options":{}}`, "Stream_options"},
		{"generate", `{"model":"a","stream_options":{"include_usage":"no"}}`, "stream_options.include_usage"},
		{"generate", `{"model":"a","stream_options":{"Include_usage":false}}`, "Include_usage"},
		{"complete", `{"model":"a","best_of":true}`, "best_of"},
		{"embed", `{"input":"x"}`, "model"},
		{"moderate", `{"input":"x","model":0}`, "model"},
	} {
		body, err := jsonedit.Scan([]byte(c.body), 100)
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		_, e := p.Head(dialect.Endpoint{Op: canon.Op(c.op)}, r, body)
		if e == nil || e.Kind != canon.KindInvalid || e.Param != c.param {
			t.Errorf("%s %s: got %+v, want it refused for %q", c.op, c.body, e, c.param)
		}
	}
	if _, e := p.Head(dialect.Endpoint{Op: canon.OpGenerate}, httptest.NewRequest(http.MethodPost, "/", nil), nil); e == nil {
		t.Error("a request without a body is taken")
	}
}

// TestHeadNull pins that null is as good as nothing, as OpenAI has it.
func TestHeadNull(t *testing.T) {
	const raw = `{"model":"a","stream":null,"n":null,"max_tokens":null,"stream_options":null}`
	body, err := jsonedit.Scan([]byte(raw), 100)
	if err != nil {
		t.Fatal(err)
	}
	head, e := openaichat.New().Head(dialect.Endpoint{Op: canon.OpGenerate}, httptest.NewRequest(http.MethodPost, "/", nil), body)
	if e != nil || head.Stream || head.Choices != 1 || head.MaxOutput != 0 {
		t.Errorf("got %+v, %v", head, e)
	}
}

// TestReadRequestRefuses pins that a request of the wrong shape is refused with the path of the fault.
func TestReadRequestRefuses(t *testing.T) {
	for _, c := range []struct{ body, param string }{
		{`{"model":"a"}`, "messages"},
		{`{"messages":"x"}`, "messages"},
		{`{"messages":["x"]}`, "messages[0]"},
		{`{"messages":[{"role":"user","content":"a"},{"role":"robot"}]}`, "messages[1].role"},
		{`{"messages":[{"role":"user","content":7}]}`, "messages[0].content"},
		{`{"messages":[{"role":"user","content":[{"type":"text","text":7}]}]}`, "messages[0].content[0].text"},
		{`{"messages":[{"role":"assistant","tool_calls":[{"id":7}]}]}`, "messages[0].tool_calls[0].id"},
		{`{"messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":7}}]}]}`, "messages[0].tool_calls[0].function.arguments"},
		{`{"messages":[],"tools":[{"type":"function"}]}`, "tools[0].function"},
		{`{"messages":[],"tools":[{"type":"function","function":{}}]}`, "tools[0].function.name"},
		{`{"messages":[],"temperature":"hot"}`, "temperature"},
		{`{"messages":[],"seed":1.5}`, "seed"},
		{`{"messages":[],"stop":[1]}`, "stop[0]"},
		{`{"messages":[],"response_format":"json"}`, "response_format"},
	} {
		req, err := openaichat.New().ReadRequest(canon.OpGenerate, []byte(c.body))
		if err == nil {
			t.Errorf("%s is read: %+v", c.body, req)
			continue
		}
		e, ok := errors.AsType[*canon.Error](err)
		if !ok || e.Kind != canon.KindInvalid || e.Param != c.param {
			t.Errorf("%s: got %v (%q), want it refused for %q", c.body, err, e.Param, c.param)
		}
	}
}
