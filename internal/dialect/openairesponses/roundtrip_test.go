package openairesponses_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/tools/txtar"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/openairesponses"
	"tollgate/internal/jsonedit"
)

// anywhere compares requests whatever place things stood at.
var anywhere = cmp.Options{
	cmpopts.IgnoreFields(canon.Turn{}, "At", "Paths"),
	cmpopts.IgnoreFields(canon.Tool{}, "At"),
	cmpopts.IgnoreFields(canon.Request{}, "SystemPaths", "Model", "Stream", "Home"),
	cmpopts.EquateEmpty(),
}

// TestHome pins that a request written by its own dialect means what it meant: every feature fixture and
// every golden request, without a loss.
func TestHome(t *testing.T) {
	bodies := map[string]string{}
	files, err := filepath.Glob("testdata/feature/*.json")
	if err != nil || len(files) < 45 {
		t.Fatal("no features", err)
	}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		bodies[strings.TrimSuffix(filepath.Base(f), ".json")] = string(raw)
	}
	goldens, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range goldens {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range txtar.Parse(raw).Files {
			if s.Name == "client.json" {
				bodies[filepath.Base(f)] = strings.Replace(string(s.Data), "tollgate-seal-1.anthropic.c2VhbA", "gAAAA", 1) // another's seal stays behind
			}
		}
	}
	p := openairesponses.New()
	for name, body := range bodies {
		asked, err := p.ReadRequest(canon.OpGenerate, []byte(body))
		if err != nil {
			continue // goldens of what is refused
		}
		canon.Pair(asked)
		if name == "request.txtar" { // its calls are not all answered
			asked.PreviousID = "resp_0"
		}
		raw, lost, e := p.WriteRequest(asked, dialect.Target{Op: canon.OpGenerate, Model: "m"})
		if e != nil {
			t.Errorf("%s: %v", name, e)
			continue
		}
		if len(lost) > 0 && name != "turn.empty" {
			t.Errorf("%s: lost at home: %+v", name, lost)
		}
		if _, err := jsonedit.Scan(raw, 512); err != nil {
			t.Errorf("%s: %v\n%s", name, err, raw)
			continue
		}
		back, err := p.ReadRequest(canon.OpGenerate, raw)
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, raw)
			continue
		}
		canon.Pair(back)
		if name == "turn.empty" {
			continue
		}
		if diff := cmp.Diff(asked, back, anywhere); diff != "" {
			t.Errorf("%s (-asked +written):\n%s", name, diff)
		}
	}
}

