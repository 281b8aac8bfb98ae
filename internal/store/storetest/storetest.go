// Package storetest owns the suite that every engine of the store passes, and fresh PostgreSQL
// databases for tests. It sees a store only through the interfaces that the domain packages declare;
// what is special to an engine or to SQL is tested in sqlstore.
package storetest

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"tollgate/internal/account"
	"tollgate/internal/audit"
	"tollgate/internal/canon"
	"tollgate/internal/catalog"
	"tollgate/internal/change"
	"tollgate/internal/kept"
	"tollgate/internal/kept/kepttest"
	"tollgate/internal/ledger"
	"tollgate/internal/mail"
	"tollgate/internal/mapping"
	"tollgate/internal/news"
	"tollgate/internal/pool"
	"tollgate/internal/secret"
	"tollgate/internal/sharing"
)

// Stores is everything that an engine keeps.
type Stores interface {
	account.Store
	audit.Store
	catalog.Store
	change.Store
	pool.Store
	ledger.Store
	kept.Store
	mail.Store
	news.Store

	Usage(ctx context.Context, q ledger.UsageQuery) ([]ledger.Usage, error)

	Setting(ctx context.Context, name string) (string, error)
	Settings(ctx context.Context) (map[string]string, error)
	PutSetting(ctx context.Context, name, value string) error
	DeleteSetting(ctx context.Context, name string) error
	ChangeSettings(ctx context.Context, put map[string]string, drop []string) error
	SealSetting(name string, plain secret.Secret) string
	OpenSetting(name, sealed string) (secret.Secret, error)

	Bans(ctx context.Context, now time.Time) ([]sharing.Ban, error)
	PutBan(ctx context.Context, b sharing.Ban, now time.Time) error

	ForgetCalls(ctx context.Context, before time.Time, limit int) (int, error)
	ForgetEvents(ctx context.Context, before time.Time, limit int) (int, error)

	Verify(ctx context.Context, a *ledger.Audit) error

	Ping(ctx context.Context) error
	Close() error
}

// Run runs the suite. open returns a store on a new, empty database and closes it when its test ends.
func Run(t *testing.T, open func(t *testing.T) Stores) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, s Stores)
	}{
		{"Accounts", testAccounts},
		{"AccountConflicts", testAccountConflicts},
		{"AccountOrder", testAccountOrder},
		{"AccountMoves", testAccountMoves},
		{"AccountGoes", testAccountGoes},
		{"Audit", testAudit},
		{"Keys", testKeys},
		{"KeyConflicts", testKeyConflicts},
		{"Changes", testChanges},
		{"ChangesInOrder", testChangesInOrder},
		{"ForgetChanges", testForgetChanges},
		{"ForgetChangesMeanwhile", testForgetChangesMeanwhile},
		{"Channels", testChannels},
		{"ChannelConflicts", testChannelConflicts},
		{"ChannelHealth", testChannelHealth},
		{"Models", testModels},
		{"Settings", testSettings},
		{"ChangeSettings", testChangeSettings},
		{"Kept", func(t *testing.T, s Stores) { kepttest.Run(t, s) }},
		{"Mails", testMails},
		{"News", testNews},
		{"HostileText", testHostileText},
		{"Empty", testEmpty},
		{"CallReadsBackEqual", testCallReadsBackEqual},
		{"AnyCallReadsBackEqual", testAnyCallReadsBackEqual},
		{"ApplyTwice", testApplyTwice},
		{"ApplyBehind", testApplyBehind},
		{"ApplyIsWhole", testApplyIsWhole},
		{"SpendOverExpiringCards", testSpendOverExpiringCards},
		{"DebtAndRepay", testDebtAndRepay},
		{"LateCall", testLateCall},
		{"RootMovesNoMoney", testRoot},
		{"GrantRefusals", testGrantRefusals},
		{"Extremes", testExtremes},
		{"Owner", testOwner},
		{"CallPages", testCallPages},
		{"CallFilters", testCallFilters},
		{"ManyAccounts", testManyAccounts},
		{"EntryPages", testEntryPages},
		{"RollupFilters", testRollupFilters},
		{"Usage", testUsage},
		{"ConcurrentApplyAndGrant", testConcurrent},
		{"MoneyAddsUp", testMoneyAddsUp},
		{"Transfer", testTransfer},
		{"TransferWithChange", testTransferWithChange},
		{"Merge", testMerge},
		{"Expire", testExpire},
		{"Closings", testClosings},
		{"Trees", testTrees},
		{"Counters", testCounters},
		{"CountWhileApplying", testCountWhileApplying},
		{"Warn", testWarn},
		{"Bans", testBans},
		{"ForgetCalls", testForgetCalls},
		{"ForgetEvents", testForgetEvents},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := open(t)
			test.run(t, s)
			must(t, s.Verify(t.Context(), &ledger.Audit{})) // whatever happened, the books are in order
		})
	}
}

