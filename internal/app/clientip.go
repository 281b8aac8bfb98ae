package app

import (
	"net/http"
	"net/netip"
	"strings"
)

// clientIP returns how a request's client address is told: the peer's own, unless the peer is a
// trusted proxy; then the last address in X-Forwarded-For that no trusted proxy has. It is the zero
// address if the peer has none.
func clientIP(trusted []netip.Prefix) func(*http.Request) netip.Addr {
	isTrusted := func(a netip.Addr) bool {
		for _, p := range trusted {
			if p.Contains(a) {
				return true
			}
		}
		return false
	}
	return func(r *http.Request) netip.Addr {
		peer, err := netip.ParseAddrPort(r.RemoteAddr)
		if err != nil {
			return netip.Addr{}
		}
		addr := peer.Addr().Unmap().WithZone("")
		if len(trusted) == 0 || !isTrusted(addr) {
			return addr
		}
		hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
		for i := len(hops) - 1; i >= 0; i-- {
			a, ok := parseHop(strings.TrimSpace(hops[i]))
			if !ok {
				break // what stands before a hop that can't be read is not to be believed
			}
			addr = a
			if !isTrusted(addr) {
				break
			}
		}
		return addr
	}
}

// parseHop reads an address, with or without a port, as some proxies write it: 192.0.2.1:4711,
// [2001:db8::1], [2001:db8::1]:4711.
func parseHop(s string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(s)
	if err != nil && strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		a, err = netip.ParseAddr(s[1 : len(s)-1])
	}
	if err != nil {
		var with netip.AddrPort
		with, err = netip.ParseAddrPort(s)
		a = with.Addr()
	}
	return a.Unmap().WithZone(""), err == nil
}
