package gemini

import (
	"testing"

	"github.com/tidwall/gjson"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
)

// An answer that is written anew on its way home (split_thoughts) keeps what another gateway before this one put into
// its signatures as that one did: base64, with the text that is sealed, in one piece.
func TestEnvelopesOfAnotherGateway(t *testing.T) {
	sealed := signature([]string{envelope(canon.Anthropic, "sig-1", "I thought"), envelope(canon.Anthropic, "sig-2", "and thought")})
	for name, c := range map[string]struct{ parts, at string }{
		"a call":         {`{"functionCall":{"name":"f","args":{}},"thoughtSignature":"` + sealed + `"}`, "0"},
		"a text":         {`{"text":"hi","thoughtSignature":"` + sealed + `"}`, "0"},
		"nothing more":   {`{"text":"hi"},{"text":"","thoughtSignature":"` + sealed + `"}`, "1"},
		"before a call":  {`{"text":"hi","thoughtSignature":"` + sealed + `"},{"functionCall":{"name":"f","args":{}}}`, "0"},
		"Google's after": {`{"text":"hi","thoughtSignature":"` + sealed + `"},{"functionCall":{"name":"f","args":{}},"thoughtSignature":"Z29vZ2xl"}`, "0"},
	} {
		events, err := New().NewReader(dialect.Head{Op: canon.OpGenerate}).Read("", []byte(`{"candidates":[{"content":{"role":"model","parts":[`+c.parts+`]},"finishReason":"STOP"}]}`), nil)
		if err != nil {
			t.Fatal(err)
		}
		w := New().NewWriter(dialect.Answer{Head: dialect.Head{Op: canon.OpGenerate}, Request: &canon.Request{Origin: canon.Gemini}, Origin: canon.Gemini, ID: "1", Model: "m"})
		var out []byte
		for _, e := range events {
			out = w.Write(out, e)
		}
		out = w.Close(out)
		if got := gjson.GetBytes(out, "candidates.0.content.parts."+c.at+".thoughtSignature").Str; got != sealed {
			t.Errorf("%s: the signature is %q, was %q: %s", name, got, sealed, out)
		}
		if lost := w.Losses(); len(lost) > 0 {
			t.Errorf("%s: %v", name, lost)
		}
	}
}
