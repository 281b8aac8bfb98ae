package jsonedit

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// agentRequest is a request of about 20 KB with tools, as a coding agent sends it.
func agentRequest() []byte {
	var b bytes.Buffer
	b.WriteString(`{"model":"gpt-5","stream":true,"stream_options":{"include_usage":true},"messages":[`)
	b.WriteString(`{"role":"system","content":"You are a careful engineer.\nAnswer in \"plain\" words.\n"}`)
	for i := range 12 {
		fmt.Fprintf(&b, `,{"role":"user","content":"Step %d: open the file cmd/main.go and explain what happens in line %d.\n\tThanks."}`, i, 10*i)
		fmt.Fprintf(&b, `,{"role":"assistant","content":null,"tool_calls":[{"id":"call_%d","type":"function","function":{"name":"read_file","arguments":"{\"path\":\"cmd/main.go\",\"line\":%d}"}}]}`, i, i)
		fmt.Fprintf(&b, `,{"role":"tool","tool_call_id":"call_%d","content":"package main\n\nimport \"fmt\"\n\nfunc main() {\n\tfmt.Println(%d)\n}\n"}`, i, i)
	}
	b.WriteString(`],"tools":[`)
	for i := range 40 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"type":"function","function":{"name":"tool_%d","description":"Does one thing, number %d, and says whether it worked.","parameters":{"type":"object","properties":{"path":{"type":"string","description":"Path from the root of the repository."},"limit":{"type":"integer","minimum":1,"maximum":1000},"deep":{"type":"boolean"}},"required":["path"],"additionalProperties":false}}}`, i, i)
	}
	b.WriteString(`],"temperature":0.25,"max_completion_tokens":4096}`)
	return b.Bytes()
}

// chat is a conversation of about size bytes in messages of about 700 bytes.
func chat(size int, text string) []byte {
	var b bytes.Buffer
	b.WriteString(`{"model":"gpt-5","messages":[`)
	for i := 0; b.Len() < size; i++ {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"role":"user","content":"%s"}`, text)
	}
	b.WriteString(`]}`)
	return b.Bytes()
}

func image(size int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	pixels := make([]byte, size*3/4)
	for i := range pixels {
		pixels[i] = byte(r.Uint32())
	}
	return []byte(`{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,` +
		base64.StdEncoding.EncodeToString(pixels) + `"}}]}]}`)
}

func BenchmarkScan(b *testing.B) {
	english := strings.Repeat(`The quick brown fox jumps over the lazy dog, and then it rests.\n`, 11)
	chinese := strings.Repeat(`敏捷的棕色狐狸跳过了懒狗，然后休息。`, 12)
	for _, c := range []struct {
		name string
		raw  []byte
	}{
		{"agent20K", agentRequest()},
		{"chat1M", chat(1<<20, english)},
		{"chinese1M", chat(1<<20, chinese)},
		{"base64_1M", image(1 << 20)},
		{"numbers1M", []byte(`{"input":[` + strings.Repeat("12345,", 175000) + `1]}`)},
		{"names1M", manyNames(100_000)},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(c.raw)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Scan(c.raw, 512); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkValidForComparison(b *testing.B) {
	raw := agentRequest()
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		if !json.Valid(raw) {
			b.Fatal("invalid")
		}
	}
}

func BenchmarkApply(b *testing.B) {
	raw := agentRequest()
	o, err := Scan(raw, 512)
	if err != nil {
		b.Fatal(err)
	}
	model := Quote("gpt-5-mini")
	b.ReportAllocs()
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		if _, err := Apply(raw, o.Set("model", model)); err != nil {
			b.Fatal(err)
		}
	}
}

func manyNames(n int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"a":{`)
	for i := range n {
		fmt.Fprintf(&b, `"name%d":1,`, i)
	}
	b.WriteString(`"z":1}}`)
	return b.Bytes()
}
