package crash

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/canon"
	"tollgate/internal/catalog"
	"tollgate/internal/journal"
	"tollgate/internal/ledger"
	"tollgate/internal/secret"
	"tollgate/internal/store/sqlstore"
)

// moneyEnv tells the test binary that it is the process to be killed: "SEED DATA-DIRECTORY DSN".
const moneyEnv = "TOLLGATE_TEST_MONEY"

// payers move money among each other.
var payers = []string{"ada", "boole", "curie", "dijkstra"}

// vault is a Book on all that it needs.
type vault struct {
	*ledger.Book
	store   *sqlstore.Store
	journal *journal.Journal
}

func openVault(ctx context.Context, dir, dsn string) (v *vault, err error) {
	v = &vault{}
	defer func() {
		if err != nil {
			err = errors.Join(err, v.close(ctx))
		}
	}()
	master, err := secret.LoadMaster(dir, "")
	if err != nil {
		return v, err
	}
	sealer, err := secret.NewSealer(master)
	if err != nil {
		return v, err
	}
	if v.store, err = sqlstore.Open(ctx, sqlstore.Config{DSN: dsn, DataDir: dir, Sealer: sealer}); err != nil {
		return v, err
	}
	if v.journal, err = journal.Open(filepath.Join(dir, "journal"), journal.DefaultOptions()); err != nil {
		return v, err
	}
	node, err := ledger.NodeID(dir)
	if err != nil {
		return v, err
	}
	v.Book, err = ledger.OpenBook(ctx, ledger.Options{
		Store: v.store, Journal: v.journal, Node: node,
		Fees: ledger.Fees{Take: ledger.Fee{Fixed: 2}, Close: ledger.Fee{Billionths: 100_000_000}, Commission: ledger.Fee{Billionths: 50_000_000}},
	})
	return v, err
}

func (v *vault) close(ctx context.Context) error {
	var errs []error
	if v.Book != nil {
		errs = append(errs, v.Close(ctx))
	}
	if v.journal != nil {
		errs = append(errs, v.journal.Close())
	}
	if v.store != nil {
		errs = append(errs, v.store.Close())
	}
	return errors.Join(errs...)
}

// moveForever is the process to be killed. It says on a line what it is about to move, and on another
// what was done or what a call cost: "try ID KIND FROM TO PARENT AMOUNT EXPIRES", "did ID",
// "paid ID ACCOUNT COST".
func moveForever(ctx context.Context, config string, out io.Writer) error {
	part := strings.SplitN(config, " ", 3)
	seed, err := strconv.ParseUint(part[0], 10, 64)
	if err != nil {
		return err
	}
	v, err := openVault(ctx, part[1], part[2])
	if err != nil {
		return err
	}
	var mu sync.Mutex
	say := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(out, format+"\n", args...)
	}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(g)))
			for i := 0; ; i++ {
				id := fmt.Sprintf("%d-%d-%d", seed, g, i)
				x := r.Perm(len(payers))
				from, to, parent := payers[x[0]], payers[x[1]], payers[x[2]]
				now := time.Now()
				switch r.IntN(10) {
				case 0, 1, 2:
					if r.IntN(3) == 0 {
						from = account.RootID
					}
					t := ledger.Transfer{ID: id, Kind: ledger.EntryGrant, From: from, To: to, Parent: parent, Amount: catalog.Nanos(1 + r.IntN(500)), At: now, ExpiresAt: now.Add(time.Duration(1+r.IntN(600)) * time.Second)}
					if r.IntN(4) == 0 {
						t.Kind = ledger.EntryTake
					}
					say("try %s %s %s %s %s %d %d", t.ID, t.Kind, t.From, t.To, t.Parent, t.Amount, t.ExpiresAt.UnixMilli())
					if _, err := v.Transfer(ctx, t); err == nil {
						say("did %s", t.ID)
					}
				case 3:
					_ = v.Sweep(ctx, now.Add(6*time.Minute)) // cards of the next minute, too
				default:
					h, err := v.Payer(ledger.Terms{
						Account: from, Above: []string{"top"}, Charge: true,
						Budgets: []ledger.Budget{{Subject: "top", Period: ledger.PeriodTotal, Limit: ledger.NoLimit}, {Subject: from, Period: ledger.PeriodMonth, Limit: ledger.NoLimit}},
					}).Hold(catalog.Nanos(r.IntN(50)), now)
					if err != nil {
						continue
					}
					if r.IntN(10) == 0 {
						continue // and never ends
					}
					cost := catalog.Nanos(r.IntN(60))
					c := ledger.Call{ID: id, AtMillis: now.UnixMilli(), AccountID: from, Dialect: canon.Gemini, Op: canon.OpGenerate, Status: 200, Cost: cost}
					if v.Settle(h, c) == nil {
						say("paid %s %s %d", id, from, cost)
					}
				}
			}
		})
	}
	wg.Wait()
	return nil
}

// said is what processes said until they were killed.
type said struct {
	tried map[string]ledger.Transfer
	did   map[string]bool
	paid  map[string]ledger.Charge
}

