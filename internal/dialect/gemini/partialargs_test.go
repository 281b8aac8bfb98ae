package gemini

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
)

// pieces reads chunks of a stream with these members of functionCall, each in a chunk of its own, and
// returns the arguments of the calls.
func pieces(calls ...string) ([]string, error) {
	return piecesTo(dialect.Head{Op: canon.OpGenerate, Stream: true}, calls...)
}

func piecesTo(head dialect.Head, calls ...string) ([]string, error) {
	r := New().NewReader(head)
	var events []canon.Event
	for i, call := range calls {
		end := ""
		if i == len(calls)-1 {
			end = `,"finishReason":"STOP"`
		}
		var err error
		if events, err = r.Read("", []byte(`{"candidates":[{"content":{"role":"model","parts":[{"functionCall":`+call+`}]}`+end+`}]}`), events); err != nil {
			return nil, err
		}
	}
	var out []string
	at := map[int]int{}
	for _, e := range events {
		switch e := e.(type) {
		case canon.ToolStart:
			at[e.Index] = len(out)
			out = append(out, "")
		case canon.ToolDelta:
			if len(out) > 0 {
				out[at[e.Index]] += e.JSON
			}
		}
	}
	return out, nil
}

const begins = `{"name":"f","willContinue":true}`

// arg is a chunk with one argument.
func arg(path, value string) string {
	return `{"partialArgs":[{"jsonPath":` + strconv.Quote(path) + `,` + value + `}],"willContinue":true}`
}

func TestStreamedArguments(t *testing.T) {
	for name, c := range map[string]struct {
		chunks []string
		want   []string
	}{
		"none":                       {[]string{`{"name":"f","willContinue":true}`, `{}`}, []string{`{}`}},
		"a string in pieces":         {[]string{begins, arg("$.a", `"stringValue":"Bos","willContinue":true`), arg("$.a", `"stringValue":"ton \"","willContinue":true`), arg("$.a", `"stringValue":""`), `{}`}, []string{`{"a":"Boston \""}`}},
		"all kinds":                  {[]string{begins, `{"partialArgs":[{"jsonPath":"$.a","numberValue":0.50},{"jsonPath":"$.b","boolValue":false},{"jsonPath":"$.c","nullValue":"NULL_VALUE"},{"jsonPath":"$.d","nullValue":null},{"jsonPath":"$.e","stringValue":"x"}]}`}, []string{`{"a":0.50,"b":false,"c":null,"d":null,"e":"x"}`}},
		"a list of objects":          {[]string{begins, arg("$.l[0].a", `"stringValue":"x"`), arg("$.l[0].b", `"numberValue":1`), `{"willContinue":true}`, arg("$.l[1].a", `"boolValue":true`), arg("$.z", `"numberValue":2`), `{}`}, []string{`{"l":[{"a":"x","b":1},{"a":true}],"z":2}`}},
		"lists in lists":             {[]string{begins, arg("$.m[0][0]", `"numberValue":1`), arg("$.m[0][1]", `"numberValue":2`), arg("$.m[1][0]", `"numberValue":3`), `{}`}, []string{`{"m":[[1,2],[3]]}`}},
		"names in brackets":          {[]string{begins, arg(`$['a.b']["c\"d"]`, `"numberValue":1`), arg(`$['it\'s']`, `"numberValue":2`), `{}`}, []string{`{"a.b":{"c\"d":1},"it's":2}`}},
		"two calls":                  {[]string{begins, arg("$.a", `"numberValue":1`), `{}`, `{"name":"g","willContinue":true}`, arg("$.a", `"numberValue":2`), `{}`}, []string{`{"a":1}`, `{"a":2}`}},
		"no mark at the end":         {[]string{begins, arg("$.a", `"stringValue":"x","willContinue":true`), `{"name":"g","args":{"b":1}}`}, []string{`{"a":"x"}`, `{"b":1}`}},
		"the last one ends the call": {[]string{begins, `{"partialArgs":[{"jsonPath":"$.a","numberValue":1}]}`, `{}`}, []string{`{"a":1}`}},
		"in one chunk":               {[]string{`{"name":"f","partialArgs":[{"jsonPath":"$.a","stringValue":"x"}]}`}, []string{`{"a":"x"}`}},
		"ended by another string":    {[]string{begins, arg("$.a", `"stringValue":"x","willContinue":true`), arg("$.b", `"stringValue":"y"`), `{}`}, []string{`{"a":"x","b":"y"}`}},
		"a value announced":          {[]string{begins, arg("$.a", `"willContinue":true`), arg("$.a", `"stringValue":"y"`), `{}`}, []string{`{"a":"y"}`}},
		"whole":                      {[]string{`{"name":"f","args":{"a": 1}}`, `{"name":"g"}`}, []string{`{"a": 1}`, `{}`}},
	} {
		got, err := pieces(c.chunks...)
		if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}
}

