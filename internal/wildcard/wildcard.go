// Package wildcard owns the one meaning of '*' in a name of a model.
//
// '*' stands for any run of characters, also none, anywhere and as often as one likes; nothing else
// is special. Letters of the ASCII alphabet match in either case: vendors write "MiniMax-M2" and
// people "minimax-m2", and a rule that denies "gpt-*" must not be passed by writing "GPT-4o". What a
// list of patterns allows is left to its owner. A leaf: standard library only.
package wildcard

import "strings"

// Match reports whether name fits pattern. Its time is linear in the two lengths, whatever they hold,
// so that a pattern or a name from outside cannot make it slow.
func Match(pattern, name string) bool {
	first, rest, wild := strings.Cut(pattern, "*")
	if !wild {
		return fold(pattern) == fold(name)
	}
	rest, name = fold(rest), fold(name)
	name, ok := strings.CutPrefix(name, fold(first))
	if !ok {
		return false
	}
	// The pieces between stars are taken at their first place, the last one at the very end.
	for {
		piece, after, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(name, piece)
		}
		at := strings.Index(name, piece)
		if at < 0 {
			return false
		}
		name, rest = name[at+len(piece):], after
	}
}

// Any reports whether name fits one of patterns. No patterns fit nothing.
func Any(patterns []string, name string) bool {
	for _, p := range patterns {
		if Match(p, name) {
			return true
		}
	}
	return false
}

// Is reports whether s is a pattern rather than a plain name.
func Is(s string) bool { return strings.Contains(s, "*") }

// Literals counts the characters of pattern that are no star: of two patterns that fit, the one with
// more of them says more about the name.
func Literals(pattern string) int { return len(pattern) - strings.Count(pattern, "*") }

// fold lowers A to Z. Other letters stay: no vendor uses them, and folding them changes lengths.
func fold(s string) string {
	for i := range len(s) {
		if c := s[i]; 'A' <= c && c <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if c := b[i]; 'A' <= c && c <= 'Z' {
					b[i] = c + 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}
