package sharing

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func TestAlertAndBan(t *testing.T) {
	var told []string
	g := New(Options{Alert: 3, Ban: 5, Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Told: func(p Place) {
		told = append(told, fmt.Sprint(len(p.Accounts), " ", !p.BannedUntil.IsZero()))
	}})
	home, now := addr("192.0.2.1"), noon
	admit := func(account string, want bool) {
		t.Helper()
		if got := g.Admit(home, account, now); got != want {
			t.Errorf("%s at %s: %v", account, now.Sub(noon), got)
		}
	}
	for range 10 {
		admit("a", true)
		admit("b", true)
	}
	if len(told) != 0 || len(g.Places(now, 9)) != 0 {
		t.Errorf("two accounts: %v", told)
	}
	admit("c", true)
	admit("d", true)
	admit("c", true)
	now = now.Add(time.Minute)
	admit("e", false)
	admit("a", false)
	if diff := cmp.Diff([]string{"3 false", "5 true"}, told); diff != "" {
		t.Error(diff)
	}
	if p := g.Places(now, 9); len(p) != 1 || !p[0].BannedUntil.Equal(now.Add(Window)) || p[0].Addr.Addr() != home {
		t.Errorf("%+v", p)
	}
	// Others are not concerned: not the accounts elsewhere, nor other addresses.
	if !g.Admit(addr("192.0.2.2"), "a", now) {
		t.Error("the account is refused elsewhere")
	}
	now = now.Add(Window - 1)
	admit("a", false)
	now = now.Add(1)
	admit("a", true)
	admit("b", true)
	if len(g.Places(now, 9)) != 0 {
		t.Error("counted anew after the ban")
	}
	for _, id := range []string{"c", "d"} {
		admit(id, true)
	}
	admit("e", false)
	if !g.Lift(home, now) || g.Lift(home, now) || g.Lift(addr("10.1.1.1"), now) {
		t.Error("lift")
	}
	admit("e", true)
	for i := range 20 { // those that stand for others are not watched
		if !g.Admit(addr("10.1.1.1"), fmt.Sprint(i), now) || !g.Admit(addr("::1"), fmt.Sprint(i), now) || !g.Admit(netip.Addr{}, fmt.Sprint(i), now) {
			t.Fatal("a proxy was refused")
		}
	}
}

// Accounts that come one after the other over hours are not many at once.
func TestSlidingWindow(t *testing.T) {
	g := New(Options{Ban: 3})
	for i := range 100 {
		if !g.Admit(addr("192.0.2.1"), fmt.Sprint(i), noon.Add(time.Duration(i)*(Window/2+1))) {
			t.Fatalf("account %d", i)
		}
	}
}

func TestSubscriberOfIPv6(t *testing.T) {
	g := New(Options{Ban: 2})
	if !g.Admit(addr("2001:db8::1"), "a", noon) || g.Admit(addr("2001:db8::ffff:2"), "b", noon) || !g.Admit(addr("2001:db8:0:1::1"), "b", noon) {
		t.Error("a /64 is one place")
	}
	g = New(Options{Ban: 2})
	if !g.Admit(addr("192.0.2.1"), "a", noon) || g.Admit(addr("::ffff:192.0.2.1"), "b", noon) {
		t.Error("an IPv4 address in IPv6 is the same place")
	}
}

func TestMemoryIsBounded(t *testing.T) {
	g := New(Options{Alert: 3, Ban: 10})
	for i := range 3 * maxPlaces {
		g.Admit(netip.AddrFrom4([4]byte{11, byte(i >> 16), byte(i >> 8), byte(i)}), "a", noon.Add(time.Duration(i)*time.Millisecond))
	}
	n := 0
	for i := range g.shards {
		n += len(g.shards[i].places)
	}
	if n > maxPlaces {
		t.Errorf("%d addresses are known", n)
	}
	g = New(Options{Alert: 3})
	for i := range 10_000 {
		g.Admit(addr("192.0.2.1"), fmt.Sprint(i), noon)
	}
	if p := g.Places(noon, 9); len(p) != 1 || len(p[0].Accounts) != 3 {
		t.Errorf("%+v", p)
	}
}

func TestNothingToDo(t *testing.T) {
	if New(Options{}) != nil {
		t.Error("a guard without numbers")
	}
}

// What one guard tells of refused addresses another one takes over.
func TestBansAreTakenOver(t *testing.T) {
	var told []Ban
	options := Options{Ban: 2, Changed: func(b Ban) { told = append(told, b) }}
	g := New(options)
	for _, who := range []string{"a", "b", "c"} {
		g.Admit(addr("192.0.2.1"), who, noon)
	}
	home := netip.MustParsePrefix("192.0.2.1/32")
	ban := Ban{home, noon.Add(Window), []string{"a", "b"}}
	if len(told) != 1 || told[0].Addr != home || !told[0].Until.Equal(ban.Until) || len(told[0].Accounts) != 2 {
		t.Fatalf("%+v", told)
	}
	other := New(Options{Ban: 2})
	other.Take([]netip.Prefix{home}, []Ban{ban}, noon)
	if other.Admit(addr("192.0.2.1"), "z", noon.Add(Window-1)) {
		t.Error("admitted though it is refused elsewhere")
	}
	if p := other.Places(noon, 9); len(p) != 1 || len(p[0].Accounts) < 2 || !p[0].BannedUntil.Equal(ban.Until) {
		t.Errorf("%+v", p)
	}
	if !other.Admit(addr("192.0.2.1"), "z", noon.Add(Window)) {
		t.Error("refused when it is over")
	}
	other.Take([]netip.Prefix{home}, []Ban{{home, noon.Add(2 * Window), nil}}, noon.Add(Window))
	other.Take([]netip.Prefix{home}, nil, noon.Add(Window))
	if !other.Admit(addr("192.0.2.1"), "z", noon.Add(Window)) {
		t.Error("refused though it was lifted elsewhere")
	}
	work := netip.MustParsePrefix("192.0.2.2/32")
	other.TakeAll([]Ban{{home, noon.Add(2 * Window), nil}}, noon)
	other.TakeAll([]Ban{{work, noon.Add(2 * Window), nil}}, noon)
	if other.Admit(work.Addr(), "z", noon) || !other.Admit(home.Addr(), "z", noon) {
		t.Error("not all was taken over")
	}
	for _, b := range []Ban{{netip.MustParsePrefix("127.0.0.1/32"), noon.Add(Window), nil}, {netip.MustParsePrefix("192.0.2.0/24"), noon.Add(Window), nil}, {home, noon, nil}} {
		fresh := New(Options{Ban: 2})
		fresh.Take([]netip.Prefix{b.Addr}, []Ban{b}, noon)
		if len(fresh.Places(noon, 9)) != 0 {
			t.Errorf("taken over: %+v", b)
		}
	}
	alerting := New(Options{Alert: 2})
	alerting.Take([]netip.Prefix{home}, []Ban{ban}, noon)
	if !alerting.Admit(addr("192.0.2.1"), "z", noon) {
		t.Error("refused where nothing is to be refused")
	}
	if !g.Lift(addr("192.0.2.1"), noon) || len(told) != 2 || !told[1].Until.IsZero() || told[1].Addr != home {
		t.Errorf("%+v", told)
	}
	if g.Lift(addr("192.0.2.1"), noon) || len(told) != 2 {
		t.Errorf("lifted twice: %+v", told)
	}
}
