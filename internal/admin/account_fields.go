package admin

import (
	"net/netip"
	"reflect"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/catalog"
)

// Account is an account as the API shows it. Its fields hold what was laid down for it; Effective is
// what holds after the accounts above were asked.
type Account struct {
	ID           string                    `json:"id"`
	ParentID     string                    `json:"parent_id" doc:"The account above; empty for root."`
	Path         string                    `json:"path" doc:"Ids from root down, with a dot before, between and after."`
	Name         string                    `json:"name"`
	Email        string                    `json:"email"`
	Alias        string                    `json:"alias"`
	BillingEmail string                    `json:"billing_email"`
	Enabled      bool                      `json:"enabled" doc:"False stops its keys, and those of every account below it, at once."`
	Role         account.Role              `json:"role" enum:"manager,caller"`
	Children     int                       `json:"children" doc:"Accounts right below it."`
	Limits       account.Limits            `json:"limits" doc:"Of it and all below it together. 0: no limit of its own; those above hold in any case."`
	ModelLimits  map[string]account.Limits `json:"model_limits" doc:"The same by model or pattern; the one that says most holds."`
	LimitRatio   string                    `json:"limit_ratio,omitempty" doc:"By what the catalogue's limits for one account on a model are multiplied."`
	ChildLimit   int64                     `json:"child_limit" doc:"Most accounts right below it; 0: as the account above."`
	Models       []string                  `json:"models" doc:"Patterns of the models it may call; empty: all. -x excludes. What is above must allow them too."`
	Paths        []string                  `json:"paths" doc:"Patterns of the API paths it may call, as models."`
	IPs          []netip.Prefix            `json:"ips" doc:"Networks that its keys may be used from; empty: anywhere."`
	Pools        []string                  `json:"pools" doc:"Pools of channels that serve it, in order; empty: that of its level."`
	Level        int                       `json:"level" doc:"Level of the keys that serve it; 0: as the account above."`
	AllowLevels  []int                     `json:"allow_levels" doc:"Further levels that it may use, where a rule names them."`
	ModelMapper  string                    `json:"model_mapper" doc:"asked=sent, … before the rules above it and the gateway's."`
	LevelMapper  string                    `json:"level_mapper" doc:"model=level, … before the rules above it and the gateway's."`
	Rates        string                    `json:"rates,omitempty" doc:"Price multiplier; missing: as the account above."`
	Prices       []catalog.Override        `json:"prices" doc:"Prices of its own and of all below it; the one that says most holds."`
	Unbilled     bool                      `json:"unbilled" doc:"Its calls, and those of all below it, are metered and cost nothing."`
	HardLimit    string                    `json:"hard_limit" doc:"Dollars that it and all below it may spend in a month; 0: no bound."`
	SoftLimit    string                    `json:"soft_limit" doc:"Dollars in a month at which it is told; 0: 80 % of hard_limit."`
	Gear         int                       `json:"gear"`
	Factor       int                       `json:"factor"`
	Tier         int                       `json:"tier"`
	Labels       map[string]string         `json:"labels"`
	TimeZone     string                    `json:"time_zone" doc:"By which its days and months begin; empty: as the account above."`
	Effective    Effective                 `json:"effective" doc:"What holds, after the accounts above were asked."`
	CreatedAt    time.Time                 `json:"created_at"`
	UpdatedAt    time.Time                 `json:"updated_at"`
	Version      int64                     `json:"version" doc:"Counts changes; name it in a PATCH to change nothing that others changed since."`
}

// Effective is what holds for an account.
type Effective struct {
	Enabled    bool           `json:"enabled"`
	Limits     account.Limits `json:"limits" doc:"The lowest on the way to root; an account above shares its own with all below it."`
	ChildLimit int64          `json:"child_limit" doc:"0: no limit."`
	Rates      string         `json:"rates"`
	Level      int            `json:"level"`
	Pools      []string       `json:"pools" doc:"That serve it where no rule for the model says otherwise."`
	Unbilled   bool           `json:"unbilled"`
	TimeZone   string         `json:"time_zone"`
}

