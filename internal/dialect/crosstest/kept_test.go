package crosstest_test

import (
	"slices"
	"testing"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/anthropic"
	"tollgate/internal/dialect/crosstest"
	"tollgate/internal/dialect/gemini"
)

// What the upstream's account keeps of an answer is told by its id, whole or streamed; what a model or its code
// only writes of ids is not.
func TestKept(t *testing.T) {
	const ran = `{"type":"code_execution_tool_result","tool_use_id":"s","content":{"type":"code_execution_result","stdout":"{\"file_id\":\"file_other\"}","stderr":"","return_code":0,"content":[{"type":"code_execution_output","file_id":"file_1"}]}}`
	const bash = `{"type":"bash_code_execution_tool_result","tool_use_id":"s","content":{"type":"bash_code_execution_result","stdout":"","stderr":"","return_code":0,"content":[{"type":"bash_code_execution_output","file_id":"file_2"}]}}`
	const files = "https://generativelanguage.googleapis.com/v1beta/files/abc"
	for name, c := range map[string]struct {
		from   crosstest.Side
		stream bool
		body   string
		want   []string
	}{
		"a container and files of code": {
			anthropic.New(), false,
			`{"type":"message","content":[` + ran + `,` + bash + `],"stop_reason":"end_turn","container":{"id":"container_1","expires_at":"2027-01-01T00:00:00Z"}}`,
			[]string{"file_1", "file_2", "container_1"},
		},
		"streamed": {
			anthropic.New(), true,
			"data: {\"type\":\"message_start\",\"message\":{\"content\":[]}}\n\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":" + ran + "}\n\n" +
				"data: {\"type\":\"content_block_stop\",\"index\":0}\n\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"container\":{\"id\":\"container_1\"}}}\n\ndata: {\"type\":\"message_stop\"}\n\n",
			[]string{"file_1", "container_1"},
		},
		"a container of a message that begins": {
			anthropic.New(), true,
			"data: {\"type\":\"message_start\",\"message\":{\"content\":[],\"container\":{\"id\":\"container_1\"}}}\n\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}\n\ndata: {\"type\":\"message_stop\"}\n\n",
			[]string{"container_1"},
		},
		"words of the model's": {
			anthropic.New(), false,
			`{"type":"message","content":[{"type":"text","text":"container_1"},{"type":"tool_use","id":"a","name":"f","input":{"file_id":"file_1","container":{"id":"c"}}}],"stop_reason":"tool_use","container":null}`, nil,
		},
		"a file of Google's":    {gemini.New(), false, `{"candidates":[{"content":{"parts":[{"fileData":{"fileUri":"` + files + `"}}]},"finishReason":"STOP"}]}`, []string{files}},
		"a page":                {gemini.New(), false, `{"candidates":[{"content":{"parts":[{"fileData":{"fileUri":"https://example.com/a"}}]},"finishReason":"STOP"}]}`, nil},
		"arguments of a call's": {gemini.New(), false, `{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"fileData":{"fileUri":"` + files + `"}}}}]},"finishReason":"STOP"}]}`, nil},
	} {
		events, err := crosstest.ReadAnswer(c.from, c.stream, []byte(c.body), 0)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []string
		for _, e := range events {
			if k, ok := e.(canon.Kept); ok {
				got = append(got, k.ID)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
