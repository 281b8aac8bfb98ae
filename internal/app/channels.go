package app

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	"tollgate/internal/config"
	"tollgate/internal/pool"
	"tollgate/internal/provider"
	"tollgate/internal/provider/builtin"
	"tollgate/internal/secret"
)

// fixedChannels are the channels that the environment and the configuration file name. Their ids come
// from what they are, so that order and restarts do not change who keeps a stored object.
func fixedChannels(cfg *config.Config) ([]pool.Channel, error) {
	var out []pool.Channel
	for i, c := range cfg.Channels {
		ch, err := fileChannel(c)
		if err != nil {
			return nil, fmt.Errorf("channels[%d] (%s, line %d): %w", i, c.Name, c.Line, err)
		}
		out = append(out, ch)
	}
	for i, k := range cfg.InitKeys {
		v, err := builtin.ByURL(k.Base)
		if err != nil {
			return nil, fmt.Errorf("INIT_KEYS entry %d: %w", i+1, err)
		}
		out = append(out, envChannel(fmt.Sprintf("INIT_KEYS %d", i+1), v, k.Base, k.Key))
	}
	env := builtin.EnvKeys()
	for _, name := range slices.Sorted(maps.Keys(env)) {
		key, ok := cfg.Lookup(name)
		if !ok {
			continue
		}
		if v, ok := builtin.ByName(env[name]); ok {
			out = append(out, envChannel(name, v, "", key))
		}
	}
	return out, nil
}

func envChannel(name string, v provider.Provider, base string, key secret.Secret) pool.Channel {
	return pool.Channel{
		ID: fixedID(v.Name, base, key.Reveal()), Name: name, Provider: v.Name, BaseURL: base, Secret: key,
		Enabled: true, Origin: pool.OriginEnv,
	}
}

func fileChannel(c config.Channel) (pool.Channel, error) {
	var v provider.Provider
	var err error
	if c.Provider != "" {
		var ok bool
		if v, ok = builtin.ByName(c.Provider); !ok {
			return pool.Channel{}, fmt.Errorf("provider: %q is not known here", c.Provider)
		}
	} else if v, err = builtin.ByURL(c.BaseURL); err != nil {
		return pool.Channel{}, fmt.Errorf("base_url: %w", err)
	}
	return pool.Channel{
		ID: fixedID("file", c.Name, ""), Name: c.Name, Provider: v.Name, BaseURL: c.BaseURL, Secret: c.Key,
		Models: c.Models, Mapping: c.Mapping, Pools: c.Pools, Priority: c.Priority, Weight: c.Weight, Limits: c.Limits,
		Enabled: c.Enabled == nil || *c.Enabled, Origin: pool.OriginFile,
	}, nil
}

// fixedID derives the id of a channel that has no row in the store.
func fixedID(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return "fixed-" + hex.EncodeToString(h.Sum(nil)[:8])
}
