package mail

import (
	"bytes"
	"fmt"
	"mime"
	"mime/quotedprintable"
	netmail "net/mail"
	"strings"
	"time"
	"unicode"
)

// Message is a mail in plain text.
type Message struct {
	ID      string // makes the Message-ID: the same message sent twice has one, and is shown once
	To      string // address, also as "Name <address>"
	Subject string
	Body    string // lines end in "\n"
	At      time.Time
}

// Bounds of a message.
const (
	maxSubject = 200       // characters
	maxBody    = 256 << 10 // bytes
)

// write returns the message as it goes to the server. Whatever stands in subject and body, it can't
// become a header or end the message early.
func (m Message) write(from, to *netmail.Address) ([]byte, error) {
	if len(m.Body) > maxBody {
		return nil, fmt.Errorf("the text is over the limit of %d bytes", maxBody)
	}
	var b bytes.Buffer
	_, host, _ := strings.Cut(from.Address, "@")
	for _, h := range [][2]string{
		{"From", from.String()},
		{"To", to.String()},
		{"Subject", mime.QEncoding.Encode("utf-8", OneLine(m.Subject, maxSubject))},
		{"Date", m.At.UTC().Format(time.RFC1123Z)},
		{"Message-ID", "<" + token(m.ID) + "@" + token(host) + ">"},
		{"MIME-Version", "1.0"},
		{"Content-Type", "text/plain; charset=utf-8"},
		{"Content-Transfer-Encoding", "quoted-printable"},
		{"Auto-Submitted", "auto-generated"}, // RFC 3834: nobody's holiday notice answers
	} {
		b.WriteString(h[0] + ": " + h[1] + "\r\n")
	}
	b.WriteString("\r\n")
	w := quotedprintable.NewWriter(&b)
	if _, err := w.Write([]byte(strings.ReplaceAll(strings.ReplaceAll(m.Body, "\r\n", "\n"), "\n", "\r\n"))); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	b.WriteString("\r\n")
	return b.Bytes(), nil
}

// OneLine returns text without control characters, with single spaces, and cut after most characters.
func OneLine(text string, most int) string {
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "?"), func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) || r == '\u2028' || r == '\u2029' }), " ")
	if r := []rune(text); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return text
}

// token keeps the characters that stand in a Message-ID without quotes.
func token(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x7f && (r == '-' || r == '.' || unicode.IsLetter(r) || unicode.IsDigit(r)) {
			return r
		}
		return '-'
	}, s)
}
