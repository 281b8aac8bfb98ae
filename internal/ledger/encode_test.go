package ledger_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tollgate/internal/canon"
	"tollgate/internal/catalog"
	"tollgate/internal/ledger"
	"tollgate/internal/ledger/ledgertest"
)

// A record must say all that a call has, in the words that encoding/json reads; so must what a store keeps of
// it, with the columns beside that.
func TestRecordsLikeJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		call := ledgertest.AnyCall(t)
		want := reread(t, call)
		record := call.AppendRecord(nil)
		var got ledger.Call
		if err := json.Unmarshal(record, &got); err != nil {
			t.Fatalf("%v in %s", err, record)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%s\n%s", record, diff)
		}
		stored := call.AppendStored(nil)
		call.Document = record
		if cut := call.AppendStored([]byte("before"))[len("before"):]; !bytes.Equal(cut, stored) {
			t.Fatalf("cut out of the record\n%s\nwritten anew\n%s", cut, stored)
		}
		got = ledger.Call{AtMillis: want.AtMillis, KeyID: want.KeyID, Model: want.Model, ChannelID: want.ChannelID}
		if err := json.Unmarshal(stored, &got); err != nil {
			t.Fatalf("%v in %s", err, stored)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%s\n%s", stored, diff)
		}
	})
}

// reread returns the call as encoding/json writes and reads it.
func reread(t *rapid.T, call ledger.Call) (back ledger.Call) {
	raw, err := json.Marshal(call)
	if err == nil {
		err = json.Unmarshal(raw, &back)
	}
	if err != nil {
		t.Fatal(err)
	}
	return back
}

// A record of before, in another order and with everything in it, reads and is stored as it always was.
func TestOldRecord(t *testing.T) {
	const old = `{"id":"0199","at":7,"request_id":"r","account":"a","key":"k","channel":"c","provider":"p","dialect":"gemini","op":"generate","model":"m","upstream":"u",` +
		`"status":200,"attempts":[{"channel":"c","ms":3}],"total_ms":4,"usage":{},"receipt":{"model":"m","version":"v","items":null,"total":5},"cost":5}`
	want := ledger.Call{
		ID: "0199", AtMillis: 7, RequestID: "r", AccountID: "a", KeyID: "k", ChannelID: "c", Provider: "p", Dialect: canon.Gemini, Op: canon.OpGenerate, Model: "m", Upstream: "u",
		Status: 200, Attempts: []ledger.Attempt{{ChannelID: "c", Ms: 3}}, TotalMs: 4, Receipt: &catalog.Receipt{Model: "m", Version: "v", Total: 5}, Cost: 5,
	}
	var got ledger.Call
	if err := json.Unmarshal([]byte(old), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	got.Document = []byte(old)
	again := ledger.Call{AtMillis: 7, KeyID: "k", Model: "m", ChannelID: "c"}
	if err := json.Unmarshal(got.AppendStored(nil), &again); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, again); diff != "" {
		t.Error(diff)
	}
}

// A client that left is told in the record; one that stayed costs the record nothing, and a record of before says
// that it stayed.
func TestClientGoneInRecords(t *testing.T) {
	call := ledger.Call{ID: "0199", AtMillis: 7, AccountID: "a", Dialect: canon.Gemini, Op: canon.OpGenerate, Status: 200, TotalMs: 4}
	const record = `{"id":"0199","account":"a","at":7,"dialect":"gemini","op":"generate","status":200,"total_ms":4,"usage":{},"cost":0`
	for gone, want := range map[bool]string{false: record + "}", true: record + `,"client_gone":true}`} {
		call.ClientGone = gone
		if got := string(call.AppendRecord(nil)); got != want {
			t.Errorf("client gone: %v\n%s\nwant\n%s", gone, got, want)
		}
		var back ledger.Call
		if err := json.Unmarshal([]byte(want), &back); err != nil || back.ClientGone != gone {
			t.Errorf("client gone: %v, reads as %v: %v", gone, back.ClientGone, err)
		}
	}
}

func TestEncodeDoesNotAllocate(t *testing.T) {
	call := ledger.Call{ID: "019a0000-0000-7000-8000-000000000000", Usage: canon.Usage{Input: 7}, Receipt: &catalog.Receipt{Items: []catalog.Item{{What: "input"}}}}
	buf := call.AppendRecord(nil)
	if n := testing.AllocsPerRun(100, func() { buf = call.AppendRecord(buf[:0]) }); n > 0 {
		t.Errorf("%v allocations for a record", n)
	}
}
