package obs

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Forms of a log.
const (
	FormatAuto = "auto" // text on a terminal, json otherwise
	FormatText = "text"
	FormatJSON = "json"
)

// flushEvery bounds how long a line may wait in the buffer.
const flushEvery = 100 * time.Millisecond

// maxBuffered bounds the buffer; a line that does not fit makes it flush.
const maxBuffered = 64 << 10

// NewLog returns a logger that writes to w, and the Log behind it, which the caller closes at the
// end. Lines wait in a buffer for at most 100 ms; a warning or an error takes the buffer with it at
// once. Secrets in attributes are replaced (see Redact).
func NewLog(w io.Writer, level slog.Level, format string) (*slog.Logger, *Log) {
	l := &Log{w: w, dirty: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: redactAttr}
	h := &handler{log: l, lines: new(sync.Pool)}
	if format == FormatText || format == FormatAuto && IsTerminal(w) {
		h.Handler, h.text = slog.NewTextHandler(l, options), true
	} else {
		h.Handler = slog.NewJSONHandler(l, options)
	}
	go l.run()
	return slog.New(h), l
}

// IsTerminal reports whether w is a character device, which a person reads.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// Log is the buffered writer under a logger.
type Log struct {
	mu     sync.Mutex
	w      io.Writer
	buf    []byte
	closed bool
	err    error // first failure to write; the log cannot report it itself

	dirty chan struct{} // holds a token when the buffer was empty and is not any more
	stop  chan struct{}
	done  chan struct{}
}

// Write takes one line.
func (l *Log) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.buf)+len(line) > maxBuffered {
		l.flush()
	}
	first := len(l.buf) == 0
	l.buf = append(l.buf, line...)
	if l.closed || len(l.buf) > maxBuffered {
		l.flush()
	} else if first {
		select {
		case l.dirty <- struct{}{}:
		default:
		}
	}
	return len(line), nil
}

// Flush writes what is buffered.
func (l *Log) Flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flush()
}

// flush keeps the first error. Lines that could not be written are dropped: a full disk must not
// become a full memory.
func (l *Log) flush() {
	if len(l.buf) == 0 {
		return
	}
	if _, err := l.w.Write(l.buf); err != nil && l.err == nil {
		l.err = err
	}
	l.buf = l.buf[:0]
	if cap(l.buf) > 2*maxBuffered {
		l.buf = nil
	}
}

// Close flushes, ends the goroutine and returns the first failure to write. A line that comes later
// is written at once.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return errors.New("log: closed twice")
	}
	l.closed = true
	l.mu.Unlock()
	close(l.stop)
	<-l.done
	l.Flush()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// run flushes a while after the buffer got its first line. It sleeps for good when nothing is logged.
func (l *Log) run() {
	defer close(l.done)
	timer := time.NewTimer(flushEvery)
	defer timer.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-l.dirty:
		}
		timer.Reset(flushEvery)
		select {
		case <-l.stop:
			return
		case <-timer.C:
			l.Flush()
		}
	}
}

// handler flushes behind lines that a person waits for, and writes the usual ones itself.
type handler struct {
	slog.Handler
	log   *Log
	text  bool       // not JSON
	lines *sync.Pool // of Line; nil where only slog writes: below attributes and groups
}

// Handle writes one line.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	if h.lines != nil && !h.text {
		l := h.line()
		if l.record(&r) {
			l.End(ctx)
			return nil
		}
		h.free(l)
	}
	err := h.Handler.Handle(ctx, r)
	if r.Level >= slog.LevelWarn {
		h.log.Flush()
	}
	return err
}

func (h *handler) line() *Line {
	if l, ok := h.lines.Get().(*Line); ok {
		return l
	}
	return &Line{own: h}
}

// take writes a line whose members are all there.
func (h *handler) take(l *Line) {
	if !h.text {
		l.buf = append(l.buf, '}')
	}
	l.buf = append(l.buf, '\n')
	_, _ = h.log.Write(l.buf) // the Log keeps what went wrong for Close
	if l.level >= slog.LevelWarn {
		h.log.Flush()
	}
	h.free(l)
}

// free keeps a line's room for the next one.
func (h *handler) free(l *Line) {
	if cap(l.buf) <= 16<<10 {
		h.lines.Put(l)
	}
}

// WithAttrs returns a handler of lines that begin with attrs.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &handler{Handler: h.Handler.WithAttrs(attrs), log: h.log}
}

// WithGroup returns a handler of lines whose attributes are in a group.
func (h *handler) WithGroup(name string) slog.Handler {
	return &handler{Handler: h.Handler.WithGroup(name), log: h.log}
}
