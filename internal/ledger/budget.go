package ledger

import (
	"fmt"
	"math"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/catalog"
)

// Period is how long a budget lasts before it renews, by the calendar of its zone.
type Period string

// The periods.
const (
	PeriodTotal Period = "total" // never renews
	PeriodDay   Period = "day"
	PeriodWeek  Period = "week" // begins on Monday
	PeriodMonth Period = "month"
)

// NoLimit is the limit of a budget that only counts, for its Soft limit or for a report.
const NoLimit catalog.Nanos = math.MaxInt64

// Budget bounds what may be spent on behalf of a subject in a period. A call spends on behalf of its
// key, its account, every account above that, and root: the budget of an account bounds its whole
// sub-tree. What counts is the real cost of calls, also of those that no money was taken for.
type Budget struct {
	Subject string         // id of a key or an account
	Period  Period         //
	Zone    *time.Location // whose calendar; nil: UTC. It must be named as in the IANA database
	Limit   catalog.Nanos  // what may be spent; 0 forbids what costs anything
	Soft    catalog.Nanos  // reported once a period when spending reaches it; 0: never
}

// BudgetError refuses a hold: a budget does not suffice.
type BudgetError struct {
	Budget
	Need   catalog.Nanos
	Spent  catalog.Nanos // in this period
	Held   catalog.Nanos // for calls under way
	Renews time.Time     // when the period ends; zero for a total. Of no help if Need is above Limit
}

// Error says which budget, what is needed and what is left.
func (e *BudgetError) Error() string {
	left := max(0, e.Limit-plus(e.Spent, e.Held))
	return fmt.Sprintf("ledger: the %s budget of %s is $%v; the call needs $%v, $%v is left", e.Period, e.Subject, e.Limit, e.Need, left)
}

// SoftLimit tells that spending has reached the soft limit of a budget.
type SoftLimit struct {
	Subject string
	Period  Period
	Zone    string
	Start   time.Time     // of the period
	Soft    catalog.Nanos // the limit
	Spent   catalog.Nanos // when it was noticed
}

// zoneName is how the zone of a budget is written.
func zoneName(zone *time.Location) string {
	if zone == nil {
		return "UTC"
	}
	return zone.String()
}

// check says what makes a budget impossible.
func (b *Budget) check() error {
	switch b.Period {
	case PeriodTotal, PeriodDay, PeriodWeek, PeriodMonth:
	default:
		return fmt.Errorf("ledger: budget of %s: no period is called %q", b.Subject, b.Period)
	}
	if b.Subject == "" || b.Limit < 0 || b.Soft < 0 {
		return fmt.Errorf("ledger: the %s budget of %q with limit $%v, soft limit $%v: needs a subject and limits not below zero", b.Period, b.Subject, b.Limit, b.Soft)
	}
	if _, err := time.LoadLocation(zoneName(b.Zone)); err != nil {
		return fmt.Errorf("ledger: the %s budget of %s: its time zone cannot be found by name: %w", b.Period, b.Subject, err)
	}
	return nil
}

// Bounds returns the period that an instant is in: its first millisecond, and the first one after it.
func (p Period) Bounds(at time.Time, zone *time.Location) (start, end int64) {
	if zone == nil {
		zone = time.UTC
	}
	y, m, d := at.In(zone).Date()
	switch p {
	case PeriodDay:
		return dayStart(y, m, d, zone), dayStart(y, m, d+1, zone)
	case PeriodWeek:
		d -= (int(at.In(zone).Weekday()) + 6) % 7
		return dayStart(y, m, d, zone), dayStart(y, m, d+7, zone)
	case PeriodMonth:
		return dayStart(y, m, 1, zone), dayStart(y, m+1, 1, zone)
	default:
		return math.MinInt64, math.MaxInt64
	}
}

// dayStart is the first instant of a day. Where clocks change at midnight, that hour is missing or is
// there twice, and time.Date does not say which instant it returns.
func dayStart(y int, m time.Month, d int, zone *time.Location) int64 {
	t := time.Date(y, m, d, 0, 0, 0, 0, zone)
	want := time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	shown := func(t time.Time) time.Time {
		y, m, d := t.In(zone).Date()
		return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	}
	from, to := t.ZoneBounds()
	if shown(t).Before(want) && !to.IsZero() {
		return to.UnixMilli() // the day begins with the change of clocks
	}
	if !from.IsZero() {
		_, offset := from.Add(-1).Zone()
		if first := want.Add(-time.Duration(offset) * time.Second); first.Before(from) && shown(first).Equal(want) {
			return first.UnixMilli() // the hour was there before the change, too
		}
	}
	return t.UnixMilli()
}

// Counter is what was spent on behalf of a subject in the present period of a budget. The Book has it
// in memory and the store beside the calls; both count the same calls by the same rule.
type Counter struct {
	Subject string
	Period  Period
	Zone    string
	Start   int64 // first millisecond of the period that Spent is of
	End     int64 // first millisecond after it
	Spent   catalog.Nanos
	Warned  bool // the soft limit was reported in this period
}

// Count adds a cost, of a call settled at the instant at (milliseconds). A later period than the present
// one takes its place; what belongs to an earlier one does not count any more.
func (c *Counter) Count(at int64, cost catalog.Nanos, zone *time.Location) {
	c.roll(at, zone)
	if at >= c.Start && cost > 0 {
		c.Spent = plus(c.Spent, cost)
	}
}

// roll begins a new period if at is behind the present one.
func (c *Counter) roll(at int64, zone *time.Location) {
	if at < c.End {
		return
	}
	if c.Period == PeriodTotal {
		return // MaxInt64 is no time
	}
	c.Start, c.End = c.Period.Bounds(time.UnixMilli(at), zone)
	c.End = max(c.End, at+1)
	c.Spent, c.Warned = 0, false
}

// CountsFor calls yield for every subject that the call spends on behalf of, none twice.
func (c *Call) CountsFor(yield func(subject string) bool) {
	if c.KeyID != "" && !yield(c.KeyID) {
		return
	}
	if !yield(c.AccountID) {
		return
	}
	for _, id := range c.Above {
		if id != account.RootID && !yield(id) {
			return
		}
	}
	if c.AccountID != account.RootID {
		yield(account.RootID)
	}
}

// CountAll counts calls on counters: each call on all counters of its subjects. It returns the indexes
// of those that changed.
func CountAll(counters []Counter, calls []Call) (changed []int) {
	bySubject := map[string][]int{}
	zones := make([]*time.Location, len(counters))
	for i := range counters {
		bySubject[counters[i].Subject] = append(bySubject[counters[i].Subject], i)
	}
	touched := make([]bool, len(counters))
	for k := range calls {
		for subject := range calls[k].CountsFor {
			for _, i := range bySubject[subject] {
				c := &counters[i]
				if zones[i] == nil && calls[k].AtMillis >= c.End {
					zone, err := time.LoadLocation(c.Zone)
					if err != nil { // it was found when the counter was made
						zone = time.UTC
					}
					zones[i] = zone
				}
				before := *c
				c.Count(calls[k].AtMillis, calls[k].Cost, zones[i])
				touched[i] = touched[i] || *c != before
			}
		}
	}
	for i, is := range touched {
		if is {
			changed = append(changed, i)
		}
	}
	return changed
}
