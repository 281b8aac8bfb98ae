package pool

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// InputError says which field of a channel was wrong, and why.
type InputError struct {
	Field, Reason string
}

// Error names the field and says what is wrong with it.
func (e *InputError) Error() string { return e.Field + ": " + e.Reason }

// Bounds of a channel.
const (
	maxName   = 100
	maxWeight = 1_000_000
	maxList   = 2000 // models, mappings, pools
)

// Check reports what is wrong with a channel.
func (p *Pool) Check(c Channel) error {
	v, ok := p.providers[c.Provider]
	if !ok {
		return &InputError{"provider", fmt.Sprintf("%.40q is not a provider that is known here", c.Provider)}
	}
	switch {
	case utf8.RuneCountInString(c.Name) > maxName:
		return &InputError{"name", fmt.Sprintf("must have at most %d characters", maxName)}
	case c.Secret == "" && !v.Keyless:
		return &InputError{"key", "is missing; a channel of the provider " + v.Name + " needs one"}
	case strings.ContainsFunc(c.Secret.Reveal(), func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return &InputError{"key", "must be printable ASCII without spaces"}
	case c.BaseURL == "" && v.Base == "":
		return &InputError{"base_url", "is missing: " + v.Title + " has no address of its own"}
	case c.Weight < 0 || c.Weight > maxWeight:
		return &InputError{"weight", fmt.Sprintf("must be between 0 and %d", maxWeight)}
	case c.Priority < -maxWeight || c.Priority > maxWeight:
		return &InputError{"priority", fmt.Sprintf("must be between -%d and %d", maxWeight, maxWeight)}
	case len(c.Models) > maxList || len(c.Mapping) > maxList || len(c.Pools) > maxList:
		return &InputError{"models", fmt.Sprintf("lists must have at most %d entries", maxList)}
	}
	if name, reason := c.Limits.Check(); name != "" {
		return &InputError{"limits." + name, reason}
	}
	if c.BaseURL != "" {
		u, err := url.Parse(c.BaseURL)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return &InputError{"base_url", "must be an http or https address without user, query or fragment"}
		}
	}
	if slices.Contains(c.Models, "") {
		return &InputError{"models", "must not hold an empty name"}
	}
	for _, name := range c.Pools {
		if name == "" || strings.ContainsAny(name, " \t\n,") {
			return &InputError{"pools", fmt.Sprintf("%.40q is not a name of a pool", name)}
		}
	}
	return nil
}

// Add stores a new channel; it serves the very next call.
func (p *Pool) Add(ctx context.Context, c Channel) (Channel, error) {
	if err := p.Check(c); err != nil {
		return Channel{}, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return Channel{}, fmt.Errorf("make an id: %w", err)
	}
	c.ID, c.Origin, c.Version = id.String(), OriginAPI, 1
	c.CreatedAt = p.now().UTC().Truncate(time.Millisecond)
	c.UpdatedAt = c.CreatedAt
	if err := p.store.InsertChannel(ctx, c); err != nil {
		return Channel{}, err
	}
	return c, p.Reload(ctx)
}

// Update changes a stored channel by change, which sees it as stored. A new key, address or provider
// clears what experience says of the channel.
func (p *Pool) Update(ctx context.Context, id string, change func(*Channel) error) (Channel, error) {
	if p.isFixed(id) {
		return Channel{}, &InputError{"id", "this channel comes from the environment or the configuration file; change it there"}
	}
	old, err := p.store.Channel(ctx, id)
	if err != nil {
		return Channel{}, err
	}
	c := old
	if err := change(&c); err != nil {
		return Channel{}, err
	}
	c.ID, c.Origin, c.CreatedAt, c.Version = old.ID, old.Origin, old.CreatedAt, old.Version
	if err := p.Check(c); err != nil {
		return Channel{}, err
	}
	fresh := c.renewed(old)
	if fresh {
		c.Retired, c.Reason, c.RetiredAt = false, "", time.Time{}
	}
	c.UpdatedAt = p.now().UTC().Truncate(time.Millisecond)
	if err := p.store.UpdateChannel(ctx, c); err != nil {
		return Channel{}, err
	}
	c.Version++
	if !fresh {
		return c, p.Reload(ctx)
	}
	// A change of configuration leaves the health of a row alone, and calls may have retired it since it
	// was read.
	err = p.store.SetRetired(ctx, id, false, "", time.Time{})
	p.Forget(id)
	return c, errors.Join(err, p.Reload(ctx))
}

// renewed reports whether what experience says of the channel as it was no longer counts.
func (c Channel) renewed(old Channel) bool {
	return c.Secret != old.Secret || c.BaseURL != old.BaseURL || c.Provider != old.Provider || c.Enabled && !old.Enabled
}

// Take takes over the channels of the store, of which another process may have changed those with these ids.
func (p *Pool) Take(ctx context.Context, ids []string) error {
	for _, id := range ids {
		have, err := p.Get(id)
		if err != nil {
			continue // it is new here
		}
		c, err := p.store.Channel(ctx, id)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		if err == nil && c.renewed(have.Channel) {
			p.Forget(id)
		}
	}
	return p.Reload(ctx)
}

// Delete removes a stored channel. Attempts that run on it finish.
func (p *Pool) Delete(ctx context.Context, id string) error {
	if p.isFixed(id) {
		return &InputError{"id", "this channel comes from the environment or the configuration file; remove it there"}
	}
	if err := p.store.DeleteChannel(ctx, id); err != nil {
		return err
	}
	return p.Reload(ctx)
}

// Get returns a channel and how it stands.
func (p *Pool) Get(id string) (Status, error) {
	for _, e := range p.snap.Load().entries {
		if e.channel.ID == id {
			return e.status(), nil
		}
	}
	return Status{}, ErrNotFound
}

func (p *Pool) isFixed(id string) bool {
	return slices.ContainsFunc(p.fixed, func(c Channel) bool { return c.ID == id })
}
