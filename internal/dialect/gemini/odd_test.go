package gemini_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/crosstest"
	"tollgate/internal/dialect/gemini"
)

// TestWriterOfNonsense checks that whatever an upstream says, in whatever order, what leaves is JSON in
// UTF-8, one line an event.
func TestWriterOfNonsense(t *testing.T) {
	bad := "\xff\xed\xa0\x80\n\r\x00\u2028\""
	events := []canon.Event{
		canon.ToolDelta{Index: 7, JSON: "{"},
		canon.BlockEnd{Index: 9},
		canon.Used{},
		canon.Start{},
		canon.TextDelta{Text: bad},
		canon.ReasoningDelta{Index: 1, Text: bad, Seal: bad},
		canon.ReasoningDelta{Index: 2, Seal: bad},
		canon.ReasoningDelta{Index: 3, Text: bad},
		canon.ToolStart{Index: 4, Name: bad, ID: bad},
		canon.ToolDelta{Index: 4, JSON: bad},
		canon.TextDelta{Index: 5, Text: "x"},
		canon.ToolDelta{Index: 4, JSON: "late"},
		canon.ToolStart{Index: 6, Name: "f"},
		canon.ToolDelta{Index: 6, JSON: "{\"a\":\n\r[1,\n2]}"},
		canon.ToolStart{Index: 8, Name: "g", Custom: true},
		canon.ToolDelta{Index: 8, JSON: `"text"`},
		canon.MediaDelta{Index: 9, Data: bad},
		canon.MediaDelta{Index: 9},
		canon.RefusalDelta{Index: 10, Text: bad},
		canon.HostedUse{Index: 11, Kind: canon.HostedCode, Input: bad, Output: bad, Done: true},
		canon.HostedUse{Kind: "new"},
		canon.HostedUse{Kind: canon.HostedWebFetch, Input: bad},
		canon.Cited{Index: 5, Citation: canon.Citation{URL: bad, From: -5, To: 1 << 40}},
		canon.Cited{Index: 99},
		canon.Cited{Index: 5, Citation: canon.Citation{Title: bad, Text: bad, From: 3, To: 1}},
		canon.TokenProbs{Tokens: []canon.TokenProb{{Token: bad, LogProb: -1e308}}},
		canon.TokenProbs{},
		canon.Other{Name: "x", Content: true},
		canon.Stopped{Choice: 3, Why: "new"},
		canon.Stopped{Why: canon.StopPause},
		canon.Ended{},
		canon.Ended{},
	}
	p := gemini.New()
	for _, origin := range origins {
		for _, framing := range []dialect.Framing{dialect.FramingNone, dialect.FramingSSE, dialect.FramingJSONArray} {
			a := crosstest.Answer(&canon.Request{Reasoning: &canon.Effort{Show: canon.ThoughtsShown}}, origin, framing != dialect.FramingNone)
			a.Head.Framing, a.Model = framing, bad
			w := p.NewWriter(a)
			var out []byte
			for _, e := range events {
				out = w.Write(out, e)
			}
			out = w.Close(out)
			if !utf8.Valid(out) {
				t.Errorf("%s %s: no UTF-8: %q", origin, framing, out)
			}
			if framing != dialect.FramingSSE {
				if !json.Valid(out) {
					t.Errorf("%s %s: no JSON: %s", origin, framing, out)
				}
				continue
			}
			for event := range strings.SplitSeq(strings.TrimSuffix(string(out), "\r\n\r\n"), "\r\n\r\n") {
				data, ok := strings.CutPrefix(event, "data: ")
				if !ok || !json.Valid([]byte(data)) || strings.ContainsAny(data, "\r\n") {
					t.Errorf("%s: %q is no event", origin, event)
				}
			}
		}
	}
}

// TestOtherAnswers checks what is no generated answer: counts and embeddings.
func TestOtherAnswers(t *testing.T) {
	p := gemini.New()
	for op, want := range map[canon.Op]string{
		canon.OpCountTokens: `{"totalTokens":12,"cachedContentTokenCount":2,"promptTokensDetails":[{"modality":"TEXT","tokenCount":9},{"modality":"IMAGE","tokenCount":3}]}`,
		canon.OpEmbed:       `{"embedding":{"values":[0.25]},"usageMetadata":{"promptTokenCount":12}}`,
		canon.OpBatchEmbed:  `{"embeddings":[{"values":[0.25]},{"values":[1, -2e-3]}],"usageMetadata":{"promptTokenCount":12}}`,
	} {
		w := p.NewWriter(dialect.Answer{Head: dialect.Head{Op: op}, Request: &canon.Request{}, Origin: canon.OpenAIChat})
		var out []byte
		for _, e := range []canon.Event{
			canon.Embedding{Number: 1, Values: json.RawMessage("[1,\n-2e-3]")},
			canon.Embedding{Values: json.RawMessage("[0.25]")},
			canon.Used{Usage: canon.Usage{Input: 7, CacheRead: 2, InputImage: 3}},
			canon.Ended{},
		} {
			out = w.Write(out, e)
		}
		if out = w.Close(out); string(out) != want {
			t.Errorf("%s: %s, want %s", op, out, want)
		}
	}
}

