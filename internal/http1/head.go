package http1

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
)

// maxHead bounds the memory that is kept for the next request.
const maxHead = 64 << 10

// head returns the head of req as it is sent. What could end a line within it is refused.
func (t *Transport) head(req *http.Request) (*[]byte, error) {
	if !Fits(req.URL) {
		return nil, fmt.Errorf("%q can't be reached by plain HTTP", req.URL.Redacted())
	}
	if req.ContentLength < 0 || req.ContentLength == 0 && req.Body != nil && req.Body != http.NoBody {
		return nil, errors.New("the length of the body must be known")
	}
	kept, ok := t.heads.Get().(*[]byte)
	if !ok || cap(*kept) > maxHead {
		kept = new([]byte)
		*kept = make([]byte, 0, 2<<10)
	}
	host := req.Host
	if host == "" {
		host = req.URL.Host
	}
	uri := req.URL.RequestURI()
	if !isToken(req.Method) || !visible(uri) || !visible(host) {
		return nil, errors.New("method, host and path of a request must be visible ASCII characters")
	}
	b := append((*kept)[:0], req.Method...)
	b = append(b, ' ')
	b = append(b, uri...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, host...)
	b = append(b, "\r\n"...)
	for name, values := range req.Header {
		switch name {
		case "Host", "Content-Length", "Transfer-Encoding", "Trailer", "Connection":
			continue // the transport's own
		}
		if !isToken(name) {
			return nil, fmt.Errorf("%q can't be the name of a header", name)
		}
		for _, v := range values {
			if !isValue(v) {
				return nil, fmt.Errorf("the value of the header %s has characters that can't stand there", name)
			}
			b = append(b, name...)
			b = append(b, ": "...)
			b = append(b, v...)
			b = append(b, "\r\n"...)
		}
	}
	if req.Body != nil || req.Method != http.MethodGet && req.Method != http.MethodHead {
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, req.ContentLength, 10)
		b = append(b, "\r\n"...)
	}
	if req.Close {
		b = append(b, "Connection: close\r\n"...)
	}
	*kept = append(b, "\r\n"...)
	return kept, nil
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

// isToken reports whether s is a token (RFC 9110, 5.6.2).
func isToken(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '-', c == '_', c == '.', c == '!', c == '#', c == '$', c == '%', c == '&', c == '\'', c == '*', c == '+', c == '^', c == '`', c == '|', c == '~':
		default:
			return false
		}
	}
	return s != ""
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
