package catalog

import (
	"context"
	"errors"

	"tollgate/internal/canon"
)

// Model is one entry of the catalogue. It is a document: it is stored, sent and read as its JSON, and
// what stands in it is what a person wrote. Values in a Snapshot are immutable.
type Model struct {
	// Name is what clients call it. With a '*' in it, this is a price rule: it is not listed, and it
	// prices the models that fit it and have no entry of their own.
	Name    string   `json:"name"`
	Aliases []string `json:"aliases,omitempty"` // other names of the same model at the same price
	Owner   string   `json:"owner,omitempty"`   // who made it, e.g. "openai"
	Title   string   `json:"title,omitempty"`

	Ops       []canon.Op `json:"ops,omitempty"`       // what it can be asked for; empty: generate
	Abilities []Ability  `json:"abilities,omitempty"` // what a call may contain beyond text

	ContextTokens int64 `json:"context_tokens,omitempty"` // input and output together, as the owner counts; 0: unknown
	OutputTokens  int64 `json:"output_tokens,omitempty"`  // most that one answer may have; 0: unknown

	// What one account may ask of it in a minute, unless the account has limits of its own for it. 0: no
	// limit.
	AccountRPM int64 `json:"account_rpm,omitempty"`
	AccountTPM int64 `json:"account_tpm,omitempty"`

	Price       *Price `json:"price,omitempty"` // nil and not Free: not known, so a call cannot be priced
	Free        bool   `json:"free,omitempty"`  // costs nothing, and that is known
	PriceSource string `json:"price_source,omitempty"`
	PriceDate   string `json:"price_date,omitempty"` // when the source was read or published, YYYY-MM-DD
	Note        string `json:"note,omitempty"`

	// Thinking says how the model is asked to think: "none", "effort" (by a level), "budget" (by tokens) or
	// "adaptive" (it decides, guided by a level). "": not known, the newest way of its channel's dialect.
	Thinking string `json:"thinking,omitempty"`

	// SplitThoughts takes what the model writes between <think> and </think> at the start of its answer
	// out of the text, into the dialect's own place for thoughts.
	SplitThoughts bool `json:"split_thoughts,omitempty"`

	// Strict refuses calls that a channel of another dialect could answer only with losses.
	Strict bool `json:"strict,omitempty"`

	// TokenPercent scales the count of the built-in tokenizer (o200k) to the model's own, for
	// estimates: 120 means a fifth more tokens. 0 means 100.
	TokenPercent int64 `json:"token_percent,omitempty"`
}

// Ability is something that a call to a model may contain.
type Ability string

// The abilities.
const (
	AbilityTools     Ability = "tools"
	AbilityVision    Ability = "vision"    // reads images
	AbilityFiles     Ability = "files"     // reads documents
	AbilityAudio     Ability = "audio"     // hears
	AbilityVideo     Ability = "video"     // sees video
	AbilityReasoning Ability = "reasoning" // can think before it answers
	AbilityFormat    Ability = "format"    // keeps to a JSON Schema
	AbilityImageOut  Ability = "image_out" // draws
	AbilityAudioOut  Ability = "audio_out" // speaks
)

// Price says what a model costs. It holds what a vendor's price list holds; Snapshot checks and
// compiles it.
type Price struct {
	Rates

	// Tiers are price lists for long inputs: the last one whose AboveInput the call's input tokens
	// exceed takes the place of Rates for the whole call. AboveInput ascends.
	Tiers []Tier `json:"tiers,omitempty"`

	// Services are the prices of other service tiers, by the vendor's word in lower case ("flex",
	// "priority", "batch"). A word that is not here is priced as standard, and the receipt says so.
	Services map[string]Service `json:"services,omitempty"`

	// When are prices of certain calls: by the time of day, the length of the answer, the size and
	// quality of images. The first that fits holds.
	When []Condition `json:"when,omitempty"`
}

// Rates are prices of the buckets of canon.Usage, as exact decimal strings: in dollars per million
// tokens unless the field says otherwise. "" is "not said", and then a rule stands in, never zero:
// the cache buckets and input media cost as Input (CacheWrite1h as CacheWrite5m where that is said),
// Reasoning and output media as Output. Without Input, Output or WebSearch1k nothing stands in, and a call
// that used them cannot be priced; unless PerRequest alone is said, then that is the whole price.
type Rates struct {
	Input        string `json:"input,omitempty"`
	CacheRead    string `json:"cache_read,omitempty"`
	CacheWrite5m string `json:"cache_write_5m,omitempty"`
	CacheWrite1h string `json:"cache_write_1h,omitempty"`
	InputImage   string `json:"input_image,omitempty"`
	InputAudio   string `json:"input_audio,omitempty"`
	InputVideo   string `json:"input_video,omitempty"`
	Output       string `json:"output,omitempty"`
	Reasoning    string `json:"reasoning,omitempty"`
	OutputImage  string `json:"output_image,omitempty"`
	OutputAudio  string `json:"output_audio,omitempty"`
	WebSearch1k  string `json:"web_search_1k,omitempty"` // dollars per 1,000 searches
	PerRequest   string `json:"per_request,omitempty"`   // dollars per answered call
}

// Tier is the price list of calls with more than AboveInput input tokens (all input buckets
// together). What it does not say stays as in the list it is a tier of.
type Tier struct {
	AboveInput int64 `json:"above_input"`
	Rates
}

// Service is the price of a service tier: either Percent of the standard token rates, or a list of
// its own. What a list does not say stays as in the standard one.
type Service struct {
	Percent int64 `json:"percent,omitempty"` // e.g. 50 for half the price; 0: Rates hold
	Rates
	Tiers []Tier `json:"tiers,omitempty"`
}

// Errors that a Store answers and callers branch on.
var ErrNotFound = errors.New("not found")

// Store keeps the models that operators changed or added. They stand in front of the built-in ones.
type Store interface {
	Models(ctx context.Context) ([]Model, error)
	PutModel(ctx context.Context, m Model) error        // inserts or replaces the entry of that name
	DeleteModel(ctx context.Context, name string) error // ErrNotFound if there is none
}
