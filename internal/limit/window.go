package limit

import "time"

// The windows of a subject, by index: requests and then tokens, each per minute, hour and day.
const (
	windowKinds = 6
	tokenKinds  = 3 // the first that counts tokens
)

// buckets is the number of buckets a window is made of, for what is small beside its limit.
const buckets = 60

// windowNanos is the length of each window.
var windowNanos = [windowKinds]int64{
	int64(time.Minute), int64(time.Hour), int64(24 * time.Hour),
	int64(time.Minute), int64(time.Hour), int64(24 * time.Hour),
}

// windowNames are the limits' names as in Limits, windowTexts their meaning.
var (
	windowNames = [windowKinds]string{"rpm", "rph", "rpd", "tpm", "tph", "tpd"}
	windowTexts = [windowKinds]string{
		"requests per minute", "requests per hour", "requests per day",
		"tokens per minute", "tokens per hour", "tokens per day",
	}
)

// windowLimit returns the limit of window k; zero or less is none.
func windowLimit(l *Limits, k int) int64 {
	switch k {
	case 0:
		return l.RPM
	case 1:
		return l.RPH
	case 2:
		return l.RPD
	case 3:
		return l.TPM
	case 4:
		return l.TPH
	default:
		return l.TPD
	}
}

// need returns what a call takes of window k.
func need(k int, tokens int64) int64 {
	if k < tokenKinds {
		return 1
	}
	return tokens
}

// share is the part of a limit from which on a call is remembered by its own time.
const share = 64

// exact reports whether n is so much of the limit that it is remembered by its own time: no more than
// share of them fit.
func exact(limit, n int64) bool { return n > (limit-1)/share }

// stamp returns the time until which a count at the time at is taken to have happened in window k: that
// time itself, or the end of its bucket.
func stamp(k int, at int64, exact bool) int64 {
	if exact {
		return at
	}
	bucket := windowNanos[k] / buckets
	return at - at%bucket + bucket - 1
}

// window counts by stamps. Its entries are a ring in the order of their stamps; those of buckets are no
// more than buckets+1, those of exact times share, while the limit stays.
type window struct {
	total int64
	ring  []entry // its length is a power of two
	head  uint8
	len   uint8
}

// entry is what was counted by one stamp.
type entry struct {
	stamp int64
	count int64
}

// maxEntries bounds a window whose limit was changed again and again.
const maxEntries = 250

func (w *window) entry(i uint8) *entry { return &w.ring[(int(w.head)+int(i))&(len(w.ring)-1)] }

// expire drops what happened before since, where the window that ends now begins. It reports whether
// nothing is left.
func (w *window) expire(since int64) bool {
	for w.len > 0 {
		e := w.entry(0)
		if e.stamp >= since {
			return false
		}
		w.total -= e.count
		w.head++
		w.len--
	}
	return true
}

// fits reports whether n more keep the limit. n may be larger than the limit.
func (w *window) fits(limit, n int64) bool { return n <= limit && w.total <= limit-n }

// add counts n by the stamp. Only the current bucket may have a later one.
func (w *window) add(stamp, n int64) {
	w.total += n
	i := w.len
	for i > 0 && w.entry(i-1).stamp > stamp {
		i--
	}
	if i > 0 {
		if e := w.entry(i - 1); e.stamp == stamp {
			e.count += n
			return
		}
	}
	if w.len == maxEntries { // the later stamp is the safe one
		e := w.entry(w.len - 1)
		e.stamp, e.count = max(e.stamp, stamp), e.count+n
		return
	}
	if int(w.len) == len(w.ring) {
		w.grow()
	}
	w.len++
	for j := w.len - 1; j > i; j-- {
		*w.entry(j) = *w.entry(j - 1)
	}
	*w.entry(i) = entry{stamp, n}
}

func (w *window) grow() {
	ring := make([]entry, max(2, 2*len(w.ring)))
	for i := range w.len {
		ring[i] = *w.entry(i)
	}
	w.ring, w.head = ring, 0
}

// giveBack takes back n of what was counted by the stamp, unless that has expired.
func (w *window) giveBack(stamp, n int64) {
	for i := w.len; i > 0; i-- {
		e := w.entry(i - 1)
		if e.stamp > stamp {
			continue
		}
		if e.stamp == stamp {
			e.count -= n
			w.total -= n
			if e.count == 0 {
				w.remove(i - 1)
			}
		}
		break
	}
}

// remove takes out an entry that counts nothing any more.
func (w *window) remove(i uint8) {
	for ; i+1 < w.len; i++ {
		*w.entry(i) = *w.entry(i + 1)
	}
	w.len--
}

// freeAt returns the stamp whose end makes room for n more, if nothing else is added. n is at most the
// limit.
func (w *window) freeAt(limit, n int64) int64 {
	over := w.total - (limit - n)
	for i := range w.len {
		e := w.entry(i)
		if over -= e.count; over <= 0 {
			return e.stamp
		}
	}
	return 0
}

// last returns the latest stamp that counts; without any, one that is long over.
func (w *window) last() int64 {
	if w.len == 0 {
		return -1 << 62
	}
	return w.entry(w.len - 1).stamp
}
