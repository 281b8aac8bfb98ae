package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"tollgate/internal/ledger"
	"tollgate/internal/provider/builtin"
	"tollgate/internal/secret"
)

// DefaultFile is the YAML file that is read when none is named and it exists.
const DefaultFile = "tollgate.yaml"

// Source is where settings come from. A flag wins over the environment, the environment over the
// file, the file over the default. An empty value is no value.
type Source struct {
	Environ []string          // NAME=value, as os.Environ gives it
	File    string            // path of the YAML file, from a flag; must exist when given
	Flags   map[string]string // by the name in the environment
}

// Where a value came from, in Config.Origin and in faults.
const (
	fromDefault = "default"
	fromEnv     = "environment"
	fromFlag    = "flag"
)

// loader collects values and faults while settings are read.
type loader struct {
	env    map[string]string
	flags  map[string]string
	cfg    *Config
	faults Faults
	given  map[string]given // by the name in the environment

	modelLines []int // of the entries of models: in the file
}

// given is the text of a setting and where it stands.
type given struct {
	text, where, name string
}

// Load reads and checks all settings. The error is Faults with everything that is wrong.
func Load(src Source) (*Config, error) {
	l := loader{env: map[string]string{}, flags: src.Flags, cfg: &Config{origins: map[string]string{}, ProviderKeys: map[string]secret.Secret{}}, given: map[string]given{}}
	for _, pair := range src.Environ {
		if name, value, ok := strings.Cut(pair, "="); ok && value != "" {
			l.env[name] = value
		}
	}
	all := settings()
	l.readFile(src.File, all)
	l.readEnvironment(all)
	l.refuseUnknown(all)
	l.parse(all)
	l.readProviderKeys()
	l.check()
	if len(l.faults) > 0 {
		return nil, l.faults
	}
	return l.cfg, nil
}

// Origin says where the value of the setting came from: "default", "environment", "flag", or a place
// in the file.
func (c *Config) Origin(env string) string {
	if o, ok := c.origins[env]; ok {
		return o
	}
	return fromDefault
}

func (l *loader) readEnvironment(all []setting) {
	for _, s := range all {
		if text, where, ok := l.variable(s.env, s.secret); ok {
			l.given[s.env] = given{text, where, s.env}
			if was, both := l.env[s.old]; both && was != text {
				l.faults.add(fromEnv, s.old, "says something else than %s, its newer name; keep one of them", s.env)
			}
		} else if text, where, ok := l.variable(s.old, s.secret); ok {
			l.given[s.env] = given{text, where, s.old}
		}
		if text := l.flags[s.env]; text != "" {
			l.given[s.env] = given{text, fromFlag, "--" + s.key()}
		}
	}
}

// variable reads name from the environment; a secret one also from the file that name_FILE gives.
func (l *loader) variable(name string, isSecret bool) (text, where string, ok bool) {
	text, ok = l.env[name]
	if !isSecret {
		return text, fromEnv, ok
	}
	path, inFile := l.env[name+"_FILE"]
	switch {
	case ok && inFile:
		l.faults.add(fromEnv, name, "and %s_FILE are both set; keep one of them", name)
	case inFile:
		text, err := readSecret(path)
		if err != nil {
			l.faults.add(fromEnv, name+"_FILE", "%v", err)
			return "", "", false
		}
		return text, path, true
	}
	return text, fromEnv, ok
}

// maxSecretFile bounds a file of one secret; INIT_KEYS may hold many keys.
const maxSecretFile = 1 << 20

func readSecret(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("cannot be read: %w", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	switch text := strings.TrimSpace(string(raw)); {
	case err != nil:
		return "", fmt.Errorf("cannot be read: %w", err)
	case len(raw) > maxSecretFile:
		return "", fmt.Errorf("names %s, which is larger than 1 MiB: hardly a secret", path)
	case text == "":
		return "", fmt.Errorf("names %s, which is empty", path)
	default:
		return text, nil
	}
}

// serviceLinks are variables that Kubernetes makes for services that are themselves named tollgate
// or tollgate-something; nobody set them, so they are not taken for misspelt settings.
// Source: https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables, read 2026-11-20.
var serviceLinks = regexp.MustCompile(`^TOLLGATE_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

func (l *loader) refuseUnknown(all []setting) {
	var known []string
	for _, s := range all {
		known = append(known, s.env)
		if s.secret {
			known = append(known, s.env+"_FILE")
		}
	}
	var unknown []string
	for name := range l.env {
		if strings.HasPrefix(name, "TOLLGATE_") && !slices.Contains(known, name) && !serviceLinks.MatchString(name) {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	for _, name := range unknown {
		hint := nearest(name, known)
		if plain := strings.TrimPrefix(name, "TOLLGATE_"); slices.Contains(known, plain) {
			hint = " (did you mean " + plain + "?)"
		}
		l.faults.add(fromEnv, name, "is not a setting%s", hint)
	}
}

func (l *loader) parse(all []setting) {
	v := reflect.ValueOf(l.cfg).Elem()
	for _, s := range all {
		g, ok := l.given[s.env]
		if s.key() == "" {
			continue // the file itself, which is read by now
		} else if ok {
			l.cfg.origins[s.env] = g.where
		} else if g = (given{s.value, fromDefault, s.env}); s.value == "" {
			continue
		}
		if err := s.parse(strings.TrimSpace(g.text), v.Field(s.index)); err != nil {
			l.faults.add(g.where, g.name, "%v", err)
		}
	}
}

// readProviderKeys reads the key variables of the built-in providers.
func (l *loader) readProviderKeys() {
	for _, name := range slices.Sorted(maps.Keys(builtin.EnvKeys())) {
		if text, _, ok := l.variable(name, true); ok {
			l.cfg.ProviderKeys[name] = secret.Secret(strings.TrimSpace(text))
		}
	}
}

// check applies the rules between settings.
func (l *loader) check() {
	c := l.cfg
	_, listen := c.origins["LISTEN"]
	if _, port := c.origins["PORT"]; port && !listen {
		c.Listen = fmt.Sprintf(":%d", c.Port)
		c.origins["LISTEN"] = "PORT"
	}
	for i := range c.InitKeys {
		if c.InitKeys[i].Base == "" {
			c.InitKeys[i].Base = c.XAIBase
		}
	}
	if c.InitUser != nil {
		if c.AdminKey != "" && c.AdminKey != c.InitUser.Key {
			l.faults.add(c.origins["INIT_USERS"], "INIT_USERS", "holds another key than ADMIN_KEY; keep one of them")
		}
		c.AdminKey = c.InitUser.Key
	}
	if c.TimeoutRoute > c.TimeoutCall {
		l.faults.add(c.Origin("TIMEOUT_ROUTE"), "TIMEOUT_ROUTE", "must not be longer than TIMEOUT_CALL (%v)", c.TimeoutCall)
	}
	if least := int(ledger.LeastKept.Hours() / 24); c.KeepCalls > 0 && c.KeepCalls < least {
		l.faults.add(c.Origin("CALLS_KEEP_DAYS"), "CALLS_KEEP_DAYS", "must be at least %d, or 0 for ever: monthly limits are counted anew from records", least)
	}
	l.checkChannels()
	l.checkModels()
	l.checkAccounts()
}

// isMissing reports whether err says that a file does not exist.
func isMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