// answerEvents makes a random answer: blocks of all kinds, some of them with pieces by turns.
func answerEvents(r *rand.Rand) []canon.Event {
	events := []canon.Event{canon.Start{ID: "up_1", Model: "up"}}
	texts := []string{"a", "", "\"quoted\"\n", "ü😀", "</script>\\", "\x00\x1f", "bad\xffbytes", strings.Repeat("long ", 50)}
	text := func() string { return texts[r.IntN(len(texts))] }
	var calls []int
	for index := range 1 + r.IntN(8) {
		switch r.IntN(7) {
		case 0:
			for range 1 + r.IntN(3) {
				events = append(events, canon.TextDelta{Index: index, Text: text()})
			}
			if r.IntN(2) == 0 {
				events = append(events, canon.Cited{Index: index, Citation: canon.Citation{URL: "https://a.com/" + text(), Title: text(), From: r.IntN(2), To: r.IntN(5)}})
			}
		case 1:
			events = append(events, canon.ReasoningDelta{Index: index, Text: text()}, canon.ReasoningDelta{Index: index, Text: text()}, canon.ReasoningDelta{Index: index, Seal: "c2ln"})
		case 2:
			events = append(events, canon.RefusalDelta{Index: index, Text: text()})
		case 3, 4:
			name := []string{"f", "sql", "grp__inner", "tool_search"}[r.IntN(4)]
			events = append(events, canon.ToolStart{Index: index, ID: []string{"", fmt.Sprintf("call_%d", index)}[r.IntN(2)], Name: name})
			calls = append(calls, index)
			if r.IntN(2) == 0 { // its pieces come after those of another
				continue
			}
			events = append(events, canon.ToolDelta{Index: index, JSON: `{"input":`}, canon.ToolDelta{Index: index, JSON: `"x` + fmt.Sprint(index) + `"}`})
		case 5:
			u := canon.HostedUse{Index: index, Kind: canon.HostedWebSearch, ID: fmt.Sprint("srv", index), Open: true}
			events = append(events, u)
			u.Open, u.Input = false, text()
			events = append(events, u)
			u.Done, u.Sources = true, []canon.Citation{{URL: "https://b.com"}}
			events = append(events, u)
		case 6:
			events = append(events, canon.MediaDelta{Index: index, Kind: canon.MediaImage, MIME: "image/png", Data: "aGk="}, canon.MediaDelta{Index: index, Kind: canon.MediaImage, MIME: "image/png", Data: "aGk="})
		}
		if r.IntN(2) == 0 {
			if n := len(calls); n == 0 || calls[n-1] != index {
				events = append(events, canon.BlockEnd{Index: index})
			}
		}
	}
	for _, index := range calls {
		events = append(events, canon.ToolDelta{Index: index, JSON: " "})
	}
	why := []canon.Stop{canon.StopEnd, canon.StopTools, canon.StopLength, canon.StopFilter, canon.StopOther}[r.IntN(5)]
	events = append(events, canon.Stopped{Why: why, Raw: "w"}, canon.Used{Usage: canon.Usage{Input: 5, CacheRead: 3, Output: 2, Reasoning: 1}}, canon.Ended{})
	return events
}

// TestAnswers writes random answers and pins what strict clients hold on to: events are numbered without a
// gap, every item and part that begins ends, deltas add up to the whole texts, the last event holds what
// the items said, and the whole answer is the same as the stream's last event.
func TestAnswers(t *testing.T) {
	req := read(t, openairesponses.New(), `{"model":"m","input":"x","tools":[{"type":"function","name":"f"},{"type":"custom","name":"sql"},{"type":"namespace","name":"grp","tools":[{"type":"function","name":"inner"}]},{"type":"tool_search","execution":"client"}]}`)
	for seed := range uint64(400) {
		events := answerEvents(rand.New(rand.NewPCG(seed, 1)))
		stream, whole, _ := write(req, events, canon.Anthropic)
		if err := checkStream(stream, whole); err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, stream)
		}
	}
}

type streamEvent struct {
	Type     string          `json:"type"`
	Sequence int             `json:"sequence_number"`
	Output   int             `json:"output_index"`
	Content  int             `json:"content_index"`
	ItemID   string          `json:"item_id"`
	Delta    string          `json:"delta"`
	Text     *string         `json:"text"`
	Refusal  *string         `json:"refusal"`
	Args     *string         `json:"arguments"`
	Input    *string         `json:"input"`
	Item     json.RawMessage `json:"item"`
	Response json.RawMessage `json:"response"`
}

