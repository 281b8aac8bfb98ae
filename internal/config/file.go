package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"tollgate/internal/account"
	"tollgate/internal/catalog"
	"tollgate/internal/mapping"
	"tollgate/internal/provider/builtin"
	"tollgate/internal/secret"
)

// lists are the members of the file that are not settings.
var lists = [...]string{"channels", "models", "accounts"}

// readFile reads the YAML file: path from a flag, else TOLLGATE_CONFIG, else DefaultFile if it exists.
func (l *loader) readFile(path string, all []setting) {
	where := fromFlag
	if path == "" {
		path, where = l.env["TOLLGATE_CONFIG"], fromEnv
	}
	must := path != ""
	if !must {
		path, where = DefaultFile, fromDefault
	}
	raw, err := os.ReadFile(path)
	if isMissing(err) && !must {
		return
	}
	if err != nil {
		l.faults.add(where, "TOLLGATE_CONFIG", "cannot be read: %v", err)
		return
	}
	l.cfg.File = path
	l.cfg.origins["TOLLGATE_CONFIG"] = where

	d := decoder{file: filepath.Base(path), faults: &l.faults}
	var doc yaml.Node
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		at := d.file
		if bad := new(yaml.LoadError); errors.As(err, &bad) {
			at = fmt.Sprintf("%s:%d", d.file, bad.Mark.Line)
		}
		l.faults.add(at, "file", "is not YAML: %v", err)
		return
	}
	if len(doc.Content) == 0 || isNull(doc.Content[0]) {
		return // empty, or comments alone
	}
	l.readDocument(d, doc.Content[0], all)
}

func (l *loader) readDocument(d decoder, root *yaml.Node, all []setting) {
	byKey := map[string]setting{}
	known := slices.Clone(lists[:])
	for _, s := range all {
		if s.key() == "" {
			continue
		}
		byKey[s.key()] = s
		known = append(known, s.key())
		if s.secret {
			byKey[s.key()+"_file"] = s
			known = append(known, s.key()+"_file")
		}
	}
	d.members(root, "", func(key, value *yaml.Node) {
		value = target(value)
		switch name := key.Value; name {
		case "channels":
			d.decode(value, reflect.ValueOf(&l.cfg.Channels).Elem(), name)
			for i := range min(len(value.Content), len(l.cfg.Channels)) {
				l.cfg.Channels[i].Line = value.Content[i].Line
			}
		case "models":
			d.decode(value, reflect.ValueOf(&l.cfg.Models).Elem(), name)
			for _, n := range value.Content {
				l.modelLines = append(l.modelLines, n.Line)
			}
		case "accounts":
			d.decode(value, reflect.ValueOf(&l.cfg.Accounts).Elem(), name)
			for i := range min(len(value.Content), len(l.cfg.Accounts)) {
				l.cfg.Accounts[i].Line = value.Content[i].Line
			}
		default:
			s, ok := byKey[name]
			if !ok {
				d.fault(key, name, "is not a setting%s", nearest(name, known))
				return
			}
			l.readValue(d, s, key, value)
		}
	})
}

// readValue takes a setting from the file. A list stands for its entries with commas between them, a
// mapping for its entries as name=value.
func (l *loader) readValue(d decoder, s setting, key, value *yaml.Node) {
	if isNull(value) {
		return
	}
	var text string
	switch value.Kind {
	case yaml.SequenceNode:
		var parts []string
		d.decode(value, reflect.ValueOf(&parts).Elem(), key.Value)
		text = strings.Join(parts, ",")
	case yaml.MappingNode:
		if !slices.Contains([]string{"MODEL_MAPPER", "LEVEL_MAPPER", "SWITCH_OVER"}, s.env) {
			d.fault(value, key.Value, "must be a single value or a list")
			return
		}
		var parts []string
		d.members(value, key.Value, func(k, v *yaml.Node) {
			if to, ok := d.scalar(target(v), key.Value+"."+k.Value); ok {
				parts = append(parts, k.Value+"="+to)
			}
		})
		text = strings.Join(parts, ",")
	default:
		text = value.Value
	}
	where := fmt.Sprintf("%s:%d", d.file, key.Line)
	if strings.HasSuffix(key.Value, "_file") {
		var err error
		if text, err = readSecret(text); err != nil {
			l.faults.add(where, key.Value, "%v", err)
			return
		}
	}
	if _, twice := l.given[s.env]; twice {
		l.faults.add(where, key.Value, "stands here with and without _file; keep one of them")
		return
	}
	l.given[s.env] = given{text, where, key.Value}
}

func (l *loader) checkChannels() {
	file := filepath.Base(l.cfg.File)
	names := map[string]bool{}
	for i := range l.cfg.Channels {
		c := &l.cfg.Channels[i]
		where, path := fmt.Sprintf("%s:%d", file, c.Line), fmt.Sprintf("channels[%d]", i)
		if c.Name == "" {
			l.faults.add(where, path+".name", "is missing")
		} else if names[c.Name] {
			l.faults.add(where, path+".name", "%q stands twice", c.Name)
		}
		names[c.Name] = true
		if c.BaseURL != "" {
			base, err := parseBase(c.BaseURL)
			if err != nil {
				l.faults.add(where, path+".base_url", "%v", err)
			} else {
				c.BaseURL = base
			}
		}
		if c.Weight < 0 {
			l.faults.add(where, path+".weight", "must be at least 0")
		}
		keyless := l.checkProvider(c, where, path)
		l.resolve(&c.Key, c.KeyEnv, c.KeyFile, keyless, where, path)
	}
}

