package config

import (
	"tollgate/internal/account"
	"tollgate/internal/catalog"
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
	Enabled  *bool             `json:"enabled" doc:"false switches it off."` // nil: true

	Line int `json:"-"` // where it stands in the file
}

// Account is an entry of accounts: in the file.
type Account struct {
	Name   string         `json:"name" doc:"Unique name."`
	Email  string         `json:"email" doc:"Address, unique when given."`
	Parent string         `json:"parent" doc:"Name of the account above it; root when left out."`
	Credit catalog.Nanos  `json:"credit" doc:"Dollars granted once, when the account is first made."`
	Models []string       `json:"models" doc:"Models that it may call, * matches any run of characters; all when left out."`
	Pools  []string       `json:"pools" doc:"Pools that it may use, in order; default when left out."`
	Limits account.Limits `json:"limits" doc:"rpm, rph, rpd (requests per minute, hour, day), tpm, tph, tpd (tokens), concurrent; 0 is no limit."`
	Keys   []AccountKey   `json:"keys" doc:"Its keys: each a name and one of key, key_env, key_file."`

	Line int `json:"-"` // where it stands in the file
}

// AccountKey is a virtual key of an Account.
type AccountKey struct {
	Name    string        `json:"name"`
	Key     secret.Secret `json:"key"`
	KeyEnv  string        `json:"key_env"`
	KeyFile string        `json:"key_file"`
	Models  []string      `json:"models"`
}
