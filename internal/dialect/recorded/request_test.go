package recorded_test

import (
	"encoding/json"
	"testing"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/crosstest"
	"tollgate/internal/dialect/recorded"
)

// What was asked of a vendor can be asked of an upstream of any dialect, and comes home, but for declared
// losses; or it is refused with its place. At home nothing is lost.
func TestRequestsAreWrittenOn(t *testing.T) {
	each(t, requested, func(t *testing.T, r recorded.Recording, from crosstest.Side) {
		asked, err := crosstest.Read(from, r.Request, r.Stream)
		if err != nil {
			t.Fatalf("%s can't read it: %v", from.Dialect(), err)
		}
		for _, to := range sides() {
			t.Run(string(to.Dialect()), func(t *testing.T) {
				home := to.Dialect() == from.Dialect()
				over, lost, cerr := to.WriteRequest(asked, crosstest.Target(r.Stream))
				if cerr != nil {
					if home || cerr.Param == "" {
						t.Errorf("it is refused: %+v", cerr)
					}
					return
				}
				if home && len(lost) > 0 {
					t.Errorf("at home %v is lost\nover %s", lost, over)
				}
				if !json.Valid(over) {
					t.Fatalf("%s writes no JSON: %s", to.Dialect(), over)
				}
				got, err := crosstest.Read(to, over, r.Stream)
				if err != nil {
					t.Fatalf("%s can't read what it wrote: %v\n%s", to.Dialect(), err, over)
				}
				if diff := crosstest.Diff(asked, got, lost, nil); diff != "" {
					t.Errorf("%s\nlosses %v\nover %s", diff, lost, over)
				}
				back, further, cerr := from.WriteRequest(got, crosstest.Target(r.Stream))
				if cerr != nil {
					t.Fatalf("%s refuses what came home: %+v\nover %s", from.Dialect(), cerr, over)
				}
				again, err := crosstest.Read(from, back, r.Stream)
				if err != nil {
					t.Fatalf("%s can't read what came home: %v\n%s", from.Dialect(), err, back)
				}
				if to.Dialect() == canon.Anthropic && asked.MaxOutput == 0 && again.MaxOutput == crosstest.Target(false).MaxOutput {
					again.MaxOutput = 0 // that dialect demands a limit
				}
				if diff := crosstest.DiffVia(asked, again, to.Dialect(), lost, further); diff != "" {
					t.Errorf("home: %s\nlosses %v\nfurther %v\nback %s", diff, lost, further, back)
				}
			})
		}
	})
}
