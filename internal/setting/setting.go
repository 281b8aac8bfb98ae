// Package setting owns the settings that operators change while the gateway runs: what each may say,
// where it is kept, and what is in force now. The environment gives the value of those that nobody
// changed. What the values do is up to whoever asks for them.
package setting

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"tollgate/internal/mail"
	"tollgate/internal/mapping"
	"tollgate/internal/secret"
)

// The names of the settings.
const (
	ModelMapper = "MODEL_MAPPER"
	LevelMapper = "LEVEL_MAPPER"
	SwitchOver  = "SWITCH_OVER"
	Resources   = "RESOURCES"
	ServiceMail = "XAI_MAIL"
	EmailSMTP   = "EMAIL_SMTP"
	EmailPort   = "EMAIL_PORT"
	EmailAuth   = "EMAIL_AUTH"
	EmailPass   = "EMAIL_PASS"
	EmailSender = "EMAIL_SENDER"
	EmailTLS    = "EMAIL_TLS"
)

// Values are the settings at one moment. They are immutable.
type Values struct {
	Models      mapping.Models // model to send instead
	Levels      mapping.Levels // level of the keys that serve a model
	Steps       mapping.Steps  // level that takes over
	Resources   []string       // API paths that may be called; nil: all
	ServiceMail string         // address of the operator; may be ""
	Mail        mail.Server
}

// field is one setting.
type field struct {
	name   string
	secret bool
	parse  func(text string, v *Values) error
}

// fields lists the settings in the order of the documentation.
func fields() []field {
	return []field{
		{ModelMapper, false, func(s string, v *Values) (err error) { v.Models, err = mapping.ParseModels(s); return err }},
		{LevelMapper, false, func(s string, v *Values) (err error) { v.Levels, err = mapping.ParseLevels(s); return err }},
		{SwitchOver, false, func(s string, v *Values) (err error) { v.Steps, err = mapping.ParseSteps(s); return err }},
		{Resources, false, func(s string, v *Values) (err error) { v.Resources, err = parsePaths(s); return err }},
		{ServiceMail, false, func(s string, v *Values) error {
			v.ServiceMail = s
			if s == "" {
				return nil
			}
			_, err := mail.Address(s)
			return err
		}},
		{EmailSMTP, false, func(s string, v *Values) error { v.Mail.Host = s; return nil }},
		{EmailPort, false, func(s string, v *Values) error {
			n, err := strconv.Atoi(s)
			v.Mail.Port = n
			if err != nil {
				return fmt.Errorf("%.20q is not a port", s)
			}
			return nil
		}},
		{EmailAuth, false, func(s string, v *Values) error { v.Mail.User = s; return nil }},
		{EmailPass, true, func(s string, v *Values) error { v.Mail.Pass = secret.Secret(s); return nil }},
		{EmailSender, false, func(s string, v *Values) error { v.Mail.Sender = s; return nil }},
		{EmailTLS, false, func(s string, v *Values) error {
			switch s = strings.ToLower(s); s {
			case "true", "yes", "1", "":
				s = "on"
			case "false", "no", "0":
				s = "off"
			}
			v.Mail.Protect = mail.Protection(s)
			return nil
		}},
	}
}

// maxText bounds a value, in bytes.
const maxText = 64 << 10

// parsePaths reads API paths with commas between them.
func parsePaths(text string) ([]string, error) {
	var out []string
	for p := range strings.SplitSeq(text, ",") {
		if p = strings.TrimSpace(p); p == "" {
			continue
		}
		if !strings.HasPrefix(p, "/") && p != "*" || strings.ContainsAny(p, " \t\r\n?#") {
			return nil, fmt.Errorf("entry %.60q is not an API path such as /v1/chat/completions", p)
		}
		out = append(out, p)
	}
	return out, nil
}

// InputError says which setting was wrong, and why.
type InputError struct{ Name, Reason string }

func (e *InputError) Error() string { return e.Name + ": " + e.Reason }

// Store keeps what operators changed.
type Store interface {
	Settings(ctx context.Context) (map[string]string, error)
	ChangeSettings(ctx context.Context, put map[string]string, drop []string) error
	SealSetting(name string, plain secret.Secret) string
	OpenSetting(name, sealed string) (secret.Secret, error)
}

// Settings changes and shows the settings.
type Settings struct {
	store Store
	env   map[string]string // of the environment, by name
	log   *slog.Logger

	mu      sync.Mutex        // changes take turns
	changed map[string]string // by operators; secrets as they are
	faulty  map[string]string // what is stored and can't be read, so that it is logged once
	now     atomic.Pointer[Values]
}

// Open reads what operators changed. env are the values of the environment by name, secrets as they
// are. A stored value that this release can't read is logged and left out: the start must not hang on
// what only a running gateway can mend.
func Open(ctx context.Context, store Store, env map[string]string, log *slog.Logger) (*Settings, error) {
	s := &Settings{store: store, env: env, log: log, faulty: map[string]string{}}
	if _, err := s.read(nil); err != nil {
		return nil, err // of the environment
	}
	return s, s.Refresh(ctx)
}

