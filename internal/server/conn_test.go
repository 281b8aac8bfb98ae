package server

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// pair is a connection as the server has it, and its client's end.
func pair(t *testing.T) (*conn, net.Conn) {
	t.Helper()
	inner, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = inner.Close() })
	client, err := new(net.Dialer).DialContext(t.Context(), "tcp", inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	accepted, err := (&listener{Listener: inner}).Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = accepted.Close() })
	c, ok := accepted.(*conn)
	if !ok {
		t.Fatalf("a %T was accepted", accepted)
	}
	return c, client
}

// nothing checks that the client has nothing to read.
func nothing(t *testing.T, client net.Conn) {
	t.Helper()
	if err := client.SetReadDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, err := client.Read(make([]byte, 1)); err == nil {
		t.Fatalf("%d bytes came too early", n)
	}
	if err := client.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
}

func TestConnGathers(t *testing.T) {
	c, client := pair(t)
	var want bytes.Buffer
	write := func(text string) {
		t.Helper()
		want.WriteString(text)
		if n, err := c.Write([]byte(text)); n != len(text) || err != nil {
			t.Fatalf("wrote %d: %v", n, err)
		}
	}
	read := func() {
		t.Helper()
		got := make([]byte, want.Len())
		if _, err := io.ReadFull(client, got); err != nil || !bytes.Equal(got, want.Bytes()) {
			t.Fatalf("%v; %d bytes came that are not what was written", err, len(got))
		}
		want.Reset()
	}
	write("at once")
	read()
	c.Gather()
	write("held")
	write(" back")
	nothing(t, client)
	c.Gather() // changes nothing
	if n, err := c.ReadFrom(strings.NewReader(" too")); n != 4 || err != nil {
		t.Fatalf("read %d: %v", n, err)
	}
	want.WriteString(" too")
	nothing(t, client)
	if err := c.Release(); err != nil {
		t.Fatal(err)
	}
	read()
	c.Gather()
	write(strings.Repeat("a", maxGathered-1))
	write(strings.Repeat("b", 2)) // too much: what is there leaves
	want.Truncate(maxGathered - 1)
	read()
	want.WriteString("bb")
	write(strings.Repeat("c", maxGathered+1)) // leaves as it comes
	read()
	if err := c.Release(); err != nil {
		t.Fatal(err)
	}
	nothing(t, client)
	write("at once again")
	read()
}

// An answer with a hole must not go on.
func TestConnEndsWhereItBroke(t *testing.T) {
	c, client := pair(t)
	if err := c.SetWriteDeadline(time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	c.Gather()
	if _, err := c.Write([]byte("lost")); err != nil {
		t.Fatal(err)
	}
	if err := c.Release(); err == nil {
		t.Fatal("nothing was written, and Release says so to nobody")
	}
	if err := c.SetWriteDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("more")); err == nil {
		t.Error("an answer goes on behind a hole")
	}
	if _, err := c.ReadFrom(strings.NewReader("more")); err == nil {
		t.Error("an answer goes on behind a hole")
	}
	c.Gather()
	if _, err := c.Write([]byte("more")); err == nil {
		t.Error("an answer goes on behind a hole")
	}
	if err := c.Release(); err == nil {
		t.Error("an answer goes on behind a hole")
	}
	nothing(t, client)
}

// TestConnReadDeadlines pins that a deadline holds for reads that wait and for those that begin later, and is
// lifted for both.
func TestConnReadDeadlines(t *testing.T) {
	c, client := pair(t)
	past := time.Unix(1, 0)
	set := func(f func(time.Time) error, to time.Time) {
		t.Helper()
		if err := f(to); err != nil {
			t.Fatal(err)
		}
	}
	timedOut := func(err error) {
		t.Helper()
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("the read ended with %v", err)
		}
	}
	came := func() {
		t.Helper()
		if _, err := client.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if n, err := c.Read(make([]byte, 8)); n != 1 || err != nil {
			t.Fatalf("read %d: %v", n, err)
		}
	}
	waits := func() <-chan error {
		t.Helper()
		ended := make(chan error, 1)
		go func() {
			_, err := c.Read(make([]byte, 1))
			ended <- err
		}()
		for {
			c.mu.Lock()
			reading := c.reading
			c.mu.Unlock()
			if reading > 0 {
				return ended
			}
			time.Sleep(time.Millisecond)
		}
	}

	set(c.SetReadDeadline, past)
	_, err := c.Read(make([]byte, 1))
	timedOut(err)
	set(c.SetReadDeadline, time.Time{})
	came()

	ended := waits()
	set(c.SetReadDeadline, past)
	timedOut(<-ended)
	_, err = c.Read(make([]byte, 1)) // it holds on
	timedOut(err)
	set(c.SetReadDeadline, time.Now().Add(time.Hour))
	came()

	ended = waits()
	set(c.SetReadDeadline, time.Time{})
	set(c.SetReadDeadline, time.Now().Add(time.Millisecond))
	timedOut(<-ended)
	set(c.SetDeadline, time.Time{})
	came()

	set(c.SetDeadline, past)
	_, err = c.Read(make([]byte, 1))
	timedOut(err)
	_, err = c.Write([]byte("x"))
	timedOut(err)
}

// TestConnHasNoOtherWay pins that nothing reads from the socket past the deadlines that are asked for, or writes to
// it past what is gathered; and that net/http finds what it looks for.
func TestConnHasNoOtherWay(t *testing.T) {
	c, client := pair(t)
	var all any = c
	if _, ok := all.(io.WriterTo); ok {
		t.Error("WriteTo reads in another way than Read")
	}
	if _, ok := all.(syscall.Conn); ok {
		t.Error("SyscallConn gives the socket away")
	}
	if _, ok := all.(interface{ File() (*os.File, error) }); ok {
		t.Error("File gives the socket away")
	}
	if _, err := client.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(client.(*net.TCPConn).CloseWrite(), c.SetReadDeadline(time.Unix(1, 0))); err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, c); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%d bytes were copied after the deadline: %v", n, err)
	}
	if _, ok := all.(io.ReaderFrom); !ok {
		t.Error("files do not go out by sendfile")
	}
	half, ok := all.(interface{ CloseWrite() error }) // closeWriteAndWait, so that what was sent arrives before a reset
	if !ok {
		t.Fatal("it can't be closed by half")
	}
	if err := half.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if n, err := client.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("closed by half: read %d, %v", n, err)
	}
}
