package document

import (
	"archive/zip"
	"bytes"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// packed is a zip file of these parts: name, content, name, content.
func packed(t testing.TB, parts ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
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
	return b.Bytes()
}

const wordHead = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?><w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>`

func word(t testing.TB, body string) []byte {
	return packed(t, "word/document.xml", wordHead+body+`</w:body></w:document>`)
}

func excel(t testing.TB, rows string, more ...string) []byte {
	return packed(t, append([]string{
		"_rels/.rels", `<Relationships><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="/xl/workbook.xml"/></Relationships>`,
		"xl/workbook.xml", `<workbook xmlns:r="x"><sheets><sheet name="First &amp; best" sheetId="1" r:id="rId1"/></sheets></workbook>`,
		"xl/_rels/workbook.xml.rels", `<Relationships><Relationship Id="rId1" Type="x/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" Type="x/worksheet" Target="/xl/worksheets/other.xml"/></Relationships>`,
		"xl/worksheets/sheet1.xml", `<worksheet><sheetData>` + rows + `</sheetData></worksheet>`,
	}, more...)...)
}

func TestText(t *testing.T) {
	for name, c := range map[string]struct {
		mediaType, name string
		data            []byte
		want            string
	}{
		"plain":                   {"text/plain; charset=utf-8", "", []byte("a\r\nb"), "a\r\nb"},
		"byte order mark":         {"text/plain", "", []byte("\xef\xbb\xbfa"), "a"},
		"bad UTF-8":               {"text/csv", "", []byte("caf\xe9;1"), "caf\uFFFD;1"},
		"UTF-16":                  {"text/csv", "", []byte("\xff\xfea\x00\t\x00\xe9\x00"), "a\té"},
		"UTF-16, the other way":   {"", "a.txt", []byte("\xfe\xff\x00a\x00b"), "ab"},
		"CSV":                     {"application/vnd.ms-excel", "a.csv", []byte("a,b\n1,2"), "a,b\n1,2"},
		"Markdown by its name":    {"application/octet-stream", "README.MD", []byte("# a <b>"), "# a <b>"},
		"code":                    {"application/x-python", "", []byte("if a<b: pass"), "if a<b: pass"},
		"JSON":                    {"application/vnd.api+json", "", []byte(`{"a":1}`), `{"a":1}`},
		"text by its content":     {"", "", []byte("just words"), "just words"},
		"HTML by its content":     {"", "", []byte(" <!DOCTYPE HTML><p>a</p>"), "a"},
		"a picture made of words": {"image/svg+xml", "", []byte("<svg/>"), "<svg/>"},
		"HTML": {"text/html", "", []byte(`<html><head><title>t</title><style>p{}</style><script>if (a<b) "</p>"</script></head><body><!-- no > --><h1>One
			&amp; two</h1><p title="a>b">some <b>bold</b>  text<br>next</p><ul><li>x</li><li>y</ul><table><tr><th>a<th>b</tr><tr><td>1</td>
			<td>2</td></tr></table><pre>  kept
  as it is</pre>3 < 4<p>end`), "One & two\nsome bold text\nnext\n- x\n- y\na\tb\n1\t2\n  kept\n  as it is\n3 < 4\nend"},
		"HTML that does not end": {"text/html", "", []byte("a<script>b"), "a"},
		"Word": {
			"", "", word(t, `<w:p><w:pPr><w:pStyle w:val="Heading1"/><w:tabs><w:tab w:val="left" w:pos="9"/></w:tabs></w:pPr><w:r><w:t>Title</w:t></w:r></w:p><w:p><w:r><w:t xml:space="preserve">one </w:t></w:r><w:r><w:t>&lt;two&gt;</w:t><w:tab/><w:t>three</w:t><w:br/><w:t>four</w:t></w:r></w:p>`+
				`<w:p><w:del><w:r><w:delText>gone</w:delText></w:r></w:del><w:r><w:instrText>PAGE</w:instrText></w:r><w:moveFrom><w:r><w:t>moved</w:t></w:r></w:moveFrom></w:p>`+
				`<w:tbl><w:tr><w:tc><w:p><w:r><w:t>a</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>b</w:t></w:r></w:p></w:tc></w:tr><w:tr><w:tc><w:p><w:r><w:t>c</w:t></w:r></w:p></w:tc><w:tc><w:p/></w:tc></w:tr></w:tbl>`+
				`<w:p><mc:AlternateContent><mc:Choice><w:t>once</w:t></mc:Choice><mc:Fallback><w:t>twice</w:t></mc:Fallback></mc:AlternateContent></w:p>`),
			"Title\none <two>\tthree\nfour\n\na \tb \nc \t \nonce",
		},
		"Word with another main part": {"text/plain", "x.txt", packed(t, "_rels/.rels", `<Relationships><Relationship Id="a" Type="http://x/relationships/officeDocument" Target="word/document2.xml"/></Relationships>`,
			"word/document2.xml", wordHead+`<w:p><w:r><w:t>found</w:t></w:r></w:p></w:body></w:document>`, "word/footnotes.xml", `<w:footnotes><w:p><w:t>noted</w:t></w:p></w:footnotes>`), "found\nnoted"},
		"Excel": {
			"application/octet-stream", "a.bin", packed(t,
				"xl/workbook.xml", `<workbook><workbookPr/><sheets><sheet name="First &amp; best" sheetId="1" r:id="rId1"/><sheet name="Second" sheetId="2" r:id="rId2"/></sheets></workbook>`,
				"xl/_rels/workbook.xml.rels", `<Relationships><Relationship Id="rId1" Type="x" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" Type="x" Target="/xl/worksheets/other.xml"/></Relationships>`,
				"xl/worksheets/sheet1.xml", `<worksheet><sheetData><row r="1"><c r="A1" t="s"><v>0</v></c><c r="C1" t="s"><v>1</v></c><c r="D1"/><c r="E1" t="b"/></row><row r="2"/><row r="3"><c r="B3"><v>-1.5</v></c><c r="C3" t="b"><v>1</v></c><c r="D3" t="inlineStr"><is><t>in</t><r><t>line</t></r></is></c><c><f>1+1</f><v>2</v></c></row></sheetData></worksheet>`,
				"xl/worksheets/other.xml", `<worksheet><sheetData><row><c s="1"><v>45321</v></c><c s="2"><v>45321.5</v></c><c s="3"><v>45321</v></c><c t="e"><v>#N/A</v></c></row></sheetData></worksheet>`,
				"xl/styles.xml", `<styleSheet><numFmts><numFmt numFmtId="170" formatCode="dd/mm/yyyy hh:mm"/><numFmt numFmtId="171" formatCode="0 &quot;days&quot;;[Red]-0"/></numFmts><cellStyleXfs><xf numFmtId="14"/></cellStyleXfs><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="170"/><xf numFmtId="171"/></cellXfs></styleSheet>`,
				"xl/sharedStrings.xml", `<sst><si><t>head</t><rPh><t>said</t></rPh></si><si><r><t>two</t></r><r><t xml:space="preserve"> runs
of it</t></r></si></sst>`),
			"First & best:\nhead\t\ttwo runs of it\n\t-1.5\tTRUE\tinline\t2\n\nSecond:\n2024-01-30\t2024-01-30 12:00:00\t45321\t#N/A",
		},
	} {
		got, _, err := Text(c.mediaType, c.name, c.data)
		if err != nil || got != c.want {
			t.Errorf("%s: %q, %v\nwant %q", name, got, err, c.want)
		}
	}
}

