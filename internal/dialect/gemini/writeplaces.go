package gemini

import "unicode/utf8"

// sourceKey is what makes two sources one.
type sourceKey struct{ url, title, text string }

// spokenText is the text of a block, for citations that say where in it they belong.
type spokenText struct {
	spoken
	text  []byte
	marks []int // where every markEvery-th character begins; made when it is needed
}

// markEvery is the distance of marks in characters.
const markEvery = 256

// placeBlocks looks up each block's text, once for all citations.
func (c *saying) placeBlocks() {
	c.placed = make(map[int]*spokenText, len(c.blocks))
	for i, b := range c.blocks { // neighbours have different indexes: see text
		if c.placed[b.index] != nil {
			continue
		}
		end := len(c.text)
		if i+1 < len(c.blocks) {
			end = c.blocks[i+1].from
		}
		c.placed[b.index] = &spokenText{spoken: b, text: c.text[b.from:end]}
	}
}

// byteAt returns how many bytes the first n characters are.
func (s *spokenText) byteAt(n int) int {
	if n <= 0 {
		return 0
	}
	if s.marks == nil {
		s.mark()
	}
	at := s.marks[min(n/markEvery, len(s.marks)-1)]
	for n -= min(n/markEvery, len(s.marks)-1) * markEvery; n > 0 && at < len(s.text); n-- {
		_, size := utf8.DecodeRune(s.text[at:])
		at += size
	}
	return at
}

func (s *spokenText) mark() {
	s.marks = append(make([]int, 0, 1+len(s.text)/markEvery), 0)
	for at, n := 0, 1; at < len(s.text); n++ {
		_, size := utf8.DecodeRune(s.text[at:])
		if at += size; n%markEvery == 0 {
			s.marks = append(s.marks, at)
		}
	}
}
