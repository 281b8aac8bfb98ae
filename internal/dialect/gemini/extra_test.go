package gemini_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/dialecttest"
	"tollgate/internal/dialect/gemini"
	"tollgate/internal/jsonedit"
)

// home reads a request of the dialect and writes it again.
func home(t *testing.T, op canon.Op, body string) (string, []canon.Loss) {
	t.Helper()
	req, err := gemini.New().ReadRequest(op, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	canon.Pair(req)
	out, lost, bad := gemini.New().WriteRequest(req, dialect.Target{Op: op, Model: "m"})
	if bad != nil {
		t.Fatal(bad)
	}
	return string(out), lost
}

// A member that a client calls like a path stays where it stands, and moves nowhere else: what another
// object must not hold can't be brought there under such a name.
func TestMembersCalledLikePaths(t *testing.T) {
	const body = `{"contents":[{"role":"user","parts":[{"text":"hi"}]}],"generationConfig.modelConfig":{"featureSelectionPreference":"BALANCED"},"generationConfig.topK":1,"a[\"b\"]":2,"":3,
		"toolConfig.functionCallingConfig.mode":"ANY","generationConfig":{"thinkingConfig.thinkingBudget":4,"x.y":5,"thinkingConfig":{"z.z":6}},
		"toolConfig":{"q.q":7,"functionCallingConfig":{"mode":"AUTO","r.r":8}}}`
	out, lost := home(t, canon.OpGenerate, body)
	if len(lost) > 0 {
		t.Error(lossLines(lost))
	}
	want, got := dialecttest.Leaves(gjson.Parse(body)), dialecttest.Leaves(gjson.Parse(out))
	for path, value := range want {
		if got[path] != value {
			t.Errorf("%s is %s, was %s in %s", path, got[path], value, out)
		}
	}
	for path, value := range got {
		if _, ok := want[path]; !ok {
			t.Errorf("%s: %s was not there", path, value)
		}
	}
}

// A member that nothing writes is declared, whatever is asked for.
func TestMembersWithoutAPlace(t *testing.T) {
	for _, c := range []struct {
		op         canon.Op
		body, path string
	}{
		{canon.OpGenerate, `{"contents":[{"parts":[{"text":"hi"}],"mood":"good"}]}`, "contents[0].mood"},
		{canon.OpEmbed, `{"content":{"parts":[{"text":"hi"}]},"generationConfig":{"speed":1}}`, "generationConfig.speed"},
		{canon.OpBatchEmbed, `{"requests":[{"content":{"parts":[{"text":"hi"}],"mood":"good"},"taskType":"SEMANTIC_SIMILARITY"}]}`, "requests[0].content.mood"},
	} {
		out, lost := home(t, c.op, c.body)
		if want := `extra lost at "` + c.path + `"`; len(lost) != 1 || !strings.Contains(lossLines(lost), want) {
			t.Errorf("%s: %q is not what is declared: %s", out, want, lossLines(lost))
		}
	}
}

// What a function answered goes home as it was, though other dialects are told its text alone.
func TestResponsesGoHome(t *testing.T) {
	for _, response := range []string{`{"output":"{\"a\":1}"}`, `{"output":" {}"}`, `{"error":"{}"}`, `{"output":["a","b"]}`, `{"output":"a"}`, `{"a":1}`, `{}`, `{"output":[1]}`, `{"output":"a","error":"b"}`} {
		body := `{"contents":[{"role":"model","parts":[{"functionCall":{"name":"f","args":{}}}]},{"role":"user","parts":[{"functionResponse":{"name":"f","response":` + response + `}}]}]}`
		out, lost := home(t, canon.OpGenerate, body)
		if got := gjson.Get(out, "contents.1.parts.0.functionResponse.response").Raw; got != response || strings.Contains(lossLines(lost), "tool_result") {
			t.Errorf("%s became %s, %s", response, got, lossLines(lost))
		}
	}
}

// A mode that is new goes home, with the names that it limits, and is told as lost elsewhere.
func TestNewMode(t *testing.T) {
	const body = `{"contents":[{"parts":[{"text":"hi"}]}],"tools":[{"functionDeclarations":[{"name":"f"}]}],"toolConfig":{"functionCallingConfig":{"mode":"NEW_IN_2027","allowedFunctionNames":["f"]}}}`
	if out, lost := home(t, canon.OpGenerate, body); len(lost) > 0 || gjson.Get(out, "toolConfig.functionCallingConfig").Raw != `{"allowedFunctionNames":["f"],"mode":"NEW_IN_2027"}` {
		t.Errorf("%s, %s", out, lossLines(lost))
	}
}

// Parts that nobody knows are embedded at home as they came, and refused with their place where they are another vendor's.
func TestForeignPartsOfEmbeddings(t *testing.T) {
	for op, c := range map[canon.Op]struct{ body, at, want string }{
		canon.OpEmbed:      {`{"content":{"parts":[{"text":"a"},{"hologram":{"x":1}}]}}`, "content.parts[1]", `{"content":{"parts":[{"text":"a"},{"hologram":{"x":1}}]}}`},
		canon.OpBatchEmbed: {`{"requests":[{"content":{"parts":[{"text":"a"},{"hologram":{"x":1}}]}}]}`, "requests[0].content.parts[1]", `{"requests":[{"model":"models/m","content":{"parts":[{"text":"a"},{"hologram":{"x":1}}]}}]}`},
	} {
		req, err := gemini.New().ReadRequest(op, []byte(c.body))
		if err != nil {
			t.Fatal(err)
		}
		to := dialect.Target{Op: op, Model: "m"}
		if out, lost, cerr := gemini.New().WriteRequest(req, to); cerr != nil || len(lost) > 0 || string(out) != c.want {
			t.Errorf("%s at home: %s, %v, %v", op, out, lost, cerr)
		}
		f, ok := req.Turns[0].Blocks[1].(canon.Foreign)
		if !ok {
			t.Fatalf("%#v", req.Turns[0].Blocks[1])
		}
		f.Dialect, req.Origin = canon.OpenAIChat, canon.OpenAIChat
		req.Turns[0].Blocks[1] = f
		if out, _, cerr := gemini.New().WriteRequest(req, to); cerr == nil || cerr.Kind != canon.KindInvalid || cerr.Param != c.at {
			t.Errorf("%s of another vendor's: %s, %v", op, out, cerr)
		}
	}
}

// What adds to a part stands with a part of its own text, whatever the text before ended with.
func TestNotesOfEmbeddings(t *testing.T) {
	const body = `{"requests":[{"content":{"parts":[{"text":"a"}]}},{"content":{"parts":[{"videoMetadata":{"fps":5}},{"text":"b"}]}}]}`
	const want = `{"requests":[{"model":"models/m","content":{"parts":[{"text":"a"}]}},{"model":"models/m","content":{"parts":[{"videoMetadata":{"fps":5}},{"text":"b"}]}}]}`
	req, err := gemini.New().ReadRequest(canon.OpBatchEmbed, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	if out, lost, cerr := gemini.New().WriteRequest(req, dialect.Target{Op: canon.OpBatchEmbed, Model: "m"}); cerr != nil || len(lost) > 0 || string(out) != want {
		t.Errorf("%s, %v, %v", out, lost, cerr)
	}
}

// Calls and what they gave have no vector: they are refused, not left out.
func TestCallsAreNotEmbedded(t *testing.T) {
	for _, part := range []string{`{"functionCall":{"name":"f","args":{}}}`, `{"functionResponse":{"name":"f","response":{"output":"x"}}}`} {
		req, err := gemini.New().ReadRequest(canon.OpEmbed, []byte(`{"content":{"parts":[{"text":"a"},`+part+`]}}`))
		if err != nil {
			t.Fatal(err)
		}
		out, _, cerr := gemini.New().WriteRequest(req, dialect.Target{Op: canon.OpEmbed, Model: "m"})
		if cerr == nil || cerr.Kind != canon.KindInvalid || cerr.Param != "content.parts[1]" {
			t.Errorf("%s: %s, %v", part, out, cerr)
		}
	}
}

// Signatures that another vendor's model may have made are found in either spelling, where parts stand alone.
func TestMixedSpellings(t *testing.T) {
	mark := base64.StdEncoding.EncodeToString([]byte("tollgate-seal-1.anthropic.c2ln"))
	for body, want := range map[string]bool{
		`{"contents":[{"parts":[{"text":"a","thoughtSignature":"` + mark + `"}]}]}`:                                      true,
		`{"contents":[{"parts":[{"text":"a","thought_signature":"` + mark + `"}]}]}`:                                     true,
		`{"generateContentRequest":{"contents":[{"parts":[{"text":"a","thoughtSignature":"` + mark + `"}]}]}}`:           true,
		`{"generate_content_request":{"contents":[{"parts":[{"text":"a","thought_signature":"` + mark + `"}]}]}}`:        true,
		`{"contents":[{"parts":[{"text":"a","thoughtSignature":"c2ln"}]}]}`:                                              false,
		`{"contents":[{"parts":[{"text":"` + mark + `"}]}]}`:                                                             false,
		`{"contents":[{"parts":[{"functionCall":{"name":"f","args":{"thought_signature":"` + mark + `"}},"text":""}]}]}`: false,
	} {
		obj, err := jsonedit.Scan([]byte(body), 64)
		if err != nil {
			t.Fatal(err)
		}
		if got := gemini.New().Mixed(obj); got != want {
			t.Errorf("%s: mixed %v", body, got)
		}
	}
}
