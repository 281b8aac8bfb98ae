// Package sse cuts the event streams that upstreams send into frames.
//
// It owns the framing of text/event-stream alone and keeps every byte, so that a stream can be passed
// on exactly as it came while its events are read. What events mean is for the dialects, flushing
// and timeouts are for relay. Standard library only.
//
// The grammar is that of https://html.spec.whatwg.org/multipage/server-sent-events.html (9.2.5), as quoted
// in public parsers on 2026-11-20. Other than browsers we hand out an event that the end cuts off, and say so.
package sse

import (
	"bytes"
	"fmt"
	"io"
	"sync"
)

const (
	smallBuffer = 2 << 10  // what a slow stream holds: thousands of them may be open
	fastBuffer  = 16 << 10 // what a stream may keep that fills its reads
)

// Frame is one event, one or several comments, or, with neither Event nor Data nor Comment, blank
// lines or fields of no interest to us (id, retry). Its slices are valid until the next call of Next.
type Frame struct {
	Raw     []byte // all bytes as received, with the blank line that ends the frame; all Raws together are the stream
	Event   []byte // value of the last event field; nil if there is none
	Data    []byte // values of the data fields, joined by line feeds; nil if there is none, empty if they are
	Comment bool   // only comments
	Partial bool   // the stream ended, or broke, without the blank line
}

// TooLongError says that a frame is longer than the reader may hold.
type TooLongError struct {
	Limit int // bytes
}

func (e *TooLongError) Error() string {
	return fmt.Sprintf("event of a stream is longer than the limit of %d bytes", e.Limit)
}

// Reader cuts a stream into frames. It reads only when it has no complete frame, and never waits for
// a byte that a complete frame does not need. It is used by one goroutine.
type Reader struct {
	r        io.Reader
	maxFrame int
	err      error // of the reader, or our own; what comes after it is never read

	buf        []byte
	start, end int  // buf[start:end] is read and not handed out
	first      bool // nothing was parsed yet: a byte order mark may come

	frame parsed
	join  []byte // Data of the last frame if it had several data lines
}

// parsed is what is known of the frame that begins at Reader.start. Offsets count from there, so that
// they survive moving the buffer.
type parsed struct {
	at       int  // offset of the first line that was not parsed yet
	look     int  // offset up to which that line is known to have no end
	afterCR  bool // the line before at ended in a CR; a LF at at belongs to it
	complete bool

	mark     int  // offset behind a byte order mark
	blank    bool // blank lines and nothing else
	content  bool // any line that is not blank
	notes    bool // comments
	others   bool // fields that are neither event nor data
	hasEvent bool
	datas    int  // data lines
	event    span // the last one
	data     span // the last one
}

type span struct{ from, to int }

// NewReader returns a Reader of r's frames. A frame of more than maxFrame bytes is an error.
func NewReader(r io.Reader, maxFrame int) *Reader {
	d := new(Reader)
	d.Reset(r, maxFrame)
	return d
}

// Reset makes the Reader begin anew with r. It keeps its buffer.
func (d *Reader) Reset(r io.Reader, maxFrame int) {
	*d = Reader{r: r, maxFrame: maxFrame, first: true, buf: d.buf, join: d.join}
}

// Pool keeps Readers for reuse. The zero value is ready.
type Pool struct{ readers sync.Pool }

// Get returns a Reader as NewReader does.
func (p *Pool) Get(r io.Reader, maxFrame int) *Reader {
	d, ok := p.readers.Get().(*Reader)
	if !ok {
		d = new(Reader)
	}
	d.Reset(r, maxFrame)
	return d
}

// Put gives back a Reader. Neither it nor a Frame of it may be used afterwards.
func (p *Pool) Put(d *Reader) {
	d.Reset(nil, 0)
	if cap(d.buf) > fastBuffer || cap(d.join) > fastBuffer {
		d.buf, d.join = nil, nil // large ones are rare and not worth keeping
	}
	p.readers.Put(d)
}

// Next returns the next frame. At the end of the stream it is io.EOF; a frame longer than the limit is
// a *TooLongError; another error is the underlying reader's. What was pending when the stream ended or
// broke is handed out first, as a Partial frame.
func (d *Reader) Next() (Frame, error) {
	for {
		complete := d.parse()
		switch pending := d.end - d.start; {
		case complete && (d.frame.at <= d.maxFrame || d.frame.blank):
			return d.hand(), nil
		case complete || pending > d.maxFrame:
			d.err = &TooLongError{Limit: d.maxFrame}
			d.start, d.end, d.frame = 0, 0, parsed{}
			return Frame{}, d.err
		case d.err != nil && pending > 0:
			return d.handRest(), nil
		case d.err != nil:
			return Frame{}, d.err
		}
		d.fill()
	}
}

// Buffered reports whether Next can return a complete frame without reading. The last Frame stays valid.
func (d *Reader) Buffered() bool { return d.parse() }

// fill reads once, making room first.
func (d *Reader) fill() {
	pending := d.end - d.start
	switch {
	case len(d.buf) > fastBuffer && pending < smallBuffer: // a huge frame is over
		small := make([]byte, smallBuffer)
		copy(small, d.buf[d.start:d.end])
		d.buf, d.join = small, nil
	case d.start > 0:
		copy(d.buf, d.buf[d.start:d.end])
	}
	d.start, d.end = 0, pending
	if d.end == len(d.buf) {
		d.grow()
	}
	n, err := 0, error(nil)
	for range 100 {
		if n, err = d.r.Read(d.buf[d.end:]); n > 0 || err != nil {
			break
		}
	}
	if n == 0 && err == nil {
		err = io.ErrNoProgress
	}
	d.end += n
	d.err = err
	if d.end == len(d.buf) && len(d.buf) < fastBuffer {
		d.grow() // the stream is faster than its reader
	}
}

