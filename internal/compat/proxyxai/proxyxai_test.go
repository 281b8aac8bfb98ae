package proxyxai

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/audit"
	"tollgate/internal/canon"
	"tollgate/internal/pool"
	"tollgate/internal/secret"
	"tollgate/internal/setting"
)

// channels keeps channels as a pool does, without its rules.
type channels struct {
	all     []pool.Status
	reloads int
}

func (c *channels) List() []pool.Status { return append([]pool.Status(nil), c.all...) }

func (c *channels) find(id string) (*pool.Status, error) {
	for i := range c.all {
		if c.all[i].Channel.ID == id {
			return &c.all[i], nil
		}
	}
	return nil, pool.ErrNotFound
}

func (c *channels) Get(id string) (pool.Status, error) {
	s, err := c.find(id)
	if err != nil {
		return pool.Status{}, err
	}
	return *s, nil
}

func (c *channels) Add(_ context.Context, x pool.Channel) (pool.Channel, error) {
	if x.Secret == "" {
		return x, &pool.InputError{Field: "key", Reason: "is missing"}
	}
	if x.Name == "broken" {
		return x, errors.New("disk of the database at 10.0.0.1 is full")
	}
	x.ID = "id-" + x.Name
	c.all = append(c.all, pool.Status{Channel: x})
	return x, nil
}

func (c *channels) Update(_ context.Context, id string, change func(*pool.Channel) error) (pool.Channel, error) {
	s, err := c.find(id)
	if err != nil {
		return pool.Channel{}, err
	}
	x := s.Channel
	if err := change(&x); err != nil {
		return x, err
	}
	s.Channel = x
	return x, nil
}

func (c *channels) Delete(_ context.Context, id string) error {
	for i := range c.all {
		if c.all[i].Channel.ID == id {
			c.all = append(c.all[:i], c.all[i+1:]...)
			return nil
		}
	}
	return pool.ErrNotFound
}

func (c *channels) Reload(context.Context) error { c.reloads++; return nil }

// service is the API, called as root unless a request says otherwise.
type service struct {
	t        *testing.T
	mux      *http.ServeMux
	channels *channels
	log      *bytes.Buffer
}

func newService(t *testing.T) *service {
	s := &service{t: t, mux: http.NewServeMux(), channels: &channels{}, log: &bytes.Buffer{}}
	api := New(Deps{
		Authenticate: func(r *http.Request, _ time.Time) (account.Caller, *canon.Error) {
			who := account.Caller{Key: &account.Key{ID: "k"}, Account: &account.Account{ID: account.RootID}}
			switch r.Header.Get("Authorization") {
			case "":
				return who, canon.Errorf(canon.KindAuth, "no key")
			case "user":
				who.Account = &account.Account{ID: "user"}
			case "limited":
				who.Key = &account.Key{ID: "l", Paths: []string{"/v1/chat/*"}}
			case "disabled":
				return who, canon.Errorf(canon.KindDenied, "disabled")
			}
			return who, nil
		},
		Channels: s.channels, Settings: newSettings(t), Trail: audit.NewTrail(events{}, slog.New(slog.DiscardHandler), time.Now), Base: "https://gateway.example.com", Log: slog.New(slog.NewTextHandler(s.log, nil)), Now: time.Now,
	})
	for pattern, h := range api.Routes() {
		s.mux.Handle(pattern, h)
	}
	return s
}

