package config

import (
	"reflect"
	"strings"

	"tollgate/internal/secret"
)

// setting is what the tags of one field of Config say.
type setting struct {
	index   int    // of the field in Config
	env     string // name in the environment
	old     string // older name; "" if there is none
	value   string // default as a user would write it; "" if there is none
	syntax  string
	one     string
	min     string
	max     string
	doc     string
	section string // heading that starts here; "" if none does
	secret  bool   // also accepts NAME_FILE, and is never printed
}

// settings lists the settings in the order of Config.
func settings() []setting {
	t := reflect.TypeFor[Config]()
	var list []setting
	for i := range t.NumField() {
		f := t.Field(i)
		env, ok := f.Tag.Lookup("env")
		if !ok {
			continue
		}
		s := setting{
			index: i, env: env, old: f.Tag.Get("old"), value: f.Tag.Get("default"), syntax: f.Tag.Get("is"), one: f.Tag.Get("one"),
			min: f.Tag.Get("min"), max: f.Tag.Get("max"), doc: f.Tag.Get("doc"), section: f.Tag.Get("section"),
		}
		s.secret = s.syntax == "secret" || f.Type == reflect.TypeFor[secret.Secret]()
		list = append(list, s)
	}
	return list
}

// key is the name of the setting in the file; "" if it cannot stand there.
func (s setting) key() string {
	if s.syntax == "env-only" {
		return ""
	}
	return strings.ToLower(strings.TrimPrefix(s.env, "TOLLGATE_"))
}

func (s setting) words() []string {
	if s.one == "" {
		return nil
	}
	return strings.Split(s.one, "|")
}
