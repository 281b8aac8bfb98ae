// Package dialect says what it takes to speak a wire protocol.
//
// It owns the two halves of every protocol as interfaces: Serving, the side shown to clients, and
// Calling, the side shown to upstreams; and what both sides share (endpoints, heads, readers). It
// leaves the protocols themselves to its sub-packages, transport and retries to relay, vendors to
// provider. A dialect holds no state: one value serves every call.
package dialect

import (
	"net/http"
	"time"

	"tollgate/internal/canon"
	"tollgate/internal/jsonedit"
)

// Protocol is both halves of one dialect.
type Protocol interface {
	Serving
	Calling
}

// Serving is the side that a dialect shows to clients.
type Serving interface {
	Dialect() canon.Dialect

	// Endpoints lists what a client may call, for the server's mux.
	Endpoints() []Endpoint

	// Head reads what the gateway decides by. body is nil when the endpoint takes none. A head that
	// another parser could read differently (a model that is no string, a case variant of a name we
	// act on) is an error, never a guess.
	Head(ep Endpoint, r *http.Request, body *jsonedit.Object) (Head, *canon.Error)

	// ReadRequest reads a whole request, for counting tokens and for translation. raw has passed
	// jsonedit.Scan. What canon has no word for is kept as Foreign blocks and Extra fields.
	ReadRequest(op canon.Op, raw []byte) (*canon.Request, error)

	// WriteError writes e as the whole answer: status, headers (Retry-After) and body.
	WriteError(w http.ResponseWriter, e *canon.Error)

	// AppendStreamError appends the event that ends a broken stream. After it nothing is written;
	// in particular no normal end.
	AppendStreamError(dst []byte, head Head, e *canon.Error) []byte

	// WriteModels writes the list of models, WriteModel one of them, in the dialect's own shape.
	WriteModels(w http.ResponseWriter, r *http.Request, models []Model)
	WriteModel(w http.ResponseWriter, m Model)
}

// Calling is the side that a dialect shows to upstreams.
type Calling interface {
	Dialect() canon.Dialect

	// Edits returns the changes that turn a client's request of the same dialect into the one sent
	// upstream: the mapped model name, and what metering needs (stream_options.include_usage). All
	// other bytes stay as they are.
	Edits(head Head, body *jsonedit.Object, upstreamModel string) ([]jsonedit.Edit, error)

	// NewReader returns a reader for one answer to head.
	NewReader(head Head) Reader

	// ReadError reads an upstream's error answer (status 400 and above). It always returns an error
	// whose Kind says who is at fault: KindAuth, KindDenied and KindQuota speak of our key there.
	ReadError(status int, h http.Header, body []byte) *canon.Error

	// Spent reads from the headers of an answer that went well for how long our key has nothing left
	// there, by the provider's own limits; 0 if it has, or they do not say.
	Spent(h http.Header) time.Duration

	// RequestHeaders lists the client headers, in canonical form, that are part of the protocol and
	// travel upstream (versions, betas). Credentials, hosts and billing tags are never among them.
	RequestHeaders() []string
}

// Reader reads one answer, a frame at a time. It keeps what it needs between frames and is used by
// one goroutine. Events that it returns own their memory.
type Reader interface {
	// Read reads one frame and appends the events that it means to out. For a stream, event and
	// data are the SSE fields; otherwise data is the whole body. An error means that the bytes
	// cannot be an answer of this dialect; it is reported upstream's fault.
	Read(event string, data []byte, out []canon.Event) ([]canon.Event, error)

	// Hidden reports whether the frame just read exists only because metering asked for it, so that
	// it must not reach the client.
	Hidden() bool

	// Complete reports whether what was read so far is a whole answer, so that the end of the bytes
	// is its end. Where the dialect has a terminal mark that clients wait for, it must have come.
	Complete() bool
}

// Skimmer is a Reader that knows the frames which go by most without reading them: where nothing but
// the bytes that the client gets and their meter matter, that is most of the cost of a stream.
type Skimmer interface {
	Reader
	// Skim returns the text of a frame that means one more delta of text, as the frame before it did,
	// and nothing else. The frame then counts as read. The text is part of data.
	Skim(data []byte) (text []byte, ok bool)
}

// Endpoint is one thing that a client may call.
type Endpoint struct {
	Method  string
	Path    string // ServeMux pattern without the method
	Op      canon.Op
	Dialect canon.Dialect
}

// Head is what the gateway decides by, read from a request without decoding all of it.
type Head struct {
	Op           canon.Op
	Model        string // as the client wrote it, without "models/"; "" where the dialect has a default or the op has none
	Stream       bool
	Framing      Framing
	MaxOutput    int64  // output tokens the client allows; 0: not said
	Choices      int    // answers asked for, at least 1
	StoredID     string // id of a stored object in the path
	PreviousID   string // previous_response_id: only the channel that owns it can continue
	Refs         []Ref  // further objects that the request uses and that an upstream account keeps: files, conversations, containers, caches
	Also         []Ref  // models that the request names beside Model: fallbacks, models of tools
	Stored       bool   // the answer may be kept by the upstream under an id (Responses with store)
	Background   bool   // Responses with background: true
	IncludeUsage bool   // Chat Completions: the client itself asked for the usage chunk
	TextBytes    int64  // bytes of text in the request, for a quick estimate of its tokens
	ImageSize    string // of images that are asked for, as the client wrote it: "1024x1536", "4K"; "": not said
	ImageQuality string // of them: "high"
	MediaParts   int    // inline media parts, each estimated at a flat count of tokens
	Passing      bool   // the answer reaches the client as it comes: that its pieces make no whole is the client's to see
}

// Ref is something that a request names: where it stands, and its id or name.
type Ref struct {
	Path string // in the client's own words, e.g. messages[0].content[1].source.file_id
	ID   string
}

// Framing says how a streamed answer is framed to the client.
type Framing string

// The framings.
const (
	FramingNone      Framing = ""           // not streamed
	FramingSSE       Framing = "sse"        // server-sent events
	FramingJSONArray Framing = "json_array" // Gemini without alt=sse: one JSON array, written piece by piece
)

// Model is what a model list says of a model.
type Model struct {
	Name          string
	Title         string
	Owner         string
	CreatedUnix   int64      // seconds; when the catalogue first knew it
	ContextTokens int64      // 0: unknown
	OutputTokens  int64      // 0: unknown
	Ops           []canon.Op // what it can be asked for; empty: generate
}
