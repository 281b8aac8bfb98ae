// Package openairesponses speaks OpenAI's Responses dialect.
//
// It owns creating responses and the operations on stored ones: what of a request the gateway decides
// by, whole requests as canon, answers as events, errors. What it shares with Chat Completions is in
// package openai. Which upstream keeps a stored response is known to package pool, not here.
package openairesponses

import (
	"net/http"
	"strings"
	"time"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/jsonfield"
	"tollgate/internal/dialect/openai"
	"tollgate/internal/jsonedit"
)

// maxOutput bounds max_output_tokens against nonsense.
const maxOutput = 1 << 31

// Protocol speaks the dialect. It holds nothing.
type Protocol struct{}

var (
	_ dialect.Protocol = (*Protocol)(nil)
	_ dialect.Unsealer = (*Protocol)(nil)
)

// New returns the dialect.
func New() *Protocol { return &Protocol{} }

// Dialect returns canon.OpenAIResponses.
func (*Protocol) Dialect() canon.Dialect { return canon.OpenAIResponses }

// Endpoints lists what a client may call.
func (*Protocol) Endpoints() []dialect.Endpoint {
	const d = canon.OpenAIResponses
	return []dialect.Endpoint{
		{Method: http.MethodPost, Path: "/v1/responses", Op: canon.OpGenerate, Dialect: d},
		{Method: http.MethodPost, Path: "/v1/responses/input_tokens", Op: canon.OpCountTokens, Dialect: d},
		{Method: http.MethodGet, Path: "/v1/responses/{id}", Op: canon.OpStoredGet, Dialect: d},
		{Method: http.MethodDelete, Path: "/v1/responses/{id}", Op: canon.OpStoredDelete, Dialect: d},
		{Method: http.MethodPost, Path: "/v1/responses/{id}/cancel", Op: canon.OpStoredCancel, Dialect: d},
		{Method: http.MethodGet, Path: "/v1/responses/{id}/input_items", Op: canon.OpStoredItems, Dialect: d},
	}
}

// Head reads what the gateway decides by.
func (*Protocol) Head(ep dialect.Endpoint, r *http.Request, body *jsonedit.Object) (dialect.Head, *canon.Error) {
	head := dialect.Head{Op: ep.Op, Choices: 1}
	if ep.Op != canon.OpGenerate && ep.Op != canon.OpCountTokens {
		return stored(head, r)
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
		return head, openai.MissingModel()
	}
	if head.Op == canon.OpGenerate {
		if e = generating(&head, body); e != nil {
			return head, e
		}
	}
	if head.PreviousID, _, e = openai.String(body, "previous_response_id"); e != nil {
		return head, e
	}
	if head.PreviousID != "" && !validID(head.PreviousID) {
		return head, openai.Invalid("previous_response_id", "Invalid value for 'previous_response_id': not the id of a response.")
	}
	return head, guard(&head, body)
}

// generating reads what only a request for an answer says; one for a count of tokens is never streamed nor kept.
func generating(head *dialect.Head, body *jsonedit.Object) (e *canon.Error) {
	if head.Stream, _, e = openai.Bool(body, "stream"); e != nil {
		return e
	}
	if head.Stream {
		head.Framing = dialect.FramingSSE
	}
	if head.MaxOutput, _, e = openai.Int(body, "max_output_tokens", 0, maxOutput); e != nil {
		return e
	}
	store, said, e := openai.Bool(body, "store")
	if e != nil {
		return e
	}
	head.Stored = store || !said // an upstream keeps a response unless it is told not to
	if head.Background, _, e = openai.Bool(body, "background"); e != nil {
		return e
	}
	return images(head, body)
}

// stored reads the head of an operation on a stored response.
func stored(head dialect.Head, r *http.Request) (dialect.Head, *canon.Error) {
	head.StoredID = r.PathValue("id")
	if !validID(head.StoredID) {
		return head, openai.Invalid("response_id", "Invalid value for 'response_id': not the id of a response.")
	}
	if head.Op != canon.OpStoredGet {
		return head, nil
	}
	switch v := r.URL.Query()["stream"]; {
	case len(v) == 0, len(v) == 1 && v[0] == "false":
	case len(v) == 1 && v[0] == "true":
		head.Stream, head.Framing = true, dialect.FramingSSE
	default:
		return head, openai.Invalid("stream", "Invalid value for 'stream': expected one 'true' or 'false'.")
	}
	return head, nil
}

// validID reports whether an id may become part of an upstream path.
func validID(id string) bool {
	if id == "" || len(id) > 512 || strings.Trim(id, ".") == "" {
		return false
	}
	for i := range len(id) {
		c := id[i]
		switch {
		case '0' <= c && c <= '9', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
		case c == '_', c == '-', c == '.', c == '=', c == ':', c == '~':
		default:
			return false
		}
	}
	return true
}

// Edits names the upstream's model, and takes out of the input what a model of another vendor has thought:
// its seal is ours, and OpenAI refuses what it can't open. Usage comes without asking in this dialect.
func (*Protocol) Edits(_ dialect.Head, body *jsonedit.Object, upstreamModel string) ([]jsonedit.Edit, error) {
	if body == nil {
		return nil, nil
	}
	written, ok, err := body.String("model")
	if err != nil || !ok { // a cancel has a body at most by accident
		return nil, err
	}
	var edits []jsonedit.Edit
	if written != upstreamModel {
		edits = append(edits, body.Set("model", jsonedit.Quote(upstreamModel)))
	}
	if input := mixedInput(body); input != nil {
		left, _ := withoutForeignSeals(input)
		edits = append(edits, body.Set("input", left))
	}
	return edits, nil
}

