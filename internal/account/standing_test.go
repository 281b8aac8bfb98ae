package account

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tollgate/internal/catalog"
	"tollgate/internal/limit"
	"tollgate/internal/mapping"
)

// TestKeysAsAMap: whatever is put and removed, keys are found as in a map, also when many share a slot and
// when the table grows or is cleaned up meanwhile.
func TestKeysAsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var table keys
		table.init(rapid.SampledFrom([]int{0, 1, 100}).Draw(t, "size"))
		if rapid.Bool().Draw(t, "crowded") {
			table.mix = 1 << 63 // one bit of a hash decides
		}
		want := map[[32]byte]*Key{}
		for i := range rapid.IntRange(0, 600).Draw(t, "changes") {
			h := [32]byte{byte(rapid.IntRange(0, 200).Draw(t, "hash"))}
			if rapid.IntRange(0, 2).Draw(t, "what") == 0 {
				table.remove(h)
				delete(want, h)
			} else {
				want[h] = &Key{ID: fmt.Sprint(i), Hash: h}
				table.put(h, want[h])
			}
		}
		got := map[[32]byte]*Key{}
		for k := range table.all {
			if got[k.Hash] != nil {
				t.Fatalf("%x comes twice", k.Hash)
			}
			got[k.Hash] = k
		}
		for b := range 256 {
			h := [32]byte{byte(b)}
			if e := table.find(h); (e != nil) != (want[h] != nil) || e != nil && e.key != want[h] || got[h] != want[h] {
				t.Fatalf("%x: found %v, listed %v, want %v", b, e, got[h], want[h])
			}
		}
		if table.live != len(want) || 2*table.used > len(*table.slots.Load()) {
			t.Fatalf("%d live, %d used of %d, want %d", table.live, table.used, len(*table.slots.Load()), len(want))
		}
	})
}

// drawAccount draws what an account says of calls, mostly little.
func drawAccount(t *rapid.T, id, parent string) Account {
	some := func(what string) bool { return rapid.IntRange(0, 3).Draw(t, what) == 0 }
	a := Account{ID: id, ParentID: parent, Enabled: id == RootID || rapid.IntRange(0, 9).Draw(t, "enabled") > 0, Unbilled: some("unbilled")}
	if some("limits") {
		a.Limits.RPM = rapid.Int64Range(1, 3).Draw(t, "rpm")
	}
	if some("models") {
		a.Models = []string{rapid.SampledFrom([]string{"m*", "-m1", "m2"}).Draw(t, "model")}
	}
	if some("paths") {
		a.Paths = []string{rapid.SampledFrom([]string{"/v1/*", "/v2/*"}).Draw(t, "path")}
	}
	if some("ips") {
		a.IPs = []netip.Prefix{netip.MustParsePrefix(rapid.SampledFrom([]string{"10.0.0.0/8", "10.1.0.0/16"}).Draw(t, "ip"))}
	}
	if some("model limits") {
		a.ModelLimits = map[string]Limits{"m*": {RPM: 1}, rapid.SampledFrom([]string{"m1", "m2"}).Draw(t, "limited"): {RPM: 2}}
	}
	if some("mapping") {
		a.Mapping = mapping.Models{{From: "m1", To: "m2"}}
	}
	if some("level") {
		a.Level = rapid.IntRange(0, 2).Draw(t, "its level")
	}
	if some("allow levels") {
		a.AllowLevels = []int{rapid.IntRange(0, 2).Draw(t, "allowed")}
	}
	if some("levels") {
		a.Levels = mapping.Levels{{Model: "m2", Level: rapid.IntRange(0, 2).Draw(t, "mapped level")}}
	}
	if some("pools") {
		a.Pools = []string{"gold", "level-1"}[:rapid.IntRange(1, 2).Draw(t, "pools")]
	}
	if some("rates") {
		a.Rates = catalog.One * catalog.Multiplier(rapid.IntRange(1, 3).Draw(t, "rate"))
	}
	if some("price") {
		a.Prices = []catalog.Override{{Model: rapid.SampledFrom([]string{"m1", "m*"}).Draw(t, "priced"), Free: true}}
	}
	return a
}