// hostile are texts that a client, an upstream or an operator may send and every column must carry.
var hostile = []string{
	"'; DROP TABLE calls; --", `"quoted" \ back`, "100%_like", "$1 ?1 {rows} {list}", "snow ☃ 雪 🧊 e\u0301",
	"line\nfeed\ttab\r", "\u202Ertl", "-- comment", "NULL", " ", "a\x7f",
}

// noon is a fixed time without anything below a millisecond.
var noon = time.Date(2026, 3, 14, 12, 0, 0, 250e6, time.UTC)

func newID(t testing.TB) string {
	t.Helper()
	id, err := uuid.NewV7()
	must(t, err)
	return id.String()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// same fails the test unless got is want.
func same[T any](t testing.TB, what string, want, got T, opts ...cmp.Option) {
	t.Helper()
	opts = append(opts, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }))
	if diff := cmp.Diff(want, got, opts...); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

// someAccount is an account with nothing left out.
func someAccount(id, parent, path, name string) account.Account {
	return account.Account{
		ID: id, ParentID: parent, Path: path, Name: name, Email: name + "@example.com", Alias: "alias of " + name, Enabled: true, Role: account.RoleManager,
		Limits: account.Limits{RPM: 1, RPH: 2, RPD: 3, TPM: 4, TPH: 5, TPD: 6, Concurrent: 7},
		Models: []string{"gpt-*", "-gpt-4"}, Pools: []string{"default", "spare"}, CreatedAt: noon, UpdatedAt: noon.Add(time.Minute),
		BillingEmail: "bills@example.com", ModelLimits: map[string]account.Limits{"gpt-4*": {RPM: 30, TPM: 90_000}}, LimitRatio: catalog.One / 2, ChildLimit: 9,
		Paths: []string{"/v1/*", "-/v1/files"}, IPs: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::1/128")},
		Level: 3, AllowLevels: []int{0, 4}, Mapping: mapping.Models{{From: "gpt-3.5*", To: "gpt-4o-mini"}}, Levels: mapping.Levels{{Model: "gpt-4", Level: 2}},
		Rates: catalog.One * 5 / 4, Prices: []catalog.Override{{Model: "gpt-*", Rates: catalog.Rates{Input: "0", Output: "1.5"}}, {Model: "x", Free: true, Off: true}},
		Unbilled: true, HardLimit: 100e9, SoftLimit: 80e9, Gear: 1, Factor: 2, Tier: 3, Labels: map[string]string{"qr": "☃"}, TimeZone: "Asia/Shanghai",
	}
}

// addRoot inserts the account on top, which the others hang on.
func addRoot(t testing.TB, s Stores) {
	t.Helper()
	must(t, s.InsertAccount(t.Context(), account.Account{ID: account.RootID, Path: ".root.", Name: "root", Enabled: true, Role: account.RoleManager, CreatedAt: noon, UpdatedAt: noon}))
}

