package gemini_test

import (
	"encoding/json"
	"strings"
	"testing"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/anthropic"
	"tollgate/internal/dialect/crosstest"
	"tollgate/internal/dialect/gemini"
	"tollgate/internal/jsonedit"
)

// agentCall is a request of a coding agent of about 77 KB, in Anthropic's words.
func agentCall(b *testing.B) []byte {
	b.Helper()
	type m = map[string]any
	messages := []any{m{"role": "user", "content": "Fix it"}}
	for i := range 40 {
		id := "toolu_" + string(rune('A'+i))
		messages = append(messages, m{"role": "assistant", "content": []any{m{"type": "text", "text": "Looking."}, m{"type": "tool_use", "id": id, "name": "read", "input": m{"path": "main.go", "line": i}}}})
		messages = append(messages, m{"role": "user", "content": []any{m{"type": "tool_result", "tool_use_id": id, "content": strings.Repeat("\tfmt.Println(\"hello\")\n", 65)}}})
	}
	var tools []any
	for i := range 20 {
		tools = append(tools, m{"name": "tool" + string(rune('a'+i)), "description": "Does one thing", "input_schema": m{"type": "object", "properties": m{"path": m{"type": "string", "description": "where"}}}})
	}
	raw, err := json.Marshal(m{"model": "m", "max_tokens": 1000, "system": strings.Repeat("Be careful. ", 200), "messages": messages, "tools": tools})
	if err != nil {
		b.Fatal(err)
	}
	return raw
}

// BenchmarkWriteRequest compares what a translated request costs with the scan that each passthrough pays.
func BenchmarkWriteRequest(b *testing.B) {
	raw := agentCall(b)
	b.Run("scan", func(b *testing.B) {
		b.SetBytes(int64(len(raw)))
		for b.Loop() {
			if _, err := jsonedit.Scan(raw, 100); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("read", func(b *testing.B) {
		b.SetBytes(int64(len(raw)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := anthropic.New().ReadRequest(canon.OpGenerate, raw); err != nil {
				b.Fatal(err)
			}
		}
	})
	req, err := anthropic.New().ReadRequest(canon.OpGenerate, raw)
	if err != nil {
		b.Fatal(err)
	}
	canon.Pair(req)
	b.Run("write", func(b *testing.B) {
		b.SetBytes(int64(len(raw)))
		b.ReportAllocs()
		for b.Loop() {
			if _, _, bad := gemini.New().WriteRequest(req, dialect.Target{Op: canon.OpGenerate, Model: "m"}); bad != nil {
				b.Fatal(bad)
			}
		}
	})
}

// BenchmarkWriter writes a stream of a hundred pieces of text.
func BenchmarkWriter(b *testing.B) {
	asked := &canon.Request{Origin: canon.Gemini}
	var events []canon.Event
	for range 100 {
		events = append(events, canon.TextDelta{Text: " there, and then some more words of an answer\n"})
	}
	events = append(events, canon.Stopped{Why: canon.StopEnd}, canon.Used{Usage: canon.Usage{Input: 5, Output: 400}}, canon.Ended{})
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		w := gemini.New().NewWriter(crosstest.Answer(asked, canon.Anthropic, true))
		for _, e := range events {
			dst = w.Write(dst[:0], e)
		}
		dst = w.Close(dst)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/event")
}