// What is lost with everything but the text is known.
func TestWhole(t *testing.T) {
	for name, c := range map[string]struct {
		mediaType string
		data      []byte
		want      bool
	}{
		"CSV":        {"text/csv", []byte("a,b"), true},
		"UTF-16":     {"text/plain", []byte("\xff\xfea\x00"), true},
		"bad UTF-8":  {"text/plain", []byte("a\xffb"), false},
		"HTML":       {"text/html", []byte("<p>a"), false},
		"Word":       {"", word(t, "<w:p><w:r><w:t>a</w:t></w:r></w:p>"), false},
		"a Word lie": {"text/plain", word(t, "<w:p><w:r><w:t>a</w:t></w:r></w:p>"), false},
	} {
		if _, whole, err := Text(c.mediaType, "", c.data); err != nil || whole != c.want {
			t.Errorf("%s: whole %v, %v", name, whole, err)
		}
	}
}

func TestRefused(t *testing.T) {
	zeros := strings.Repeat("0", maxToken*2)
	many := make([]string, 0, 2*maxEntries+2)
	for i := range maxEntries + 1 {
		many = append(many, fmt.Sprintf("f%d", i), "")
	}
	good := word(t, "<w:p><w:t>"+strings.Repeat("words and more ", 100)+"</w:t></w:p>")
	for name, c := range map[string]struct {
		mediaType, name string
		data            []byte
		says            string
	}{
		"a picture":                   {"image/png", "", []byte("\x89PNG\r\n\x1a\n\x00"), "no format"},
		"a picture without a zero":    {"image/gif", "", []byte("GIF89a"), "no format"},
		"bytes":                       {"", "", []byte("\x01\x02\xff"), "no format"},
		"bytes called text":           {"text/plain", "", []byte("a\x00b"), "no format"},
		"nothing":                     {"text/plain", "", []byte(" \n"), "no text"},
		"old Word":                    {"application/msword", "a.doc", []byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\x00"), "before 2007"},
		"words called Word":           {"", "a.docx", []byte("words"), "is none"},
		"slides":                      {"", "", packed(t, "ppt/presentation.xml", "<p/>"), "PowerPoint"},
		"a zip file":                  {"", "", packed(t, "a.txt", "a"), "no format"},
		"half a zip file":             {"", "", good[:len(good)/2], "damaged"},
		"a damaged part":              {"", "", word(t, "<w:p><w:t>&unknown;"), "damaged"},
		"another document's entities": {"", "", packed(t, "word/document.xml", `<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]><w:document><w:p><w:t>&x;</w:t></w:p></w:document>`), "damaged"},
		"an end without a beginning":  {"", "", packed(t, "word/document.xml", "</w:p>"), "damaged"},
		"no end":                      {"", "", packed(t, "word/document.xml", "<w:p>"), "damaged"},
		"too long":                    {"text/plain", "", bytes.Repeat([]byte("a"), MaxText+1), "longer than"},
		"Word that is too long":       {"", "", word(t, strings.Repeat("<w:p><w:t>"+zeros[:1000]+"</w:t></w:p>", MaxText/1000+1)), "longer than"},
		"a bomb":                      {"", "", word(t, strings.Repeat("<w:p></w:p><!--"+zeros[:1000]+"-->", maxUnpacked/1000)), "unpacks to more"},
		"a bomb of one piece":         {"", "", word(t, "<w:p><w:t>"+zeros), "piece of it"},
		"a bomb of attributes":        {"", "", word(t, "<w:p "+strings.Repeat(`a="" `, maxToken/4)+"/>"), "piece of it"},
		"too deep":                    {"", "", word(t, strings.Repeat("<w:p>", maxDepth+1)), "deeper than"},
		"too many parts":              {"", "", packed(t, many...), "parts"},
		"an empty sheet":              {"", "", excel(t, ""), "no text"},
		"a string said again":         {"", "", excel(t, strings.Repeat(`<row><c t="s"><v>0</v></c></row>`, 100), "xl/sharedStrings.xml", "<sst><si><t>"+zeros[:100_000]+"</t></si></sst>"), "longer than"},
		"far columns":                 {"", "", excel(t, strings.Repeat(`<row><c r="XFD1"><v>0</v></c></row>`, 300)), "longer than"},
	} {
		got, _, err := Text(c.mediaType, c.name, c.data)
		if err == nil || !strings.Contains(err.Error(), c.says) || got != "" {
			t.Errorf("%s: %.100q, %v, want an error that says %q", name, got, err, c.says)
		}
	}
}

func TestIsPDF(t *testing.T) {
	for _, c := range []struct {
		mediaType, data string
		want            bool
	}{
		{"application/pdf", "", true},
		{"Application/PDF; a=b", "x", true},
		{"", "%PDF-1.7", true},
		{"text/plain", "\n%PDF-1.7", true},
		{"", "PK\x03\x04%PDF-1.7", false},
		{"", "words", false},
		{"text/markdown", "a PDF begins with %PDF-1.7", false},
	} {
		if got := IsPDF(c.mediaType, []byte(c.data)); got != c.want {
			t.Errorf("%q %q: %v", c.mediaType, c.data, got)
		}
	}
}

// Whatever the bytes, there is text that fits and can be sent, or an error.
func FuzzText(f *testing.F) {
	f.Add("text/html", "", []byte("<p>a</p><script>b</script><pre>&amp;"))
	f.Add("", "a.csv", []byte("\xff\xfea\x00"))
	f.Add("", "", word(f, "<w:p><w:t>a</w:t><w:tab/></w:p><w:tbl><w:tr><w:tc><w:p/></w:tc></w:tr></w:tbl>"))
	f.Add("", "", excel(f, `<row><c r="B2" t="s"><v>0</v></c><c><v>1</v></c></row>`, "xl/sharedStrings.xml", "<sst><si><t>a</t></si></sst>"))
	f.Fuzz(func(t *testing.T, mediaType, name string, data []byte) {
		IsPDF(mediaType, data)
		text, _, err := Text(mediaType, name, data)
		if (err == nil) != (text != "") || len(text) > MaxText || !utf8.ValidString(text) {
			t.Errorf("%d bytes, %v: %.100q", len(text), err, text)
		}
	})
}

// The same for what stands inside of the archives, which damaged ones keep a fuzzer from reaching.
func FuzzParts(f *testing.F) {
	f.Add(wordHead+"<w:p><w:t>a</w:t></w:p></w:body></w:document>", "<worksheet><row><c r=\"B2\" s=\"1\"><v>45321.5</v></c></row></worksheet>", `<styleSheet><cellXfs><xf/><xf numFmtId="14"/></cellXfs></styleSheet>`)
	f.Fuzz(func(t *testing.T, main, sheet, styles string) {
		for _, data := range [][]byte{packed(t, "word/document.xml", main), excel(t, sheet, "xl/styles.xml", styles, "xl/sharedStrings.xml", main)} {
			text, _, err := Text("", "", data)
			if (err == nil) != (text != "") || len(text) > MaxText || !utf8.ValidString(text) {
				t.Errorf("%d bytes, %v: %.100q", len(text), err, text)
			}
		}
	})
}
