package proxyxai

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/mapping"
	"tollgate/internal/pool"
	"tollgate/internal/provider"
	"tollgate/internal/provider/builtin"
	"tollgate/internal/secret"
)

// xKey is an upstream key as the API shows it. SecretKey is a mask with the last four characters.
type xKey struct {
	ID        string
	Name      string
	SecretKey string
	Provider  string // base URL
	Level     int
	Status    bool      // in service: switched on, and not refused by the provider
	Reason    string    `json:",omitempty"` // why it is not, when the provider refuses it
	CreatedAt time.Time `json:",omitzero"`
	UpdatedAt time.Time `json:",omitzero"`
}

// changed is the answer of a change.
type changed struct {
	Action string // "add", "update" or "delete"
	Key    xKey
}

func view(s pool.Status) xKey {
	c := s.Channel
	v := xKey{
		ID: c.ID, Name: c.Name, SecretKey: "***" + secret.Hint(c.Secret.Reveal()), Provider: baseOf(c), Level: levelOf(c.Pools),
		Status: c.Enabled && !s.Retired, CreatedAt: c.CreatedAt.UTC(), UpdatedAt: c.UpdatedAt.UTC(),
	}
	if s.Retired {
		v.Reason = s.Reason
	}
	return v
}

// baseOf is the address a channel sends to.
func baseOf(c pool.Channel) string {
	v, _ := builtin.ByName(c.Provider)
	return cmp.Or(c.BaseURL, v.Base, c.Provider)
}

// pools are where the keys of a level are.
func pools(level int) ([]string, error) {
	if level < 0 || level > mapping.MaxLevel {
		return nil, badRequest("Level must be between 0 and %d", mapping.MaxLevel)
	}
	if level == 0 {
		return nil, nil
	}
	return []string{pool.Level(level)}, nil
}

// levelOf is the level of a channel: that of the first of its pools that is one, else 0.
func levelOf(names []string) int {
	for _, name := range names {
		if n, ok := pool.LevelOf(name); ok {
			return n
		}
	}
	return 0
}

// vendor finds the provider that a client names, by a base URL or by a name. base is "" for its own.
func (a *API) vendor(named string) (v provider.Provider, base string, err error) {
	named = strings.TrimSpace(named)
	if named == "" {
		named = a.Base
	}
	if !strings.Contains(named, "://") {
		v, ok := builtin.ByName(strings.ToLower(named))
		if !ok {
			return v, "", badRequest("Provider is neither a base URL such as https://api.openai.com nor a provider that is known here")
		}
		return v, "", nil
	}
	base = strings.TrimRight(named, "/")
	if v, err = builtin.ByURL(base); err != nil {
		return v, "", badRequest("Provider: %v", err)
	}
	return v, base, nil
}

func (a *API) addKey(r *http.Request, who account.Caller) (any, error) {
	var in struct {
		SecretKey string
		Provider  string
		Name      string
		Level     int
		Status    *bool
	}
	if err := read(r, &in); err != nil {
		return nil, err
	}
	v, base, err := a.vendor(in.Provider)
	if err != nil {
		return nil, err
	}
	where, err := pools(in.Level)
	if err != nil {
		return nil, err
	}
	c, err := a.Channels.Add(r.Context(), pool.Channel{
		Name: in.Name, Provider: v.Name, BaseURL: base, Secret: secret.Secret(strings.TrimSpace(in.SecretKey)), Pools: where,
		Enabled: in.Status == nil || *in.Status,
	})
	a.record(r, who, "channel.create", "", c.ID, map[string]any{"name": in.Name, "provider": v.Name, "level": in.Level}, err)
	if err != nil {
		return nil, err
	}
	return changed{"add", a.now(c)}, nil
}

// now is a key as it stands after a change.
func (a *API) now(c pool.Channel) xKey {
	s, err := a.Channels.Get(c.ID)
	if err != nil { // deleted again already
		s = pool.Status{Channel: c}
	}
	return view(s)
}

func (a *API) changeKey(r *http.Request, who account.Caller) (any, error) {
	var in struct {
		Provider *string
		Name     *string
		Level    *int
		Status   *bool
	}
	if err := read(r, &in); err != nil {
		return nil, err
	}
	c, err := a.Channels.Update(r.Context(), r.PathValue("id"), func(c *pool.Channel) error {
		if in.Provider != nil {
			v, base, err := a.vendor(*in.Provider)
			if err != nil {
				return err
			}
			c.Provider, c.BaseURL = v.Name, base
		}
		if in.Level != nil {
			where, err := pools(*in.Level)
			if err != nil {
				return err
			}
			c.Pools = where
		}
		if in.Name != nil {
			c.Name = *in.Name
		}
		if in.Status != nil {
			c.Enabled = *in.Status
		}
		return nil
	})
	a.record(r, who, "channel.update", "", r.PathValue("id"), in, err)
	if err != nil {
		return nil, err
	}
	return changed{"update", a.now(c)}, nil
}

func (a *API) getKey(r *http.Request, _ account.Caller) (any, error) {
	s, err := a.Channels.Get(r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return view(s), nil
}

// listKeys answers an array, of all keys or of those of ?level= and ?provider=.
func (a *API) listKeys(r *http.Request, _ account.Caller) (any, error) {
	if err := onlyNames(r.URL.Query(), "level", "provider"); err != nil {
		return nil, err
	}
	level, named := -1, strings.TrimRight(r.URL.Query().Get("provider"), "/")
	if s := r.URL.Query().Get("level"); s != "" {
		n, err := mapping.ParseLevel(s)
		if err != nil {
			return nil, badRequest("level: %v", err)
		}
		level = n
	}
	all := slices.DeleteFunc(a.Channels.List(), func(s pool.Status) bool {
		return level >= 0 && levelOf(s.Channel.Pools) != level ||
			named != "" && !strings.EqualFold(named, s.Channel.Provider) && !strings.EqualFold(named, baseOf(s.Channel))
	})
	out := make([]xKey, 0, len(all))
	for _, s := range all {
		out = append(out, view(s))
	}
	return out, nil
}

func (a *API) deleteKey(r *http.Request, who account.Caller) (any, error) {
	s, err := a.Channels.Get(r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	err = a.Channels.Delete(r.Context(), s.Channel.ID)
	a.record(r, who, "channel.delete", "", s.Channel.ID, map[string]any{"name": s.Channel.Name}, err)
	if err != nil {
		return nil, err
	}
	return changed{"delete", view(s)}, nil
}
