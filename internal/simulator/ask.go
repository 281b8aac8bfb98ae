package simulator

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	_ "image/gif" // the formats whose size is reported
	_ "image/jpeg"
	_ "image/png"
	"io"
	"strings"

	"github.com/tidwall/gjson"
)

// ask is what a request wants, whichever dialect it came in. Its strings alias the request body: it
// must not outlive the plan that is made from it.
type ask struct {
	model, family string
	stream        bool
	segs          []seg    // all that was read, in order: the prefix that caches work on
	marks         []mark   // Anthropic: where the request asks to cache
	bytes         int      // of text in segs
	media         []string // what was received, in words
	imageTokens   int64
	audioTokens   int64

	system  string // first instruction
	user    string // last user text
	results []result
	said    said
	isUser  bool // the last turn is the user's own words, not a tool's

	tools  []tool
	choice choice
	forced string // tool name, with choiceNamed
	single bool   // parallel calls are forbidden
	max    int64  // output tokens; 0: not said
	dry    bool   // Anthropic: max_tokens is 0, only the cache is wanted
	speaks bool   // OpenAI chat: audio is wanted
	stops  []string
	n      int
	schema string // JSON Schema of the answer; "" with asJSON: any object
	asJSON bool
	thinks bool
	budget int64 // tokens of thinking; 0: not said
}

// seg is a piece of the prompt. A medium weighs what its tokens do, not what its bytes do.
type seg struct {
	text   string
	weight int // in bytes of text; four are a token
}

// mark is a cache point: everything up to segs[:seg] shall be cached.
type mark struct {
	seg  int
	hour bool
}

type result struct{ name, id, text string }

// tool is a function on offer; custom tools take text instead of JSON.
type tool struct {
	name, schema string
	custom       bool
}

type choice int

const (
	choiceAuto choice = iota
	choiceNone
	choiceAny
	choiceNamed
)

// read notes text that the model reads.
func (a *ask) read(s string) {
	if s == "" {
		return
	}
	a.segs = append(a.segs, seg{text: s, weight: len(s)})
	a.bytes += len(s)
}

// turn notes that a new turn of role begins.
func (a *ask) turn(user bool) {
	if user {
		a.said = said{a.user, a.results, a.isUser}
		a.user, a.results = "", nil
	}
	a.isUser = user
}

// said is what was said before the turn that has begun.
type said struct {
	user    string
	results []result
	isUser  bool
}

// says notes a text of the user's.
func (a *ask) says(s string) {
	a.read(s)
	if strings.HasPrefix(strings.TrimSpace(s), "<system>") { // an instruction where the dialect has no place for it
		if a.user == "" && len(a.results) == 0 {
			a.user, a.results, a.isUser = a.said.user, a.said.results, a.said.isUser
		}
		return
	}
	if a.user == "" || strings.HasPrefix(strings.TrimSpace(a.user), "<system-reminder>") {
		a.user = s
		return
	}
	if strings.HasPrefix(strings.TrimSpace(s), "<system-reminder>") {
		return
	}
	a.user += "\n" + s
}

// answered notes what a tool returned; it ends the user's turn.
func (a *ask) answered(name, id, text string) {
	a.read(text)
	a.results = append(a.results, result{name, id, text})
	a.isUser = false
}

// tokens counts text as four bytes a token.
func tokens(bytes int) int64 { return int64(bytes+3) / 4 }

// promptTokens counts all that was read, at least one.
func (a *ask) promptTokens() int64 {
	return max(1, tokens(a.bytes)) + a.imageTokens + a.audioTokens
}

// attach notes a medium; data is base64, or empty when only a reference came.
func (a *ask) attach(kind, mime, data, url string) {
	if rest, ok := strings.CutPrefix(url, "data:"); ok {
		var meta string
		meta, data, _ = strings.Cut(rest, ",")
		mime, _, _ = strings.Cut(meta, ";")
		url = ""
	}
	if url != "" {
		a.media = append(a.media, kind+" at "+clip(url, 200))
		a.count(kind, 0, url)
		return
	}
	size := base64Size(data)
	words := fmt.Sprintf("%s %s, %d bytes", kind, mime, size)
	if kind == "image" {
		head := base64.NewDecoder(base64.StdEncoding, strings.NewReader(data))
		if cfg, _, err := image.DecodeConfig(io.LimitReader(head, 64<<10)); err == nil {
			words += fmt.Sprintf(", %dx%d", cfg.Width, cfg.Height)
		}
	}
	a.media = append(a.media, words)
	a.count(kind, size, data)
}

// count adds a flat 258 tokens for an image or document, and a token for each kilobyte of audio.
func (a *ask) count(kind string, size int, data string) {
	n := int64(258)
	if kind == "audio" {
		n = max(1, int64(size)/1000)
		a.audioTokens += n
	} else {
		a.imageTokens += n
	}
	a.segs = append(a.segs, seg{text: data, weight: int(n) * 4})
}

func base64Size(s string) int {
	n := len(strings.TrimRight(s, "="))
	return n * 3 / 4
}

// validBase64 reports whether s decodes.
func validBase64(s string) bool {
	_, err := io.Copy(io.Discard, base64.NewDecoder(base64.StdEncoding, strings.NewReader(s)))
	return err == nil
}

// each calls f for the members of an object or the elements of a list, and not at all for anything else;
// gjson's own ForEach takes a lone value for a list of one.
func each(r gjson.Result, f func(k, v gjson.Result) bool) {
	if r.IsObject() || r.IsArray() {
		r.ForEach(f)
	}
}

// stringList returns a JSON string, or the strings of a list, as a list.
func stringList(r gjson.Result) []string {
	switch {
	case r.Type == gjson.String:
		return []string{r.Str}
	case r.IsArray():
		var out []string
		each(r, func(_, v gjson.Result) bool {
			if v.Type == gjson.String && v.Str != "" {
				out = append(out, v.Str)
			}
			return true
		})
		return out
	}
	return nil
}

// isInt reports whether r is a whole number.
func isInt(r gjson.Result) bool {
	return r.Type == gjson.Number && !bytes.ContainsAny([]byte(r.Raw), ".eE")
}
