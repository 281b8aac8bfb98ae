package obs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func drawAttr(t *rapid.T) slog.Attr {
	key := rapid.OneOf(rapid.SampledFrom([]string{"call", "key", "reason", "X-Api-Key", "refresh_token", "password", "a\"b", "", "ключ"}), rapid.StringMatching(`[a-z_]{1,12}`)).Draw(t, "key")
	text := rapid.OneOf(
		rapid.String(),
		rapid.SampledFrom([]string{"sk-proj-abcdefghijklmnop1234", "use Bearer abcdefghijkl now", "postgres://me:hunter22@db/x", "\xff", "<&>", "a\x00\n\t\"\\", "🙂"}),
	)
	switch rapid.IntRange(0, 8).Draw(t, "kind") {
	case 0, 1, 2:
		return slog.String(key, text.Draw(t, "text"))
	case 3:
		return slog.Int64(key, rapid.Int64().Draw(t, "n"))
	case 4:
		return slog.Uint64(key, rapid.Uint64().Draw(t, "n"))
	case 5:
		return slog.Bool(key, rapid.Bool().Draw(t, "b"))
	case 6:
		return slog.Duration(key, time.Duration(rapid.Int64().Draw(t, "d")))
	case 7:
		return slog.Any(key, fmt.Errorf("broke: %s", text.Draw(t, "text")))
	default:
		return slog.Group(key, slog.String("note", text.Draw(t, "text")))
	}
}

// What we write ourselves must be what slog would have written, secrets left out alike.
func TestLineLikeSlog(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		level := rapid.SampledFrom([]slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError, 2}).Draw(t, "level")
		at := time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "at"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns"))
		r := slog.NewRecord(at, level, rapid.SampledFrom([]string{"call", "", "x sk-proj-abcdefghijklmnop1234"}).Draw(t, "msg"), 0)
		for range rapid.IntRange(0, 8).Draw(t, "attrs") {
			r.AddAttrs(drawAttr(t))
		}
		var want bytes.Buffer
		if err := slog.NewJSONHandler(&want, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: redactAttr}).Handle(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		out := &sink{}
		logger, log := NewLog(out, slog.LevelDebug, FormatJSON)
		if err := logger.Handler().Handle(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
		if got := out.String(); !reflect.DeepEqual(tokens(t, got), tokens(t, want.String())) {
			t.Fatalf("the log has\n%s\nslog would have\n%s", got, want.String())
		}
	})
}

// The same holds for a Line, whatever its members are called; as text to the byte.
func TestTextLineLikeSlog(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var got, want sink
		logger, log := NewLog(&got, slog.LevelDebug, FormatText)
		msg := rapid.String().Draw(t, "msg")
		l := NewLine(logger, slog.LevelInfo, msg)
		r := slog.NewRecord(time.Now(), slog.LevelInfo, msg, 0)
		for range rapid.IntRange(0, 8).Draw(t, "attrs") {
			a := drawAttr(t)
			switch a.Value.Kind() {
			case slog.KindString:
				l.Text(a.Key, a.Value.String())
			case slog.KindInt64:
				l.Int(a.Key, a.Value.Int64())
			case slog.KindBool:
				l.Bool(a.Key, a.Value.Bool())
			default:
				continue
			}
			r.AddAttrs(a)
		}
		l.End(t.Context())
		if err := errors.Join(log.Close(), slog.NewTextHandler(&want, &slog.HandlerOptions{ReplaceAttr: redactAttr}).Handle(t.Context(), r)); err != nil {
			t.Fatal(err)
		}
		_, gotten, _ := strings.Cut(got.String(), " ") // the time is before that
		if _, wanted, _ := strings.Cut(want.String(), " "); gotten != wanted {
			t.Fatalf("the line is\n%s\nslog would have\n%s", gotten, wanted)
		}
	})
}

// tokens are the parts of a line in their order, whatever the ways to escape characters are.
func tokens(t *rapid.T, line string) []json.Token {
	if n := len(line); n == 0 || line[n-1] != '\n' {
		t.Fatalf("not a line: %q", line)
	}
	d := json.NewDecoder(bytes.NewReader([]byte(line)))
	d.UseNumber()
	var all []json.Token
	for d.More() {
		token, err := d.Token()
		if err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		all = append(all, token)
	}
	return all
}

func BenchmarkLine(b *testing.B) {
	logger, log := NewLog(&discard{}, slog.LevelInfo, FormatJSON)
	b.ReportAllocs()
	for b.Loop() {
		NewLine(logger, slog.LevelInfo, "call").
			Text("call", "01a1fb77-1a96-7158-9378-b3d8cf4a1e04").Text("account", "01a1fb77-0bc8-76c6-9872-cfda39fe0e08").Text("key", "01a1fb77-0bc9-72d0-80ff-365a2ece2b8c").
			Text("dialect", "openaichat").Text("op", "generate").Text("model", "sim-gpt").Text("upstream", "sim-gpt").Text("provider", "simulator").
			Text("channel", "fixed-db1035632a4cdb96").Bool("stream", false).Int("status", 200).Int("attempts", 1).Int("in", 21).Int("cached", 0).
			Int("out", 28).Text("usage", "measured").Int("nanos", 13300).Int("first_ms", 0).Int("ms", 0).Text("ip", "127.0.0.1").
			End(b.Context())
	}
	if err := log.Close(); err != nil {
		b.Fatal(err)
	}
}

type discard struct{}

func (*discard) Write(p []byte) (int, error) { return len(p), nil }
