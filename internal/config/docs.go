package config

import (
	"fmt"
	"io"
	"reflect"
	"strings"

	"tollgate/internal/provider/builtin"
)

// WriteDocs writes docs/configuration.md from the tags of Config and its entries.
func WriteDocs(w io.Writer) error {
	var b strings.Builder
	b.WriteString(`<!-- Written by make generate from internal/config. Change the tags there. -->

# Configuration

Nothing has to be set. Settings come, the first wins, from flags (` + "`tollgate serve --help`" + `), the environment, a YAML
file, and defaults. The file is ` + "`TOLLGATE_CONFIG`" + `, or ` + "`tollgate.yaml`" + ` in the working directory if it exists; its names
are those of the environment in lower case, without ` + "`TOLLGATE_`" + `.

- An empty value is no value.
- A setting marked *secret* may also be given as the path of a file that holds it: ` + "`ADMIN_KEY_FILE=/run/secrets/admin`" + `.
- Sizes read ` + "`65536`, `64KiB`, `64MiB`" + `; times ` + "`500ms`, `30s`, `5m`, `1h`" + `.
- An unknown name in the file, an unknown ` + "`TOLLGATE_…`" + ` variable or a malformed value stops the start. All faults are
  listed at once, each with its place. ` + "`tollgate config check`" + ` does the same without starting.
`)
	for _, s := range settings() {
		if s.section != "" {
			fmt.Fprintf(&b, "\n## %s\n\n| environment | file | default | meaning |\n|---|---|---|---|\n", s.section)
		}
		b.WriteString(s.row())
	}
	b.WriteString("\n## Keys of providers\n\nEach of these variables, when set, becomes a channel by itself. All are secret.\n\n| environment | provider |\n|---|---|\n")
	for _, p := range builtin.All() {
		if p.Env != "" {
			fmt.Fprintf(&b, "| `%s` | %s |\n", p.Env, p.Title)
		}
	}
	b.WriteString("\n## Lists in the file\n\n### channels\n\n" + fieldTable(reflect.TypeFor[Channel]()))
	b.WriteString("\n### models\n\nEntries of the catalogue, in the same form as in the admin API. One with the name of a built-in model takes its\nplace. Prices are decimal dollars per million tokens.\n")
	b.WriteString("\n### accounts\n\n" + fieldTable(reflect.TypeFor[Account]()))
	b.WriteString("\n## Example\n\n```yaml\n" + Example + "```\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// Example is a file that shows the lists; a test loads it.
const Example = `listen: 127.0.0.1:3000
admin_key_file: /run/secrets/admin
model_mapper:
  gpt-3.5*: gpt-4o-mini
channels:
  - name: openai-main
    provider: openai
    key_env: OPENAI_MAIN_KEY
    weight: 3
  - name: openai-spare
    provider: openai
    key_file: /run/secrets/openai-spare
    priority: -1
  - name: local
    provider: vllm
    base_url: http://10.0.0.5:8000
    models: ["qwen3-*", house-model]
models:
  - name: qwen3-32b
    context_tokens: 131072
    free: true
  - name: house-model
    aliases: [house]
    price: {input: "0.25", output: "1.00"}
accounts:
  - name: acme
    email: ops@acme.example
    credit: "25"
    models: ["gpt-*", "claude-*"]
    limits: {rpm: 600, concurrent: 50}
    keys:
      - {name: ci, key_env: ACME_CI_KEY}
`

func (s setting) row() string {
	name, file := "`"+s.env+"`", "—"
	if s.old != "" {
		name += " (older `" + s.old + "`)"
	}
	if s.key() != "" {
		file = "`" + s.key() + "`"
	}
	value := "—"
	if s.value != "" {
		value = "`" + s.value + "`"
	}
	doc := s.doc
	if s.one != "" {
		doc += " One of `" + strings.Join(s.words(), "`, `") + "`."
	}
	switch {
	case s.min != "" && s.max != "":
		doc += fmt.Sprintf(" From %s to %s.", s.min, s.max)
	case s.min != "":
		doc += fmt.Sprintf(" At least %s.", s.min)
	}
	if s.secret {
		doc += " *Secret.*"
	}
	return fmt.Sprintf("| %s | %s | %s | %s |\n", name, file, value, doc)
}

func fieldTable(t reflect.Type) string {
	var b strings.Builder
	b.WriteString("| name | meaning |\n|---|---|\n")
	for i := range t.NumField() {
		if doc := t.Field(i).Tag.Get("doc"); doc != "" {
			name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
			fmt.Fprintf(&b, "| `%s` | %s |\n", name, doc)
		}
	}
	return b.String()
}

// WriteSummary writes every setting with its value and where that came from. Secrets are hidden.
func (c *Config) WriteSummary(w io.Writer) error {
	var b strings.Builder
	v := reflect.ValueOf(c).Elem()
	for _, s := range settings() {
		value := fmt.Sprint(v.Field(s.index).Interface())
		if s.secret {
			value = "***"
			if v.Field(s.index).IsZero() {
				value = ""
			}
		}
		fmt.Fprintf(&b, "%-24s %-32s %s\n", s.env, value, c.Origin(s.env))
	}
	fmt.Fprintf(&b, "%d channels, %d provider keys, %d models and %d accounts are configured\n",
		len(c.Channels)+len(c.InitKeys), len(c.ProviderKeys), len(c.Models), len(c.Accounts))
	_, err := io.WriteString(w, b.String())
	return err
}
