package config

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"tollgate/internal/catalog"
	"tollgate/internal/ledger"
	"tollgate/internal/mapping"
	"tollgate/internal/provider"
	"tollgate/internal/secret"
)

// parse reads the text of a setting into v. Errors say what is wrong without repeating secrets.
func (s setting) parse(text string, v reflect.Value) error {
	if words := s.words(); words != nil {
		text = strings.ToLower(text)
		if !slices.Contains(words, text) {
			if on, ok := parseBool(text); ok && slices.Contains(words, "on") {
				text = map[bool]string{true: "on", false: "off"}[on]
			} else {
				return fmt.Errorf("%q is none of %s", text, strings.Join(words, ", "))
			}
		}
	}
	var value any
	var err error
	switch v.Interface().(type) {
	case slog.Level:
		var level slog.Level
		err = level.UnmarshalText([]byte(text))
		value = level
	case secret.Secret:
		if s.syntax == "dsn" {
			text = urlOf(text)
		}
		err = s.checkSecret(text)
		value = secret.Secret(text)
	case string:
		value, err = s.parseString(text)
	case int64:
		value, err = s.parseInt(text)
	case int:
		var n int64
		n, err = s.parseInt(text)
		value = int(n)
	case time.Duration:
		value, err = s.parseDuration(text)
	case []SpentRatio:
		value, err = parseRatios(text)
	case []netip.Prefix:
		value, err = parsePrefixes(text)
	case *InitUser:
		value, err = parseInitUser(text)
	case []InitKey:
		value, err = parseInitKeys(text)
	case mapping.Models:
		value, err = mapping.ParseModels(text)
	case mapping.Levels:
		value, err = mapping.ParseLevels(text)
	case mapping.Steps:
		value, err = mapping.ParseSteps(text)
	case []string:
		value = slices.Collect(entries(text))
	case ledger.Fee:
		value, err = ledger.ParseFee(text)
	case catalog.Nanos:
		value, err = catalog.ParseNanos(text)
	default:
		err = fmt.Errorf("has the unreadable type %s", v.Type())
	}
	if err != nil {
		return err
	}
	v.Set(reflect.ValueOf(value))
	return nil
}

func (s setting) parseString(text string) (string, error) {
	switch s.syntax {
	case "listen":
		return parseListen(text)
	case "url":
		return parseBase(text)
	}
	return text, nil
}

func (s setting) checkSecret(text string) error {
	switch s.syntax {
	case "token":
		for _, r := range text {
			if r <= ' ' || r > '~' {
				return errors.New("must be printable ASCII without spaces, or no client could send it in a header")
			}
		}
	case "master":
		_, err := secret.ParseMaster(text)
		return err
	case "dsn":
		scheme, _, _ := strings.Cut(text, ":")
		switch scheme {
		case "sqlite", "sqlite3", "file":
			return nil
		case "postgres", "postgresql":
			if _, err := url.Parse(text); err != nil {
				return errors.New("is not a URL; a password with special characters must be percent-encoded")
			}
			return nil
		}
		return errors.New("must begin with postgres://, sqlite: or file:, or read host=… user=… dbname=…; leave it out for SQLite in the data directory")
	}
	return nil
}

// urlOf returns the address of a database as a URL if it is written as "host=… user=… dbname=…", and
// as it is otherwise.
// Source: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING, read 2026-11-20.
func urlOf(text string) string {
	values := map[string]string{}
	for rest := strings.TrimSpace(text); rest != ""; rest = strings.TrimSpace(rest) {
		name, after, ok := strings.Cut(rest, "=")
		if name = strings.TrimSpace(name); !ok || name == "" || strings.ContainsAny(name, ":/ ") {
			return text
		}
		values[name], rest = wordOf(strings.TrimLeft(after, " "))
	}
	if values["host"] == "" {
		return text
	}
	u := url.URL{Scheme: "postgres", Host: values["host"], Path: "/" + values["dbname"]}
	if strings.HasPrefix(u.Host, "/") { // the directory of a socket
		u.Host = ""
	} else {
		delete(values, "host")
		if port := values["port"]; port != "" {
			u.Host = net.JoinHostPort(u.Host, port)
			delete(values, "port")
		}
	}
	if values["user"] != "" {
		u.User = url.UserPassword(values["user"], values["password"])
	}
	query := url.Values{}
	for name, value := range values {
		if !slices.Contains([]string{"user", "password", "dbname"}, name) {
			query.Set(name, value)
		}
	}
	u.RawQuery = query.Encode()
	return u.String()
}

// wordOf takes the first value off a connection string; one in quotes may hold spaces.
func wordOf(s string) (value, rest string) {
	var b strings.Builder
	quoted := strings.HasPrefix(s, "'")
	if quoted {
		s = s[1:]
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case quoted && c == '\'', !quoted && c == ' ':
			return b.String(), s[i+1:]
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), ""
}

func (s setting) parseInt(text string) (int64, error) {
	var n int64
	var err error
	if s.syntax == "size" {
		n, err = parseSize(text)
	} else if n, err = strconv.ParseInt(text, 10, 64); err != nil {
		err = fmt.Errorf("%q is not a whole number", text)
	}
	if err != nil {
		return 0, err
	}
	return n, within(s, n, func(bound string) (int64, error) {
		if s.syntax == "size" {
			return parseSize(bound)
		}
		return strconv.ParseInt(bound, 10, 64)
	})
}

func (s setting) parseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration like 500ms, 30s or 5m", text)
	}
	return d, within(s, d, time.ParseDuration)
}

