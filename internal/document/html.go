package document

import (
	"html"
	"strings"
)

// fromHTML returns the text of a page: blocks as lines, cells of a table with tabs between them. Scripts, styles and
// the title are left out, as are comments.
func fromHTML(s string) (string, error) {
	w := &htmlWriter{}
	for s != "" {
		text, tag, found := strings.Cut(s, "<")
		w.text(text)
		if !found {
			break
		}
		switch {
		case strings.HasPrefix(tag, "!--"):
			_, s, _ = strings.Cut(tag[3:], "-->")
		case tag != "" && (tag[0] == '!' || tag[0] == '?'):
			_, s, _ = strings.Cut(tag, ">")
		case tag == "" || tag[0] != '/' && !isLetter(tag[0]):
			w.text("<")
			s = tag
		default:
			s = w.tag(tag)
		}
	}
	out := strings.TrimSpace(w.b.String())
	if len(out) > MaxText {
		return "", errLong
	}
	return out, nil
}

// htmlWriter writes text as a browser would break it.
type htmlWriter struct {
	b   strings.Builder
	gap bool // white space stands between what was written and what comes
	pre int  // elements open that keep their white space
}

// tag reads a tag from behind its "<", and an element that shows no text to its end. It returns what follows.
func (w *htmlWriter) tag(s string) (rest string) {
	closing := s[0] == '/'
	if closing {
		s = s[1:]
	}
	n := 0
	for n < len(s) && (isLetter(s[n]) || s[n] >= '0' && s[n] <= '9' || s[n] == '-' || s[n] == ':') {
		n++
	}
	name := strings.ToLower(s[:min(n, 16)])
	rest = afterTag(s[n:])
	switch name {
	case "script", "style", "title", "template", "noscript", "iframe", "textarea", "svg":
		if !closing && !strings.HasSuffix(s[:len(s)-len(rest)], "/>") {
			return afterElement(rest, name)
		}
	case "br":
		w.line()
	case "td", "th":
		if !closing && !w.lineEmpty() {
			w.b.WriteByte('\t')
			w.gap = false
		}
	case "li":
		w.line()
		if !closing {
			w.b.WriteString("- ")
		}
	case "pre":
		w.line()
		if closing {
			w.pre = max(w.pre-1, 0)
		} else {
			w.pre++
		}
	case "p", "div", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "dl", "dt", "dd", "tr", "table", "thead", "tbody", "tfoot", "caption", "section", "article", "aside",
		"header", "footer", "nav", "main", "figure", "figcaption", "blockquote", "address", "hr", "form", "fieldset", "legend", "details", "summary", "body", "head", "html", "option":
		w.line()
	}
	return rest
}

// afterTag returns what stands behind the ">" of a tag, which may be in a quoted value as well.
func afterTag(s string) string {
	quote := byte(0)
	value := false // an attribute's value begins
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '>':
			return s[i+1:]
		case value && (c == '"' || c == '\''):
			quote, value = c, false
		case c == '=':
			value = true
		case c != ' ' && c != '\t' && c != '\n' && c != '\r':
			value = false
		}
	}
	return ""
}

// afterElement returns what stands behind the end tag of an element; nothing if it does not end.
func afterElement(s, name string) string {
	for {
		_, after, found := strings.Cut(s, "</")
		if !found {
			return ""
		}
		if len(after) >= len(name) && strings.EqualFold(after[:len(name)], name) && (len(after) == len(name) || !isLetter(after[len(name)])) {
			return afterTag(after[len(name):])
		}
		s = after
	}
}

func (w *htmlWriter) lineEmpty() bool {
	s := w.b.String()
	return s == "" || s[len(s)-1] == '\n'
}

// line ends the line, if something stands in it.
func (w *htmlWriter) line() {
	w.gap = false
	if !w.lineEmpty() {
		w.b.WriteByte('\n')
	}
}

// text writes characters between tags.
func (w *htmlWriter) text(s string) {
	if w.pre > 0 {
		w.b.WriteString(html.UnescapeString(s))
		return
	}
	for s != "" {
		end := strings.IndexAny(s, " \t\n\r\f")
		if end == 0 {
			w.gap = true
			s = s[1:]
			continue
		}
		word := s
		if end > 0 {
			word = s[:end]
		}
		if w.gap && !w.lineEmpty() && !strings.HasSuffix(w.b.String(), "\t") && !strings.HasSuffix(w.b.String(), " ") {
			w.b.WriteByte(' ')
		}
		w.gap = false
		w.b.WriteString(html.UnescapeString(word))
		s = s[len(word):]
	}
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
