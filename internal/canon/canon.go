// Package canon is a model call in our own words.
//
// It owns the types that every dialect is converted to and from: a Request of turns and blocks, an
// answer of Events, its Usage, why it stopped, Errors and Losses. It is nobody's protocol, and it
// leaves reading and writing of any protocol to package dialect. Standard library only.
package canon

// Dialect names a wire protocol.
type Dialect string

// The dialects that Tollgate speaks on both sides.
const (
	OpenAIChat      Dialect = "openaichat"
	OpenAIResponses Dialect = "openairesponses"
	Anthropic       Dialect = "anthropic"
	Gemini          Dialect = "gemini"
)

// Op names what a call asks for, across dialects.
type Op string

// The operations. The Stored ones concern an object that one upstream keeps and only it can answer for.
const (
	OpGenerate     Op = "generate"      // chat completions, responses, messages, generateContent
	OpComplete     Op = "complete"      // legacy text completions
	OpEmbed        Op = "embed"         // embeddings, embedContent
	OpBatchEmbed   Op = "batch_embed"   // batchEmbedContents
	OpModerate     Op = "moderate"      // moderations
	OpCountTokens  Op = "count_tokens"  // count_tokens, countTokens: never billed
	OpListModels   Op = "list_models"   // answered by the gateway itself
	OpGetModel     Op = "get_model"     // answered by the gateway itself
	OpStoredGet    Op = "stored_get"    // GET a stored response
	OpStoredDelete Op = "stored_delete" // DELETE a stored response
	OpStoredCancel Op = "stored_cancel" // cancel a background response
	OpStoredItems  Op = "stored_items"  // list the input items of a stored response
)
