package account

import (
	"fmt"
	"sync"
	"time"
)

// zones keeps the time zones that were asked for; there are a few hundred names.
type zones struct{ byName sync.Map } // string to *time.Location

// load returns the zone of that name, nil if there is none.
func (z *zones) load(name string) *time.Location {
	if have, ok := z.byName.Load(name); ok {
		return have.(*time.Location)
	}
	loc, err := parseZone(name)
	if err != nil {
		return nil // of a row that nobody checked; not kept
	}
	z.byName.Store(name, loc)
	return loc
}

func parseZone(name string) (*time.Location, error) {
	if name == "Local" {
		return nil, fmt.Errorf("%q depends on the machine", name)
	}
	return time.LoadLocation(name)
}
