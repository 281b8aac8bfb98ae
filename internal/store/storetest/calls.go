package storetest

import (
	"encoding/json"
	"testing"

	"pgregory.net/rapid"

	"tollgate/internal/ledger"
	"tollgate/internal/ledger/ledgertest"
)

// testAnyCallReadsBackEqual stores whatever a call can say, with the journal's record of it and without, and reads
// it back, alone and in a list.
func testAnyCallReadsBackEqual(t *testing.T, s Stores) {
	d := &drain{node: "n"}
	rapid.Check(t, func(rt *rapid.T) {
		var calls, want []ledger.Call
		for range rapid.IntRange(1, 3).Draw(rt, "calls") {
			c := ledgertest.AnyCall(rt)
			c.AccountID, c.AtMillis, c.Cost = newID(t), noon.UnixMilli(), max(c.Cost, 0)
			before := c.ID
			if c.ID = newID(t); c.RequestID == before {
				c.RequestID = c.ID
			}
			raw, err := json.Marshal(c)
			var back ledger.Call
			if err == nil {
				err = json.Unmarshal(raw, &back)
			}
			if err != nil {
				rt.Fatal(err)
			}
			want = append(want, back)
			if rapid.Bool().Draw(rt, "with its record") {
				c.Document = c.AppendRecord(nil)
			}
			calls = append(calls, c)
		}
		d.apply(t, s, calls...)
		for i := range want {
			got, err := s.Call(t.Context(), want[i].ID)
			if err != nil {
				rt.Fatal(err)
			}
			same(t, "call", want[i], got)
			list, err := s.Calls(t.Context(), ledger.CallQuery{AccountIDs: []string{want[i].AccountID}})
			if err != nil {
				rt.Fatal(err)
			}
			same(t, "calls of the account", []ledger.Call{want[i]}, list)
		}
	})
}