// TestStandingFollowsChanges: after any changes of accounts and keys, a directory that has answered calls
// between them answers as one that is made anew and looks up each account by itself.
func TestStandingFollowsChanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ids := []string{RootID, "a", "b", "c"}
		accounts, theirs := map[string]Account{}, map[string]Key{}
		var first []Account
		for i, id := range ids {
			accounts[id] = drawAccount(t, id, []string{"", RootID, "a", "b"}[i])
			first = append(first, accounts[id])
		}
		d := NewDirectory(first, nil)
		rules := &Rules{Models: mapping.Models{{From: "m3", To: "m1"}}, Levels: mapping.Levels{{Model: "m1", Level: 1}}}
		for range rapid.IntRange(1, 12).Draw(t, "changes") {
			switch rapid.IntRange(0, 5).Draw(t, "what") {
			case 0, 1:
				id := rapid.SampledFrom(ids).Draw(t, "account")
				parent := accounts[id].ParentID
				if id == "c" {
					parent = rapid.SampledFrom(ids[:3]).Draw(t, "parent")
				}
				accounts[id] = drawAccount(t, id, parent)
				d.PutAccount(accounts[id])
			case 2:
				if _, ok := accounts["c"]; ok {
					d.RemoveAccount("c")
					delete(accounts, "c")
					for id, k := range theirs {
						if k.AccountID == "c" {
							delete(theirs, id)
						}
					}
				}
			case 3:
				delete(theirs, "k1")
				d.RemoveKey("k1")
			default:
				id := rapid.SampledFrom([]string{"k1", "k2", "k3"}).Draw(t, "key")
				k := Key{
					ID: id, AccountID: rapid.SampledFrom(ids).Draw(t, "its account"), Hash: hash(id + rapid.SampledFrom([]string{"", "x"}).Draw(t, "plain")),
					Enabled: rapid.IntRange(0, 4).Draw(t, "works") > 0, Limits: Limits{TPM: rapid.Int64Range(0, 1).Draw(t, "tpm")},
				}
				if have, ok := theirs[id]; ok {
					k.AccountID = have.AccountID
				} else if _, ok := accounts[k.AccountID]; !ok {
					continue
				}
				if rapid.Bool().Draw(t, "rotated") {
					k.OldHash, k.OldUntil = hash(id+"old"), noon.Add(time.Duration(rapid.IntRange(-1, 1).Draw(t, "grace")))
				}
				if rapid.Bool().Draw(t, "expires") {
					k.ExpiresAt = noon.Add(time.Duration(rapid.IntRange(-1, 1).Draw(t, "expiry")))
				}
				theirs[id] = k
				d.PutKey(k)
			}
			var list []Account
			var all []Key
			for _, a := range accounts {
				list = append(list, a)
			}
			for _, k := range theirs {
				all = append(all, k)
			}
			fresh := NewDirectory(list, all)
			for _, name := range []string{"k1", "k1x", "k1old", "k2", "k2x", "k2old", "k3", "k3x", "k3old"} {
				for range 2 { // the second time it is known
					if diff := cmp.Diff(answers(fresh, name, rules, false), answers(d, name, rules, true)); diff != "" {
						t.Fatalf("%s: %s", name, diff)
					}
				}
			}
		}
	})
}

// answers says what a directory answers for a call by a key, from its standing or by asking anew.
func answers(d *Directory, name string, rules *Rules, known bool) []string {
	c, refusal := d.Authenticate(hash(name), noon)
	out := []string{string(refusal)}
	if c.Account == nil || refusal != "" {
		return out
	}
	s := d.StandingOf(c)
	if !known {
		s = d.newStanding(d.lineOf(c.Account), c.Key)
		for i, r := range s.Limits {
			if r.Found == nil || slices.ContainsFunc(s.Limits[:i], func(o limit.Rule) bool { return o.Found == r.Found }) {
				out = append(out, r.Subject+" is not found by itself")
			}
		}
		s.said, c.standing = s.Line, s // nobody is silent
	}
	out = append(out, fmt.Sprint(c.Key.ID, c.Account.ID, c.Replaced, c.IsRoot(), s.Above, texts(s.Limits), s.Rates, s.Unbilled))
	for _, path := range []string{"/v1/x", "/v2/x"} {
		out = append(out, fmt.Sprint(path, d.MayReach(c, path)))
	}
	for _, addr := range []string{"10.1.0.1", "10.2.0.1", "192.0.2.1"} {
		out = append(out, fmt.Sprint(addr, d.Welcome(c, netip.MustParseAddr(addr))))
	}
	for _, model := range []string{"m1", "m2", "m3", "x"} {
		sent, pools, ok := d.Serve(c, model, rules)
		limits, own := s.AppendModelLimits(nil, model)
		out = append(out, fmt.Sprint(model, sent, pools, ok, d.MayCall(c, model), texts(limits), own, s.PriceFor(model) != nil))
	}
	return out
}

// texts says what rules hold.
func texts(rules []limit.Rule) (out []string) {
	for _, r := range rules {
		out = append(out, fmt.Sprint(r.Subject, r.Limits))
	}
	return out
}