// grow doubles the buffer, up to what the longest frame needs.
func (d *Reader) grow() {
	size := min(max(smallBuffer, 2*len(d.buf)), d.maxFrame+1)
	buf := make([]byte, max(size, d.end+1))
	copy(buf, d.buf[:d.end])
	d.buf = buf
}

// parse reads lines until a frame is complete, and reports whether one is.
func (d *Reader) parse() bool {
	f := &d.frame
	b := d.buf[d.start:d.end]
	for !f.complete {
		if f.afterCR && f.at < len(b) {
			f.afterCR = false
			if b[f.at] == '\n' {
				f.at++
			}
		}
		f.look = max(f.look, f.at)
		n := lineEnd(b[f.look:])
		if n < 0 {
			f.look = len(b)
			f.complete = f.blank // do not hold blank lines back
			break
		}
		eol := f.look + n
		if d.line(b, f.at, eol) {
			f.complete = true
			break
		}
		f.at = eol + 1
		switch {
		case b[eol] == '\n':
		case f.at == len(b):
			f.afterCR = true // the line is complete: never wait for a LF
		case b[f.at] == '\n':
			f.at++
		}
	}
	return f.complete
}

// lineEnd returns the offset of the first CR or LF, or -1. It looks at a piece at a time, so that a
// stream with CRs only does not cost the whole buffer for each line.
func lineEnd(b []byte) int {
	const piece = 512
	for from := 0; from < len(b); from += piece {
		p := b[from:min(from+piece, len(b))]
		n := bytes.IndexByte(p, '\n')
		if n >= 0 {
			p = p[:n]
		}
		if cr := bytes.IndexByte(p, '\r'); cr >= 0 {
			n = cr
		}
		if n >= 0 {
			return from + n
		}
	}
	return -1
}

// line reads the line b[from:to]. A blank line completes a frame that has content, and a line with
// content ends a run of blank lines without being part of it: then ends is true.
func (d *Reader) line(b []byte, from, to int) (ends bool) {
	f := &d.frame
	if d.first && bytes.HasPrefix(b[from:to], []byte("\xEF\xBB\xBF")) {
		from += 3
		f.mark = from
	}
	if from == to {
		d.first = false
		f.complete = f.content
		f.blank = !f.content
		return false
	}
	if f.blank {
		return true
	}
	d.first = false
	f.content = true
	switch kind, value := field(b[from:to]); kind {
	case commentLine:
		f.notes = true
	case dataLine:
		f.data = span{to - value, to}
		f.datas++
	case eventLine:
		f.event = span{to - value, to}
		f.hasEvent = true
	default:
		f.others = true
	}
	return false
}

// lineKind sorts lines.
type lineKind int

const (
	otherLine lineKind = iota
	commentLine
	dataLine
	eventLine
)

// field tells what a line that is not blank holds, and how many bytes at its end are the value.
func field(line []byte) (kind lineKind, value int) {
	name := line
	switch colon := bytes.IndexByte(line, ':'); {
	case colon == 0:
		return commentLine, 0
	case colon > 0:
		name = line[:colon]
		value = len(line) - colon - 1
		if value > 0 && line[colon+1] == ' ' {
			value--
		}
	}
	switch string(name) {
	case "data":
		return dataLine, value
	case "event":
		return eventLine, value
	}
	return otherLine, value
}

// handRest hands out what is left at the end of the stream.
func (d *Reader) handRest() Frame {
	b := d.buf[d.start:d.end]
	if d.frame.at < len(b) {
		d.line(b, d.frame.at, len(b))
		d.frame.at = len(b)
	}
	content := d.frame.content
	out := d.hand()
	out.Partial = content
	return out
}

// hand hands out the frame that was parsed.
func (d *Reader) hand() Frame {
	f := d.frame
	b := d.buf[d.start : d.start+f.at : d.start+f.at]
	out := Frame{Raw: b, Comment: f.notes && !f.hasEvent && !f.others && f.datas == 0}
	if f.hasEvent {
		out.Event = b[f.event.from:f.event.to:f.event.to]
	}
	switch {
	case f.datas == 1:
		out.Data = b[f.data.from:f.data.to:f.data.to]
	case f.datas > 1:
		d.join = appendData(d.join[:0], b[f.mark:])
		out.Data = d.join
	}
	d.start += f.at
	d.frame = parsed{afterCR: f.afterCR}
	return out
}

// appendData appends the values of the data lines in frame, joined by line feeds.
func appendData(dst, frame []byte) []byte {
	lines := 0
	for len(frame) > 0 {
		line, rest := frame, []byte(nil)
		if n := lineEnd(frame); n >= 0 {
			line, rest = frame[:n], frame[n+1:] // a LF behind a CR makes a blank line, which is skipped
		}
		frame = rest
		if len(line) == 0 {
			continue
		}
		if kind, value := field(line); kind == dataLine {
			if lines++; lines > 1 {
				dst = append(dst, '\n')
			}
			dst = append(dst, line[len(line)-value:]...)
		}
	}
	return dst
}
