package app

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// clientIP returns how a request's client address is told: the peer's own, unless the peer is a
// trusted proxy; then the last address in X-Forwarded-For that no trusted proxy has.
func clientIP(trusted []netip.Prefix) func(*http.Request) string {
	isTrusted := func(a netip.Addr) bool {
		return slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(a) })
	}
	return func(r *http.Request) string {
		peer, err := netip.ParseAddrPort(r.RemoteAddr)
		if err != nil {
			return r.RemoteAddr
		}
		addr := peer.Addr().Unmap()
		if len(trusted) == 0 || !isTrusted(addr) {
			return addr.String()
		}
		hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
		for _, hop := range slices.Backward(hops) {
			a, err := netip.ParseAddr(strings.TrimSpace(hop))
			if err != nil {
				break // what stands before a hop that can't be read is not to be believed
			}
			addr = a.Unmap()
			if !isTrusted(addr) {
				break
			}
		}
		return addr.String()
	}
}
