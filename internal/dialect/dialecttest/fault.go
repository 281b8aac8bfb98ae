package dialecttest

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
)

// errors checks error.http and fault.
func (g *golden) errors() {
	if text, ok := g.input("error.http"); ok {
		lines := bufio.NewReader(strings.NewReader(text))
		first, err := lines.ReadString('\n')
		if err != nil {
			g.t.Fatal(err)
		}
		status, err := strconv.Atoi(strings.Fields(first)[0])
		if err != nil {
			g.t.Fatalf("error.http must open with a status: %v", err)
		}
		header, err := textproto.NewReader(lines).ReadMIMEHeader()
		if err != nil {
			g.t.Fatal(err)
		}
		body, err := io.ReadAll(lines)
		if err != nil {
			g.t.Fatal(err)
		}
		g.check("error", dump(g.p.ReadError(status, http.Header(header), []byte(strings.TrimSuffix(string(body), "\n")))))
	}
	if text, ok := g.input("fault"); ok {
		var f struct {
			Kind                 canon.Kind
			Message, Param, Code string
			Status               int
			RetryAfter           string `json:"retry_after"`
		}
		if err := json.Unmarshal([]byte(text), &f); err != nil {
			g.t.Fatal(err)
		}
		e := &canon.Error{Kind: f.Kind, Message: f.Message, Param: f.Param, Code: f.Code, Status: f.Status}
		if f.RetryAfter != "" {
			d, err := time.ParseDuration(f.RetryAfter)
			if err != nil {
				g.t.Fatal(err)
			}
			e.RetryAfter = d
		}
		g.check("fault.http", response(func(w http.ResponseWriter) { g.p.WriteError(w, e) }))
		head := dialect.Head{Op: canon.OpGenerate, Stream: true, Framing: dialect.FramingSSE, Choices: 1}
		g.check("fault.stream", strings.TrimSuffix(strings.ReplaceAll(string(g.p.AppendStreamError(nil, head, e)), "\r\n", "\n"), "\n"))
	}
}

// models checks models.
func (g *golden) models() {
	text, ok := g.input("models")
	if !ok {
		return
	}
	var list []dialect.Model
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		g.t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	g.check("models.http", response(func(w http.ResponseWriter) { g.p.WriteModels(w, r, list) }))
	if len(list) > 0 {
		g.check("model.http", response(func(w http.ResponseWriter) { g.p.WriteModel(w, list[0]) }))
	}
}
