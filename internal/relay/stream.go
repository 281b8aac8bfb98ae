package relay

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"time"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/pool"
	"tollgate/internal/sse"
)

// maxHeld bounds the setup events that are held back until the first content, in bytes.
const maxHeld = 256 << 10

// flow is a stream on its way to the client.
type flow struct {
	c      *call
	a      *attempt
	lease  *pool.Lease
	resp   *http.Response
	frames *sse.Reader
	reader dialect.Reader
	framer dialect.Framer

	held  []byte // frames that have not left yet: setup before the first content, or a possible last one
	mute  bool   // the client is gone; the upstream is read on for the bill
	dirty bool   // written but not flushed
}

// stream copies a streamed answer to the client, frame by frame, feeding the meter. Nothing leaves
// before the first content, so that a broken start can be discarded; the frame that ends the answer
// leaves only after the call is in the journal.
func (c *call) stream(a *attempt, l *pool.Lease, resp *http.Response, body io.Reader) *canon.Error {
	f := &flow{
		c: c, a: a, lease: l, resp: resp,
		frames: c.h.frames.Get(body, c.h.Settings.MaxEvent),
		reader: c.proto.NewReader(c.head), framer: dialect.NewFramer(c.proto, c.head),
	}
	defer c.h.frames.Put(f.frames)
	err := f.copy()
	if err == nil || !c.started {
		return err
	}
	return f.breakOff(err)
}

// copy reads the stream to its end.
func (f *flow) copy() *canon.Error {
	c, m := f.c, f.c.meter
	var events []canon.Event
	for first := true; ; first = false {
		frame, rerr := f.frames.Next()
		if rerr != nil {
			return f.finish(rerr)
		}
		if first {
			f.a.idle(c.h.Settings.Idle)
		} else {
			f.a.wait(c.h.Settings.Idle)
		}
		if frame.Partial {
			// The upstream stopped without the blank line. What follows must not join this event.
			frame.Raw = append(slices.Clip(frame.Raw), "\n\n"...)
		}
		var err error
		events, err = f.reader.Read(eventName(frame.Event), frame.Data, events[:0])
		if err != nil {
			return &canon.Error{Kind: canon.KindUpstream, Message: "the upstream sent an event that can't be read", Cause: err}
		}
		m.observe(events)
		if m.failed != nil {
			return m.failed
		}
		if f.reader.Hidden() {
			continue
		}
		last := f.reader.Complete()
		if len(f.held) > 0 && c.started {
			f.write(f.held) // it was not the last one after all
			f.held = f.held[:0]
		}
		switch {
		case m.ended:
			// The whole answer is here. It is recorded before its last event leaves.
			return f.end(frame)
		case last, !c.started && !m.content && len(f.held)+len(frame.Raw) <= maxHeld:
			f.held = f.framer.Append(f.held, frame.Raw, frame.Data)
			continue
		}
		if !c.started {
			f.start()
		}
		f.emit(frame)
		if !f.frames.Buffered() {
			f.flush()
		}
	}
}

// end settles the call and lets the terminal frame go.
func (f *flow) end(frame sse.Frame) *canon.Error {
	f.held = f.framer.Append(f.held, frame.Raw, frame.Data)
	return f.complete()
}

// complete settles the call and lets what is held go.
func (f *flow) complete() *canon.Error {
	if !f.c.meter.content && !f.c.meter.ended && f.c.meter.stop == "" {
		return canon.Errorf(canon.KindUpstream, "the upstream's stream is empty")
	}
	f.c.status = f.resp.StatusCode
	if err := f.c.settle(); err != nil {
		return err
	}
	if !f.c.started {
		f.start()
	}
	f.held = f.framer.Close(f.held)
	f.write(f.held)
	f.flush()
	return nil
}

// finish judges the end of the upstream's bytes.
func (f *flow) finish(rerr error) *canon.Error {
	if errors.Is(rerr, io.EOF) && f.reader.Complete() {
		return f.complete()
	}
	var long *sse.TooLongError
	if errors.As(rerr, &long) {
		return &canon.Error{Kind: canon.KindUpstream, Message: "the upstream sent an event over the limit of the gateway: " + rerr.Error(), Cause: rerr}
	}
	if errors.Is(rerr, io.EOF) {
		rerr = io.ErrUnexpectedEOF
	}
	return transportError(f.a.ctx, rerr)
}

// breakOff ends a stream that has begun with the terminal error of the client's dialect. The call is
// settled on what was delivered.
func (f *flow) breakOff(err *canon.Error) *canon.Error {
	c := f.c
	c.err = err
	c.status = http.StatusOK // what the client saw
	if serr := c.settle(); serr != nil {
		err = serr
	}
	f.write(f.framer.Fail(nil, err))
	f.flush()
	return err
}

// start sends the headers and the setup events.
func (f *flow) start() {
	c := f.c
	c.started = true
	c.firstAt = time.Now()
	h := c.w.Header()
	c.answerHeaders(h, f.resp)
	h["Content-Type"] = f.framer.ContentType()
	h["Cache-Control"] = noCache
	h["X-Accel-Buffering"] = noBuffering
	f.mute = f.a.gone.Load()
	c.clientDeadline(c.firstAt)
	c.w.WriteHeader(f.resp.StatusCode)
	f.write(f.held)
	f.held = f.held[:0]
}

var (
	noCache     = []string{"no-cache"}
	noBuffering = []string{"no"}
)

// emit writes one frame.
func (f *flow) emit(frame sse.Frame) {
	if f.c.head.Framing == dialect.FramingSSE {
		f.write(frame.Raw)
		return
	}
	f.held = f.framer.Append(f.held[:0], frame.Raw, frame.Data)
	f.write(f.held)
	f.held = f.held[:0]
}

// write sends bytes to the client. A client that is gone is remembered; whether the upstream is read
// on is decided by what its provider bills.
func (f *flow) write(b []byte) {
	if f.mute || len(b) == 0 {
		return
	}
	if f.a.gone.Load() {
		f.mute = true
		return
	}
	f.c.clientDeadline(time.Now())
	if _, err := f.c.w.Write(b); err != nil {
		f.lost()
		return
	}
	f.dirty = true
}

func (f *flow) flush() {
	if !f.dirty || f.mute {
		return
	}
	f.dirty = false
	if err := f.c.control().Flush(); err != nil {
		f.lost()
	}
}

// lost notes that the client takes no more bytes.
func (f *flow) lost() {
	f.mute = true
	if f.c.drains(f.lease) {
		f.a.gone.Store(true)
		return
	}
	f.a.cancel(errClientGone)
}

// eventName returns b as a string without allocating for the names that go by all the time.
func eventName(b []byte) string {
	switch string(b) {
	case "":
		return ""
	case "content_block_delta":
		return "content_block_delta"
	case "response.output_text.delta":
		return "response.output_text.delta"
	case "response.function_call_arguments.delta":
		return "response.function_call_arguments.delta"
	}
	return string(b)
}
