package gemini

import (
	"encoding/base64"
	"strings"

	"tollgate/internal/canon"
)

// A thoughtSignature is bytes, so base64 in JSON, and clients decode and encode it anew: Google's SDKs
// for Go and JavaScript in the standard alphabet, the one for Python in the URL's. What another dialect
// thought travels in it as an envelope: its seal together with its text, as clients drop thoughts from
// the history (Gemini CLI does) and other vendors refuse a seal without the text that it is for. Several
// envelopes are lines of one signature.
//
// Source: google.golang.org/genai v1.77.0 (types.go, Part); google-gemini/gemini-cli,
// packages/core/src/core/geminiChat.ts; both read 2026-11-21.

// envelope returns what stands for a foreign piece of reasoning, as a line of a signature.
func envelope(origin canon.Dialect, seal, text string) string {
	if text != "" {
		seal += "\x00" + text
	}
	return canon.WrapSeal(origin, canon.Gemini, seal)
}

// signature returns the thoughtSignature that carries envelopes.
func signature(envelopes []string) string {
	return base64.StdEncoding.EncodeToString([]byte(strings.Join(envelopes, "\n")))
}

// ownMark is how the base64 of an envelope begins, in either alphabet: "tollgate-seal-1".
const ownMark = "dG9sbGdhdGUtc2VhbC0x"

// openSignature returns what a thoughtSignature seals: Google's own as it came, or what envelopes hold.
func openSignature(s string) []canon.Reasoning {
	if strings.HasPrefix(s, ownMark) {
		if opened, ok := openEnvelopes(s); ok {
			return opened
		}
	}
	return []canon.Reasoning{{Seal: s, Origin: canon.Gemini}}
}

// reseal returns the thoughtSignature for a seal that came from an upstream as Google's: its own as it is,
// or what another gateway before it wrapped, with the text it is for.
func reseal(seal, text string) string {
	origin, inner := canon.UnwrapSeal(canon.Gemini, seal)
	if origin == canon.Gemini {
		return seal
	}
	return signature([]string{envelope(origin, inner, text)})
}

func openEnvelopes(s string) ([]canon.Reasoning, bool) {
	code := strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(s, "="))
	raw, err := base64.RawStdEncoding.DecodeString(code)
	if err != nil {
		return nil, false
	}
	var out []canon.Reasoning
	for line := range strings.SplitSeq(string(raw), "\n") {
		origin, inner := canon.UnwrapSeal(canon.Gemini, line)
		if origin == canon.Gemini {
			return nil, false
		}
		seal, text, _ := strings.Cut(inner, "\x00")
		out = append(out, canon.Reasoning{Text: text, Seal: seal, Origin: origin})
	}
	return out, true
}

// withoutTold lets go of the thoughts that were shown to the client where an envelope behind them holds
// the same: they are the other dialect's and go back to it from there. Chats of SDKs keep each chunk of a
// stream as a content of its own, so the thoughts may stand in the turns before.
func withoutTold(turns []canon.Turn) []canon.Turn {
	var before []place // the unsealed thoughts that directly precede
	told := map[place]bool{}
	for n := range turns {
		t := &turns[n]
		if n > 0 && (t.Role != canon.RoleAssistant || turns[n-1].Role != canon.RoleAssistant) {
			before = nil
		}
		for i := 0; i < len(t.Blocks); i++ {
			r, ok := t.Blocks[i].(canon.Reasoning)
			switch {
			case ok && r.Origin != canon.Gemini:
				whole, end := foreignThoughts(t.Blocks, i)
				for _, p := range thoughtsSaying(turns, before, whole) {
					told[p] = true
				}
				before, i = nil, end-1
			case ok && r.Seal == "":
				before = append(before, place{n, i})
			default:
				before = nil
			}
		}
	}
	if len(told) == 0 {
		return turns
	}
	kept := turns[:0]
	for n, t := range turns {
		had := len(t.Blocks) > 0
		leave(&t, n, told)
		if !had || len(t.Blocks) > 0 {
			kept = append(kept, t)
		}
	}
	return kept
}

// place is where a block stands.
type place struct{ turn, block int }

// foreignThoughts returns what the thoughts of other dialects from block i on say together, and where they end.
func foreignThoughts(blocks []canon.Block, i int) (whole string, end int) {
	var text strings.Builder
	for end = i; end < len(blocks); end++ {
		r, ok := blocks[end].(canon.Reasoning)
		if !ok || r.Origin == canon.Gemini {
			break
		}
		text.WriteString(r.Text)
	}
	return text.String(), end
}

// thoughtsSaying returns the last of the thoughts that together say whole; nil if none do.
func thoughtsSaying(turns []canon.Turn, thoughts []place, whole string) []place {
	k := len(thoughts)
	for rest := whole; rest != ""; k-- {
		if k == 0 {
			return nil
		}
		at := thoughts[k-1]
		r, _ := turns[at.turn].Blocks[at.block].(canon.Reasoning)
		var ok bool
		if rest, ok = strings.CutSuffix(rest, r.Text); !ok {
			return nil
		}
	}
	return thoughts[k:]
}

// leave takes what is told already out of the turn with the number n.
func leave(t *canon.Turn, n int, told map[place]bool) {
	kept := 0
	for i, b := range t.Blocks {
		if !told[place{n, i}] {
			t.Blocks[kept], t.Paths[kept] = b, t.Paths[i]
			kept++
		}
	}
	t.Blocks, t.Paths = t.Blocks[:kept], t.Paths[:kept]
}
