package crosstest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"pgregory.net/rapid"

	"tollgate/internal/canon"
)

// text draws what people and models write: quotes, control characters that JSON escapes, several planes
// of Unicode, things that look like markup.
func text(t *rapid.T, name string) string {
	said := rapid.OneOf(
		rapid.SampledFrom([]string{
			"hello", "line one\nline two", `she said "hi" \ and left`, "tab\tand\u2028separator", "naïve café – 日本語 🦊", "<b>&amp;</b>", "{\"json\": [1, 2]}", " leading and trailing ", "a",
		}),
		rapid.StringOfN(rapid.RuneFrom([]rune("abc \n\"\\é漢🦊{}<>&")), 1, 40, -1),
	).Draw(t, name)
	if strings.TrimSpace(said) == "" { // which several vendors refuse
		return "a" + said
	}
	return said
}

func word(t *rapid.T, name string) string {
	return rapid.StringOfN(rapid.RuneFrom([]rune("abcdefghij_")), 1, 12, -1).Draw(t, name)
}

func maybe(t *rapid.T, name string) bool { return rapid.IntRange(0, 2).Draw(t, name) == 0 }

func flag(t *rapid.T, name string) *bool {
	if !maybe(t, name+" said") {
		return nil
	}
	v := rapid.Bool().Draw(t, name)
	return &v
}

// number draws a decimal that every dialect's range holds.
func number(t *rapid.T, name string) *float64 {
	if !maybe(t, name+" said") {
		return nil
	}
	v := float64(rapid.IntRange(0, 100).Draw(t, name)) / 100
	return &v
}

func data(t *rapid.T, head string) string {
	return base64.StdEncoding.EncodeToString(append([]byte(head), rapid.SliceOfN(rapid.Byte(), 0, 12).Draw(t, "bytes")...))
}

const (
	png = "\x89PNG\r\n\x1a\n"
	pdf = "%PDF-1.7\n"
)

// media draws an image, a document or a sound, inline or by URL.
func media(t *rapid.T) canon.Media {
	switch rapid.IntRange(0, 5).Draw(t, "media") {
	case 0:
		return canon.Media{Kind: canon.MediaImage, URL: "https://example.com/" + word(t, "file") + ".png"}
	case 1:
		return canon.Media{Kind: canon.MediaFile, MIME: "application/pdf", Data: data(t, pdf), Name: word(t, "name") + ".pdf"}
	case 2:
		return canon.Media{Kind: canon.MediaAudio, MIME: "audio/wav", Data: data(t, "RIFF")}
	case 3:
		return canon.Media{Kind: canon.MediaFile, MIME: "application/pdf", URL: "https://example.com/" + word(t, "file") + ".pdf"}
	default:
		return canon.Media{Kind: canon.MediaImage, MIME: "image/png", Data: data(t, png)}
	}
}

// arguments draws a JSON object, with numbers that a float can't hold and keys in no order.
func arguments(t *rapid.T) json.RawMessage {
	switch rapid.IntRange(0, 3).Draw(t, "arguments") {
	case 0:
		return json.RawMessage(`{}`)
	case 1:
		return json.RawMessage(`{"zulu":1,"alpha":12345678901234567890,"nested":{"list":[1.50,true,null]}}`)
	default:
		quoted, err := json.Marshal(text(t, "value"))
		if err != nil {
			t.Fatal(err)
		}
		return json.RawMessage(`{"` + word(t, "key") + `":` + string(quoted) + `}`)
	}
}

var schemas = []string{
	`{"type":"object","properties":{"path":{"type":"string","description":"where"},"depth":{"type":"integer","minimum":0}},"required":["path"],"additionalProperties":false}`,
	`{"type":"object","properties":{}}`,
	`{"type":"object","properties":{"any":{"anyOf":[{"type":"string"},{"type":"null"}]},"ref":{"$ref":"#/$defs/x"}},"$defs":{"x":{"type":"string","enum":["a","b"]}}}`,
}

func tools(t *rapid.T) []canon.Tool {
	var out []canon.Tool
	for i := range rapid.IntRange(0, 3).Draw(t, "tools") {
		tool := canon.Tool{Name: "tool_" + strconv.Itoa(i), Description: text(t, "description")}
		if rapid.IntRange(0, 4).Draw(t, "parameters") > 0 {
			tool.Schema = json.RawMessage(rapid.SampledFrom(schemas).Draw(t, "schema"))
		}
		tool.Strict = flag(t, "strict")
		out = append(out, tool)
	}
	return out
}

