package canon

// Loss is one thing of a request or an answer that a dialect could not carry as it was.
type Loss struct {
	What   What
	Kind   LossKind
	Path   string // where it stood in the client's request, e.g. messages[0].content[2]; "" for what stands at the top: see What
	Reason string // why, for the person who called
}

// LossKind says what became of it.
type LossKind string

// The kinds.
const (
	Lost    LossKind = "lost"    // left out
	Changed LossKind = "changed" // carried, but not as it was
)

// What names a feature that dialects have or lack: a bounded vocabulary, the label of metrics and the
// rows of docs/translation.md.
type What string

// The features of a request.
const (
	WhatSystemPosition   What = "system.position"    // instructions within the conversation
	WhatSystemContent    What = "system.content"     // instructions that are no text
	WhatName             What = "turn.name"          // name of a speaker
	WhatText             What = "text"               //
	WhatImageURL         What = "image.url"          //
	WhatImageData        What = "image.data"         //
	WhatImageFile        What = "image.file"         // by an id of the vendor's
	WhatImageDetail      What = "image.detail"       //
	WhatFileURL          What = "file.url"           // documents
	WhatFileData         What = "file.data"          //
	WhatFileID           What = "file.id"            //
	WhatFileName         What = "file.name"          //
	WhatAudio            What = "audio"              //
	WhatVideo            What = "video"              //
	WhatToolUse          What = "tool_use"           //
	WhatToolArguments    What = "tool_use.arguments" // that are no JSON object
	WhatToolResult       What = "tool_result"        //
	WhatToolResultError  What = "tool_result.error"  // the mark that a tool failed
	WhatToolResultMedia  What = "tool_result.media"  //
	WhatReasoningText    What = "reasoning.text"     // what was thought in an earlier turn
	WhatReasoningSeal    What = "reasoning.seal"     // its signature or ciphertext
	WhatRefusal          What = "refusal"            // in an earlier turn
	WhatCachePoint       What = "cache_point"        //
	WhatCacheTTL         What = "cache_point.ttl"    //
	WhatCitations        What = "citations"          // in an earlier turn, or asked for
	WhatForeign          What = "foreign"            // a block of the vendor's own
	WhatEmptyTurn        What = "turn.empty"         // a turn without content
	WhatTool             What = "tool"               //
	WhatToolSchema       What = "tool.schema"        //
	WhatToolStrict       What = "tool.strict"        //
	WhatToolCustom       What = "tool.custom"        // free text input
	WhatToolHosted       What = "tool.hosted"        // run by the vendor
	WhatToolExtra        What = "tool.extra"         //
	WhatToolChoice       What = "tool_choice"        //
	WhatToolAllowed      What = "tool_choice.allowed"
	WhatParallelTools    What = "parallel_tools"
	WhatMaxOutput        What = "max_output"
	WhatN                What = "n"
	WhatTemperature      What = "temperature"
	WhatTopP             What = "top_p"
	WhatTopK             What = "top_k"
	WhatStop             What = "stop"
	WhatSeed             What = "seed"
	WhatPresencePenalty  What = "presence_penalty"
	WhatFrequencyPenalty What = "frequency_penalty"
	WhatLogProbs         What = "logprobs"
	WhatVerbosity        What = "verbosity"
	WhatFormat           What = "format" // any JSON object
	WhatFormatSchema     What = "format.schema"
	WhatFormatStrict     What = "format.strict"
	WhatFormatName       What = "format.name"
	WhatEffort           What = "reasoning.effort"
	WhatBudget           What = "reasoning.budget"
	WhatAdaptive         What = "reasoning.adaptive"
	WhatNoReasoning      What = "reasoning.off"
	WhatThoughts         What = "reasoning.show"
	WhatCacheKey         What = "cache_key"
	WhatStore            What = "store"
	WhatPrevious         What = "previous_id"
	WhatMetadata         What = "metadata"
	WhatUser             What = "user"
	WhatTier             What = "tier"
	WhatDimensions       What = "dimensions" // of an embedding
	WhatExtra            What = "extra"      // a member that only this dialect has
)

// The features of an answer.
const (
	WhatAnswerChoice    What = "answer.choice"    // further alternatives
	WhatAnswerSeal      What = "answer.seal"      //
	WhatAnswerReasoning What = "answer.reasoning" //
	WhatAnswerRefusal   What = "answer.refusal"   //
	WhatAnswerMedia     What = "answer.media"     //
	WhatAnswerCitation  What = "answer.citation"  //
	WhatAnswerHosted    What = "answer.hosted"    //
	WhatAnswerLogProbs  What = "answer.logprobs"  //
	WhatAnswerOther     What = "answer.other"     //
)

// LostAt returns a Loss of the kind Lost.
func LostAt(what What, path, reason string) Loss {
	return Loss{What: what, Kind: Lost, Path: path, Reason: reason}
}

// ChangedAt returns a Loss of the kind Changed.
func ChangedAt(what What, path, reason string) Loss {
	return Loss{What: what, Kind: Changed, Path: path, Reason: reason}
}
