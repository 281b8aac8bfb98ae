package journal

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

const crashEnv = "JOURNAL_CRASH_CHILD" // directory and round, for a child that appends until it is killed

func TestMain(m *testing.M) {
	if arg := os.Getenv(crashEnv); arg != "" {
		if err := appendUntilKilled(arg); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

const crashWriters = 16

// appendUntilKilled appends from many goroutines and writes a line for each acknowledged record.
func appendUntilKilled(arg string) error {
	dir, round, _ := strings.Cut(arg, "|")
	j, err := Open(dir, Options{SegmentBytes: 50_000, SyncEvery: 10 * time.Millisecond})
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	for w := range crashWriters {
		wg.Go(func() {
			filler := strings.Repeat("z", 40*w)
			for i := 0; ; i++ {
				if _, err := j.Append(fmt.Appendf(nil, "%s %d %d %s", round, w, i, filler)); err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				// One write(2) to the pipe: after it, the parent knows, whatever happens to us.
				if _, err := fmt.Fprintf(os.Stdout, "%s %d %d\n", round, w, i); err != nil {
					os.Exit(1)
				}
			}
		})
	}
	wg.Wait()
	return nil
}

// TestKilledProcessLosesNothing kills a process that appends, 50 times on the same directory. Every
// record that was acknowledged is there exactly once, in the order of its writer.
func TestKilledProcessLosesNothing(t *testing.T) {
	rounds := 50
	if testing.Short() {
		rounds = 5
	}
	dir := t.TempDir()
	last := map[[2]int]int{} // round and writer to the last acknowledged number
	next := map[[2]int]int{} // round and writer to the number that must be read next
	var pos Position
	acked, found := 0, 0
	for round := range rounds {
		acked += killOne(t, dir, round, last)
		j := open(t, dir, Options{})
		n, end := checkOrder(t, j, pos, next)
		found, pos = found+n, end
		for w := range crashWriters {
			k := [2]int{round, w}
			if i, ok := last[k]; ok && next[k] <= i {
				t.Errorf("round %d, writer %d: %d was acknowledged, the journal ends with %d", round, w, i, next[k]-1)
			} else if ok && next[k] > i+2 {
				t.Errorf("round %d, writer %d: %d records were never acknowledged, at most one can be", round, w, next[k]-i-1)
			}
		}
		closeNow(t, j)
	}
	// All rounds once more, from the start: no later recovery took or doubled anything.
	j := open(t, dir, Options{})
	again := map[[2]int]int{}
	if n, _ := checkOrder(t, j, Position{}, again); n != found || !maps.Equal(again, next) {
		t.Errorf("at the end %d records are there, %d were found round by round", n, found)
	}
	if acked < rounds*crashWriters {
		t.Errorf("only %d records in %d rounds: the test tests nothing", acked, rounds)
	}
	t.Logf("%d acknowledged records in %d rounds, %d more were written", acked, rounds, found-acked)
}

// checkOrder reads from pos to the end; next says which number each writer must go on with.
func checkOrder(t *testing.T, j *Journal, pos Position, next map[[2]int]int) (n int, end Position) {
	t.Helper()
	for {
		records, after, err := j.Read(pos, 500, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if len(records) == 0 {
			return n, pos
		}
		for _, r := range records {
			var k [2]int
			var i int
			if _, err := fmt.Sscan(string(r[:min(len(r), 40)]), &k[0], &k[1], &i); err != nil {
				t.Fatalf("record %q: %v", r, err)
			}
			if i != next[k] {
				t.Fatalf("round %d, writer %d: record %d where %d should be", k[0], k[1], i, next[k])
			}
			next[k]++
		}
		n += len(records)
		pos = after
	}
}

// killOne runs a child and kills it after a moment; it returns how many records were acknowledged.
func killOne(t *testing.T, dir string, round int, last map[[2]int]int) (acked int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s|%d", crashEnv, dir, round))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(out)
	goal := 20 + rand.IntN(3000) // acknowledgements to wait for: a moment that does not depend on the machine
	for {
		line, err := in.ReadString('\n')
		if errors.Is(err, io.EOF) {
			break // the rest of the pipe has been read
		}
		if err != nil {
			t.Fatal(err)
		}
		var r, w, i int
		if _, err := fmt.Sscan(line, &r, &w, &i); err != nil {
			t.Fatalf("child said %q: %v", line, err)
		}
		last[[2]int{r, w}] = i
		if acked++; acked == goal {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.Exited() {
		t.Fatalf("the child ended by itself: %v", err)
	}
	return acked
}