func TestStreamedNonsense(t *testing.T) {
	deep := "$" + strings.Repeat(".a", maxSteps+1)
	for name, chunks := range map[string][]string{
		"no call":                    {arg("$.a", `"numberValue":1`)},
		"after its end":              {begins, `{}`, arg("$.a", `"numberValue":1`)},
		"twice":                      {begins, arg("$.a", `"numberValue":1`), arg("$.a", `"numberValue":1`)},
		"back to an object":          {begins, arg("$.a.x", `"numberValue":1`), arg("$.b", `"numberValue":1`), arg("$.a.y", `"numberValue":1`)},
		"a list as an object":        {begins, arg("$.a[0]", `"numberValue":1`), arg("$.a.b", `"numberValue":1`)},
		"an element left out":        {begins, arg("$.a[1]", `"numberValue":1`)},
		"an endless list":            {begins, arg("$.a[2000000000]", `"numberValue":1`)},
		"an index beyond all":        {begins, arg("$.a[99999999999999999999]", `"numberValue":1`)},
		"a string that is a number":  {begins, arg("$.a", `"stringValue":"x","willContinue":true`), arg("$.a", `"numberValue":1`)},
		"a number that is a string":  {begins, arg("$.a", `"numberValue":"NaN"`)},
		"two values":                 {begins, arg("$.a", `"numberValue":1,"boolValue":true`)},
		"whole and in pieces":        {begins, arg("$.a", `"numberValue":1`), `{"args":{"b":1}}`},
		"too deep":                   {begins, arg(deep, `"numberValue":1`)},
		"the arguments as a value":   {begins, arg("$", `"stringValue":"x"`)},
		"the arguments as a list":    {begins, arg("$[0]", `"stringValue":"x"`)},
		"all of them":                {begins, arg("$.a[*]", `"numberValue":1`)},
		"any of them":                {begins, arg("$..a", `"numberValue":1`)},
		"no path":                    {begins, `{"partialArgs":[{"numberValue":1}]}`},
		"a name without its quote":   {begins, arg("$['a]", `"numberValue":1`)},
		"a name without its bracket": {begins, arg("$['a'", `"numberValue":1`)},
	} {
		if got, err := pieces(chunks...); err == nil || !strings.Contains(err.Error(), "argument") {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if _, err := piecesTo(dialect.Head{Op: canon.OpGenerate, Stream: true, Passing: true}, chunks...); err != nil {
			t.Errorf("%s: a stream that is passed on breaks: %v", name, err)
		}
	}
	r := New().NewReader(dialect.Head{Op: canon.OpGenerate, Stream: true})
	chunk := func(call string) error {
		_, err := r.Read("", []byte(`{"candidates":[{"content":{"parts":[{"functionCall":`+call+`}]}}]}`), nil)
		return err
	}
	if err := chunk(begins); err != nil {
		t.Fatal(err)
	}
	long := arg("$.a", `"stringValue":"`+strings.Repeat("x", 1<<20)+`","willContinue":true`)
	var err error
	for n := 0; err == nil && n < 20; n++ {
		err = chunk(long)
	}
	if err == nil {
		t.Error("arguments without an end are taken")
	}
}

// A call that is cut by the limit of output stays cut: completed, it would be another call.
func TestStreamedArgumentsCut(t *testing.T) {
	r := New().NewReader(dialect.Head{Op: canon.OpGenerate, Stream: true})
	text := ""
	for _, chunk := range []string{
		`{"candidates":[{"content":{"parts":[{"functionCall":{"name":"rm","willContinue":true}}]}}]}`,
		`{"candidates":[{"content":{"parts":[{"functionCall":{"partialArgs":[{"jsonPath":"$.path","stringValue":"/tmp","willContinue":true}],"willContinue":true}}]}}]}`,
		`{"candidates":[{"finishReason":"MAX_TOKENS"}]}`,
	} {
		events, err := r.Read("", []byte(chunk), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if d, ok := e.(canon.ToolDelta); ok {
				text += d.JSON
			}
		}
	}
	if text != `{"path":"/tmp` {
		t.Errorf("%q", text)
	}
}

// Any arguments, cut into values and strings into pieces as Vertex does it, are put together again.
func TestAnyArgumentsStreamed(t *testing.T) {
	names := []string{"a", "b", "long_name", "a.b", "it's", `q"`, "ü[0]", "\\"}
	var value func(t *rapid.T, depth int) any
	value = func(t *rapid.T, depth int) any {
		kinds := 6
		if depth > 3 {
			kinds = 4
		}
		switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
		case 0:
			return rapid.String().Draw(t, "text")
		case 1:
			return float64(rapid.IntRange(-1000, 1000).Draw(t, "number")) / 8
		case 2:
			return rapid.Bool().Draw(t, "flag")
		case 3:
			return nil
		case 4:
			list := make([]any, rapid.IntRange(1, 3).Draw(t, "length"))
			for i := range list {
				list[i] = value(t, depth+1)
			}
			return list
		}
		object := map[string]any{}
		for range rapid.IntRange(1, 3).Draw(t, "members") {
			object[rapid.SampledFrom(names).Draw(t, "name")] = value(t, depth+1)
		}
		return object
	}
	rapid.Check(t, func(t *rapid.T) {
		args := map[string]any{}
		for range rapid.IntRange(0, 4).Draw(t, "arguments") {
			args[rapid.SampledFrom(names).Draw(t, "name")] = value(t, 0)
		}
		chunks := []string{begins}
		var told func(path string, v any)
		say := func(path, rest string) {
			quoted, _ := json.Marshal(path)
			chunks = append(chunks, `{"partialArgs":[{"jsonPath":`+string(quoted)+`,`+rest+`}],"willContinue":true}`)
		}
		told = func(path string, v any) {
			raw, _ := json.Marshal(v)
			switch v := v.(type) {
			case string:
				whole := []rune(v)
				at := rapid.IntRange(0, len(whole)).Draw(t, "cut")
				first, _ := json.Marshal(string(whole[:at]))
				last, _ := json.Marshal(string(whole[at:]))
				say(path, `"stringValue":`+string(first)+`,"willContinue":true`)
				say(path, `"stringValue":`+string(last))
			case float64:
				say(path, `"numberValue":`+string(raw))
			case bool:
				say(path, `"boolValue":`+string(raw))
			case nil:
				say(path, `"nullValue":"NULL_VALUE"`)
			case []any:
				for i, one := range v {
					told(fmt.Sprintf("%s[%d]", path, i), one)
				}
			case map[string]any:
				for _, name := range slices.Sorted(maps.Keys(v)) {
					step := "." + name
					if strings.ContainsAny(name, `.['"\`) || rapid.Bool().Draw(t, "quoted") {
						step = "['" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(name) + "']"
					}
					told(path+step, v[name])
				}
			}
		}
		told("$", args)
		got, err := pieces(append(chunks, "{}")...)
		if err != nil {
			t.Fatalf("%v of %s", err, chunks)
		}
		want, _ := json.Marshal(args)
		var have map[string]any
		if err := json.Unmarshal([]byte(got[0]), &have); err != nil {
			t.Fatalf("%v: %s", err, got[0])
		}
		again, _ := json.Marshal(have)
		if string(want) != string(again) {
			t.Fatalf("%s became %s by %s", want, got[0], chunks)
		}
	})
}