func (s *service) do(who, method, path, body string) (int, string) {
	r := httptest.NewRequestWithContext(s.t.Context(), method, path, strings.NewReader(body))
	if who != "" {
		r.Header.Set("Authorization", who)
	}
	w := httptest.NewRecorder()
	s.mux.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// Provider and Level as clients write them, and the channel that comes of it.
func TestAddKey(t *testing.T) {
	for _, c := range []struct{ body, provider, base, pools string }{
		{`{"SecretKey":"s","Name":"a"}`, "gateway", "https://gateway.example.com", ""},
		{`{"SecretKey":"s","Name":"a","Provider":""}`, "gateway", "https://gateway.example.com", ""},
		{`{"SecretKey":"s","Name":"a","Provider":"https://api.openai.com"}`, "openai", "https://api.openai.com", ""},
		{`{"SecretKey":"s","Name":"a","Provider":"https://api.openai.com/v1/"}`, "openai", "https://api.openai.com/v1", ""},
		{`{"SecretKey":"s","Name":"a","Provider":" https://api.anthropic.com "}`, "anthropic", "https://api.anthropic.com", ""},
		{`{"SecretKey":"s","Name":"a","Provider":"Anthropic"}`, "anthropic", "", ""},
		{`{"SecretKey":"s","Name":"a","Provider":"http://10.1.2.3:3443"}`, "gateway", "http://10.1.2.3:3443", ""},
		{`{"SecretKey":"s","Name":"a","Provider":"openai","Level":0}`, "openai", "", ""},
		{`{"SecretKey":"s","Name":"a","Provider":"openai","Level":1}`, "openai", "", "level-1"},
		{`{"SecretKey":"s","Name":"a","Provider":"openai","Level":2}`, "openai", "", "level-2"},
		{`{"SecretKey":"s","Name":"a","Provider":"openai","Level":10}`, "openai", "", "level-10"},
	} {
		s := newService(t)
		if code, body := s.do("root", "POST", "/x-keys", c.body); code != 200 {
			t.Errorf("%s: %d %s", c.body, code, body)
			continue
		}
		x := s.channels.all[0].Channel
		if x.Provider != c.provider || x.BaseURL != c.base || strings.Join(x.Pools, " ") != c.pools || !x.Enabled {
			t.Errorf("%s: became %+v", c.body, x)
		}
	}
}

// What is shown of a key: where it sends, its level, why it rests; never the key.
func TestShowKeys(t *testing.T) {
	s := newService(t)
	const canary = "sk-canary-0123456789abcdef"
	s.channels.all = []pool.Status{
		{Channel: pool.Channel{ID: "1", Name: "one", Provider: "openai", Secret: secret.Secret(canary), Enabled: true}},
		{Channel: pool.Channel{ID: "2", Provider: "openai", Secret: secret.Secret(canary), Pools: []string{"level-3"}, Enabled: true}, Retired: true, Reason: "invalid key"},
		{Channel: pool.Channel{ID: "3", Provider: "anthropic", BaseURL: "https://proxy.example.com", Secret: secret.Secret(canary)}},
	}
	_, body := s.do("root", "GET", "/x-keys", "")
	if strings.Contains(body, canary) || !strings.Contains(body, "***cdef") {
		t.Errorf("the mask: %s", body)
	}
	var keys []xKey
	if err := json.Unmarshal([]byte(body), &keys); err != nil || len(keys) != 3 {
		t.Fatalf("%v: %s", err, body)
	}
	if k := keys[0]; k.Provider != "https://api.openai.com/v1" && k.Provider != "https://api.openai.com" || k.Level != 0 || !k.Status || k.Name != "one" {
		t.Errorf("%+v", k)
	}
	if k := keys[1]; k.Level != 3 || k.Status || k.Reason != "invalid key" {
		t.Errorf("%+v", k)
	}
	if k := keys[2]; k.Provider != "https://proxy.example.com" || k.Status || k.Reason != "" {
		t.Errorf("%+v", k)
	}
	for query, ids := range map[string]string{
		"?level=3": "2", "?level=1": "", "?level=0": "13", "?level=2": "", "?provider=openai": "12", "?provider=https://proxy.example.com/": "3", "?provider=openai&level=0": "1",
	} {
		_, body := s.do("root", "GET", "/x-keys"+query, "")
		var got []xKey
		if err := json.Unmarshal([]byte(body), &got); err != nil || got == nil {
			t.Errorf("%s: %v: %s", query, err, body)
		}
		have := ""
		for _, k := range got {
			have += k.ID
		}
		if have != ids {
			t.Errorf("%s: %q, want %q", query, have, ids)
		}
	}
}

// A PUT changes what it names.
func TestChangeKey(t *testing.T) {
	s := newService(t)
	s.channels.all = []pool.Status{{Channel: pool.Channel{ID: "1", Name: "one", Provider: "openai", BaseURL: "https://a.example.com", Secret: "s", Pools: []string{"level-2"}, Enabled: true}}}
	for _, body := range []string{`{}`, `{"Name":"two"}`, `{"Level":4}`, `{"Status":false}`, `{"Provider":"https://api.anthropic.com"}`} {
		if code, answer := s.do("root", "PUT", "/x-keys/1", body); code != 200 || !strings.Contains(answer, `"Action":"update"`) {
			t.Errorf("%s: %d %s", body, code, answer)
		}
	}
	x := s.channels.all[0].Channel
	if x.Name != "two" || strings.Join(x.Pools, " ") != "level-4" || x.Enabled || x.Provider != "anthropic" || x.BaseURL != "https://api.anthropic.com" || x.Secret != "s" {
		t.Errorf("%+v", x)
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		who, method, path, body string
		code                    int
		says                    string
	}{
		{"", "GET", "/x-keys", ``, 401, "no key"},
		{"disabled", "GET", "/x-keys", ``, 403, "disabled"},
		{"limited", "GET", "/x-keys", ``, 403, "/x-keys"},
		{"user", "GET", "/x-keys", ``, 403, "root"},
		{"user", "POST", "/x-keys", `{"SecretKey":"s"}`, 403, "root"},
		{"user", "PUT", "/x-keys/1", `{}`, 403, "root"},
		{"user", "DELETE", "/x-keys/1", ``, 403, "root"},
		{"user", "POST", "/x-conf", `{"LoadKeys":true}`, 403, "root"},
		{"", "GET", "/x-gkey", ``, 401, "no key"},
		{"root", "GET", "/x-keys/2", ``, 404, "no such key"},
		{"root", "PUT", "/x-keys/2", `{}`, 404, "no such key"},
		{"root", "DELETE", "/x-keys/2", ``, 404, "no such key"},
		{"root", "GET", "/x-keys?level=eleven", ``, 400, "level"},
		{"root", "POST", "/x-keys", `{}`, 400, "SecretKey"},
		{"root", "POST", "/x-keys", ``, 400, "JSON"},
		{"root", "POST", "/x-keys", `{"SecretKey":"s","Colour":"red"}`, 400, "Colour"},
		{"root", "POST", "/x-keys", `{"SecretKey":"s","SecretKey":"t"}`, 400, "SecretKey"},
		{"root", "POST", "/x-keys", `{"SecretKey":"s","secretkey":"t"}`, 400, "\"SecretKey\" and \"secretkey\""},
		{"root", "POST", "/x-keys", `{"SecretKey":"s","\u017fecretKey":"t"}`, 400, "same field"}, // encoding/json folds the long s
		{"root", "POST", "/x-keys", `{"SecretKey":"s","Level":11}`, 400, "Level"},
		{"root", "POST", "/x-keys", `{"SecretKey":"s","Level":-1}`, 400, "Level"},
		{"root", "POST", "/x-keys", `{"SecretKey":"s","Level":"two"}`, 400, "Level must be a whole number, not string"},
		{"root", "POST", "/x-keys", `{"SecretKey":"s","Level":1e400}`, 400, "Level must be a whole number"},
		{"root", "POST", "/x-keys", `{"SecretKey":"s","Status":"yes"}`, 400, "Status must be true or false"},
		{"root", "GET", "/x-keys?lvl=3", ``, 400, "\"lvl\" is no filter"},
		{"root", "POST", "/x-keys", `{"SecretKey":"s","Provider":"nobody"}`, 400, "Provider"},
		{"root", "POST", "/x-keys", `{"SecretKey":"s","Provider":"ftp://x"}`, 400, "Provider"},
		{"root", "POST", "/x-keys", `{"SecretKey":"s","Name":"broken"}`, 500, "log"},
		{"root", "POST", "/x-keys", `{"Name":"` + strings.Repeat("x", maxBody) + `"}`, 400, "limit"},
		{"root", "PUT", "/x-keys/1", `{"SecretKey":"s"}`, 400, "SecretKey"},
		{"root", "POST", "/x-conf", `{}`, 400, "LoadKeys"},
		{"root", "POST", "/x-conf", `{"LogEnable":false}`, 400, "LogEnable"},
		{"root", "POST", "/x-conf", `{"StatsInterval":0}`, 400, "StatsInterval"},
		{"root", "POST", "/x-conf", `{"LoadKeys":true,"StatsInterval":-1}`, 400, "StatsInterval"},
		{"user", "GET", "/x-config", ``, 403, "root"},
		{"user", "POST", "/x-config", `{"MODEL_MAPPER":"a=b"}`, 403, "root"},
		{"user", "DELETE", "/x-config", `{"keys":["MODEL_MAPPER"]}`, 403, "root"},
		{"root", "POST", "/x-config", `{"MODEL_MAPPER":"a=b,broken"}`, 400, "\"broken\""},
		{"root", "POST", "/x-config", `{"MODEL_MAPPER":["a=b"]}`, 400, "MODEL_MAPPER: a setting must be text"},
		{"root", "POST", "/x-config", `{"MODEL_MAPPER":null}`, 400, "MODEL_MAPPER: a setting must be text"},
		{"root", "POST", "/x-config", `{"PORT":"1"}`, 400, "PORT"},
		{"root", "POST", "/x-config", `{}`, 400, "no setting"},
		{"root", "DELETE", "/x-config", `{}`, 400, "keys"},
		{"root", "DELETE", "/x-config", `{"keys":["PORT"]}`, 400, "PORT"},
		{"root", "POST", "/x-conf", `{"LoadKeys":false}`, 400, "LoadKeys"},
		{"root", "POST", "/x-conf", `{"Reload":true}`, 400, "Reload"},
	} {
		s := newService(t)
		s.channels.all = []pool.Status{{Channel: pool.Channel{ID: "1", Provider: "openai", Secret: "s"}}}
		code, body := s.do(c.who, c.method, c.path, c.body)
		var e struct {
			Error struct{ Message, Type, Code string }
		}
		if err := json.Unmarshal([]byte(body), &e); err != nil || e.Error.Type == "" || e.Error.Code == "" {
			t.Errorf("%s %s %.80s: not an error of this API: %s", c.method, c.path, c.body, body)
		}
		if code != c.code || !strings.Contains(e.Error.Message, c.says) || strings.Contains(body, "10.0.0.1") {
			t.Errorf("%s %s %.80s: %d %s, want %d with %q", c.method, c.path, c.body, code, body, c.code, c.says)
		}
		if len(s.channels.all) != 1 || s.channels.reloads != 0 {
			t.Errorf("%s %s %.80s: did something", c.method, c.path, c.body)
		}
	}
}

func TestConfAndFreshKey(t *testing.T) {
	s := newService(t)
	if code, body := s.do("root", "POST", "/x-conf", `{"LoadKeys":true}`); code != 200 || s.channels.reloads != 1 {
		t.Errorf("%d %s, %d reloads", code, body, s.channels.reloads)
	}
	var got struct{ Key string }
	if code, body := s.do("user", "GET", "/x-gkey", ""); code != 200 || json.Unmarshal([]byte(body), &got) != nil || !secret.WellFormed(got.Key) {
		t.Errorf("%d %s", code, body)
	}
}

// newSettings returns real settings that are kept in memory.
func newSettings(t *testing.T) *setting.Settings {
	t.Helper()
	s, err := setting.Open(t.Context(), inMemory{}, map[string]string{"MODEL_MAPPER": "x=y", "EMAIL_PORT": "587"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

type inMemory struct{}

func (inMemory) Settings(context.Context) (map[string]string, error)               { return nil, nil }
func (inMemory) ChangeSettings(context.Context, map[string]string, []string) error { return nil }
func (inMemory) SealSetting(_ string, plain secret.Secret) string                  { return plain.Reveal() }

func (inMemory) OpenSetting(_, sealed string) (secret.Secret, error) {
	return secret.Secret(sealed), nil
}

func TestSettings(t *testing.T) {
	s := newService(t)
	for _, c := range []struct{ method, body, want string }{
		{"GET", ``, `{"configs":{"EMAIL_AUTH":"","EMAIL_PASS":"","EMAIL_PORT":"587","EMAIL_SENDER":"","EMAIL_SMTP":"","EMAIL_TLS":"","LEVEL_MAPPER":"","MODEL_MAPPER":"x=y","RESOURCES":"","SWITCH_OVER":"","XAI_MAIL":""},"success":true}`},
		{"POST", `{"MODEL_MAPPER":"a=b","EMAIL_PORT":25,"EMAIL_TLS":true,"EMAIL_PASS":"canary"}`, `{"message":"in force from now on, and kept over restarts","success":true,"updated":{"EMAIL_PASS":"***","EMAIL_PORT":"25","EMAIL_TLS":"true","MODEL_MAPPER":"a=b"}}`},
		{"GET", ``, `{"configs":{"EMAIL_AUTH":"","EMAIL_PASS":"***","EMAIL_PORT":"25","EMAIL_SENDER":"","EMAIL_SMTP":"","EMAIL_TLS":"true","LEVEL_MAPPER":"","MODEL_MAPPER":"a=b","RESOURCES":"","SWITCH_OVER":"","XAI_MAIL":""},"success":true}`},
		{"DELETE", `{"keys":["MODEL_MAPPER","EMAIL_TLS"]}`, `{"deleted":["MODEL_MAPPER","EMAIL_TLS"],"message":"back to the values of the environment","success":true}`},
		{"GET", ``, `{"configs":{"EMAIL_AUTH":"","EMAIL_PASS":"***","EMAIL_PORT":"25","EMAIL_SENDER":"","EMAIL_SMTP":"","EMAIL_TLS":"","LEVEL_MAPPER":"","MODEL_MAPPER":"x=y","RESOURCES":"","SWITCH_OVER":"","XAI_MAIL":""},"success":true}`},
	} {
		if code, body := s.do("root", c.method, "/x-config", c.body); code != 200 || strings.TrimSpace(body) != c.want {
			t.Errorf("%s %s: %d %s, want %s", c.method, c.body, code, body, c.want)
		}
	}
	if strings.Contains(s.log.String(), "canary") {
		t.Error("the log holds a password")
	}
}

// Pages that are served from elsewhere may call.
func TestOrigins(t *testing.T) {
	s := newService(t)
	for _, path := range []string{"/x-keys", "/x-keys/1", "/x-config", "/x-gkey"} {
		r := httptest.NewRequestWithContext(t.Context(), "OPTIONS", path, nil)
		r.Header.Set("Origin", "https://pages.example.com")
		r.Header.Set("Access-Control-Request-Headers", "authorization,content-type")
		w := httptest.NewRecorder()
		s.mux.ServeHTTP(w, r)
		if h := w.Header(); w.Code != 204 || h.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(h.Get("Access-Control-Allow-Headers"), "Authorization") || !strings.Contains(h.Get("Access-Control-Allow-Methods"), "DELETE") || h.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: %d %v", path, w.Code, h)
		}
	}
	for _, who := range []string{"root", ""} {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/x-keys", nil)
		r.Header.Set("Authorization", who)
		w := httptest.NewRecorder()
		s.mux.ServeHTTP(w, r)
		if w.Header().Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%q: a page can't read answer %d", who, w.Code)
		}
	}
}

// events is a trail that nobody reads.
type events struct{}

func (events) InsertEvent(context.Context, audit.Event) error             { return nil }
func (events) Events(context.Context, audit.Query) ([]audit.Event, error) { return nil, nil }
func (events) CountEvents(context.Context, audit.Query) (int, error)      { return 0, nil }
