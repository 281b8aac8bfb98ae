// Package tokens estimates how many tokens a text is, where no vendor said so.
//
// It owns two estimates: Quick, from sizes alone, to reserve money before a call; and Counter, with
// a real tokenizer, for usage that an upstream failed to report. Both are estimates and are labelled
// so by who uses them: the tokenizer is OpenAI's o200k, other families differ by a factor that the
// catalogue keeps (Model.TokenPercent). It leaves prices to catalog and the choice between reported
// and estimated usage to relay.
package tokens

import (
	"runtime"
	"sync"
	"unicode/utf8"

	"github.com/tiktoken-go/tokenizer/codec"
)

const (
	// maxBytes is how much text one call has tokenized; what is longer is sampled. A MiB takes
	// about 100 ms.
	maxBytes = 1 << 20

	// window is how much the tokenizer sees at once. A run without any break costs n log n in its
	// length, so this bounds it; the cuts cost a token each at most.
	window = 16 << 10
)

// Counter counts with a tokenizer. The zero value is ready; it must not be copied. The tokenizer is
// built at the first count (about 11 ms and 7 MB), never before.
type Counter struct {
	once  sync.Once
	codec *codec.Codec
	slots chan struct{} // one for each count that may run at once
}

// New returns a Counter.
func New() *Counter { return &Counter{} }

func (c *Counter) build() {
	c.once.Do(func() {
		c.codec = codec.NewO200kBase()
		c.slots = make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))
	})
}

// Text returns the number of tokens in s.
func (c *Counter) Text(s string) int64 { return c.count([]string{s}) }

// Output returns the number of tokens in the text of an answer.
func (c *Counter) Output(text string) int64 { return c.Text(text) }

// count counts texts, and samples them evenly if they are longer than maxBytes together. It waits
// while as many counts as half of the processors are running, so that counting never starves calls.
func (c *Counter) count(texts []string) int64 {
	var total int64
	for _, s := range texts {
		total += int64(len(s))
	}
	if total == 0 {
		return 0
	}
	c.build()
	c.slots <- struct{}{}
	defer func() { <-c.slots }()

	if total <= maxBytes {
		var n int64
		for _, s := range texts {
			n += c.whole(s)
		}
		return n
	}
	// Every step-th byte range of one window, over all texts as if they were one.
	const windows = maxBytes / window
	step := total / windows
	var n, seen, start int64 // start: where the next window begins, from the current text's start
	for _, s := range texts {
		for start < int64(len(s)) {
			from := runeStart(s, int(start))
			to := runeStart(s, int(min(start+window, int64(len(s)))))
			n += c.whole(s[from:to])
			seen += int64(to - from)
			start += step
		}
		start -= int64(len(s))
	}
	if seen == 0 {
		return total / 5 * 2
	}
	return n*(total/seen) + n*(total%seen)/seen
}

// whole counts all of s, a window at a time.
func (c *Counter) whole(s string) int64 {
	var n int64
	for s != "" {
		end := len(s)
		if end > window {
			end = cut(s)
		}
		got, err := c.codec.Count(s[:end])
		if err != nil { // the splitter gave up on this window: the quick rule has to do
			got = end/5*2 + 1
		}
		n += int64(got)
		s = s[end:]
	}
	return n
}

// cut returns where to end the first window of s: before a space if one is near, since words are
// tokenized with the space before them, else between two characters.
func cut(s string) int {
	for i := window; i > window-256; i-- {
		if s[i] == ' ' || s[i] == '\n' {
			return i
		}
	}
	return max(1, runeStart(s, window))
}

// runeStart returns the start of the character that at is in.
func runeStart(s string, at int) int {
	for n := 0; n < utf8.UTFMax-1 && at > 0 && at < len(s) && !utf8.RuneStart(s[at]); n++ {
		at--
	}
	return at
}