func checkStream(stream, whole string) error {
	said := map[string]string{}        // by kind and place: what the deltas add up to
	items := map[int]json.RawMessage{} // finished
	ids, open := map[int]string{}, map[string]bool{}
	var last streamEvent
	for n, frame := range strings.Split(strings.TrimSuffix(stream, "\n\n"), "\n\n") {
		name, data, ok := strings.Cut(frame, "\ndata: ")
		var e streamEvent
		if err := json.Unmarshal([]byte(data), &e); err != nil || !ok || name != "event: "+e.Type {
			return fmt.Errorf("frame %q: %w", frame, err)
		}
		if e.Sequence != n {
			return fmt.Errorf("event %d is numbered %d", n, e.Sequence)
		}
		last = e
		if e.ItemID != "" && ids[e.Output] != e.ItemID {
			return fmt.Errorf("%s names item %q, output %d is %q", e.Type, e.ItemID, e.Output, ids[e.Output])
		}
		if e.ItemID != "" && items[e.Output] != nil {
			return fmt.Errorf("%s comes after the end of its item", e.Type)
		}
		place := fmt.Sprint(e.Output, ".", e.Content)
		kind, what, _ := strings.Cut(strings.TrimPrefix(e.Type, "response."), ".")
		switch what {
		case "delta":
			said[kind+place] += e.Delta
		case "added":
			open[kind+place] = true
			if kind == "output_item" {
				var it struct{ ID string }
				if json.Unmarshal(e.Item, &it) != nil || it.ID == "" || e.Output != len(ids) {
					return fmt.Errorf("item %d begins as %s", e.Output, e.Item)
				}
				ids[e.Output] = it.ID
			}
		case "done":
			if kind == "output_item" {
				items[e.Output] = e.Item
			}
			delete(open, kind+place)
			for _, s := range []*string{e.Text, e.Refusal, e.Args, e.Input} {
				if s != nil && *s != said[kind+place] {
					return fmt.Errorf("%s says %q, its deltas %q", e.Type, *s, said[kind+place])
				}
			}
		}
	}
	for name := range open {
		if !strings.HasPrefix(name, "output_text.annotation") {
			return fmt.Errorf("%s never ends", name)
		}
	}
	var end struct{ Output []json.RawMessage }
	if err := json.Unmarshal(last.Response, &end); err != nil || len(end.Output) != len(items) {
		return fmt.Errorf("%d items ended, the response has %d: %w", len(items), len(end.Output), err)
	}
	for i, it := range end.Output {
		a, b := plain(it), plain(items[i])
		delete(a, "status")
		delete(b, "status") // the last one turns out to be incomplete
		if !reflect.DeepEqual(a, b) {
			return fmt.Errorf("item %d is %s at its end and %s in the response", i, items[i], it)
		}
	}
	if string(last.Response) != whole {
		return fmt.Errorf("whole it is %s", whole)
	}
	return nil
}

func plain(raw []byte) (m map[string]any) {
	_ = json.Unmarshal(raw, &m)
	return m
}

// FuzzWriteRequest pins that nothing a client may send makes the writer panic or write what is no JSON.
func FuzzWriteRequest(f *testing.F) {
	files, err := filepath.Glob("testdata/feature/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		raw, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw, byte(0))
		f.Add(raw, byte(1))
	}
	f.Add([]byte(`{"model":"claude","max_tokens":5,"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"x"}]}]}`), byte(1))
	f.Add([]byte(`{"messages":[{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"f","arguments":"{"}}]},{"role":"tool","tool_call_id":"a","content":[]}]}`), byte(2))
	f.Add([]byte(`{"contents":[{"role":"model","parts":[{"functionCall":{"name":"f"}}]}]}`), byte(3))
	from := []canon.Dialect{canon.OpenAIResponses, canon.Anthropic, canon.OpenAIChat, canon.Gemini}
	p := openairesponses.New()
	f.Fuzz(func(t *testing.T, raw []byte, which byte) {
		if _, err := jsonedit.Scan(raw, 512); err != nil {
			return
		}
		other := protocol(t, from[int(which)%len(from)])
		req, err := other.ReadRequest(canon.OpGenerate, raw)
		if err != nil {
			return
		}
		req.Origin = other.Dialect()
		canon.Pair(req)
		for _, thinking := range []dialect.Thinking{"", dialect.ThinkingEffort, dialect.ThinkingNone} {
			out, _, e := p.WriteRequest(req, dialect.Target{Op: canon.OpGenerate, Model: "m", Stream: true, Thinking: thinking})
			if e != nil {
				if e.Message == "" {
					t.Fatal("refused without a word")
				}
				continue
			}
			if _, err := jsonedit.Scan(out, 600); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		}
		_ = p.Refuse(canon.OpGenerate, req)
		if req.Origin == canon.OpenAIResponses {
			stream, whole, _ := write(req, answerEvents(rand.New(rand.NewPCG(7, uint64(which)))), canon.Gemini)
			if err := checkStream(stream, whole); err != nil {
				t.Fatal(err)
			}
		}
	})
}
