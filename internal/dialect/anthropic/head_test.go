package anthropic

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/jsonedit"
)

func TestHeadRefuses(t *testing.T) {
	messages := dialect.Endpoint{Op: canon.OpGenerate}
	for body, param := range map[string]string{
		`{}`:                                     "model",
		`{"model":""}`:                           "model",
		`{"model":null}`:                         "model",
		`{"model":["a"]}`:                        "model",
		`{"MODEL":"a"}`:                          "MODEL",
		`{"model":"a","Stream":true}`:            "Stream",
		`{"model":"a","stream":"true"}`:          "stream",
		`{"model":"a","stream":1}`:               "stream",
		`{"model":"a","max_tokens":"5"}`:         "max_tokens",
		`{"model":"a","max_tokens":1.5}`:         "max_tokens",
		`{"model":"a","max_tokens":-1}`:          "max_tokens",
		`{"model":"a","max_tokens":1e300}`:       "max_tokens",
		`{"model":"a","max_toKens":1}`:           "max_toKens",
		`{"model":"a","max_tokens":{"value":1}}`: "max_tokens",
	} {
		o, err := jsonedit.Scan([]byte(body), 100)
		if err != nil {
			t.Fatal(err)
		}
		_, bad := New().Head(messages, httptest.NewRequest(http.MethodPost, "/v1/messages", nil), o)
		if bad == nil || bad.Kind != canon.KindInvalid || bad.Param != param || !strings.Contains(bad.Message, param) {
			t.Errorf("%s: %+v, want invalid at %s, named in the message", body, bad, param)
		}
	}
	if _, bad := New().Head(messages, httptest.NewRequest(http.MethodPost, "/v1/messages", nil), nil); bad == nil || bad.Kind != canon.KindInvalid {
		t.Errorf("no body: %+v", bad)
	}
}

func TestHeadOfModel(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "/v1/models/openai/gpt-6", nil)
	r.SetPathValue("model", "openai/gpt-6")
	head, bad := New().Head(dialect.Endpoint{Op: canon.OpGetModel}, r, nil)
	if bad != nil || head.Model != "openai/gpt-6" || head.Choices != 1 {
		t.Errorf("%+v, %v", head, bad)
	}
}

func TestEditsOfTheSameModel(t *testing.T) {
	o, err := jsonedit.Scan([]byte(`{"model":"a"}`), 100)
	if err != nil {
		t.Fatal(err)
	}
	edits, err := New().Edits(dialect.Head{Model: "a"}, o, "a")
	if err != nil || len(edits) != 0 {
		t.Errorf("%v, %v: a model that keeps its name needs no edit", edits, err)
	}
}

// TestReadRequestSaysWhere checks that an error names the place at fault, from the root.
func TestReadRequestSaysWhere(t *testing.T) {
	for body, want := range map[string]string{
		`{"messages":{}}`:                                                                     "messages must be an array, not an object",
		`{"messages":[1]}`:                                                                    "messages[0] must be an object, not a number",
		`{"messages":[{"role":1}]}`:                                                           "messages[0].role must be a string, not a number",
		`{"messages":[{"role":"user"}]}`:                                                      "messages[0].content is needed",
		`{"messages":[{"role":"bot","content":"x"}]}`:                                         "messages[0].role must be",
		`{"messages":[{"role":"user","content":5}]}`:                                          "messages[0].content must be a string or an array of blocks, not a number",
		`{"messages":[{"role":"user","content":["x"]}]}`:                                      "messages[0].content[0] must be an object, not a string",
		`{"messages":[{"role":"user","content":[{"text":"x"}]}]}`:                             "messages[0].content[0].type is needed",
		`{"messages":[{"role":"user","content":[{"type":"text"}]}]}`:                          "messages[0].content[0].text is needed",
		`{"messages":[{"role":"user","content":[{"type":"text","text":1}]}]}`:                 "messages[0].content[0].text must be a string",
		`{"messages":[{"role":"user","content":[{"type":"image"}]}]}`:                         "messages[0].content[0].source must be an object, not nothing",
		`{"messages":[{"role":"user","content":[{"type":"image","source":{"type":"url"}}]}]}`: "messages[0].content[0].source.url is needed",
		`{"messages":[{"role":"user","content":[{"type":"text","text":"x"},{"type":"tool_result","tool_use_id":"a","content":[{"type":"text","text":[]}]}]}]}`: "messages[0].content[1].content[0].text must be a string, not an array",
		`{"system":[{"type":"text","text":"x","cache_control":5}]}`: "system[0].cache_control must be an object",
		`{"tools":[{"input_schema":{}}]}`:                           "tools[0].name is needed",
		`{"tool_choice":{"type":"some"}}`:                           "tool_choice.type must be",
		`{"tool_choice":{"type":"tool"}}`:                           "tool_choice.name is needed",
		`{"thinking":{}}`:                                           "thinking.type is needed",
		`{"temperature":"hot"}`:                                     "temperature must be a number",
		`{"stop_sequences":["a",1]}`:                                "stop_sequences[1] must be a string",
	} {
		_, err := New().ReadRequest(canon.OpGenerate, []byte(body))
		e, ok := errors.AsType[*canon.Error](err)
		if !ok || e.Kind != canon.KindInvalid || !strings.HasPrefix(e.Message, want) || !strings.HasPrefix(e.Message, e.Param+" ") {
			t.Errorf("%s\n got %v\nwant %s", body, err, want)
		}
	}
}
