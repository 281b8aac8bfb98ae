package crosstest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"tollgate/internal/canon"
)

// block is a part of an answer, put together.
type block struct {
	choice, index int
	kind          string
	text          string
	seal          string
	id, name      string
}

// Told is an answer, put together from its events.
type Told struct {
	blocks []block
	Stops  []string
	Usage  canon.Usage
	Used   bool
	Ended  bool
	Failed *canon.Error
}

// Collect puts an answer together.
func Collect(events []canon.Event) Told {
	var t Told
	at := func(choice, index int, kind string) *block {
		for i := len(t.blocks) - 1; i >= 0; i-- {
			if b := &t.blocks[i]; b.choice == choice && b.index == index && b.kind == kind {
				return b
			}
		}
		t.blocks = append(t.blocks, block{choice: choice, index: index, kind: kind})
		return &t.blocks[len(t.blocks)-1]
	}
	for _, e := range events {
		switch e := e.(type) {
		case canon.TextDelta:
			at(e.Choice, e.Index, "text").text += e.Text
		case canon.ReasoningDelta:
			b := at(e.Choice, e.Index, "reasoning")
			b.text += e.Text
			b.seal += e.Seal
		case canon.RefusalDelta:
			at(e.Choice, e.Index, "refusal").text += e.Text
		case canon.ToolStart:
			b := at(e.Choice, e.Index, "call")
			b.id, b.name = e.ID, e.Name
		case canon.ToolDelta:
			at(e.Choice, e.Index, "call").text += e.JSON
		case canon.Stopped:
			t.Stops = append(t.Stops, strconv.Itoa(e.Choice)+" "+string(e.Why))
		case canon.Used:
			t.Usage, t.Used = e.Usage, true
		case canon.Failed:
			t.Failed = e.Err
		case canon.Ended:
			t.Ended = true
		}
	}
	slices.Sort(t.Stops)
	return t
}

// DiffAnswers says what of the answer want, in the dialect from, is not in got, in the dialect to, although
// none of lost declares it. Indexes may change, order may not.
func DiffAnswers(want, got Told, from, to canon.Dialect, lost []canon.Loss) string {
	gone := map[canon.What]bool{}
	for _, l := range lost {
		gone[l.What] = true
	}
	a, b := lines(want, from, gone), lines(got, to, gone)
	if !slices.Equal(a, b) {
		return "said:\n  " + strings.Join(a, "\n  ") + "\nbecame\n  " + strings.Join(b, "\n  ")
	}
	if !slices.Equal(want.Stops, got.Stops) {
		return fmt.Sprintf("stopped: %q became %q", want.Stops, got.Stops)
	}
	if want.Usage.In() != got.Usage.In() || want.Usage.Out() != got.Usage.Out() || want.Usage.CacheRead != got.Usage.CacheRead {
		return fmt.Sprintf("usage: %+v became %+v", want.Usage, got.Usage)
	}
	if from != canon.Gemini && to != canon.Gemini && want.Ended != got.Ended || (want.Failed == nil) != (got.Failed == nil) {
		return fmt.Sprintf("ended %v, failed %v became ended %v, failed %v", want.Ended, want.Failed, got.Ended, got.Failed)
	}
	return ""
}

// lines lists the blocks of an answer. Seals are shown as their origin would get them back.
func lines(t Told, d canon.Dialect, gone map[canon.What]bool) []string {
	var out []string
	var blocks []block
	if gone[canon.WhatAnswerOrder] {
		t.blocks = slices.Clone(t.blocks)
		slices.SortStableFunc(t.blocks, func(a, b block) int { return strings.Compare(a.kind, b.kind) })
	}
	for _, b := range t.blocks { // thoughts that follow each other are one, whoever cut them
		if b.kind == "text" && b.text == "" {
			continue
		}
		if b.kind == "reasoning" {
			b.seal = seal(d, b.seal)
		}
		if n := len(blocks) - 1; b.kind == "reasoning" && n >= 0 && blocks[n].kind == b.kind && blocks[n].choice == b.choice {
			blocks[n].text += b.text
			if blocks[n].seal != "" && b.seal != "" {
				b.seal = " " + b.seal
			}
			blocks[n].seal += b.seal
			continue
		}
		blocks = append(blocks, b)
	}
	for _, b := range blocks {
		line := strconv.Itoa(b.choice) + " " + b.kind + " "
		switch b.kind {
		case "reasoning":
			if gone[canon.WhatAnswerReasoning] {
				continue
			}
			if !gone[canon.WhatAnswerSeal] {
				line += "[" + b.seal + "] "
			} else if b.text == "" {
				continue
			}
			line += strings.Join(strings.Fields(b.text), "") // thoughts are set apart by empty lines where they are one text
		case "call":
			line += b.name + " " + compact(json.RawMessage(b.text))
		case "refusal":
			if gone[canon.WhatAnswerRefusal] {
				b.kind = "text"
				line = strconv.Itoa(b.choice) + " text "
			}
			line += b.text
		default:
			if b.text == "" {
				continue
			}
			line += b.text
		}
		if b.kind == "text" && len(out) > 0 && strings.HasPrefix(out[len(out)-1], strconv.Itoa(b.choice)+" text ") {
			out[len(out)-1] += b.text
			continue
		}
		out = append(out, line)
	}
	return out
}

// seal is what the origin of a seal gets back of what a client of d was given. Chat Completions has seals in
// an object: of reasoning_details, or Google's beside a call.
func seal(d canon.Dialect, kept string) string {
	var detail struct {
		Signature, Data string
		Google          struct {
			Signature string `json:"thought_signature"`
		}
	}
	if d == canon.OpenAIChat && json.Unmarshal([]byte(kept), &detail) == nil {
		for _, s := range []string{detail.Signature, detail.Data, detail.Google.Signature} {
			if origin, inner := canon.UnwrapSeal(d, s); s != "" && origin != d {
				return inner
			}
		}
	}
	_, inner := canon.UnwrapSeal(d, kept)
	return inner
}

// Call is a call of a tool in an answer.
type Call struct{ ID, Name, Arguments string }

// Text is what the first alternative says.
func (t Told) Text() string { return t.joined("text") }

// Thoughts is what the first alternative thinks.
func (t Told) Thoughts() string { return t.joined("reasoning") }

func (t Told) joined(kind string) string {
	var b strings.Builder
	for _, one := range t.blocks {
		if one.choice == 0 && one.kind == kind {
			b.WriteString(one.text)
		}
	}
	return b.String()
}

// Calls are the tools that the first alternative wants called.
func (t Told) Calls() []Call {
	var out []Call
	for _, one := range t.blocks {
		if one.choice == 0 && one.kind == "call" {
			out = append(out, Call{one.id, one.name, one.text})
		}
	}
	return out
}
