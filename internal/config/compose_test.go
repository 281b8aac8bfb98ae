package config

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"go.yaml.in/yaml/v4"
)

// Everything that docs/configuration.md names reaches the gateway from the environment of docker compose, but
// for what the container itself lays down.
func TestComposeFilePassesAllSettings(t *testing.T) {
	doc, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile("../../docker-compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Services map[string]struct {
			Environment map[string]*string
			Ports       []string
		}
	}
	if err := yaml.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([A-Z_0-9]+)`(?: \\(older `([A-Z_0-9]+)`\\))?").FindAllStringSubmatch(string(doc), -1) {
		want = append(want, m[1])
		if m[2] != "" {
			want = append(want, m[2])
		}
	}
	want = slices.DeleteFunc(want, func(name string) bool {
		return slices.Contains([]string{"LISTEN", "PORT", "TOLLGATE_DATA", "TOLLGATE_CONFIG"}, name) // the image, the port that is published, and paths
	})
	if len(want) < 80 || !slices.Contains(want, "ZHIPU_API_KEY") || !slices.Contains(want, "POSTGRES_DSN") {
		t.Fatalf("the document names %v", want)
	}
	tollgate := file.Services["tollgate"]
	for _, name := range want {
		if value, ok := tollgate.Environment[name]; !ok || value != nil {
			t.Errorf("docker-compose.yml does not pass %s on", name)
		}
	}
	for name := range tollgate.Environment {
		if !slices.Contains(want, name) {
			t.Errorf("docker-compose.yml passes %s on, which docs/configuration.md does not name", name)
		}
	}
	if !slices.Equal(tollgate.Ports, []string{"${PORT:-3443}:3443"}) {
		t.Errorf("ports: %v", tollgate.Ports)
	}
}
