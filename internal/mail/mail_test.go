package mail_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"mime"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tollgate/internal/mail"
)

// certificate is that of the test's server, trusted by the whole process as an operator would have it.
var certificate tls.Certificate

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "mail")
	if err == nil {
		certificate, err = selfSigned(filepath.Join(dir, "roots.pem"))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

func selfSigned(file string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, os.Setenv("SSL_CERT_FILE", file)
}

// letter is what the server was given.
type letter struct{ from, to, raw string }

// smtpServer is a mail server that takes everything, or answers as it is told.
type smtpServer struct {
	implicit bool   // TLS from the first byte
	offer    string // what EHLO offers, comma-separated
	user     string // "": nobody has to log in
	pass     string
	rcpt     func(to string) string // answer to RCPT; "" is 250
	drop     func() bool            // break the connection instead of taking the message

	mu      sync.Mutex
	letters []letter
	tries   int
	secure  bool // the last letter came over TLS
}

func (s *smtpServer) start(t *testing.T) mail.Server {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go s.talk(conn)
		}
	}()
	return mail.Server{Host: "127.0.0.1", Port: ln.Addr().(*net.TCPAddr).Port, Protect: mail.ProtectNone, Sender: "Gate <gate@example.com>"}
}

func (s *smtpServer) talk(conn net.Conn) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	secure := s.implicit
	if s.implicit {
		conn = tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{certificate}})
	}
	in := bufio.NewReader(conn)
	say := func(format string, args ...any) { fmt.Fprintf(conn, format+"\r\n", args...) }
	read := func() string {
		line, err := in.ReadString('\n')
		if err != nil {
			return ""
		}
		return strings.TrimRight(line, "\r\n")
	}
	known := s.user == ""
	var l letter
	say("220 test")
	for {
		line := read()
		verb, rest, _ := strings.Cut(line, " ")
		switch strings.ToUpper(verb) {
		case "":
			return
		case "EHLO":
			for ext := range strings.SplitSeq(s.offer, ",") {
				if ext != "" {
					say("250-%s", ext)
				}
			}
			say("250 SIZE 1000000")
		case "STARTTLS":
			if !strings.Contains(s.offer, "STARTTLS") {
				say("502 not here")
				continue
			}
			say("220 go on")
			conn = tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{certificate}})
			in, secure = bufio.NewReader(conn), true
		case "AUTH":
			how, first, _ := strings.Cut(rest, " ")
			user, pass := "", ""
			if how == "LOGIN" {
				say("334 %s", base64.StdEncoding.EncodeToString([]byte("Username:")))
				u, _ := base64.StdEncoding.DecodeString(read())
				say("334 %s", base64.StdEncoding.EncodeToString([]byte("Password:")))
				p, _ := base64.StdEncoding.DecodeString(read())
				user, pass = string(u), string(p)
			} else {
				raw, _ := base64.StdEncoding.DecodeString(first)
				if parts := strings.Split(string(raw), "\x00"); len(parts) == 3 {
					user, pass = parts[1], parts[2]
				}
			}
			if known = user == s.user && pass == s.pass; known {
				say("235 welcome")
			} else {
				say("535 who are you")
			}
		case "MAIL":
			if !known {
				say("530 log in first")
				continue
			}
			l = letter{from: rest}
			say("250 ok")
		case "RCPT":
			l.to = rest
			s.mu.Lock()
			s.tries++
			s.mu.Unlock()
			if s.rcpt != nil {
				if answer := s.rcpt(rest); answer != "" {
					say("%s", answer)
					continue
				}
			}
			say("250 ok")
		case "DATA":
			say("354 go on")
			var b strings.Builder
			for {
				line, err := in.ReadString('\n')
				if err != nil {
					return
				}
				if line == ".\r\n" {
					break
				}
				b.WriteString(strings.TrimPrefix(line, "."))
			}
			if s.drop != nil && s.drop() {
				return
			}
			l.raw = b.String()
			s.mu.Lock()
			s.letters = append(s.letters, l)
			s.secure = secure
			s.mu.Unlock()
			say("250 taken")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("500 what")
		}
	}
}

func (s *smtpServer) got() []letter {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]letter(nil), s.letters...)
}

