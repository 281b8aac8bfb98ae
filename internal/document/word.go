package document

import (
	"encoding/xml"
	"path"
	"strings"
)

// word returns the text of a Word document, and behind it that of its footnotes and endnotes: paragraphs as lines,
// rows of a table as lines with tabs between their cells.
func (a *archive) word(main string) (string, error) {
	p := &page{}
	dir := path.Dir(main)
	for _, part := range []string{main, dir + "/footnotes.xml", dir + "/endnotes.xml"} {
		if err := a.each(part, (&wordReader{page: p}).token); err != nil {
			return "", err
		}
	}
	return strings.TrimRight(p.b.String(), "\n\t "), nil
}

// wordReader follows the text of one part.
type wordReader struct {
	*page
	inText  bool // in w:t
	dropped int  // elements open, from a silent one on
	cells   int  // table cells open
	cell    bool // the row has a cell already
}

func (w *wordReader) token(t xml.Token) error {
	switch t := t.(type) {
	case xml.StartElement:
		if w.dropped > 0 || silent(t.Name.Local) {
			w.dropped++
			return nil
		}
		return w.start(t.Name.Local)
	case xml.EndElement:
		if w.dropped > 0 {
			w.dropped--
			return nil
		}
		return w.end(t.Name.Local)
	case xml.CharData:
		if w.inText && w.dropped == 0 {
			return w.add(string(t))
		}
	}
	return nil
}

// silent reports the elements whose text is not the document's: what stands beside them says it again, it was moved to
// where it is said, or they are no text but look like it (where tabulators stop).
func silent(name string) bool { return name == "Fallback" || name == "moveFrom" || name == "tabs" }

func (w *wordReader) start(name string) error {
	switch name {
	case "t":
		w.inText = true
	case "tab":
		return w.add("\t")
	case "br", "cr":
		if w.cells > 0 {
			return w.add(" ")
		}
		return w.add("\n")
	case "noBreakHyphen":
		return w.add("-")
	case "tr":
		w.cell = false
	case "tc":
		w.cells++
		if w.cell {
			return w.add("\t")
		}
		w.cell = true
	}
	return nil
}

func (w *wordReader) end(name string) error {
	switch name {
	case "t":
		w.inText = false
	case "p":
		if w.cells > 0 {
			return w.add(" ") // a cell is one piece of a line
		}
		return w.add("\n")
	case "tc":
		w.cells--
	case "tr":
		if w.cells > 0 { // a table in a cell
			return w.add(" ")
		}
		return w.add("\n")
	}
	return nil
}