// Refresh reads what operators changed, here or at another gateway.
func (s *Settings) Refresh(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	stored, err := s.store.Settings(ctx)
	if err != nil {
		return fmt.Errorf("read what operators changed: %w", err)
	}
	changed, faulty := map[string]string{}, map[string]string{}
	for _, f := range fields() {
		text, ok := stored[f.name]
		if !ok {
			continue
		}
		plain, err := s.open(f, text)
		if err == nil {
			changed[f.name] = plain
			if _, err = s.read(changed); err != nil {
				delete(changed, f.name)
			}
		}
		if err != nil {
			if faulty[f.name] = text; s.faulty[f.name] != text {
				s.log.LogAttrs(ctx, slog.LevelError, "a stored setting can't be read; the environment's value is in force", slog.String("setting", f.name), slog.Any("error", err))
			}
		}
	}
	s.faulty = faulty
	if s.now.Load() != nil && maps.Equal(changed, s.changed) {
		return nil
	}
	v, err := s.read(changed)
	if err != nil {
		return err
	}
	s.changed = changed
	s.now.Store(v)
	return nil
}

// open returns a stored value as it is.
func (s *Settings) open(f field, text string) (string, error) {
	if !f.secret || text == "" {
		return text, nil
	}
	plain, err := s.store.OpenSetting(f.name, text)
	return plain.Reveal(), err
}

// read parses what is in force with these changes.
func (s *Settings) read(changed map[string]string) (*Values, error) {
	v := &Values{}
	for _, f := range fields() {
		text, ok := changed[f.name]
		if !ok {
			text = s.env[f.name]
		}
		if err := f.parse(strings.TrimSpace(text), v); err != nil {
			return nil, &InputError{f.name, err.Error()}
		}
	}
	if err := v.Mail.Check(); err != nil {
		name, reason, _ := strings.Cut(err.Error(), " ")
		return nil, &InputError{name, strings.ReplaceAll(reason, "\n", "; ")}
	}
	return v, nil
}

// Values returns what is in force now.
func (s *Settings) Values() *Values { return s.now.Load() }

// mask stands for a secret that is set.
const mask = "***"

// Texts returns all settings as text, by name; a secret as a mask.
func (s *Settings) Texts() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]string{}
	for _, f := range fields() {
		text, ok := s.changed[f.name]
		if !ok {
			text = s.env[f.name]
		}
		if f.secret && text != "" {
			text = mask
		}
		out[f.name] = text
	}
	return out
}

// Change puts settings in force and keeps them, all or none. It returns them as Texts does. A secret
// given as its own mask stays as it is.
func (s *Settings) Change(ctx context.Context, put map[string]string) (map[string]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(put) == 0 {
		return nil, &InputError{"body", "no setting was named"}
	}
	known := fields()
	changed, stored, shown := maps.Clone(s.changed), map[string]string{}, map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(put)) {
		at := slices.IndexFunc(known, func(f field) bool { return f.name == name })
		if at < 0 {
			return nil, unknown(name)
		}
		text := put[name]
		if len(text) > maxText || strings.ContainsAny(text, "\x00\r\n") {
			return nil, &InputError{name, fmt.Sprintf("must be one line of at most %d bytes", maxText)}
		}
		shown[name] = text
		if !known[at].secret {
			changed[name], stored[name] = text, text
			continue
		}
		if text == mask {
			shown[name] = mask
			continue
		}
		changed[name], stored[name] = text, ""
		if text != "" {
			shown[name], stored[name] = mask, s.store.SealSetting(name, secret.Secret(text))
		}
	}
	return shown, s.apply(ctx, changed, stored, nil)
}

// Reset takes settings back to the environment's values, all or none.
func (s *Settings) Reset(ctx context.Context, names []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := fields()
	changed := maps.Clone(s.changed)
	for _, name := range names {
		if !slices.ContainsFunc(known, func(f field) bool { return f.name == name }) {
			return unknown(name)
		}
		delete(changed, name)
	}
	return s.apply(ctx, changed, nil, names)
}

// apply checks, keeps and puts in force what changed says. The caller holds mu.
func (s *Settings) apply(ctx context.Context, changed, put map[string]string, drop []string) error {
	v, err := s.read(changed)
	if err != nil {
		return err
	}
	if err := s.store.ChangeSettings(ctx, put, drop); err != nil {
		return err
	}
	s.changed = changed
	s.now.Store(v)
	return nil
}

func unknown(name string) error {
	var names []string
	for _, f := range fields() {
		names = append(names, f.name)
	}
	return &InputError{name, "is no setting; there are " + strings.Join(names, ", ")}
}
