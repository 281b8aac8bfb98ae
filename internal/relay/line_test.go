package relay

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"tollgate/internal/account"
	"tollgate/internal/canon"
	"tollgate/internal/catalog"
	"tollgate/internal/dialect"
	"tollgate/internal/ledger"
	"tollgate/internal/obs"
)

// lineText generates what ids, names and messages may hold, the empty text more often than others.
var lineText = rapid.OneOf(rapid.Just(""), rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
	rapid.Map(rapid.IntRange(100, 400), func(n int) string { return strings.Repeat("é", n) }),
	rapid.SampledFrom([]string{
		"01a1fb77-1a96-7158-9378-b3d8cf4a1e04", "two words", "a=b", "sk-proj-abcdefghijklmnop1234", "use Bearer abcdefghijkl now", "postgres://me:hunter22@db/x",
		"https://host/v1?key=abc&alt=sse", "\xff", "<&>", "a\x00\x1b\n\t\r\"\\\x7f", "\u2028", "\u00a0", "\ufffd", "\x7f", `a\b`, "🙂",
	}))

// loggers are those that a line may be for: ours, ours with attributes and groups, slog's.
var loggers = map[string]func(io.Writer, slog.Level) (*slog.Logger, io.Closer){
	"json": func(w io.Writer, level slog.Level) (*slog.Logger, io.Closer) {
		return obs.NewLog(w, level, obs.FormatJSON)
	},
	"text": func(w io.Writer, level slog.Level) (*slog.Logger, io.Closer) {
		return obs.NewLog(w, level, obs.FormatText)
	},
	"json below more": func(w io.Writer, level slog.Level) (*slog.Logger, io.Closer) {
		logger, log := obs.NewLog(w, level, obs.FormatJSON)
		return logger.With("node", "a b", "token", "x").WithGroup("g"), log
	},
	"text below more": func(w io.Writer, level slog.Level) (*slog.Logger, io.Closer) {
		logger, log := obs.NewLog(w, level, obs.FormatText)
		return logger.With("node", "a b", "token", "x").WithGroup("g"), log
	},
	"slog's": func(w io.Writer, level slog.Level) (*slog.Logger, io.Closer) {
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})), io.NopCloser(nil)
	},
}

// The lines of calls must be, to the byte, what their logger writes of the same attributes.
func TestLinesLikeSlog(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		text := func(name string) string { return lineText.Draw(rt, name) }
		count := func(name string) int64 { return rapid.Int64Range(-1, 1<<40).Draw(rt, name) }
		rec := &ledger.Call{
			ID: text("id"), AccountID: text("account"), KeyID: text("key"), Dialect: canon.Dialect(text("dialect")), Op: canon.Op(text("op")),
			Model: text("model"), Upstream: text("upstream"), Provider: text("provider"), ChannelID: text("channel"), Stream: rapid.Bool().Draw(rt, "stream"),
			Status: int(count("status")), Attempts: make([]ledger.Attempt, rapid.IntRange(0, 3).Draw(rt, "attempts")),
			Usage: canon.Usage{Input: count("in"), CacheRead: count("cached"), Output: count("out")}, Source: canon.UsageSource(text("usage")),
			Cost: catalog.Nanos(count("nanos")), FirstMs: count("first"), TotalMs: count("ms"), ClientIP: text("ip"),
			ErrorKind: canon.Kind(text("error")), ErrorText: text("reason"), Spoken: canon.Dialect(text("spoken")),
			Losses: make([]string, rapid.IntRange(0, 2).Draw(rt, "losses")), Quarantine: text("quarantine"), ClientGone: rapid.Bool().Draw(rt, "gone"),
		}
		c := &call{
			h: &Handler{Deps: Deps{Metrics: obs.NewMetrics("v1")}}, r: &http.Request{}, id: rec.ID, status: rec.Status, hungUp: rec.ClientGone,
			ep: dialect.Endpoint{Dialect: canon.OpenAIChat, Op: canon.OpGenerate}, head: dialect.Head{Model: rec.Model},
		}
		if rapid.Bool().Draw(rt, "failed") {
			c.err = &canon.Error{Kind: canon.KindDenied, Message: rec.ErrorText}
			if rapid.Bool().Draw(rt, "caused") {
				c.err.Cause = errors.New(text("cause"))
			}
		}
		if rapid.Bool().Draw(rt, "known") {
			c.from = netip.MustParseAddr("10.1.2.3")
			c.caller = account.Caller{Account: &account.Account{ID: rec.AccountID}, Key: &account.Key{ID: rec.KeyID}}
		}
		level := rapid.SampledFrom([]slog.Level{slog.LevelInfo, slog.LevelInfo, slog.LevelWarn, slog.LevelError}).Draw(rt, "level")
		later := time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(rt, "later"))
		open := loggers[rapid.SampledFrom(slices.Sorted(maps.Keys(loggers))).Draw(rt, "logger")]
		var got, want bytes.Buffer
		synctest.Test(t, func(t *testing.T) { // where the clock stands still
			time.Sleep(later)
			logger, log := open(&got, level)
			c.h.Log = logger
			c.logLine(rec)
			c.refusedLine()
			plain, plainLog := open(&want, level)
			is, attrs := wideAttrs(c, rec)
			plain.LogAttrs(t.Context(), is, "call", attrs...)
			if c.err != nil {
				plain.LogAttrs(t.Context(), slog.LevelInfo, "call refused", refusedAttrs(c)...)
			}
			if err := errors.Join(log.Close(), plainLog.Close()); err != nil {
				t.Error(err)
			}
		})
		if got.String() != want.String() {
			rt.Fatalf("the lines are\n%s\nwant\n%s", got.String(), want.String())
		}
	})
}