// within checks value against the bounds of s, which are written as a user would write them.
func within[T int64 | time.Duration](s setting, value T, parse func(string) (T, error)) error {
	for _, b := range []struct {
		text, words string
		wrong       func(bound T) bool
	}{
		{s.min, "at least", func(bound T) bool { return value < bound }},
		{s.max, "at most", func(bound T) bool { return value > bound }},
	} {
		if b.text == "" {
			continue
		}
		bound, err := parse(b.text)
		if err != nil {
			return fmt.Errorf("bound %s of the setting itself: %w", b.text, err)
		}
		if b.wrong(bound) {
			return fmt.Errorf("must be %s %s", b.words, b.text)
		}
	}
	return nil
}

// parseSize reads a number of bytes: 65536, 64KiB, 64MiB, 1GiB, or decimal kB, MB, GB.
func parseSize(text string) (int64, error) {
	digits := strings.TrimRight(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ")
	unit, ok := map[string]int64{
		"": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30,
	}[strings.ToLower(strings.TrimSpace(text[len(digits):]))]
	n, err := strconv.ParseInt(digits, 10, 64)
	if !ok || err != nil || n < 0 || n > math.MaxInt64/unit {
		return 0, fmt.Errorf("%q is not a size like 65536, 64KiB or 64MiB", text)
	}
	return n * unit, nil
}

func parseListen(text string) (string, error) {
	if _, err := strconv.ParseUint(text, 10, 16); err == nil {
		text = ":" + text
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return "", fmt.Errorf("%q is not an address like :3000 or 127.0.0.1:3000", text)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", fmt.Errorf("port %q is not a number from 0 to 65535", port)
	}
	return net.JoinHostPort(host, port), nil
}

// parseBase reads a base URL and drops a slash at its end.
func parseBase(text string) (string, error) {
	return strings.TrimRight(text, "/"), provider.CheckBase(text)
}

func parsePrefixes(text string) ([]netip.Prefix, error) {
	var list []netip.Prefix
	for entry := range entries(text) {
		if addr, err := netip.ParseAddr(entry); err == nil {
			list = append(list, netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(entry)
		if err != nil {
			return nil, fmt.Errorf("%q is not a network like 10.0.0.0/8 or an address", entry)
		}
		list = append(list, p.Masked())
	}
	return list, nil
}

func parseInitUser(text string) (*InitUser, error) {
	if strings.Contains(text, ",") {
		return nil, errors.New("takes one account, root; make others through the API or accounts: in the file")
	}
	parts := strings.Split(text, "::")
	if len(parts) == 1 {
		parts = strings.SplitN(text, ":", 3)
	}
	if len(parts) != 3 {
		return nil, errors.New("must read root::email::key")
	}
	u := InitUser{Name: strings.TrimSpace(parts[0]), Email: strings.TrimSpace(parts[1]), Key: secret.Secret(strings.TrimSpace(parts[2]))}
	switch {
	case u.Name != "root":
		return nil, fmt.Errorf("the name must be root, not %q", u.Name)
	case u.Email != "" && !strings.Contains(u.Email, "@"):
		return nil, errors.New("its second part must be an email address")
	case u.Key == "":
		return nil, errors.New("its third part, the key, is empty")
	}
	return &u, setting{syntax: "token"}.checkSecret(u.Key.Reveal())
}

func parseInitKeys(text string) ([]InitKey, error) {
	var list []InitKey
	var faults []error
	for entry := range entries(text) {
		n := len(list) + len(faults) + 1
		key, base, given := strings.Cut(entry, "::")
		key = strings.TrimSpace(key)
		if key == "" || strings.ContainsAny(key, " \t") {
			faults = append(faults, fmt.Errorf("entry %d has no key; it must read key::https://host", n))
			continue
		}
		if given {
			var err error
			if base, err = parseBase(strings.TrimSpace(base)); err != nil {
				faults = append(faults, fmt.Errorf("entry %d: after :: the %w", n, err))
				continue
			}
		}
		list = append(list, InitKey{Key: secret.Secret(key), Base: base})
	}
	return list, joinFaults(faults)
}

// entries yields the comma-separated parts of text that are not blank.
func entries(text string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for part := range strings.SplitSeq(text, ",") {
			if part = strings.TrimSpace(part); part != "" && !yield(part) {
				return
			}
		}
	}
}

// joinFaults makes one error on one line of several; nil of none.
func joinFaults(faults []error) error {
	if len(faults) == 0 {
		return nil
	}
	words := make([]string, len(faults))
	for i, err := range faults {
		words[i] = err.Error()
	}
	return errors.New(strings.Join(words, "; "))
}

// parseRatios reads "spent=ratio, …" in dollars and factors, and sorts by the former. The error names
// every faulty entry.
func parseRatios(text string) ([]SpentRatio, error) {
	var list []SpentRatio
	var faults []error
	for entry := range entries(text) {
		spent, ratio, ok := strings.Cut(entry, "=")
		var r SpentRatio
		var err1, err2 error
		if ok {
			r.Spent, err1 = catalog.ParseNanos(strings.TrimSpace(spent))
			r.Ratio, err2 = catalog.ParseMultiplier(strings.TrimSpace(ratio))
		}
		switch {
		case !ok || err1 != nil || err2 != nil:
			faults = append(faults, fmt.Errorf("entry %q must read dollars=factor, as in 100=2", entry))
		case slices.ContainsFunc(list, func(o SpentRatio) bool { return o.Spent == r.Spent }):
			faults = append(faults, fmt.Errorf("entry %q: $%s stands twice", entry, r.Spent))
		default:
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b SpentRatio) int { return cmp.Compare(a.Spent, b.Spent) })
	return list, joinFaults(faults)
}
