package account

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"tollgate/internal/catalog"
	"tollgate/internal/mapping"
	"tollgate/internal/pool"
)

// InputError says which field of an account or key was wrong, and why.
type InputError struct {
	Field, Reason string
}

func (e *InputError) Error() string { return e.Field + ": " + e.Reason }

// TakenError says that another account has what must be unique. It is an ErrConflict.
type TakenError struct {
	Field string // "name" or "email"
}

func (e *TakenError) Error() string { return "the " + e.Field + " is taken: another account has it" }

// Is reports whether target is ErrConflict.
func (e *TakenError) Is(target error) bool { return target == ErrConflict }

// Bounds of what an account and a key may hold. Lists are looked through at every call.
const (
	minName     = 1 // characters
	maxName     = 63
	maxMail     = 254
	maxAlias    = 100
	maxPattern  = 200 // characters of a pattern
	maxPatterns = 2000
	maxIPs      = 1000
	maxPools    = 100
	maxPrices   = 1000
	maxLabels   = 20
	maxLabel    = 500

	// maxMoney is the most that one amount may be, as for a card of the ledger.
	maxMoney catalog.Nanos = 1e7 * 1e9
)

func bad(field, reason string, args ...any) error {
	return &InputError{Field: field, Reason: fmt.Sprintf(reason, args...)}
}

// Check reports what is wrong with an account by itself, as an InputError.
func (a *Account) Check() error {
	n := utf8.RuneCountInString(a.Name)
	switch {
	case n < minName || n > maxName:
		return bad("name", "must have %d to %d characters", minName, maxName)
	case strings.ContainsFunc(a.Name, unicode.IsControl) || strings.TrimSpace(a.Name) != a.Name || strings.ContainsRune(a.Name, '/'):
		return bad("name", "must not hold control characters or a slash, nor begin or end with white space")
	case strings.Contains(a.Name, "@"):
		return bad("name", "must not look like a mail address")
	case !strings.ContainsFunc(a.Name, unicode.IsLetter) || a.Name[0] == '.':
		return bad("name", "must hold a letter and not begin with a dot, or it would look like an id")
	case a.Email != "" && !isMail(a.Email):
		return bad("email", "is not a mail address")
	case a.BillingEmail != "" && !isMail(a.BillingEmail):
		return bad("billing_email", "is not a mail address")
	case utf8.RuneCountInString(a.Alias) > maxAlias || strings.ContainsFunc(a.Alias, unicode.IsControl):
		return bad("alias", "must have at most %d characters, and none of them a control character", maxAlias)
	case a.Role != RoleManager && a.Role != RoleCaller:
		return bad("role", "must be manager or caller")
	case a.ChildLimit < 0:
		return bad("child_limit", "must not be negative; 0 is no limit of its own")
	case a.Level < 0 || a.Level > mapping.MaxLevel:
		return bad("level", "must be between 0 and %d; 0 is that of the account above", mapping.MaxLevel)
	case a.HardLimit < 0 || a.HardLimit > maxMoney:
		return bad("hard_limit", "must be between 0 and %s dollars; 0 is no bound", maxMoney)
	case a.SoftLimit < 0 || a.SoftLimit > maxMoney:
		return bad("soft_limit", "must be between 0 and %s dollars", maxMoney)
	case a.LimitRatio < 0 || a.LimitRatio > catalog.MaxMultiplier:
		return bad("limit_ratio", "must be above 0 and at most %s; 0 is that of the account above", catalog.MaxMultiplier)
	case a.Rates != 0 && (a.Rates < catalog.One || a.Rates > catalog.MaxMultiplier):
		return bad("rates", "must be between %s and %s", catalog.One, catalog.MaxMultiplier)
	}
	if _, err := uuid.Parse(a.Name); err == nil {
		return bad("name", "must not look like an id")
	}
	if a.TimeZone != "" {
		if _, err := parseZone(a.TimeZone); err != nil {
			return bad("time_zone", "is not a time zone like Europe/Berlin or UTC")
		}
	}
	if err := checkLimits("limits", a.Limits); err != nil {
		return err
	}
	return a.checkLists()
}

