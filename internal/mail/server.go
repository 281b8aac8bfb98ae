// Package mail owns outgoing mail: what a message looks like on the wire, the SMTP server that takes
// it, and the queue that holds it until that server did. When and what to write to whom is up to
// others.
package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"net/smtp"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"

	"tollgate/internal/secret"
)

// Protection says how the connection to a server is protected.
type Protection string

// The protections.
const (
	ProtectAuto     Protection = "on" // TLS on port 465, STARTTLS on any other
	ProtectNone     Protection = "off"
	ProtectTLS      Protection = "tls"
	ProtectStartTLS Protection = "starttls"
)

// Server is who takes outgoing mail. The zero value takes none.
type Server struct {
	Host    string // "": no mail is sent
	Port    int
	Protect Protection
	User    string // "": nobody logs in
	Pass    secret.Secret
	Sender  string // address, also as "Name <address>"; "": User
}

// implicitPort is where servers speak TLS from the first byte (RFC 8314).
const implicitPort = 465

// Enabled reports whether there is a server.
func (s Server) Enabled() bool { return s.Host != "" }

// Check reports what is wrong with the settings of a server, by the names that operators know.
func (s Server) Check() error {
	var errs []error
	if strings.ContainsAny(s.Host, " \t\r\n/@") || strings.Contains(s.Host, ":") && net.ParseIP(s.Host) == nil {
		errs = append(errs, errors.New("EMAIL_SMTP must be the name or address of a host, without a port"))
	}
	if s.Port < 1 || s.Port > 65535 {
		errs = append(errs, errors.New("EMAIL_PORT must be between 1 and 65535"))
	}
	if !slices.Contains([]Protection{ProtectAuto, ProtectNone, ProtectTLS, ProtectStartTLS}, s.Protect) {
		errs = append(errs, errors.New("EMAIL_TLS must be on, off, tls or starttls"))
	}
	if s.Sender != "" {
		if _, err := Address(s.Sender); err != nil {
			errs = append(errs, fmt.Errorf("EMAIL_SENDER %w", err))
		}
	}
	return errors.Join(errs...)
}

// From is the address that mails come from.
func (s Server) From() (*netmail.Address, error) {
	text := s.Sender
	if text == "" {
		text = s.User
	}
	if text == "" {
		return nil, errors.New("EMAIL_SENDER is not set, and neither is EMAIL_AUTH")
	}
	a, err := Address(text)
	if err != nil {
		return nil, fmt.Errorf("EMAIL_SENDER %w", err)
	}
	return a, nil
}

// maxAddress is how long an address may be, in bytes (RFC 5321, 4.5.3.1).
const maxAddress = 254

// Address reads a mail address, also as "Name <address>". What it returns is safe in a header and in an
// SMTP command.
func Address(text string) (*netmail.Address, error) {
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return nil, errors.New("must not hold control characters")
	}
	a, err := netmail.ParseAddress(text)
	if err != nil || len(a.Address) > maxAddress || strings.ContainsAny(a.Address, " <>") {
		return nil, fmt.Errorf("%.60q is not a mail address", text)
	}
	return a, nil
}

// Times of a conversation with a server.
const (
	dialTimeout = 15 * time.Second
	sendTimeout = time.Minute
	endTimeout  = 3 * time.Second // to finish when it is given up
)

// RefusedError says that the server will not take a message, however often it is tried.
type RefusedError struct{ err error }

func (e *RefusedError) Error() string { return "the mail server refuses the message: " + e.err.Error() }

func (e *RefusedError) Unwrap() error { return e.err }

