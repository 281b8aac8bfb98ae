package thinksplit_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tollgate/internal/canon"
	"tollgate/internal/plugin/thinksplit"
)

// told joins what a client would see: kind, place and text of each block in order.
func told(events []canon.Event) []string {
	var out []string
	last := ""
	add := func(head, text string) {
		if head == last {
			out[len(out)-1] += text
			return
		}
		last = head
		out = append(out, head+text)
	}
	for _, e := range events {
		switch e := e.(type) {
		case canon.TextDelta:
			add("text "+string(rune('0'+e.Choice))+string(rune('0'+e.Index))+" ", e.Text)
		case canon.ReasoningDelta:
			add("thought "+string(rune('0'+e.Choice))+string(rune('0'+e.Index))+" ", e.Text)
		case canon.ToolStart:
			add("tool "+string(rune('0'+e.Choice))+string(rune('0'+e.Index))+" ", e.Name)
		case canon.Stopped:
			add("stopped", "")
		}
	}
	return out
}

func TestCutAnywhere(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string
	}{
		{"<think>\nhm, </thin\n\n</think>\n\nhello <think>x</think>", []string{"thought 00 hm, </thin", "text 01 hello <think>x</think>", "tool 02 f", "stopped"}},
		{" \n<think>a</think>b", []string{"thought 00 a", "text 01 b", "tool 02 f", "stopped"}},
		{"<think>\n\n</think>\n\nb", []string{"text 00 b", "tool 01 f", "stopped"}},
		{"<think>never closed </thi", []string{"thought 00 never closed </thi", "tool 02 f", "stopped"}},
		{"<thin", []string{"text 00 <thin", "tool 01 f", "stopped"}},
		{"  plain", []string{"text 00   plain", "tool 01 f", "stopped"}},
		{"the tag <think> is quoted</think>", []string{"text 00 the tag <think> is quoted</think>", "tool 01 f", "stopped"}},
		{"<think>a</think>", []string{"thought 00 a", "tool 02 f", "stopped"}},
		{"<think>ä</think>ö", []string{"thought 00 ä", "text 01 ö", "tool 02 f", "stopped"}},
	} {
		rest := []canon.Event{canon.BlockEnd{}, canon.ToolStart{Index: 1, Name: "f"}, canon.Stopped{Why: canon.StopTools}}
		for i := range len(c.text) + 1 {
			for j := i; j <= len(c.text); j++ {
				s := thinksplit.New()
				var got []canon.Event
				for _, part := range []string{c.text[:i], c.text[i:j], c.text[j:]} {
					got = append(got, s.Split([]canon.Event{canon.TextDelta{Text: part}})...)
				}
				got = append(got, s.Split(rest)...)
				if diff := cmp.Diff(c.want, told(got)); diff != "" {
					t.Fatalf("%q cut at %d and %d: %s", c.text, i, j, diff)
				}
			}
		}
	}
}

// Each alternative has thoughts of its own; what is no text passes as it is.
func TestChoices(t *testing.T) {
	s := thinksplit.New()
	var got []canon.Event
	for _, e := range []canon.Event{
		canon.Start{ID: "x"},
		canon.TextDelta{Choice: 0, Text: "<think>a"},
		canon.TextDelta{Choice: 1, Text: "b"},
		canon.TextDelta{Choice: 0, Text: "</think>c"},
		canon.Used{},
		canon.Stopped{Choice: 0},
		canon.Stopped{Choice: 1},
	} {
		got = append(got, s.Split([]canon.Event{e})...)
	}
	if diff := cmp.Diff([]string{"thought 00 a", "text 10 b", "text 01 c", "stopped"}, told(got)); diff != "" {
		t.Error(diff)
	}
	if _, ok := got[0].(canon.Start); !ok {
		t.Errorf("%T comes first", got[0])
	}
}

// A model may think where it should, and in its text as well.
func TestAfterThoughts(t *testing.T) {
	s := thinksplit.New()
	var got []canon.Event
	for _, e := range []canon.Event{canon.ReasoningDelta{Text: "first"}, canon.BlockEnd{}, canon.TextDelta{Index: 1, Text: "<think>then</think>said"}} {
		got = append(got, s.Split([]canon.Event{e})...)
	}
	if diff := cmp.Diff([]string{"thought 00 first", "thought 01 then", "text 02 said"}, told(got)); diff != "" {
		t.Error(diff)
	}
}

// White space that never ends is let go.
func TestBounded(t *testing.T) {
	s := thinksplit.New()
	if got := told(s.Split([]canon.Event{canon.TextDelta{Text: strings.Repeat(" ", 1000)}})); len(got) != 1 || len(got[0]) < 1000 {
		t.Errorf("%q", got)
	}
	s = thinksplit.New()
	s.Split([]canon.Event{canon.TextDelta{Text: "<think>a"}})
	if got := told(s.Split([]canon.Event{canon.TextDelta{Text: strings.Repeat("\n", 1000)}})); len(got) != 1 || len(got[0]) < 1000 {
		t.Errorf("%q", got)
	}
}
