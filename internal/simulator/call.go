package simulator

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"github.com/tidwall/gjson"
)

// call is one request under way. It belongs to the goroutine that serves it.
type call struct {
	s   *Simulator
	w   http.ResponseWriter
	r   *http.Request
	rt  route
	key string
	be  behaviour
	rec Call
	top members // of the request body; dropped before streaming starts
}

// run checks key, method and path, applies the behaviours of key and header, and serves.
func (c *call) run() *fault {
	c.key = readKey(c.r, c.rt.dialect)
	c.rec.Key = tail(c.key)
	if c.key == "" {
		return &fault{kind: noKey}
	}
	if !c.s.known(c.key) {
		return &fault{kind: badKey}
	}
	if c.rt.serve == nil {
		return &fault{kind: noPath}
	}
	if c.r.Method != c.rt.method {
		return &fault{kind: badMethod}
	}
	c.be.slow, c.be.first = c.s.cfg.Chunk, c.s.cfg.First
	c.be.applyKey(c.key)
	if err := c.be.applyHeader(c.r.Header.Get("X-Simulate")); err != nil {
		return invalid("", "", "%v", err)
	}
	if c.rt.method == http.MethodPost && c.rt.id == "" {
		if f := c.readBody(); f != nil {
			return f
		}
	}
	return c.rt.serve(c)
}

// readKey returns the upstream key in the place where the dialect has it.
func readKey(r *http.Request, d dialect) string {
	bearer, isBearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch d {
	case anthropic:
		if k := r.Header.Get("X-Api-Key"); k != "" {
			return k
		}
	case gemini:
		if k := r.Header.Get("X-Goog-Api-Key"); k != "" {
			return k
		}
		if k := r.URL.Query().Get("key"); k != "" {
			return k
		}
	case openAI, responses:
		if k := r.Header.Get("Api-Key"); k != "" && !isBearer {
			return k // as Azure has it
		}
	}
	if isBearer {
		return strings.TrimSpace(bearer)
	}
	return ""
}

// readBody reads the JSON object of the request. Of members named twice the last one counts, as in
// the parsers that vendors use.
func (c *call) readBody() *fault {
	ct, _, _ := strings.Cut(c.r.Header.Get("Content-Type"), ";")
	if ct = strings.TrimSpace(ct); !strings.EqualFold(ct, "application/json") {
		return &fault{kind: badType, msg: ct}
	}
	if enc := c.r.Header.Get("Content-Encoding"); enc != "" && enc != "identity" {
		return invalid("", "", "Content-Encoding %q is not supported", clip(enc, 40))
	}
	var buf bytes.Buffer
	if n := c.r.ContentLength; n > 0 && n <= c.s.cfg.MaxBody {
		buf.Grow(int(n) + bytes.MinRead)
	}
	if _, err := buf.ReadFrom(http.MaxBytesReader(c.w, c.r.Body, c.s.cfg.MaxBody)); err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return &fault{kind: tooLarge}
		}
		return invalid("", "", "the body could not be read to its end")
	}
	// Nothing writes to buf any more, so the string may share its bytes: a copy would cost as much as the scan.
	body := unsafe.String(unsafe.SliceData(buf.Bytes()), buf.Len())
	if !gjson.Valid(body) {
		return &fault{kind: badJSON}
	}
	root := gjson.Parse(body)
	if !root.IsObject() {
		return &fault{kind: badJSON}
	}
	c.top = make(members, 0, 8)
	root.ForEach(func(k, v gjson.Result) bool {
		c.top = append(c.top, field{k.Str, v})
		return true
	})
	return nil
}

// members are the top level of a request body, in its order. A short list is searched faster than a map is made.
type members []field

type field struct {
	name  string
	value gjson.Result
}

// get returns the last member of that name, or the zero Result.
func (m members) get(name string) gjson.Result {
	for i := len(m) - 1; i >= 0; i-- {
		if m[i].name == name {
			return m[i].value
		}
	}
	return gjson.Result{}
}

// unknown returns the first member of the body, in its order, that is not among known ("a b c").
func (c *call) unknown(known map[string]bool) string {
	if c.be.lax {
		return ""
	}
	for _, m := range c.top {
		if !known[m.name] {
			return m.name
		}
	}
	return ""
}

func set(words string) map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		m[w] = true
	}
	return m
}

