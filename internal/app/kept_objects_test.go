package app_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// Containers, files and items that an answer names are the account's own from then on, whether the answer was
// streamed or whole: the next call may name them, reaches the channel that keeps them, and nobody else may.
func TestObjectsOfAnswersAreLearnt(t *testing.T) {
	const item = `{"type":"code_interpreter_call","id":"ci_%[1]s","status":"completed","code":"1","container_id":"cntr_%[1]s","outputs":[]}`
	const message = `{"type":"message","id":"msg_%[1]s","role":"assistant","status":"completed","content":[{"type":"output_text","text":"done","annotations":[{"type":"container_file_citation","container_id":"cntr_%[1]s","file_id":"cfile_%[1]s","filename":"a.csv","start_index":0,"end_index":4}]}]}`
	var mu sync.Mutex
	seen := map[string]string{} // by what was asked: the key it was asked with
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body) // what is missing is seen
		body, key := string(raw), strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		mu.Lock()
		seen[body[strings.Index(body, `"user":"`):]] = key
		mu.Unlock()
		name := "whole"
		if strings.Contains(body, `"stream":true`) {
			name = "stream"
		}
		if !strings.Contains(body, `"user":"whole"`) && !strings.Contains(body, `"user":"stream"`) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"id":"resp_again","object":"response","status":"completed","model":"m","output":[],"usage":{"input_tokens":1,"output_tokens":1}}`))
			return
		}
		response := fmt.Sprintf(`{"id":"resp_%[1]s","object":"response","status":"completed","model":"m","output":[`+item+`,`+message+`],"usage":{"input_tokens":1,"output_tokens":1}}`, name)
		if name == "whole" {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(response))
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = fmt.Fprintf(w, "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"resp_stream\",\"model\":\"m\",\"status\":\"in_progress\",\"output\":[]}}\n\n"+
			"event: response.output_item.done\ndata: {\"type\":\"response.output_item.done\",\"output_index\":0,\"item\":"+item+"}\n\n"+
			"event: response.output_item.done\ndata: {\"type\":\"response.output_item.done\",\"output_index\":1,\"item\":"+message+"}\n\n", name)
		_, _ = fmt.Fprintf(w, "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":%s}\n\n", response)
	}))
	defer srv.Close()
	const otherKey = "sk-test-other-0123456789abcdefghijklmnop"
	g := startGateway(t, fmt.Sprintf(`channels:
  - {name: one, provider: openai, base_url: %[1]q, key: sk-one, models: [gpt-5]}
  - {name: two, provider: openai, base_url: %[1]q, key: sk-two, models: [gpt-5]}
  - {name: three, provider: openai, base_url: %[1]q, key: sk-three, models: [gpt-5]}
models:
  - {name: gpt-5, price: {input: "1", output: "2"}}
accounts:
  - {name: alice, credit: 10, keys: [{name: main, key: %[2]s}]}
  - {name: bob, credit: 10, keys: [{name: main, key: %[3]s}]}