func (a *Account) checkLists() error {
	if len(a.ModelLimits) > maxPatterns {
		return bad("model_limits", "has more than %d entries", maxPatterns)
	}
	for p, l := range a.ModelLimits {
		if err := checkPattern(p); err != nil {
			return bad("model_limits", "%v", err)
		}
		if l == (Limits{}) {
			return bad("model_limits", "%q says no limit; leave it out", p)
		}
		if err := checkLimits("model_limits."+p, l); err != nil {
			return err
		}
	}
	if len(a.Pools) > maxPools {
		return bad("pools", "has more than %d entries", maxPools)
	}
	for i, p := range a.Pools {
		if p == "" || len(p) > maxPattern || strings.ContainsFunc(p, unicode.IsSpace) || strings.ContainsAny(p, "*,") || slices.Contains(a.Pools[:i], p) {
			return bad("pools", "%q is no name of a pool (1 to %d characters, no space, comma or *), or stands twice", p, maxPattern)
		}
	}
	for i, l := range a.AllowLevels {
		if l < 0 || l > mapping.MaxLevel || slices.Contains(a.AllowLevels[:i], l) {
			return bad("allow_levels", "%d is not a level from 0 to %d, or stands twice", l, mapping.MaxLevel)
		}
	}
	if len(a.Mapping) > mapping.MaxRules || len(a.Levels) > mapping.MaxRules {
		return bad("model_mapper", "has more than %d rules", mapping.MaxRules)
	}
	if _, err := mapping.ParseModels(a.Mapping.String()); err != nil {
		return bad("model_mapper", "%v", err)
	}
	if _, err := mapping.ParseLevels(a.Levels.String()); err != nil {
		return bad("level_mapper", "%v", err)
	}
	if len(a.Prices) > maxPrices {
		return bad("prices", "has more than %d entries", maxPrices)
	}
	for i, o := range a.Prices {
		if err := o.Check(); err != nil {
			return bad("prices", "entry %d: %v", i+1, err)
		}
		if slices.ContainsFunc(a.Prices[:i], func(x catalog.Override) bool { return strings.EqualFold(x.Model, o.Model) }) {
			return bad("prices", "%q stands twice", o.Model)
		}
	}
	if len(a.Labels) > maxLabels {
		return bad("labels", "has more than %d entries", maxLabels)
	}
	for k, v := range a.Labels {
		if k == "" || len(k) > maxName || len(v) > maxLabel {
			return bad("labels", "a name must have 1 to %d bytes, a value at most %d", maxName, maxLabel)
		}
	}
	return checkAccess(a.Models, a.Paths, a.IPs)
}

func checkAccess(models, paths []string, ips []netip.Prefix) error {
	for field, list := range map[string][]string{"models": models, "paths": paths} {
		if len(list) > maxPatterns {
			return bad(field, "has more than %d entries", maxPatterns)
		}
		for _, p := range list {
			p = strings.TrimPrefix(p, "-")
			if err := checkPattern(p); err != nil {
				return bad(field, "%v", err)
			}
			if field == "paths" && p[0] != '/' && p[0] != '*' {
				return bad(field, "%q must begin with a slash", p)
			}
		}
	}
	if len(ips) > maxIPs {
		return bad("ips", "has more than %d entries", maxIPs)
	}
	for _, p := range ips {
		if !p.IsValid() || p != p.Masked() || p.Addr().Is4In6() {
			return bad("ips", "%s is not a network", p)
		}
	}
	return nil
}

// checkPattern refuses what somebody may take for a pattern and is none: '*' alone is special.
func checkPattern(p string) error {
	switch {
	case p == "":
		return fmt.Errorf("a pattern is empty")
	case len(p) > maxPattern:
		return fmt.Errorf("%.40q has more than %d characters", p, maxPattern)
	case p[0] == '-':
		return fmt.Errorf("%q begins with a dash, as no name does: one dash before a name excludes it from a list", p)
	case strings.ContainsFunc(p, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) || strings.ContainsAny(p, `?[]^$\,;"'`):
		return fmt.Errorf("%q holds a character that no pattern has; only * is special", p)
	}
	return nil
}

