package recorded_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"testing"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/crosstest"
	"tollgate/internal/dialect/recorded"
	"tollgate/internal/jsonedit"
	"tollgate/internal/sse"
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
				if home { // Diff compares the rest, which may be said in other words of the dialect
					sameMembers(t, r.Request, over, "model", "stream", "messages", "input", "contents", "tools", "system", "systemInstruction",
						"instructions", "include")
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

// sameMembers says which members of sent, but for those named, are not in over as they were.
func sameMembers(t *testing.T, sent, over []byte, but ...string) {
	t.Helper()
	var a, b map[string]any
	if err := errors.Join(json.Unmarshal(sent, &a), json.Unmarshal(over, &b)); err != nil {
		t.Fatal(err)
	}
	for name, was := range a {
		if !slices.Contains(but, name) && !reflect.DeepEqual(was, b[name]) {
			t.Errorf("%s was %v and became %v", name, was, b[name])
		}
	}
}

// A request that passes through is read as what it is and leaves with all that it had, under another model's
// name; its answer, read by that head, is billed as when it is translated.
func TestCallsPassThrough(t *testing.T) {
	each(t, requested, func(t *testing.T, r recorded.Recording, from crosstest.Side) {
		body, err := jsonedit.Scan(r.Request, 64)
		if err != nil {
			t.Fatal(err)
		}
		head := route(t, from, r, body)
		if head.Op != canon.OpGenerate || head.Stream != r.Stream && r.Answer != nil {
			t.Errorf("its head reads as %+v", head)
		}
		edits, err := from.Edits(head, body, "upstream-model")
		if err != nil {
			t.Fatal(err)
		}
		out, err := jsonedit.Apply(r.Request, edits...)
		if err != nil {
			t.Fatal(err)
		}
		sameMembers(t, r.Request, out, "model")
		if r.Answer == nil {
			return
		}
		reader := from.NewReader(head)
		var events []canon.Event
		if !r.Stream {
			if events, err = reader.Read("", r.Answer, nil); err != nil {
				t.Fatal(err)
			}
		}
		frames := sse.NewReader(bytes.NewReader(r.Answer), 1<<20)
		for r.Stream {
			f, err := frames.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if events, err = reader.Read(string(f.Event), f.Data, events); err != nil {
				t.Fatal(err)
			}
		}
		if used := crosstest.Collect(events).Usage; used != r.Usage || reader.Complete() != (r.Failed == "") {
			t.Errorf("it consumed %+v, want %+v; complete %v", used, r.Usage, reader.Complete())
		}
	})
}

// route sends the request of r through the endpoints of its dialect and returns its head.
func route(t *testing.T, from crosstest.Side, r recorded.Recording, body *jsonedit.Object) dialect.Head {
	t.Helper()
	target := map[canon.Dialect]string{
		canon.OpenAIChat: "/v1/chat/completions", canon.OpenAIResponses: "/v1/responses", canon.Anthropic: "/v1/messages",
		canon.Gemini: "/v1beta/models/" + r.About["Model"] + ":generateContent",
	}[r.Dialect]
	if r.Dialect == canon.Gemini && r.Stream {
		target = "/v1beta/models/" + r.About["Model"] + ":streamGenerateContent?alt=sse"
	}
	var head dialect.Head
	served := false
	mux := http.NewServeMux()
	seen := map[string]bool{}
	for _, ep := range from.Endpoints() {
		pattern := ep.Method + " " + ep.Path
		if seen[pattern] {
			continue // one pattern for several operations: Head tells them apart
		}
		seen[pattern] = true
		mux.HandleFunc(pattern, func(_ http.ResponseWriter, req *http.Request) {
			var refused *canon.Error
			served = true
			if head, refused = from.Head(ep, req, body); refused != nil {
				t.Errorf("its head is refused: %+v", refused)
			}
		})
	}
	mux.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, target, bytes.NewReader(r.Request)))
	if !served {
		t.Fatalf("nothing serves %s", target)
	}
	return head
}
