package dialecttest

import (
	"fmt"
	"strings"

	"tollgate/internal/canon"
)

// meter is what remains of an answer when the way it was cut into events is forgotten.
type meter struct {
	ID, Model string
	Choices   []choice
	Usage     *canon.Usage
	Failed    *canon.Error
	Ended     bool
	Content   bool // something a client would see
}

type choice struct {
	Choice                         int
	Text, Reasoning, Refusal, Seal string
	Tools                          []tool
	Media                          []string
	Stop                           canon.Stop
}

type tool struct {
	index           int
	ID, Name, Input string
}

// measure reads events as a meter does.
func measure(events []canon.Event) meter {
	var m meter
	at := func(n int) *choice {
		for i := range m.Choices {
			if m.Choices[i].Choice == n {
				return &m.Choices[i]
			}
		}
		m.Choices = append(m.Choices, choice{Choice: n})
		return &m.Choices[len(m.Choices)-1]
	}
	for _, e := range events {
		m.Content = m.Content || canon.IsContent(e)
		switch e := e.(type) {
		case canon.Start:
			m.ID, m.Model = e.ID, e.Model
		case canon.TextDelta:
			at(e.Choice).Text += e.Text
		case canon.ReasoningDelta:
			c := at(e.Choice)
			c.Reasoning += e.Text
			c.Seal += e.Seal
		case canon.RefusalDelta:
			at(e.Choice).Refusal += e.Text
		case canon.ToolStart:
			c := at(e.Choice)
			c.Tools = append(c.Tools, tool{index: e.Index, ID: e.ID, Name: e.Name})
		case canon.ToolDelta:
			c := at(e.Choice)
			for i := range c.Tools {
				if c.Tools[i].index == e.Index {
					c.Tools[i].Input += e.JSON
				}
			}
		case canon.MediaDelta:
			c := at(e.Choice)
			c.Media = append(c.Media, fmt.Sprintf("%s %s %d bytes", e.Kind, e.MIME, len(e.Data)))
		case canon.Stopped:
			at(e.Choice).Stop = e.Why
		case canon.Used:
			m.Usage = &e.Usage
		case canon.Failed:
			m.Failed = e.Err
		case canon.Ended:
			m.Ended = true
		}
	}
	return m
}

// lines renders events, one a line.
func lines(events []canon.Event) string {
	var b strings.Builder
	for _, e := range events {
		b.WriteString(line(e))
		b.WriteByte('\n')
	}
	return b.String()
}

func line(e canon.Event) string {
	switch e := e.(type) {
	case canon.Start:
		if e.Created != 0 {
			return fmt.Sprintf("start %q %q at %d", e.ID, e.Model, e.Created)
		}
		return fmt.Sprintf("start %q %q", e.ID, e.Model)
	case canon.TextDelta:
		return fmt.Sprintf("text %d.%d %q", e.Choice, e.Index, e.Text)
	case canon.ReasoningDelta:
		if e.Seal != "" {
			return fmt.Sprintf("reasoning %d.%d %q sealed %q", e.Choice, e.Index, e.Text, e.Seal)
		}
		return fmt.Sprintf("reasoning %d.%d %q", e.Choice, e.Index, e.Text)
	case canon.RefusalDelta:
		return fmt.Sprintf("refusal %d.%d %q", e.Choice, e.Index, e.Text)
	case canon.ToolStart:
		if e.Custom {
			return fmt.Sprintf("tool %d.%d %q %q custom", e.Choice, e.Index, e.ID, e.Name)
		}
		return fmt.Sprintf("tool %d.%d %q %q", e.Choice, e.Index, e.ID, e.Name)
	case canon.ToolDelta:
		return fmt.Sprintf("input %d.%d %q", e.Choice, e.Index, e.JSON)
	case canon.MediaDelta:
		return fmt.Sprintf("media %d.%d %s %q %d bytes", e.Choice, e.Index, e.Kind, e.MIME, len(e.Data))
	case canon.Cited:
		return fmt.Sprintf("cited %d.%d %s", e.Choice, e.Index, flat(e.Citation))
	case canon.HostedUse:
		at := fmt.Sprintf("%d.%d", e.Choice, e.Index)
		e.Choice, e.Index = 0, 0
		return "hosted " + at + " " + flat(e)
	case canon.TokenProbs:
		return fmt.Sprintf("probs %d.%d %s", e.Choice, e.Index, flat(e.Tokens))
	case canon.Embedding:
		return fmt.Sprintf("embedding %d %s", e.Number, e.Values)
	case canon.Kept:
		return fmt.Sprintf("kept %q", e.ID)
	case canon.BlockEnd:
		return fmt.Sprintf("end %d.%d", e.Choice, e.Index)
	case canon.Stopped:
		line := fmt.Sprintf("stop %d %s %q", e.Choice, e.Why, e.Raw)
		if e.Sequence != "" {
			line += fmt.Sprintf(" at %q", e.Sequence)
		}
		if e.Category+e.Detail != "" {
			line += fmt.Sprintf(" as %q: %q", e.Category, e.Detail)
		}
		if e.Prompt {
			line += " the prompt"
		}
		return line
	case canon.Used:
		return "used " + flat(e.Usage)
	case canon.Failed:
		return "failed " + flat(e.Err)
	case canon.Other:
		seen := "quiet"
		if e.Content {
			seen = "content"
		}
		return strings.TrimSpace(fmt.Sprintf("other %q %s %s", e.Name, seen, e.Raw))
	case canon.Ended:
		return "ended"
	}
	return fmt.Sprintf("unknown event %T", e)
}