func (a *API) viewAccount(x *account.Account) Account {
	d := a.Accounts.Directory()
	e := d.Effective(x)
	v := Account{
		ID: x.ID, ParentID: x.ParentID, Path: x.Path, Name: x.Name, Email: x.Email, Alias: x.Alias, BillingEmail: x.BillingEmail, Enabled: x.Enabled, Role: x.Role,
		Children: d.CountChildren(x.ID), Limits: x.Limits, ModelLimits: x.ModelLimits, ChildLimit: x.ChildLimit,
		Models: listOf(x.Models), Paths: listOf(x.Paths), IPs: listOf(x.IPs), Pools: listOf(x.Pools), Level: x.Level, AllowLevels: listOf(x.AllowLevels),
		ModelMapper: x.Mapping.String(), LevelMapper: x.Levels.String(), Prices: listOf(x.Prices), Unbilled: x.Unbilled,
		HardLimit: x.HardLimit.String(), SoftLimit: x.SoftLimit.String(), Gear: x.Gear, Factor: x.Factor, Tier: x.Tier, Labels: x.Labels, TimeZone: x.TimeZone,
		Effective: Effective{
			Enabled: e.Enabled, Limits: e.Limits, ChildLimit: e.ChildLimit, Rates: e.Rates.String(), Level: e.Level, Pools: d.PoolsOf(x), Unbilled: e.Unbilled, TimeZone: e.Zone.String(),
		},
		CreatedAt: x.CreatedAt.UTC(), UpdatedAt: x.UpdatedAt.UTC(), Version: x.Version,
	}
	if x.Rates != 0 {
		v.Rates = x.Rates.String()
	}
	if x.LimitRatio != 0 {
		v.LimitRatio = x.LimitRatio.String()
	}
	if v.ModelLimits == nil {
		v.ModelLimits = map[string]account.Limits{}
	}
	if v.Labels == nil {
		v.Labels = map[string]string{}
	}
	return v
}

// accountFields are what a POST may say of an account. What it does not say is inherited.
type accountFields struct {
	ParentID     string                    `json:"parent_id,omitempty" doc:"The account above; without it, the caller's own."`
	Name         string                    `json:"name" maxLength:"63" doc:"Unique, whatever the case."`
	Email        string                    `json:"email,omitempty" maxLength:"254" doc:"Unique, whatever the case."`
	Alias        string                    `json:"alias,omitempty" maxLength:"100"`
	BillingEmail string                    `json:"billing_email,omitempty" maxLength:"254" doc:"Where bills go, if not to email."`
	Enabled      *bool                     `json:"enabled,omitempty" doc:"True unless said."`
	Role         account.Role              `json:"role,omitempty" enum:"manager,caller" doc:"caller unless said."`
	Limits       account.Limits            `json:"limits,omitempty" doc:"At most those of the account above. 0 is no limit of its own."`
	ModelLimits  map[string]account.Limits `json:"model_limits,omitempty"`
	LimitRatio   string                    `json:"limit_ratio,omitempty" maxLength:"30" doc:"For root to say."`
	ChildLimit   int64                     `json:"child_limit,omitempty" minimum:"0"`
	Models       []string                  `json:"models,omitempty" maxItems:"2000"`
	Paths        []string                  `json:"paths,omitempty" maxItems:"2000"`
	IPs          []string                  `json:"ips,omitempty" maxItems:"1000" doc:"Addresses and networks."`
	Pools        []string                  `json:"pools,omitempty" maxItems:"100"`
	Level        int                       `json:"level,omitempty"`
	AllowLevels  []int                     `json:"allow_levels,omitempty" maxItems:"11"`
	ModelMapper  string                    `json:"model_mapper,omitempty" maxLength:"65536"`
	LevelMapper  string                    `json:"level_mapper,omitempty" maxLength:"65536"`
	Rates        string                    `json:"rates,omitempty" maxLength:"30" doc:"At least those of the account above."`
	Prices       []catalog.Override        `json:"prices,omitempty" maxItems:"1000" doc:"For root to say."`
	Unbilled     bool                      `json:"unbilled,omitempty" doc:"For root to say."`
	HardLimit    string                    `json:"hard_limit,omitempty" maxLength:"30"`
	SoftLimit    string                    `json:"soft_limit,omitempty" maxLength:"30"`
	Gear         int                       `json:"gear,omitempty"`
	Factor       int                       `json:"factor,omitempty"`
	Tier         int                       `json:"tier,omitempty"`
	Labels       map[string]string         `json:"labels,omitempty"`
	TimeZone     string                    `json:"time_zone,omitempty" maxLength:"60"`
}

