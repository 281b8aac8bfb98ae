package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// setup is what an agent is launched with.
type setup struct{ home, base, model, prompt string }

// write puts a file below the agent's home.
func (s setup) write(name, text string) error {
	at := filepath.Join(s.home, name)
	if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
		return err
	}
	return os.WriteFile(at, []byte(text), 0o600)
}

// agent is how a coding agent is launched against a gateway.
type agent struct {
	name   string
	launch func(setup) (args, env []string, err error)
}

// agents are in the order of the dialects of models: each has its own among them.
var agents = []agent{
	{"claude", func(s setup) ([]string, []string, error) {
		return []string{"claude", "-p", s.prompt, "--output-format", "json", "--allowedTools", "Read,Bash"}, []string{
			"ANTHROPIC_BASE_URL=" + s.base, "ANTHROPIC_AUTH_TOKEN=" + rootKey, "ANTHROPIC_MODEL=" + s.model,
			"ANTHROPIC_DEFAULT_HAIKU_MODEL=" + s.model, "ANTHROPIC_DEFAULT_SONNET_MODEL=" + s.model, "ANTHROPIC_DEFAULT_OPUS_MODEL=" + s.model,
			"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1", "DISABLE_AUTOUPDATER=1", "DISABLE_TELEMETRY=1", "DISABLE_ERROR_REPORTING=1",
			"IS_SANDBOX=1", "CLAUDE_CODE_MAX_RETRIES=0",
		}, nil
	}},
	{"codex", func(s setup) ([]string, []string, error) {
		conf := fmt.Sprintf(`model = %q
model_provider = "gw"
approval_policy = "never"
[model_providers.gw]
name = "gw"
base_url = %q
env_key = "GW_KEY"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0
[analytics]
enabled = false
`, s.model, s.base+"/v1")
		return []string{"codex", "exec", "--skip-git-repo-check", "--json", "--sandbox", "danger-full-access", s.prompt},
			[]string{"CODEX_HOME=" + filepath.Join(s.home, ".codex"), "GW_KEY=" + rootKey}, s.write(".codex/config.toml", conf)
	}},
	{"gemini", func(s setup) ([]string, []string, error) {
		conf := `{"security":{"auth":{"selectedType":"gemini-api-key"}},"telemetry":{"enabled":false},"privacy":{"usageStatisticsEnabled":false},"general":{"disableAutoUpdate":true}}`
		return []string{"gemini", "-m", s.model, "-y", "--output-format", "json", "-p", s.prompt},
			[]string{"GEMINI_API_KEY=" + rootKey, "GOOGLE_GEMINI_BASE_URL=" + s.base, "GEMINI_CLI_TRUST_WORKSPACE=true"}, s.write(".gemini/settings.json", conf)
	}},
	{"qwen", func(s setup) ([]string, []string, error) {
		return []string{"qwen", "-y", "--output-format", "json", "-p", s.prompt},
			[]string{"OPENAI_API_KEY=" + rootKey, "OPENAI_BASE_URL=" + s.base + "/v1", "OPENAI_MODEL=" + s.model},
			s.write(".qwen/settings.json", `{"security":{"auth":{"selectedType":"openai"}},"telemetry":{"enabled":false},"privacy":{"usageStatisticsEnabled":false},"general":{"disableAutoUpdate":true}}`)
	}},
}
