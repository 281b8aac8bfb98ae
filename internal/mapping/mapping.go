// Package mapping owns the rules that operators write as "this=that, …": which model is sent instead of
// the one asked for, which level of keys serves a model, and where to go on when a level has nothing
// left. It parses, writes and applies them; where they are kept and whom they concern it leaves to
// others.
package mapping

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"tollgate/internal/wildcard"
)

// MaxLevel is the highest level of keys; there are MaxLevel+1.
const MaxLevel = 10

// MaxRules bounds the rules of one list: all of them may be tried at every call.
const MaxRules = 1000

// Rule names the model that is sent instead of those it fits.
type Rule struct {
	From string // asked for; * matches any run of characters
	To   string // sent instead, a full name
}

// Models are rules in order; the first one that fits wins.
type Models []Rule

// Map returns the model to send instead of model, which is model itself when no rule fits.
func (m Models) Map(model string) string {
	for _, r := range m {
		if wildcard.Match(r.From, model) {
			return r.To
		}
	}
	return model
}

// String writes the rules as ParseModels reads them.
func (m Models) String() string {
	return join(m, func(r Rule) string { return r.From + "=" + r.To })
}

// ParseModels reads "asked=sent, …". The error names every faulty entry.
func ParseModels(text string) (Models, error) {
	var out Models
	err := parse(text, "asked=sent", func(entry, from, to string) error {
		switch {
		case strings.Contains(to, "*"):
			return fmt.Errorf("entry %q: the model to send must be a full name, without *", entry)
		case slices.ContainsFunc(out, func(o Rule) bool { return o.From == from }):
			return fmt.Errorf("entry %q: %q stands twice on the left, so this one would never apply", entry, from)
		}
		out = append(out, Rule{From: from, To: to})
		return nil
	})
	return out, err
}

// LevelRule names the level of the models it fits.
type LevelRule struct {
	Model string // * matches any run of characters
	Level int
}

// Levels are rules in order; the first one that fits wins.
type Levels []LevelRule

// Level returns the level of keys that serves model; ok is false when no rule fits.
func (l Levels) Level(model string) (level int, ok bool) {
	for _, r := range l {
		if wildcard.Match(r.Model, model) {
			return r.Level, true
		}
	}
	return 0, false
}

// String writes the rules as ParseLevels reads them.
func (l Levels) String() string {
	return join(l, func(r LevelRule) string { return r.Model + "=" + strconv.Itoa(r.Level) })
}

// ParseLevels reads "model=level, …". The error names every faulty entry.
func ParseLevels(text string) (Levels, error) {
	var out Levels
	err := parse(text, "model=level", func(entry, model, to string) error {
		level, err := ParseLevel(to)
		if err != nil {
			return fmt.Errorf("entry %q: %w", entry, err)
		}
		if slices.ContainsFunc(out, func(o LevelRule) bool { return o.Model == model }) {
			return fmt.Errorf("entry %q: %q stands twice on the left, so this one would never apply", entry, model)
		}
		out = append(out, LevelRule{Model: model, Level: level})
		return nil
	})
	return out, err
}

// Step says which level takes over when another one has no key that answers.
type Step struct{ From, To int }

// Steps are the take-overs; each level has at most one.
type Steps []Step

// Chain returns level and those that take over from it, in order, each once.
func (s Steps) Chain(level int) []int {
	out := []int{level}
	for {
		at := slices.IndexFunc(s, func(x Step) bool { return x.From == level })
		if at < 0 || slices.Contains(out, s[at].To) {
			return out
		}
		level = s[at].To
		out = append(out, level)
	}
}

// String writes the steps as ParseSteps reads them.
func (s Steps) String() string {
	return join(s, func(x Step) string { return strconv.Itoa(x.From) + "=" + strconv.Itoa(x.To) })
}

// ParseSteps reads "level=next level, …". A circle is fine: nobody goes around it twice. The error names
// every faulty entry.
func ParseSteps(text string) (Steps, error) {
	var out Steps
	err := parse(text, "level=level", func(entry, from, to string) error {
		a, err1 := ParseLevel(from)
		b, err2 := ParseLevel(to)
		if err := errors.Join(err1, err2); err != nil {
			return fmt.Errorf("entry %q: %w", entry, oneLine(err))
		}
		switch {
		case a == b:
			return fmt.Errorf("entry %q: a level can't take over from itself", entry)
		case slices.ContainsFunc(out, func(o Step) bool { return o.From == a }):
			return fmt.Errorf("entry %q: level %d has a successor already", entry, a)
		}
		out = append(out, Step{From: a, To: b})
		return nil
	})
	return out, err
}

// ParseLevel reads a level.
func ParseLevel(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > MaxLevel {
		return 0, fmt.Errorf("%q is not a level from 0 to %d", text, MaxLevel)
	}
	return n, nil
}

// parse cuts text into entries "left=right" and hands each to add.
func parse(text, form string, add func(entry, left, right string) error) error {
	var faults []error
	n := 0
	for entry := range strings.SplitSeq(text, ",") {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		if n++; n > MaxRules {
			faults = append(faults, fmt.Errorf("there are more than %d entries", MaxRules))
			break
		}
		left, right, ok := strings.Cut(entry, "=")
		left, right = strings.TrimSpace(left), strings.TrimSpace(right)
		var err error
		switch {
		case !ok || left == "" || right == "":
			err = fmt.Errorf("entry %q must read %s", entry, form)
		case strings.Contains(right, "=") || strings.ContainsAny(left+right, " \t\r\n"):
			err = fmt.Errorf("entry %q has more than one = or a space in a name", entry)
		default:
			err = add(entry, left, right)
		}
		if err != nil {
			faults = append(faults, err)
		}
	}
	return oneLine(errors.Join(faults...))
}

// oneLine writes several errors on one line; nil stays nil.
func oneLine(err error) error {
	if err == nil {
		return nil
	}
	return errors.New(strings.ReplaceAll(err.Error(), "\n", "; "))
}

func join[T any](list []T, write func(T) string) string {
	words := make([]string, len(list))
	for i, x := range list {
		words[i] = write(x)
	}
	return strings.Join(words, ",")
}
