package limit

import "time"

// The windows of a subject, by index: requests and then tokens, each per minute, hour and day.
const (
	windowKinds = 6
	tokenKinds  = 3 // the first that counts tokens
)

// buckets is the number of buckets a window is made of.
const buckets = 60

// bucketNanos is the length of a bucket of each window.
var bucketNanos = [windowKinds]int64{
	int64(time.Minute / buckets), int64(time.Hour / buckets), int64(24 * time.Hour / buckets),
	int64(time.Minute / buckets), int64(time.Hour / buckets), int64(24 * time.Hour / buckets),
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

// window counts in buckets. Its entries are a ring in the order of time; there is one for each bucket
// that holds something, so no more than buckets+1.
type window struct {
	total int64
	ring  []entry // its length is a power of two
	head  uint8
	len   uint8
}

// entry is a bucket: its number since the epoch and its count.
type entry struct {
	bucket int64
	count  int64
}

func (w *window) entry(i uint8) *entry { return &w.ring[int(w.head+i)&(len(w.ring)-1)] }

// expire drops the buckets that no window ending in bucket now reaches. It reports whether none is left.
func (w *window) expire(now int64) bool {
	for w.len > 0 {
		e := w.entry(0)
		if e.bucket >= now-buckets {
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

// add counts n in the bucket, which is not older than any that is there.
func (w *window) add(bucket, n int64) {
	w.total += n
	if w.len > 0 {
		if e := w.entry(w.len - 1); e.bucket == bucket {
			e.count += n
			return
		}
	}
	if int(w.len) == len(w.ring) {
		ring := make([]entry, max(2, 2*len(w.ring)))
		for i := range w.len {
			ring[i] = *w.entry(i)
		}
		w.ring, w.head = ring, 0
	}
	w.len++
	*w.entry(w.len - 1) = entry{bucket, n}
}

// giveBack takes back n of what was counted in the bucket, unless that has expired.
func (w *window) giveBack(bucket, n int64) {
	for i := w.len; i > 0; i-- {
		e := w.entry(i - 1)
		if e.bucket > bucket {
			continue
		}
		if e.bucket == bucket {
			e.count -= n
			w.total -= n
		}
		break
	}
	for w.len > 0 && w.entry(w.len-1).count == 0 {
		w.len--
	}
}

// freeAt returns the number of the first bucket in which n more fit, if nothing else is added. n is
// at most the limit.
func (w *window) freeAt(limit, n int64) int64 {
	over := w.total - (limit - n)
	for i := range w.len {
		e := w.entry(i)
		if over -= e.count; over <= 0 {
			return e.bucket + buckets + 1
		}
	}
	return 0
}

// emptyAt returns the number of the first bucket in which nothing counts any more.
func (w *window) emptyAt() int64 {
	if w.len == 0 {
		return 0
	}
	return w.entry(w.len-1).bucket + buckets + 1
}
