package dialect

import (
	"slices"
	"time"

	"tollgate/internal/canon"
	"tollgate/internal/jsonedit"
)

// Translator is what a dialect needs to stand on one side of a translated call: the other halves of
// Serving (NewWriter) and Calling (WriteRequest, WantsBytes).
type Translator interface {
	// NewWriter returns a writer of one answer in this dialect, for a call that another dialect answers.
	NewWriter(a Answer) Writer

	// WriteRequest writes req as a request of this dialect. req may come from any dialect, this one
	// included; it has been paired (canon.Pair) and is not changed. What can't be carried as it was is
	// among the losses, in order; what the upstream can't do at all and the caller can't do without is
	// an error in the caller's words.
	WriteRequest(req *canon.Request, to Target) (raw []byte, lost []canon.Loss, err *canon.Error)

	// WantsBytes reports whether this dialect can carry m only with its bytes (m.Data), though it is
	// given by URL.
	WantsBytes(m canon.Media) bool

	// Field returns how a client of this dialect writes the top-level feature what, e.g.
	// generationConfig.topK; "" if it has no such thing. What a request called otherwise is in its Names.
	Field(what canon.What) string
}

// Refuser is a Translator whose clients can ask for what no other dialect has in any form: several
// prompts in one call, or text that is tokens already.
type Refuser interface {
	// Refuse returns why req, which ReadRequest has read for op, can't be answered in another dialect or by
	// another operation; nil if it can.
	Refuse(op canon.Op, req *canon.Request) *canon.Error
}

// Mixer is a Translator whose clients send back what models of other dialects sealed, which the gateway has marked, and
// whose upstreams refuse that.
type Mixer interface {
	Translator

	// Mixed reports whether a request of this dialect may hold such seals, so that it must be written anew without
	// them even for an upstream of this dialect.
	Mixed(body *jsonedit.Object) bool
}

// Unsealer is a Translator whose Edits take such seals out of a request, and so need not write it anew.
type Unsealer interface {
	Translator

	// Unsealed returns what of body its Edits leave out.
	Unsealed(body *jsonedit.Object) []canon.Loss
}

// Keeper is a Translator whose upstreams read URLs with the rights of their own account: of such files, it must be
// known whose they are.
type Keeper interface {
	// Kept returns the id of the file that the URL of m names, if only the account that keeps it can read it; ""
	// if anybody can.
	Kept(m canon.Media) string
}

// Target says for what a request is written.
type Target struct {
	Op     canon.Op // at the upstream
	Model  string   // the upstream's name of the model
	Stream bool

	MaxOutput int64    // tokens that the model can write; 0: unknown
	Thinking  Thinking // how the model is asked to think; "": the newest way of the dialect

	// Knows lists what this upstream takes beyond what all that speak the dialect do (top_k, cache_point …).
	Knows []canon.What
}

// Takes reports whether the upstream is known to take what.
func (t Target) Takes(what canon.What) bool { return slices.Contains(t.Knows, what) }

// Thinking says how a model is asked to think. It is a fact of the model, not of the dialect.
type Thinking string

// The ways.
const (
	ThinkingUnknown  Thinking = ""
	ThinkingNone     Thinking = "none"     // it can't
	ThinkingEffort   Thinking = "effort"   // by a level (reasoning_effort, thinkingLevel)
	ThinkingBudget   Thinking = "budget"   // by a number of tokens (thinking.budget_tokens, thinkingBudget)
	ThinkingAdaptive Thinking = "adaptive" // it decides itself, guided by a level (thinking adaptive + effort)
)

// Answer says for what an answer is written.
type Answer struct {
	Head    Head
	Request *canon.Request // what the client asked, as ReadRequest read it
	ID      string         // of the call, a UUID: ids of the answer derive from it
	Model   string         // as the client named it
	Origin  canon.Dialect  // that the answer is read from
	Created time.Time

	// Continues is the id of the answer kept here that the call goes on from; "" if none. Request is whole
	// then, and does not name it.
	Continues string

	// About is roughly how many tokens the request has, for a dialect that tells a stream's input before the
	// upstream does; 0 if it is not told.
	About int64
}

// Writer writes one answer. It is used by one goroutine and keeps no slice that it is given.
type Writer interface {
	// ContentType is the value of the answer's Content-Type header.
	ContentType() []string

	// Write appends what the client gets for e, framing included. Of an answer that is not streamed
	// nothing is appended before Close. Every frame leaves as soon as its event is there.
	Write(dst []byte, e canon.Event) []byte

	// Close appends what ends a whole answer; for one that is not streamed, its body.
	Close(dst []byte) []byte

	// Fail appends what ends a broken stream, so that it can't be taken for whole.
	Fail(dst []byte, e *canon.Error) []byte

	// Losses returns what of the answer could not be carried so far, in order, each feature once.
	Losses() []canon.Loss
}
