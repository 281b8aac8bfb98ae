package canon

import (
	"encoding/json"
	"time"
)

// Request is a call for a generated answer. Embeddings, moderations and token counts use the same
// type: what they read is in Turns.
type Request struct {
	Model  string
	Stream bool

	System []Block // instructions that stand before the conversation, in order
	Turns  []Turn
	Tools  []Tool

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

	User  string
	Tier  string
	Extra []Field // members that canon has no word for, in order; they go home unchanged, elsewhere they are a Loss
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

	// ToolUse is a model's wish to call a tool. Input is as it came: key order and digits matter to caches.
	ToolUse struct {
		ID, Name string
		Input    json.RawMessage
	}

	// ToolResult is what a tool answered.
	ToolResult struct {
		ID, Name string
		IsError  bool
		Blocks   []Block
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
	Raw         json.RawMessage // a built-in tool as it came; then Name is its type
	Extra       []Field         // members that canon has no word for (cache_control, defer_loading …); as Request.Extra
}

// ToolChoice says whether the model must call a tool. The zero value is "not said".
type ToolChoice struct {
	Mode ToolMode
	Name string // with ToolNamed
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
	Name   string
	Schema json.RawMessage
	Strict *bool
}

// Effort says how much the model shall think. Budget is in tokens; 0: not said.
type Effort struct {
	Level    string
	Budget   int64
	Disabled bool
}

// Field is a member of a request that canon has no word for.
type Field struct {
	Name  string
	Value json.RawMessage
}
