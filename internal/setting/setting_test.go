package setting_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"maps"
	"strings"
	"testing"

	"tollgate/internal/mail"
	"tollgate/internal/secret"
	"tollgate/internal/setting"
)

// kept is a store in memory that "seals" by writing backwards.
type kept struct {
	values map[string]string
	fail   error
}

func (k *kept) Settings(context.Context) (map[string]string, error) { return maps.Clone(k.values), nil }

func (k *kept) ChangeSettings(_ context.Context, put map[string]string, drop []string) error {
	if k.fail != nil {
		return k.fail
	}
	maps.Copy(k.values, put)
	for _, name := range drop {
		delete(k.values, name)
	}
	return nil
}

func (k *kept) SealSetting(name string, plain secret.Secret) string {
	return "sealed " + name + " " + reverse(plain.Reveal())
}

func (k *kept) OpenSetting(name, sealed string) (secret.Secret, error) {
	rest, ok := strings.CutPrefix(sealed, "sealed "+name+" ")
	if !ok {
		return "", errors.New("damaged")
	}
	return secret.Secret(reverse(rest)), nil
}

func reverse(s string) string {
	b := []byte(s)
	for i := range len(b) / 2 {
		b[i], b[len(b)-1-i] = b[len(b)-1-i], b[i]
	}
	return string(b)
}

func environment() map[string]string {
	return map[string]string{"MODEL_MAPPER": "a=b", "EMAIL_PORT": "587", "EMAIL_TLS": "on", "EMAIL_PASS": "from-env", "RESOURCES": "/v1/chat/completions, /v1/*"}
}

