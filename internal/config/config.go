// Package config owns the settings of a Tollgate: one Config value, read from the environment, one
// YAML file and flags, checked as a whole before anything starts.
//
// Every setting is a field of Config whose tags carry its name, default and doc line; parsing,
// `tollgate config check` and docs/configuration.md all come from those tags. Only app reads a Config;
// every other package is handed plain values. What a provider or a model is belongs to provider and
// catalog; here they are only named.
package config

import (
	"log/slog"
	"net/netip"
	"time"

	"tollgate/internal/catalog"
	"tollgate/internal/ledger"
	"tollgate/internal/mapping"
	"tollgate/internal/secret"
)

// Config is every setting, checked. It does not change after Load.
//
// Tags: env is the name in the environment, in lower case and without TOLLGATE_ also the name in the
// file; old is an older name that still works; default, min and max are written as a user would;
// is names a syntax (size, listen, url); one lists the allowed words; doc is the line in the
// documentation, section the heading that starts with this field. Secret fields also accept NAME_FILE.
type Config struct {
	Listen       string         `section:"Start" env:"LISTEN" default:":3000" is:"listen" doc:"Address that the gateway listens on."`
	Port         int            `env:"PORT" min:"1" max:"65535" doc:"Port to listen on, on all addresses; used when LISTEN is not set."`
	Data         string         `env:"TOLLGATE_DATA" default:"./data" doc:"Directory of everything the gateway keeps: journal, embedded database, generated keys."`
	File         string         `env:"TOLLGATE_CONFIG" is:"env-only" doc:"Path of the YAML file. When not set, tollgate.yaml in the working directory is read if it exists."`
	Simulator    string         `env:"SIMULATOR" default:"auto" one:"auto|on|off" doc:"Channel to the built-in simulated provider; auto: as long as the environment and the file name no other channel."`
	MetricsAddr  string         `env:"METRICS_LISTEN" is:"listen" doc:"Separate address for /metrics, open to whoever reaches it. When not set, /metrics is on LISTEN, for loopback peers and the admin key."`
	LogLevel     slog.Level     `env:"LOG_LEVEL" default:"info" one:"debug|info|warn|error" doc:"Least level that is logged."`
	LogFormat    string         `env:"LOG_FORMAT" default:"auto" one:"auto|text|json" doc:"Form of log lines; auto: text on a terminal, json otherwise."`
	TrustedPeers []netip.Prefix `env:"TRUSTED_PROXIES" doc:"Networks (CIDR, comma-separated) of proxies whose X-Forwarded-For is believed. From anyone else the peer's own address counts."`

	AdminKey  secret.Secret `section:"Keys and storage" env:"ADMIN_KEY" is:"token" doc:"Key of the root account, which manages everything. When not set, one is made at the first start and kept in the data directory."`
	MasterKey secret.Secret `env:"TOLLGATE_MASTER_KEY" is:"master" doc:"32 random bytes, base64 or hex, that seal provider keys in the database. When not set, master.key in the data directory, made at the first start. Back it up apart from the database."`
	SQLDSN    secret.Secret `env:"SQL_DSN" old:"POSTGRES_DSN" is:"dsn" doc:"Database: postgres://user:password@host:5432/name (also as host=… user=… dbname=…), sqlite:PATH or file:PATH. When not set, SQLite in the data directory."`
	InitUser  *InitUser     `env:"INIT_USERS" is:"secret" doc:"The root account as root::email::key (older root:email:key): its address and the admin key in one."`

	XAIBase    string         `section:"Providers" env:"XAI_BASE" old:"OPENAI_API_BASE" default:"https://api.openai.com" is:"url" doc:"Base URL for provider keys that are entered without one; may be another Tollgate."`
	InitKeys   []InitKey      `env:"INIT_KEYS" is:"secret" doc:"Provider keys that become channels: key::base-url, comma-separated. Without ::base-url, XAI_BASE."`
	Mapper     mapping.Models `env:"MODEL_MAPPER" doc:"Models to send instead of those asked for: asked=sent, comma-separated, first match wins, * matches any run of characters on the left."`
	Levels     mapping.Levels `env:"LEVEL_MAPPER" doc:"Level of the keys that serve a model: model=level, comma-separated, levels 0 to 10, first match wins, * matches any run of characters. Other models are served by the level of the account."`
	SwitchOver mapping.Steps  `env:"SWITCH_OVER" doc:"Level that takes over when another one has no key that answers: level=level, comma-separated."`
	Resources  []string       `env:"RESOURCES" doc:"API paths that may be called at all, comma-separated; * matches any run of characters. When not set, all."`

	MaxHeaderBytes int64 `section:"Limits" env:"MAX_HEADER_BYTES" default:"64KiB" is:"size" min:"4KiB" max:"16MiB" doc:"Largest request header."`
	MaxBodyBytes   int64 `env:"MAX_BODY_BYTES" default:"64MiB" is:"size" min:"1KiB" max:"1GiB" doc:"Largest request body; a larger one is refused with 413."`
	MaxAnswerBytes int64 `env:"MAX_ANSWER_BYTES" default:"128MiB" is:"size" min:"1KiB" max:"4GiB" doc:"Largest answer of a provider that is not streamed."`
	MaxEventBytes  int64 `env:"MAX_EVENT_BYTES" default:"16MiB" is:"size" min:"1KiB" max:"1GiB" doc:"Largest single event of a streamed answer."`
	MaxBodiesBytes int64 `env:"MAX_BODIES_BYTES" default:"0" is:"size" max:"1024GiB" doc:"Bodies of requests and of answers that are not streamed, held at once, that take 64 KiB and more with their copies; beyond it a request is refused with 503 and an answer waits for others to end. One of MAX_BODY_BYTES always fits. 0: a quarter of GOMEMLIMIT, which is four fifths of the container's or machine's memory unless it is set."`
	DefaultOutput  int64 `env:"DEFAULT_OUTPUT_TOKENS" default:"4096" min:"1" max:"10000000" doc:"Output tokens that are reserved, in money (at the dearest rate that the model has for output) and of token limits, for a call whose client names no maximum; of a smaller limit all that it has."`

	SharingAlert int `env:"IP_GROUPS_THRESHOLD" min:"0" max:"10000" doc:"Accounts that call from one address within an hour before the operator is told; 0: never. Loopback and TRUSTED_PROXIES are not watched."`
	SharingBan   int `env:"IP_GROUPS_BAN_THRESHOLD" min:"0" max:"10000" doc:"Accounts that call from one address within an hour before the address is refused for an hour; 0: never. Set TRUSTED_PROXIES first when clients come through a proxy."`

	Billing     string       `section:"Money" env:"BILLING_ENABLED" default:"on" one:"on|off" doc:"off: all calls are metered and recorded with what they cost, and no account is charged. Budgets count on."`
	LimitRatios []SpentRatio `env:"LIMIT_RATIOS" doc:"By what the catalogue's limits for one account on a model are multiplied when the account has spent so many dollars in its life: 100=2,1000=5. The highest that was reached holds."`

	FetchMedia    string         `section:"Media by URL" env:"FETCH_MEDIA" default:"on" one:"on|off" doc:"Whether the gateway fetches images and files that a request names by URL when the model behind it takes bytes alone, and documents that it turns into text. Only public addresses are reached. When off, such media are left out, and the answer says so; such documents are refused."`
	FetchMaxBytes int64          `env:"FETCH_MAX_BYTES" default:"20MiB" is:"size" min:"1KiB" max:"1GiB" doc:"Largest file that is fetched."`
	FetchTimeout  time.Duration  `env:"FETCH_TIMEOUT" default:"15s" min:"10ms" max:"10m" doc:"For one file to come."`
	FetchAllow    []netip.Prefix `env:"FETCH_ALLOW" doc:"Networks (CIDR, comma-separated) that may be fetched from though their addresses are not public."`

	KeepCalls  int `section:"Retention" env:"CALLS_KEEP_DAYS" min:"0" max:"36500" doc:"Days that records of calls are kept, at least 35; 0: for ever. Receipts go with them. What accounts were charged, the sums of hours, and the proof of the ledger stay."`
	KeepEvents int `env:"AUDIT_KEEP_DAYS" min:"0" max:"36500" doc:"Days that the audit trail is kept; 0: for ever."`

	SharedObjects string `section:"Upstream objects" env:"SHARED_OBJECTS" default:"off" one:"on|off" doc:"Whether any account may name files, caches, containers and conversations that an upstream account keeps. Whoever knows such an id can use it, so leave this off where tenants must not see each other's. Root always may."`

	KeepResponses string `env:"KEEP_RESPONSES" default:"on" one:"on|off" doc:"Whether the gateway keeps the conversation of a Responses client whose channel speaks another dialect, so that previous_response_id works: for 30 days, 64 MiB an account, in the database. Clients that say store: false are never kept."`

	TimeoutConnect     time.Duration `section:"Timeouts" env:"TIMEOUT_CONNECT" default:"10s" min:"10ms" max:"10m" doc:"To connect to a provider, TLS included."`
	TimeoutFirstByte   time.Duration `env:"TIMEOUT_FIRST_BYTE" default:"5m" min:"10ms" max:"24h" doc:"From the request sent to the first byte of the answer."`
	TimeoutIdle        time.Duration `env:"TIMEOUT_IDLE" default:"2m" min:"10ms" max:"24h" doc:"Between two reads of an answer."`
	PingAfter          time.Duration `env:"PING_AFTER" default:"15s" min:"0s" max:"1h" doc:"Of silence of a model that streams, after which the client gets a sign of life, and again and again: the ping event of Claude's API, a comment for clients of OpenAI's; Gemini's, whose SDKs take both for an error, get none. What an answer begins with is held back no longer than this, and no other channel is tried once it has left. 0s: no signs."`
	TimeoutRoute       time.Duration `env:"TIMEOUT_ROUTE" default:"10m" min:"10ms" max:"24h" doc:"To find a channel that starts to answer, over all attempts of a call, once its request is there."`
	TimeoutCall        time.Duration `env:"TIMEOUT_CALL" default:"1h" min:"10ms" max:"24h" doc:"For a whole call."`
	TimeoutClientRead  time.Duration `env:"TIMEOUT_CLIENT_READ" default:"30s" min:"10ms" max:"1h" doc:"For a client to send the header of a request, and again for its body: each 4 KiB of it buy a second more, and all that came never more than this from then on."`
	TimeoutClientWrite time.Duration `env:"TIMEOUT_CLIENT_WRITE" default:"1m" min:"10ms" max:"1h" doc:"For a client to take what was written to it, at most 1 MiB at once; one that stops reading is dropped."`
	ShutdownDelay      time.Duration `env:"SHUTDOWN_DELAY" default:"0s" min:"0s" max:"10m" doc:"After SIGTERM, for load balancers to see that /readyz answers 503: calls are served as before, on new connections too, and each answer ends its connection. Then no connection is taken any more and TIMEOUT_SHUTDOWN begins."`
	TimeoutShutdown    time.Duration `env:"TIMEOUT_SHUTDOWN" default:"30s" min:"0s" max:"1h" doc:"For running calls to finish after SIGTERM; then they are cut and settled on what was delivered."`
	JournalSync        time.Duration `env:"JOURNAL_SYNC" default:"100ms" min:"0s" max:"1m" doc:"Longest time that a settled call may wait for its fsync; 0s: none waits. A crash of the process loses nothing; a crash of the machine loses at most this."`

	MinFunding    catalog.Nanos `section:"Sub-accounts" env:"USER_MIN_BALANCE" default:"2.00" doc:"Dollars that a new account is funded with at least, when it is made over the management API of ProxyXAI."`
	MinAPIBalance catalog.Nanos `env:"USER_API_MIN_BALANCE" old:"USER_API_BALANCE" default:"20.00" doc:"Dollars that an account must have to make and change sub-accounts over the management API of ProxyXAI. Root needs none."`
	TakeFee       ledger.Fee    `env:"TAKE_FEE" default:"0" doc:"Fee of taking credit back from an account: dollars, like 0.2, or a part, like 5%."`
	CloseFee      ledger.Fee    `env:"CLOSE_FEE" default:"0" doc:"Fee of what is left when an account is deleted, in the same forms."`
	Commission    ledger.Fee    `env:"GRANT_COMMISSION" default:"0" doc:"What the account right above gets of a grant that skips generations, in the same forms; out of the grant."`
	StatsInterval int64         `env:"STATS_INTERVAL" default:"100" min:"1" max:"1000000" doc:"ProxyXAI's setting of this name: requests of an account between two flushes of its statistics. Statistics that are asked for are flushed first here, so it is always kept."`
	RedisAddr     string        `env:"REDIS_ADDR" doc:"Accepted for ProxyXAI's setting of this name and without effect: nothing here needs Redis."`
	RedisPass     secret.Secret `env:"REDIS_PASS" doc:"As REDIS_ADDR."`

	EmailSMTP   string        `section:"Mail" env:"EMAIL_SMTP" doc:"Host of the server that takes outgoing mail. When not set, no mail is sent."`
	EmailPort   int           `env:"EMAIL_PORT" default:"587" min:"1" max:"65535" doc:"Its port."`
	EmailTLS    string        `env:"EMAIL_TLS" default:"on" one:"on|off|tls|starttls" doc:"How the connection is protected; on: TLS from the first byte on port 465, STARTTLS on any other."`
	EmailAuth   string        `env:"EMAIL_AUTH" doc:"User to log in as at the mail server. When not set, nobody logs in."`
	EmailPass   secret.Secret `env:"EMAIL_PASS" doc:"Password of EMAIL_AUTH."`
	EmailSender string        `env:"EMAIL_SENDER" doc:"Address that mails come from, also as Name <address>. When not set, EMAIL_AUTH."`
	Service     string        `env:"XAI_SERVICE" old:"XAI_SVC" default:"Tollgate" doc:"Name of the service in mails."`
	ServiceMail string        `env:"XAI_MAIL" old:"XAI_INFO" doc:"Address of the operator: shown in mails, and told what concerns root."`

	Channels []Channel       // from the file, in its order
	Models   []catalog.Model // from the file, in its order
	Accounts []Account       // from the file, in its order

	// ProviderKeys are the key variables of built-in providers that are set, by the variable's name. The
	// field is exported because fmt prints a Secret in an unexported one as it is.
	ProviderKeys map[string]secret.Secret

	origins map[string]string // setting to where its value came from; no entry: default
}

// SpentRatio is an entry of LIMIT_RATIOS.
type SpentRatio struct {
	Spent catalog.Nanos // at least so much
	Ratio catalog.Multiplier
}

// InitUser is the root account of INIT_USERS.
type InitUser struct {
	Name  string // always "root"
	Email string
	Key   secret.Secret
}

// InitKey is a provider key of INIT_KEYS.
type InitKey struct {
	Key  secret.Secret
	Base string // base URL, never empty
}

// Lookup returns the secret in the environment variable name, or in the file that name_FILE gives.
// It knows the key variables of the built-in providers; ok is false for others and for unset ones.
func (c *Config) Lookup(name string) (value secret.Secret, ok bool) {
	value, ok = c.ProviderKeys[name]
	return value, ok
}

// HasChannels reports whether a channel is configured besides the simulator's.
func (c *Config) HasChannels() bool {
	return len(c.Channels) > 0 || len(c.InitKeys) > 0 || len(c.ProviderKeys) > 0
}
