package canon

import "encoding/json"

// Event is one step of an answer. Streamed or not, an answer is always events in order. Exactly the
// types of this package implement it. Choice counts alternative answers (n > 1), Index the blocks of
// one answer; both start at 0.
type Event interface{ event() }

// The events.
type (
	// Start opens an answer. It is not content: a failed start can still be tried elsewhere.
	Start struct {
		ID, Model string
		Created   int64 // Unix seconds; 0: not said
	}

	// TextDelta is visible text.
	TextDelta struct {
		Choice, Index int
		Text          string
	}

	// ReasoningDelta is thinking text; Seal is a signature or ciphertext, usually at the end of a block.
	// Only the dialect that the answer was read from may get the Seal back: see WrapSeal.
	ReasoningDelta struct {
		Choice, Index int
		Text          string
		Seal          string
	}

	// RefusalDelta is a refusal in words.
	RefusalDelta struct {
		Choice, Index int
		Text          string
	}

	// ToolStart opens a tool call, ToolDelta carries a fragment of its JSON input. ID is "" where the
	// dialect has none. Of a Custom tool the input is one JSON string.
	ToolStart struct {
		Choice, Index int
		ID, Name      string
		Custom        bool
	}
	ToolDelta struct {
		Choice, Index int
		JSON          string
	}

	// MediaDelta is generated media: Size is the number of base64 bytes in this frame.
	MediaDelta struct {
		Choice, Index int
		Kind          MediaKind
		MIME          string
		Data          string
	}

	// Cited is a source of what was said in the text block Index.
	Cited struct {
		Choice, Index int
		Citation      Citation
	}

	// HostedUse is a tool that the vendor ran itself, or its result.
	HostedUse struct {
		Choice, Index int
		Kind          HostedKind
		ID, Name      string
		Open          bool   // it has only begun: the same use comes again, with the same Index, when all of it is known
		Done          bool   // the result, not the call
		Failed        bool   // with Done: it went wrong, as Output may say
		Input         string // the query, URL or code; "" where not said
		Output        string // what code printed, or what went wrong
		Sources       []Citation
		Raw           json.RawMessage // as it came
	}

	// TokenProbs are the log probabilities of the tokens just said.
	TokenProbs struct {
		Choice, Index int
		Tokens        []TokenProb
	}

	// Embedding is one vector: a JSON array of numbers, as it came.
	Embedding struct {
		Number int
		Values json.RawMessage
	}

	// Kept names an object that the upstream's account keeps of this answer, beside the answer itself, and that
	// later requests may name: a container, a file, an item. A reader takes it only from where no model and no
	// tool can write.
	Kept struct{ ID string }

	// BlockEnd closes the block Index where the dialect says so.
	BlockEnd struct{ Choice, Index int }

	// Stopped says why a choice ended.
	Stopped struct {
		Choice   int
		Why      Stop
		Raw      string // the dialect's own word
		Sequence string // the stop sequence that was met, where said
		Category string // what kind of refusal it is, in the vendor's own word, where said
		Detail   string // what the vendor says of it to people, where said
		Prompt   bool   // what was asked was stopped, before there was an answer
	}

	// Used carries the whole usage known so far; a later one replaces it. Beside names what the vendor told of it that
	// no Usage can say, which no other dialect has a place for.
	Used struct {
		Usage  Usage
		Beside []string
	}

	// Failed is an error reported inside an answer (HTTP 200, then an error).
	Failed struct{ Err *Error }

	// Other is something canon has no word for (pings, safety ratings …). Content says
	// whether a client would see it as part of the answer, Aside that it says something though it is none.
	Other struct {
		Name    string
		Content bool
		Aside   bool
		Raw     json.RawMessage
	}

	// Ended is the dialect's own terminal mark ([DONE], message_stop, response.completed …).
	Ended struct{}
)

func (Start) event()          {}
func (TextDelta) event()      {}
func (ReasoningDelta) event() {}
func (RefusalDelta) event()   {}
func (ToolStart) event()      {}
func (ToolDelta) event()      {}
func (MediaDelta) event()     {}
func (Cited) event()          {}
func (HostedUse) event()      {}
func (TokenProbs) event()     {}
func (Embedding) event()      {}
func (Kept) event()           {}
func (BlockEnd) event()       {}
func (Stopped) event()        {}
func (Used) event()           {}
func (Failed) event()         {}
func (Other) event()          {}
func (Ended) event()          {}

// Citation is a source. Offsets count Unicode characters of the text block that it supports, the end
// excluded; both 0: not said.
type Citation struct {
	URL, Title string
	Text       string // what is quoted from the source
	From, To   int
	FileID     string
	Raw        json.RawMessage // as it came; nil where made from something else
}

// TokenProb is the log probability of a token, with the likeliest alternatives where asked for.
type TokenProb struct {
	Token   string
	LogProb float64
	Bytes   []byte // nil: not said
	Top     []TokenProb
}

// IsContent reports whether a client that saw e has seen part of the answer. After that no other
// channel may be tried.
func IsContent(e Event) bool {
	switch e := e.(type) {
	case TextDelta:
		return e.Text != ""
	case ReasoningDelta:
		return e.Text != "" || e.Seal != ""
	case RefusalDelta:
		return e.Text != ""
	case ToolStart, ToolDelta, MediaDelta, Cited, HostedUse, Embedding:
		return true
	case Other:
		return e.Content
	}
	return false
}

// Stop says why an answer ended.
type Stop string

// The reasons.
const (
	StopEnd       Stop = "end"       // the model was done
	StopLength    Stop = "length"    // out of output tokens
	StopTools     Stop = "tools"     // wants tools called
	StopSequence  Stop = "sequence"  // met a stop sequence
	StopFilter    Stop = "filter"    // withheld by a safety filter
	StopRefusal   Stop = "refusal"   // refused
	StopPause     Stop = "pause"     // paused, send it again to go on
	StopCancelled Stop = "cancelled" // cancelled
	StopOther     Stop = "other"
)