// account is what the fields say. All that can't be read is reported.
func (f *accountFields) account() (account.Account, error) {
	var r reader
	x := account.Account{
		ParentID: f.ParentID, Name: f.Name, Email: f.Email, Alias: f.Alias, BillingEmail: f.BillingEmail, Enabled: f.Enabled == nil || *f.Enabled, Role: f.Role,
		Limits: f.Limits, ModelLimits: f.ModelLimits, LimitRatio: r.multiplier("limit_ratio", f.LimitRatio), ChildLimit: f.ChildLimit,
		Models: f.Models, Paths: f.Paths, IPs: r.ips(f.IPs), Pools: f.Pools, Level: f.Level, AllowLevels: f.AllowLevels,
		Mapping: r.models(f.ModelMapper), Levels: r.levels(f.LevelMapper), Rates: r.multiplier("rates", f.Rates), Prices: f.Prices, Unbilled: f.Unbilled,
		HardLimit: r.money("hard_limit", f.HardLimit), SoftLimit: r.money("soft_limit", f.SoftLimit),
		Gear: f.Gear, Factor: f.Factor, Tier: f.Tier, Labels: f.Labels, TimeZone: f.TimeZone,
	}
	return x, r.problem()
}

// accountChange is what a PATCH may say of an account. null takes a field back to what the account above
// has.
type accountChange struct {
	Version      int64                               `json:"version,omitempty" minimum:"1" doc:"The one that was read; with another one there, the change is refused."`
	Name         optional[string]                    `json:"name,omitempty" maxLength:"63"`
	Email        optional[string]                    `json:"email,omitempty" maxLength:"254"`
	Alias        optional[string]                    `json:"alias,omitempty" maxLength:"100"`
	BillingEmail optional[string]                    `json:"billing_email,omitempty" maxLength:"254"`
	Enabled      optional[bool]                      `json:"enabled,omitempty"`
	Role         optional[account.Role]              `json:"role,omitempty" enum:"manager,caller"`
	Limits       optional[limitsChange]              `json:"limits,omitempty"`
	ModelLimits  optional[map[string]account.Limits] `json:"model_limits,omitempty" doc:"Takes the place of all of them."`
	LimitRatio   optional[string]                    `json:"limit_ratio,omitempty" maxLength:"30" doc:"For root to say."`
	ChildLimit   optional[int64]                     `json:"child_limit,omitempty" minimum:"0"`
	Models       optional[[]string]                  `json:"models,omitempty" maxItems:"2000"`
	Paths        optional[[]string]                  `json:"paths,omitempty" maxItems:"2000"`
	IPs          optional[[]string]                  `json:"ips,omitempty" maxItems:"1000"`
	Pools        optional[[]string]                  `json:"pools,omitempty" maxItems:"100"`
	Level        optional[int]                       `json:"level,omitempty"`
	AllowLevels  optional[[]int]                     `json:"allow_levels,omitempty" maxItems:"11"`
	ModelMapper  optional[string]                    `json:"model_mapper,omitempty" maxLength:"65536"`
	LevelMapper  optional[string]                    `json:"level_mapper,omitempty" maxLength:"65536"`
	Rates        optional[string]                    `json:"rates,omitempty" maxLength:"30"`
	Prices       optional[[]catalog.Override]        `json:"prices,omitempty" maxItems:"1000" doc:"Takes the place of all of them. For root to say."`
	Unbilled     optional[bool]                      `json:"unbilled,omitempty" doc:"For root to say."`
	HardLimit    optional[string]                    `json:"hard_limit,omitempty" maxLength:"30"`
	SoftLimit    optional[string]                    `json:"soft_limit,omitempty" maxLength:"30"`
	Gear         optional[int]                       `json:"gear,omitempty"`
	Factor       optional[int]                       `json:"factor,omitempty"`
	Tier         optional[int]                       `json:"tier,omitempty"`
	Labels       optional[map[string]string]         `json:"labels,omitempty" doc:"Takes the place of all of them."`
	TimeZone     optional[string]                    `json:"time_zone,omitempty" maxLength:"60"`
}