// wideAttrs is what the wide line of a call says.
func wideAttrs(c *call, r *ledger.Call) (slog.Level, []slog.Attr) {
	level, attrs := slog.LevelInfo, []slog.Attr{
		slog.String("call", r.ID), slog.String("account", r.AccountID), slog.String("key", r.KeyID),
		slog.String("dialect", string(r.Dialect)), slog.String("op", string(r.Op)), slog.String("model", bounded(r.Model, 120)),
		slog.String("upstream", r.Upstream), slog.String("provider", r.Provider), slog.String("channel", r.ChannelID),
		slog.Bool("stream", r.Stream), slog.Int("status", r.Status), slog.Int("attempts", len(r.Attempts)),
		slog.Int64("in", r.Usage.In()), slog.Int64("cached", r.Usage.CacheRead), slog.Int64("out", r.Usage.Out()), slog.String("usage", string(r.Source)),
		slog.Int64("nanos", int64(r.Cost)), slog.Int64("first_ms", r.FirstMs), slog.Int64("ms", r.TotalMs), slog.String("ip", r.ClientIP),
	}
	if r.ErrorKind != "" {
		level = slog.LevelWarn
		attrs = append(attrs, slog.String("error", string(r.ErrorKind)), slog.String("reason", r.ErrorText))
		if c.err != nil && c.err.Cause != nil {
			attrs = append(attrs, slog.String("cause", bounded(c.err.Cause.Error(), 300)))
		}
	}
	if r.Spoken != "" {
		attrs = append(attrs, slog.String("spoken", string(r.Spoken)))
	}
	if r.Spoken != "" || len(r.Losses) > 0 {
		attrs = append(attrs, slog.Int("losses", len(r.Losses)))
	}
	if r.Quarantine != "" {
		attrs = append(attrs, slog.String("quarantine", r.Quarantine))
	}
	if r.ClientGone {
		attrs = append(attrs, slog.Bool("client_gone", true))
	}
	return level, attrs
}

// refusedAttrs is what the line of a call that no channel saw says.
func refusedAttrs(c *call) []slog.Attr {
	attrs := []slog.Attr{
		slog.String("call", c.id), slog.String("dialect", string(c.ep.Dialect)), slog.String("op", string(c.ep.Op)),
		slog.String("model", bounded(c.head.Model, 120)), slog.Int("status", c.status),
		slog.String("error", string(c.err.Kind)), slog.String("reason", bounded(c.err.Message, 300)), slog.String("ip", c.ip()),
	}
	if c.caller.Account != nil {
		attrs = append(attrs, slog.String("account", c.caller.Account.ID), slog.String("key", c.caller.Key.ID))
	}
	if c.hungUp {
		attrs = append(attrs, slog.Bool("client_gone", true))
	}
	return attrs
}

func BenchmarkLogLine(b *testing.B) {
	rec := &ledger.Call{
		ID: "01a1fb77-1a96-7158-9378-b3d8cf4a1e04", AccountID: "01a1fb77-0bc8-76c6-9872-cfda39fe0e08", KeyID: "01a1fb77-0bc9-72d0-80ff-365a2ece2b8c",
		Dialect: canon.OpenAIChat, Op: canon.OpGenerate, Model: "sim-gpt", Upstream: "sim-gpt", Provider: "simulator", ChannelID: "fixed-db1035632a4cdb96",
		Status: 200, Attempts: make([]ledger.Attempt, 1), Usage: canon.Usage{Input: 21, Output: 28}, Source: canon.Measured, Cost: 13300, ClientIP: "127.0.0.1",
	}
	logger, log := obs.NewLog(nowhere{}, slog.LevelInfo, obs.FormatJSON)
	c := &call{h: &Handler{Deps: Deps{Log: logger}}, r: &http.Request{}}
	b.ReportAllocs()
	for b.Loop() {
		c.logLine(rec)
	}
	if err := log.Close(); err != nil {
		b.Fatal(err)
	}
}

type nowhere struct{}

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }
