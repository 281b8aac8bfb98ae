package document

import (
	"encoding/xml"
	"errors"
	"math"
	"path"
	"strconv"
	"strings"
	"time"
)

const (
	maxColumns = 16_384    // of a sheet, as Excel has it
	maxStrings = 1_000_000 // shared by the cells of a workbook
)

var errStrings = errors.New("its cells share too many texts; send a part of it")

// excel returns the cells of a workbook: every sheet under its name, rows as lines with tabs between their cells.
func (a *archive) excel(main string) (string, error) {
	links, err := a.linksOf(main)
	if err != nil {
		return "", err
	}
	w := &workbook{archive: a, page: &page{}}
	target := map[string]string{}
	for _, l := range links {
		target[l.id] = l.to
	}
	var sheets []link
	err = a.each(main, func(t xml.Token) error {
		e, ok := t.(xml.StartElement)
		switch {
		case !ok:
		case e.Name.Local == "workbookPr":
			v := attr(e, "date1904")
			w.from1904 = v == "1" || v == "true"
		case e.Name.Local == "sheet" && len(sheets) < maxEntries:
			sheets = append(sheets, link{kind: attr(e, "name"), to: target[relation(e)]})
		}
		return nil
	})
	if err == nil {
		err = a.each(path.Dir(main)+"/sharedStrings.xml", (&stringsReader{w: w}).token)
	}
	if err == nil {
		err = w.styles(path.Dir(main) + "/styles.xml")
	}
	for i := 0; err == nil && i < len(sheets); i++ {
		err = w.sheet(sheets[i].kind, sheets[i].to)
	}
	if err == nil && !w.any { // names of sheets alone are no text
		return "", errEmpty
	}
	return strings.TrimRight(w.b.String(), "\n"), err
}

// relation returns r:id of a sheet, which has an id of another kind as well.
func relation(e xml.StartElement) string {
	for _, a := range e.Attr {
		if a.Name.Local == "id" && a.Name.Space != "" {
			return a.Value
		}
	}
	return ""
}

type workbook struct {
	*archive
	*page
	shared   []string
	dates    []bool // by style: numbers are points in time
	from1904 bool
	any      bool // some cell holds something
}

// stringsReader reads the strings that cells share.
type stringsReader struct {
	w      *workbook
	one    strings.Builder
	inText bool
	spoken int // elements open that say how a text is pronounced
}

func (r *stringsReader) token(t xml.Token) error {
	switch t := t.(type) {
	case xml.StartElement:
		switch t.Name.Local {
		case "t":
			r.inText = r.spoken == 0
		case "rPh":
			r.spoken++
		}
	case xml.EndElement:
		switch t.Name.Local {
		case "t":
			r.inText = false
		case "rPh":
			r.spoken--
		case "si":
			if len(r.w.shared) == maxStrings {
				return errStrings
			}
			r.w.shared = append(r.w.shared, r.one.String())
			r.one.Reset()
		}
	case xml.CharData:
		if r.inText {
			r.one.Write(t)
		}
	}
	return nil
}

// styles finds out which styles of cells show numbers as points in time.
func (w *workbook) styles(part string) error {
	own := map[string]bool{} // formats of this workbook
	in := false
	return w.each(part, func(t xml.Token) error {
		switch t := t.(type) {
		case xml.StartElement:
			switch t.Name.Local {
			case "numFmt":
				if len(own) < maxEntries {
					own[attr(t, "numFmtId")] = isDate(attr(t, "formatCode"))
				}
			case "cellXfs":
				in = true
			case "xf":
				if in && len(w.dates) < maxStrings {
					id := attr(t, "numFmtId")
					n, err := strconv.Atoi(id)
					w.dates = append(w.dates, own[id] || err == nil && (n >= 14 && n <= 22 || n >= 27 && n <= 36 || n >= 45 && n <= 47 || n >= 50 && n <= 58))
				}
			}
		case xml.EndElement:
			if t.Name.Local == "cellXfs" {
				in = false
			}
		}
		return nil
	})
}