// begin applies the model's behaviours and those that need no understanding of the request. done means
// that the call was answered, badly, as wished.
func (c *call) begin(model string, stream bool) (done bool, f *fault) {
	c.rec.Model, c.rec.Stream = strings.Clone(model), stream
	if _, err := c.be.applyModel(model); err != nil {
		return false, invalid("model", "", "%v", err)
	}
	b := &c.be
	if b.first > 0 && !c.sleep(b.first) {
		return true, nil
	}
	if b.flap > 0 && c.s.flaps.next(c.key, model)%b.flap == 0 {
		return false, &fault{kind: broken}
	}
	switch {
	case b.invalidKey:
		return false, &fault{kind: badKey}
	case b.quota:
		return false, &fault{kind: noMoney}
	case b.noModel:
		return false, &fault{kind: noModel, msg: c.rec.Model}
	case b.retryAfter > 0:
		return false, &fault{kind: rateLimited, retryAfter: b.retryAfter}
	case b.rateLimit:
		return false, &fault{kind: rateLimited}
	case b.overloaded:
		return false, &fault{kind: overloaded}
	case b.status > 0:
		return false, &fault{kind: byStatus, status: b.status}
	case b.redirect:
		c.w.Header().Set("Location", "/sim/redirected")
		c.header(http.StatusTemporaryRedirect, "")
		c.rec.Complete = c.flush() == nil
		return true, nil
	case b.html:
		c.plain("text/html; charset=utf-8", []byte("<!DOCTYPE html>\n<html><head><title>Welcome</title></head><body><h1>It works</h1></body></html>\n"))
		return true, nil
	case b.empty && !stream:
		c.plain("application/json", nil)
		return true, nil
	}
	return false, nil
}

// header writes status and the headers that behaviours ask for.
func (c *call) header(status int, contentType string) {
	h := c.w.Header()
	if contentType != "" {
		h.Set("Content-Type", contentType)
	}
	c.vendorHeaders(h)
	if n := c.be.hugeHeaders; n > 0 {
		line := strings.Repeat("x", 1000)
		for i := 0; n > 0; i++ {
			h.Set("X-Sim-Filler-"+strconv.Itoa(i), line[:min(n, len(line))])
			n -= len(line) + 20
		}
	}
	if c.be.trailers {
		h.Set("Trailer", "X-Sim-Trailer")
	}
	c.rec.Status = status
	c.w.WriteHeader(status)
}

// plain answers 200 with a whole body.
func (c *call) plain(contentType string, body []byte) { c.answer(http.StatusOK, contentType, body) }

// answer writes a whole answer and notes whether its last byte was written.
func (c *call) answer(status int, contentType string, body []byte) {
	b := &c.be
	if status == http.StatusOK {
		if b.garble > 0 {
			body = append([]byte("<garbled> "), body[:len(body)/2]...)
			c.rec.Reported = false
		}
	}
	if b.gzip {
		body = zip(body)
		c.w.Header().Set("Content-Encoding", "gzip")
	}
	if !b.trailers {
		n := len(body)
		if b.cutBody {
			n += 100
		}
		c.w.Header().Set("Content-Length", strconv.Itoa(n))
	}
	c.header(status, contentType)
	if status == http.StatusOK && b.hang >= 0 {
		c.rec.Reported = false
		if c.flush() == nil {
			<-c.r.Context().Done()
		}
		return
	}
	if status == http.StatusOK && (b.cut >= 0 || b.cutSetup) {
		c.rec.Reported = false
		c.reset()
		return
	}
	_, err := c.w.Write(body)
	if b.trailers {
		c.w.Header().Set("X-Sim-Trailer", "the end")
	}
	err = errors.Join(err, c.flush())
	if b.cutBody {
		c.abandon(false)
		return
	}
	c.rec.Complete = err == nil
}

// zip compresses b. The buffer takes every write, so there is no error to report.
func zip(b []byte) []byte {
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	_, err := z.Write(b)
	if err = errors.Join(err, z.Close()); err != nil {
		return nil
	}
	return buf.Bytes()
}

// flush sends what was written. Its error is how a write that failed is known.
func (c *call) flush() error { return http.NewResponseController(c.w).Flush() }

// reset closes the connection hard: the client gets an error at once, after what was already sent.
func (c *call) reset() { c.abandon(true) }

// abandon closes the connection in the middle of the answer, by a reset or in an orderly way.
func (c *call) abandon(hard bool) {
	_ = c.flush() // the connection is given up either way
	conn, _, err := http.NewResponseController(c.w).Hijack()
	if err != nil {
		// No connection of our own (HTTP/2, a recorder): this is the documented way to abort an answer.
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok && hard {
		_ = tcp.SetLinger(0) // should it fail, the close is orderly, which is bad enough
	}
	_ = conn.Close() // nothing is left to be lost
}

// sleep waits for d; false means that the client has gone.
func (c *call) sleep(d time.Duration) bool { return sleep(c.r.Context(), d) }

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