func open(t *testing.T, k *kept) *setting.Settings {
	t.Helper()
	s, err := setting.Open(t.Context(), k, environment(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestChange(t *testing.T) {
	k := &kept{values: map[string]string{"unrelated": "x"}}
	s := open(t, k)
	if v := s.Values(); v.Models.Map("a") != "b" || len(v.Resources) != 2 || v.Mail.Enabled() || v.Mail.Pass != "from-env" {
		t.Errorf("of the environment: %+v", v)
	}
	shown, err := s.Change(t.Context(), map[string]string{
		"MODEL_MAPPER": "x*=y", "LEVEL_MAPPER": "gpt-4=2", "SWITCH_OVER": "2=3", "RESOURCES": "", "EMAIL_SMTP": "mail.example.com", "EMAIL_PORT": "465",
		"EMAIL_TLS": "true", "EMAIL_PASS": "canary", "EMAIL_SENDER": "Gate <gate@example.com>",
	})
	if err != nil || shown["EMAIL_PASS"] != "***" || shown["MODEL_MAPPER"] != "x*=y" || len(shown) != 9 {
		t.Errorf("%v, %v", shown, err)
	}
	check := func(when string, s *setting.Settings) {
		t.Helper()
		v := s.Values()
		if v.Models.Map("a") != "a" || v.Models.Map("xx") != "y" || v.Steps.String() != "2=3" || v.Resources != nil {
			t.Errorf("%s: %+v", when, v)
		}
		if n, ok := v.Levels.Level("gpt-4"); !ok || n != 2 {
			t.Errorf("%s: level %d", when, n)
		}
		if m := v.Mail; m.Host != "mail.example.com" || m.Port != 465 || m.Protect != mail.ProtectAuto || m.Pass != "canary" {
			t.Errorf("%s: %+v", when, m)
		}
		if texts := s.Texts(); texts["EMAIL_PASS"] != "***" || texts["EMAIL_PORT"] != "465" || len(texts) != 11 {
			t.Errorf("%s: %v", when, texts)
		}
	}
	check("at once", s)
	check("after a restart", open(t, k))
	for name, text := range k.values {
		if strings.Contains(text, "canary") {
			t.Errorf("%s is kept as %q", name, text)
		}
	}
	if _, err := s.Change(t.Context(), map[string]string{"EMAIL_PASS": "***"}); err != nil || s.Values().Mail.Pass != "canary" {
		t.Errorf("the mask as a password: %v, %s", err, s.Values().Mail.Pass.Reveal())
	}
	if err := s.Reset(t.Context(), []string{"MODEL_MAPPER", "EMAIL_PASS", "XAI_MAIL"}); err != nil {
		t.Fatal(err)
	}
	for when, s := range map[string]*setting.Settings{"at once": s, "after a restart": open(t, k)} {
		if v := s.Values(); v.Models.Map("a") != "b" || v.Mail.Pass != "from-env" || v.Steps.String() != "2=3" {
			t.Errorf("reset, %s: %+v", when, v)
		}
	}
	if k.values["unrelated"] != "x" {
		t.Error("a setting of somebody else is gone")
	}
}

// A change that is wrong in one place does nothing anywhere, and says what is wrong.
func TestRefusals(t *testing.T) {
	k := &kept{values: map[string]string{}}
	s := open(t, k)
	for _, c := range []struct {
		put  map[string]string
		says []string
	}{
		{map[string]string{"MODEL_MAPPER": "gpt-4=x,broken,ok=fine", "LEVEL_MAPPER": "a=1"}, []string{"MODEL_MAPPER", `"broken"`}},
		{map[string]string{"LEVEL_MAPPER": "gpt-4=99"}, []string{"LEVEL_MAPPER", `"gpt-4=99"`}},
		{map[string]string{"SWITCH_OVER": "1=1"}, []string{"SWITCH_OVER", `"1=1"`}},
		{map[string]string{"RESOURCES": "/v1/x,chat"}, []string{"RESOURCES", `"chat"`}},
		{map[string]string{"EMAIL_PORT": "smtp"}, []string{"EMAIL_PORT", `"smtp"`}},
		{map[string]string{"EMAIL_PORT": "70000"}, []string{"EMAIL_PORT", "65535"}},
		{map[string]string{"EMAIL_TLS": "maybe"}, []string{"EMAIL_TLS"}},
		{map[string]string{"EMAIL_SMTP": "host:25"}, []string{"EMAIL_SMTP", "port"}},
		{map[string]string{"EMAIL_SENDER": "me\r\nBcc: you@example.com"}, []string{"EMAIL_SENDER"}},
		{map[string]string{"XAI_MAIL": "nobody"}, []string{"XAI_MAIL", "nobody"}},
		{map[string]string{"ADMIN_KEY": "x"}, []string{"ADMIN_KEY", "MODEL_MAPPER"}},
		{map[string]string{"MODEL_MAPPER": strings.Repeat("x", 70_000)}, []string{"MODEL_MAPPER", "65536"}},
		{nil, []string{"no setting"}},
	} {
		_, err := s.Change(t.Context(), c.put)
		for _, word := range c.says {
			if err == nil || !strings.Contains(err.Error(), word) {
				t.Errorf("%v: %v, it should say %s", c.put, err, word)
			}
		}
	}
	if err := s.Reset(t.Context(), []string{"MODEL_MAPPER", "PORT"}); err == nil || !strings.Contains(err.Error(), "PORT") {
		t.Errorf("reset of something else: %v", err)
	}
	k.fail = errors.New("the disk is full")
	if _, err := s.Change(t.Context(), map[string]string{"MODEL_MAPPER": "a=c"}); !errors.Is(err, k.fail) {
		t.Error(err)
	}
	if v := s.Values(); v.Models.Map("a") != "b" || len(v.Levels) != 0 || len(k.values) != 0 {
		t.Errorf("something changed: %+v, %v", v, k.values)
	}
}

// What another release wrote does not stop the start.
func TestStrangeStore(t *testing.T) {
	var log bytes.Buffer
	k := &kept{values: map[string]string{"MODEL_MAPPER": "of the future", "EMAIL_PASS": "not sealed", "LEVEL_MAPPER": "m=3"}}
	s, err := setting.Open(t.Context(), k, environment(), slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if v := s.Values(); v.Models.Map("a") != "b" || v.Mail.Pass != "from-env" || v.Levels.String() != "m=3" {
		t.Errorf("%+v", v)
	}
	if text := log.String(); !strings.Contains(text, "MODEL_MAPPER") || !strings.Contains(text, "EMAIL_PASS") || strings.Contains(text, "not sealed") {
		t.Errorf("the log says %s", text)
	}
}

// What another gateway at the same store changes is taken over, and a fault is logged once.
func TestRefresh(t *testing.T) {
	var log bytes.Buffer
	k := &kept{values: map[string]string{}}
	one := open(t, k)
	two, err := setting.Open(t.Context(), k, environment(), slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := one.Change(t.Context(), map[string]string{"MODEL_MAPPER": "a=c", "EMAIL_PASS": "canary"}); err != nil {
		t.Fatal(err)
	}
	before := two.Values()
	if err := two.Refresh(t.Context()); err != nil || two.Values().Models.Map("a") != "c" || two.Values().Mail.Pass != "canary" || before.Models.Map("a") != "b" {
		t.Errorf("%v, %+v", err, two.Values())
	}
	same := two.Values()
	k.values["LEVEL_MAPPER"] = "of the future"
	for range 3 {
		if err := two.Refresh(t.Context()); err != nil || two.Values() != same {
			t.Errorf("%v, %+v", err, two.Values())
		}
	}
	if n := strings.Count(log.String(), "level=ERROR"); n != 1 {
		t.Errorf("the log says it %d times: %s", n, log.String())
	}
	if err := one.Reset(t.Context(), []string{"MODEL_MAPPER"}); err != nil {
		t.Fatal(err)
	}
	if err := two.Refresh(t.Context()); err != nil || two.Values().Models.Map("a") != "b" {
		t.Errorf("%v, %+v", err, two.Values())
	}
}