// TestSealsTravel checks that what another dialect thought comes back whole with the next request, also
// when the client forgets the thoughts and its SDK encodes the signature anew.
func TestSealsTravel(t *testing.T) {
	p := gemini.New()
	for _, shown := range []bool{false, true} {
		asked := &canon.Request{Origin: canon.Gemini, Reasoning: &canon.Effort{}}
		if shown {
			asked.Reasoning.Show = canon.ThoughtsShown
		}
		out, _ := crosstest.WriteAnswer(p, asked, canon.Anthropic, false, []canon.Event{
			canon.ReasoningDelta{Text: "Thinking "},
			canon.ReasoningDelta{Text: "hard ö?>"},
			canon.ReasoningDelta{Seal: "sig/+=\xfb"},
			canon.ReasoningDelta{Index: 1, Seal: "redacted"},
			canon.ToolStart{Index: 2, ID: "toolu_1", Name: "f"},
			canon.Stopped{Why: canon.StopTools},
			canon.Ended{},
		})
		var answer struct {
			Candidates []struct {
				Content struct{ Parts []map[string]json.RawMessage }
			}
		}
		if err := json.Unmarshal(out, &answer); err != nil {
			t.Fatal(err)
		}
		for _, keepThoughts := range []bool{false, true} {
			for _, alphabet := range []*strings.Replacer{strings.NewReplacer(), strings.NewReplacer("+", "-", "/", "_")} {
				var parts []string
				for _, part := range answer.Candidates[0].Content.Parts {
					if part["thought"] != nil {
						if keepThoughts { // in pieces, as a stream has them
							parts = append(parts, `{"text":"Thinking ","thought":true}`, `{"text":"hard ö?>","thought":true}`)
						}
						continue
					}
					if s := part["thoughtSignature"]; s != nil {
						part["thoughtSignature"] = json.RawMessage(alphabet.Replace(string(s)))
					}
					raw, err := json.Marshal(part)
					if err != nil {
						t.Fatal(err)
					}
					parts = append(parts, string(raw))
				}
				want := []canon.Block{
					canon.Reasoning{Text: "Thinking hard ö?>", Seal: "sig/+=\xfb", Origin: canon.Anthropic}, canon.Reasoning{Seal: "redacted", Origin: canon.Anthropic},
				}
				for _, between := range []string{",", `]},{"role":"model","parts":[`} { // chats of SDKs keep chunks apart
					body := `{"contents":[{"role":"user","parts":[]},{"role":"model","parts":[` + strings.Join(parts, between) + `]}]}`
					req, err := p.ReadRequest(canon.OpGenerate, []byte(body))
					if err != nil {
						t.Fatal(err)
					}
					if len(req.Turns) != 2 {
						t.Fatalf("%d turns of %s", len(req.Turns), body)
					}
					got := req.Turns[1].Blocks
					if len(got) != 3 || got[0] != want[0] || got[1] != want[1] || len(req.Turns[1].Paths) != 3 {
						t.Errorf("shown %v, kept %v: %+v", shown, keepThoughts, got)
					}
				}
			}
		}
	}
}

// TestDataThatIsNone checks that what is not base64 is refused where it stands.
func TestDataThatIsNone(t *testing.T) {
	for data, good := range map[string]bool{"iVBORw0KGgo=": true, "_-8": true, "AAAAA": false, "==": false, "a!b": false} {
		req := &canon.Request{Origin: canon.OpenAIChat, Turns: []canon.Turn{{
			Role: canon.RoleUser, Blocks: []canon.Block{canon.Media{Kind: canon.MediaImage, MIME: "image/png", Data: data}}, Paths: []string{"messages[0].content[0]"},
		}}}
		_, _, err := gemini.New().WriteRequest(req, dialect.Target{Op: canon.OpGenerate, Model: "m"})
		if good != (err == nil) || err != nil && (err.Kind != canon.KindInvalid || err.Param != "messages[0].content[0]") {
			t.Errorf("%q: %+v", data, err)
		}
	}
}

// TestCodeThatWasThoughtOf checks that a thought of another dialect travels with the code that follows it, and
// that code keeps its id.
func TestCodeThatWasThoughtOf(t *testing.T) {
	code := canon.HostedUse{Index: 1, ID: "run_1", Kind: canon.HostedCode, Name: "codeExecution", Input: "1+1"}
	out, _ := crosstest.WriteAnswer(gemini.New(), nil, canon.Anthropic, false, []canon.Event{
		canon.ReasoningDelta{Text: "Hm.", Seal: "c2ln"}, code, canon.TextDelta{Index: 2, Text: "2"}, canon.Stopped{Why: canon.StopEnd}, canon.Ended{},
	})
	part, _, _ := strings.Cut(string(out), `{"text":"2"`)
	if !strings.Contains(part, `"executableCode":{"language":"PYTHON","code":"1+1"},"thoughtSignature":"`) {
		t.Errorf("%s", out)
	}
	r := gemini.New().NewReader(dialect.Head{Op: canon.OpGenerate})
	events, err := r.Read("", []byte(`{"candidates":[{"content":{"parts":[{"executableCode":{"id":"run_1","language":"PYTHON","code":"1+1"}}]},"finishReason":"STOP"}]}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if use, ok := e.(canon.HostedUse); ok && use.ID == "run_1" && use.Input == "1+1" && !use.Done {
			return
		}
	}
	t.Errorf("%+v", events)
}

// TestWantsBytes checks what Google can fetch itself.
func TestWantsBytes(t *testing.T) {
	for url, want := range map[string]bool{
		"https://example.com/a.png": true, "http://example.com/a.png": true, "https://youtu.be/x": false, "https://www.youtube.com/watch?v=x": false,
		"https://www.youtube.com.evil.example/": true, "gs://bucket/a": false, "https://generativelanguage.googleapis.com/v1beta/files/a": false, "": false,
	} {
		if got := gemini.New().WantsBytes(canon.Media{Kind: canon.MediaImage, URL: url}); got != want {
			t.Errorf("%s: %v", url, got)
		}
	}
	if gemini.New().WantsBytes(canon.Media{URL: "https://example.com/a.png", Data: "aGk="}) {
		t.Error("bytes are there")
	}
}
