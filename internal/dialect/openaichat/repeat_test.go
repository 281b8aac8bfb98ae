package openaichat

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
)

// A reader that has seen other chunks before reads a chunk as a reader does that parses every one.
func TestRepeatChangesNothing(t *testing.T) {
	skimmed := 0
	defer func() {
		if skimmed == 0 {
			t.Error("nothing was skimmed")
		}
	}()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", " the", `"`, `\`, "\n", "é", `","content":"x`, `{"content":"`}))
		chunk := rapid.Custom(func(t *rapid.T) string {
			raw, err := json.Marshal(text.Draw(t, "text"))
			if err != nil {
				t.Fatal(err)
			}
			name := rapid.SampledFrom([]string{"content", "content", "content", "reasoning_content", "refusal"}).Draw(t, "name")
			tail := rapid.SampledFrom([]string{`null`, `null`, `null`, `"stop"`}).Draw(t, "finish")
			extra := rapid.SampledFrom([]string{``, ``, `,"usage":null`, `,"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}`, `,"system":"\"content\":\"x"`, `,"obfuscation":"aB3"`, `,"obfuscation":"aB3xxxx"`, `,"obfuscation":"a\"b"`, `,"obfuscation":""`}).Draw(t, "extra")
			return fmt.Sprintf(`{"id":"c-1","object":"chat.completion.chunk","model":"m","choices":[{"index":%d,"delta":{%q:%s},"finish_reason":%s}]%s}`,
				rapid.IntRange(0, 1).Draw(t, "choice"), name, raw, tail, extra)
		})
		head := dialect.Head{Op: canon.OpGenerate, Stream: true, Framing: dialect.FramingSSE, Choices: 1}
		quick, slow := newReader(head), newReader(head)
		var chunks []string
		for _, c := range rapid.SliceOfN(chunk, 1, 12).Draw(t, "chunks") {
			chunks = append(chunks, slices.Repeat([]string{c}, rapid.IntRange(1, 3).Draw(t, "times"))...) // else hardly any follows its like
		}
		for _, c := range chunks {
			if i := rapid.IntRange(0, 40).Draw(t, "broken"); i < 2 {
				c = strings.Replace(c, "}", "", 1)
			}
			slow.repeat.forget()
			if text, ok := quick.Skim([]byte(c)); ok {
				b, err := slow.Read("", []byte(c), nil)
				want, one := only(b)
				if err != nil || !one || want.Text != string(text) || slow.Hidden() || quick.Complete() != slow.Complete() {
					t.Fatalf("%s\nskimmed as %q, read as %+v, %v", c, text, b, err)
				}
				skimmed++
				continue
			}
			a, errA := quick.Read("", []byte(c), nil)
			b, errB := slow.Read("", []byte(c), nil)
			if diff := cmp.Diff(b, a); diff != "" || (errA == nil) != (errB == nil) || quick.Hidden() != slow.Hidden() || quick.Complete() != slow.Complete() {
				t.Fatalf("%s\nerrors %v, %v\n%s", c, errA, errB, diff)
			}
		}
	})
}
