package app_test

import (
	archive "archive/zip"
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/tidwall/gjson"
)

// lastAsked is an upstream of every dialect that keeps what it was sent last.
type lastAsked struct {
	mu    sync.Mutex
	asked string
	calls int
}

func asking(t *testing.T) (*lastAsked, string) {
	t.Helper()
	r := &lastAsked{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if noGateway(w, req) {
			return
		}
		raw, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		r.mu.Lock()
		r.asked, r.calls = string(raw), r.calls+1
		r.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		if strings.HasSuffix(req.URL.Path, "/count_tokens") {
			_, _ = io.WriteString(w, `{"input_tokens":7}`)
			return
		}
		_, _ = io.WriteString(w, wireOf(req.URL.Path).plain)
	}))
	t.Cleanup(srv.Close)
	return r, srv.URL
}

// took returns what came last, and forgets it.
func (r *lastAsked) took() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	asked := r.asked
	r.asked = ""
	return asked
}

func zipped(t *testing.T, parts ...string) string {
	t.Helper()
	var b bytes.Buffer
	w := archive.NewWriter(&b)
	for i := 0; i+1 < len(parts); i += 2 {
		f, err := w.Create(parts[i])
		if err == nil {
			_, err = f.Write([]byte(parts[i+1]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func wordFile(t *testing.T, text string) string {
	return zipped(t, "word/document.xml", `<w:document xmlns:w="x"><w:body><w:p><w:r><w:t>`+text+`</w:t></w:r></w:p></w:body></w:document>`)
}

func excelFile(t *testing.T) string {
	return zipped(t, "xl/workbook.xml", `<workbook xmlns:r="x"><sheets><sheet name="Prices" sheetId="1" r:id="r1"/></sheets></workbook>`,
		"xl/_rels/workbook.xml.rels", `<Relationships><Relationship Id="r1" Type="x" Target="worksheets/sheet1.xml"/></Relationships>`,
		"xl/worksheets/sheet1.xml", `<worksheet><sheetData><row r="1"><c r="A1" t="inlineStr"><is><t>tea</t></is></c><c r="B1"><v>3.5</v></c></row></sheetData></worksheet>`)
}

const (
	wordType  = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
	excelType = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	pdf       = "%PDF-1.7 pages"
)

func inlineDocument(mediaType, content, more string) string {
	return fmt.Sprintf(`{"type":"document","source":{"type":"base64","media_type":%q,"data":%q}%s}`, mediaType, base64.StdEncoding.EncodeToString([]byte(content)), more)
}

func linkedDocument(url string) string {
	return fmt.Sprintf(`{"type":"document","source":{"type":"url","url":%q}}`, url)
}

// withDocuments is a request of a client of a dialect for a model, with blocks behind some words.
func withDocuments(client, model string, blocks ...string) (path, body string) {
	head := fmt.Sprintf(`{"model":%q,`, model)
	path = "/v1/chat/completions"
	if client == "claude" {
		head, path = head+`"max_tokens":100,`, "/v1/messages"
	}
	return path, head + `"messages":[{"role":"user","content":[{"type":"text","text":"read it"},` + strings.Join(blocks, ",") + `]}]}`
}

// Documents that no model reads reach every model as text, whatever its channel speaks.
func TestDocumentsBecomeText(t *testing.T) {
	up, url := asking(t)
	g := startGateway(t, translated(url, ""))
	for name, c := range map[string]struct{ block, want string }{
		"Word":                {inlineDocument(wordType, wordFile(t, "a &lt;report&gt;"), ""), "a <report>"},
		"Word without a type": {inlineDocument("", wordFile(t, "a report"), ""), "a report"},
		"Excel":               {inlineDocument(excelType, excelFile(t), ""), "Prices:\ntea\t3.5"},
		"Excel by its bytes":  {inlineDocument("application/octet-stream", excelFile(t), `,"title":"Prices of today"`), "Prices:\ntea\t3.5"},
		"CSV":                 {inlineDocument("text/csv", "a,b\n1,2\n", ""), "a,b\n1,2\n"},
		"HTML":                {inlineDocument("text/html", "<h1>Head</h1><script>x()</script><p>one &amp; two", ""), "Head\none & two"},
		"Markdown":            {inlineDocument("text/markdown", "# Head\n", ""), "# Head\n"},
		"code":                {inlineDocument("application/octet-stream", "func main() {}", `,"title":"main.go"`), "func main() {}"},
		"JSON":                {inlineDocument("application/json", `{"a":"é"}`, ""), `{"a":"é"}`},
	} {
		for _, client := range []string{"claude", "chat"} {
			for _, upstream := range []string{"claude", "chat", "gemini", "responses"} {
				path, body := withDocuments(client, upstream+"-model", c.block)
				a := g.send("POST", path, body)
				asked := up.took()
				if a.status != http.StatusOK || !holds(gjson.Parse(asked), c.want) {
					t.Errorf("%s, %s on %s: %d %s, asked %.500s", name, client, upstream, a.status, a.body, asked)
				}
				if loss := a.header.Get("X-Tollgate-Loss"); strings.Contains(strings.ReplaceAll(loss, "file.name lost", ""), "lost") {
					t.Errorf("%s, %s on %s: lost %s", name, client, upstream, loss)
				}
			}
		}
	}
}

// What a document has beside its text is told as lost, and strict callers are refused before anything is sent.
func TestDocumentsLoseNothingInSilence(t *testing.T) {
	up, url := asking(t)
	g := startGateway(t, translated(url, ""))
	for name, c := range map[string]struct{ block, claude, chat string }{ // what is told to whom
		"CSV":             {inlineDocument("text/csv", "a,b\n", ""), "", ""},
		"CSV with a cite": {inlineDocument("text/csv", "a,b\n", `,"citations":{"enabled":true}`), "", "messages[0].content[1].citations: citations lost"},
		"Word":            {inlineDocument(wordType, wordFile(t, "a"), ""), "messages[0].content[1]: file.data changed", "messages[0].content[1]: file.data changed"},
		"HTML":            {inlineDocument("text/html", "<p>a", ""), "messages[0].content[1]: file.data changed", "messages[0].content[1]: file.data changed"},
	} {
		for client, want := range map[string]string{"claude": c.claude, "chat": c.chat} {
			path, body := withDocuments(client, client+"-model", c.block)
			a := g.send("POST", path, body)
			up.took()
			if loss := a.header.Get("X-Tollgate-Loss"); a.status != http.StatusOK || loss != want {
				t.Errorf("%s from %s: %d, told %q, want %q", name, client, a.status, loss, want)
			}
			strict := g.send("POST", path, body, "X-Tollgate-Strict", "true", "Authorization", "Bearer "+userKey)
			asked := up.took()
			if want == "" {
				if strict.status != http.StatusOK {
					t.Errorf("%s from %s: strict was refused: %s", name, client, strict.body)
				}
			} else if at, _, _ := strings.Cut(want, ":"); strict.status != http.StatusBadRequest || !strings.Contains(strict.body, at) || asked != "" {
				t.Errorf("%s from %s: strict got %d %s, asked %s", name, client, strict.status, strict.body, asked)
			}
		}
	}
}

// holds reports whether some string in v contains text, also as base64.
func holds(v gjson.Result, text string) (yes bool) {
	if v.Type == gjson.String {
		raw, err := base64.StdEncoding.DecodeString(v.Str[strings.LastIndexByte(v.Str, ',')+1:]) // of a data: URL, too
		return strings.Contains(v.Str, text) || err == nil && strings.Contains(string(raw), text)
	}
	v.ForEach(func(_, e gjson.Result) bool {
		yes = (v.IsObject() || v.IsArray()) && holds(e, text)
		return !yes
	})
	return yes
}

// On a channel of the client's own dialect nothing changes but the documents.
func TestDocumentsAreRewrittenInPlace(t *testing.T) {
	up, url := asking(t)
	g := startGateway(t, translated(url, ""))
	file := func(name, content string) string {
		return fmt.Sprintf(`{"type":"file","file":{"filename":%q,"file_data":"data:application/pdf;base64,%s"}`, name, base64.StdEncoding.EncodeToString([]byte(content)))
	}
	plain := func(text string) string {
		return fmt.Sprintf(`{"type":"document","source":{"type":"text","media_type":"text/plain","data":%q}`, text)
	}
	result := `{"type":"tool_result","tool_use_id":"t1", "content":[ {"type":"text","text":"here"}, %s]}`
	kept := []string{
		inlineDocument("application/pdf", pdf, `, "citations":{"enabled":true}`),
		`{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"never looked at"}}`,
		`{"type":"document","source":{"type":"url","url":"http://127.0.0.1:1/a.pdf"}}`,
		`{"type":"document","source":{"type":"url","url":"http://127.0.0.1:1/a?x=a.docx"}}`,
		`{"type":"document","source":{"type":"text","media_type":"text/plain","data":"words"}}`,
		`{"type":"document","source":{"type":"content","content":[{"type":"text","text":"words"}]}}`,
		`{"type":"text","text":"a \"document\" whose \"source\" is \u0061 \"base64\""}`,
		`{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0KGgo="}},{"type":"text","text":"document"}`,
		`{"type":"tool_use","id":"t","name":"n","input":{"type":"document","source":{"type":"base64","data":"x"}}}`,
	}
	type change struct{ client, from, to string }
	changes := []change{
		{"claude", inlineDocument("text/csv", "a\n", `,"title":"T", "cache_control":{"type":"ephemeral"}`), plain("a\n") + `,"title":"T", "cache_control":{"type":"ephemeral"}}`},
		{"claude", inlineDocument("", pdf, ""), inlineDocument("application/pdf", pdf, "")},
		{"claude", fmt.Sprintf(result, inlineDocument(wordType, wordFile(t, "a"), "")), fmt.Sprintf(result, plain("a")+"}")},
		{"chat", inlineDocument("text/csv", "a\n", ""), `{"type":"text","text":"a\n"}`},
		{"chat", inlineDocument("text/csv", "a\n", `,"title":"T", "cache_control":{"type":"ephemeral"}`), `{"type":"text","text":"T:\n\na\n","cache_control":{"type":"ephemeral"}}`},
		{"chat", inlineDocument("application/pdf", pdf, ""), file("document.pdf", pdf) + "}"},
		{"chat", inlineDocument("", pdf, `,"title":"T","cache_control":{"type":"ephemeral"}`), file("T.pdf", pdf) + `,"cache_control":{"type":"ephemeral"}}`},
		{"chat", `{"type":"text","text":"a \"document\" with a \"source\""}`, `{"type":"text","text":"a \"document\" with a \"source\""}`},
		{"chat", `{"type":"document","source":{"type":"text","data":"words"}}`, `{"type":"document","source":{"type":"text","data":"words"}}`},
	}
	for _, k := range kept {
		changes = append(changes, change{"claude", k, k})
	}
	for _, c := range changes {
		model := map[string]string{"claude": "sim-claude", "chat": "sim-gpt"}[c.client]
		path, body := withDocuments(c.client, c.client+"-model", c.from)
		_, want := withDocuments(c.client, model, c.to)
		a := g.send("POST", path, body)
		if got := up.took(); a.status != http.StatusOK || got != want {
			t.Errorf("%s: %d %s\nasked %s\nwant  %s", c.client, a.status, a.body, got, want)
		}
	}
	path, body := withDocuments("claude", "claude-model", changes[0].from)
	_, want := withDocuments("claude", "sim-claude", changes[0].to)
	if a, got := g.send("POST", path+"/count_tokens", body), up.took(); a.status != http.StatusOK || got != want {
		t.Errorf("count: %d %s, asked %s", a.status, a.body, got)
	}
}

// A document that can't be read is refused with its place, before any upstream is asked.
func TestDocumentsRefused(t *testing.T) {
	up, url := asking(t)
	g := startGateway(t, translated(url, ""))
	small := inlineDocument("text/csv", "a", "")
	for name, c := range map[string]struct {
		blocks   []string
		at, says string
	}{
		"six":         {[]string{small, small, small, small, small, small}, "messages[0].content[6]", "more than 5"},
		"too large":   {[]string{inlineDocument("text/plain", strings.Repeat("a", 4_500_001), "")}, "messages[0].content[1]", "larger than 4500000"},
		"too long":    {[]string{inlineDocument("text/plain", strings.Repeat("a", 4_400_000), "")}, "messages[0].content[1]", "longer than"},
		"bad base64":  {[]string{small, `{"type":"document","source":{"type":"base64","media_type":"text/csv","data":"a*b"}}`}, "messages[0].content[2]", "not base64"},
		"a picture":   {[]string{inlineDocument("image/png", "\x89PNG\r\n\x1a\n\x00", "")}, "messages[0].content[1]", "no format"},
		"old Word":    {[]string{inlineDocument("application/msword", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "")}, "messages[0].content[1]", ".docx"},
		"half a file": {[]string{inlineDocument(wordType, wordFile(t, "a")[:100], "")}, "messages[0].content[1]", "damaged"},
	} {
		for _, client := range []string{"claude", "chat"} {
			path, body := withDocuments(client, client+"-model", c.blocks...)
			a := g.send("POST", path, body)
			if e := clients[client].side.ReadError(a.status, a.header, []byte(a.body)); a.status != http.StatusBadRequest || !strings.Contains(a.body, c.at) || !strings.Contains(e.Message, c.says) {
				t.Errorf("%s, %s: %d %.500s", name, client, a.status, a.body)
			}
		}
	}
	if up.calls != 0 {
		t.Errorf("%d upstream calls", up.calls)
	}
	for _, line := range g.lines("call") {
		if line["nanos"].(float64) != 0 {
			t.Errorf("charged: %v", line)
		}
	}
	path, body := withDocuments("claude", "claude-model", small, small, small, small, small, inlineDocument("application/pdf", pdf, ""))
	if a := g.send("POST", path, body); a.status != http.StatusOK {
		t.Errorf("what the model reads itself does not count: %d %s", a.status, a.body)
	}
}

// The text of documents counts: as a request's bytes, and as what the call may cost.
func TestDocumentsCount(t *testing.T) {
	up, url := asking(t)
	long := inlineDocument(wordType, wordFile(t, strings.Repeat("many words ", 20_000)), "")
	for _, client := range []string{"claude", "chat"} {
		path, body := withDocuments(client, client+"-model", long)
		g := startGateway(t, translated(url, ""), "MAX_BODY_BYTES=100KiB")
		if a := g.send("POST", path, body); a.status != http.StatusRequestEntityTooLarge && a.status != http.StatusBadRequest || !strings.Contains(a.body, "102400 bytes") {
			t.Errorf("%s: %d %s", client, a.status, a.body)
		}
		poor := startGateway(t, strings.Replace(translated(url, ""), "credit: 10", "credit: 0.05", 1))
		if a := poor.send("POST", path, body); !strings.Contains(a.body, "credit does not cover") {
			t.Errorf("%s: %d %s", client, a.status, a.body)
		}
		path, body = withDocuments(client, client+"-model", inlineDocument("text/csv", "a", ""))
		if a := poor.send("POST", path, strings.Replace(body, "{", `{"max_tokens":100,`, map[string]int{"chat": 1}[client])); a.status != http.StatusOK {
			t.Errorf("%s: %d %s", client, a.status, a.body)
		}
		up.took()
	}
}

// Documents named by their URL are fetched through the guarded way, where the model would not do so itself.
func TestDocumentsByURL(t *testing.T) {
	word := wordFile(t, "a report")
	port, connections := listening(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/a.docx":
			_, _ = io.WriteString(w, word)
		case "/page.html":
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = io.WriteString(w, "<title>x</title><p>a report</p>")
		case "/large.txt":
			_, _ = io.WriteString(w, strings.Repeat("a", 4_500_001))
		case "/a.pdf":
			_, _ = io.WriteString(w, pdf)
		default:
			http.Error(w, "canary of the server", http.StatusForbidden)
		}
	})
	at := func(path string) string { return linkedDocument("http://127.0.0.1:" + port + path) }
	up, url := asking(t)
	refused := func(g *gateway, client, block, says string) {
		t.Helper()
		path, body := withDocuments(client, client+"-model", block)
		a := g.send("POST", path, body)
		if a.status != http.StatusBadRequest || !strings.Contains(a.body, "messages[0].content[1]") || !strings.Contains(a.body, says) || strings.Contains(a.body, "canary") {
			t.Errorf("%s, %s: %d %s", client, block, a.status, a.body)
		}
	}
	off, guarded := startGateway(t, translated(url, ""), "FETCH_MEDIA=off", "FETCH_ALLOW=127.0.0.1/32"), startGateway(t, translated(url, ""))
	for _, client := range []string{"claude", "chat"} {
		refused(off, client, at("/a.docx"), "FETCH_MEDIA")
		refused(guarded, client, at("/a.docx"), "address is not a public one")
	}
	refused(off, "chat", at("/a.pdf"), "FETCH_MEDIA")
	g := startGateway(t, translated(url, ""), "FETCH_ALLOW=127.0.0.1/32")
	path, body := withDocuments("claude", "claude-model", at("/a.docx"))
	if a := g.send("POST", path, body, "Authorization", "Bearer sk-nobody"); a.status != http.StatusUnauthorized {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := g.send("POST", path, strings.Replace(body, `"max_tokens":100`, `"max_tokens":100000000`, 1)); !strings.Contains(a.body, "credit does not cover") {
		t.Errorf("%d %s", a.status, a.body)
	}
	if n := connections.Load(); n != 0 || up.calls != 0 {
		t.Fatalf("%d connections, %d upstream calls for those who may not", n, up.calls)
	}
	for _, client := range []string{"claude", "chat"} {
		refused(g, client, at("/large.txt"), "larger than 4500000")
		refused(g, client, at("/gone.csv"), "status 403")
		for _, link := range []string{"/a.docx", "/page.html"} {
			path, body := withDocuments(client, client+"-model", at(link))
			a := g.send("POST", path, body)
			if asked := up.took(); a.status != http.StatusOK || !holds(gjson.Parse(asked), "a report") || strings.Contains(asked, port) {
				t.Errorf("%s, %s: %d %s, asked %s", client, link, a.status, a.body, asked)
			}
		}
	}
	path, body = withDocuments("chat", "chat-model", at("/a.pdf"))
	a := g.send("POST", path, body)
	file := gjson.Get(up.took(), "messages.0.content.1.file")
	if a.status != http.StatusOK || file.Get("filename").Str != "a.pdf" || file.Get("file_data").Str != "data:application/pdf;base64,"+base64.StdEncoding.EncodeToString([]byte(pdf)) {
		t.Errorf("%d %s, asked %s", a.status, a.body, file.Raw)
	}
}
