package app

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

func TestClientIP(t *testing.T) {
	const own = "10.0.0.0/8 fd00::/8 192.0.2.7/32"
	for _, c := range []struct {
		what, trusted, peer string
		forwarded           []string
		want                string
	}{
		{"no proxy", "", "198.51.100.1:99", nil, "198.51.100.1"},
		{"nobody is trusted", "", "10.0.0.1:99", []string{"203.0.113.9"}, "10.0.0.1"},
		{"a stranger's word", own, "198.51.100.1:99", []string{"203.0.113.9"}, "198.51.100.1"},
		{"a stranger names a proxy", own, "198.51.100.1:99", []string{"10.0.0.1"}, "198.51.100.1"},
		{"one proxy", own, "10.0.0.1:99", []string{"203.0.113.9"}, "203.0.113.9"},
		{"a proxy that says nothing", own, "10.0.0.1:99", nil, "10.0.0.1"},
		{"a client that lies to the proxy", own, "10.0.0.1:99", []string{"1.1.1.1, 203.0.113.9"}, "203.0.113.9"},
		{"it lies in a line of its own", own, "10.0.0.1:99", []string{"1.1.1.1", "203.0.113.9"}, "203.0.113.9"},
		{"it names a proxy", own, "10.0.0.1:99", []string{"10.1.1.1, 203.0.113.9"}, "203.0.113.9"},
		{"a chain", own, "10.0.0.1:99", []string{"1.1.1.1, 203.0.113.9,192.0.2.7 , 10.2.3.4"}, "203.0.113.9"},
		{"proxies alone", own, "10.0.0.1:99", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"IPv6", own, "[fd00::1]:99", []string{"1.1.1.1, 2001:db8::5"}, "2001:db8::5"},
		{"IPv6, a stranger", own, "[2001:db8::1]:99", []string{"2001:db8::5"}, "2001:db8::1"},
		{"IPv6 without a proxy", "", "[2001:db8::1]:99", nil, "2001:db8::1"},
		{"a mapped peer", own, "[::ffff:10.0.0.1]:99", []string{"203.0.113.9"}, "203.0.113.9"},
		{"a mapped stranger", own, "[::ffff:198.51.100.1]:99", []string{"203.0.113.9"}, "198.51.100.1"},
		{"a mapped hop", own, "10.0.0.1:99", []string{"1.1.1.1, 203.0.113.9, ::ffff:10.0.0.2"}, "203.0.113.9"},
		{"a mapped client", own, "10.0.0.1:99", []string{"::ffff:203.0.113.9"}, "203.0.113.9"},
		{"garbage last", own, "10.0.0.1:99", []string{"203.0.113.9, unknown"}, "10.0.0.1"},
		{"garbage between", own, "10.0.0.1:99", []string{"203.0.113.9, <x>, 10.0.0.2"}, "10.0.0.2"},
		{"empty hops", own, "10.0.0.1:99", []string{"203.0.113.9, ,10.0.0.2"}, "10.0.0.2"},
		{"an empty header", own, "10.0.0.1:99", []string{""}, "10.0.0.1"},
		{"a hop with a port", own, "10.0.0.1:99", []string{"1.1.1.1, 203.0.113.9:4711, 10.0.0.2:80"}, "203.0.113.9"},
		{"IPv6 hops with ports", own, "10.0.0.1:99", []string{"1.1.1.1, [2001:db8::5]:4711, [fd00::2]"}, "2001:db8::5"},
		{"a hop with a zone", own, "10.0.0.1:99", []string{"fe80::1%eth0"}, "fe80::1"},
		{"no address", own, "@", []string{"203.0.113.9"}, "invalid IP"},
		{"everybody is trusted", "0.0.0.0/0", "198.51.100.1:99", []string{"203.0.113.9, 1.1.1.1"}, "203.0.113.9"},
	} {
		var trusted []netip.Prefix
		for _, p := range strings.Fields(c.trusted) {
			trusted = append(trusted, netip.MustParsePrefix(p))
		}
		r := &http.Request{RemoteAddr: c.peer, Header: http.Header{"X-Forwarded-For": c.forwarded}}
		if got := clientIP(trusted)(r).String(); got != c.want {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
}
