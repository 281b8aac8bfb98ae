package dialecttest

import (
	"bufio"
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"strings"
	"testing"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/jsonedit"
)

// maxDepth is the nesting that the server allows a request body.
const maxDepth = 512

// request checks call, client.json and what comes of them. ok is false if the call is refused or the
// file holds none.
func (g *golden) request() (head dialect.Head, ok bool) {
	call, has := g.input("call")
	if !has {
		return dialect.Head{}, false
	}
	raw, hasBody := g.input("client.json")
	raw = strings.TrimSuffix(raw, "\n")
	var body *jsonedit.Object
	if hasBody {
		var err error
		if body, err = jsonedit.Scan([]byte(raw), maxDepth); err != nil {
			g.check("head", "refused by the scan: "+err.Error())
			return dialect.Head{}, false
		}
	}
	head, refused := route(g.t, g.p, call, raw, body)
	if refused != nil {
		g.check("head", "refused\n"+dump(refused))
		return dialect.Head{}, false
	}
	g.check("head", dump(head))
	if !hasBody {
		return head, true
	}
	req, err := g.p.ReadRequest(head.Op, []byte(raw))
	if err != nil {
		g.check("request", "refused: "+err.Error())
	} else {
		req.Home = nil // it stands in the client's request, byte for byte
		g.check("request", dump(req))
	}

	name, has := g.input("upstream.model")
	if name = strings.TrimSpace(name); !has {
		name = "upstream-model"
	}
	edits, err := g.p.Edits(head, body, name)
	if err != nil {
		g.t.Fatal(err)
	}
	out, err := jsonedit.Apply([]byte(raw), edits...)
	if err != nil {
		g.t.Fatal(err)
	}
	if _, err := jsonedit.Scan(out, maxDepth); err != nil {
		g.t.Errorf("the edited body is no longer strict JSON: %v", err)
	}
	g.check("upstream.json", string(out))
	return head, true
}

// route sends the call through the mux that the dialect's endpoints make, as the server does, and
// returns what Head says.
func route(t *testing.T, p dialect.Protocol, call, raw string, body *jsonedit.Object) (dialect.Head, *canon.Error) {
	t.Helper()
	lines := textproto.NewReader(bufio.NewReader(strings.NewReader(call + "\n\n")))
	first, err := lines.ReadLine()
	if err != nil {
		t.Fatal(err)
	}
	method, target, ok := strings.Cut(strings.TrimSpace(first), " ")
	if !ok {
		t.Fatalf("call %q: want METHOD PATH", first)
	}
	header, err := lines.ReadMIMEHeader()
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(method, target, strings.NewReader(raw))
	for name, values := range header {
		r.Header[name] = values
	}
	var head dialect.Head
	var refused *canon.Error
	served := false
	mux := http.NewServeMux()
	seen := map[string]bool{}
	for _, ep := range p.Endpoints() {
		pattern := ep.Method + " " + ep.Path
		if seen[pattern] {
			continue // one pattern for several operations: Head tells them apart
		}
		seen[pattern] = true
		mux.HandleFunc(pattern, func(_ http.ResponseWriter, r *http.Request) {
			served = true
			head, refused = p.Head(ep, r, body)
		})
	}
	mux.ServeHTTP(httptest.NewRecorder(), r)
	if !served {
		t.Fatalf("no endpoint of the dialect serves %s %s", method, target)
	}
	return head, refused
}

// response renders what a handler wrote.
func response(write func(http.ResponseWriter)) string {
	rec := httptest.NewRecorder()
	write(rec)
	var b bytes.Buffer
	res := rec.Result()
	b.WriteString(res.Status + "\n")
	if err := res.Header.Write(&b); err != nil {
		return err.Error()
	}
	b.WriteString("\n")
	b.Write(rec.Body.Bytes())
	return strings.ReplaceAll(b.String(), "\r\n", "\n")
}