// Request draws a conversation as clients of all dialects send them; what a dialect can't say is left out
// when the request is written in it.
func Request(t *rapid.T, origin canon.Dialect) *canon.Request {
	req := &canon.Request{
		Origin: origin, Model: "m", MaxOutput: int64(rapid.IntRange(2048, 9000).Draw(t, "max")),
		Temperature: number(t, "temperature"), Tools: tools(t), ParallelTools: flag(t, "parallel"),
	}
	if req.Temperature == nil {
		req.TopP = number(t, "top_p")
	}
	if maybe(t, "instructions") {
		req.System = []canon.Block{canon.Text{Text: text(t, "system")}}
	}
	if len(req.Tools) > 0 {
		req.ToolChoice.Mode = rapid.SampledFrom([]canon.ToolMode{"", canon.ToolAuto, canon.ToolRequired, canon.ToolNone, canon.ToolNamed}).Draw(t, "choice")
		if req.ToolChoice.Mode == canon.ToolNamed {
			req.ToolChoice.Name = req.Tools[0].Name
		}
	} else {
		req.ParallelTools = nil
	}
	if maybe(t, "stops") {
		for i := range rapid.IntRange(1, 3).Draw(t, "stops") {
			req.Stop = append(req.Stop, fmt.Sprintf("STOP%d", i))
		}
	}
	if maybe(t, "top_k") {
		k := int64(rapid.IntRange(1, 100).Draw(t, "k"))
		req.TopK = &k
	}
	if maybe(t, "seed") {
		s := int64(rapid.IntRange(0, 1<<30).Draw(t, "s"))
		req.Seed = &s
	}
	req.PresencePenalty, req.FrequencyPenalty = number(t, "presence"), number(t, "frequency")
	if maybe(t, "format") {
		req.Format = &canon.Format{}
		if rapid.Bool().Draw(t, "schema") {
			req.Format.Name, req.Format.Schema = "answer", json.RawMessage(schemas[0])
			yes := true
			req.Format.Strict = &yes
		}
	}
	if maybe(t, "reasoning") {
		req.Temperature, req.TopP, req.TopK = nil, nil, nil
		req.Reasoning = &canon.Effort{Level: rapid.SampledFrom([]string{"low", "medium", "high"}).Draw(t, "effort")}
	}
	if maybe(t, "user") {
		req.User = word(t, "user")
	}
	turns(t, req)
	return req
}

// turns draws a conversation that every vendor would accept: it begins and ends with the user, calls are
// followed by their results.
func turns(t *rapid.T, req *canon.Request) {
	calls := 0
	user := func() {
		turn := canon.Turn{Role: canon.RoleUser, Blocks: []canon.Block{canon.Text{Text: text(t, "said")}}} // so that a turn is left where media are lost
		for range rapid.IntRange(0, 2).Draw(t, "pieces") {
			if rapid.IntRange(0, 3).Draw(t, "piece") == 0 {
				turn.Blocks = append(turn.Blocks, media(t))
			} else {
				turn.Blocks = append(turn.Blocks, canon.Text{Text: text(t, "said")})
			}
		}
		req.Turns = append(req.Turns, turn)
	}
	user()
	for range rapid.IntRange(0, 3).Draw(t, "rounds") {
		turn := canon.Turn{Role: canon.RoleAssistant}
		if maybe(t, "thought") {
			turn.Blocks = append(turn.Blocks, canon.Reasoning{
				Text: text(t, "thinking"), Seal: base64.StdEncoding.EncodeToString([]byte(word(t, "seal") + "seal")), Origin: req.Origin,
			})
		}
		if rapid.Bool().Draw(t, "answered") || len(req.Tools) == 0 {
			turn.Blocks = append(turn.Blocks, canon.Text{Text: text(t, "answer")})
		}
		var results []canon.Block
		if len(req.Tools) > 0 {
			least := 0
			if len(turn.Blocks) == 0 {
				least = 1
			}
			for range rapid.IntRange(least, 3).Draw(t, "calls") {
				calls++
				use := canon.ToolUse{ID: "call_" + strconv.Itoa(calls), Name: rapid.SampledFrom(req.Tools).Draw(t, "tool").Name, Input: arguments(t)}
				turn.Blocks = append(turn.Blocks, use)
				result := canon.ToolResult{ID: use.ID, Name: use.Name, IsError: maybe(t, "failed"), Blocks: []canon.Block{canon.Text{Text: text(t, "result")}}}
				if rapid.IntRange(0, 5).Draw(t, "picture") == 0 {
					result.Blocks = append(result.Blocks, canon.Media{Kind: canon.MediaImage, MIME: "image/png", Data: data(t, png)})
				}
				results = append(results, result)
			}
		}
		if len(turn.Blocks) == 1 {
			if _, thoughtOnly := turn.Blocks[0].(canon.Reasoning); thoughtOnly {
				turn.Blocks = append(turn.Blocks, canon.Text{Text: "so"})
			}
		}
		req.Turns = append(req.Turns, turn)
		for _, r := range results {
			req.Turns = append(req.Turns, canon.Turn{Role: canon.RoleTool, Blocks: []canon.Block{r}})
		}
		user()
	}
}

