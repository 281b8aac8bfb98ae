package mapping_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tollgate/internal/mapping"
)

func TestModels(t *testing.T) {
	m, err := mapping.ParseModels(" gpt-3.5*=gpt-4o-mini , *-vision=gpt-4o,gpt-4-*-preview=gpt-4-turbo,,")
	if err != nil {
		t.Fatal(err)
	}
	for asked, sent := range map[string]string{
		"gpt-3.5-turbo": "gpt-4o-mini", "GPT-3.5": "gpt-4o-mini", "gpt-3.5-vision": "gpt-4o-mini", "x-vision": "gpt-4o",
		"gpt-4-1106-preview": "gpt-4-turbo", "gpt-4-preview": "gpt-4-preview", "other": "other", "": "",
	} {
		if got := m.Map(asked); got != sent {
			t.Errorf("%q is sent as %q, want %q", asked, got, sent)
		}
	}
	if again, err := mapping.ParseModels(m.String()); err != nil || cmp.Diff(m, again) != "" {
		t.Errorf("%q is read back as %v, %v", m.String(), again, err)
	}
}

func TestLevels(t *testing.T) {
	l, err := mapping.ParseLevels("gpt-4=2,claude-*=3,*=0")
	if err != nil {
		t.Fatal(err)
	}
	for model, want := range map[string]int{"gpt-4": 2, "claude-x": 3, "gpt-4o": 0} {
		if got, ok := l.Level(model); !ok || got != want {
			t.Errorf("%s: %d, %v, want %d", model, got, ok, want)
		}
	}
	if _, ok := l[:2].Level("gpt-4o"); ok {
		t.Error("a model that no rule names has a level")
	}
	if again, err := mapping.ParseLevels(l.String()); err != nil || cmp.Diff(l, again) != "" {
		t.Errorf("%q is read back as %v, %v", l.String(), again, err)
	}
}

func TestSteps(t *testing.T) {
	s, err := mapping.ParseSteps("1=2, 2=3,3=1,5=6")
	if err != nil {
		t.Fatal(err)
	}
	for level, want := range map[int][]int{0: {0}, 1: {1, 2, 3}, 2: {2, 3, 1}, 5: {5, 6}} {
		if diff := cmp.Diff(want, s.Chain(level)); diff != "" {
			t.Errorf("from level %d: %s", level, diff)
		}
	}
	if again, err := mapping.ParseSteps(s.String()); err != nil || cmp.Diff(s, again) != "" {
		t.Errorf("%q is read back as %v, %v", s.String(), again, err)
	}
}

// What can't be read is refused, and each faulty entry is named.
func TestFaults(t *testing.T) {
	models := func(s string) (fmt.Stringer, error) { return mapping.ParseModels(s) }
	levels := func(s string) (fmt.Stringer, error) { return mapping.ParseLevels(s) }
	steps := func(s string) (fmt.Stringer, error) { return mapping.ParseSteps(s) }
	for _, c := range []struct {
		parse func(string) (fmt.Stringer, error)
		text  string
		says  []string
	}{
		{models, "a", []string{`"a"`, "asked=sent"}},
		{models, "a=", []string{`"a="`}},
		{models, "=b,ok=fine,c d=e", []string{`"=b"`, `"c d=e"`}},
		{models, "a=b=c", []string{`"a=b=c"`}},
		{models, "a=b*", []string{`"a=b*"`, "full name"}},
		{models, "a=b,a=c", []string{`"a=c"`, "twice"}},
		{models, strings.Repeat("x", 5) + "=y" + strings.Repeat(",z", mapping.MaxRules), []string{"more than"}},
		{levels, "gpt-4=high", []string{`"gpt-4=high"`, `"high"`}},
		{levels, "gpt-4=11", []string{`"11"`}},
		{levels, "gpt-4=-1", []string{`"-1"`}},
		{levels, "a=1,a=2", []string{`"a=2"`}},
		{levels, "a", []string{`"a"`, "model=level"}},
		{steps, "1=1", []string{`"1=1"`, "itself"}},
		{steps, "1=2,1=3", []string{`"1=3"`, "successor"}},
		{steps, "x=11", []string{`"x=11"`, `"x"`, `"11"`}},
	} {
		_, err := c.parse(c.text)
		if err == nil {
			t.Errorf("%.60q was accepted", c.text)
			continue
		}
		for _, word := range c.says {
			if !strings.Contains(err.Error(), word) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%.60q: %v; it should say %s on one line", c.text, err, word)
			}
		}
	}
}
