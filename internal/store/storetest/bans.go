package storetest

import (
	"net/netip"
	"testing"
	"time"

	"tollgate/internal/change"
	"tollgate/internal/sharing"
)

func testBans(t *testing.T, s Stores) {
	ctx := t.Context()
	one, two := netip.MustParsePrefix("192.0.2.7/32"), netip.MustParsePrefix("2001:db8:1:2::/64")
	expect := func(what string, now time.Time, want ...sharing.Ban) {
		t.Helper()
		got, err := s.Bans(ctx, now)
		must(t, err)
		same(t, what, want, got)
	}
	expect("none", noon)
	first := sharing.Ban{Addr: one, Until: noon.Add(time.Hour), Accounts: []string{"a", "b"}}
	second := sharing.Ban{Addr: two, Until: noon.Add(2 * time.Hour), Accounts: []string{"c"}}
	must(t, s.PutBan(ctx, first, noon))
	must(t, s.PutBan(ctx, second, noon))
	expect("both", noon, first, second)
	list, _, err := s.Changes(ctx, 0)
	must(t, err)
	same(t, "told to others", []change.Change{{Kind: change.Address, ID: one.String()}, {Kind: change.Address, ID: two.String()}}, list)
	first.Until = noon.Add(3 * time.Hour)
	must(t, s.PutBan(ctx, first, noon))
	expect("once more", noon.Add(2*time.Hour), first)
	must(t, s.PutBan(ctx, sharing.Ban{Addr: one}, noon.Add(2*time.Hour)))
	expect("lifted, and the other one is over and gone", noon)
}
