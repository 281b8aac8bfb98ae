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
