package builtin_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"tollgate/internal/provider"
	"tollgate/internal/provider/builtin"
	"tollgate/internal/provider/providertest"
)

func TestProviders(t *testing.T) {
	list, err := builtin.List()
	if err != nil {
		t.Fatal(err)
	}
	providertest.Run(t, list)
}

// TestEveryFileIsInTheList: adding a vendor is adding one file, called by its name.
func TestEveryFileIsInTheList(t *testing.T) {
	files, err := os.ReadDir("data")
	if err != nil {
		t.Fatal(err)
	}
	var names, want []string
	for _, f := range files {
		names = append(names, strings.TrimSuffix(f.Name(), ".json"))
	}
	for _, p := range builtin.All() {
		want = append(want, p.Name)
	}
	slices.Sort(names)
	if !slices.Equal(names, want) {
		t.Errorf("files %v\nlist  %v", names, want)
	}
	for _, name := range []string{
		"openai", "anthropic", "gemini", "azure", "openai-compatible", "gateway", "deepseek", "moonshot", "zhipu", "qwen", "doubao", "minimax",
		"siliconflow", "xai", "mistral", "groq", "together", "fireworks", "openrouter", "perplexity", "cerebras", "ollama", "vllm", "simulator",
	} {
		if _, ok := builtin.ByName(name); !ok {
			t.Errorf("%s is missing", name)
		}
	}
}

// The example that a new file begins as passes what every file has to.
func TestDocumentedExample(t *testing.T) {
	doc, err := os.ReadFile("../../../docs/adding-a-provider.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(doc), "```json\n")
	example, _, found := strings.Cut(example, "```\n")
	if !found {
		t.Fatal("no example")
	}
	dec := json.NewDecoder(strings.NewReader(example))
	dec.DisallowUnknownFields()
	var p provider.Provider
	if err := dec.Decode(&p); err != nil {
		t.Fatal(err)
	}
	providertest.Run(t, []provider.Provider{p})
}

func TestByURL(t *testing.T) {
	for base, want := range map[string]string{
		"https://api.anthropic.com":                     "anthropic",
		"https://API.OpenAI.com/v1/":                    "openai",
		"https://eu.api.openai.com/v1":                  "openai",
		"https://api.openai.com:443":                    "openai",
		"https://my-res.openai.azure.com/openai/v1":     "azure",
		"https://generativelanguage.googleapis.com":     "gemini",
		"https://api.moonshot.cn/v1":                    "moonshot",
		"https://ark.cn-beijing.volces.com/api/v3":      "doubao",
		"http://localhost:11434":                        "ollama",
		"https://api.openai.com.evil.example":           builtin.Gateway,
		"https://evil.example/api.openai.com":           builtin.Gateway,
		"https://notapi.openai.com.example/v1":          builtin.Gateway,
		"http://10.0.0.7:3443":                          builtin.Gateway,
		"https://.openai.azure.com":                     builtin.Gateway,
		"https://api.proxyxai.example":                  builtin.Gateway,
		"https://dashscope-intl.aliyuncs.com/compat...": "qwen",
	} {
		p, err := builtin.ByURL(base)
		if err != nil || p.Name != want {
			t.Errorf("ByURL(%s) = %s, %v; want %s", base, p.Name, err, want)
		}
	}
	// Every vendor is recognised by the address that it names itself.
	for _, p := range builtin.All() {
		if p.Base == "" {
			continue
		}
		if got, err := builtin.ByURL(p.Base); err != nil || got.Name != p.Name {
			t.Errorf("%s is taken for %s (%v)", p.Base, got.Name, err)
		}
	}
	for _, bad := range []string{"", "api.openai.com", "ftp://api.openai.com", "https://", "https://u:p@api.openai.com", "https://api.openai.com/?x", "https://h/../x", "https://h/%2e%2e/x"} {
		if p, err := builtin.ByURL(bad); err == nil {
			t.Errorf("ByURL(%q) = %s, want an error", bad, p.Name)
		} else if strings.Contains(err.Error(), "u:p") {
			t.Errorf("ByURL(%q) shows a password: %v", bad, err)
		}
	}
}

// TestFacts pins what other parts and operators rely on.
func TestFacts(t *testing.T) {
	gw, _ := builtin.ByName(builtin.Gateway)
	if len(gw.Speaks) != 4 || len(gw.Serves) != 0 || gw.Base != "" {
		t.Errorf("a gateway speaks all dialects and may have any model: %+v", gw)
	}
	for _, s := range gw.Speaks {
		if !slices.Contains(s.Quirks, provider.QuirkTentative) {
			t.Errorf("%s of a gateway is not known to be there", s.Dialect)
		}
	}
	keys := builtin.EnvKeys()
	for env, want := range map[string]string{"OPENAI_API_KEY": "openai", "ANTHROPIC_API_KEY": "anthropic", "GEMINI_API_KEY": "gemini"} {
		if keys[env] != want {
			t.Errorf("%s is of %q, want %s", env, keys[env], want)
		}
	}
	for _, name := range []string{"deepseek", "zhipu", "qwen", "minimax", "moonshot"} {
		p, _ := builtin.ByName(name)
		if !slices.ContainsFunc(p.Speaks, func(s provider.Spoken) bool { return s.Dialect == "anthropic" && len(s.Quirks) == 0 }) {
			t.Errorf("%s serves Claude clients natively", name)
		}
	}
}
