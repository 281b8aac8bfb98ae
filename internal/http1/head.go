package http1

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// Sizes in bytes.
const (
	small   = 16 << 10 // up to here a body leaves with its head in one write; a larger one while the answer is awaited
	maxKept = 64 << 10 // memory that is kept for the next request
)

// message is a request on its way.
type message struct {
	first []byte        // the head, with the body if it is small
	rest  io.ReadCloser // a large body, nil once it has gone
	to    limited       // what a small body is written to
}

// message returns the message that req is, and closes a body that is small. If it fails it closes any body.
func (t *Transport) message(req *http.Request) (*message, error) {
	m, ok := t.messages.Get().(*message)
	if !ok {
		m = &message{first: make([]byte, 0, 2<<10)}
	}
	first, err := appendHead(m.first[:0], req)
	m.first = first
	switch {
	case bodyless(req):
	case err != nil || req.ContentLength > small:
		m.rest = req.Body
	default:
		m.to = limited{to: (*appender)(&m.first), left: req.ContentLength}
		err = copyBody(&m.to, req.Body)
	}
	if err != nil {
		t.free(m)
		return nil, err
	}
	return m, nil
}

// free closes a body that has not gone and keeps the memory for the next message.
func (t *Transport) free(m *message) {
	if m.rest != nil {
		_ = m.rest.Close() // it was only read, or not even that
		m.rest = nil
	}
	if cap(m.first) <= maxKept {
		t.messages.Put(m)
	}
}

func bodyless(req *http.Request) bool { return req.Body == nil || req.Body == http.NoBody }

// appender is a slice that is written to.
type appender []byte

// Write appends p.
func (a *appender) Write(p []byte) (int, error) {
	*a = append(*a, p...)
	return len(p), nil
}

// appendHead appends the head of req as it is sent. What could end a line within it is refused.
func appendHead(b []byte, req *http.Request) ([]byte, error) {
	if !Fits(req.URL) {
		return b, fmt.Errorf("%q can't be reached by plain HTTP", req.URL.Redacted())
	}
	bodied := req.ContentLength > 0
	if req.ContentLength < 0 || bodied && bodyless(req) {
		return b, errors.New("the length of the body must be known, and the body be there")
	}
	host := req.Host
	if host == "" {
		host = req.URL.Host
	}
	uri := req.URL.RequestURI()
	if !isToken(req.Method) || !isWord(uri) || !visible(host) {
		return b, errors.New("method, host and path of a request must not contain spaces or control characters")
	}
	b = append(b, req.Method...)
	b = append(b, ' ')
	b = append(b, uri...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, host...)
	b = append(b, "\r\n"...)
	for name, values := range req.Header {
		switch http.CanonicalHeaderKey(name) {
		case "Host", "Content-Length", "Transfer-Encoding", "Trailer", "Connection":
			continue // the transport's own, however they are written
		}
		if !isToken(name) {
			return b, fmt.Errorf("%q can't be the name of a header", name)
		}
		for _, v := range values {
			if !isValue(v) {
				return b, fmt.Errorf("the value of the header %s has characters that can't stand there", name)
			}
			b = append(b, name...)
			b = append(b, ": "...)
			b = append(b, v...)
			b = append(b, "\r\n"...)
		}
	}
	switch req.Method {
	case http.MethodPost, http.MethodPut, http.MethodPatch: // these say so if they have none
		bodied = true
	}
	if bodied {
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, req.ContentLength, 10)
		b = append(b, "\r\n"...)
	}
	if req.Close {
		b = append(b, "Connection: close\r\n"...)
	}
	return append(b, "\r\n"...), nil
}

// visible reports whether s has visible ASCII characters alone.
func visible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return s != ""
}

// isWord reports whether s has no spaces and no control characters.
func isWord(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] == 0x7f {
			return false
		}
	}
	return s != ""
}

// isToken reports whether s is a token (RFC 9110, 5.6.2).
func isToken[T string | []byte](s T) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '-', c == '_', c == '.', c == '!', c == '#', c == '$', c == '%', c == '&', c == '\'', c == '*', c == '+', c == '^', c == '`', c == '|', c == '~':
		default:
			return false
		}
	}
	return len(s) > 0
}

// isValue reports whether s can be the value of a header (RFC 9110, 5.5).
func isValue(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' && s[i] != '\t' || s[i] == 0x7f {
			return false
		}
	}
	return true
}