// ParseIPs reads addresses and networks: 192.0.2.1, 2001:db8::/32. The error names the faulty one.
func ParseIPs(list []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, s := range list {
		p, err := parseIP(strings.TrimSpace(s))
		if err != nil {
			return nil, err
		}
		if !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out, nil
}

func parseIP(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	switch {
	case err != nil:
		return p, fmt.Errorf("%.60q is neither an address like 192.0.2.1 nor a network like 192.0.2.0/24", s)
	case p != p.Masked():
		return p, fmt.Errorf("%.60q has bits beyond its length: the network is %s", s, p.Masked())
	case p.Addr().Is4In6():
		return p, fmt.Errorf("%.60q: write IPv4 networks as IPv4", s)
	}
	return p, nil
}

func isMail(s string) bool {
	name, host, ok := strings.Cut(s, "@")
	return ok && name != "" && host != "" && !strings.Contains(host, "@") && len(s) <= maxMail &&
		!strings.ContainsFunc(s, func(r rune) bool {
			return unicode.IsSpace(r) || unicode.IsControl(r) || r == ',' || r == '<' || r == '>'
		})
}

func checkLimits(field string, l Limits) error {
	if name, reason := l.Check(); name != "" {
		return bad(field+"."+name, "%s", reason)
	}
	return nil
}

// Check reports what is wrong with a key by itself, as an InputError.
func (k *Key) Check() error {
	if utf8.RuneCountInString(k.Name) > maxName {
		return bad("name", "must have at most %d characters", maxName)
	}
	for field, v := range map[string]catalog.Nanos{"total": k.Quota.Total, "day": k.Quota.Day, "week": k.Quota.Week, "month": k.Quota.Month} {
		if v < 0 || v > maxMoney {
			return bad("quota."+field, "must be between 0 and %s dollars; 0 is no bound", maxMoney)
		}
	}
	if err := checkLimits("limits", k.Limits); err != nil {
		return err
	}
	return checkAccess(k.Models, k.Paths, k.IPs)
}

// below checks an account against the one above it, in what differs from old: what was right once
// stays, though the account above has less now, because the lower of the two holds anyway.
func (r *Registry) below(parent *Account, a, old *Account) error {
	if a.ID == RootID {
		return nil
	}
	most := r.dir.Effective(parent)
	for i, x := range a.Limits.Each() {
		if m := most.Limits.Each()[i].Value; x.Value != old.Limits.Each()[i].Value && m > 0 && x.Value > m {
			return bad("limits."+x.Name, "must be at most %d, the limit of the account above; 0 is that limit", m)
		}
	}
	if a.ChildLimit != old.ChildLimit && most.ChildLimit > 0 && a.ChildLimit > most.ChildLimit {
		return bad("child_limit", "must be at most %d, as for the account above", most.ChildLimit)
	}
	if a.Rates != 0 && a.Rates != old.Rates && a.Rates < most.Rates {
		return bad("rates", "must be at least %s, the rates of the account above", most.Rates)
	}
	for _, p := range a.Pools {
		if !slices.Contains(old.Pools, p) && !r.dir.MayUsePool(parent, p, false) {
			return bad("pools", "the account above may not use the pool %q", p)
		}
	}
	for _, l := range a.AllowLevels {
		if !slices.Contains(old.AllowLevels, l) && !r.dir.MayUsePool(parent, pool.Level(l), false) {
			return bad("allow_levels", "the account above may not use level %d", l)
		}
	}
	for _, l := range a.Levels {
		if !slices.Contains(old.Levels, l) && !r.dir.MayUsePool(parent, pool.Level(l.Level), false) {
			return bad("level_mapper", "the account above may not use level %d", l.Level)
		}
	}
	if a.Level != 0 && a.Level != old.Level && !r.dir.MayUsePool(parent, pool.Level(a.Level), false) {
		return bad("level", "the account above may not use level %d", a.Level)
	}
	return nil
}

// free reports whether name and email of an account belong to nobody else.
func (r *Registry) free(a *Account) error {
	if x := r.dir.byName(a.Name); x != nil && x.ID != a.ID {
		return &TakenError{"name"}
	}
	if x := r.dir.byEmail(a.Email); x != nil && x.ID != a.ID {
		return &TakenError{"email"}
	}
	return nil
}
