package proxyxai

import (
	"net/netip"
	"strings"
	"testing"
)

func TestChangeIPs(t *testing.T) {
	for _, c := range []struct{ list, allow, deny, want string }{
		{"", "", "", "*"},
		{"", "49.234.158.212", "", "49.234.158.212"},
		{"49.234.158.212", "118.23.21.0/24 119.24.12.11", "", "49.234.158.212 118.23.21.0/24 119.24.12.11"},
		{"1.2.3.4", "1.2.3.4,5.6.7.8", "", "1.2.3.4 5.6.7.8"},
		{"1.2.3.4 5.6.7.8", "", "1.2.3.4", "5.6.7.8"},
		{"1.2.3.4 5.6.7.8", "", "1.2.3.4 5.6.7.8", "127.0.0.1"},
		{"1.2.3.4", "", "9.9.9.9", "1.2.3.4"},
		{"1.2.3.4", "*", "", "*"},
		{"", "", "*", "127.0.0.1"},
		{"1.2.3.4", "", "*", "127.0.0.1"},
		{"127.0.0.1", "2001:db8::/32", "", "127.0.0.1 2001:db8::/32"},
	} {
		list, err := changeIPs(parsed(t, c.list), c.allow, c.deny)
		if err != nil || ipsText(list) != c.want {
			t.Errorf("%q, allow %q, deny %q: %s, %v, want %s", c.list, c.allow, c.deny, ipsText(list), err, c.want)
		}
	}
	for _, c := range [][3]string{{"", "nonsense", ""}, {"", "1.2.3.4/8", ""}, {"1.2.3.4", "", "x"}, {"", "", "1.2.3.4"}, {"", "* 1.2.3.4", ""}} {
		if list, err := changeIPs(parsed(t, c[0]), c[1], c[2]); err == nil {
			t.Errorf("%q, allow %q, deny %q: %s", c[0], c[1], c[2], ipsText(list))
		}
	}
}

func parsed(t *testing.T, text string) []netip.Prefix {
	t.Helper()
	list, err := changeIPs(nil, text, "")
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestChangeList(t *testing.T) {
	for _, c := range []struct{ list, allow, deny, want string }{
		{"", "", "", "*"},
		{"", "gpt-3.5-turbo", "", "gpt-3.5-turbo"},
		{"gpt-3.5-turbo", "gpt-4 gpt-3.5-turbo", "", "gpt-3.5-turbo gpt-4"},
		{"gpt-3.5-turbo gpt-4", "", "gpt-3.5-turbo", "gpt-4"},
		{"gpt-3.5-turbo gpt-4", "-gpt-3.5-turbo", "", "gpt-4"},
		{"gpt-4", "", "gpt-4", "-*"}, // the last one: nothing is left, not everything
		{"gpt-4", "", "*", "-*"},
		{"", "", "*", "-*"},
		{"-*", "gpt-4", "", "gpt-4"},
		{"-*", "*", "", "*"},
		{"-*", "", "gpt-4", "-*"},
		{"gpt-4 claude-*", "*", "", "*"},
		{"", "", "gpt-4", "-gpt-4"},
		{"-gpt-4", "gpt-4", "", "*"},
		{"-gpt-4", "", "gpt-4", "-gpt-4"},
		{"gpt-*", "", "gpt-4", "gpt-* -gpt-4"},
		{"gpt-* -gpt-4", "gpt-4", "", "gpt-*"},
		{"claude-*", "", "gpt-4", "claude-*"},
		{"claude-*", "gpt-* -gpt-4", "", "claude-* gpt-* -gpt-4"},
		{"gpt-4o", "", "gpt-*", "gpt-4o -gpt-*"},
	} {
		var list []string
		if c.list != "" {
			list = strings.Fields(c.list)
		}
		changed, err := changeList(list, c.allow, c.deny)
		if got := listText(changed); got != c.want || err != nil {
			t.Errorf("%q, allow %q, deny %q: %s, %v, want %s", c.list, c.allow, c.deny, got, err, c.want)
		}
	}
}
