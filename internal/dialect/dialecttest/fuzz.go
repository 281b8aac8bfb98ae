package dialecttest

import (
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/jsonedit"
)

// someOf is how few of the many odd inputs are seeds: every one is run before anything new is tried, and what it
// teaches the fuzzer is in one of so many as well.
const someOf = 47

// archives returns the golden files, as seeds for fuzzing.
func archives(f testing.TB, testdata fs.FS) (out []*txtar.Archive) {
	f.Helper()
	files, err := fs.Glob(testdata, "*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		raw, err := fs.ReadFile(testdata, file)
		if err != nil {
			f.Fatal(err)
		}
		out = append(out, txtar.Parse(raw))
	}
	return out
}

// section returns a section of a golden file.
func section(a *txtar.Archive, name string) (string, bool) {
	for _, s := range a.Files {
		if s.Name == name {
			return strings.TrimSuffix(string(s.Data), "\n"), true
		}
	}
	return "", false
}

// callOf returns method and path of the call in a golden file; "" if there is none.
func callOf(a *txtar.Archive) string {
	s, _ := section(a, "call")
	first, _, _ := strings.Cut(s, "\n")
	return strings.TrimSpace(first)
}

// front is the dialect behind a mux, as the server has it.
type front struct {
	p   dialect.Protocol
	mux *http.ServeMux
	ep  *dialect.Endpoint // of the last call; nil: it was for nobody
	r   *http.Request
}

func newFront(p dialect.Protocol) *front {
	f := &front{p: p, mux: http.NewServeMux()}
	seen := map[string]bool{}
	for _, ep := range p.Endpoints() {
		pattern := ep.Method + " " + ep.Path
		if seen[pattern] {
			continue
		}
		seen[pattern] = true
		f.mux.HandleFunc(pattern, func(_ http.ResponseWriter, r *http.Request) { f.ep, f.r = &ep, r })
	}
	return f
}

// route returns the endpoint that serves call ("METHOD PATH?QUERY"), and the request as its handler gets it.
func (f *front) route(call string) (*dialect.Endpoint, *http.Request) {
	method, target, _ := strings.Cut(call, " ")
	u, err := url.ParseRequestURI(target)
	if err != nil || !strings.HasPrefix(target, "/") {
		return nil, nil
	}
	f.ep, f.r = nil, nil
	f.mux.ServeHTTP(httptest.NewRecorder(), &http.Request{Method: method, URL: u, Host: "gateway.test", Header: http.Header{}})
	return f.ep, f.r
}

// takesBody reports whether the gateway reads a body for the endpoint.
func takesBody(ep *dialect.Endpoint) bool {
	return ep.Method == http.MethodPost && ep.Op != canon.OpStoredCancel
}

// calls returns a call for every endpoint, and all of the golden files.
func calls(p dialect.Protocol, files []*txtar.Archive) (out []string) {
	concrete := strings.NewReplacer("{id}", "resp_1", "{model...}", "m", "{rest...}", "m:generateContent")
	seen := map[string]bool{"": true}
	add := func(call string) {
		if !seen[call] {
			seen[call] = true
			out = append(out, call)
		}
	}
	for _, ep := range p.Endpoints() {
		add(ep.Method + " " + concrete.Replace(ep.Path))
	}
	for _, a := range files {
		add(callOf(a))
	}
	return out
}

// operations returns a call for every operation that the calls stand for.
func operations(f testing.TB, p dialect.Protocol, calls []string) map[canon.Op]string {
	f.Helper()
	front := newFront(p)
	body, err := jsonedit.Scan([]byte(`{"model":"m"}`), maxDepth)
	if err != nil {
		f.Fatal(err)
	}
	ops := map[canon.Op]string{}
	for _, call := range calls {
		ep, r := front.route(call)
		if ep == nil {
			f.Fatalf("no endpoint of the dialect serves %s", call)
		}
		head := dialect.Head{Op: ep.Op}
		if takesBody(ep) {
			head, _ = p.Head(*ep, r, body) // which operation it is, a refusal says too
			if head.Model != "" && strings.Contains(ep.Path, "{") {
				call = strings.Replace(call, head.Model, "m", 1) // the bodies of others may name it
			}
		}
		if _, known := ops[head.Op]; !known && head.Op != "" {
			ops[head.Op] = call
		}
	}
	for _, ep := range p.Endpoints() {
		if ops[ep.Op] == "" {
			f.Fatalf("no seed calls %s %s for %s", ep.Method, ep.Path, ep.Op)
		}
	}
	return ops
}

