package openai

import (
	"net/http"
	"strconv"
	"strings"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/fault"
	"tollgate/internal/dialect/jsonpull"
)

// maxMessage bounds an upstream's message, in bytes.
const maxMessage = 2048

// Fault is an upstream's error as written, whatever its shape.
type Fault struct {
	Message string
	Type    string
	Code    string
	Param   string
	Status  int  // an HTTP status inside the body, as OpenRouter and Google write it; 0: none
	Flagged bool // a moderation refused the input (OpenRouter's metadata.reasons)
	MiniMax bool // Code is from base_resp
}

// ReadError reads an upstream's error answer.
func ReadError(status int, h http.Header, body []byte) *canon.Error {
	f, ok := parse(body)
	if !ok || f.Message == "" {
		f.Message = describe(status, h, body)
	}
	e := f.Err(status)
	e.RetryAfter = retryAfter(e.Kind, h, f.Message)
	return e
}

// Err returns the canon error for f. status is that of the answer; 200 for an error inside of one.
func (f Fault) Err(status int) *canon.Error {
	asked := status
	if status < 400 && f.Status >= 400 && f.Status <= 599 {
		asked = f.Status
	}
	e := &canon.Error{Kind: f.kind(asked), Message: Scrub(f.Message), Param: clip(f.Param, 256), Code: clip(f.Code, 128)}
	e.NoModel = e.Kind == canon.KindNotFound && f.Code == "model_not_found"
	if e.Message == "" {
		e.Message = "The upstream reported an error without a message."
	}
	if asked >= 400 {
		e.Status = asked
	}
	e.RetryAfter = retryAfter(e.Kind, nil, f.Message)
	return e
}

// kind finds out who is at fault: by the code first, as vendors reuse statuses, then by the status.
func (f Fault) kind(status int) canon.Kind {
	message := strings.ToLower(clip(f.Message, maxMessage))
	if strings.Contains(message, "allocated quota exceeded") {
		return canon.KindRateLimited // DashScope calls its tokens per minute insufficient_quota
	}
	if f.MiniMax {
		if k := minimax(f.Code); k != "" {
			return k
		}
	}
	for _, word := range [...]string{f.Code, f.Type} {
		if k := byWord(strings.ToLower(word)); k != "" {
			return k
		}
	}
	if f.Flagged {
		return canon.KindInvalid
	}
	switch status {
	case 0, 200, 400, 401, 403, 429:
		if k := byMessage(message); k != "" {
			return k
		}
	}
	if status < 400 {
		for _, word := range [...]string{f.Code, f.Type} {
			if k := byVagueWord(strings.ToLower(word)); k != "" {
				return k
			}
		}
		return canon.KindUpstream
	}
	kind, _ := fault.ByStatus(status)
	return kind
}

// parse finds the error in a body. ok is false if the body is no JSON or says nothing.
func parse(body []byte) (Fault, bool) {
	p := jsonpull.New(body)
	var f Fault
	if p.Kind() == '[' { // Google's compatible endpoint wraps errors in an array
		if p.Array() && p.Element() {
			f.read(&p)
		}
		return f, f != Fault{}
	}
	f.read(&p)
	if p.End() != nil {
		return Fault{}, false
	}
	return f, f != Fault{}
}

// ParseFault reads the error object, or string, raw, as it stands in an answer of status 200.
func ParseFault(raw string) Fault {
	p := jsonpull.NewString(raw)
	var f Fault
	f.readError(&p)
	return f
}

// read reads the top level of an error answer.
func (f *Fault) read(p *jsonpull.Parser) {
	if p.Kind() == '"' {
		f.Message = p.String()
		return
	}
	if !p.Object() {
		return
	}
	outer := Fault{}
	for p.Member() {
		switch p.Name {
		case "error", "errors":
			f.readError(p)
		case "message", "msg", "error_msg", "error_message":
			outer.Message = p.String()
		case "detail": // FastAPI: a string, or a list of what is wrong
			switch p.Kind() {
			case '"':
				outer.Message = p.String()
			case 'n':
				p.Skip()
			default:
				outer.Message = p.Raw()
			}
		case "code", "error_code", "status_code", "statusCode":
			outer.Code = word(p)
		case "type":
			outer.Type = p.String()
		case "param":
			outer.Param = p.String()
		case "base_resp":
			f.readMiniMax(p)
		default:
			p.Skip()
		}
	}
	if f.Message == "" {
		f.Message = outer.Message
	}
	if f.Code == "" {
		f.Code = outer.Code
	}
	if f.Type == "" && outer.Type != "error" { // "error" is the name of the event
		f.Type = outer.Type
	}
	if f.Param == "" {
		f.Param = outer.Param
	}
}

