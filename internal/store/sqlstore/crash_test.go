package sqlstore

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"tollgate/internal/canon"
	"tollgate/internal/catalog"
	"tollgate/internal/ledger"
	"tollgate/internal/secret"
)

const (
	crashDSN   = "TOLLGATE_TEST_CRASH_DSN" // tells the test binary that it is the process to be killed
	crashBatch = 25
)

// crashCall is call i of a journal that every process would read the same.
func crashCall(i int64) ledger.Call {
	return ledger.Call{
		ID: fmt.Sprintf("call-%09d", i), AtMillis: time.Now().UnixMilli(), AccountID: "account-" + strconv.FormatInt(i%3, 10),
		Dialect: canon.Anthropic, Op: canon.OpGenerate, Model: "m", Status: 200, Cost: catalog.Nanos(1 + i%10),
	}
}

// TestMain is the drain of a node when a test started it to be killed.
func TestMain(m *testing.M) {
	if dsn := os.Getenv(crashDSN); dsn != "" {
		fmt.Println(drainForever(dsn))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// drainForever applies batch after batch from where the store says, and prints where it is.
func drainForever(dsn string) error {
	master, err := secret.ParseMaster(strings.Repeat("0123456789abcdef", 4))
	if err != nil {
		return err
	}
	sealer, err := secret.NewSealer(master)
	if err != nil {
		return err
	}
	ctx := context.Background()
	s, err := Open(ctx, Config{DSN: dsn, Sealer: sealer})
	if err != nil {
		return err
	}
	pos, err := s.JournalPosition(ctx, "node")
	if err != nil {
		return err
	}
	for {
		calls := make([]ledger.Call, crashBatch)
		for i := range calls {
			calls[i] = crashCall(pos.Offset + int64(i))
		}
		pos.Offset += crashBatch
		if err := s.Apply(ctx, "node", calls, pos); err != nil {
			return err
		}
		fmt.Println("applied", pos.Offset)
	}
}

// TestKill kills a draining process again and again, and compares what is stored with the journal.
func TestKill(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			dsn := e.dsn(t)
			s := openTest(t, dsn, testSealer(t))
			for i := range 3 {
				now := time.Now().Truncate(time.Millisecond)
				give(t, s, "account-"+strconv.Itoa(i), 3000, now, now.Add(time.Hour))
			}
			var before int64
			for round := range 6 {
				said := killed(t, self, dsn, 2+round*3)
				pos, err := s.JournalPosition(t.Context(), "node")
				if err != nil {
					t.Fatal(err)
				}
				if pos.Offset < said || pos.Offset <= before {
					t.Fatalf("round %d: the store is at %d, the process had applied %d, the round before ended at %d", round, pos.Offset, said, before)
				}
				before = pos.Offset
				compareWithJournal(t, s, pos.Offset)
			}
		})
	}
}

// killed starts a process that drains, kills it once it has said n times that a batch was applied, and
// returns the last position that it said.
func killed(t *testing.T, self, dsn string, n int) int64 {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), crashDSN+"="+dsn)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var last int64
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		text, ok := strings.CutPrefix(lines.Text(), "applied ")
		if !ok {
			t.Errorf("the process said: %s", lines.Text())
			break
		}
		if last, err = strconv.ParseInt(text, 10, 64); err != nil {
			t.Fatal(err)
		}
		if n--; n == 0 {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return last
}

// compareWithJournal fails unless exactly the first n calls are stored, paid and rolled up.
func compareWithJournal(t *testing.T, s *Store, n int64) {
	t.Helper()
	spent := map[string]catalog.Nanos{}
	for i := range n {
		c := crashCall(i)
		spent[c.AccountID] += c.Cost
	}
	calls, err := s.Calls(t.Context(), ledger.CallQuery{Page: ledger.Page{Limit: int(n) + 1}})
	if err != nil || len(calls) != int(n) {
		t.Fatalf("%d calls are stored, %v; the position says %d", len(calls), err, n)
	}
	hours, err := s.Rollups(t.Context(), ledger.RollupQuery{})
	if err != nil {
		t.Fatal(err)
	}
	var rolled int64
	for _, h := range hours {
		rolled += h.Calls
	}
	if rolled != n {
		t.Errorf("%d calls are rolled up, want %d", rolled, n)
	}
	for id, want := range spent {
		b, err := s.Balance(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		left := -b.Debt
		for _, c := range b.Cards {
			left += c.Balance
		}
		if b.Spent != want || left != 3000-want {
			t.Errorf("%s spent %d and has %d, want %d and %d", id, b.Spent, left, want, 3000-want)
		}
	}
}
