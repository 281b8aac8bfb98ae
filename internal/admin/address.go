package admin

import (
	"context"
	"net/http"
	"net/netip"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/sharing"
)

// Address is an address that many accounts call from.
type Address struct {
	Address     netip.Prefix `json:"address" doc:"An IPv4 address, or the /64 of an IPv6 address."`
	Accounts    []string     `json:"accounts" doc:"Those that called from it within an hour, the last one first; no more than make a difference."`
	SeenAt      time.Time    `json:"seen_at"`
	BannedUntil time.Time    `json:"banned_until,omitzero" doc:"Until then calls from it are refused; missing: they are not."`
}

func viewAddress(p sharing.Place) Address {
	v := Address{Address: p.Addr, Accounts: listOf(p.Accounts), SeenAt: p.SeenAt.UTC()}
	if !p.BannedUntil.IsZero() {
		v.BannedUntil = p.BannedUntil.UTC()
	}
	return v
}

func (a *API) registerAddresses() {
	const tag = "addresses"
	handle(a, route{
		id: "list-addresses", method: http.MethodGet, path: "/addresses", policy: PolicyRoot, tag: tag, summary: "List addresses that many accounts call from",
		more: "Those that are refused first. How many are many is said by IP_GROUPS_THRESHOLD and IP_GROUPS_BAN_THRESHOLD.",
	}, a.listAddresses)
	handle(a, route{
		id: "lift-address", method: http.MethodDelete, path: "/addresses/{address}/ban", policy: PolicyRoot, tag: tag, summary: "Let an address call again",
		more: "Accounts that call from it are counted anew.",
	}, a.liftAddress)
}

func (a *API) listAddresses(_ context.Context, _ account.Caller, in *struct {
	Limit int `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"Most entries to answer."`
},
) (*listed[Address], error) {
	if a.Guard == nil {
		return paged(nil, in.Limit, func(sharing.Place) string { return "" }, viewAddress), nil
	}
	return paged(a.Guard.Places(a.Now(), in.Limit), in.Limit, func(p sharing.Place) string { return p.Addr.String() }, viewAddress), nil
}

func (a *API) liftAddress(ctx context.Context, _ account.Caller, in *struct {
	Address string `path:"address" maxLength:"60" doc:"The address, or for IPv6 any one of its /64."`
},
) (*none, error) {
	about(ctx, "", in.Address, nil)
	addr, err := netip.ParseAddr(in.Address)
	if err != nil {
		return nil, invalid("path.address", "is not an IP address")
	}
	if a.Guard == nil || !a.Guard.Lift(addr, a.Now()) {
		return nil, notFound("banned address")
	}
	return nil, nil
}