`, srv.URL, userKey, otherKey))
	key := func(user string) string {
		mu.Lock()
		defer mu.Unlock()
		for body, key := range seen {
			if strings.HasPrefix(body, `"user":"`+user+`"`) {
				return key
			}
		}
		return ""
	}
	for _, name := range []string{"whole", "stream"} {
		for what, more := range map[string]string{
			"container": `"tools":[{"type":"code_interpreter","container":"cntr_` + name + `"}],"input":"x"`,
			"file":      `"input":[{"role":"user","content":[{"type":"input_file","file_id":"cfile_` + name + `"}]}]`,
			"item":      `"input":[{"type":"item_reference","id":"msg_` + name + `"},{"role":"user","content":"x"}]`,
		} {
			for range 2 { // before it was named by an answer, and after
				a := g.send("POST", "/v1/responses", `{"model":"gpt-5",`+more+`,"user":"early"}`)
				if what == "container" && a.status != http.StatusNotFound && key(name) == "" {
					t.Errorf("%s of %s: %d %s", what, name, a.status, a.body)
				}
				if key(name) != "" {
					break
				}
				stream := ""
				if name == "stream" {
					stream = `"stream":true,`
				}
				if a := g.send("POST", "/v1/responses", `{"model":"gpt-5",`+stream+`"input":"make a file","user":"`+name+`"}`); a.status != 200 {
					t.Fatalf("%d %s", a.status, a.body)
				}
			}
			for range 6 { // more often than there are channels to choose from
				user := "again-" + name + "-" + what
				if a := g.send("POST", "/v1/responses", `{"model":"gpt-5",`+more+`,"user":"`+user+`"}`); a.status != 200 || key(user) != key(name) {
					t.Fatalf("%s of %s: %d, asked %q, kept by %q: %s", what, name, a.status, key(user), key(name), a.body)
				}
			}
			if a := g.send("POST", "/v1/responses", `{"model":"gpt-5",`+more+`,"user":"bob"}`, "Authorization", "Bearer "+otherKey); a.status != http.StatusNotFound {
				t.Errorf("another account names the %s: %d %s", what, a.status, a.body)
			}
		}
	}
	if key("whole") != key("stream") {
		both := `"tools":[{"type":"code_interpreter","container":"cntr_whole"}],"input":[{"role":"user","content":[{"type":"input_file","file_id":"cfile_stream"}]}]`
		if a := g.send("POST", "/v1/responses", `{"model":"gpt-5",`+both+`,"user":"both"}`); a.status != http.StatusBadRequest || !strings.Contains(a.body, "another upstream") {
			t.Errorf("objects of two upstreams: %d %s", a.status, a.body)
		}
	}
}

// That an object is not there says nothing of the model, even if nobody has been answered by it yet: other calls
// go on. That the model is not there does.
func TestObjectsThatAreGoneRestNoModel(t *testing.T) {
	const chat, file = "/v1/chat/completions", `{"model":"m-%s","messages":[{"role":"user","content":[{"type":"text","text":"hi"},{"type":"file","file":{"file_id":"file-gone"}}]}]}`
	const cache = `{"contents":[{"role":"user","parts":[{"text":"hi"}]}],"cachedContent":"cachedContents/gone"}`
	for _, c := range []struct {
		name, provider, path, body, plain string
		status                            int
		says                              string
		again                             bool // the next call, which names no object, is tried
	}{
		{"file", "openai", chat, fmt.Sprintf(file, "x"), `{"model":"m-x","messages":[{"role":"user","content":"hi"}]}`, 404, `{"error":{"message":"No such File object: file-gone","type":"invalid_request_error"}}`, true},
		{"cache", "gemini", "/v1beta/models/m-x:generateContent", cache, `{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}`, 403, `{"error":{"code":403,"message":"CachedContent not found (or permission denied)","status":"PERMISSION_DENIED"}}`, true},
		{"model", "openai", chat, fmt.Sprintf(file, "x"), `{"model":"m-x","messages":[{"role":"user","content":"hi"}]}`, 404, `{"error":{"message":"The model does not exist","type":"invalid_request_error","code":"model_not_found"}}`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var asked atomic.Int64
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				asked.Add(1)
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.says)
			}))
			t.Cleanup(srv.Close)
			g := startGateway(t, fmt.Sprintf("channels:\n  - {name: one, provider: %s, base_url: %q, key: sk-one, models: [\"m-*\"]}\nmodels:\n  - {name: \"m-*\", price: {input: \"1\", output: \"2\"}}\n", c.provider, srv.URL)+alice("10"), "SHARED_OBJECTS=on")
			if a := g.send("POST", c.path, c.body); a.status < 400 || asked.Load() == 0 {
				t.Fatalf("%d %s", a.status, a.body)
			}
			before := asked.Load()
			g.send("POST", c.path, c.plain)
			if again := asked.Load() > before; again != c.again {
				t.Errorf("the next call is tried: %v", again)
			}
		})
	}
}
