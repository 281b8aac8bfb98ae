package catalog

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"time"
)

// data has one file per owner. A file is a dataFile.
//
//go:embed data/*.json
var data embed.FS

// dataFile is what a file in data/ holds. Source and Date go to the models that have a price and do
// not say their own.
type dataFile struct {
	Owner  string  `json:"owner"`
	Source string  `json:"source"`         // where the prices were read
	Date   string  `json:"date"`           // the date of that source, YYYY-MM-DD: not when somebody copied it
	Note   string  `json:"note,omitempty"` // what a reader of the prices must know
	Models []Model `json:"models"`
}

// Builtin returns the models that the product knows by itself, the lowest layer of a catalogue.
func Builtin() ([]Model, error) {
	names, err := data.ReadDir("data")
	if err != nil {
		return nil, fmt.Errorf("built-in models: %w", err)
	}
	var all []Model
	for _, n := range names {
		raw, err := data.ReadFile(path.Join("data", n.Name()))
		if err != nil {
			return nil, fmt.Errorf("built-in models: %w", err)
		}
		models, err := readData(raw)
		if err != nil {
			return nil, fmt.Errorf("built-in models: %s: %w", n.Name(), err)
		}
		all = append(all, models...)
	}
	return all, nil
}

func readData(raw []byte) ([]Model, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	var f dataFile
	if err := dec.Decode(&f); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the object")
	}
	if f.Owner == "" || f.Source == "" {
		return nil, errors.New("owner and source must be said")
	}
	if _, err := time.Parse(time.DateOnly, f.Date); err != nil {
		return nil, fmt.Errorf("date: %w", err)
	}
	for i := range f.Models {
		m := &f.Models[i]
		if m.Owner == "" {
			m.Owner = f.Owner
		}
		if m.PriceSource == "" {
			m.PriceSource = f.Source
		}
		if m.PriceDate == "" {
			m.PriceDate = f.Date
		}
	}
	return f.Models, nil
}
