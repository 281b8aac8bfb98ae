// Package fault reads what any upstream's failure says, whatever its protocol.
//
// It owns what the HTTP layer tells (status, how long to wait) and how an upstream's words are made
// fit to be shown. It leaves the shape of an error body, and the words in it, to the dialects.
package fault

import (
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"tollgate/internal/canon"
)

// ByStatus sorts an error by its HTTP status alone; ok is false below 400.
func ByStatus(status int) (kind canon.Kind, ok bool) {
	switch status {
	case http.StatusUnauthorized:
		return canon.KindAuth, true
	case http.StatusPaymentRequired:
		return canon.KindQuota, true
	case http.StatusForbidden, http.StatusUnavailableForLegalReasons:
		return canon.KindDenied, true
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone:
		return canon.KindNotFound, true
	case http.StatusNotAcceptable, http.StatusUnsupportedMediaType:
		return canon.KindUnsupported, true
	case http.StatusRequestTimeout, http.StatusGatewayTimeout, 524: // 524: Cloudflare waited in vain
		return canon.KindTimeout, true
	case http.StatusConflict, http.StatusFailedDependency, http.StatusTooEarly, 499:
		return canon.KindUpstream, true
	case http.StatusRequestEntityTooLarge:
		return canon.KindTooLarge, true
	case http.StatusTooManyRequests:
		return canon.KindRateLimited, true
	case 498, http.StatusServiceUnavailable, 529: // 498: Groq's flex tier has no capacity; 529: Anthropic's "overloaded"
		return canon.KindOverloaded, true
	}
	switch {
	case status >= 500:
		return canon.KindUpstream, true
	case status >= 400:
		return canon.KindInvalid, true
	}
	return "", false
}

// MayWait reports whether an error of the kind passes with time, so that a wait means something.
func MayWait(k canon.Kind) bool {
	switch k {
	case canon.KindRateLimited, canon.KindOverloaded, canon.KindUpstream, canon.KindTimeout, canon.KindQuota:
		return true
	default:
		return false
	}
}

// AnsweredAt is the upstream's own clock, or ours if it does not say: times in an answer are compared
// with the time in the same answer, so that clocks need not agree.
func AnsweredAt(h http.Header) time.Time {
	if t, err := http.ParseTime(h.Get("Date")); err == nil {
		return t
	}
	return time.Now()
}

// RetryAfter reads Retry-After, in seconds or as a date; 0 if there is none.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	v := h.Get("Retry-After")
	if s, err := strconv.ParseFloat(v, 64); err == nil {
		if !(s > 0) { // NaN too
			return 0
		}
		return time.Duration(min(s, maxWait.Seconds()) * float64(time.Second))
	}
	if t, err := http.ParseTime(v); err == nil {
		return Bounded(t.Sub(now))
	}
	return 0
}

// maxWait is the longest wait that we believe.
const maxWait = 24 * time.Hour

// Bounded keeps a wait that an upstream states within a day.
func Bounded(d time.Duration) time.Duration { return min(max(d, 0), maxWait) }

// WholeSeconds is d for a Retry-After header: rounded up, so that nobody comes back too early.
func WholeSeconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}

// Describe says what came where an error with a message was due. status 0 is inside of a stream.
func Describe(status int, text string, isJSON bool) string {
	answered := "the upstream reported an error"
	if status != 0 {
		answered = "the upstream answered " + strconv.Itoa(status)
	}
	switch {
	case text == "":
		return answered + " without a body"
	case isJSON:
		return answered + " without a message"
	case text[0] == '<':
		return answered + " with a page of HTML"
	}
	return answered + ": " + text
}

// maxMessage bounds in bytes what is kept of an upstream's words.
const maxMessage = 1000

// secretMarks begin credentials of the vendors in their own error messages; Google says "Consumer
// 'api_key:AIza…' has been suspended."
var secretMarks = [...]string{"AIza", "AQ.", "sk-", "key=", "Bearer"}

// Mask hides in s what tells of our account at a vendor: keys, organizations, projects, users.
func Mask(s string) string {
	inWord := func(c byte) bool {
		return c == '-' || c == '_' || c == '*' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		if !inWord(s[i]) {
			b.WriteByte(s[i])
			i++
			continue
		}
		end := i
		for end < len(s) && inWord(s[end]) {
			end++
		}
		word := s[i:end]
		for _, prefix := range accountMarks {
			if strings.HasPrefix(word, prefix) && len(word) >= len(prefix)+6 {
				word = prefix + "***"
				break
			}
		}
		b.WriteString(word)
		i = end
	}
	return b.String()
}

// accountMarks begin the ids and keys of an account at a vendor.
var accountMarks = [...]string{"sk-", "org-", "proj_", "gsk_", "xai-", "AIza", "key-", "user-"}

// Clean makes an upstream's words fit to be shown: one line of bounded length, without credentials and
// without ids of our account.
func Clean(s string) string {
	if len(s) > 8*maxMessage {
		s = s[:8*maxMessage]
	}
	words := strings.Fields(strings.ToValidUTF8(s, "?"))
	for i, w := range words {
		for _, mark := range secretMarks {
			if at := strings.Index(w, mark); at >= 0 && len(w)-at > 12 {
				words[i] = w[:at] + "***"
				break
			}
		}
	}
	s = Mask(strings.Join(words, " "))
	if len(s) <= maxMessage {
		return s
	}
	cut := maxMessage
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// WriteJSON writes a small answer of the gateway's own. An error of the client's connection has nobody
// left to be told to.
func WriteJSON(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