// Events draws an answer.
func Events(t *rapid.T) []canon.Event {
	out := []canon.Event{canon.Start{ID: "upstream-id", Model: "upstream-model", Created: 1_790_000_000}}
	index, called := 0, false
	pieces := func(s string, each func(string)) {
		runes := []rune(s)
		for len(runes) > 0 {
			n := rapid.IntRange(1, len(runes)).Draw(t, "piece")
			each(string(runes[:n]))
			runes = runes[n:]
		}
	}
	if maybe(t, "thinks") {
		pieces(text(t, "thought"), func(s string) { out = append(out, canon.ReasoningDelta{Index: index, Text: s}) })
		if rapid.Bool().Draw(t, "sealed") {
			out = append(out, canon.ReasoningDelta{Index: index, Seal: base64.StdEncoding.EncodeToString([]byte(word(t, "seal")))})
		}
		out = append(out, canon.BlockEnd{Index: index})
		index++
	}
	if rapid.IntRange(0, 4).Draw(t, "speaks") > 0 {
		pieces(text(t, "text"), func(s string) { out = append(out, canon.TextDelta{Index: index, Text: s}) })
		out = append(out, canon.BlockEnd{Index: index})
		index++
	}
	if index > 0 && maybe(t, "thinks again") {
		again := ""
		if rapid.Bool().Draw(t, "aloud") {
			again = text(t, "thought")
		}
		pieces(again, func(s string) { out = append(out, canon.ReasoningDelta{Index: index, Text: s}) })
		out = append(out, canon.ReasoningDelta{Index: index, Seal: base64.StdEncoding.EncodeToString([]byte(word(t, "seal")))}, canon.BlockEnd{Index: index})
		index++
		pieces(text(t, "text"), func(s string) { out = append(out, canon.TextDelta{Index: index, Text: s}) })
		out = append(out, canon.BlockEnd{Index: index})
		index++
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "calls") {
		called = true
		out = append(out, canon.ToolStart{Index: index, ID: "call_" + strconv.Itoa(i), Name: "tool_" + strconv.Itoa(i)})
		pieces(string(arguments(t)), func(s string) { out = append(out, canon.ToolDelta{Index: index, JSON: s}) })
		out = append(out, canon.BlockEnd{Index: index})
		index++
	}
	if index == 0 {
		out = append(out, canon.TextDelta{Text: "yes"}, canon.BlockEnd{})
	}
	why := rapid.SampledFrom([]canon.Stop{canon.StopEnd, canon.StopLength}).Draw(t, "stop")
	if called {
		why = canon.StopTools
	}
	u := canon.Usage{Input: int64(rapid.IntRange(1, 1000).Draw(t, "in")), Output: int64(rapid.IntRange(1, 1000).Draw(t, "out"))}
	if maybe(t, "cached") {
		u.CacheRead = int64(rapid.IntRange(1, 1000).Draw(t, "read"))
	}
	if maybe(t, "reasoned") {
		u.Reasoning = int64(rapid.IntRange(1, 1000).Draw(t, "reasoning"))
	}
	return append(out, canon.Stopped{Why: why}, canon.Used{Usage: u}, canon.Ended{})
}
