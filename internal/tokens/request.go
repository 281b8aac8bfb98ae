package tokens

import (
	"encoding/json"

	"tollgate/internal/canon"
)

// Flat estimates for what has no text, in tokens. They are rounded up from what the vendors publish
// for usual sizes, since a reservation that is too small is worse than one too large:
//
//   - an image: OpenAI 765 for 1024×1024 in high detail, Anthropic at most about 1,600 for most
//     models, Gemini 258 a tile (https://platform.claude.com/docs/en/build-with-claude/vision);
//   - a document: a few pages at 1,500 to 3,000 each
//     (https://platform.claude.com/docs/en/build-with-claude/pdf-support);
//   - audio and video: a minute, at Gemini's 32 tokens a second, or ten seconds at 263
//     (https://ai.google.dev/gemini-api/docs/tokens).
//
// Read 2026-11-20.
const (
	imageTokens = 1_600
	fileTokens  = 6_000
	audioTokens = 2_000
	videoTokens = 3_000
	mediaTokens = 3_000 // where the kind is not known yet
)

// Overheads of the framing that vendors put around a conversation, in tokens. OpenAI's cookbook
// counts three a message and three to start the answer; tools cost about eight each beside their text.
const (
	startTokens = 3
	turnTokens  = 4
	toolTokens  = 8
)

// Quick is an estimate of a request's tokens from its sizes alone, for reserving money. It takes no
// time and errs upwards: two tokens for every five bytes. Measured with o200k, English has 4 to 5
// bytes a token, Chinese and Japanese 3.3 to 4, source code 2.7 to 3.5 and JSON 2.9, so ordinary
// text is covered and English reserved about twice. Text that packs more (ids, digits, emoji) is
// not; such a call then settles at its real price. mediaParts counts images, documents, audio and
// video alike.
func Quick(textBytes int64, mediaParts int) int64 {
	bytes := max(textBytes, 0)
	return startTokens + 4*turnTokens + bytes/5*2 + bytes%5*2/5 + int64(max(mediaParts, 0))*mediaTokens
}

// About is an estimate of a request's tokens from its sizes alone, for showing: two tokens for every seven
// bytes, in the middle of what [Quick] was measured with.
func About(textBytes int64, mediaParts int) int64 {
	bytes := max(textBytes, 0)
	return startTokens + turnTokens + bytes/7*2 + bytes%7*2/7 + int64(max(mediaParts, 0))*imageTokens
}

// Request returns the number of input tokens of req: instructions, turns, tools with their schemas,
// tool calls and results, and media at flat estimates.
func (c *Counter) Request(req *canon.Request) int64 {
	if req == nil {
		return 0
	}
	t := tally{flat: startTokens}
	t.blocks(req.System)
	for _, turn := range req.Turns {
		t.flat += turnTokens
		t.text(turn.Name)
		t.blocks(turn.Blocks)
	}
	for _, tool := range req.Tools {
		t.flat += toolTokens
		if tool.Raw != nil {
			t.raw(tool.Raw)
			continue
		}
		t.text(tool.Name)
		t.text(tool.Description)
		t.raw(tool.Schema)
	}
	if req.Format != nil {
		t.text(req.Format.Name)
		t.raw(req.Format.Schema)
	}
	return t.flat + c.count(t.texts)
}

// tally collects what a request holds. It keeps no copies of text.
type tally struct {
	texts []string
	flat  int64
}

func (t *tally) text(s string) {
	if s != "" {
		t.texts = append(t.texts, s)
	}
}

func (t *tally) blocks(blocks []canon.Block) {
	for _, b := range blocks {
		switch b := b.(type) {
		case canon.Text:
			t.text(b.Text)
		case canon.Reasoning:
			t.text(b.Text) // the seal is the same thought again, in cipher
		case canon.Refusal:
			t.text(b.Text)
		case canon.Media:
			t.media(b)
		case canon.ToolUse:
			t.flat += toolTokens
			t.text(b.Name)
			t.raw(b.Input)
		case canon.ToolResult:
			t.flat += toolTokens
			t.blocks(b.Blocks)
		case canon.Foreign:
			t.raw(b.Raw)
		case canon.CachePoint:
		}
	}
}

func (t *tally) media(m canon.Media) {
	t.text(m.Name)
	switch m.Kind {
	case canon.MediaImage:
		t.flat += imageTokens
	case canon.MediaAudio:
		t.flat += audioTokens
	case canon.MediaVideo:
		t.flat += videoTokens
	default:
		t.flat += fileTokens
	}
}

// raw counts JSON as text, but long strings without a space, which are media or ciphers, as an image.
func (t *tally) raw(raw json.RawMessage) {
	const long = 1 << 10
	from, open := 0, -1 // what is not counted yet; where the current string began
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case c == '\\':
			i++
		case c == '"' && open < 0:
			open = i
		case c == '"':
			if i-open > long {
				t.text(string(raw[from:open]))
				t.flat += imageTokens
				from = i + 1
			}
			open = -1
		case c <= ' ' && open >= 0:
			// A space: prose. The rest of this string is counted, whatever its length.
			if end := endOfString(raw, i); end > 0 {
				i, open = end, -1
			}
		}
	}
	t.text(string(raw[from:]))
}

// endOfString returns where the string that i is in ends; 0 if nowhere.
func endOfString(raw []byte, i int) int {
	for ; i < len(raw); i++ {
		switch raw[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return 0
}
