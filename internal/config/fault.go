package config

import (
	"fmt"
	"slices"
	"strings"
)

// Fault is one thing wrong with the settings. It never holds the value of a secret.
type Fault struct {
	Where string // "environment", "tollgate.yaml:12", "flag"
	Name  string // the setting, as written there
	Why   string // what is wrong with it and what to do
}

// String writes the fault on one line.
func (f Fault) String() string { return fmt.Sprintf("%s (%s): %s", f.Name, f.Where, f.Why) }

// Faults are all things wrong with the settings, in the order in which they were found.
type Faults []Fault

// Error lists every fault on a line of its own.
func (fs Faults) Error() string {
	var b strings.Builder
	if len(fs) == 1 {
		b.WriteString("1 setting is wrong:")
	} else {
		fmt.Fprintf(&b, "%d settings are wrong:", len(fs))
	}
	for _, f := range fs {
		b.WriteString("\n  " + f.String())
	}
	return b.String()
}

func (fs *Faults) add(where, name, format string, args ...any) {
	*fs = append(*fs, Fault{Where: where, Name: name, Why: fmt.Sprintf(format, args...)})
}

// addAll adds each line of err, which may be nil.
func (fs *Faults) addAll(where, name string, err error) {
	if err == nil {
		return
	}
	for line := range strings.Lines(err.Error()) {
		fs.add(where, name, "%s", strings.TrimSuffix(line, "\n"))
	}
}

// within reports whether there is a fault at path or below it.
func (fs Faults) within(path string) bool {
	return slices.ContainsFunc(fs, func(f Fault) bool {
		rest, ok := strings.CutPrefix(f.Name, path)
		return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
	})
}

// nearest returns " (did you mean X?)" for the name that is most like the given one, or "".
func nearest(name string, known []string) string {
	best, bestAt := "", 3 // more than two edits away is not a slip of the finger
	for _, k := range known {
		if d := distance(name, k); d < bestAt {
			best, bestAt = k, d
		}
	}
	if best == "" {
		return ""
	}
	return " (did you mean " + best + "?)"
}

// distance is the number of single-byte edits between a and b (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next := min(row[j+1]+1, row[j]+1, diagonal+cost)
			diagonal, row[j+1] = row[j+1], next
		}
	}
	return row[len(b)]
}
