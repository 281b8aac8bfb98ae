// Package openaichat speaks OpenAI's Chat Completions dialect and its older relatives.
//
// It owns chat completions, legacy completions, embeddings and moderations, and the list of models in
// OpenAI's shape: what of a request the gateway decides by, whole requests as canon, answers as
// events, errors. What it shares with Responses is in package openai. Vendors' own deviations in
// answers are read here, since they come unannounced; deviations in requests are facts of a provider.
package openaichat

import (
	"bytes"
	"net/http"
	"time"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/openai"
	"tollgate/internal/jsonedit"
)

// defaultModeration is the model of POST /v1/moderations without one:
// https://developers.openai.com/api/reference/resources/moderations.
const defaultModeration = "omni-moderation-latest"

// Bounds of what one request may ask for. n is bounded at 128 by OpenAI; max_tokens only against nonsense.
const (
	maxChoices = 128
	maxOutput  = 1 << 31
)

// Protocol speaks the dialect. It holds nothing.
type Protocol struct{}

var _ dialect.Protocol = (*Protocol)(nil)

// New returns the dialect.
func New() *Protocol { return &Protocol{} }

// Dialect returns canon.OpenAIChat.
func (*Protocol) Dialect() canon.Dialect { return canon.OpenAIChat }

// Endpoints lists what a client may call.
func (*Protocol) Endpoints() []dialect.Endpoint {
	const d = canon.OpenAIChat
	return []dialect.Endpoint{
		{Method: http.MethodPost, Path: "/v1/chat/completions", Op: canon.OpGenerate, Dialect: d},
		{Method: http.MethodPost, Path: "/v1/completions", Op: canon.OpComplete, Dialect: d},
		{Method: http.MethodPost, Path: "/v1/embeddings", Op: canon.OpEmbed, Dialect: d},
		{Method: http.MethodPost, Path: "/v1/moderations", Op: canon.OpModerate, Dialect: d},
		{Method: http.MethodGet, Path: "/v1/models", Op: canon.OpListModels, Dialect: d},
		{Method: http.MethodGet, Path: "/v1/models/{model...}", Op: canon.OpGetModel, Dialect: d},
	}
}

// Head reads what the gateway decides by.
func (*Protocol) Head(ep dialect.Endpoint, r *http.Request, body *jsonedit.Object) (dialect.Head, *canon.Error) {
	head := dialect.Head{Op: ep.Op, Choices: 1}
	switch ep.Op {
	case canon.OpListModels:
		return head, nil
	case canon.OpGetModel:
		head.Model = r.PathValue("model")
		if head.Model == "" {
			return head, openai.MissingModel()
		}
		return head, nil
	default: // the rest has a body
	}
	if body == nil {
		return head, canon.Errorf(canon.KindInvalid, "The request needs a JSON object as its body.")
	}
	if e := openai.CheckNames(body); e != nil {
		return head, e
	}
	stats := body.Stats()
	head.TextBytes, head.MediaParts = stats.TextBytes, stats.MediaParts

	var e *canon.Error
	if head.Model, e = openai.Model(body); e != nil {
		return head, e
	}
	if head.Model == "" {
		if ep.Op != canon.OpModerate {
			return head, openai.MissingModel()
		}
		head.Model = defaultModeration
	}
	if ep.Op == canon.OpGenerate || ep.Op == canon.OpComplete {
		if e = generation(&head, body); e != nil {
			return head, e
		}
	}
	return head, guard(&head, body)
}

// generation reads what only a request for generated text has.
func generation(head *dialect.Head, body *jsonedit.Object) *canon.Error {
	var e *canon.Error
	if head.Stream, _, e = openai.Bool(body, "stream"); e != nil {
		return e
	}
	if head.Stream {
		head.Framing = dialect.FramingSSE
	}
	for _, name := range [...]string{"max_tokens", "max_completion_tokens"} {
		n, _, e := openai.Int(body, name, 0, maxOutput)
		if e != nil {
			return e
		}
		head.MaxOutput = max(head.MaxOutput, n)
	}
	for _, name := range [...]string{"n", "best_of"} { // of best_of answers all are billed
		n, ok, e := openai.Int(body, name, 1, maxChoices)
		if e != nil {
			return e
		}
		if ok && (name == "n" || head.Op == canon.OpComplete) {
			head.Choices = max(head.Choices, int(n))
		}
	}
	options, ok, err := body.Object("stream_options")
	if err != nil {
		return openai.Invalid("stream_options", "Invalid type for 'stream_options': expected an object.")
	}
	if !ok {
		return nil
	}
	if e := openai.CheckName(options, "include_usage"); e != nil {
		return e
	}
	if head.IncludeUsage, _, e = openai.Bool(options, "include_usage"); e != nil {
		e.Param = "stream_options.include_usage"
	}
	return e
}

// Edits names the upstream's model, takes out what others have sealed, and asks for the usage of a stream.
func (*Protocol) Edits(head dialect.Head, body *jsonedit.Object, upstreamModel string) ([]jsonedit.Edit, error) {
	var edits []jsonedit.Edit
	written, _, err := body.String("model")
	if err != nil {
		return nil, err
	}
	if written != upstreamModel { // also where none is written: an upstream's default may be another than the one we checked
		edits = append(edits, body.Set("model", jsonedit.Quote(upstreamModel)))
	}
	if messages := mixedMessages(body); messages != "" {
		left, _ := withoutForeignSeals(messages)
		edits = append(edits, body.Set("messages", []byte(left)))
	}
	if !head.Stream || head.IncludeUsage {
		return edits, nil
	}
	options, ok, err := body.Object("stream_options")
	if err != nil {
		return nil, err
	}
	if ok {
		return append(edits, options.Set("include_usage", []byte("true"))), nil
	}
	return append(edits, body.Set("stream_options", []byte(`{"include_usage":true}`))), nil
}

// WriteError writes e as the whole answer.
func (*Protocol) WriteError(w http.ResponseWriter, e *canon.Error) { openai.WriteError(w, e) }

// AppendStreamError appends e as the last chunk. There is no [DONE] after it: OpenAI's SDKs raise the
// error when they see the member, and whoever looks for the mark sees that the answer is not whole.
func (*Protocol) AppendStreamError(dst []byte, _ dialect.Head, e *canon.Error) []byte {
	return openai.AppendData(dst, struct {
		Error openai.ErrorBody `json:"error"`
	}{openai.Body(e)})
}

// WriteModels writes the list of models.
func (*Protocol) WriteModels(w http.ResponseWriter, _ *http.Request, models []dialect.Model) {
	openai.WriteModels(w, models)
}

// WriteModel writes one model.
func (*Protocol) WriteModel(w http.ResponseWriter, m dialect.Model) { openai.WriteModel(w, m) }

// Spent reads the limits of which nothing remains.
func (*Protocol) Spent(h http.Header) time.Duration { return openai.Spent(h) }

// ReadError reads an upstream's error answer.
func (*Protocol) ReadError(status int, h http.Header, body []byte) *canon.Error {
	return openai.ReadError(status, h, body)
}

// RequestHeaders lists the client headers that travel upstream. Idempotency-Key does not: clients of
// different accounts share an upstream key here, and one must never be handed the other's answer.
// OpenAI-Organization and OpenAI-Project say who pays upstream, which is not the client's to say.
func (*Protocol) RequestHeaders() []string { return []string{"Openai-Beta"} }

// isDone reports whether data is the mark that ends a stream.
func isDone(data []byte) bool { return bytes.Equal(data, []byte("[DONE]")) }
