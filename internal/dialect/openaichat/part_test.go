package openaichat_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/anthropic"
	"tollgate/internal/dialect/openaichat"
)

// Documents as Anthropic writes them keep their name in a chat.
func TestDocumentsOfAnthropic(t *testing.T) {
	req, err := openaichat.New().ReadRequest(canon.OpGenerate, []byte(`{"model":"m","messages":[{"role":"user","content":[
		{"type":"document","title":"Paper","source":{"type":"base64","media_type":"application/pdf","data":"JVBERi0="}}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []canon.Block{canon.Media{Kind: canon.MediaFile, Name: "Paper", MIME: "application/pdf", Data: "JVBERi0="}}
	if diff := cmp.Diff(want, req.Turns[0].Blocks); diff != "" {
		t.Error(diff)
	}
}

// OpenRouter's object goes home as it came where it says not to think.
func TestThinkingOffByOpenRouter(t *testing.T) {
	const off = `"reasoning":{"enabled":false,"exclude":true}`
	req, err := openaichat.New().ReadRequest(canon.OpGenerate, []byte(`{"model":"m","messages":[{"role":"user","content":"x"}],`+off+`}`))
	if err != nil || req.Reasoning == nil || !req.Reasoning.Disabled {
		t.Fatalf("%+v, %v", req, err)
	}
	req.Origin = canon.OpenAIChat
	raw, lost, refused := openaichat.New().WriteRequest(req, dialect.Target{Op: canon.OpGenerate, Model: "m"})
	if refused != nil || len(lost) > 0 || !strings.Contains(string(raw), off) {
		t.Errorf("%s, %v, %v", raw, lost, refused)
	}
}

// Sources that an earlier answer named go home with it, and are told as lost elsewhere.
func TestAnnotationsOfEarlierAnswers(t *testing.T) {
	const list = `"annotations":[{"type":"url_citation","url_citation":{"url":"https://a.test","title":"A","start_index":0,"end_index":1}}]`
	req, err := openaichat.New().ReadRequest(canon.OpGenerate, []byte(`{"model":"m","messages":[{"role":"user","content":"x"},{"role":"assistant","content":"y",`+list+`},{"role":"user","content":"z"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Origin = canon.OpenAIChat
	to := dialect.Target{Op: canon.OpGenerate, Model: "m"}
	if raw, lost, err := openaichat.New().WriteRequest(req, to); err != nil || len(lost) > 0 || !strings.Contains(string(raw), list) {
		t.Errorf("at home: %s, %v, %v", raw, lost, err)
	}
	_, lost, refused := anthropic.New().WriteRequest(req, to)
	if refused != nil || !slices.ContainsFunc(lost, func(l canon.Loss) bool { return l.Path == "messages[1].annotations" && l.Kind == canon.Lost }) {
		t.Errorf("elsewhere: %v, %v", lost, refused)
	}
}

// Probabilities of a completion may be null, as that of a prompt's first token is, or be missing.
func TestProbabilitiesWithHoles(t *testing.T) {
	r := openaichat.New().NewReader(dialect.Head{Op: canon.OpComplete, Choices: 1})
	events, err := r.Read("", []byte(`{"id":"c","model":"m","choices":[{"index":0,"text":"abc","logprobs":{"tokens":["a","b","c"],"token_logprobs":[null,-0.5],"top_logprobs":[null,{"b":-0.5}],"text_offset":[0,1,2]},"finish_reason":"stop"}]}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := canon.TokenProbs{Tokens: []canon.TokenProb{{Token: "a"}, {Token: "b", LogProb: -0.5, Top: []canon.TokenProb{{Token: "b", LogProb: -0.5}}}, {Token: "c"}}}
	for _, e := range events {
		if got, ok := e.(canon.TokenProbs); ok {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			return
		}
	}
	t.Errorf("%+v", events)
}

// A file that has no name gets one where it must: from another dialect, with its bytes. At home it stays as it came.
func TestFilesWithoutNames(t *testing.T) {
	for _, c := range []struct {
		origin canon.Dialect
		file   canon.Media
		want   string
	}{
		{canon.Anthropic, canon.Media{Kind: canon.MediaFile, MIME: "application/pdf", Data: "JVBERi0="}, `{"filename":"document.pdf","file_data":"data:application/pdf;base64,JVBERi0="}`},
		{canon.Anthropic, canon.Media{Kind: canon.MediaFile, MIME: "application/x-odd", Data: "JVBERi0="}, `{"filename":"document","file_data":"data:application/x-odd;base64,JVBERi0="}`},
		{canon.Anthropic, canon.Media{Kind: canon.MediaFile, MIME: "application/pdf", Name: "a.pdf", Data: "JVBERi0="}, `{"filename":"a.pdf","file_data":"data:application/pdf;base64,JVBERi0="}`},
		{canon.OpenAIChat, canon.Media{Kind: canon.MediaFile, MIME: "application/pdf", Data: "JVBERi0="}, `{"file_data":"data:application/pdf;base64,JVBERi0="}`},
		{canon.OpenAIChat, canon.Media{Kind: canon.MediaFile, URL: "https://x.test/a.pdf"}, `{"file_data":"https://x.test/a.pdf"}`},
	} {
		req := &canon.Request{Origin: c.origin, Turns: []canon.Turn{{Role: canon.RoleUser, At: "messages[0]"}}}
		req.Turns[0].Add("messages[0].content[0]", canon.Text{Text: "hi"})
		req.Turns[0].Add("messages[0].content[1]", c.file)
		out, _, cerr := openaichat.New().WriteRequest(req, dialect.Target{Op: canon.OpGenerate, Model: "m"})
		if cerr != nil {
			t.Fatal(cerr)
		}
		if got := gjson.GetBytes(out, "messages.0.content.1.file").Raw; got != c.want {
			t.Errorf("%+v of %s: %s, want %s", c.file, c.origin, got, c.want)
		}
	}
}