func TestSend(t *testing.T) {
	for name, c := range map[string]struct {
		server *smtpServer
		change func(*mail.Server)
		secure bool
	}{
		"plain":              {server: &smtpServer{}},
		"STARTTLS":           {&smtpServer{offer: "STARTTLS"}, func(s *mail.Server) { s.Protect = mail.ProtectAuto }, true},
		"TLS":                {&smtpServer{implicit: true}, func(s *mail.Server) { s.Protect = mail.ProtectTLS }, true},
		"logged in":          {&smtpServer{offer: "STARTTLS,AUTH PLAIN LOGIN", user: "u@example.com", pass: "p"}, func(s *mail.Server) { s.Protect, s.User, s.Pass = mail.ProtectStartTLS, "u@example.com", "p" }, true},
		"logged in by LOGIN": {&smtpServer{implicit: true, offer: "AUTH LOGIN", user: "u", pass: "p"}, func(s *mail.Server) { s.Protect, s.User, s.Pass = mail.ProtectTLS, "u", "p" }, true},
		"sender from the user": {&smtpServer{offer: "STARTTLS,AUTH PLAIN", user: "gate@example.com", pass: "p"}, func(s *mail.Server) {
			s.Protect, s.User, s.Pass, s.Sender = mail.ProtectStartTLS, "gate@example.com", "p", ""
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			fake := c.server
			server := fake.start(t)
			if c.change != nil {
				c.change(&server)
			}
			if err := server.Check(); err != nil {
				t.Fatal(err)
			}
			at := time.Date(2026, 11, 20, 1, 2, 3, 0, time.UTC)
			body := "Ünïcode, 余额.\n.leading dot\nFrom here on\n" + strings.Repeat("long ", 300) + "\n"
			if err := server.Send(t.Context(), mail.Message{ID: "id-1", To: "Bob <bob@example.org>", Subject: "Grüße", Body: body, At: at}); err != nil {
				t.Fatal(err)
			}
			got := fake.got()
			if len(got) != 1 || !strings.HasPrefix(got[0].from, "FROM:<gate@example.com>") || !strings.HasPrefix(got[0].to, "TO:<bob@example.org>") || fake.secure != c.secure {
				t.Fatalf("the server got %+v over TLS: %v", got, fake.secure)
			}
			m, err := netmail.ReadMessage(strings.NewReader(got[0].raw))
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(quotedprintable.NewReader(m.Body))
			if err != nil || strings.ReplaceAll(string(text), "\r\n", "\n") != body+"\n" {
				t.Errorf("the text came as %q, %v", text, err)
			}
			subject, _ := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
			if subject != "Grüße" || m.Header.Get("Message-Id") != "<id-1@example.com>" || m.Header.Get("To") != `"Bob" <bob@example.org>` || m.Header.Get("Date") != "Fri, 20 Nov 2026 01:02:03 +0000" {
				t.Errorf("headers: %v", m.Header)
			}
		})
	}
}

// Nothing that a subject, a text or an id holds becomes a header or a recipient.
func TestNoInjection(t *testing.T) {
	fake := &smtpServer{}
	server := fake.start(t)
	evil := "x\r\nBcc: victim@example.org\r\n\r\nhello"
	if err := server.Send(t.Context(), mail.Message{ID: evil, To: "bob@example.org", Subject: evil + "\x00\u2028y", Body: "a\r\n.\r\nMAIL FROM:<evil@example.org>\r\n"}); err != nil {
		t.Fatal(err)
	}
	got := fake.got()
	if len(got) != 1 {
		t.Fatalf("%d letters", len(got))
	}
	m, err := netmail.ReadMessage(strings.NewReader(got[0].raw))
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Header) != 9 || m.Header.Get("Bcc") != "" {
		t.Errorf("headers: %v", m.Header)
	}
	for _, to := range []string{"bob@example.org\r\nRCPT TO:<x@example.org>", "bob", "a@b, c@d", "", "\"x\ny\" <a@b>", strings.Repeat("a", 250) + "@example.org", "<a@b> <c@d>"} {
		err := server.Send(t.Context(), mail.Message{ID: "1", To: to})
		var refused *mail.RefusedError
		if !errors.As(err, &refused) {
			t.Errorf("to %q: %v", to, err)
		}
	}
	if n := len(fake.got()); n != 1 {
		t.Errorf("%d letters", n)
	}
	for _, sender := range []string{"a\r\n@b", "nobody", "x <a@b"} {
		bad := server
		bad.Sender = sender
		if err := bad.Check(); err == nil || !strings.Contains(err.Error(), "EMAIL_SENDER") {
			t.Errorf("sender %q: %v", sender, err)
		}
		if err := bad.Send(t.Context(), mail.Message{To: "a@b"}); err == nil {
			t.Errorf("sender %q sends", sender)
		}
	}
}

// A password does not leave over a connection that anybody can read, and TLS is not given up.
func TestPasswordStays(t *testing.T) {
	fake := &smtpServer{offer: "AUTH PLAIN", user: "u", pass: "p"}
	server := fake.start(t)
	server.User, server.Pass, server.Protect = "u", "p", mail.ProtectAuto
	if err := server.Send(t.Context(), mail.Message{To: "a@b"}); err == nil || !strings.Contains(err.Error(), "STARTTLS") {
		t.Errorf("a server without STARTTLS: %v", err)
	}
	server.Pass, server.Protect = "wrong", mail.ProtectNone
	if err := server.Send(t.Context(), mail.Message{To: "a@b"}); err == nil || !strings.Contains(err.Error(), "EMAIL_AUTH") || strings.Contains(err.Error(), "wrong") {
		t.Errorf("a wrong password: %v", err)
	}
	if n := len(fake.got()); n != 0 {
		t.Errorf("%d letters", n)
	}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// run runs a queue until stop is called.
func run(t *testing.T, q *mail.Queue) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { q.Run(ctx) })
	stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	t.Cleanup(stop)
	return stop
}

// until waits for what must come.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited in vain for " + what)
		}
	}
}

// A server that does not answer does not hold up who gives up.
func TestSendGivesUp(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() }) // it accepts and says nothing
	server := mail.Server{Host: "127.0.0.1", Port: ln.Addr().(*net.TCPAddr).Port, Protect: mail.ProtectNone, Sender: "gate@example.com"}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Send(ctx, mail.Message{To: "a@b"}) }()
	cancel()
	select {
	case err := <-done:
		if err == nil {
			t.Error("the mail was sent")
		}
	case <-time.After(30 * time.Second):
		t.Error("it still waits")
	}
}
