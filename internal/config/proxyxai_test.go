package config

import (
	"strings"
	"testing"

	"tollgate/internal/catalog"
)

// The environment that ProxyXAI's compose file sets, its older names among them.
func TestEnvironmentOfProxyXAI(t *testing.T) {
	cfg := load(t, Source{Environ: []string{
		"PORT=3443", "POSTGRES_DSN=user=postgres password='p a\\'s' host=db dbname=postgres port=5432 sslmode=disable TimeZone=Asia/Shanghai",
		"REDIS_ADDR=redis:6379", "REDIS_PASS=", "STATS_INTERVAL=100", "SINGLE_MODE=true", "TZ=UTC",
		"INIT_USERS=root:root@example.com:sk-XvsiLNxHImLIn0chuNDdi5wTs5WaoEWNcd87Z62etZZ1bz7z",
		"USER_MIN_BALANCE=2.50", "USER_API_BALANCE=20.00", "XAI_SVC=example.com", "XAI_INFO=root@example.com",
		"EMAIL_SMTP=smtp.example.com", "EMAIL_PORT=465", "EMAIL_AUTH=me", "EMAIL_PASS=secret", "EMAIL_SENDER=", "EMAIL_TLS=true",
		"TAKE_FEE=0.2", "GRANT_COMMISSION=5%",
		"LEVEL_MAPPER=gpt-4=2,claude-3-opus=3", "SWITCH_OVER=1=2,2=3", "RESOURCES=/v1/chat/completions, /v1/embeddings",
	}})
	if got, want := cfg.SQLDSN.Reveal(), "postgres://postgres:p%20a%27s@db:5432/postgres?TimeZone=Asia%2FShanghai&sslmode=disable"; got != want {
		t.Errorf("the database is %s, want %s", got, want)
	}
	if cfg.Levels.String() != "gpt-4=2,claude-3-opus=3" || cfg.SwitchOver.String() != "1=2,2=3" || strings.Join(cfg.Resources, " ") != "/v1/chat/completions /v1/embeddings" {
		t.Errorf("%v, %v, %v", cfg.Levels, cfg.SwitchOver, cfg.Resources)
	}
	if cfg.MinFunding != catalog.Nanos(25e8) || cfg.MinAPIBalance != catalog.Nanos(20e9) || cfg.Service != "example.com" || cfg.ServiceMail != "root@example.com" {
		t.Errorf("%v, %v, %s, %s", cfg.MinFunding, cfg.MinAPIBalance, cfg.Service, cfg.ServiceMail)
	}
	if cfg.TakeFee.String() != "0.2" || cfg.CloseFee.String() != "0" || cfg.Commission.String() != "5%" {
		t.Errorf("%v, %v, %v", cfg.TakeFee, cfg.CloseFee, cfg.Commission)
	}
	if cfg.EmailTLS != "on" || cfg.EmailPort != 465 || cfg.EmailPass != "secret" || cfg.Listen != ":3443" {
		t.Errorf("%s, %d, %s", cfg.EmailTLS, cfg.EmailPort, cfg.Listen)
	}
	if cfg.InitUser == nil || cfg.InitUser.Email != "root@example.com" || cfg.AdminKey != cfg.InitUser.Key {
		t.Errorf("%+v", cfg.InitUser)
	}
}

func TestDatabaseAddress(t *testing.T) {
	for text, want := range map[string]string{
		"postgres://u:p@h/d":                   "postgres://u:p@h/d",
		"postgres://u:p@h/d?sslmode=disable":   "postgres://u:p@h/d?sslmode=disable",
		"sqlite:a=b":                           "sqlite:a=b",
		"file:x.db?cache=shared":               "file:x.db?cache=shared",
		"host=h dbname=d":                      "postgres://h/d",
		"host = h  dbname= d user=u":           "postgres://u:@h/d",
		"host=/run/postgresql dbname=d user=u": "postgres://u:@/d?host=%2Frun%2Fpostgresql",
		"host=::1 port=5433 dbname=d":          "postgres://[::1]:5433/d",
		"user=u":                               "user=u",
	} {
		if got := urlOf(text); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}