// checkProvider checks the provider of c and reports whether it needs no key.
func (l *loader) checkProvider(c *Channel, where, path string) (keyless bool) {
	if c.Provider == "" {
		if c.BaseURL == "" {
			l.faults.add(where, path, "needs a provider or a base_url")
		}
		p, err := builtin.ByURL(c.BaseURL)
		return err == nil && p.Keyless // a faulty URL is named by the caller
	}
	p, ok := builtin.ByName(c.Provider)
	if !ok {
		var known []string
		for _, p := range builtin.All() {
			known = append(known, p.Name)
		}
		hint := nearest(c.Provider, known)
		if hint == "" {
			hint = "; there are " + strings.Join(known, ", ")
		}
		l.faults.add(where, path+".provider", "%q is not known%s", c.Provider, hint)
		return false
	}
	if p.Base == "" && c.BaseURL == "" {
		l.faults.add(where, path+".base_url", "is missing: %s has no address of its own", p.Name)
	}
	return p.Keyless
}

// resolve fills key from the environment variable or the file that stands in its place.
func (l *loader) resolve(key *secret.Secret, env, file string, optional bool, where, path string) {
	n := 0
	for _, given := range []bool{*key != "", env != "", file != ""} {
		if given {
			n++
		}
	}
	switch {
	case n > 1:
		l.faults.add(where, path, "has more than one of key, key_env and key_file; keep one of them")
	case n == 0 && !optional:
		l.faults.add(where, path, "has no key: give one of key, key_env and key_file")
	case env != "":
		text, _, ok := l.variable(env, true)
		if !ok {
			l.faults.add(where, path+".key_env", "names %s, which is not set", env)
		}
		*key = secret.Secret(strings.TrimSpace(text))
	case file != "":
		text, err := readSecret(file)
		if err != nil {
			l.faults.add(where, path+".key_file", "%v", err)
		}
		*key = secret.Secret(text)
	}
}

// checkModels has the catalogue look at each model, and at all of them beside one another.
func (l *loader) checkModels() {
	file := filepath.Base(l.cfg.File)
	sound := true
	for i := range min(len(l.cfg.Models), len(l.modelLines)) {
		path := fmt.Sprintf("models[%d]", i)
		err := l.cfg.Models[i].Check()
		if l.faults.within(path) {
			sound = false
			continue // what could not be read is missing now
		}
		l.faults.addAll(fmt.Sprintf("%s:%d", file, l.modelLines[i]), path, err)
		sound = sound && err == nil
	}
	if sound {
		_, err := catalog.NewSnapshot(l.cfg.Models)
		l.faults.addAll(file, "models", err)
	}
}

func (l *loader) checkAccounts() {
	file := filepath.Base(l.cfg.File)
	names := map[string]bool{"root": true}
	for i := range l.cfg.Accounts {
		a := &l.cfg.Accounts[i]
		where, path := fmt.Sprintf("%s:%d", file, a.Line), fmt.Sprintf("accounts[%d]", i)
		switch {
		case a.Name == "":
			l.faults.add(where, path+".name", "is missing")
		case a.Name == "root":
			l.faults.add(where, path+".name", "root is there already; its key is ADMIN_KEY")
		case names[a.Name]:
			l.faults.add(where, path+".name", "%q stands twice", a.Name)
		}
		if a.Parent != "" && !names[a.Parent] {
			l.faults.add(where, path+".parent", "%q is not an account that stands above this one", a.Parent)
		}
		names[a.Name] = true
		if a.Email != "" && !strings.Contains(a.Email, "@") {
			l.faults.add(where, path+".email", "%q is not an email address", a.Email)
		}
		if _, err := account.ParseIPs(a.IPs); err != nil {
			l.faults.add(where, path+".ips", "%v", err)
		}
		if _, err := mapping.ParseModels(a.ModelMapper); err != nil {
			l.faults.add(where, path+".model_mapper", "%v", err)
		}
		if _, err := mapping.ParseLevels(a.LevelMapper); err != nil {
			l.faults.add(where, path+".level_mapper", "%v", err)
		}
		for j := range a.Keys {
			k := &a.Keys[j]
			if _, err := account.ParseIPs(k.IPs); err != nil {
				l.faults.add(where, fmt.Sprintf("%s.keys[%d].ips", path, j), "%v", err)
			}
			l.resolve(&k.Key, k.KeyEnv, k.KeyFile, false, where, fmt.Sprintf("%s.keys[%d]", path, j))
			if key, err := k.AsKey(); err == nil {
				l.unsound(where, fmt.Sprintf("%s.keys[%d]", path, j), key.Check())
			}
		}
		if l.faults.within(path) {
			continue // what could not be read is missing now
		}
		if acc, err := a.AsAccount(); err == nil {
			l.unsound(where, path, acc.Check())
		}
	}
}

// unsound notes what account finds wrong with an entry.
func (l *loader) unsound(where, path string, err error) {
	if input, ok := errors.AsType[*account.InputError](err); ok {
		l.faults.add(where, path+"."+input.Field, "%s", input.Reason)
	} else if err != nil {
		l.faults.add(where, path, "%v", err)
	}
}
