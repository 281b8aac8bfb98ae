package simulator

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"time"
)

// stream writes the events of one answer.
type stream struct {
	c       *call
	ctx     context.Context
	w       io.Writer
	rc      *http.ResponseController
	zip     *gzip.Writer // nil unless asked for
	frame   jsonBuf      // the event being built; reused
	sent    int
	over    bool            // no further event may be written
	failure func(s *stream) // writes the dialect's error event into frame
	timer   *time.Timer
	unsent  bool // headers are not out yet
	content bool // the opening events are over
}

// openStream starts a streamed answer. failure builds the dialect's in-band error event.
func (c *call) openStream(contentType string, failure func(s *stream)) *stream {
	s := &stream{c: c, ctx: c.r.Context(), w: c.w, rc: http.NewResponseController(c.w), failure: failure}
	s.frame = make(jsonBuf, 0, 512)
	c.top = nil
	h := c.w.Header()
	h.Set("Cache-Control", "no-cache")
	if c.be.gzip {
		h.Set("Content-Encoding", "gzip")
		s.zip = gzip.NewWriter(c.w)
		s.w = s.zip
	}
	c.header(http.StatusOK, contentType)
	s.unsent = true
	if c.be.empty {
		s.flush()
		s.over = true
		c.rec.Complete = false
	}
	return s
}

// enterContent marks the end of the opening events.
func (s *stream) enterContent() {
	if s.content || s.over {
		return
	}
	s.content = true
	if s.c.be.cutSetup {
		s.over = true
		s.c.reset()
	}
}

// send writes the event in frame and clears it. After an error, or the end that a behaviour asks
// for, it does nothing more.
func (s *stream) send() {
	defer func() { s.frame = s.frame[:0] }()
	if s.over {
		return
	}
	b := &s.c.be
	if s.c.misstep(s) {
		return
	}
	if s.sent > 0 && b.slow > 0 && !s.pause(b.slow) {
		s.over = true
		return
	}
	out := []byte(s.frame)
	if b.garble == s.sent+1 {
		out = garbled(s.frame)
	}
	s.write(out)
}

// misstep does what a behaviour asks for after the events sent so far.
func (c *call) misstep(s *stream) bool {
	b := &c.be
	switch s.sent {
	case b.cut:
		s.over = true
		c.reset()
		return true
	case b.hang:
		s.over = true
		s.flush()
		<-s.ctx.Done()
		return true
	case b.inband:
		s.frame = s.frame[:0]
		s.failure(s)
		s.write(s.frame)
		s.over = true
		c.rec.Reported = false
		return true
	}
	return false
}

func (s *stream) write(frame []byte) {
	if s.ctx.Err() != nil {
		s.over = true
		return
	}
	if _, err := s.w.Write(frame); err != nil {
		s.over = true
		return
	}
	s.sent++
	s.c.rec.Events = s.sent
	s.flush()
}

func (s *stream) flush() {
	if s.zip != nil {
		if err := s.zip.Flush(); err != nil {
			s.over = true
		}
	}
	if err := s.rc.Flush(); err != nil {
		s.over = true
	}
}

// pause waits between events, with one timer for the whole stream.
func (s *stream) pause(d time.Duration) bool {
	if s.timer == nil {
		s.timer = time.NewTimer(d)
	} else {
		s.timer.Reset(d)
	}
	select {
	case <-s.timer.C:
		return true
	case <-s.ctx.Done():
		s.timer.Stop()
		return false
	}
}

// end closes the stream after its terminal event and notes whether all of it was written.
func (s *stream) end() {
	if s.timer != nil {
		s.timer.Stop()
	}
	if s.over {
		return
	}
	s.over = true
	var err error
	if s.zip != nil {
		err = s.zip.Close()
	}
	if s.c.be.trailers {
		s.c.w.Header().Set("X-Sim-Trailer", "the end")
	}
	s.c.rec.Complete = errors.Join(err, s.rc.Flush()) == nil && !s.c.be.noDone
}

// garbled makes the JSON of an event unreadable and leaves its framing alone.
func garbled(frame []byte) []byte {
	i := bytes.IndexByte(frame, '{')
	if i < 0 {
		return []byte("data: {\"broken\n\n")
	}
	out := bytes.Clone(frame)
	out[i] = '<'
	return out
}
