// Package builtin is the one explicit list of vendors that the product knows.
//
// A vendor that only has facts is one JSON file in data/, the form of which is provider.Provider;
// adding one is adding that file, and providertest runs over all of them. It leaves what the facts
// mean to provider and the models to catalog.
package builtin

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"

	"tollgate/internal/provider"
)

// data holds the vendors, a file each.
//
//go:embed data/*.json
var data embed.FS

// Gateway is the provider of a base URL whose host is nobody's: most likely another gateway, such as
// this product itself, that may speak any dialect and have any model.
const Gateway = "gateway"

// List returns all vendors by name. The caller must not change what they hold.
func List() ([]provider.Provider, error) {
	list, err := load()
	return slices.Clone(list), err
}

// All is List for those who come after it was checked once: the data is compiled in, so what held
// then holds now. It is empty where List has an error.
func All() []provider.Provider {
	list, _ := List() // the error is List's to tell
	return list
}

// load reads the files once; what it returns is never changed.
var load = sync.OnceValues(read)

func read() ([]provider.Provider, error) {
	files, err := data.ReadDir("data")
	if err != nil {
		return nil, fmt.Errorf("built-in providers: %w", err)
	}
	list := make([]provider.Provider, 0, len(files))
	for _, f := range files {
		raw, err := data.ReadFile(path.Join("data", f.Name()))
		if err != nil {
			return nil, fmt.Errorf("built-in providers: %w", err)
		}
		p, err := decode(raw)
		if err != nil {
			return nil, fmt.Errorf("built-in providers: %s: %w", f.Name(), err)
		}
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b provider.Provider) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// decode reads one file strictly: a misspelt field would be a fact that nobody sees is missing.
func decode(raw []byte) (provider.Provider, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	var p provider.Provider
	if err := dec.Decode(&p); err != nil {
		return p, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return p, errors.New("something follows the object")
	}
	return p, nil
}

// ByName returns the vendor called name.
func ByName(name string) (provider.Provider, bool) {
	for _, p := range All() {
		if p.Name == name {
			return p, true
		}
	}
	return provider.Provider{}, false
}

// ByURL returns the vendor that a base URL belongs to, by its host, and Gateway for a host that is
// nobody's. The URL must pass provider.CheckBase.
func ByURL(base string) (provider.Provider, error) {
	if err := provider.CheckBase(base); err != nil {
		return provider.Provider{}, err
	}
	u, err := url.Parse(base)
	if err != nil {
		return provider.Provider{}, err
	}
	list, err := List()
	if err != nil {
		return provider.Provider{}, err
	}
	for _, p := range list {
		for _, h := range p.Hosts {
			if matchHost(h, strings.ToLower(u.Host)) {
				return p, nil
			}
		}
	}
	p, ok := ByName(Gateway)
	if !ok {
		return p, errors.New("built-in providers: there is no " + Gateway)
	}
	return p, nil
}

// matchHost reports whether host, which may carry a port, is pattern, or below x for "*.x".
func matchHost(pattern, host string) bool {
	if pattern == host {
		return true
	}
	if bare, port, err := net.SplitHostPort(host); err == nil && (port == "443" || port == "80") {
		host = bare
	}
	if below, ok := strings.CutPrefix(pattern, "*"); ok {
		return strings.HasSuffix(host, below) && len(host) > len(below)
	}
	return pattern == host
}

// EnvKeys returns the names of providers by the environment variable that holds their key.
func EnvKeys() map[string]string {
	keys := map[string]string{}
	for _, p := range All() {
		if p.Env != "" {
			keys[p.Env] = p.Name
		}
	}
	return keys
}
