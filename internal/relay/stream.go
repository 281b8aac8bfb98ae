package relay

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"sync"
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
	body   io.Reader // resp's, without its encoding
	frames *sse.Reader
	reader dialect.Reader
	framer outlet
	split  *translating // framer, where it looks for thoughts in the text; else nil

	skimmer dialect.Skimmer // the reader, where the client gets the frames as they are; else nil

	events []canon.Event // of the frame at hand
	held   []byte        // frames that must not leave yet: setup before the first content, or a possible last one
	out    []byte        // frames on their way to the client; sent when the upstream has no more ready
	at     time.Time     // of the first frame
	mute   bool          // the client is gone; the upstream is read on for the bill

	busy  sync.Mutex    // held by copy but while it waits for the upstream; calm takes it then
	waits bool          // the next frame has to be waited for
	left  time.Duration // of the upstream's silence, after what the timer is set to
	ping  string        // tells the client that the stream goes on
	sent  bool          // a byte of the body has left
}

// maxOut bounds what gathers before it is sent, in bytes.
const maxOut = 32 << 10

// maxHold is how long setup events wait for the first content while others come. A model may think for minutes before
// it, and a client that sees nothing at all may give up. One that says nothing waits for Settings.Ping.
const maxHold = 10 * time.Second

// stream puts together what copying a streamed answer needs. It stands alone because of the room it takes on the stack:
// with less than 8 KiB, a call that streams for minutes needs half of what it needs with more.
//
//go:noinline
func (c *call) stream(a *attempt, l *pool.Lease, resp *http.Response, body io.Reader) *flow {
	f := &flow{
		c: c, a: a, lease: l, resp: resp, body: body,
		frames: c.h.frames.Get(body, c.h.Settings.MaxEvent),
		reader: c.far.NewReader(c.farHead),
		ping:   dialect.Ping(c.ep.Dialect, c.head.Framing),
	}
	if c.translated {
		t := c.writer(l)
		if f.framer = t; c.split {
			f.split = t
		}
	} else {
		f.framer = passing{dialect.NewFramer(c.proto, c.head)}
		f.skimmer, _ = f.reader.(dialect.Skimmer)
	}
	return f
}

// copy copies the answer to the client, frame by frame, feeding the meter. Nothing leaves before the first
// content, so that a broken start can be discarded; the frame that ends the answer leaves only after the
// call is in the journal.
//
// It flushes, which is the deepest place on a call's road, and waits; so what a frame needs is in next.
func (f *flow) copy() *canon.Error {
	defer f.close()
	f.busy.Lock() // for good: a timer that rings when all is over finds it so
	for {
		if f.waits = !f.frames.Buffered(); f.waits { // the client gets what there is
			f.flush()
			f.patient()
		}
		if done, err := f.next(); done {
			return f.over(err)
		}
	}
}

// over ends the stream, which is whole if err is nil.
func (f *flow) over(err *canon.Error) *canon.Error {
	switch {
	case err == nil:
		f.a.leave(f.body)
		return nil
	case !f.c.started:
		return err
	}
	return f.breakOff(err)
}

// close gives back what is lent.
func (f *flow) close() {
	f.a.flow.Store(nil)
	f.c.h.frames.Put(f.frames)
	f.c.h.rooms.put(f.out)
}

// next passes on one frame and reports whether it was the last one.
func (f *flow) next() (done bool, cerr *canon.Error) {
	c, m := f.c, f.c.meter
	if f.waits {
		f.busy.Unlock()
	}
	frame, rerr := f.frames.Next()
	if f.waits {
		f.busy.Lock()
	}
	if rerr != nil {
		return true, f.finish(rerr)
	}
	if f.at.IsZero() {
		f.at = time.Now()
	}
	if frame.Partial {
		// The upstream stopped without the blank line. What follows must not join this event.
		frame.Raw = append(slices.Clip(frame.Raw), "\r\n\r\n"...) // understood by readers of LF streams too
	}
	if f.skim(&frame) {
		return false, nil
	}
	events, err := f.reader.Read(eventName(frame.Event), frame.Data, f.events[:0])
	f.events = events
	switch {
	case err == nil:
	case f.a.Cause() != nil: // we hung up in the middle of it
		return true, transportError(f.a.Cause(), err)
	default:
		return true, &canon.Error{Kind: canon.KindUpstream, Message: "the upstream sent an event that can't be read", Cause: err}
	}
	m.observe(events)
	switch {
	case m.failed != nil:
		return true, c.masked(m.failed)
	case f.reader.Hidden() && !c.translated:
		return false, nil
	}
	if !c.started && len(f.held) > maxHeld {
		f.start() // an answer that is over, and goes on and on
	}
	if c.started { // it was not the last one after all
		f.release()
	}
	switch {
	case m.ended:
		// The whole answer is here. It is recorded before its last event leaves.
		f.held = f.framer.Append(f.held, frame.Raw, frame.Data, events)
		return true, f.complete()
	case f.reader.Complete(), !c.started && !f.said() && f.mayHold(len(frame.Raw)):
		f.held = f.framer.Append(f.held, frame.Raw, frame.Data, events)
		if !c.started && f.said() && !f.reader.Complete() { // more than a tag
			f.start()
		}
		return false, nil
	}
	if !c.started {
		f.start()
	}
	f.out = f.framer.Append(f.out, frame.Raw, frame.Data, events)
	if len(f.out) > maxOut {
		f.flush()
	}
	return false, nil
}