// FuzzRequest feeds calls to a dialect: any of its operations by method, path and query, with any body. What
// is refused is refused in the dialect's words; of what is taken, the head, the whole request and the bytes
// that go upstream say the same.
func FuzzRequest(f *testing.F, p dialect.Protocol, testdata fs.FS) {
	files := archives(f, testdata)
	all := calls(p, files)
	ops := operations(f, p, all)
	var bodied []string // of the operations with a body
	for _, call := range all {
		f.Add(call, []byte(`{"model":"m"}`))
		if ep, _ := newFront(p).route(call); takesBody(ep) && slices.Contains(slices.Collect(maps.Values(ops)), call) {
			bodied = append(bodied, call)
		}
	}
	for _, a := range files {
		body, ok := section(a, "client.json")
		if !ok {
			continue
		}
		f.Add(callOf(a), []byte(body))
		for _, call := range bodied { // what it says to the others
			f.Add(call, []byte(body))
		}
	}
	features, err := fs.Glob(testdata, "feature/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range features {
		raw, err := fs.ReadFile(testdata, name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(ops[canon.OpGenerate], raw)
		if call := ops[canon.OpCountTokens]; call != "" {
			f.Add(call, raw)
		}
	}
	odd := oddBodies() // all of them with all operations: see hostile
	for i := 0; i < len(odd); i += someOf {
		f.Add(bodied[i%len(bodied)], []byte(odd[i]))
	}
	front := newFront(p)
	f.Fuzz(func(t *testing.T, call string, raw []byte) {
		ep, r := front.route(call)
		if ep == nil {
			return
		}
		c := fuzzed{t: t, p: p, front: front, ep: ep, r: r}
		if !takesBody(ep) {
			c.bodyless()
			return
		}
		body, err := jsonedit.Scan(raw, maxDepth)
		if err != nil {
			// ReadRequest is promised scanned bytes only. Should the promise break, it still must not panic.
			_, _ = p.ReadRequest(ep.Op, raw)
			return
		}
		c.request(raw, body)
	})
}

// fuzzed is one call.
type fuzzed struct {
	t     *testing.T
	p     dialect.Protocol
	front *front
	ep    *dialect.Endpoint
	r     *http.Request
}

// refused checks that an error is the client's to mend, and can be told in its dialect.
func (c *fuzzed) refused(e *canon.Error) {
	c.t.Helper()
	if e.Kind == "" || e.Message == "" {
		c.t.Fatalf("refused without a word: %+v", e)
	}
	rec := httptest.NewRecorder()
	c.p.WriteError(rec, e)
	if rec.Code < 400 || rec.Code > 499 {
		c.t.Fatalf("what the client did is answered with %d: %v", rec.Code, e)
	}
	if !json.Valid(rec.Body.Bytes()) {
		c.t.Fatalf("the error is not JSON: %s", rec.Body)
	}
}

// head checks what holds of every head.
func (c *fuzzed) head(h dialect.Head) {
	c.t.Helper()
	switch {
	case h.Op == "":
		c.t.Fatal("a call for no operation")
	case h.Choices < 1 || h.MaxOutput < 0:
		c.t.Fatalf("%d choices of %d tokens", h.Choices, h.MaxOutput)
	case h.Stream != (h.Framing != dialect.FramingNone):
		c.t.Fatalf("stream %v is framed as %q", h.Stream, h.Framing)
	case h.Stream && h.Op != canon.OpGenerate && h.Op != canon.OpComplete && h.Op != canon.OpStoredGet:
		c.t.Fatalf("%s is streamed", h.Op)
	case strings.ContainsAny(h.StoredID, "/?#%\\ ") || h.StoredID != "" && strings.Trim(h.StoredID, ".") == "":
		c.t.Fatalf("the id %q can't stand in a path", h.StoredID)
	}
	for _, ref := range append(h.Refs[:len(h.Refs):len(h.Refs)], h.Also...) {
		if ref.Path == "" {
			c.t.Fatalf("%q is named nowhere", ref.ID)
		}
	}
}

// bodyless checks a call that the path says all of.
func (c *fuzzed) bodyless() {
	t := c.t
	head, refused := c.p.Head(*c.ep, c.r, nil)
	if refused != nil {
		c.refused(refused)
		return
	}
	c.head(head)
	if head.Op != c.ep.Op {
		t.Fatalf("%s is taken for %s", c.ep.Op, head.Op)
	}
	rec := httptest.NewRecorder()
	switch head.Op {
	case canon.OpListModels:
		c.p.WriteModels(rec, c.r, fewModels())
	case canon.OpGetModel:
		c.p.WriteModel(rec, dialect.Model{Name: head.Model})
	default:
		if head.StoredID == "" {
			t.Fatalf("%s of nothing", head.Op)
		}
		if edits, err := c.p.Edits(head, nil, "mapped"); err != nil || len(edits) > 0 {
			t.Fatalf("nothing is edited: %v, %v", edits, err)
		}
		return
	}
	if rec.Code != http.StatusOK && (rec.Code < 400 || rec.Code > 499) || !json.Valid(rec.Body.Bytes()) {
		t.Fatalf("models are told as %d %s", rec.Code, rec.Body)
	}
}

func fewModels() []dialect.Model {
	var out []dialect.Model
	for _, name := range []string{"a", "b", "org/c", "tunedModels/d", "e\"<>\u2028"} {
		out = append(out, dialect.Model{Name: name, Owner: "o", CreatedUnix: 1, ContextTokens: 2, OutputTokens: 1, Ops: []canon.Op{canon.OpGenerate, canon.OpCountTokens}})
	}
	return out
}

// request checks a call with a body.
func (c *fuzzed) request(raw []byte, body *jsonedit.Object) {
	t, p := c.t, c.p
	head, refused := p.Head(*c.ep, c.r, body)
	if refused != nil {
		c.refused(refused)
	} else {
		c.head(head)
	}
	if head.Op == "" {
		return
	}
	req, err := p.ReadRequest(head.Op, raw)
	if (req == nil) == (err == nil) {
		t.Fatalf("want a request or an error, got %v and %v", req, err)
	}
	if err != nil {
		e, ok := errors.AsType[*canon.Error](err)
		if !ok || e.Kind != canon.KindInvalid {
			t.Fatalf("%v is not the client's fault", err)
		}
		c.refused(e)
	}
	if refused != nil {
		return
	}
	if req != nil {
		c.agree(head, req)
	}
	c.forwarded(head, raw, body, req)
	if req != nil {
		c.written(head, req)
	}
}

// agree checks that the head, by which a call is admitted and held for, asks for no less than the whole request.
func (c *fuzzed) agree(head dialect.Head, req *canon.Request) {
	t := c.t
	if req.Origin != c.p.Dialect() {
		t.Fatalf("the request comes from %q", req.Origin)
	}
	if req.Model != "" && req.Model != head.Model {
		t.Fatalf("the model is %q in the head and %q in the request", head.Model, req.Model)
	}
	if req.PreviousID != head.PreviousID {
		t.Fatalf("continues %q in the head and %q in the request", head.PreviousID, req.PreviousID)
	}
	kept := map[string]bool{}
	for _, ref := range head.Refs {
		kept[ref.ID] = true
	}
	for _, id := range fileIDs(req) {
		if !kept[id] {
			t.Fatalf("the request uses the file %q, the head %v", id, head.Refs)
		}
	}
	if head.Op != canon.OpGenerate && head.Op != canon.OpComplete {
		return
	}
	if req.MaxOutput > head.MaxOutput || max(1, req.N) > head.Choices {
		t.Fatalf("held for %d answers of %d tokens, %d of %d are asked for", head.Choices, head.MaxOutput, req.N, req.MaxOutput)
	}
	if c.p.Dialect() != canon.Gemini && req.Stream != head.Stream { // where the path says it
		t.Fatalf("stream is %v in the head and %v in the request", head.Stream, req.Stream)
	}
}

// fileIDs returns the ids of all files that a request names.
func fileIDs(req *canon.Request) (ids []string) {
	var walk func([]canon.Block)
	walk = func(blocks []canon.Block) {
		for _, b := range blocks {
			switch b := b.(type) {
			case canon.Media:
				if b.FileID != "" {
					ids = append(ids, b.FileID)
				}
			case canon.ToolResult:
				walk(b.Blocks)
			}
		}
	}
	walk(req.System)
	for _, turn := range req.Turns {
		walk(turn.Blocks)
	}
	return ids
}

// forwarded checks that the bytes that go upstream say what the client's did, of another model.
func (c *fuzzed) forwarded(head dialect.Head, raw []byte, body *jsonedit.Object, req *canon.Request) {
	t, p := c.t, c.p
	const mapped = "mapped"
	edits, err := p.Edits(head, body, mapped)
	if err != nil {
		t.Fatalf("what was taken can't be edited: %v", err)
	}
	out, err := jsonedit.Apply(raw, edits...)
	if err != nil {
		t.Fatal(err)
	}
	edited, err := jsonedit.Scan(out, maxDepth)
	if err != nil {
		t.Fatalf("the edited body is no longer strict JSON: %v\n%s", err, out)
	}
	ep, r := c.ep, c.r
	if at := strings.LastIndexByte(r.URL.Path, ':'); at >= 0 && strings.Contains(ep.Path, "{rest...}") { // the model is in the path
		target := "POST /v1beta/models/" + mapped + r.URL.Path[at:]
		if r.URL.RawQuery != "" {
			target += "?" + r.URL.RawQuery
		}
		if ep, r = c.front.route(target); ep == nil {
			t.Fatalf("nobody serves %s", target)
		}
	}
	now, refused := p.Head(*ep, r, edited)
	if refused != nil {
		t.Fatalf("what was taken is refused when edited: %v\n%s", refused, out)
	}
	if now.Model != mapped || head.IncludeUsage && !now.IncludeUsage {
		t.Fatalf("the head is %+v, and edited %+v\n%s", head, now, out)
	}
	was := head
	was.Model, was.IncludeUsage, was.TextBytes, was.MediaParts = now.Model, now.IncludeUsage, now.TextBytes, now.MediaParts
	if !reflect.DeepEqual(was, now) {
		t.Fatalf("editing changes the head (-was +now):\n%s\n%s", cmp.Diff(was, now), out)
	}
	if req == nil {
		return
	}
	over, err := p.ReadRequest(head.Op, out)
	if err != nil {
		t.Fatalf("what was read can't be read when edited: %v\n%s", err, out)
	}
	if u, ok := p.(dialect.Unsealer); ok && len(u.Unsealed(body)) > 0 {
		return // it says less, and that it does
	}
	same := *req
	same.Model, same.Home, over.Home = over.Model, nil, nil
	if !reflect.DeepEqual(&same, over) {
		t.Fatalf("editing changes the request (-was +now):\n%s\n%s", cmp.Diff(dump(&same), dump(over)), out)
	}
}

// written checks that what was read can be written and read again, or is refused with a reason.
func (c *fuzzed) written(head dialect.Head, req *canon.Request) {
	t := c.t
	p, ok := c.p.(dialect.Translator)
	if !ok || head.Op == canon.OpGenerate && len(req.System)+len(req.Turns) == 0 {
		return
	}
	req.Model, req.Stream = head.Model, head.Stream
	canon.Pair(req)
	if r, ok := c.p.(dialect.Refuser); ok {
		if e := r.Refuse(head.Op, req); e != nil {
			c.refused(e)
			return
		}
	}
	to := dialect.Target{Op: head.Op, Model: "m", Stream: head.Stream}
	if to.Op == canon.OpComplete {
		to.Op = canon.OpGenerate // see pool
	}
	out, lost, e := p.WriteRequest(req, to)
	if e != nil {
		c.refused(e)
		return
	}
	for _, l := range lost {
		if l.What == "" || l.Kind == "" {
			t.Fatalf("something is lost without a name: %+v", l)
		}
	}
	if _, err := jsonedit.Scan(out, 2*maxDepth); err != nil {
		t.Fatalf("what is written is not strict JSON: %v\n%s", err, out)
	}
	again, err := c.p.ReadRequest(to.Op, out)
	if err != nil {
		t.Fatalf("what was written can't be read: %v\n%s", err, out)
	}
	if again.Dimensions != req.Dimensions || (to.Op == canon.OpEmbed || to.Op == canon.OpBatchEmbed) && len(again.Turns) != len(req.Turns) {
		t.Fatalf("%d texts became %d, %d dimensions %d\n%s", len(req.Turns), len(again.Turns), req.Dimensions, again.Dimensions, out)
	}
}
