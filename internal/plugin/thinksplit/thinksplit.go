// Package thinksplit takes thoughts that a model writes into its answer, between <think> and </think>,
// and makes them what they are: reasoning.
//
// It owns the splitting of one answer's events. Which models need it is said in the catalogue; reading
// and writing of answers belong to the dialects.
package thinksplit

import (
	"slices"
	"strings"

	"tollgate/internal/canon"
)

const (
	opening = "<think>"
	closing = "</think>"
)

// Splitter splits the events of one answer. Only thoughts at the very start of a choice are split: a model
// that explains the tag later on is quoted, not cut.
type Splitter struct {
	choices []*choice
	out     []canon.Event
}

// New returns a Splitter for one answer.
func New() *Splitter { return &Splitter{} }

type state int

const (
	before state = iota // nothing but white space and a part of the tag so far
	opened              // the line breaks after the opening tag
	inside
	behind // the line breaks after the closing tag
	passed
)

// choice is one alternative answer.
type choice struct {
	number int
	state  state
	held   string // text that may turn out to be a tag
	index  int    // of the text block that the held text belongs to
	shift  int    // by how much later blocks move because thoughts became a block of their own
}

// Split returns what events become. The result is valid until the next call.
func (s *Splitter) Split(events []canon.Event) []canon.Event {
	s.out = s.out[:0]
	for _, e := range events {
		s.event(e)
	}
	return s.out
}

func (s *Splitter) at(number int) *choice {
	i := slices.IndexFunc(s.choices, func(c *choice) bool { return c.number == number })
	if i < 0 {
		s.choices = append(s.choices, &choice{number: number})
		i = len(s.choices) - 1
	}
	return s.choices[i]
}

func (s *Splitter) emit(e canon.Event) { s.out = append(s.out, e) }

func (s *Splitter) event(e canon.Event) {
	switch e := e.(type) {
	case canon.TextDelta:
		c := s.at(e.Choice)
		if c.state == passed {
			e.Index += c.shift
			s.emit(e)
			return
		}
		if c.held != "" && e.Index != c.index {
			s.flush(c)
		}
		c.index = e.Index
		s.text(c, c.held+e.Text)
	case canon.ReasoningDelta: // it may stand before text that has thoughts of its own
		c := s.at(e.Choice)
		s.flush(c)
		e.Index += c.shift
		s.emit(e)
	case canon.RefusalDelta:
		e.Index += s.settled(e.Choice).shift
		s.emit(e)
	case canon.ToolStart:
		e.Index += s.settled(e.Choice).shift
		s.emit(e)
	case canon.ToolDelta:
		e.Index += s.settled(e.Choice).shift
		s.emit(e)
	case canon.MediaDelta:
		e.Index += s.settled(e.Choice).shift
		s.emit(e)
	case canon.Cited:
		e.Index += s.settled(e.Choice).shift
		s.emit(e)
	case canon.HostedUse:
		e.Index += s.settled(e.Choice).shift
		s.emit(e)
	case canon.TokenProbs:
		e.Index += s.at(e.Choice).shift
		s.emit(e)
	case canon.BlockEnd:
		c := s.at(e.Choice)
		if c.held != "" && c.index == e.Index {
			s.flush(c)
		}
		e.Index += c.shift
		s.emit(e)
	case canon.Stopped:
		s.settled(e.Choice)
		s.emit(e)
	default:
		s.emit(e)
	}
}

// settled ends the wait for a tag: something else has come.
func (s *Splitter) settled(number int) *choice {
	c := s.at(number)
	s.flush(c)
	c.state = passed
	return c
}

// flush lets go of what was held for a tag that did not come.
func (s *Splitter) flush(c *choice) {
	held := c.held
	c.held = ""
	switch {
	case held == "":
	case c.state == inside: // never closed
		s.think(c, held)
	default:
		c.state = passed
		s.say(c, held)
	}
}

// text goes through text of which nothing has been handed on.
func (s *Splitter) text(c *choice, text string) {
	c.held = ""
	for text != "" {
		switch c.state {
		case before:
			trimmed := strings.TrimLeft(text, " \t\r\n")
			switch {
			case strings.HasPrefix(trimmed, opening):
				c.state, text = opened, trimmed[len(opening):]
			case strings.HasPrefix(opening, trimmed) && len(text) < maxLead:
				c.held = text
				return
			default:
				c.state = passed
			}
		case opened:
			if text = strings.TrimLeft(text, breaks); text != "" {
				c.state = inside
			}
		case inside:
			i := strings.Index(text, closing)
			if i < 0 {
				n := len(strings.TrimRight(text[:len(text)-partial(text)], breaks))
				if len(text)-n > maxLead {
					n = len(text)
				}
				s.think(c, text[:n])
				c.held = text[n:]
				return
			}
			s.think(c, strings.TrimRight(text[:i], breaks))
			if c.shift > 0 {
				s.emit(canon.BlockEnd{Choice: c.number, Index: c.index})
			}
			c.state, text = behind, text[i+len(closing):]
		case behind:
			if text = strings.TrimLeft(text, breaks); text != "" {
				c.state = passed
			}
		case passed:
			s.say(c, text)
			return
		}
	}
}

// Line breaks around the tags belong to neither side. maxLead bounds the white space that is held back.
const (
	breaks  = "\r\n"
	maxLead = 256
)

// partial is the length of the longest end of text that begins the closing tag.
func partial(text string) int {
	for n := min(len(text), len(closing)-1); n > 0; n-- {
		if strings.HasPrefix(closing, text[len(text)-n:]) {
			return n
		}
	}
	return 0
}

func (s *Splitter) think(c *choice, text string) {
	if text != "" {
		c.shift = 1
		s.emit(canon.ReasoningDelta{Choice: c.number, Index: c.index, Text: text})
	}
}

func (s *Splitter) say(c *choice, text string) {
	s.emit(canon.TextDelta{Choice: c.number, Index: c.index + c.shift, Text: text})
}