// said reports whether there is content that the client may see. Text that may yet be the tag around thoughts is none.
func (f *flow) said() bool { return f.c.meter.content && (f.split == nil || f.split.said) }

// skim passes on a frame that its reader knows at a glance.
func (f *flow) skim(frame *sse.Frame) bool {
	if f.skimmer == nil || !f.c.started || len(f.held) > 0 {
		return false
	}
	text, ok := f.skimmer.Skim(frame.Data)
	if !ok {
		return false
	}
	f.c.meter.skimmed(text)
	if f.out = f.framer.Append(f.out, frame.Raw, frame.Data, nil); len(f.out) > maxOut {
		f.flush()
	}
	return true
}

// mayHold reports whether a setup frame of n bytes may wait for the first content.
func (f *flow) mayHold(n int) bool {
	return len(f.held)+n <= maxHeld && time.Since(f.at) < maxHold
}

// complete settles the call and lets what is held go.
func (f *flow) complete() *canon.Error {
	if !f.c.meter.content && !f.c.meter.ended && f.c.meter.stop == "" {
		return canon.Errorf(canon.KindUpstream, "the upstream's stream is empty")
	}
	f.c.status = f.resp.StatusCode
	f.held = f.framer.Close(f.held) // before the call is recorded: what it loses belongs there
	if err := f.c.settle(); err != nil {
		return err
	}
	if !f.c.started {
		f.start()
	}
	f.out = append(f.out, f.held...)
	f.c.keep()
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
	return transportError(f.a.Cause(), rerr)
}

// breakOff ends a stream that has begun with the terminal error of the client's dialect. The call is
// settled on what was delivered. What it returns is for the channel, and says more than the client may
// know.
func (f *flow) breakOff(err *canon.Error) *canon.Error {
	c := f.c
	if !c.unrecorded { // else err is our own already
		c.err = c.foreign(brokenOff(err, f.said()))
	}
	c.status = http.StatusOK // what the client saw
	if serr := c.settle(); serr != nil {
		err = serr
	}
	f.out = f.framer.Fail(f.out, c.err)
	f.flush()
	return err
}

// start sends the headers and the setup events.
func (f *flow) start() {
	f.head()
	if f.frames.Buffered() { // a fast stream: make room for what comes at once
		f.out = f.c.h.rooms.get()
	}
	f.release()
}

// release puts what was held on its way.
func (f *flow) release() {
	f.out = append(f.out, f.held...)
	f.held = f.held[:0]
}

// head sends the headers.
func (f *flow) head() {
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
}

var (
	noCache     = []string{"no-cache"}
	noBuffering = []string{"no"}
)

// flush sends the client what is on its way. Whether the upstream is read on for a client that is gone
// is decided by what its provider bills.
func (f *flow) flush() {
	if len(f.out) > 0 {
		f.push()
	}
}

// push is flush, also where there is nothing but headers.
func (f *flow) push() {
	out := f.out
	f.out, f.sent = f.out[:0], f.sent || len(out) > 0
	if cap(f.out) > 2*maxOut {
		f.out = nil // after a huge frame
	}
	if f.mute || f.a.gone.Load() {
		f.mute = true
		return
	}
	f.a.timer.Stop() // the client's time is not the upstream's; idle starts it again
	f.c.clientDeadline(time.Now())
	if err := f.c.write(out); err != nil {
		f.lost()
		return
	}
	f.c.liftDeadline()
}

// lost notes that the client takes no more bytes.
func (f *flow) lost() {
	f.mute, f.c.hungUp = true, !f.c.shutDown()
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
