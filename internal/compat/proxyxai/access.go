package proxyxai

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"tollgate/internal/account"
	"tollgate/internal/mapping"
	"tollgate/internal/wildcard"
)

// The lists of this API are changed, not replaced: what is named is added or removed. "*" allows all
// again, or nothing any more.

// fieldsOf cuts a list at spaces and commas.
func fieldsOf(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' || r == '\t' || r == '\n' || r == '\r' })
}

// onlyThisMachine is what is left when no address is allowed.
func onlyThisMachine() []netip.Prefix {
	return []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 32)}
}

// changeIPs returns list, which allows any address when it is empty, with the addresses of allow added
// and those of deny removed. What removes the last one leaves this machine, not the whole world.
func changeIPs(list []netip.Prefix, allow, deny string) ([]netip.Prefix, error) {
	list = slices.Clone(list)
	switch words := fieldsOf(allow); {
	case len(words) == 1 && words[0] == "*":
		list = nil
	case len(words) > 0:
		more, err := account.ParseIPs(words)
		if err != nil {
			return nil, badRequest("AllowIPs: %v", err)
		}
		for _, p := range more {
			if !slices.Contains(list, p) {
				list = append(list, p)
			}
		}
	}
	switch words := fieldsOf(deny); {
	case len(words) == 0:
	case len(words) == 1 && words[0] == "*":
		list = onlyThisMachine()
	default:
		less, err := account.ParseIPs(words)
		if err != nil {
			return nil, badRequest("DenyIPs: %v", err)
		}
		if len(list) == 0 {
			return nil, badRequest("DenyIPs: any address is allowed, so there is none to remove; name those that are allowed in AllowIPs")
		}
		list = slices.DeleteFunc(list, func(p netip.Prefix) bool { return slices.Contains(less, p) })
		if len(list) == 0 {
			list = onlyThisMachine()
		}
	}
	return list, nil
}

// nothing is the list of patterns that allows nothing.
const nothing = "-*"

// changeList returns a list of patterns, which allows all when it is empty, with those of allow added
// and those of deny removed. In allow, "-x" removes x; in deny it may mean that or the opposite, so it is
// an error.
func changeList(list []string, allow, deny string) ([]string, error) {
	var add, remove []string
	for _, word := range fieldsOf(allow) {
		if x, ok := strings.CutPrefix(word, "-"); ok {
			remove = append(remove, x)
		} else {
			add = append(add, word)
		}
	}
	for _, word := range fieldsOf(deny) {
		if !positive(word) {
			return nil, fmt.Errorf("%.40q begins with a dash; what is named here is removed without one", word)
		}
		remove = append(remove, word)
	}
	list = slices.Clone(list)
	for _, x := range add {
		list = allowOne(list, x)
	}
	for _, x := range remove {
		list = denyOne(list, x)
	}
	return list, nil
}

func allowOne(list []string, x string) []string {
	if x == "*" {
		return nil
	}
	if slices.Contains(list, nothing) {
		return []string{x}
	}
	if at := slices.Index(list, "-"+x); at >= 0 {
		list = slices.Delete(list, at, at+1)
		if account.Allows(list, x) {
			return list // it was an exception from what is allowed anyway
		}
	}
	if slices.Contains(list, x) {
		return list
	}
	return append(list, x)
}

func denyOne(list []string, x string) []string {
	if x == "*" || slices.Contains(list, nothing) {
		return []string{nothing}
	}
	had := slices.ContainsFunc(list, positive)
	list = slices.DeleteFunc(list, func(p string) bool { return p == x })
	switch left := slices.ContainsFunc(list, positive); {
	case had && !left:
		return []string{nothing}
	case slices.Contains(list, "-"+x):
	case !left || slices.ContainsFunc(list, func(p string) bool { return positive(p) && overlap(p, x) }):
		list = append(list, "-"+x)
	}
	return list
}

func positive(p string) bool { return !strings.HasPrefix(p, "-") }

// overlap reports whether the patterns may fit the same name; where that is not plain it says so.
func overlap(p, x string) bool {
	return wildcard.Match(p, x) || wildcard.Match(x, p) || wildcard.Is(p) && wildcard.Is(x)
}

// levelsFrom reads levels with spaces or commas between them; "*" is all of them.
func levelsFrom(text string) ([]int, error) {
	words := fieldsOf(text)
	if len(words) == 1 && words[0] == "*" {
		words = words[:0]
		for n := range mapping.MaxLevel + 1 {
			words = append(words, strconv.Itoa(n))
		}
	}
	var out []int
	for _, word := range words {
		n, err := mapping.ParseLevel(word)
		if err != nil {
			return nil, badRequest("AllowLevels: %v", err)
		}
		if !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out, nil
}
