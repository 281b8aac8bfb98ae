// Package document turns documents into plain text for models that can't read them: text and code, CSV, Markdown,
// HTML, Word and Excel.
//
// It owns the reading of these formats and the bounds on it, as the bytes are a stranger's: what is decompressed, how
// much, how deep it is nested, how much text comes of it. It opens no path, follows no link and knows no protocol.
// Standard library only.
package document

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"mime"
	"path"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxText bounds the text of one document, in bytes. Nothing is cut in silence: more is an error.
const MaxText = 4 << 20

// Accepted names what Text reads, for messages.
const Accepted = "text and code, CSV, Markdown, HTML, Word (.docx) and Excel (.xlsx)"

var (
	errUnknown = errors.New("it is of no format that can be read here: " + Accepted)
	errOld     = errors.New("it is of the Office format before 2007, which is not read here; save it as .docx or .xlsx, or send " + Accepted)
	errLong    = fmt.Errorf("its text is longer than %d bytes; send a part of it", MaxText)
	errEmpty   = errors.New("it holds no text")
)

// IsPDF reports whether data are a PDF by their media type or else by how they begin.
func IsPDF(mediaType string, data []byte) bool {
	return essence(mediaType) == "application/pdf" || bytes.HasPrefix(bytes.TrimLeft(data[:min(len(data), 64)], "\ufeff \t\r\n"), []byte("%PDF-"))
}

// Text returns the text of a document, and whether that is all of it: of Word, Excel and HTML it is not. Media type and
// name may be empty or wrong: what the bytes say goes first. The error is for whoever sent the document.
func Text(mediaType, name string, data []byte) (text string, whole bool, err error) {
	text, whole, err = read(essence(mediaType), extension(name), data)
	switch {
	case err != nil:
		return "", false, err
	case len(text) > MaxText:
		return "", false, errLong
	case strings.TrimSpace(text) == "":
		return "", false, errEmpty
	}
	return text, whole, nil
}

func read(mediaType, ext string, data []byte) (text string, whole bool, err error) {
	switch {
	case isZip(data):
		text, err = office(data)
		return text, false, err
	case bytes.HasPrefix(data, []byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")):
		return "", false, errOld
	case len(data) > MaxText*2: // UTF-16 has two bytes for one
		return "", false, errLong
	}
	text, ok := decoded(data)
	if !ok {
		return "", false, errUnknown
	}
	switch kindOf(mediaType, ext, text) {
	case kindText:
		return text, !strings.ContainsRune(text, utf8.RuneError), nil
	case kindHTML:
		text, err = fromHTML(text)
		return text, false, err
	case kindOffice:
		return "", false, errors.New("it is called a Word or Excel document and is none")
	default:
	}
	return "", false, errUnknown
}

type kind int

const (
	kindUnknown kind = iota
	kindText
	kindHTML
	kindOffice
)

// kindOf tells what a document is that is made of characters: by its media type, else its name, else its beginning.
func kindOf(mediaType, ext, text string) kind {
	if k := kindOfType(mediaType); k != kindUnknown {
		return k
	}
	if k := kindOfExtension(ext); k != kindUnknown {
		return k
	}
	switch mediaType {
	case "", "application/octet-stream", "binary/octet-stream":
	default:
		if !strings.HasPrefix(mediaType, "application/") { // a picture is none, however few its odd bytes
			return kindUnknown
		}
	}
	if strings.ContainsFunc(text, func(r rune) bool {
		return r == utf8.RuneError || r < ' ' && r != '\t' && r != '\n' && r != '\r' && r != '\f' && r != 0x1b
	}) {
		return kindUnknown
	}
	start := strings.ToLower(strings.TrimSpace(text[:min(len(text), 512)]))
	if strings.HasPrefix(start, "<!doctype html") || strings.HasPrefix(start, "<html") {
		return kindHTML
	}
	return kindText
}

func kindOfType(mediaType string) kind {
	switch mediaType {
	case "text/html", "application/xhtml+xml":
		return kindHTML
	case "text/plain": // which servers say of whatever they don't know
		return kindText
	case "application/json", "application/xml", "application/yaml", "application/x-yaml", "application/javascript", "application/x-javascript",
		"application/ecmascript", "application/typescript", "application/x-typescript", "application/toml", "application/sql", "application/x-sql",
		"application/x-sh", "application/x-httpd-php", "application/x-python", "application/x-ndjson", "application/jsonl", "application/rtf",
		"application/graphql", "application/x-tex", "application/csv":
		return kindText
	case "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
		"application/msword", "application/vnd.ms-excel.sheet.macroenabled.12", "application/vnd.ms-word.document.macroenabled.12":
		return kindOffice
	}
	if strings.HasPrefix(mediaType, "text/") || strings.HasSuffix(mediaType, "+json") || strings.HasSuffix(mediaType, "+xml") || strings.HasSuffix(mediaType, "+yaml") {
		return kindText
	}
	return kindUnknown
}

// Telling reports whether the extension of a name alone says that it is one of the formats which Text reads, or one
// of the old ones that it refuses with a hint.
func Telling(name string) bool { return kindOfExtension(extension(name)) != kindUnknown }

func kindOfExtension(ext string) kind {
	switch ext {
	case "html", "htm", "xhtml":
		return kindHTML
	case "docx", "xlsx", "docm", "xlsm", "doc", "xls":
		return kindOffice
	case "txt", "text", "md", "markdown", "rst", "adoc", "tex", "csv", "tsv", "log", "json", "jsonl", "ndjson", "xml", "yaml", "yml", "toml", "ini", "cfg",
		"conf", "env", "properties", "go", "py", "js", "mjs", "cjs", "ts", "tsx", "jsx", "java", "kt", "kts", "scala", "c", "h", "cc", "cpp", "cxx", "hpp", "cs",
		"rs", "rb", "pl", "pm", "lua", "r", "swift", "m", "mm", "dart", "ex", "exs", "erl", "hs", "ml", "clj", "lisp", "el", "jl", "sql", "sh", "bash", "zsh", "fish", "ps1", "bat",
		"css", "scss", "sass", "less", "vue", "svelte", "graphql", "proto", "tf", "gradle", "cmake", "diff", "patch", "srt", "vtt", "ics", "vcf", "svg", "ipynb":
		return kindText
	}
	return kindUnknown
}

func essence(mediaType string) string {
	typ, _, err := mime.ParseMediaType(mediaType)
	if err != nil {
		typ, _, _ = strings.Cut(mediaType, ";")
		typ = strings.ToLower(strings.TrimSpace(typ))
	}
	return typ
}

func extension(name string) string { return strings.ToLower(strings.TrimPrefix(path.Ext(name), ".")) }

func isZip(data []byte) bool { return bytes.HasPrefix(data, []byte("PK\x03\x04")) }

// decoded returns text as UTF-8. false: it is none, as it holds the character zero.
func decoded(data []byte) (string, bool) {
	switch {
	case bytes.HasPrefix(data, []byte("\xff\xfe")):
		return fromUTF16(data[2:], binary.LittleEndian), true
	case bytes.HasPrefix(data, []byte("\xfe\xff")):
		return fromUTF16(data[2:], binary.BigEndian), true
	case bytes.IndexByte(data, 0) >= 0:
		return "", false
	}
	return strings.ToValidUTF8(string(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))), "\uFFFD"), true
}

func fromUTF16(data []byte, order binary.ByteOrder) string {
	units := make([]uint16, 0, len(data)/2)
	for ; len(data) >= 2; data = data[2:] {
		if u := order.Uint16(data); u != 0 {
			units = append(units, u)
		}
	}
	return string(utf16.Decode(units))
}
