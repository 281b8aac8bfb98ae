package http1

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
)

// Bounds of an ordinary head. Whoever keeps one of its values keeps all of it.
const (
	maxOrdinary = 2 << 10 // bytes
	maxFields   = 32
)

// readResponse is [http.ReadResponse], faster for ordinary answers.
func readResponse(br *bufio.Reader, req *http.Request) (*http.Response, error) {
	if resp := ordinary(br, req); resp != nil {
		return resp, nil
	}
	return http.ReadResponse(br, req)
}

// ordinary reads the head of an answer about which nothing is to be decided: it is there already, its lines
// end as they should, its values are plain, and only one length says how the body is framed. Of any other answer it
// takes nothing, and returns nil.
func ordinary(br *bufio.Reader, req *http.Request) *http.Response {
	head, _ := br.Peek(min(br.Buffered(), maxOrdinary))
	lineEnd := endOfLine(head, 0)
	code, ok := parseStatus(head[:max(lineEnd, 0)])
	if !ok || req.Method == http.MethodHead {
		return nil
	}
	var fields [maxFields]field
	n, at, length := 0, lineEnd+len("\r\n"), int64(-1)
	for ; ; n++ {
		end := endOfLine(head, at)
		if end == at {
			break
		}
		if end < 0 || n == maxFields {
			return nil
		}
		f := &fields[n]
		if !f.parse(head, at, end) {
			return nil
		}
		value := head[f.value:f.end]
		switch string(head[f.name:f.colon]) {
		case "Content-Length":
			if length, ok = digits(value); !ok {
				return nil
			}
		case "Connection":
			if !bytes.EqualFold(value, []byte("keep-alive")) {
				return nil
			}
		case "Transfer-Encoding", "Trailer", "Pragma": // the last can add a header
			return nil
		}
		at = end + len("\r\n")
	}
	if length < 0 {
		return nil
	}
	text, header, values := string(head[:at]), make(http.Header, n), make([]string, n)
	for i, f := range fields[:n] {
		values[i] = text[f.value:f.end]
		header[text[f.name:f.colon]] = values[i : i+1 : i+1]
	}
	if len(header) < n { // a name stands there twice, that of the length perhaps
		return nil
	}
	_, _ = br.Discard(at + len("\r\n")) // all that is in the buffer
	a := &answer{body: sized{from: br, left: length}}
	a.resp = http.Response{
		Status:        text[len("HTTP/1.1 "):lineEnd],
		StatusCode:    code,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        header,
		Body:          http.NoBody,
		ContentLength: length,
		Request:       req,
	}
	if length > 0 {
		a.resp.Body = &a.body
	}
	return &a.resp
}

// endOfLine returns where the line that starts at that place ends, or -1.
func endOfLine(head []byte, at int) int {
	n := bytes.IndexByte(head[at:], '\n')
	if n < 1 || head[at+n-1] != '\r' {
		return -1
	}
	return at + n - 1
}

// parseStatus reads the first line of a final answer that can have a body.
func parseStatus(line []byte) (code int, ok bool) {
	const before, after = len("HTTP/1.1 "), len("HTTP/1.1 200")
	if len(line) <= after || string(line[:before]) != "HTTP/1.1 " || line[after] != ' ' || !isText(line) {
		return 0, false
	}
	n, ok := digits(line[before:after])
	return int(n), ok && n >= 200 && n != http.StatusNoContent && n != http.StatusNotModified
}

// field is where a header stands in a head.
type field struct{ name, colon, value, end uint16 }

// parse finds a header in a line, and makes its name canonical where it stands, which http.ReadResponse does too.
func (f *field) parse(head []byte, at, end int) bool {
	n := bytes.IndexByte(head[at:end], ':')
	if n < 0 || !isToken(head[at:at+n]) {
		return false
	}
	upper := true
	for i, c := range head[at : at+n] {
		switch {
		case upper && 'a' <= c && c <= 'z':
			head[at+i] = c - 'a' + 'A'
		case !upper && 'A' <= c && c <= 'Z':
			head[at+i] = c - 'A' + 'a'
		}
		upper = c == '-'
	}
	value := at + n + 1
	for value < end && head[value] == ' ' {
		value++
	}
	*f = field{uint16(at), uint16(at + n), uint16(value), uint16(end)}
	return isText(head[value:end]) && (value == end || head[end-1] != ' ')
}

// isText reports whether b has visible ASCII characters and spaces alone.
func isText(b []byte) bool {
	for _, c := range b {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

// digits returns the number that b is, if that has up to 18 digits and no other characters.
func digits(b []byte) (n int64, ok bool) {
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int64(c-'0')
	}
	return n, 0 < len(b) && len(b) <= 18
}

// answer is an ordinary answer.
type answer struct {
	resp http.Response
	body sized
}

// sized is the body of an ordinary answer.
type sized struct {
	from *bufio.Reader
	left int64
}

// Read reads on. The end comes with the last bytes.
func (s *sized) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	n, err := s.from.Read(p[:min(int64(len(p)), s.left)])
	s.left -= int64(n)
	switch {
	case err == io.EOF:
		err = io.ErrUnexpectedEOF
	case err == nil && s.left == 0:
		err = io.EOF
	}
	return n, err
}

// Close does nothing: the connection is let go of by whoever has it.
func (*sized) Close() error { return nil }
