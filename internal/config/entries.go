package config

import (
	"cmp"
	"errors"

	"tollgate/internal/account"
	"tollgate/internal/catalog"
	"tollgate/internal/mapping"
	"tollgate/internal/secret"
)

// Channel is an entry of channels: in the file. json names are the names there.
type Channel struct {
	Name     string            `json:"name" doc:"Unique name."`
	Provider string            `json:"provider" doc:"Built-in provider; may be left out when base_url has a host that one of them is known by."`
	BaseURL  string            `json:"base_url" doc:"Base URL, where it is not the provider's own."`
	Key      secret.Secret     `json:"key" doc:"The provider's key; or one of the next two."`
	KeyEnv   string            `json:"key_env" doc:"Environment variable that holds the key."`
	KeyFile  string            `json:"key_file" doc:"File that holds the key."`
	Models   []string          `json:"models" doc:"Models that it serves, * matches any run of characters; all that the provider has when left out."`
	Mapping  map[string]string `json:"mapping" doc:"Asked-for model to the provider's name for it."`
	Pools    []string          `json:"pools" doc:"Pools it belongs to; default when left out."`
	Priority int               `json:"priority" doc:"Higher is tried first."`
	Weight   int               `json:"weight" doc:"Share among channels of one priority; 1 when left out."`
	Limits   account.Limits    `json:"limits" doc:"What it may be sent: as limits of accounts; over them the next channel is tried."`
	Enabled  *bool             `json:"enabled" doc:"false switches it off."` // nil: true

	Line int `json:"-"` // where it stands in the file
}

// Account is an entry of accounts: in the file.
type Account struct {
	Name         string                    `json:"name" doc:"Unique name."`
	Email        string                    `json:"email" doc:"Address, unique when given."`
	Alias        string                    `json:"alias" doc:"What people call it."`
	BillingEmail string                    `json:"billing_email" doc:"Address for bills, where it is not email."`
	Parent       string                    `json:"parent" doc:"Name of the account above it; root when left out."`
	Role         account.Role              `json:"role" doc:"manager: may manage the accounts below it; caller, when left out: may only call."`
	Credit       catalog.Nanos             `json:"credit" doc:"Dollars granted once, when the account is first made."`
	Models       []string                  `json:"models" doc:"Models that it may call, * matches any run of characters, -name excludes; all when left out."`
	Paths        []string                  `json:"paths" doc:"API paths that it may call, as models; all when left out."`
	IPs          []string                  `json:"ips" doc:"Addresses and networks that its keys may be used from; anywhere when left out."`
	Pools        []string                  `json:"pools" doc:"Pools that it may use, in order; that of its level when left out."`
	Level        int                       `json:"level" doc:"Level of the keys that serve it, 1 to 10; as the account above when left out."`
	AllowLevels  []int                     `json:"allow_levels" doc:"Further levels that it may use, where a rule names them."`
	ModelMapper  string                    `json:"model_mapper" doc:"As MODEL_MAPPER, for this account and those below it, before the gateway's own."`
	LevelMapper  string                    `json:"level_mapper" doc:"As LEVEL_MAPPER, for this account and those below it, before the gateway's own."`
	Limits       account.Limits            `json:"limits" doc:"rpm, rph, rpd (requests per minute, hour, day), tpm, tph, tpd (tokens), concurrent; of it and all below it together; 0 is no limit of its own."`
	ModelLimits  map[string]account.Limits `json:"model_limits" doc:"The same by model or pattern of models; the one that says most holds."`
	LimitRatio   catalog.Multiplier        `json:"limit_ratio" doc:"By what the catalogue's limits for one account on a model (account_rpm, account_tpm) are multiplied."`
	ChildLimit   int64                     `json:"child_limit" doc:"Most accounts right below it; as the account above when left out."`
	Rates        catalog.Multiplier        `json:"rates" doc:"Price multiplier, at least that of the account above, which it is when left out."`
	Prices       []catalog.Override        `json:"prices" doc:"Prices of its own: each a model or pattern, and free: true or rates that take the place of the catalogue's one by one."`
	Unbilled     bool                      `json:"unbilled" doc:"true: its calls and those of accounts below are metered and cost nothing."`
	HardLimit    catalog.Nanos             `json:"hard_limit" doc:"Dollars that it and all below it may spend in a month; no bound when left out."`
	SoftLimit    catalog.Nanos             `json:"soft_limit" doc:"Dollars spent in a month at which it is told; 80 % of hard_limit when left out."`
	TimeZone     string                    `json:"time_zone" doc:"IANA name by which its days and months begin; as the account above when left out, UTC for root."`
	Keys         []AccountKey              `json:"keys" doc:"Its keys: each a name, one of key, key_env, key_file, and if need be models, paths, ips, limits, quota (total, day, week, month: dollars)."`

	Line int `json:"-"` // where it stands in the file
}

// AccountKey is a virtual key of an Account.
type AccountKey struct {
	Name    string         `json:"name"`
	Key     secret.Secret  `json:"key"`
	KeyEnv  string         `json:"key_env"`
	KeyFile string         `json:"key_file"`
	Models  []string       `json:"models"`
	Paths   []string       `json:"paths"`
	IPs     []string       `json:"ips"`
	Limits  account.Limits `json:"limits"`
	Quota   account.Quota  `json:"quota"`
	Strict  bool           `json:"strict"`
}

// AsAccount is the account that the entry asks for; its place in the tree is the caller's to say.
func (a *Account) AsAccount() (account.Account, error) {
	ips, err1 := account.ParseIPs(a.IPs)
	models, err2 := mapping.ParseModels(a.ModelMapper)
	levels, err3 := mapping.ParseLevels(a.LevelMapper)
	return account.Account{
		Name: a.Name, Email: a.Email, Alias: a.Alias, BillingEmail: a.BillingEmail, Enabled: true, Role: cmp.Or(a.Role, account.RoleCaller),
		Limits: a.Limits, ModelLimits: a.ModelLimits, LimitRatio: a.LimitRatio, ChildLimit: a.ChildLimit,
		Models: a.Models, Paths: a.Paths, IPs: ips, Pools: a.Pools, Level: a.Level, AllowLevels: a.AllowLevels, Mapping: models, Levels: levels,
		Rates: a.Rates, Prices: a.Prices, Unbilled: a.Unbilled, HardLimit: a.HardLimit, SoftLimit: a.SoftLimit, TimeZone: a.TimeZone,
	}, errors.Join(err1, err2, err3)
}

// AsKey is the key that the entry asks for, without its secret and its account.
func (k *AccountKey) AsKey() (account.Key, error) {
	ips, err := account.ParseIPs(k.IPs)
	return account.Key{Name: k.Name, Enabled: true, Models: k.Models, Paths: k.Paths, IPs: ips, Limits: k.Limits, Quota: k.Quota, Strict: k.Strict}, err
}
