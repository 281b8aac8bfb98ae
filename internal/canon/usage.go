package canon

import "slices"

// Usage counts what a call consumed. The token buckets are disjoint: Input leaves out what was read
// from or written to a cache and what was not text, Output leaves out reasoning and what was not
// text. So a sum of buckets never counts a token twice, whatever the vendor's own arithmetic is;
// each dialect converts once, where usage is read.
type Usage struct {
	Input        int64 `json:"input,omitempty"`          // uncached text tokens
	CacheRead    int64 `json:"cache_read,omitempty"`     // tokens read from the vendor's prompt cache
	CacheWrite5m int64 `json:"cache_write_5m,omitempty"` // tokens written to it for five minutes (or the vendor's default life)
	CacheWrite1h int64 `json:"cache_write_1h,omitempty"` // tokens written to it for an hour
	InputImage   int64 `json:"input_image,omitempty"`
	InputAudio   int64 `json:"input_audio,omitempty"`
	InputVideo   int64 `json:"input_video,omitempty"`

	Output      int64 `json:"output,omitempty"`    // visible text tokens
	Reasoning   int64 `json:"reasoning,omitempty"` // thinking tokens
	OutputImage int64 `json:"output_image,omitempty"`
	OutputAudio int64 `json:"output_audio,omitempty"`

	WebSearches int64  `json:"web_searches,omitempty"` // searches the vendor ran, a count
	Tier        string `json:"tier,omitempty"`         // service tier that answered, in the vendor's word; "" is standard
}

// In is the number of tokens the model read.
func (u Usage) In() int64 {
	return u.Input + u.CacheRead + u.CacheWrite5m + u.CacheWrite1h + u.InputImage + u.InputAudio + u.InputVideo
}

// Out is the number of tokens the model wrote.
func (u Usage) Out() int64 { return u.Output + u.Reasoning + u.OutputImage + u.OutputAudio }

// UsageSource says how a Usage came about.
type UsageSource string

// The sources, best first.
const (
	Measured  UsageSource = "measured"  // reported by the upstream for this call
	Derived   UsageSource = "derived"   // partly reported, the rest computed from what was delivered
	Estimated UsageSource = "estimated" // computed by the built-in tokenizer
)

// Beside collects the names of what a vendor tells of usage and no Usage says: members with a value, each once.
type Beside []string

// Bounds of what is told beside a usage.
const (
	maxBeside     = 16
	maxBesideName = 64
)

// Add adds a name whose value is raw, unless that says nothing: null, zero, false and what is empty.
func (b *Beside) Add(name, raw string) {
	switch raw {
	case "null", "0", "0.0", "false", `""`, "[]", "{}", "":
		return
	}
	if len(*b) == maxBeside || len(name) > maxBesideName || slices.Contains(*b, name) {
		return
	}
	*b = append(*b, name)
}