// apply changes x as c says. All that can't be read is reported.
func (c *accountChange) apply(x *account.Account) error {
	var r reader
	c.Name.to(&x.Name)
	c.Email.to(&x.Email)
	c.Alias.to(&x.Alias)
	c.BillingEmail.to(&x.BillingEmail)
	c.Enabled.to(&x.Enabled)
	c.Role.to(&x.Role)
	changeLimits(c.Limits, &x.Limits)
	c.ModelLimits.to(&x.ModelLimits)
	read(c.LimitRatio, &x.LimitRatio, func(s string) catalog.Multiplier { return r.multiplier("limit_ratio", s) })
	c.ChildLimit.to(&x.ChildLimit)
	c.Models.to(&x.Models)
	c.Paths.to(&x.Paths)
	read(c.IPs, &x.IPs, r.ips)
	c.Pools.to(&x.Pools)
	c.Level.to(&x.Level)
	c.AllowLevels.to(&x.AllowLevels)
	read(c.ModelMapper, &x.Mapping, r.models)
	read(c.LevelMapper, &x.Levels, r.levels)
	read(c.Rates, &x.Rates, func(s string) catalog.Multiplier { return r.multiplier("rates", s) })
	c.Prices.to(&x.Prices)
	c.Unbilled.to(&x.Unbilled)
	read(c.HardLimit, &x.HardLimit, func(s string) catalog.Nanos { return r.money("hard_limit", s) })
	read(c.SoftLimit, &x.SoftLimit, func(s string) catalog.Nanos { return r.money("soft_limit", s) })
	c.Gear.to(&x.Gear)
	c.Factor.to(&x.Factor)
	c.Tier.to(&x.Tier)
	c.Labels.to(&x.Labels)
	c.TimeZone.to(&x.TimeZone)
	return r.problem()
}

// own reports whether c says nothing but what an account may change of itself.
func (c *accountChange) own() bool {
	rest := *c
	rest.Version = 0
	rest.Name, rest.Email, rest.Alias, rest.BillingEmail, rest.SoftLimit = optional[string]{}, optional[string]{}, optional[string]{}, optional[string]{}, optional[string]{}
	rest.Labels = optional[map[string]string]{}
	return reflect.ValueOf(rest).IsZero()
}

// forRoot names a field of c that root alone may change; "" if there is none.
func (c *accountChange) forRoot() string {
	switch {
	case c.Prices.set:
		return "prices"
	case c.Unbilled.set:
		return "unbilled"
	case c.LimitRatio.set:
		return "limit_ratio"
	}
	return ""
}

// limitsChange is what a PATCH may say of limits; what it does not name stays.
type limitsChange struct {
	RPM        optional[int64] `json:"rpm,omitempty" minimum:"0"`
	RPH        optional[int64] `json:"rph,omitempty" minimum:"0"`
	RPD        optional[int64] `json:"rpd,omitempty" minimum:"0"`
	TPM        optional[int64] `json:"tpm,omitempty" minimum:"0"`
	TPH        optional[int64] `json:"tph,omitempty" minimum:"0"`
	TPD        optional[int64] `json:"tpd,omitempty" minimum:"0"`
	Concurrent optional[int64] `json:"concurrent,omitempty" minimum:"0"`
}

// changeLimits applies o to l.
func changeLimits(o optional[limitsChange], l *account.Limits) {
	if o.null {
		*l = account.Limits{}
	}
	c := o.value
	c.RPM.to(&l.RPM)
	c.RPH.to(&l.RPH)
	c.RPD.to(&l.RPD)
	c.TPM.to(&l.TPM)
	c.TPH.to(&l.TPH)
	c.TPD.to(&l.TPD)
	c.Concurrent.to(&l.Concurrent)
}
