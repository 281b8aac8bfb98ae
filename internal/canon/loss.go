package canon

import "strings"

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
	WhatAnswerStop      What = "answer.stop"      // why it ended
	WhatAnswerUsage     What = "answer.usage"     // what it cost, in parts
	WhatAnswerOrder     What = "answer.order"     // of what was thought, said and called
	WhatAnswerOther     What = "answer.other"     //
)

// FoldedLoss is the first of all losses of one feature and kind.
type FoldedLoss struct {
	Loss
	More int // how many there are beside it
}

// Fold returns one loss of each feature and kind, in the order of the first ones.
func Fold(lost []Loss) []FoldedLoss {
	type key struct {
		what What
		kind LossKind
	}
	var out []FoldedLoss
	at := map[key]int{}
	for _, l := range lost {
		k := key{l.What, l.Kind}
		if i, ok := at[k]; ok {
			out[i].More++
			continue
		}
		at[k] = len(out)
		out = append(out, FoldedLoss{Loss: l})
	}
	return out
}

// LostAt returns a Loss of the kind Lost.
func LostAt(what What, path, reason string) Loss {
	return Loss{What: what, Kind: Lost, Path: path, Reason: reason}
}

// ChangedAt returns a Loss of the kind Changed.
func ChangedAt(what What, path, reason string) Loss {
	return Loss{What: what, Kind: Changed, Path: path, Reason: reason}
}

// ChangedStop returns the Loss of an answer's end that is told by a word of another meaning. at is the
// member that tells it; raw, the vendor's own word, stands behind it.
func ChangedStop(at, raw, reason string) Loss {
	const longest = 64
	if raw != "" {
		at += " (" + strings.ToValidUTF8(raw[:min(len(raw), longest)], "") + ")"
	}
	return ChangedAt(WhatAnswerStop, at, reason)
}

// LostUsage returns the Loss of what a vendor told beside a usage.
func LostUsage(beside []string) Loss {
	return LostAt(WhatAnswerUsage, "usage", "only the model's own API tells "+strings.Join(beside, ", "))
}