// Send gives m to the server. A *RefusedError is for good; any other error may pass.
func (s Server) Send(ctx context.Context, m Message) error {
	from, err := s.From()
	if err != nil {
		return err
	}
	to, err := Address(m.To)
	if err != nil {
		return &RefusedError{fmt.Errorf("the recipient %w", err)}
	}
	raw, err := m.write(from, to)
	if err != nil {
		return &RefusedError{err}
	}
	conn, err := s.connect(ctx)
	if err != nil {
		return s.trouble(err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now().Add(endTimeout)) })() // so that a shutdown need not wait
	c, err := s.greet(conn)
	if err != nil {
		return s.trouble(err)
	}
	defer func() { _ = c.Close() }() // what was said has been answered
	if err := c.Mail(from.Address); err != nil {
		return fmt.Errorf("mail server: sender: %w", err) // wrong settings: they may be mended
	}
	if err := c.Rcpt(to.Address); err != nil {
		return verdict(fmt.Errorf("recipient: %w", err))
	}
	w, err := c.Data()
	if err != nil {
		return verdict(err)
	}
	if _, err := w.Write(raw); err != nil {
		return fmt.Errorf("mail server: %w", err)
	}
	if err := w.Close(); err != nil {
		return verdict(err)
	}
	_ = c.Quit() // the message is taken; how the goodbye goes does not matter
	return nil
}

// verdict tells a refusal for good (5xx) from one for now.
func verdict(err error) error {
	var said *textproto.Error
	if errors.As(err, &said) && said.Code >= 500 {
		return &RefusedError{err}
	}
	return fmt.Errorf("mail server: %w", err)
}

func (s Server) trouble(err error) error {
	return fmt.Errorf("mail server %s: %w", net.JoinHostPort(s.Host, strconv.Itoa(s.Port)), err)
}

func (s Server) connect(ctx context.Context) (net.Conn, error) {
	dialer := net.Dialer{Timeout: dialTimeout}
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(s.Host, strconv.Itoa(s.Port)))
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(sendTimeout)); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// greet protects the connection and logs in.
func (s Server) greet(conn net.Conn) (*smtp.Client, error) {
	protect := s.Protect
	if protect == ProtectAuto {
		protect = ProtectStartTLS
		if s.Port == implicitPort {
			protect = ProtectTLS
		}
	}
	conf := &tls.Config{ServerName: s.Host, MinVersion: tls.VersionTLS12}
	if protect == ProtectTLS {
		conn = tls.Client(conn, conf)
	}
	c, err := smtp.NewClient(conn, s.Host)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	if from, err := s.From(); err == nil { // servers mistrust who calls itself localhost
		_, host, _ := strings.Cut(from.Address, "@")
		if err := c.Hello(token(host)); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	if protect == ProtectStartTLS {
		if err := c.StartTLS(conf); err != nil {
			return nil, fmt.Errorf("STARTTLS (EMAIL_TLS=tls or off if it does not offer that): %w", errors.Join(err, c.Close()))
		}
	}
	if s.User == "" {
		return c, nil
	}
	auth := smtp.PlainAuth("", s.User, s.Pass.Reveal(), s.Host)
	if _, offered := c.Extension("AUTH"); !slices.Contains(strings.Fields(offered), "PLAIN") && slices.Contains(strings.Fields(offered), "LOGIN") {
		auth = &login{server: s}
	}
	if err := c.Auth(auth); err != nil {
		return nil, fmt.Errorf("log in as EMAIL_AUTH: %w", errors.Join(err, c.Close()))
	}
	return c, nil
}

// login is the older AUTH LOGIN, the only one that some servers of Microsoft offer.
// Source: https://datatracker.ietf.org/doc/html/draft-murchison-sasl-login-00, read 2026-11-20.
type login struct{ server Server }

func (l *login) Start(info *smtp.ServerInfo) (string, []byte, error) {
	if !info.TLS && !slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, info.Name) {
		return "", nil, errors.New("the connection is not protected, so the password stays here")
	}
	return "LOGIN", nil, nil
}

func (l *login) Next(asked []byte, more bool) ([]byte, error) {
	switch {
	case !more:
		return nil, nil
	case strings.HasPrefix(strings.ToLower(string(asked)), "user"):
		return []byte(l.server.User), nil
	case strings.HasPrefix(strings.ToLower(string(asked)), "pass"):
		return []byte(l.server.Pass.Reveal()), nil
	}
	return nil, errors.New("the server asks for something else than user and password")
}