// isDate reports whether a number format shows a point in time: it has a letter of one outside of quotes and brackets.
func isDate(format string) bool {
	format, _, _ = strings.Cut(format, ";")
	var quoted, bracket bool
	for i := 0; i < len(format); i++ {
		switch c := format[i]; {
		case quoted:
			quoted = c != '"'
		case bracket:
			bracket = c != ']'
		case c == '"':
			quoted = true
		case c == '[':
			bracket = true
		case c == '\\', c == '_', c == '*':
			i++
		case strings.IndexByte("yYmMdDhHsS", c) >= 0:
			return true
		}
	}
	return false
}

// sheet adds one sheet.
func (w *workbook) sheet(name, part string) error {
	if w.b.Len() > 0 {
		if err := w.add("\n"); err != nil {
			return err
		}
	}
	if err := w.add(name + ":\n"); err != nil {
		return err
	}
	return w.each(part, (&sheetReader{workbook: w}).token)
}

// sheetReader follows the cells of a sheet.
type sheetReader struct {
	*workbook
	value   strings.Builder
	inValue bool
	typ     string
	style   int
	column  int // of the cell
	written int // columns of the row that are written
}

func (r *sheetReader) token(t xml.Token) error {
	switch t := t.(type) {
	case xml.StartElement:
		switch t.Name.Local {
		case "row":
			r.column, r.written = -1, 0
		case "c":
			r.cell(t)
		case "v", "t":
			r.inValue = true
		}
	case xml.EndElement:
		switch t.Name.Local {
		case "v", "t":
			r.inValue = false
		case "c":
			return r.write()
		case "row":
			if r.written > 0 {
				return r.add("\n")
			}
		}
	case xml.CharData:
		if r.inValue {
			if r.value.Len()+len(t) > MaxText {
				return errLong
			}
			r.value.Write(t)
		}
	}
	return nil
}

func (r *sheetReader) cell(e xml.StartElement) {
	r.value.Reset()
	r.typ, r.style = attr(e, "t"), 0
	if n, err := strconv.Atoi(attr(e, "s")); err == nil {
		r.style = n
	}
	r.column++
	if at := column(attr(e, "r")); at > r.column {
		r.column = at
	}
}

// column returns the column in a reference such as AB12, from 0; -1 if there is none.
func column(ref string) int {
	n := 0
	for i := 0; i < len(ref) && ref[i] >= 'A' && ref[i] <= 'Z'; i++ {
		if n = n*26 + int(ref[i]-'A') + 1; n > maxColumns {
			return -1
		}
	}
	return n - 1
}

// write adds the cell, with tabs for the ones that were left out. What is empty at the end of a row is not there.
func (r *sheetReader) write() error {
	text := r.text()
	if text == "" {
		return nil
	}
	r.any = true
	tabs := r.column - max(r.written-1, 0)
	r.written = r.column + 1
	if err := r.add(strings.Repeat("\t", min(max(tabs, 0), maxColumns))); err != nil {
		return err
	}
	return r.add(text)
}

// text is what the cell shows, in one line.
func (r *sheetReader) text() string {
	v := r.value.String()
	if v == "" {
		return ""
	}
	switch r.typ {
	case "s":
		n, err := strconv.Atoi(strings.TrimSpace(v))
		if err != nil || n < 0 || n >= len(r.shared) {
			return ""
		}
		v = r.shared[n]
	case "b":
		if v == "1" {
			return "TRUE"
		}
		return "FALSE"
	case "", "n":
		if r.style >= 0 && r.style < len(r.dates) && r.dates[r.style] {
			return r.moment(v)
		}
		return v
	}
	if strings.ContainsAny(v, "\t\n\r") {
		v = strings.Join(strings.Fields(v), " ")
	}
	return v
}

// moment returns a day's number as a date, its fraction as a time.
func (r *sheetReader) moment(v string) string {
	days, err := strconv.ParseFloat(v, 64)
	if err != nil || math.IsNaN(days) || days < 0 || days >= 2_958_466 { // the year 10000
		return v
	}
	begin := time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC) // as Excel counts a day in 1900 that never was
	if r.from1904 {
		begin = time.Date(1904, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	whole := math.Floor(days)
	at := begin.AddDate(0, 0, int(whole)).Add(time.Duration(math.Round((days-whole)*86400)) * time.Second)
	switch {
	case days < 1:
		return at.Format(time.TimeOnly)
	case days == whole:
		return at.Format(time.DateOnly)
	}
	return at.Format(time.DateTime)
}
