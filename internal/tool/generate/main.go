// Command generate writes the files of the repository that are made from code: the configuration
// page, the table of providers, what translation keeps, and the OpenAPI document of the admin API. With -check it writes nothing and fails if one is stale.
//
// Run it from the root of the repository, through make generate and make verify.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"tollgate/internal/admin"
	"tollgate/internal/canon"
	"tollgate/internal/config"
	"tollgate/internal/dialect/anthropic"
	"tollgate/internal/dialect/gemini"
	"tollgate/internal/dialect/matrix"
	"tollgate/internal/dialect/openaichat"
	"tollgate/internal/dialect/openairesponses"
	"tollgate/internal/provider"
	"tollgate/internal/provider/builtin"
)

// output is a generated file, or a generated part of one.
type output struct {
	path string
	make func(old []byte) ([]byte, error) // from what the file holds now
}

func main() {
	check := flag.Bool("check", false, "write nothing; fail if a file is stale")
	flag.Parse()
	if err := run(*check); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(check bool) error {
	outputs := []output{
		{"docs/configuration.md", configuration},
		{"README.md", readme},
		{"docs/translation.md", translation},
		{"api/openapi.json", func([]byte) ([]byte, error) { return admin.OpenAPI() }},
	}
	var stale []string
	for _, o := range outputs {
		old, err := os.ReadFile(o.path)
		if err != nil && !os.IsNotExist(err) {
			return err
		}
		now, err := o.make(old)
		if err != nil {
			return fmt.Errorf("%s: %w", o.path, err)
		}
		if bytes.Equal(old, now) {
			continue
		}
		stale = append(stale, o.path)
		if check {
			continue
		}
		if err := os.WriteFile(o.path, now, 0o644); err != nil {
			return err
		}
		fmt.Println("wrote", o.path)
	}
	if check && len(stale) > 0 {
		return fmt.Errorf("stale: %v; run make generate and commit the result", stale)
	}
	return nil
}

func configuration([]byte) ([]byte, error) {
	var b bytes.Buffer
	err := config.WriteDocs(&b)
	return b.Bytes(), err
}

// translation says what becomes of every feature between two dialects.
func translation([]byte) ([]byte, error) {
	var b bytes.Buffer
	sides := []matrix.Side{openaichat.New(), openairesponses.New(), anthropic.New(), gemini.New()}
	err := matrix.Write(&b, sides, func(d canon.Dialect) fs.FS { return os.DirFS("internal/dialect/" + string(d)) })
	return b.Bytes(), err
}

// Markers of the generated part of the README.
const (
	begin = "<!-- providers: written by make generate -->\n"
	end   = "<!-- end of providers -->\n"
)

func readme(old []byte) ([]byte, error) {
	table, err := providerTable()
	if err != nil {
		return nil, err
	}
	head, rest, found := bytes.Cut(old, []byte(begin))
	_, tail, closed := bytes.Cut(rest, []byte(end))
	if !found || !closed {
		return nil, fmt.Errorf("lacks the markers %q and %q", begin, end)
	}
	return slices.Concat(head, []byte(begin), table, []byte(end), tail), nil
}

// providerTable says which dialects each provider answers itself.
func providerTable() ([]byte, error) {
	list, err := builtin.List()
	if err != nil {
		return nil, err
	}
	columns := []canon.Dialect{canon.OpenAIChat, canon.OpenAIResponses, canon.Anthropic, canon.Gemini}
	var b bytes.Buffer
	b.WriteString("| provider | `provider:` | OpenAI chat | OpenAI responses | Anthropic | Gemini | key variable |\n|---|---|---|---|---|---|---|\n")
	for _, p := range list {
		fmt.Fprintf(&b, "| %s | `%s` |", p.Title, p.Name)
		for _, d := range columns {
			fmt.Fprintf(&b, " %s |", speaks(p, d))
		}
		env := ""
		if p.Env != "" {
			env = "`" + p.Env + "`"
		}
		fmt.Fprintf(&b, " %s |\n", env)
	}
	return b.Bytes(), nil
}

func speaks(p provider.Provider, d canon.Dialect) string {
	for _, s := range p.Speaks {
		if s.Dialect == d {
			if slices.Contains(s.Quirks, provider.QuirkTentative) {
				return "tried"
			}
			return "native"
		}
	}
	return "translated"
}
