package config

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"tollgate/internal/catalog"
)

// decoder turns YAML nodes into values by their json tags, so that a document has one form in the
// file and in the API. Scalars are taken as they are written: an unquoted 0.10 stays "0.10" in a
// string. Every fault is kept with its line, and the rest is still read.
type decoder struct {
	file   string
	faults *Faults
}

func (d decoder) fault(n *yaml.Node, path, format string, args ...any) {
	if path == "" {
		path = "file"
	}
	d.faults.add(fmt.Sprintf("%s:%d", d.file, n.Line), path, format, args...)
}

// decode reads n into v. path is how the value is named in faults.
func (d decoder) decode(n *yaml.Node, v reflect.Value, path string) {
	n = target(n)
	if isNull(n) {
		return // a name without a value is as good as left out
	}
	if v.Type() == reflect.TypeFor[catalog.Nanos]() {
		if s, ok := d.scalar(n, path); ok {
			amount, err := catalog.ParseNanos(s)
			if err != nil {
				d.fault(n, path, "%v", err)
			}
			v.SetInt(int64(amount))
		}
		return
	}
	if v.Type() == reflect.TypeFor[catalog.Multiplier]() {
		if s, ok := d.scalar(n, path); ok {
			m, err := catalog.ParseMultiplier(s)
			if err != nil {
				d.fault(n, path, "%v", err)
			}
			v.SetInt(int64(m))
		}
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.decode(n, v.Elem(), path)
	case reflect.Struct:
		d.object(n, v, path)
	case reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			d.fault(n, path, "must be a list")
			return
		}
		list := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
		for i, item := range n.Content {
			d.decode(item, list.Index(i), fmt.Sprintf("%s[%d]", path, i))
		}
		v.Set(list)
	case reflect.Map:
		m := reflect.MakeMap(v.Type())
		d.members(n, path, func(key, value *yaml.Node) {
			e := reflect.New(v.Type().Elem()).Elem()
			d.decode(value, e, path+"."+key.Value)
			m.SetMapIndex(reflect.ValueOf(key.Value).Convert(v.Type().Key()), e)
		})
		v.Set(m)
	default:
		if s, ok := d.scalar(n, path); ok {
			d.set(n, v, s, path)
		}
	}
}

func (d decoder) object(n *yaml.Node, v reflect.Value, path string) {
	fields := map[string]reflect.Value{}
	jsonFields(v, fields)
	d.members(n, path, func(key, value *yaml.Node) {
		f, ok := fields[key.Value]
		if !ok {
			known := make([]string, 0, len(fields))
			for name := range fields {
				known = append(known, name)
			}
			slices.Sort(known)
			d.fault(key, path+"."+key.Value, "unknown name%s", nearest(key.Value, known))
			return
		}
		d.decode(value, f, path+"."+key.Value)
	})
}

// members calls f for every member of the mapping n; a name that stands twice is a fault.
func (d decoder) members(n *yaml.Node, path string, f func(key, value *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		d.fault(n, path, "must be a mapping (name: value)")
		return
	}
	lines := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := target(n.Content[i])
		if first, twice := lines[key.Value]; twice {
			d.fault(n.Content[i], strings.TrimPrefix(path+"."+key.Value, "."), "stands twice, first in line %d", first)
			continue
		}
		lines[key.Value] = n.Content[i].Line
		f(key, n.Content[i+1])
	}
}

func (d decoder) scalar(n *yaml.Node, path string) (string, bool) {
	if n.Kind != yaml.ScalarNode {
		d.fault(n, path, "must be a single value")
		return "", false
	}
	return n.Value, true
}

func (d decoder) set(n *yaml.Node, v reflect.Value, s, path string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(s)
	case reflect.Bool:
		on, ok := parseBool(s)
		if !ok {
			d.fault(n, path, "must be true or false")
		}
		v.SetBool(on)
	case reflect.Int, reflect.Int64:
		i, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			d.fault(n, path, "must be a whole number")
		}
		v.SetInt(i)
	default:
		d.fault(n, path, "cannot be set from a file")
	}
}

// jsonFields collects the settable fields of the struct v, those of embedded structs included, by
// their json names.
func jsonFields(v reflect.Value, into map[string]reflect.Value) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			jsonFields(v.Field(i), into)
		case name != "" && name != "-":
			into[name] = v.Field(i)
		}
	}
}

// target follows an alias to what it stands for.
func target(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode && n.Alias != nil {
		n = n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// parseBool reads the words that people write for yes and no in YAML files and environments.
func parseBool(s string) (on, ok bool) {
	switch strings.ToLower(s) {
	case "true", "on", "yes", "1":
		return true, true
	case "false", "off", "no", "0":
		return false, true
	}
	return false, false
}
