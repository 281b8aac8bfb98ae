package openai

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tollgate/internal/canon"
)

// longest bounds what we believe of an upstream's wish to wait.
const longest = 24 * time.Hour

// retryAfter reads how long an upstream wants to be left alone; 0 if it does not say.
func retryAfter(k canon.Kind, h http.Header, message string) time.Duration {
	if ms, err := strconv.ParseFloat(strings.TrimSpace(h.Get("Retry-After-Ms")), 64); err == nil {
		return bounded(ms / 1000)
	}
	if v := strings.TrimSpace(h.Get("Retry-After")); v != "" {
		if s, err := strconv.ParseFloat(v, 64); err == nil {
			return bounded(s)
		}
		if at, err := http.ParseTime(v); err == nil {
			now := time.Now()
			if date, err := http.ParseTime(h.Get("Date")); err == nil {
				now = date // by the clock that wrote both
			}
			return bounded(at.Sub(now).Seconds())
		}
	}
	if k != canon.KindRateLimited {
		return 0
	}
	// "Please try again in 6m0s." is about the limit that was met, the headers are about all of them.
	if _, rest, ok := strings.Cut(message, "try again in "); ok {
		if i := strings.IndexFunc(rest, func(r rune) bool { return r == ' ' || r == ',' || r == '\n' }); i >= 0 {
			rest = rest[:i]
		}
		if d, err := time.ParseDuration(strings.TrimRight(rest, ".!)")); err == nil {
			return bounded(d.Seconds())
		}
	}
	var wait time.Duration
	for _, what := range [...]string{"Requests", "Tokens"} {
		d, err := time.ParseDuration(h.Get("X-Ratelimit-Reset-" + what))
		if err != nil {
			continue
		}
		d = bounded(d.Seconds())
		if left := h.Get("X-Ratelimit-Remaining-" + what); left == "0" {
			return d // this one was met
		}
		wait = max(wait, d)
	}
	return wait
}

// Spent reads from an answer that went well for how long nothing remains of a limit; 0 if something
// does, or the headers are not there.
// Source: https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers, read 2026-11-20.
func Spent(h http.Header) time.Duration {
	var wait time.Duration
	for _, l := range [...]struct{ remaining, reset string }{
		{"X-Ratelimit-Remaining-Requests", "X-Ratelimit-Reset-Requests"},
		{"X-Ratelimit-Remaining-Tokens", "X-Ratelimit-Reset-Tokens"},
	} {
		if v := h[l.remaining]; len(v) == 0 || v[0] != "0" {
			continue
		}
		if d, err := time.ParseDuration(h.Get(l.reset)); err == nil {
			wait = max(wait, bounded(d.Seconds()))
		}
	}
	return wait
}

// bounded turns seconds into a duration between 0 and longest.
func bounded(seconds float64) time.Duration {
	switch {
	case math.IsNaN(seconds), seconds <= 0:
		return 0
	case seconds >= longest.Seconds():
		return longest
	}
	return time.Duration(seconds * float64(time.Second)).Round(time.Millisecond)
}
