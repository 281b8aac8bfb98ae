package http1

import (
	"bufio"
	"io"
	"math/rand/v2"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

const typical = "HTTP/1.1 200 OK\r\ndate: Sat, 21 Nov 2026 07:00:00 GMT\r\nserver: uvicorn\r\ncontent-length: 5\r\n" +
	"content-type: application/json\r\nx-request-id: chatcmpl-0123456789abcdef0123456789abcdef\r\nX-Ratelimit-Limit-Requests: 10000\r\n" +
	"X-Ratelimit-Remaining-Requests: 9999\r\nOpenai-Processing-Ms: 1234\r\nConnection: Keep-Alive\r\nVary:\r\n\r\nhello"

// What is ordinary is read here, and what is not is left as it is, apart from the case of its names.
func TestOrdinary(t *testing.T) {
	const line, end = "HTTP/1.1 200 OK\r\n", "Content-Length: 2\r\n\r\nok"
	read := func(answer, method string) (*http.Response, string) {
		br := bufio.NewReaderSize(strings.NewReader(answer), 8<<10)
		_, _ = br.Peek(1)
		resp := ordinary(br, &http.Request{Method: method})
		rest, _ := io.ReadAll(br)
		return resp, string(rest)
	}
	for _, answer := range []string{
		typical,
		line + end + "HTTP/1.1",
		"HTTP/1.1 200 \r\n" + end,
		"HTTP/1.1 999  high\r\n" + end,
		line + "Content-Length: 0\r\n\r\n",
		line + "Content-Length:  007\r\n\r\nlicence",
		line + "~!#: a:b\r\n" + end,
		line + strings.Repeat("X", 2000) + ":\r\n" + end,
	} {
		_, body, _ := strings.Cut(answer, "\r\n\r\n")
		if resp, rest := read(answer, http.MethodGet); resp == nil || rest != body {
			t.Errorf("%.100q: %v and %q", answer, resp, rest)
		} else {
			for name, values := range resp.Header {
				if cap(values) > 1 {
					t.Errorf("%.100q: what is added to %s goes into the next one", answer, name)
				}
			}
		}
		if resp, rest := read(answer, http.MethodHead); resp != nil || rest != answer {
			t.Errorf("%.100q to HEAD: %v and %q", answer, resp, rest)
		}
	}
	for _, answer := range []string{
		"", "\n", "\r\n", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\n\r\n",
		"HTTP/1.1 200\r\n" + end, "HTTP/1.0 200 OK\r\n" + end, "HTTP/1.1  200 OK\r\n" + end, "HTTP/1.1 2000 OK\r\n" + end,
		"HTTP/1.1 200 OK\n" + end, "HTTP/1.1 200 \tOK\r\n" + end, "HTTP/1.1 +20 OK\r\n" + end,
		"HTTP/1.1 100 Continue\r\n" + end, "HTTP/1.1 101 Switching Protocols\r\n" + end, "HTTP/1.1 204 No Content\r\n" + end, "HTTP/1.1 304 Not Modified\r\n" + end,
		line + "X-A: a\n" + end, line + "X-A: a \r\n" + end, line + "X-A:\ta\r\n" + end, line + "X-A: \u00e9\r\n" + end, line + "X-A: a\rb\r\n" + end,
		line + "X-A : a\r\n" + end, line + ": a\r\n" + end, line + "X-A\r\n" + end, line + "X-A: a\r\n b\r\n" + end, line + " X-A: a\r\n" + end,
		line + "X-A: a\r\nX-a: b\r\n" + end, line + "X-A: a\r\n\n" + end,
		line + "Content-Length: 2\r\n" + end, line + "Content-Length: \r\n\r\n", line + "Content-Length: +2\r\n\r\nok", line + "Content-Length: 2, 2\r\n\r\nok",
		line + "Content-Length: 1000000000000000000\r\n\r\nok",
		line + "Transfer-Encoding: chunked\r\n" + end, line + "Trailer: X-A\r\n" + end, line + "Pragma: no-cache\r\n" + end,
		line + "Connection: close\r\n" + end, line + "Connection: keep-alive, close\r\n" + end,
		line + strings.Repeat("X", 3000) + ":\r\n" + end,
		line + strings.Repeat("X:\r\n", maxFields) + end,
		strings.TrimSuffix(line+end, "\nok"),
	} {
		if resp, rest := read(answer, http.MethodGet); resp != nil || !strings.EqualFold(rest, answer) {
			t.Errorf("%.100q: %v and %q", answer, resp, rest)
		}
	}
}

// FuzzHead holds what is made of any bytes to what net/http makes of them.
func FuzzHead(f *testing.F) {
	f.Add([]byte(typical), uint8(0), uint16(5000))
	f.Add([]byte(typical), uint8(1), uint16(1))
	f.Add([]byte("HTTP/1.1 201 \r\nContent-Length: 2\r\nVia: 1.1 a\r\n b\r\n\r\nok and more"), uint8(2), uint16(100))
	f.Fuzz(func(t *testing.T, answer []byte, method uint8, step uint16) {
		compare(t, string(answer), []string{http.MethodPost, http.MethodGet, http.MethodHead}[method%3], int(step))
	})
}

// Answers of all kinds, most of them ordinary but for a thing or two, are what net/http takes them for.
func TestAnswers(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	one := func(of ...string) string { return of[r.IntN(len(of))] }
	or := func(ordinary string, of ...string) string {
		if r.IntN(40) > 0 {
			return ordinary
		}
		return one(of...)
	}
	for range 20_000 {
		var b strings.Builder
		write := func(parts ...string) { b.WriteString(strings.Join(parts, "")) }
		end := func() string {
			return or("\r\n", "\n", "\r", "\r\r\n", "\r\n ", "\r\n\t", "\r\n\r\n", " \r\n", "\t\r\n", "")
		}
		write(or("HTTP/1.1 "+one("200 OK", "200 ", "200  OK", "404 Not Found", "999 ?"), "HTTP/1.1 200", "HTTP/1.1  200 OK", "HTTP/1.1 200OK", "HTTP/1.1 404 \tx", "HTTP/1.1 500 \xc3\xa9", "HTTP/1.1 700 x \r", "HTTP/1.1 -20 x",
			"HTTP/1.1 100 Continue", "HTTP/1.1 204 No Content", "HTTP/1.1 304 Not Modified", "HTTP/1.0 200 OK", "HTTP/2.0 200 OK", "http/1.1 200 OK", "HTTP/1.1\t200 OK", ""), end())
		field := func() {
			name := one("content-type", "Date", "~^", "SERVER", "x-a", "x-b-", "-X", "x--y") + one("", "1", "2", "3", "4", "-a", "-B")
			write(or(name, "Pragma", "Connection", "Trailer", "Transfer-Encoding", "Content-Length", "Cache-Control", "a b", "\xc3\xa9", "", " ", "x\x00", "\""),
				or(one(": ", ":", ":  ", "::"), ":\t", " : ", "", ": \x00"),
				or(one("a", "", "a b", "a:b", "10"), "no-cache", "close", "keep-alive", "close, x", "chunked", "\xc3\xa9", "a\tb", "\x7f", "a\x00", "a ", strings.Repeat("a", 600)),
				end())
		}
		for range r.IntN(8) {
			field()
		}
		write(or("", "Connection: "+one("keep-alive", "Keep-Alive", "close", "keep-alive, close", "x")+"\r\n", "Pragma: no-cache\r\n", "Trailer: X\r\n", "Transfer-Encoding: chunked\r\n", "Content-Length: 5\r\n"),
			or(one("Content-Length", "content-length"), "Content-length ", "Content-Lengt", "Transfer-Encoding: chunked\r\nContent-Length"),
			or(one(": 5", ":5", ": 0", ": 05"), ": +5", ": -5", ":", ": 5 ", ": 5, 5", ": 5_0", ": 9223372036854775807", ": 9223372036854775808", ": 1000000000000000000000"), end())
		for range r.IntN(3) {
			field()
		}
		write(end(), one("hello", "hello and more", "hell", "", "2\r\nok\r\n0\r\n\r\n"))
		compare(t, b.String(), or(http.MethodPost, http.MethodGet, http.MethodHead), []int{1, 3, 20, 100, 5000, 5000}[r.IntN(6)])
	}
}

// compare reads an answer as we do and as net/http does. It comes, and its body is read, some bytes at a time.
func compare(t *testing.T, answer, method string, step int) {
	t.Helper()
	type outcome struct {
		Resp  *http.Response
		Reads []string
		Rest  string // what was not read
		Err   error
	}
	req, step := &http.Request{Method: method}, max(step, 1)
	see := func(read func(*bufio.Reader, *http.Request) (*http.Response, error)) (seen outcome) {
		br := bufio.NewReaderSize(&pieces{left: answer, step: step}, 512)
		_, _ = br.Peek(1)
		if seen.Resp, seen.Err = read(br, req); seen.Err == nil {
			buf := make([]byte, step)
			for seen.Err == nil {
				var n int
				n, seen.Err = seen.Resp.Body.Read(buf)
				seen.Reads = append(seen.Reads, string(buf[:n]))
			}
			if seen.Resp.Body != http.NoBody {
				seen.Resp.Body = nil // compared by what it gave
			}
		}
		rest, _ := io.ReadAll(br)
		seen.Rest = string(rest)
		return seen
	}
	if got, want := see(readResponse), see(http.ReadResponse); !reflect.DeepEqual(got, want) {
		t.Errorf("%s is answered by\n%.1000q\nof which we make\n%+v %+v\nand net/http\n%+v %+v", method, answer, got, got.Resp, want, want.Resp)
	}
}

// pieces is a reader of a text some bytes at a time.
type pieces struct {
	left string
	step int
}

func (p *pieces) Read(to []byte) (int, error) {
	if p.left == "" {
		return 0, io.EOF
	}
	n := copy(to[:min(len(to), p.step)], p.left)
	p.left = p.left[n:]
	return n, nil
}

// BenchmarkHead reads the head of an answer that is there.
func BenchmarkHead(b *testing.B) {
	chunked := strings.Replace(typical, "content-length: 5", "transfer-encoding: chunked", 1)
	for _, v := range []struct {
		name, answer string
		read         func(*bufio.Reader, *http.Request) (*http.Response, error)
	}{
		{"ordinary/http1", typical, readResponse},
		{"ordinary/nethttp", typical, http.ReadResponse},
		{"chunked/http1", chunked, readResponse},
		{"chunked/nethttp", chunked, http.ReadResponse},
	} {
		b.Run(v.name, func(b *testing.B) {
			from := strings.NewReader("")
			br, req := bufio.NewReaderSize(from, 4<<10), &http.Request{Method: http.MethodPost}
			b.ReportAllocs()
			for b.Loop() {
				from.Reset(v.answer)
				br.Reset(from)
				_, _ = br.Peek(1)
				if _, err := v.read(br, req); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