func someKey(id, accountID string) account.Key {
	return account.Key{
		ID: id, AccountID: accountID, Name: "laptop", Hash: secret.HashKey(id), Hint: "wxyz", Enabled: true, ExpiresAt: noon.AddDate(1, 0, 0),
		Models: []string{"*"}, Limits: account.Limits{RPM: 60}, CreatedAt: noon, UpdatedAt: noon,
		Tail: "abcdefghijklmnopwxyz", Paths: []string{"/v1/*"}, IPs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
		Quota: account.Quota{Total: 4e9, Day: 1e9, Week: 2e9, Month: 3e9}, OldHash: secret.HashKey("old " + id), OldUntil: noon.Add(time.Hour), Strict: true,
	}
}

func someChannel(id string) pool.Channel {
	return pool.Channel{
		ID: id, Name: "main", Provider: "openai", BaseURL: "https://api.example.com/v1", Secret: "sk-upstream-" + secret.Secret(id), Models: []string{"gpt-*"},
		Mapping: map[string]string{"gpt-4*": "gpt-5", "*": "x"}, Pools: []string{"default"}, Priority: -3, Weight: 10, Limits: account.Limits{RPM: 7, Concurrent: 3}, Enabled: true, Origin: pool.OriginAPI,
		CreatedAt: noon, UpdatedAt: noon,
	}
}

// paid is the shortest call that costs something.
func paid(t testing.TB, accountID string, at time.Time, cost catalog.Nanos) ledger.Call {
	return ledger.Call{ID: newID(t), AtMillis: at.UnixMilli(), AccountID: accountID, Dialect: canon.OpenAIChat, Op: canon.OpGenerate, Model: "m", Status: 200, TotalMs: 1, Cost: cost}
}

// card is a grant that lives for a day from noon.
func card(accountID string, amount catalog.Nanos) ledger.Card {
	return ledger.Card{AccountID: accountID, Amount: amount, Reference: "invoice 7", GrantedAt: noon, ExpiresAt: noon.AddDate(0, 0, 1)}
}

// granting is the transfer that creates a card.
func granting(t testing.TB, c ledger.Card) ledger.Transfer {
	t.Helper()
	if c.ID == "" {
		c.ID = newID(t)
	}
	return ledger.Transfer{
		ID: c.ID, Kind: ledger.EntryGrant, From: account.RootID, To: c.AccountID, Amount: c.Amount,
		At: c.GrantedAt, ExpiresAt: c.ExpiresAt, Reference: c.Reference, Note: "a note",
	}
}

// grant creates a card and returns it as it stands after.
func grant(t testing.TB, s Stores, c ledger.Card) ledger.Card {
	t.Helper()
	out, err := s.Transfer(t.Context(), granting(t, c))
	must(t, err)
	return out.Card
}

// drain applies calls as the next batch of a node.
type drain struct {
	node string
	pos  ledger.Position
}

func (d *drain) apply(t testing.TB, s Stores, calls ...ledger.Call) {
	t.Helper()
	d.pos.Offset += 100
	must(t, s.Apply(t.Context(), d.node, calls, d.pos))
}

func balance(t testing.TB, s Stores, accountID string) ledger.Balance {
	t.Helper()
	b, err := s.Balance(t.Context(), accountID)
	must(t, err)
	return b
}

// entries returns all of an account's entries, oldest first.
func entries(t testing.TB, s Stores, accountID string) []ledger.Entry {
	t.Helper()
	all, err := s.Entries(t.Context(), accountID, ledger.Page{Limit: 1 << 20})
	must(t, err)
	for i, j := 0, len(all)-1; i < j; i, j = i+1, j-1 {
		all[i], all[j] = all[j], all[i]
	}
	return all
}

func sprint(prefix string, i int) string { return fmt.Sprintf("%s-%03d", prefix, i) }
