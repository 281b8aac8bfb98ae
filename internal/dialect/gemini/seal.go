package gemini

import (
	"encoding/base64"
	"slices"
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
	empty := false
	for n := range turns {
		t := &turns[n]
		for i := 0; i < len(t.Blocks); i++ {
			whole, end := "", i
			for ; end < len(t.Blocks); end++ {
				r, ok := t.Blocks[end].(canon.Reasoning)
				if !ok || r.Origin == canon.Gemini {
					break
				}
				whole += r.Text
			}
			if whole != "" {
				removed, emptied := letGo(turns[:n+1], i, whole)
				empty = empty || emptied
				end -= removed
			}
			i = max(i, end)
		}
	}
	if !empty {
		return turns
	}
	kept := turns[:0]
	for _, t := range turns {
		if t.Blocks != nil || t.Paths == nil {
			kept = append(kept, t)
		}
	}
	return kept
}

// letGo removes the unsealed thoughts before block i of the last turn if together they say whole. It
// returns how many of them stood in that turn, and whether one before it has nothing left: its Blocks are
// nil then, and its Paths are not.
func letGo(turns []canon.Turn, i int, whole string) (removed int, emptied bool) {
	last := len(turns) - 1
	n, at, rest := last, i, whole
	for rest != "" {
		for at == 0 && n > 0 && turns[n-1].Role == canon.RoleAssistant && turns[n].Role == canon.RoleAssistant {
			n--
			at = len(turns[n].Blocks)
		}
		if at == 0 {
			return 0, false
		}
		r, ok := turns[n].Blocks[at-1].(canon.Reasoning)
		if !ok || r.Seal != "" || r.Origin != canon.Gemini {
			return 0, false
		}
		if rest, ok = strings.CutSuffix(rest, r.Text); !ok {
			return 0, false
		}
		at--
	}
	for k := n; k <= last; k++ {
		t := &turns[k]
		from, to := 0, len(t.Blocks)
		if k == n {
			from = at
		}
		if k == last {
			to = i
			removed = to - from
		}
		t.Blocks, t.Paths = slices.Delete(t.Blocks, from, to), slices.Delete(t.Paths, from, to)
		if len(t.Blocks) == 0 {
			t.Blocks, emptied = nil, true
		}
	}
	return removed, emptied
}
