package document

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// Bounds of what is read of an archive. What a document shows as text is a small part of it.
const (
	maxEntries  = 10_000
	maxUnpacked = 16 << 20 // all parts that are read, together
	maxToken    = 1 << 20  // a tag with its attributes, which are held at once, or a piece of text
	maxDepth    = 256
)

var (
	errBroken   = errors.New("it can't be read: the archive that it is made of is damaged")
	errEntries  = fmt.Errorf("it consists of more than %d parts", maxEntries)
	errUnpacked = fmt.Errorf("it unpacks to more than %d bytes; send a part of it", maxUnpacked)
	errToken    = fmt.Errorf("a piece of it is larger than %d bytes", maxToken)
	errDepth    = fmt.Errorf("it is nested deeper than %d levels", maxDepth)
	errSlides   = errors.New("PowerPoint is not read here; send it as PDF, or send " + Accepted)
)

// archive is the zip file that an Office document is.
type archive struct {
	parts map[string]*zip.File
	left  int64 // bytes that may still be unpacked
}

// office reads a document by the part that its archive calls the main one.
func office(data []byte) (string, error) {
	zr, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	switch {
	case err != nil && !errors.Is(err, zip.ErrInsecurePath): // no entry's name is used as a path
		return "", errBroken
	case len(zr.File) > maxEntries:
		return "", errEntries
	}
	a := &archive{parts: make(map[string]*zip.File, len(zr.File)), left: maxUnpacked}
	for _, f := range zr.File {
		a.parts[strings.TrimPrefix(f.Name, "/")] = f
	}
	main, err := a.main()
	if err != nil {
		return "", err
	}
	switch {
	case strings.HasPrefix(main, "word/"):
		return a.word(main)
	case strings.HasPrefix(main, "xl/") && strings.HasSuffix(main, ".xml"):
		return a.excel(main)
	case strings.HasPrefix(main, "ppt/"):
		return "", errSlides
	}
	return "", errUnknown
}

// main returns the name of the main part.
func (a *archive) main() (string, error) {
	links, err := a.links("_rels/.rels", "")
	if err != nil {
		return "", err
	}
	for _, l := range links {
		if strings.HasSuffix(l.kind, "/officeDocument") && a.parts[l.to] != nil {
			return l.to, nil
		}
	}
	for _, usual := range []string{"word/document.xml", "xl/workbook.xml", "ppt/presentation.xml"} {
		if a.parts[usual] != nil {
			return usual, nil
		}
	}
	return "", errUnknown
}

// link is a relationship of a part to another one.
type link struct{ id, kind, to string }

// links reads the relationships in a part, none if there is no such part. They are relative to dir.
func (a *archive) links(part, dir string) (out []link, err error) {
	err = a.each(part, func(t xml.Token) error {
		if e, ok := t.(xml.StartElement); ok && e.Name.Local == "Relationship" && len(out) < maxEntries {
			to := attr(e, "Target")
			if to, rooted := strings.CutPrefix(to, "/"); rooted {
				out = append(out, link{attr(e, "Id"), attr(e, "Type"), path.Clean(to)})
			} else {
				out = append(out, link{attr(e, "Id"), attr(e, "Type"), path.Join(dir, to)})
			}
		}
		return nil
	})
	return out, err
}

// linksOf is links of the part itself.
func (a *archive) linksOf(part string) ([]link, error) {
	dir, file := path.Split(part)
	return a.links(dir+"_rels/"+file+".rels", path.Clean(dir))
}

// each calls f with the tokens of a part, nothing if it is not there. Tokens are valid during the call.
func (a *archive) each(part string, f func(xml.Token) error) error {
	file := a.parts[part]
	if file == nil {
		return nil
	}
	r, err := file.Open()
	if err != nil {
		return errBroken
	}
	defer r.Close()
	in := &bounded{from: r, a: a}
	d := xml.NewDecoder(in)
	for depth := 0; ; {
		in.token = maxToken
		t, err := d.RawToken()
		switch {
		case errors.Is(err, io.EOF) && depth == 0:
			return nil
		case errors.Is(err, errUnpacked), errors.Is(err, errToken):
			return err
		case err != nil:
			return fmt.Errorf("it can't be read: its part %.60q is damaged", part)
		}
		switch t.(type) {
		case xml.StartElement:
			if depth++; depth > maxDepth {
				return errDepth
			}
		case xml.EndElement:
			if depth--; depth < 0 {
				return fmt.Errorf("it can't be read: its part %.60q is damaged", part)
			}
		}
		if err := f(t); err != nil {
			return err
		}
	}
}

// bounded reads a part as long as the archive may be unpacked.
type bounded struct {
	from  io.Reader
	a     *archive
	token int64 // bytes that the one that is read may still have
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.a.left <= 0 {
		return 0, errUnpacked
	}
	if b.token <= 0 {
		return 0, errToken
	}
	n, err := b.from.Read(p[:min(int64(len(p)), b.a.left, b.token)])
	b.a.left -= int64(n)
	b.token -= int64(n)
	return n, err
}

func attr(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// page gathers text within MaxText.
type page struct{ b strings.Builder }

func (p *page) add(s string) error {
	if p.b.Len()+len(s) > MaxText {
		return errLong
	}
	p.b.WriteString(s)
	return nil
}
