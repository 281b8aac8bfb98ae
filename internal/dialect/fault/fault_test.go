package fault

import (
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"tollgate/internal/canon"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"":                              0,
		"0":                             0,
		"3":                             3 * time.Second,
		"0.5":                           500 * time.Millisecond,
		"-3":                            0,
		"NaN":                           0,
		"1e300":                         24 * time.Hour,
		"+Inf":                          24 * time.Hour,
		"soon":                          0,
		"Fri, 20 Nov 2026 12:00:30 GMT": 30 * time.Second,
		"Fri, 20 Nov 2026 11:00:00 GMT": 0,
		"Mon, 30 Nov 2026 12:00:00 GMT": 24 * time.Hour,
	} {
		if got := RetryAfter(http.Header{"Retry-After": {value}}, now); got != want {
			t.Errorf("%q: %v, want %v", value, got, want)
		}
	}
}

func TestAnsweredAt(t *testing.T) {
	want := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	if got := AnsweredAt(http.Header{"Date": {"Fri, 20 Nov 2026 12:00:00 GMT"}}); !got.Equal(want) {
		t.Error(got)
	}
	if got := AnsweredAt(http.Header{"Date": {"yesterday"}}); time.Since(got).Abs() > time.Hour {
		t.Error(got)
	}
}

func TestWholeSeconds(t *testing.T) {
	for d, want := range map[time.Duration]string{1: "1", time.Second: "1", 1100 * time.Millisecond: "2"} {
		if got := WholeSeconds(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"two\n  lines\t": "two lines",
		"Consumer 'api_key:AIzaSyA0000000000000000000000000000000' has been suspended": "Consumer 'api_key:*** has been suspended",
		"Incorrect key: sk-ant-api03-abcdefgh.":                                        "Incorrect key: ***",
		"GET /x?key=0123456789abcdef no":                                               "GET /x?*** no",
		"a risk-free desk-top":                                                         "a risk-free desk-top",
		"bad \xff byte":                                                                "bad ? byte",
	} {
		if got := Clean(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	long := Clean(strings.Repeat("ä ", 1<<20))
	if len(long) > maxMessage+len("…") || !utf8.ValidString(long) {
		t.Errorf("%d bytes, valid %v", len(long), utf8.ValidString(long))
	}
}

func TestByStatus(t *testing.T) {
	for status, want := range map[int]canon.Kind{
		400: canon.KindInvalid, 422: canon.KindInvalid, 401: canon.KindAuth, 402: canon.KindQuota, 403: canon.KindDenied, 404: canon.KindNotFound,
		413: canon.KindTooLarge, 415: canon.KindUnsupported, 429: canon.KindRateLimited, 500: canon.KindUpstream, 502: canon.KindUpstream,
		503: canon.KindOverloaded, 504: canon.KindTimeout, 529: canon.KindOverloaded, 200: "", 0: "",
		405: canon.KindNotFound, 406: canon.KindUnsupported, 408: canon.KindTimeout, 409: canon.KindUpstream, 425: canon.KindUpstream,
		451: canon.KindDenied, 499: canon.KindUpstream, 501: canon.KindUpstream, 524: canon.KindTimeout,
	} {
		if got, ok := ByStatus(status); got != want || ok != (want != "") {
			t.Errorf("%d: %q, want %q", status, got, want)
		}
	}
}
