package canon

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Request is a call for a generated answer. Embeddings, moderations and token counts use the same
// type: what they read is in Turns.
type Request struct {
	Origin Dialect // whose Extra, Foreign blocks and raw tools these are
	Model  string
	Stream bool

	Home json.RawMessage // the conversation as its own dialect wrote it, which goes home so; nil: as System and Turns say it

	System      []Block  // instructions that stand before the conversation, in order
	SystemPaths []string // as Turn.Paths
	Turns       []Turn
	Tools       []Tool

	ToolChoice    ToolChoice
	ParallelTools *bool // nil: not said

	MaxOutput   int64 // tokens; 0: not said
	N           int   // answers asked for; 0: not said
	Temperature *float64
	TopP        *float64
	TopK        *int64
	Stop        []string
	Seed        *int64
	Format      *Format
	Reasoning   *Effort

	PresencePenalty  *float64
	FrequencyPenalty *float64
	LogProbs         *int    // log probabilities of the answer: 0 of the chosen tokens, n also of the n likeliest; nil: not asked for
	WantsSeals       bool    // the answer shall hold the seals of its thoughts, where the vendor leaves them out otherwise
	Verbosity        string  // low, medium, high
	CacheKey         string  // routes calls with a common beginning to one cache (prompt_cache_key)
	Store            *bool   // whether the upstream keeps the answer
	Metadata         []Field // names and JSON strings that the caller tags the call with, in order
	PreviousID       string  // the stored answer that this call continues

	Echo       bool  // the answer begins with what was asked (legacy completions); writers of answers see to it
	Dimensions int64 // numbers that an embedding shall have; 0: not said
	Packed     bool  // embeddings as base64 of 32-bit floats, little end first, instead of numbers

	Names map[What]string // how the client wrote what its dialect has further names for, where it took one of those

	User  string  // the end user, as the caller names it
	Tier  string  // service tier: auto, default, flex, priority, scale, batch, standard_only
	Extra []Field // members that canon has no word for, in order; they go home unchanged, elsewhere they are a Loss
}

// Name notes that the client wrote what by another name than its dialect's usual one; "" that it took that one.
func (r *Request) Name(what What, name string) {
	switch {
	case name == "":
		if delete(r.Names, what); len(r.Names) == 0 {
			r.Names = nil
		}
		return
	case r.Names == nil:
		r.Names = map[What]string{}
	}
	r.Names[what] = name
}

// Role says who speaks in a Turn.
type Role string

// The roles. Instructions inside the conversation keep their place as a turn of their own.
const (
	RoleUser      Role = "user"
	RoleAssistant Role = "assistant"
	RoleSystem    Role = "system"
	RoleDeveloper Role = "developer"
	RoleTool      Role = "tool"
)

// Turn is what one side said at once.
type Turn struct {
	Role   Role
	Name   string // optional name of the speaker
	Blocks []Block

	At    string   // where it stood in the client's request, e.g. messages[3]; may be empty
	Paths []string // where each block stood, e.g. messages[3].content[0]; nil or as long as Blocks
}

// Path says where the block i of the turn stood in the client's request.
func (t *Turn) Path(i int) string {
	if i < len(t.Paths) {
		return t.Paths[i]
	}
	return t.At
}

// Add appends a block with its path.
func (t *Turn) Add(path string, b Block) {
	for len(t.Paths) < len(t.Blocks) {
		t.Paths = append(t.Paths, t.At)
	}
	t.Blocks, t.Paths = append(t.Blocks, b), append(t.Paths, path)
}

// Block is one piece of a turn. Exactly the types of this package implement it.
type Block interface{ block() }

// The kinds of Block, one type per idea.
type (
	// Text is plain text; it may be empty, and then it still stands there.
	Text struct{ Text string }

	// Reasoning is what a model thought. Seal is a signature or ciphertext that only the dialect
	// Origin may be sent again.
	Reasoning struct {
		Text   string
		Seal   string
		Origin Dialect
	}

	// Media is an image, document, audio or video, inline (Data) or by reference (URL or FileID).
	Media struct {
		Kind   MediaKind
		MIME   string
		Data   string // base64 as it came
		URL    string
		FileID string
		Name   string
		Detail string
	}

	// ToolUse is a model's wish to call a tool. Input is as it came: key order and digits matter to
	// caches. Of a Custom tool it is free text, as a JSON string.
	ToolUse struct {
		ID, Name string
		Input    json.RawMessage
		Custom   bool
	}

	// ToolResult is what a tool answered. Name is that of the tool, where the dialect says it; see Pair.
	ToolResult struct {
		ID, Name string
		IsError  bool
		Custom   bool // of a Custom tool
		Blocks   []Block
		Home     json.RawMessage // how its own dialect writes what the texts of Blocks say, where they alone don't tell; others need not look
	}

	// Refusal is a model's refusal in words.
	Refusal struct{ Text string }

	// CachePoint asks that everything before it be cached. TTL 0 is the vendor's default.
	CachePoint struct{ TTL time.Duration }

	// Foreign is a block that canon has no word for: home byte for byte, elsewhere a Loss.
	Foreign struct {
		Dialect Dialect
		Raw     json.RawMessage
	}
)