// readError reads the value of "error".
func (f *Fault) readError(p *jsonpull.Parser) {
	if p.Kind() == '"' {
		f.Message = p.String()
		return
	}
	if !p.Object() {
		return
	}
	for p.Member() {
		switch p.Name {
		case "message", "msg":
			f.Message = p.String()
		case "type":
			f.Type = p.String()
		case "status": // Google: a word
			if p.Kind() == '"' {
				if s := p.String(); f.Type == "" {
					f.Type = s
				}
			} else {
				f.Status = statusIn(p.Int())
			}
		case "code":
			number := p.Kind() == '0'
			f.Code = word(p)
			if n, err := strconv.ParseInt(f.Code, 10, 64); err == nil && statusIn(n) != 0 {
				f.Status = statusIn(n)
				if number {
					f.Code = ""
				}
			}
		case "param":
			f.Param = p.String()
		case "metadata":
			f.readMetadata(p)
		default:
			p.Skip()
		}
	}
}

// readMetadata reads what OpenRouter says beside an error: https://openrouter.ai/docs/api/reference/errors-and-debugging, read 2026-11-20.
func (f *Fault) readMetadata(p *jsonpull.Parser) {
	if !p.Object() {
		return
	}
	for p.Member() {
		if p.Name == "reasons" {
			f.Flagged = p.Kind() == '['
		}
		p.Skip()
	}
}

// readMiniMax reads base_resp, which stands in every answer of MiniMax; status_code 0 means that all is well.
func (f *Fault) readMiniMax(p *jsonpull.Parser) {
	if !p.Object() {
		return
	}
	code, message := "", ""
	for p.Member() {
		switch p.Name {
		case "status_code":
			code = word(p)
		case "status_msg":
			message = p.String()
		default:
			p.Skip()
		}
	}
	if code != "" && code != "0" {
		f.Code, f.Message, f.MiniMax = code, message, true
	}
}

// MiniMaxFault reads a base_resp; ok is false if it reports no error.
func MiniMaxFault(raw string) (f Fault, ok bool) {
	p := jsonpull.NewString(raw)
	f.readMiniMax(&p)
	return f, f.MiniMax
}

// word takes a string or a number.
func word(p *jsonpull.Parser) string {
	switch p.Kind() {
	case '"':
		return p.String()
	case '0':
		return p.Raw()
	}
	p.Skip()
	return ""
}

func statusIn(n int64) int {
	if n >= 400 && n <= 599 {
		return int(n)
	}
	return 0
}

// describe makes a message of an answer that says nothing readable.
func describe(status int, h http.Header, body []byte) string {
	text := strings.TrimSpace(string(body[:min(len(body), 4*maxMessage)]))
	said := "The upstream answered " + strconv.Itoa(status)
	if name := http.StatusText(status); name != "" {
		said += " " + name
	}
	low := strings.ToLower(text)
	if strings.HasPrefix(text, "<") || strings.Contains(h.Get("Content-Type"), "html") {
		if from := strings.Index(low, "<title>"); from >= 0 && len(low) == len(text) {
			from += len("<title>")
			if to := strings.Index(low[from:], "</title>"); to >= 0 {
				return said + " with a web page: " + clip(strings.Join(strings.Fields(text[from:from+to]), " "), 200)
			}
		}
		return said + " with a web page instead of an error."
	}
	if text == "" || text == "null" || text == "{}" || text == "[]" {
		return said + " without a message."
	}
	return said + ": " + clip(text, 300)
}

// Scrub bounds an upstream's text and masks what tells of our account there: keys, organizations, projects.
func Scrub(s string) string {
	return fault.Mask(clip(s, maxMessage))
}

// clip bounds s to n bytes of valid UTF-8 and marks the cut.
func clip(s string, n int) string {
	if len(s) <= n {
		return strings.ToValidUTF8(s, "\ufffd")
	}
	return strings.ToValidUTF8(s[:n-3], "") + "…"
}

// BodyFault finds an error in a body that came with status 200; ok is false if there is none.
func BodyFault(body []byte) (f Fault, ok bool) {
	f, ok = parse(body)
	return f, ok && f.Message != ""
}
