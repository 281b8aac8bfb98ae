package relay

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tollgate/internal/canon"
	"tollgate/internal/catalog"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/openaichat"
	"tollgate/internal/tokens"
)

func TestBounded(t *testing.T) {
	for _, c := range []struct {
		s    string
		n    int
		want string
	}{
		{"", 0, ""},
		{"abc", 3, "abc"},
		{"abcd", 3, "abc…"},
		{"abcd", 0, "…"},
		{"a€b", 2, "a…"},
		{"a€b", 3, "a…"},
		{"a€b", 4, "a€…"},
		{"€", 1, "…"},
		{"\x80\x80\x80", 2, "…"},
	} {
		if got := bounded(c.s, c.n); got != c.want {
			t.Errorf("bounded(%q, %d) = %q, want %q", c.s, c.n, got, c.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		s, n := rapid.String().Draw(t, "s"), rapid.IntRange(0, 40).Draw(t, "n")
		got := bounded(s, n)
		if !utf8.ValidString(got) || !strings.HasPrefix(s, strings.TrimSuffix(got, "…")) || len(got) > n+len("…") {
			t.Fatalf("bounded(%q, %d) = %q", s, n, got)
		}
	})
}

// What an upstream says of our account there stays between us; what it says of the request is told.
func TestPublic(t *testing.T) {
	const canary = "org-canary is out of money"
	for _, c := range []struct {
		kind canon.Kind
		want canon.Kind
		told bool
	}{
		{canon.KindInvalid, canon.KindInvalid, true},
		{canon.KindTooLarge, canon.KindTooLarge, true},
		{canon.KindUnsupported, canon.KindUnsupported, true},
		{canon.KindNotFound, canon.KindNotFound, true},
		{canon.KindTimeout, canon.KindTimeout, false},
		{canon.KindAuth, canon.KindOverloaded, false},
		{canon.KindDenied, canon.KindOverloaded, false},
		{canon.KindQuota, canon.KindOverloaded, false},
		{canon.KindRateLimited, canon.KindRateLimited, false},
		{canon.KindOverloaded, canon.KindOverloaded, false},
		{canon.KindUpstream, canon.KindUpstream, false},
	} {
		e := &canon.Error{Kind: c.kind, Message: canary, Code: "canary", Param: "canary", Status: 418, RetryAfter: time.Minute}
		p := public(e)
		if p.Kind != c.want || p.RetryAfter != time.Minute || p.Message == "" {
			t.Errorf("%s: %+v", c.kind, p)
		}
		if told := strings.Contains(p.Message+p.Code+p.Param, "canary"); told != c.told {
			t.Errorf("%s: the upstream's words are told: %v: %+v", c.kind, told, p)
		}
		if !errors.Is(p, e) {
			t.Errorf("%s: the log does not learn the cause", c.kind)
		}
	}
	if p := public(&canon.Error{Kind: canon.KindUpstream, Message: "our own words"}); p.Message != "our own words" {
		t.Errorf("%+v", p)
	}
}

// After a part of an answer has left no other channel is tried: the client is told that it has a part, and may send the
// call again where that may help. What the upstream says of itself is not told.
func TestBrokenOff(t *testing.T) {
	const (
		before = "the upstream broke off before the answer had begun"
		after  = "the upstream broke off after the answer had begun"
		none   = "; the call may be sent again"
		part   = "; what came is incomplete, and the call may be sent again"
	)
	said := func(k canon.Kind) *canon.Error {
		return &canon.Error{Kind: k, Message: "canary", Code: "canary", Status: 502, RetryAfter: time.Minute}
	}
	for _, c := range []struct {
		name        string
		err         *canon.Error
		kind        canon.Kind
		begun, bare string
	}{
		{"an error event", said(canon.KindUpstream), canon.KindUpstream, after + part, before + none},
		{"a refused key", said(canon.KindAuth), canon.KindOverloaded, after + part, before + none},
		{"no quota", said(canon.KindQuota), canon.KindOverloaded, after + part, before + none},
		{"limited", said(canon.KindRateLimited), canon.KindRateLimited, after + ", as it limits the rate of calls to this model" + part + " later", before + ", as it limits the rate of calls to this model" + none + " later"},
		{"overloaded", said(canon.KindOverloaded), canon.KindOverloaded, after + ", as it is overloaded" + part + " later", before + ", as it is overloaded" + none + " later"},
		{"closed", transportError(nil, io.ErrUnexpectedEOF), canon.KindUpstream, "the upstream closed the connection before the answer was complete" + part, "the upstream closed the connection before the answer was complete" + none},
		{"late", transportError(errCallTime, nil), canon.KindTimeout, "the upstream did not answer in time: the call took too long" + part, "the upstream did not answer in time: the call took too long" + none},
		{"shut down", transportError(ErrShutdown, nil), canon.KindOverloaded, "the gateway is shutting down" + part, "the gateway is shutting down" + none},
		{"a wrong request", said(canon.KindInvalid), canon.KindInvalid, "canary", "canary"},
		{"a client that left", transportError(errClientGone, nil), canon.KindCanceled, "the client closed the request", "the client closed the request"},
	} {
		for content, want := range map[bool]string{true: c.begun, false: c.bare} {
			told := brokenOff(c.err, content)
			if told.Kind != c.kind || told.Message != want || told.RetryAfter != c.err.RetryAfter {
				t.Errorf("%s, content %v: %+v", c.name, content, told)
			}
			if c.kind != canon.KindInvalid && told.Code != "" {
				t.Errorf("%s: the upstream's words are told: %+v", c.name, told)
			}
			if c.err.Cause != nil && !errors.Is(told, c.err.Cause) {
				t.Errorf("%s: the log does not learn the cause", c.name)
			}
		}
	}
}

// A client that left is told from one whose call ends because the gateway does.
func TestClientGone(t *testing.T) {
	ended := func(cause error) context.Context {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		return ctx
	}
	for name, c := range map[string]struct {
		ctx    context.Context
		hungUp bool
		want   bool
	}{
		"here":                     {t.Context(), false, false},
		"disconnected":             {ended(context.Canceled), false, true},
		"takes no bytes":           {t.Context(), true, true},
		"shut down":                {ended(ErrShutdown), false, false},
		"gone, and then shut down": {ended(ErrShutdown), true, true},
		"gone with its connection": {ended(nil), true, true},
	} {
		one := &call{r: (&http.Request{}).WithContext(c.ctx), hungUp: c.hungUp}
		if got := one.clientGone(); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestWorse(t *testing.T) {
	none := &canon.Error{Kind: canon.KindOverloaded, Message: "no channel", RetryAfter: time.Second}
	if got := worse(nil, none); got != none {
		t.Errorf("%+v", got)
	}
	last := &canon.Error{Kind: canon.KindInvalid, Message: "temperature is wrong"}
	if got := worse(last, none); got.Kind != canon.KindInvalid || got.Message != last.Message {
		t.Errorf("%+v", got)
	}
}

// What an upstream of another dialect said of itself, and what it calls things, is not told in translation
// either.
func TestForeign(t *testing.T) {
	c := &call{translated: true}
	for _, e := range []*canon.Error{
		{Kind: canon.KindUpstream, Message: "see https://vendor.example/status", Status: 500},
		{Kind: canon.KindInvalid, Message: "too long", Code: "vendor_code", Param: "contents[0]", Status: 400},
	} {
		told := c.foreign(public(e))
		if told.Kind != e.Kind || strings.Contains(told.Message+told.Code+told.Param, "vendor") || told.Param != "" || told.Status != 0 {
			t.Errorf("%+v is told as %+v", e, told)
		}
	}
	if told := c.foreign(public(&canon.Error{Kind: canon.KindNotFound, Message: "no model", Code: "NOT_FOUND", Status: 404})); told.Code != "model_not_found" || told.Param != "model" {
		t.Errorf("%+v", told)
	}
	own := &canon.Error{Kind: canon.KindInvalid, Message: "too many files", Param: "messages[0]"}
	if told := c.foreign(public(own)); told.Param != own.Param || told.Message != own.Message {
		t.Errorf("%+v", told)
	}
}

func TestRenamed(t *testing.T) {
	for _, c := range []struct{ text, from, want string }{
		{"model: gpt-5 is gone", "gpt-5", "model: house is gone"},
		{"models/gpt-5+x, gpt-5", "gpt-5", "models/house+x, house"},
		{"`gpt-5`", "gpt-5", "`house`"},
		{"gpt-5-mini and my-gpt-5 and gpt-55", "gpt-5", "gpt-5-mini and my-gpt-5 and gpt-55"},
		{"gpt-5gpt-5", "gpt-5", "gpt-5gpt-5"},
		{"nothing here", "", "nothing here"},
		{"house", "house", "house"},
	} {
		if got := renamed(c.text, c.from, "house"); got != c.want {
			t.Errorf("%q became %q, want %q", c.text, got, c.want)
		}
	}
}

func TestRetryable(t *testing.T) {
	for kind, want := range map[canon.Kind]bool{
		canon.KindInvalid: false, canon.KindTooLarge: false, canon.KindUnsupported: false, canon.KindCanceled: false, canon.KindInternal: false,
		canon.KindAuth: true, canon.KindDenied: true, canon.KindNotFound: true, canon.KindRateLimited: true, canon.KindQuota: true,
		canon.KindOverloaded: true, canon.KindUpstream: true, canon.KindTimeout: true,
	} {
		if got := retryable(kind); got != want {
			t.Errorf("%s: %v", kind, got)
		}
	}
}

func TestMeter(t *testing.T) {
	m := &meter{}
	m.observe([]canon.Event{canon.Start{ID: "a1"}, canon.Start{}})
	if m.content || m.id != "a1" {
		t.Errorf("after the start: %+v", m)
	}
	m.observe([]canon.Event{canon.TextDelta{Text: "one "}, canon.ReasoningDelta{Text: "two "}, canon.RefusalDelta{Text: "three "}, canon.ToolStart{Name: "four "}, canon.ToolDelta{JSON: "five"}})
	if got := string(m.text); got != "one two three four five" || !m.content {
		t.Errorf("text %q, content %v", got, m.content)
	}
	m.observe([]canon.Event{canon.Used{Usage: canon.Usage{Input: 1}}, canon.Used{Usage: canon.Usage{Input: 2, Output: 3}}, canon.Stopped{Why: canon.StopEnd}, canon.Ended{}})
	if diff := cmp.Diff(canon.Usage{Input: 2, Output: 3}, m.usage); diff != "" || !m.used || !m.ended || m.stop != canon.StopEnd {
		t.Errorf("%s %+v", diff, m)
	}
	m.reset()
	if m.used || m.ended || m.content || len(m.text) != 0 || m.id != "" {
		t.Errorf("after a reset: %+v", m)
	}
}

// The text that is kept is bounded; what is beyond counts all the same.
func TestMeterIsBounded(t *testing.T) {
	m := &meter{}
	for range 40 {
		m.observe([]canon.Event{canon.TextDelta{Text: strings.Repeat("word ", 10_000)}})
	}
	if len(m.text) > maxMeterText || int64(len(m.text))+m.dropped != 40*50_000 {
		t.Errorf("kept %d, dropped %d", len(m.text), m.dropped)
	}
	c := &call{h: &Handler{Deps: Deps{Tokens: tokens.New()}}, meter: m, priced: &catalog.Entry{}}
	whole := c.h.Tokens.Output(strings.Repeat("word ", 400_000))
	if got := c.countOutput(); got < whole*9/10 || got > whole*11/10 {
		t.Errorf("%d tokens, %d in the whole text", got, whole)
	}
}

func TestConsumed(t *testing.T) {
	text := canon.TextDelta{Text: strings.Repeat("some words of an answer ", 10)}
	full := canon.Used{Usage: canon.Usage{Input: 7, Output: 90}}
	early := canon.Used{Usage: canon.Usage{Input: 7, Output: 1}}
	gone, broken := &canon.Error{Kind: canon.KindCanceled}, &canon.Error{Kind: canon.KindUpstream}
	counter := tokens.New()
	said := counter.Output(text.Text)
	for _, c := range []struct {
		name    string
		events  []canon.Event
		err     *canon.Error
		started bool
		source  canon.UsageSource
		in, out int64 // -1: any but none
	}{
		{"left while the upstream was thinking", nil, gone, false, canon.Estimated, -1, 0},
		{"told", []canon.Event{text, full}, nil, true, canon.Measured, 7, 90},
		{"told, no output", []canon.Event{canon.Used{Usage: canon.Usage{Input: 7}}}, nil, true, canon.Measured, 7, 0},
		{"told no output, but there is text", []canon.Event{text, canon.Used{Usage: canon.Usage{Input: 7}}}, nil, true, canon.Derived, 7, said},
		{"told no input", []canon.Event{text, canon.Used{Usage: canon.Usage{Output: 90}}}, nil, true, canon.Derived, -1, 90},
		{"told nothing but zeros", []canon.Event{text, canon.Used{}}, nil, true, canon.Derived, -1, said},
		{"told no input but what a cache had", []canon.Event{text, canon.Used{Usage: canon.Usage{CacheRead: 7, Output: 90}}}, nil, true, canon.Measured, 7, 90},
		{"not told", []canon.Event{text}, nil, true, canon.Estimated, -1, said},
		{"broken off after the input was told", []canon.Event{early, text}, broken, true, canon.Derived, 7, said},
		{"broken off after all was told", []canon.Event{full, text}, broken, true, canon.Derived, 7, 90},
		{"broken off, nothing told", []canon.Event{text}, broken, true, canon.Estimated, -1, said},
		{"never began", nil, broken, false, "", 0, 0},
		{"never began, but counted", []canon.Event{early}, broken, false, "", 0, 0},
		{"left before anything came", nil, gone, false, "", 0, 0},
		{"left before content, input told", []canon.Event{early}, gone, false, canon.Derived, 7, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			body := []byte(`{"model":"m","messages":[{"role":"user","content":"how are you?"}]}`)
			one := &call{
				h: &Handler{Deps: Deps{Tokens: counter}}, meter: &meter{}, priced: &catalog.Entry{}, proto: openaichat.New(),
				head: dialect.Head{Op: canon.OpGenerate}, body: body, err: c.err, started: c.started,
				accepted: !strings.Contains(c.name, "before anything"),
			}
			one.meter.observe(c.events)
			u, source := one.consumed()
			if source != c.source || u.Out() != c.out || c.in >= 0 && u.In() != c.in || c.in < 0 && u.In() <= 0 {
				t.Errorf("%q %+v", source, u)
			}
		})
	}
}

// A model whose tokens are smaller than the tokenizer's is estimated to have more of them, in and out.
func TestEstimatesAreScaled(t *testing.T) {
	estimate := func(percent int64) canon.Usage {
		c := &call{
			h: &Handler{Deps: Deps{Tokens: tokens.New()}}, meter: &meter{}, proto: openaichat.New(),
			priced: &catalog.Entry{Model: catalog.Model{TokenPercent: percent}}, head: dialect.Head{Op: canon.OpGenerate},
			body: []byte(`{"model":"m","messages":[{"role":"user","content":"how are you?"}]}`),
		}
		c.meter.observe([]canon.Event{canon.TextDelta{Text: "some words of an answer"}})
		u, _ := c.consumed()
		return u
	}
	plain := estimate(0)
	if got, want := estimate(300), (canon.Usage{Input: 3 * plain.Input, Output: 3 * plain.Output}); got != want || plain.Input == 0 || plain.Output == 0 {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestKeyOf(t *testing.T) {
	for _, c := range []struct {
		name  string
		query string
		head  http.Header
		want  string
	}{
		{"none", "", nil, ""},
		{"bearer", "", http.Header{"Authorization": {"Bearer k"}}, "k"},
		{"lower case", "", http.Header{"Authorization": {"bearer  k "}}, "k"},
		{"bare", "", http.Header{"Authorization": {"k"}}, "k"},
		{"bearer alone", "", http.Header{"Authorization": {"Bearer"}}, ""},
		{"bearer and blanks", "", http.Header{"Authorization": {"Bearer  "}, "X-Api-Key": {"x"}}, "x"},
		{"order", "key=q", http.Header{"Authorization": {"Bearer a"}, "X-Api-Key": {"x"}, "X-Goog-Api-Key": {"g"}}, "a"},
		{"anthropic", "key=q", http.Header{"X-Api-Key": {"x"}, "X-Goog-Api-Key": {"g"}}, "x"},
		{"google", "key=q", http.Header{"X-Goog-Api-Key": {"g"}, "Api-Key": {"z"}}, "g"},
		{"azure", "key=q", http.Header{"Api-Key": {"z"}}, "z"},
		{"query", "a=b&key=q&key=r", http.Header{"X-Api-Key": {""}}, "q"},
		{"escaped query", "%6bey=a%2Bb", nil, "a+b"},
	} {
		r, err := http.NewRequest(http.MethodGet, "http://gateway/?"+c.query, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = c.head
		if got := KeyOf(r); got != c.want {
			t.Errorf("%s: %q", c.name, got)
		}
	}
}

// No more is reserved than the model can write.
func TestReservationIsWhatTheModelCanWrite(t *testing.T) {
	for _, max := range []int64{0, 5000} {
		c := &call{
			h: &Handler{Deps: Deps{Settings: Settings{DefaultOutput: 4096}}}, priced: &catalog.Entry{Model: catalog.Model{OutputTokens: 1000}},
			head: dialect.Head{Op: canon.OpGenerate, MaxOutput: max, Choices: 2},
		}
		if got := c.outputReservation(); got != 2000 {
			t.Errorf("with a maximum of %d: %d", max, got)
		}
	}
}

// What a client writes as its maximum never makes a reservation negative, which would pass every limit.
func TestReservationDoesNotOverflow(t *testing.T) {
	h := &Handler{Deps: Deps{Settings: Settings{DefaultOutput: 4096}}}
	rapid.Check(t, func(t *rapid.T) {
		head := dialect.Head{
			Op: canon.OpGenerate, MaxOutput: rapid.Int64Min(0).Draw(t, "max"), Choices: rapid.IntMin(0).Draw(t, "choices"),
			TextBytes: rapid.Int64Range(0, 1<<40).Draw(t, "bytes"), MediaParts: rapid.IntRange(0, 1<<30).Draw(t, "parts"),
		}
		c := &call{h: h, head: head, priced: &catalog.Entry{}}
		in, out := tokens.Quick(head.TextBytes, head.MediaParts), c.outputReservation()
		if out < 0 || in+out < out {
			t.Fatalf("%d in and %d out", in, out)
		}
		if head.MaxOutput > 0 && head.MaxOutput <= 1<<20 && head.Choices <= 8 && out != head.MaxOutput*int64(max(head.Choices, 1)) {
			t.Fatalf("%d out", out)
		}
	})
}