// mixedInput returns the input of a request if others' seals may be in it.
func mixedInput(body *jsonedit.Object) []byte {
	m, ok := body.Find("input")
	if !ok || !body.MayName(3, "encrypted_content") || !canon.MayHoldWrapped(body.Value(m)) {
		return nil
	}
	return body.Value(m)
}

// Unsealed returns what Edits takes out.
func (*Protocol) Unsealed(body *jsonedit.Object) []canon.Loss {
	input := mixedInput(body)
	if input == nil {
		return nil
	}
	_, gone := withoutForeignSeals(input)
	return unsealed(gone)
}

// unsealed declares the items that others sealed.
func unsealed(gone []int) []canon.Loss {
	var lost []canon.Loss
	for _, i := range gone {
		at := "input" + jsonfield.Index(i)
		lost = append(lost, canon.LostAt(canon.WhatReasoningSeal, at, "it was sealed by another vendor"),
			canon.LostAt(canon.WhatReasoningText, at, "the Responses API takes thoughts back with their own seal alone"))
	}
	return lost
}

// withoutForeignSeals returns input without the reasoning that another dialect's upstream has sealed, and which
// items these were.
func withoutForeignSeals(input []byte) (left []byte, gone []int) {
	items, e := inputItems(string(input))
	if e != nil {
		return input, nil // the upstream says what is wrong with it
	}
	b := []byte{'['}
	for i, item := range items {
		if seal := memberOf(string(item), "encrypted_content"); seal != "" && seal[0] == '"' {
			if origin, _ := canon.UnwrapSeal(canon.OpenAIResponses, unquoted(seal)); origin != canon.OpenAIResponses {
				gone = append(gone, i)
				continue
			}
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(b, item...)
	}
	return append(b, ']'), gone
}

// WriteError writes e as the whole answer.
func (*Protocol) WriteError(w http.ResponseWriter, e *canon.Error) { openai.WriteError(w, e) }

// errorEvent says that a stream is broken. The reference documents code, message and param beside
// type; what OpenAI sends, and what its SDKs look for before they raise, is an error object. So both
// are there. Recorded 2025-11-18: vercel/ai, packages/openai/src/responses/__fixtures__/openai-error.1.chunks.txt.
type errorEvent struct {
	Type     string           `json:"type"`
	Sequence int64            `json:"sequence_number"`
	Code     *string          `json:"code"`
	Message  string           `json:"message"`
	Param    *string          `json:"param"`
	Error    openai.ErrorBody `json:"error"`
}

// failedEvent follows it, as in that recording. Codex looks at nothing else: without it, a stream that
// we broke off for a reason is one that fell silent.
// https://github.com/openai/codex, codex-rs/codex-api/src/sse/responses.rs, read 2026-11-20.
type failedEvent struct {
	Type     string         `json:"type"`
	Sequence int64          `json:"sequence_number"`
	Response failedResponse `json:"response"`
}

type failedResponse struct {
	ID         string        `json:"id"`
	Object     string        `json:"object"`
	Status     string        `json:"status"`
	Error      responseError `json:"error"`
	Incomplete *struct{}     `json:"incomplete_details"`
	Output     []struct{}    `json:"output"`
	Usage      *struct{}     `json:"usage"`
}

type responseError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// failedCode is the code within a response that failed. Its words are a list there, in which what is wrong on
// the way to an answer is one: https://platform.openai.com/docs/api-reference/responses/object (error.code), read 2026-11-21.
func failedCode(e *canon.Error, b openai.ErrorBody) string {
	if b.Code == nil || e.Code == "" && (e.Kind == canon.KindUpstream || e.Kind == canon.KindTimeout) {
		return "server_error"
	}
	return *b.Code
}

// AppendStreamError appends e as the two events with which OpenAI itself breaks off, numbered from 0.
func (*Protocol) AppendStreamError(dst []byte, head dialect.Head, e *canon.Error) []byte {
	return appendStreamError(dst, head.StoredID, 0, e)
}

// appendStreamError appends e as two events, numbered from seq. The id is what the client knows the
// response by, empty if it was told none.
func appendStreamError(dst []byte, id string, seq int64, e *canon.Error) []byte {
	b := openai.Body(e)
	dst = append(dst, "event: error\n"...)
	dst = openai.AppendData(dst, errorEvent{Type: "error", Sequence: seq, Code: b.Code, Message: b.Message, Param: b.Param, Error: b})
	failed := failedResponse{ID: id, Object: "response", Status: "failed", Output: []struct{}{}}
	failed.Error = responseError{Code: failedCode(e, b), Message: b.Message}
	dst = append(dst, "event: response.failed\n"...)
	return openai.AppendData(dst, failedEvent{Type: "response.failed", Sequence: seq + 1, Response: failed})
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

// RequestHeaders lists the client headers that travel upstream. What does not, and why, is said at
// openaichat's.
func (*Protocol) RequestHeaders() []string { return []string{"Openai-Beta"} }
