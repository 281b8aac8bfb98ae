package admin

import (
	"fmt"
	"slices"
	"strings"

	"tollgate/internal/account"
	"tollgate/internal/pool"
	"tollgate/internal/wildcard"
)

// within reports what a manager would give to the account child that parent, which is above it, does
// not have itself.
func within(parent, child *account.Account) error {
	if parent == nil {
		return notFound("account")
	}
	for _, l := range []struct {
		field string
		most  int64
		want  int64
	}{
		{"rpm", parent.Limits.RPM, child.Limits.RPM},
		{"rph", parent.Limits.RPH, child.Limits.RPH},
		{"rpd", parent.Limits.RPD, child.Limits.RPD},
		{"tpm", parent.Limits.TPM, child.Limits.TPM},
		{"tph", parent.Limits.TPH, child.Limits.TPH},
		{"tpd", parent.Limits.TPD, child.Limits.TPD},
		{"concurrent", parent.Limits.Concurrent, child.Limits.Concurrent},
	} {
		if l.most > 0 && (l.want == 0 || l.want > l.most) {
			return &account.InputError{Field: "limits." + l.field, Reason: fmt.Sprintf("must be between 1 and %d, the limit of the account above", l.most)}
		}
	}
	has, wants := poolsOf(parent), poolsOf(child)
	for _, p := range wants {
		if !slices.Contains(has, p) {
			return &account.InputError{Field: "pools", Reason: fmt.Sprintf("the account above has no pool %s", quoted(p))}
		}
	}
	return modelsWithin(parent.Models, child.Models)
}

func poolsOf(a *account.Account) []string {
	if len(a.Pools) == 0 {
		return []string{pool.DefaultPool}
	}
	return a.Pools
}

// modelsWithin reports a pattern that lets through what the patterns above do not. It is strict: a
// wildcard must stand above as it is, and every exclusion must be kept.
func modelsWithin(above, below []string) error {
	allowed, excluded := split(above)
	gives, leaves := split(below)
	for _, x := range excluded {
		if !slices.Contains(leaves, x) {
			return &account.InputError{Field: "models", Reason: fmt.Sprintf("must hold %s, as the list of the account above does", quoted("-"+x))}
		}
	}
	if len(allowed) == 0 {
		return nil
	}
	if len(gives) == 0 {
		return &account.InputError{Field: "models", Reason: "must name models: the account above may not call all"}
	}
	for _, g := range gives {
		if slices.Contains(allowed, g) || !wildcard.Is(g) && slices.ContainsFunc(allowed, func(p string) bool { return wildcard.Match(p, g) }) {
			continue
		}
		return &account.InputError{Field: "models", Reason: fmt.Sprintf("the account above may not call all of %s", quoted(g))}
	}
	return nil
}

// split parts patterns from exclusions, which lose their minus.
func split(patterns []string) (allowed, excluded []string) {
	for _, p := range patterns {
		if x, ok := strings.CutPrefix(p, "-"); ok {
			excluded = append(excluded, x)
		} else {
			allowed = append(allowed, p)
		}
	}
	return allowed, excluded
}
