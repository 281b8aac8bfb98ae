package obs

import (
	"context"
	"log/slog"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"

	"tollgate/internal/jsonedit"
)

// Line is a line of the log under way, for what is logged with every call. Its members are appended at
// once if the logger is NewLog's; one of another kind, or with attributes or groups, gets them as a record
// at the end. The bytes are the same that the logger makes of such a record.
type Line struct {
	level slog.Level
	own   *handler // takes buf; nil: what is below goes to another
	buf   []byte

	to    slog.Handler
	at    time.Time
	msg   string
	attrs []slog.Attr
}

// NewLine begins a line of now; whether its level is logged the caller has asked. Nothing is written before End.
func NewLine(logger *slog.Logger, level slog.Level, msg string) *Line {
	if h, ok := logger.Handler().(*handler); ok && h.lines != nil {
		l := h.line()
		l.begin(time.Now(), level, msg)
		return l
	}
	return &Line{to: logger.Handler(), at: time.Now(), level: level, msg: msg, attrs: make([]slog.Attr, 0, 32)}
}

// Text adds a text, without what looks like a credential.
func (l *Line) Text(name, value string) *Line {
	switch {
	case l.own == nil:
		l.attrs = append(l.attrs, slog.String(name, value))
	case !l.hide(name):
		l.quote(value)
	}
	return l
}

// Int adds a number.
func (l *Line) Int(name string, value int64) *Line {
	switch {
	case l.own == nil:
		l.attrs = append(l.attrs, slog.Int64(name, value))
	case !l.hide(name):
		l.buf = strconv.AppendInt(l.buf, value, 10)
	}
	return l
}

// Bool adds a truth value.
func (l *Line) Bool(name string, value bool) *Line {
	switch {
	case l.own == nil:
		l.attrs = append(l.attrs, slog.Bool(name, value))
	case !l.hide(name):
		l.buf = strconv.AppendBool(l.buf, value)
	}
	return l
}

// End writes the line, which must not be used any more.
func (l *Line) End(ctx context.Context) {
	if h := l.own; h != nil {
		h.take(l)
		return
	}
	r := slog.NewRecord(l.at, l.level, l.msg, 0) // no log of ours shows where in the code it was written
	r.AddAttrs(l.attrs...)
	_ = l.to.Handle(ctx, r) // as a Logger has it: nobody could be told
}

// begin appends what every line begins with.
func (l *Line) begin(at time.Time, level slog.Level, msg string) {
	l.level = level
	b := l.buf[:0]
	if l.own.text {
		b = at.AppendFormat(append(b, "time="...), "2006-01-02T15:04:05.000Z07:00")
		b = append(b, " level="...)
		b = append(b, level.String()...)
		b = append(b, " msg="...)
	} else {
		b = append(b, '{')
		if !at.IsZero() {
			b = at.AppendFormat(append(b, `"time":"`...), time.RFC3339Nano)
			b = append(b, `",`...)
		}
		b = append(b, `"level":"`...)
		b = append(b, level.String()...)
		b = append(b, `","msg":`...)
	}
	l.buf = b
	l.quote(msg)
}

// hide appends the name of a member, and *** for its value if it is a secret's.
func (l *Line) hide(name string) bool {
	plain := plainName(name)
	switch b := l.buf; {
	case l.own.text:
		l.buf = append(appendWord(append(b, ' '), name), '=')
	case plain:
		b = append(b, `,"`...)
		b = append(b, name...)
		l.buf = append(b, `":`...)
	default:
		l.buf = append(jsonedit.AppendQuoted(append(b, ','), name), ':')
	}
	if plain || !secretName(name) {
		return false
	}
	l.quote(hidden)
	return true
}

// quote appends a text without what looks like a credential.
func (l *Line) quote(s string) {
	if suspicious(s) {
		s = Redact(s)
	}
	if l.own.text {
		l.buf = appendWord(l.buf, s)
	} else {
		l.buf = jsonedit.AppendQuoted(l.buf, s)
	}
}

// appendWord appends s as slog's text handler has it: in quotes if it would not be one word without.
func appendWord(dst []byte, s string) []byte {
	for _, r := range s {
		if r <= ' ' || r == '"' || r == '=' || r > 0x7f && (r == utf8.RuneError || !unicode.IsPrint(r)) {
			return strconv.AppendQuote(dst, s)
		}
	}
	if s == "" {
		return append(dst, `""`...)
	}
	return append(dst, s...)
}

// record appends a record as slog's JSON handler with redactAttr has it, in a fraction of the time; false
// if the record holds what only slog can write.
func (l *Line) record(r *slog.Record) bool {
	if y := r.Time.Year(); y < 0 || y > 9999 {
		return false
	}
	l.begin(r.Time, r.Level, r.Message)
	ok := true
	r.Attrs(func(a slog.Attr) bool {
		ok = a.Key != "" && l.attr(a)
		return ok
	})
	return ok
}

func (l *Line) attr(a slog.Attr) bool {
	switch v := a.Value; v.Kind() {
	case slog.KindString:
		l.Text(a.Key, v.String())
	case slog.KindInt64:
		l.Int(a.Key, v.Int64())
	case slog.KindDuration:
		l.Int(a.Key, int64(v.Duration()))
	case slog.KindUint64:
		if !l.hide(a.Key) {
			l.buf = strconv.AppendUint(l.buf, v.Uint64(), 10)
		}
	case slog.KindBool:
		l.Bool(a.Key, v.Bool())
	case slog.KindGroup, slog.KindLogValuer: // may be left out, or become more than one
		return false
	default:
		return l.hide(a.Key)
	}
	return true
}
