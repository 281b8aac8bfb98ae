package admin

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/pool"
	"tollgate/internal/provider/builtin"
	"tollgate/internal/secret"
)

// Channel is a channel as the API shows it, without its key.
type Channel struct {
	ID        string            `json:"id"`
	Name      string            `json:"name"`
	Provider  string            `json:"provider"`
	BaseURL   string            `json:"base_url" doc:"Empty: the provider's own."`
	Hint      string            `json:"hint" doc:"Last four characters of the key."`
	Models    []string          `json:"models" doc:"Patterns of the models it serves; empty: what the provider serves."`
	Mapping   map[string]string `json:"mapping" doc:"Requested model, wildcards allowed, to the upstream's name for it."`
	Pools     []string          `json:"pools" doc:"Empty: the default pool."`
	Priority  int               `json:"priority" doc:"Higher is tried first."`
	Weight    int               `json:"weight" doc:"Share among equals; 0 counts as 1."`
	Limits    account.Limits    `json:"limits" doc:"What it may be sent; over them the next channel is tried. 0 is no limit."`
	Enabled   bool              `json:"enabled"`
	Origin    pool.Origin       `json:"origin" enum:"api,env,file" doc:"Only channels from the API can be changed here."`
	Retired   bool              `json:"retired" doc:"The provider refused the key; it rests until a check succeeds."`
	Reason    string            `json:"reason,omitempty" doc:"Why it is retired."`
	RetiredAt time.Time         `json:"retired_at,omitzero"`
	NextCheck time.Time         `json:"next_check,omitzero"`
	CreatedAt time.Time         `json:"created_at,omitzero"`
	UpdatedAt time.Time         `json:"updated_at,omitzero"`
	Version   int64             `json:"version"`
}

// Verdict is what a check of a channel found.
type Verdict struct {
	OK      bool    `json:"ok" doc:"The provider knows the key, or has nothing free to ask."`
	Message string  `json:"message,omitempty" doc:"What the provider, or the way to it, said."`
	Channel Channel `json:"channel" doc:"As it stands after."`
}

func viewChannel(s pool.Status) Channel {
	c := s.Channel
	v := Channel{
		ID: c.ID, Name: c.Name, Provider: c.Provider, BaseURL: c.BaseURL, Hint: secret.Hint(c.Secret.Reveal()), Models: listOf(c.Models),
		Mapping: map[string]string{}, Pools: listOf(c.Pools), Priority: c.Priority, Weight: c.Weight, Limits: c.Limits, Enabled: c.Enabled, Origin: c.Origin,
		Retired: s.Retired, Reason: s.Reason, CreatedAt: c.CreatedAt.UTC(), UpdatedAt: c.UpdatedAt.UTC(), Version: c.Version,
	}
	maps.Copy(v.Mapping, c.Mapping)
	if s.Retired {
		v.RetiredAt, v.NextCheck = s.RetiredAt.UTC(), s.NextCheck.UTC()
	}
	return v
}

type channelFields struct {
	Name     string            `json:"name,omitempty" maxLength:"100"`
	Provider string            `json:"provider,omitempty" maxLength:"100" doc:"Without it, the one that base_url belongs to."`
	BaseURL  string            `json:"base_url,omitempty" maxLength:"2000" doc:"Without it, the provider's own."`
	Key      string            `json:"key,omitempty" maxLength:"20000" writeOnly:"true" doc:"The credential. It is kept sealed and never shown again."`
	Models   []string          `json:"models,omitempty" maxItems:"2000"`
	Mapping  map[string]string `json:"mapping,omitempty"`
	Pools    []string          `json:"pools,omitempty" maxItems:"2000"`
	Priority int               `json:"priority,omitempty"`
	Weight   int               `json:"weight,omitempty" minimum:"0"`
	Limits   account.Limits    `json:"limits,omitempty"`
	Enabled  *bool             `json:"enabled,omitempty" doc:"True unless said."`
}

type channelChange struct {
	Version  int64                       `json:"version,omitempty" minimum:"1" doc:"The one that was read; with another one there, the change is refused."`
	Name     optional[string]            `json:"name,omitempty" maxLength:"100"`
	Provider optional[string]            `json:"provider,omitempty" maxLength:"100"`
	BaseURL  optional[string]            `json:"base_url,omitempty" maxLength:"2000"`
	Key      optional[string]            `json:"key,omitempty" maxLength:"20000" writeOnly:"true" doc:"A new credential; what experience says of the channel is forgotten."`
	Models   optional[[]string]          `json:"models,omitempty" maxItems:"2000"`
	Mapping  optional[map[string]string] `json:"mapping,omitempty" doc:"Takes the place of the whole mapping."`
	Pools    optional[[]string]          `json:"pools,omitempty" maxItems:"2000"`
	Priority optional[int]               `json:"priority,omitempty"`
	Weight   optional[int]               `json:"weight,omitempty" minimum:"0"`
	Limits   optional[limitsChange]      `json:"limits,omitempty"`
	Enabled  optional[bool]              `json:"enabled,omitempty"`
}

// ChannelID names a channel in a path.
type ChannelID struct {
	ID string `path:"id" maxLength:"100" doc:"Id of the channel."`
}