func (s *said) line(t *testing.T, line string) {
	t.Helper()
	f := strings.Fields(line)
	switch {
	case len(f) == 8 && f[0] == "try":
		amount, err1 := strconv.ParseInt(f[6], 10, 64)
		expires, err2 := strconv.ParseInt(f[7], 10, 64)
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		s.tried[f[1]] = ledger.Transfer{ID: f[1], Kind: ledger.EntryKind(f[2]), From: f[3], To: f[4], Parent: f[5], Amount: catalog.Nanos(amount), ExpiresAt: time.UnixMilli(expires)}
	case len(f) == 2 && f[0] == "did":
		s.did[f[1]] = true
	case len(f) == 4 && f[0] == "paid":
		cost, err := strconv.ParseInt(f[3], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		s.paid[f[1]] = ledger.Charge{CallID: f[1], Amount: catalog.Nanos(cost)}
	default:
		t.Errorf("a process said: %s", line)
	}
}

// TestKilledWhileMoneyMoves kills a process that holds, settles, transfers and lets expire, again and
// again. What it said was done is there, once; what it was about to do was done whole or not at all,
// and can be asked for again; nothing is held; the books are in order.
func TestKilledWhileMoneyMoves(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	rounds := number(t, "CRASH_ROUNDS", 15)/2 + 1
	engines(t, func(t *testing.T, dsn string) {
		rnd := random(t)
		dir := t.TempDir()
		s := &said{tried: map[string]ledger.Transfer{}, did: map[string]bool{}, paid: map[string]ledger.Charge{}}
		for round := range rounds {
			killWhileMoving(t, self, fmt.Sprintf("%d %s %s", rnd.IntN(1e9)*1000+round, dir, dsn), 10+rnd.IntN(200), s)
			checkMoney(t, dir, dsn, s)
			if t.Failed() {
				t.Fatalf("round %d", round)
			}
		}
		t.Logf("%d rounds: %d transfers tried, %d done, %d calls paid", rounds, len(s.tried), len(s.did), len(s.paid))
		if len(s.did) < rounds || len(s.paid) < rounds {
			t.Error("too little happened for this to show anything")
		}
	})
}

// killWhileMoving runs a process until it has done so much: a moment that does not depend on the machine.
func killWhileMoving(t *testing.T, self, config string, most int, s *said) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), moneyEnv+"="+config)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	for done := 0; ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			break // half a line was never said
		}
		if !strings.HasPrefix(line, "try ") {
			if done++; done == most {
				_ = cmd.Process.Kill() // that it has ended by itself shows below
			}
		}
		s.line(t, strings.TrimSuffix(line, "\n"))
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != -1 {
		t.Fatalf("the process ended by itself: %v", err)
	}
}

// checkMoney starts again where the killed process was.
func checkMoney(t *testing.T, dir, dsn string, s *said) {
	t.Helper()
	ctx := t.Context()
	v, err := openVault(ctx, dir, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := v.close(context.WithoutCancel(ctx)); err != nil {
			t.Error(err)
		}
	}()
	for id := range s.paid {
		c, err := v.store.Call(ctx, id)
		if errors.Is(err, ledger.ErrNotFound) { // still in the journal
			if err = v.Flush(ctx); err == nil {
				c, err = v.store.Call(ctx, id)
			}
		}
		if err != nil || c.Cost != s.paid[id].Amount {
			t.Errorf("call %s: %+v, %v", id, c, err)
		}
	}
	if err := v.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for id, tr := range s.tried {
		tr.At = now
		if !tr.ExpiresAt.After(now) {
			tr.ExpiresAt = now.Add(time.Minute)
		}
		var short *ledger.ShortError
		out, err := v.Transfer(ctx, tr)
		switch {
		case s.did[id] && (err != nil || !out.Repeated || out.Amount != tr.Amount):
			t.Errorf("transfer %s was done: %+v, %v", id, out, err)
		case err != nil && !errors.As(err, &short) && !strings.Contains(err.Error(), "takes all"):
			t.Errorf("transfer %s: %v", id, err)
		case err == nil:
			s.did[id] = true
		}
	}
	for _, id := range payers {
		f := v.Balance(id, now)
		bal, err := v.store.Balance(ctx, id)
		if err != nil || f.Held != 0 || f.Debt != bal.Debt || f.Spent != bal.Spent {
			t.Errorf("%s: the book has %+v, the store %+v, %v", id, f, bal, err)
		}
	}
	if v.Held() != 0 {
		t.Errorf("%v is held", v.Held())
	}
	var costs catalog.Nanos
	for _, id := range payers {
		costs += v.Balance(id, now).Spent
	}
	if u, ok := v.Used(ledger.Budget{Subject: "top", Period: ledger.PeriodTotal}, now); ok && u.Spent != costs {
		t.Errorf("budget: %+v, spent were %d", u, costs)
	}
	if err := v.store.Verify(ctx, &ledger.Audit{}); err != nil {
		t.Error(err)
	}
}
