package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tollgate/internal/account"
	"tollgate/internal/secret"
)

const master = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

// file writes text to a temporary file and returns its path.
func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t *testing.T, src Source) *Config {
	t.Helper()
	cfg, err := Load(src)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// faults loads what must not load and returns what is wrong, a line each.
func faults(t *testing.T, src Source) []string {
	t.Helper()
	cfg, err := Load(src)
	fs, ok := errors.AsType[Faults](err)
	if !ok {
		t.Fatalf("Load returned %v, %v; want faults", cfg, err)
	}
	if cfg != nil {
		t.Error("a configuration came with the faults")
	}
	var lines []string
	for _, f := range fs {
		lines = append(lines, f.String())
	}
	return lines
}

func TestDefaults(t *testing.T) {
	cfg := load(t, Source{})
	got := []any{
		cfg.Listen, cfg.Data, cfg.File, cfg.Simulator, cfg.MetricsAddr, cfg.LogLevel, cfg.LogFormat, cfg.XAIBase,
		cfg.MaxBodyBytes, cfg.MaxAnswerBytes, cfg.MaxEventBytes, cfg.DefaultOutput,
		cfg.TimeoutConnect, cfg.TimeoutFirstByte, cfg.TimeoutIdle, cfg.TimeoutCall, cfg.ShutdownDelay, cfg.TimeoutShutdown, cfg.TimeoutClientRead, cfg.TimeoutClientWrite, cfg.JournalSync,
	}
	want := []any{
		":3000", "./data", "", "auto", "", slog.LevelInfo, "auto", "https://api.openai.com",
		int64(64 << 20), int64(128 << 20), int64(16 << 20), int64(4096),
		10 * time.Second, 5 * time.Minute, 2 * time.Minute, time.Hour, time.Duration(0), 30 * time.Second, 30 * time.Second, time.Minute, 100 * time.Millisecond,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if cfg.HasChannels() {
		t.Error("there are channels without any setting")
	}
}

func TestEnvironment(t *testing.T) {
	cfg := load(t, Source{Environ: []string{
		"LISTEN=127.0.0.1:99", "PORT=3443", "TOLLGATE_DATA=/d", "LOG_LEVEL=WARN", "SIMULATOR=false", "MAX_BODY_BYTES=1MiB", "TIMEOUT_IDLE=90s",
		"TRUSTED_PROXIES=10.1.2.3/8, ::1", "ADMIN_KEY=sk-root", "TOLLGATE_MASTER_KEY=" + master, "SQL_DSN=postgres://u:p@h/d", "LOG_FORMAT=", "UNRELATED=1",
		"INIT_KEYS=sk-a::https://api.openai.com/, sk-ant-b::https://api.anthropic.com,sk-c",
		"MODEL_MAPPER=gpt-3.5*=gpt-4o-mini, gpt-4-*-preview=gpt-4-turbo", "OPENAI_API_BASE=https://up.example",
		"OPENAI_API_KEY=sk-o",
	}})
	got := []any{
		cfg.Listen, cfg.Data, cfg.LogLevel, cfg.Simulator, cfg.MaxBodyBytes, cfg.TimeoutIdle, cfg.LogFormat,
		cfg.AdminKey.Reveal(), cfg.MasterKey.Reveal(), cfg.SQLDSN.Reveal(), cfg.XAIBase, cfg.HasChannels(),
		fmt.Sprint(cfg.TrustedPeers),
	}
	want := []any{
		"127.0.0.1:99", "/d", slog.LevelWarn, "off", int64(1 << 20), 90 * time.Second, "auto",
		"sk-root", master, "postgres://u:p@h/d", "https://up.example", true,
		fmt.Sprint([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	keys := []InitKey{{"sk-a", "https://api.openai.com"}, {"sk-ant-b", "https://api.anthropic.com"}, {"sk-c", "https://up.example"}}
	if !reflect.DeepEqual(cfg.InitKeys, keys) {
		t.Errorf("INIT_KEYS have %d entries with bases %v", len(cfg.InitKeys), cfg.InitKeys)
	}
	if diff := cmp.Diff("gpt-3.5*=gpt-4o-mini,gpt-4-*-preview=gpt-4-turbo", cfg.Mapper.String()); diff != "" {
		t.Error(diff)
	}
	if v, ok := cfg.Lookup("OPENAI_API_KEY"); !ok || v.Reveal() != "sk-o" {
		t.Errorf("Lookup(OPENAI_API_KEY) = %v, %v", ok, v.Reveal())
	}
	for _, name := range []string{"ANTHROPIC_API_KEY", "UNRELATED"} {
		if _, ok := cfg.Lookup(name); ok {
			t.Errorf("Lookup(%s) finds something", name)
		}
	}
	if got := fmt.Sprintf("%v %+v", *cfg, cfg.InitKeys); strings.Contains(got, "sk-") {
		t.Errorf("a printed configuration shows a secret: %s", got)
	}
}

func TestPortCountsWithoutListen(t *testing.T) {
	if got := load(t, Source{Environ: []string{"PORT=3443"}}).Listen; got != ":3443" {
		t.Errorf("Listen = %q", got)
	}
	path := file(t, "t.yaml", "listen: 127.0.0.1:1")
	if got := load(t, Source{Environ: []string{"PORT=3443"}, File: path}).Listen; got != "127.0.0.1:1" {
		t.Errorf("Listen = %q, want the file's", got)
	}
}

func TestPrecedence(t *testing.T) {
	src := Source{
		File: file(t, "t.yaml", "data: from-file\nlog_level: warn\nmax_body_bytes: 2MiB\n"), Environ: []string{"TOLLGATE_DATA=from-env", "LOG_LEVEL=error"},
		Flags: map[string]string{"TOLLGATE_DATA": "from-flag", "LISTEN": ""},
	}
	cfg := load(t, src)
	got := []any{cfg.Data, cfg.LogLevel, cfg.MaxBodyBytes, cfg.Listen}
	if diff := cmp.Diff([]any{"from-flag", slog.LevelError, int64(2 << 20), ":3000"}, got); diff != "" {
		t.Error(diff)
	}
	origins := []string{cfg.Origin("TOLLGATE_DATA"), cfg.Origin("LOG_LEVEL"), cfg.Origin("MAX_BODY_BYTES"), cfg.Origin("LISTEN"), cfg.File}
	if diff := cmp.Diff([]string{"flag", "environment", "t.yaml:3", "default", src.File}, origins); diff != "" {
		t.Error(diff)
	}
}

func TestSecretFiles(t *testing.T) {
	admin, vendor, keys := file(t, "a", "sk-admin\n"), file(t, "v", "  sk-vendor\r\n"), file(t, "k", "sk-1::https://a.example,\nsk-2::https://b.example\n")
	cfg := load(t, Source{Environ: []string{"ADMIN_KEY_FILE=" + admin, "OPENAI_API_KEY_FILE=" + vendor, "INIT_KEYS_FILE=" + keys}})
	if got := cfg.AdminKey.Reveal(); got != "sk-admin" {
		t.Errorf("ADMIN_KEY_FILE gives %q", got)
	}
	if got, ok := cfg.Lookup("OPENAI_API_KEY"); !ok || got.Reveal() != "sk-vendor" {
		t.Errorf("OPENAI_API_KEY_FILE gives %v %q", ok, got.Reveal())
	}
	if len(cfg.InitKeys) != 2 || cfg.InitKeys[1].Key.Reveal() != "sk-2" {
		t.Errorf("INIT_KEYS_FILE gives %d keys", len(cfg.InitKeys))
	}
	cfg = load(t, Source{File: file(t, "t.yaml", "admin_key_file: "+admin)})
	if got := cfg.AdminKey.Reveal(); got != "sk-admin" {
		t.Errorf("admin_key_file gives %q", got)
	}
}

func TestInitUser(t *testing.T) {
	for _, text := range []string{"root::me@example.com::sk-x", "root:me@example.com:sk-x"} {
		cfg := load(t, Source{Environ: []string{"INIT_USERS=" + text}})
		if diff := cmp.Diff(&InitUser{"root", "me@example.com", "sk-x"}, cfg.InitUser, cmp.Comparer(func(a, b secret.Secret) bool { return a == b })); diff != "" {
			t.Error(diff)
		}
		if cfg.AdminKey.Reveal() != "sk-x" {
			t.Error("its key is not the admin key")
		}
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	got := faults(t, Source{
		File: file(t, "tollgate.yaml", "max_boddy_bytes: 1\ntimeout_idle: soon\nlog_format: [a, b]\ndata: {a: b}\ntimeout_idle: 1s\n"),
		Environ: []string{
			"LISTEN=localhost", "PORT=70000", "TOLLGATE_DATTA=x", "TOLLGATE_LISTEN=:1", "LOG_LEVEL=loud", "MAX_EVENT_BYTES=16 potatoes", "MAX_BODY_BYTES=1",
			"TIMEOUT_CALL=1m", "JOURNAL_SYNC=-1s", "TRUSTED_PROXIES=10.0.0.0/8,home", "ADMIN_KEY=a b", "SQL_DSN=mysql://u:topsecret@h", "TOLLGATE_MASTER_KEY=short",
			"INIT_USERS=admin::a@b::sk-topsecret", "INIT_KEYS=sk-topsecret::ftp://x,::https://y", "MODEL_MAPPER=a=b,c,d=e*,a=f", "DEFAULT_OUTPUT_TOKENS=many",
			"OPENAI_API_KEY_FILE=/nonexistent/key", "XAI_BASE=https://a.example?x=1",
		},
	})
	all := strings.Join(got, "\n")
	if strings.Contains(all, "topsecret") {
		t.Errorf("a fault shows a secret:\n%s", all)
	}
	for _, want := range []string{
		"max_boddy_bytes (tollgate.yaml:1): is not a setting (did you mean max_body_bytes?)",
		`timeout_idle (tollgate.yaml:2): "soon" is not a duration`,
		`log_format (tollgate.yaml:3): "a,b" is none of auto, text, json`,
		"data (tollgate.yaml:4): must be a single value or a list",
		"timeout_idle (tollgate.yaml:5): stands twice, first in line 2",
		`LISTEN (environment): "localhost" is not an address`,
		"PORT (environment): must be at most 65535",
		"TOLLGATE_DATTA (environment): is not a setting (did you mean TOLLGATE_DATA?)",
		"TOLLGATE_LISTEN (environment): is not a setting (did you mean LISTEN?)",
		`LOG_LEVEL (environment): "loud" is none of debug, info, warn, error`,
		"MAX_EVENT_BYTES (environment):", "MAX_BODY_BYTES (environment): must be at least 1KiB",
		"TIMEOUT_ROUTE (default): must not be longer than TIMEOUT_CALL (1m0s)",
		"JOURNAL_SYNC (environment): must be at least 0s",
		`TRUSTED_PROXIES (environment): "home" is not a network`,
		"ADMIN_KEY (environment): must be printable ASCII",
		"SQL_DSN (environment): must begin with postgres://",
		"TOLLGATE_MASTER_KEY (environment): ",
		`INIT_USERS (environment): the name must be root, not "admin"`,
		"INIT_KEYS (environment): entry 1: after :: the base URL must begin with https://", "entry 2 has no key",
		`MODEL_MAPPER (environment): entry "c" must read asked=sent; entry "d=e*": the model to send must be a full name`, `entry "a=f": "a" stands twice`,
		`DEFAULT_OUTPUT_TOKENS (environment): "many" is not a whole number`,
		"OPENAI_API_KEY_FILE (environment): cannot be read: open /nonexistent/key",
		"XAI_BASE (environment): base URL must not have a query",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("lacks: %s", want)
		}
	}
	if len(got) != 24 {
		t.Errorf("%d faults, want 24:\n%s", len(got), all)
	}
}

func TestContradictions(t *testing.T) {
	path := file(t, "k", "sk-b")
	for name, tt := range map[string]struct {
		environ []string
		want    string
	}{
		"value and file":        {[]string{"ADMIN_KEY=sk-a", "ADMIN_KEY_FILE=" + path}, "ADMIN_KEY (environment): and ADMIN_KEY_FILE are both set"},
		"two admin keys":        {[]string{"ADMIN_KEY=sk-a", "INIT_USERS=root::a@b::sk-b"}, "INIT_USERS (environment): holds another key than ADMIN_KEY"},
		"older and newer name":  {[]string{"XAI_BASE=https://a.example", "OPENAI_API_BASE=https://b.example"}, "OPENAI_API_BASE (environment): says something else than XAI_BASE"},
		"empty file":            {[]string{"ADMIN_KEY_FILE=" + file(t, "e", "\n")}, "which is empty"},
		"several initial users": {[]string{"INIT_USERS=root::a@b::sk-b,joe::c@d::sk-d"}, "takes one account"},
		"missing file":          {[]string{"TOLLGATE_CONFIG=/nonexistent.yaml"}, "TOLLGATE_CONFIG (environment): cannot be read"},
		"file is a directory":   {[]string{"TOLLGATE_CONFIG=" + t.TempDir()}, "TOLLGATE_CONFIG (environment): cannot be read"},
	} {
		got := faults(t, Source{Environ: tt.environ})
		if len(got) != 1 || !strings.Contains(got[0], tt.want) {
			t.Errorf("%s: %q, want one with %q", name, got, tt.want)
		}
	}
	load(t, Source{Environ: []string{"ADMIN_KEY=sk-a", "INIT_USERS=root::a@b::sk-a"}})
}

func TestKubernetesServiceLinksAreNoSettings(t *testing.T) {
	load(t, Source{Environ: []string{
		"TOLLGATE_SERVICE_HOST=10.0.0.1", "TOLLGATE_SERVICE_PORT=3443", "TOLLGATE_SERVICE_PORT_HTTP=3443", "TOLLGATE_PORT=tcp://10.0.0.1:3443",
		"TOLLGATE_PORT_3443_TCP=tcp://10.0.0.1:3443", "TOLLGATE_PORT_3443_TCP_PROTO=tcp", "TOLLGATE_PORT_3443_TCP_ADDR=10.0.0.1", "TOLLGATE_POSTGRES_SERVICE_HOST=10.0.0.2",
	}})
}

func TestFile(t *testing.T) {
	cfg := load(t, Source{Environ: []string{"SPARE_KEY=sk-spare"}, File: file(t, "t.yaml", `
simulator: on
admin_key:
trusted_proxies: [10.0.0.0/8, 192.168.0.1]
model_mapper:
  z*: m1
  a*: m2
channels:
  - name: main
    provider: openai
    key: sk-1
    models: [gpt-*]
    mapping: {fast: gpt-4o-mini}
    pools: [default, vip]
    priority: 5
    weight: 2
  - {name: spare, base_url: "https://up.example/", key_env: SPARE_KEY, enabled: no}
  - {name: local, provider: ollama}
models:
  - name: gpt-x
    aliases: [x]
    context_tokens: 128000
    price:
      input: 0.10
      output: "2.5"
      tiers: [{above_input: 200000, input: 0.2, output: "3"}]
accounts:
  - name: acme
    email: ops@acme.example
    credit: 12.50
    limits: {rpm: 60}
    keys: [{name: ci, key: sk-tg-ci}]
  - {name: acme-eu, parent: acme}
`)})
	no := false
	channels := []Channel{
		{Name: "main", Provider: "openai", Key: "sk-1", Models: []string{"gpt-*"}, Mapping: map[string]string{"fast": "gpt-4o-mini"}, Pools: []string{"default", "vip"}, Priority: 5, Weight: 2, Line: 9},
		{Name: "spare", BaseURL: "https://up.example", Key: "sk-spare", KeyEnv: "SPARE_KEY", Enabled: &no, Line: 17},
		{Name: "local", Provider: "ollama", Line: 18},
	}
	plain := cmp.Comparer(func(a, b secret.Secret) bool { return a == b })
	if diff := cmp.Diff(channels, cfg.Channels, plain); diff != "" {
		t.Error(diff)
	}
	accounts := []Account{
		{Name: "acme", Email: "ops@acme.example", Credit: 12_500_000_000, Limits: account.Limits{RPM: 60}, Keys: []AccountKey{{Name: "ci", Key: "sk-tg-ci"}}, Line: 28},
		{Name: "acme-eu", Parent: "acme", Line: 33},
	}
	if diff := cmp.Diff(accounts, cfg.Accounts, plain, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
	if len(cfg.Models) != 1 || cfg.Models[0].Name != "gpt-x" || cfg.Models[0].ContextTokens != 128000 {
		t.Fatalf("models: %+v", cfg.Models)
	}
	if p := cfg.Models[0].Price; p == nil || p.Input != "0.10" || p.Output != "2.5" || len(p.Tiers) != 1 || p.Tiers[0].Input != "0.2" || p.Tiers[0].AboveInput != 200000 {
		t.Errorf("price: %+v", p)
	}
	if diff := cmp.Diff("z*=m1,a*=m2", cfg.Mapper.String()); diff != "" {
		t.Error(diff)
	}
	if cfg.Simulator != "on" || len(cfg.TrustedPeers) != 2 || cfg.AdminKey != "" {
		t.Errorf("simulator %s, proxies %v", cfg.Simulator, cfg.TrustedPeers)
	}
}

func TestFileFaultsNameTheirLine(t *testing.T) {
	got := faults(t, Source{File: file(t, "t.yaml", `channels:
  - name: a
    provider: opanai
    key: sk-topsecret
  - name: a
    provider: openai
    key: sk-topsecret
    key_env: NOPE
    wieght: 3
    priority: high
  - provider: openai-compatible
    key_env: NOPE
    models: gpt-4
  - {name: d, base_url: "no url"}
models:
  - name: m
    price: {inptu: 1, input: [1]}
    free: perhaps
accounts:
  - name: root
    credit: 1e3
  - name: b
    parent: nobody
    email: b
    keys: [{name: k}]
`)})
	want := []string{
		"channels[1].wieght (t.yaml:9): unknown name (did you mean weight?)",
		"channels[1].priority (t.yaml:10): must be a whole number",
		"channels[2].models (t.yaml:13): must be a list",
		"models[0].price.inptu (t.yaml:17): unknown name (did you mean input?)",
		"models[0].price.input (t.yaml:17): must be a single value",
		"models[0].free (t.yaml:18): must be true or false",
		`accounts[0].credit (t.yaml:21): amount "1e3" is not a plain decimal number like 0.25 (digits and at most one point; no sign, exponent or currency)`,
		`channels[0].provider (t.yaml:2): "opanai" is not known (did you mean openai?)`,
		`channels[1].name (t.yaml:5): "a" stands twice`,
		"channels[1] (t.yaml:5): has more than one of key, key_env and key_file; keep one of them",
		"channels[2].name (t.yaml:11): is missing",
		"channels[2].base_url (t.yaml:11): is missing: openai-compatible has no address of its own",
		"channels[2].key_env (t.yaml:11): names NOPE, which is not set",
		"channels[3].base_url (t.yaml:14): base URL must begin with https:// or http:// and name a host",
		"channels[3] (t.yaml:14): has no key: give one of key, key_env and key_file",
		"accounts[0].name (t.yaml:20): root is there already; its key is ADMIN_KEY",
		`accounts[1].parent (t.yaml:22): "nobody" is not an account that stands above this one`,
		`accounts[1].email (t.yaml:22): "b" is not an email address`,
		"accounts[1].keys[0] (t.yaml:22): has no key: give one of key, key_env and key_file",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// What the parts of the gateway would refuse at the start is a fault of the file, with all the others.
func TestFileFaultsOfMeaning(t *testing.T) {
	got := faults(t, Source{File: file(t, "t.yaml", `models:
  - {name: m, price: {input: "-1", output: abc}}
  - {name: n, free: true, price: {input: "1"}}
  - {name: o, free: true, ops: [generate, genrate], abilities: [tools, sight]}
accounts:
  - {name: one, role: king}
  - {name: two, time_zone: Mars/Olympus, credit: "1"}
  - {name: three, paths: [v1]}
  - {name: four, rates: "0.5"}
  - {name: five, email: nobody, role: king}
  - name: six
    keys: [{name: k, key: sk-six, models: ["gpt-[4]"], limits: {rpm: -1}}]
`)})
	want := []string{
		`models[0] (t.yaml:2): price.input: "-1" is not a plain decimal number like 0.25 (digits and at most one point; no sign, exponent or currency)`,
		`models[0] (t.yaml:2): price.output: "abc" is not a plain decimal number like 0.25 (digits and at most one point; no sign, exponent or currency)`,
		"models[0] (t.yaml:2): price: neither input nor per_request is said; a model that costs nothing says free instead",
		"models[1] (t.yaml:3): free: a model that is free has no price",
		`models[2] (t.yaml:4): ops: "genrate" is none of ["generate" "complete" "embed" "batch_embed" "moderate" "count_tokens"]`,
		`models[2] (t.yaml:4): abilities: "sight" is none of ["tools" "vision" "files" "audio" "video" "reasoning" "format" "image_out" "audio_out"]`,
		"accounts[0].role (t.yaml:6): must be manager or caller",
		"accounts[1].time_zone (t.yaml:7): is not a time zone like Europe/Berlin or UTC",
		`accounts[2].paths (t.yaml:8): "v1" must begin with a slash`,
		"accounts[3].rates (t.yaml:9): must be between 1 and 1000000",
		`accounts[4].email (t.yaml:10): "nobody" is not an email address`,
		"accounts[5].keys[0].limits.rpm (t.yaml:11): must not be negative (is -1); 0 is no limit",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	got = faults(t, Source{File: file(t, "t.yaml", "models:\n  - {name: m, free: true}\n  - {name: M, free: true}\n")})
	if want := []string{`models (t.yaml): model "M" stands there twice`}; !cmp.Equal(got, want) {
		t.Error(got)
	}
}

func TestBrokenFiles(t *testing.T) {
	for text, want := range map[string]string{
		"a: [1\nb: 2":          "file (t.yaml:2): is not YAML",
		"- 1":                  "must be a mapping",
		"just words":           "must be a mapping",
		"channels: {a: b}":     "channels (t.yaml:1): must be a list",
		"channels: [x]":        "channels[0] (t.yaml:1): must be a mapping",
		"config: other.yaml":   "config (t.yaml:1): is not a setting",
		"channels: 1\nlisten:": "channels (t.yaml:1): must be a list",
	} {
		got := faults(t, Source{File: file(t, "t.yaml", text)})
		if !strings.Contains(got[0], want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	for _, text := range []string{"", "# nothing\n", "---\n", "channels:\n"} {
		load(t, Source{File: file(t, "t.yaml", text)})
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "65536": 65536, "64KiB": 64 << 10, "64 kib": 64 << 10, "2MB": 2e6, "1GiB": 1 << 30, "7b": 7} {
		if got, err := parseSize(text); err != nil || got != want {
			t.Errorf("parseSize(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "-1", "1.5MiB", "MiB", "9999999999GiB", "64 Ki B", "0x10"} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("parseSize(%q) = %d", text, got)
		}
	}
}

func TestEverySettingIsDocumentedAndParses(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range settings() {
		if s.doc == "" || !strings.HasSuffix(s.doc, ".") {
			t.Errorf("%s has no doc line that ends in a full stop", s.env)
		}
		if seen[s.env] {
			t.Errorf("%s stands twice", s.env)
		}
		seen[s.env] = true
		if s.value != "" {
			if err := s.parse(s.value, reflect.New(reflect.TypeFor[Config]()).Elem().Field(s.index)); err != nil {
				t.Errorf("default of %s: %v", s.env, err)
			}
		}
	}
}

// The examples of the documentation are what people start from.
func TestExamplesLoad(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(readme), "```yaml\n")
	block, _, _ = strings.Cut(block, "```")
	for name, text := range map[string]string{"docs/configuration.md": Example, "README.md": block} {
		text = regexp.MustCompile(`/run/secrets/[a-z-]+`).ReplaceAllString(text, file(t, "secret", "sk-x"))
		cfg := load(t, Source{Environ: []string{"OPENAI_MAIN_KEY=sk-1", "ACME_CI_KEY=sk-2"}, File: file(t, "t.yaml", text)})
		if len(cfg.Channels) != 3 || len(cfg.Models) != 2 || len(cfg.Accounts) != 1 {
			t.Errorf("%s: %d channels, %d models, %d accounts", name, len(cfg.Channels), len(cfg.Models), len(cfg.Accounts))
		}
	}
}

func TestDocsNameEverySetting(t *testing.T) {
	var b strings.Builder
	if err := WriteDocs(&b); err != nil {
		t.Fatal(err)
	}
	for _, s := range settings() {
		if !strings.Contains(b.String(), "| `"+s.env+"`") {
			t.Errorf("%s is not documented", s.env)
		}
	}
}

func TestSummaryHidesSecrets(t *testing.T) {
	cfg := load(t, Source{Environ: []string{"ADMIN_KEY=sk-topsecret", "INIT_KEYS=sk-topsecret", "SQL_DSN=postgres://u:topsecret@h/d", "OPENAI_API_KEY=topsecret", "LISTEN=:1"}})
	var b strings.Builder
	if err := cfg.WriteSummary(&b); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "topsecret") {
		t.Errorf("the summary shows a secret:\n%s", b.String())
	}
	for _, want := range []string{"LISTEN                   :1                               environment", "1 channels, 1 provider keys"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the summary lacks %q:\n%s", want, b.String())
		}
	}
}