func (Text) block()       {}
func (Reasoning) block()  {}
func (Media) block()      {}
func (ToolUse) block()    {}
func (ToolResult) block() {}
func (Refusal) block()    {}
func (CachePoint) block() {}
func (Foreign) block()    {}

// MediaKind sorts Media.
type MediaKind string

// The kinds of media.
const (
	MediaImage MediaKind = "image"
	MediaFile  MediaKind = "file"
	MediaAudio MediaKind = "audio"
	MediaVideo MediaKind = "video"
)

// Tool is a function that the model may call, or, with Raw set, a tool of the vendor's own.
type Tool struct {
	Name        string
	Description string
	Schema      json.RawMessage // JSON Schema of the input; nil: no parameters
	Strict      *bool
	Custom      bool            // its input is free text, not JSON; see CustomFunction
	Grammar     *Grammar        // of a Custom tool's input; nil: any text
	Cache       *CachePoint     // asks that everything up to this tool be cached; nil: not asked
	Raw         json.RawMessage // a built-in tool as it came; then Name is its type
	Hosted      *Hosted         // what a built-in tool is in words that several vendors share; nil: one of a kind
	Extra       []Field         // members that canon has no word for (defer_loading …); as Request.Extra
	At          string          // where it stood in the client's request, e.g. tools[2]
	Home        *Home           // how its own dialect writes it, where that is no function of its own; others need not look
}

// Grammar says what text a Custom tool takes.
type Grammar struct{ Syntax, Definition string } // Syntax: lark or regex

// Home is how a tool stands in the dialect that it came from, where it is part of a group or run by the
// client in a form of its own. To other dialects it is the function that its Tool describes.
type Home struct {
	Kind  string          // the dialect's word for the form
	Group string          // name of the group; "" if it is in none
	Name  string          // its own name within the group
	Raw   json.RawMessage // the whole group or tool as it came; tools of one group share it
}

// Hosted is a tool that the vendor runs itself.
type Hosted struct {
	Kind        HostedKind
	Allowed     []string // domains that may be searched; empty: all
	Blocked     []string // domains that may not
	MaxUses     int64    // 0: not said
	ContextSize string   // low, medium, high; "": not said
	City        string   // where the user is, approximately; "" where not said
	Region      string
	Country     string // two letters
	Timezone    string // IANA name
}

// HostedKind sorts the tools that vendors run.
type HostedKind string

// The kinds that several vendors have.
const (
	HostedWebSearch HostedKind = "web_search"
	HostedWebFetch  HostedKind = "web_fetch" // reads pages by their URL
	HostedCode      HostedKind = "code"      // runs code in a sandbox
)

// ToolChoice says whether the model must call a tool. The zero value is "not said".
type ToolChoice struct {
	Mode    ToolMode
	Name    string   // with ToolNamed
	Allowed []string // with ToolAuto and ToolRequired: the only tools that may be called; empty: all
}

// ToolMode is the mode of a ToolChoice.
type ToolMode string

// The modes.
const (
	ToolAuto     ToolMode = "auto"
	ToolRequired ToolMode = "required"
	ToolNone     ToolMode = "none"
	ToolNamed    ToolMode = "named"
)

// Format asks for structured output. With Schema nil any JSON object will do.
type Format struct {
	Name        string
	Description string
	Schema      json.RawMessage
	Strict      *bool
}

// Effort says how much the model shall think.
type Effort struct {
	Level    string // minimal, low, medium, high, xhigh, max; "": not said
	Budget   int64  // in tokens; 0: not said
	Adaptive bool   // the model decides (adaptive thinking, a budget of -1)
	Disabled bool
	Show     Thoughts
}

// Thoughts says whether the answer shall show what the model thinks.
type Thoughts string

// The choices. ThoughtsShown stands for whatever the vendor shows: summaries or the thoughts themselves.
const (
	ThoughtsNotSaid Thoughts = ""
	ThoughtsShown   Thoughts = "shown"
	ThoughtsHidden  Thoughts = "hidden"
)

// Field is a member of a request that canon has no word for. It may stand inside another member, the rest of
// which has a word: In is the path of that then, and Name, which a Loss names, the whole path. A client's own
// name may hold dots too, so where a member belongs is told by In alone.
//
// Idle says that it asks for what every dialect does anyway, so that nothing is lost without it.
type Field struct {
	Name  string
	In    string
	Value json.RawMessage
	Idle  bool
}

// Idle reports whether the value of a member asks for nothing: it is empty, or one of the defaults of its dialect, which
// are compact JSON. An empty object is none: some turn a thing on.
func Idle(value json.RawMessage, defaults ...string) bool {
	const longest = 128 // of a default with spaces in it
	if len(value) > longest {
		return false
	}
	var b bytes.Buffer
	if json.Compact(&b, value) != nil {
		return false
	}
	switch text := b.String(); text {
	case "null", "[]", `""`:
		return true
	default:
		return slices.Contains(defaults, text)
	}
}

// Own is the name of f within the member that it stands in.
func (f Field) Own() string {
	if f.In == "" {
		return f.Name
	}
	return strings.TrimPrefix(f.Name, f.In+".")
}
