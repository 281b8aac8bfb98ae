// Package anthropic speaks the Messages API of Anthropic.
//
// It owns the wire format of messages, count_tokens and the model list, on both sides: what a client
// sends and sees, what an upstream answers and how it fails. It leaves transport, retries and the
// choice of a channel to relay, keys and base URLs to provider.
//
// How canon is used, where there was a choice:
//
//   - A redacted_thinking block is a Reasoning without text whose Seal is "redacted_thinking:" and its
//     data. Signatures are base64, which has no colon, so the two cannot be mistaken for each other.
//   - Members of a block that canon has no word for (citations, caller, context …) follow the block as
//     a Foreign that is an object without a type. At home they are merged back into it.
//   - What canon has no word for at a message itself follows its blocks as a Foreign without a type, too,
//     but with a role, which no block has.
//   - Extra fields carry the path of what they hold: "thinking.block_binding" is that member of thinking.
//   - cache_control is a CachePoint after its block or at its tool; at the top of a request it stands in
//     Request.Extra.
//   - The calls of Anthropic's own tools and their results are HostedUse in an answer, but Foreign in an
//     earlier turn: no other vendor takes them back.
//
// What comes from other dialects and what goes to them:
//
//   - A seal of another vendor's is wrapped in the signature of a thinking block; a thought that nobody
//     signed gets a signature that names its origin, so that it comes home too.
//   - Searches and code that another vendor ran are shown to clients as Anthropic's own would be, with ids
//     and citations that are marked. Sent back, they are nobody's: Anthropic would refuse them.
//   - A request that goes home is written as the client said it. What the API then refuses is the client's
//     to hear; for all others the API's rules are kept here, and what that costs is declared.
//
// Source of all wire facts unless another is named: https://platform.claude.com/docs/en/api/messages
// and the types of github.com/anthropics/anthropic-sdk-go v1.84.0 (2026-10-20), read 2026-11-20.
package anthropic

import (
	"net/http"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/jsonedit"
)

// Protocol is the Anthropic dialect. It holds no state.
type Protocol struct{}

var _ dialect.Protocol = (*Protocol)(nil)

// New returns the dialect.
func New() *Protocol { return &Protocol{} }

// Dialect returns canon.Anthropic.
func (*Protocol) Dialect() canon.Dialect { return canon.Anthropic }

// Endpoints lists the Messages API. The two model paths are OpenAI's too; the server tells the callers
// apart by the anthropic-version header, which Anthropic requires and its SDKs always send.
func (*Protocol) Endpoints() []dialect.Endpoint {
	return []dialect.Endpoint{
		{Method: http.MethodPost, Path: "/v1/messages", Op: canon.OpGenerate, Dialect: canon.Anthropic},
		{Method: http.MethodPost, Path: "/v1/messages/count_tokens", Op: canon.OpCountTokens, Dialect: canon.Anthropic},
		{Method: http.MethodGet, Path: "/v1/models", Op: canon.OpListModels, Dialect: canon.Anthropic},
		{Method: http.MethodGet, Path: "/v1/models/{model...}", Op: canon.OpGetModel, Dialect: canon.Anthropic},
	}
}

// RequestHeaders lists the version and the betas: without them an upstream reads another protocol.
// Not among them are anthropic-workspace-id and anthropic-user-profile-id, which choose on whose
// behalf a credential acts, and ours acts for nobody but us.
func (*Protocol) RequestHeaders() []string { return []string{"Anthropic-Version", "Anthropic-Beta"} }

// Head reads model, stream and max_tokens.
func (*Protocol) Head(ep dialect.Endpoint, r *http.Request, body *jsonedit.Object) (dialect.Head, *canon.Error) {
	head := dialect.Head{Op: ep.Op, Choices: 1}
	if ep.Op == canon.OpListModels || ep.Op == canon.OpGetModel {
		head.Model = r.PathValue("model")
		return head, nil
	}
	if body == nil {
		return head, canon.Errorf(canon.KindInvalid, "a JSON object is needed as the body")
	}
	for _, name := range [...]string{"model", "stream", "max_tokens"} {
		if m, ok := body.Variant(name); ok {
			return head, invalid(m.Name, "is not a field; it must be written %q", name)
		}
	}
	var err error
	var ok bool
	if head.Model, ok, err = body.String("model"); err != nil {
		return head, invalid("model", "must be a string")
	}
	if !ok || head.Model == "" {
		return head, invalid("model", "is needed: the name of a model, as in \"claude-sonnet-5\"")
	}
	if head.MaxOutput, _, err = body.Int("max_tokens"); err != nil || head.MaxOutput < 0 {
		return head, invalid("max_tokens", "must be an integer of at least 0")
	}
	stream, _, err := body.Bool("stream")
	if err != nil {
		return head, invalid("stream", "must be true or false")
	}
	if stream && ep.Op == canon.OpGenerate {
		head.Stream, head.Framing = true, dialect.FramingSSE
	}
	stats := body.Stats()
	head.TextBytes, head.MediaParts = stats.TextBytes, stats.MediaParts
	return head, guard(&head, body)
}

// Edits changes the model name and nothing else: usage needs no asking for.
func (*Protocol) Edits(head dialect.Head, body *jsonedit.Object, upstreamModel string) ([]jsonedit.Edit, error) {
	if body == nil || upstreamModel == head.Model {
		return nil, nil
	}
	return []jsonedit.Edit{body.Set("model", jsonedit.Quote(upstreamModel))}, nil
}

func invalid(param, format string, args ...any) *canon.Error {
	e := canon.Errorf(canon.KindInvalid, format, args...)
	e.Param = param
	e.Message = param + " " + e.Message
	return e
}
