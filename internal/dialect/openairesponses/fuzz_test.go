package openairesponses_test

import (
	"bytes"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"
	"golang.org/x/tools/txtar"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/dialecttest"
	"tollgate/internal/dialect/openairesponses"
	"tollgate/internal/jsonedit"
)

func FuzzReadRequest(f *testing.F) {
	dialecttest.FuzzRequest(f, openairesponses.New(), os.DirFS("testdata"))
}

func FuzzReader(f *testing.F) {
	dialecttest.FuzzReader(f, openairesponses.New(), os.DirFS("testdata"))
}

// FuzzKept asks, keeps the answer, goes on from it and lists what was said: whatever the two requests are, what
// comes is strict JSON that holds the conversation, or an error that says why not.
func FuzzKept(f *testing.F) {
	const second = `{"model":"m","previous_response_id":"resp_1","input":[{"type":"item_reference","id":"msg_101"},{"role":"user","content":"go on"}]}`
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, part := range archive.Files {
			if part.Name == "client.json" {
				f.Add(part.Data, []byte(second), "")
				f.Add([]byte(second), part.Data, "order=asc&limit=1&after=item_r00")
			}
		}
	}
	f.Add([]byte(`{"input":[{"role":"user","content":"a","id":null},{"role":"user","content":"b","id":"x"}]}`), []byte(`{"input":"c"}`), "after=x")
	p := openairesponses.New()
	f.Fuzz(func(t *testing.T, first, second []byte, query string) {
		before := kept(t, p, first, nil)
		if before == nil {
			return
		}
		if _, err := jsonedit.Scan(second, 256); err != nil {
			return
		}
		whole, earlier, e := openairesponses.Continue(second, before)
		if e != nil {
			if e.Kind != canon.KindInvalid || e.Message == "" {
				t.Fatalf("%+v", e)
			}
			return
		}
		body, err := jsonedit.Scan(whole, 256)
		if err != nil {
			t.Fatalf("%v\n%s", err, whole)
		}
		if _, ok := body.Find("previous_response_id"); ok {
			t.Fatalf("it still continues: %s", whole)
		}
		if n := len(gjson.GetBytes(whole, "input").Array()); earlier < len(before.Items) || n < earlier {
			t.Fatalf("%d items were kept, %d stand before, there are %d: %s", len(before.Items), earlier, n, whole)
		}
		after := kept(t, p, whole, before)
		if after == nil {
			return
		}
		if after.Own+earlier != len(after.Items) {
			t.Fatalf("%d of %d items are its own, %d are earlier ones: %s", after.Own, len(after.Items), earlier, whole)
		}
		for _, k := range []*openairesponses.Kept{before, after} {
			checkList(t, k, query)
		}
	})
}

// kept answers a request and keeps that; nil if it can't be asked.
func kept(t *testing.T, p *openairesponses.Protocol, body []byte, before *openairesponses.Kept) *openairesponses.Kept {
	t.Helper()
	if _, err := jsonedit.Scan(body, 256); err != nil {
		return nil
	}
	req, err := p.ReadRequest(canon.OpGenerate, body)
	if err != nil {
		return nil
	}
	w := p.NewWriter(dialect.Answer{Head: dialect.Head{Op: canon.OpGenerate}, Request: req, ID: "1", Model: "m", Origin: canon.Gemini})
	for _, e := range []canon.Event{canon.TextDelta{Text: "a"}, canon.ToolStart{Index: 1, ID: "c", Name: "f"}, canon.ToolDelta{Index: 1, JSON: "{}"}, canon.Ended{}} {
		w.Write(nil, e)
	}
	w.Close(nil)
	response := openairesponses.Response(w)
	if response == nil {
		return nil // it must not be kept
	}
	k, e := openairesponses.Keep(body, before, response)
	if e != nil {
		t.Fatalf("what was answered can't be kept: %v\n%s", e, body)
	}
	raw, err := k.Encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := openairesponses.DecodeKept(raw)
	if err != nil || back.Own != k.Own || len(back.Items) != len(k.Items) || back.ID() != k.ID() {
		t.Fatalf("encoded and read back (-was +is), %v:\n%s", err, cmp.Diff(k, back))
	}
	return back
}

// checkList checks a page of a kept response's input.
func checkList(t *testing.T, k *openairesponses.Kept, query string) {
	t.Helper()
	q, err := url.ParseQuery(query)
	if err != nil {
		return
	}
	raw, e := k.ListItems("r", q)
	if e != nil {
		if e.Kind != canon.KindInvalid || e.Message == "" || e.Param == "" {
			t.Fatalf("%+v", e)
		}
		return
	}
	if _, err := jsonedit.Scan(raw, 256); err != nil {
		t.Fatalf("%v\n%s", err, raw)
	}
	list := gjson.ParseBytes(raw)
	items := list.Get("data").Array()
	for _, item := range items {
		if item.IsObject() && item.Get("id").Str == "" {
			t.Fatalf("an item without an id: %s", raw)
		}
	}
	if n := len(items); n > 100 || n > k.Own || n > 0 && list.Get("last_id").Str != items[n-1].Get("id").Str {
		t.Fatalf("%d items of %d: %s", n, k.Own, bytes.TrimSpace(raw))
	}
}