func (a *API) registerChannels() {
	const tag = "channels"
	handle(a, route{id: "list-channels", method: http.MethodGet, path: "/channels", policy: PolicyRoot, tag: tag, summary: "List channels", more: "Those of the configuration first."}, a.listChannels)
	handle(a, route{id: "create-channel", method: http.MethodPost, path: "/channels", policy: PolicyRoot, tag: tag, summary: "Add a channel", status: http.StatusCreated, more: "It serves the very next call."}, a.createChannel)
	handle(a, route{id: "get-channel", method: http.MethodGet, path: "/channels/{id}", policy: PolicyRoot, tag: tag, summary: "Read a channel"}, a.getChannel)
	handle(a, route{id: "change-channel", method: http.MethodPatch, path: "/channels/{id}", policy: PolicyRoot, tag: tag, summary: "Change a channel"}, a.changeChannel)
	handle(a, route{id: "delete-channel", method: http.MethodDelete, path: "/channels/{id}", policy: PolicyRoot, tag: tag, summary: "Delete a channel", more: "Calls that run on it finish."}, a.deleteChannel)
	handle(a, route{
		id: "check-channel", method: http.MethodPost, path: "/channels/{id}/check", policy: PolicyRoot, tag: tag, summary: "Check the key of a channel now", status: http.StatusOK,
		more: "Costs nothing. A key that the provider refuses retires; a retired one that it knows may try a call again.",
	}, a.checkChannel)
}

func (a *API) listChannels(_ context.Context, _ account.Caller, in *struct {
	Page
	Provider string `query:"provider" maxLength:"100"`
	Pool     string `query:"pool" maxLength:"100"`
	Retired  string `query:"retired" enum:"true,false" doc:"Only those that are, or are not."`
},
) (*listed[Channel], error) {
	all := a.Channels.List()
	if in.After != "" {
		i := slices.IndexFunc(all, func(s pool.Status) bool { return s.Channel.ID == in.After })
		if i < 0 {
			return nil, invalid("query.after", "there is no such channel any more; begin again without it")
		}
		all = all[i+1:]
	}
	rows := slices.DeleteFunc(all, func(s pool.Status) bool {
		pools := s.Channel.Pools
		if len(pools) == 0 {
			pools = []string{pool.DefaultPool}
		}
		return in.Provider != "" && s.Channel.Provider != in.Provider ||
			in.Pool != "" && !slices.Contains(pools, in.Pool) ||
			in.Retired != "" && s.Retired != (in.Retired == "true")
	})
	return paged(rows, in.Limit, func(s pool.Status) string { return s.Channel.ID }, viewChannel), nil
}

func (a *API) getChannel(_ context.Context, _ account.Caller, in *ChannelID) (*one[Channel], error) {
	s, err := a.Channels.Get(in.ID)
	if err != nil {
		return nil, err
	}
	return &one[Channel]{viewChannel(s)}, nil
}

func (a *API) createChannel(ctx context.Context, _ account.Caller, in *struct{ Body channelFields }) (*one[Channel], error) {
	b := in.Body
	if b.Provider == "" {
		if b.BaseURL == "" {
			return nil, invalid("body.provider", "is missing; name a provider, or give the base_url of one")
		}
		v, err := builtin.ByURL(b.BaseURL)
		if err != nil {
			return nil, invalid("body.base_url", err.Error())
		}
		b.Provider = v.Name
	}
	c, err := a.Channels.Add(ctx, pool.Channel{
		Name: b.Name, Provider: b.Provider, BaseURL: b.BaseURL, Secret: secret.Secret(b.Key), Models: b.Models, Mapping: b.Mapping,
		Pools: b.Pools, Priority: b.Priority, Weight: b.Weight, Limits: b.Limits, Enabled: b.Enabled == nil || *b.Enabled,
	})
	if err != nil {
		return nil, err
	}
	return a.channelNow(c)
}

// channelNow answers how a channel stands after a change.
func (a *API) channelNow(c pool.Channel) (*one[Channel], error) {
	s, err := a.Channels.Get(c.ID)
	if err != nil { // deleted again already
		s = pool.Status{Channel: c}
	}
	return &one[Channel]{viewChannel(s)}, nil
}

func (a *API) changeChannel(ctx context.Context, _ account.Caller, in *struct {
	ChannelID
	Body channelChange
},
) (*one[Channel], error) {
	b := in.Body
	c, err := a.Channels.Update(ctx, in.ID, func(c *pool.Channel) error {
		if b.Version != 0 && b.Version != c.Version {
			return errChanged
		}
		b.Name.to(&c.Name)
		b.Provider.to(&c.Provider)
		b.BaseURL.to(&c.BaseURL)
		if b.Key.set {
			c.Secret = secret.Secret(b.Key.value)
		}
		b.Models.to(&c.Models)
		b.Mapping.to(&c.Mapping)
		b.Pools.to(&c.Pools)
		b.Priority.to(&c.Priority)
		b.Weight.to(&c.Weight)
		changeLimits(b.Limits, &c.Limits)
		b.Enabled.to(&c.Enabled)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return a.channelNow(c)
}

func (a *API) deleteChannel(ctx context.Context, _ account.Caller, in *ChannelID) (*none, error) {
	return nil, a.Channels.Delete(ctx, in.ID)
}

func (a *API) checkChannel(ctx context.Context, _ account.Caller, in *ChannelID) (*one[Verdict], error) {
	verdict, err := a.Channels.CheckNow(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	s, err := a.Channels.Get(in.ID)
	if err != nil {
		return nil, err
	}
	out := Verdict{OK: verdict == nil, Channel: viewChannel(s)}
	if verdict != nil {
		out.Message = verdict.Message
	}
	return &one[Verdict]{out}, nil
}
