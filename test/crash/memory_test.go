package crash

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Bodies near and over the limits, zipped so that they cost their senders nothing, come all at once, from clients and
// from a provider, each way through translation too. A gateway of one gigabyte answers them or refuses them until there is
// memory, lives, and serves the next call.
func TestLargeBodiesInOneGigabyte(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the memory of a process is read from /proc")
	}
	const most = 1 << 30
	big := func(before, after string, size int) []byte {
		var b bytes.Buffer
		zw := gzip.NewWriter(&b)
		piece := strings.Repeat("x", 1<<20)
		_, err := io.WriteString(zw, before)
		for ; size > 0 && err == nil; size -= len(piece) {
			_, err = io.WriteString(zw, piece)
		}
		if err == nil {
			_, err = io.WriteString(zw, after)
		}
		if err == nil {
			err = zw.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	answers := map[string][]byte{}
	for name, size := range map[string]int{"small": 1, "large": 120 << 20, "too large": 400 << 20} {
		answers[name+" chat"] = big(`{"id":"c1","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"`, `"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}`, size)
		answers[name+" responses"] = big(`{"id":"resp_1","object":"response","status":"completed","model":"m","output":[{"type":"message","id":"msg_1","role":"assistant","status":"completed","content":[{"type":"output_text","text":"`, `","annotations":[]}]}],"usage":{"input_tokens":1,"output_tokens":1,"total_tokens":2}}`, size)
		answers[name+" messages"] = big(`{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"`, `"}],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":1}}`, size)
		answers[name+" gemini"] = big(`{"candidates":[{"content":{"role":"model","parts":[{"text":"`, `"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":1,"totalTokenCount":2}}`, size)
	}
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		head := make([]byte, 4096)
		n, _ := io.ReadFull(r.Body, head)
		_, _ = io.Copy(io.Discard, r.Body)
		size, dialect := "small", "gemini"
		for _, s := range []string{"too large", "large"} {
			if bytes.Contains(head[:n], []byte(s)) {
				size = s
				break
			}
		}
		switch {
		case strings.HasSuffix(r.URL.Path, "/chat/completions"):
			dialect = "chat"
		case strings.HasSuffix(r.URL.Path, "/responses"):
			dialect = "responses"
		case strings.HasSuffix(r.URL.Path, "/messages"):
			dialect = "messages"
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(answers[size+" "+dialect]) // the gateway may have had enough
	}))
	defer upstream.Close()
	dir := t.TempDir()
	file := filepath.Join(dir, "tollgate.yaml")
	var config strings.Builder
	config.WriteString("channels:\n")
	for vendor, model := range map[string]string{"openai": "sim-gpt", "anthropic": "sim-claude", "gemini": "sim-gemini"} {
		for _, prefix := range []string{"", "bad-"} { // a channel that fails rests
			fmt.Fprintf(&config, "  - {name: %s%s, provider: %s, base_url: %q, key: sk-up-0123456789abcdef, models: [%q]}\n", prefix, vendor, vendor, upstream.URL, prefix+model)
		}
	}
	if err := os.WriteFile(file, []byte(config.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	gate := spawn(t, "gateway", []string{
		"TOLLGATE_CONFIG=" + file, "TOLLGATE_DATA=" + filepath.Join(dir, "data"), "LISTEN=127.0.0.1:0", "ADMIN_KEY=" + adminKey, "SIMULATOR=off", "LOG_FORMAT=json",
		fmt.Sprintf("GOMEMLIMIT=%dMiB", most>>20*4/5), // as it sets itself in a container of that size
	}, "serve")
	if err := gate.listening(`"msg":"tollgate is listening","address":"([^"]+)"`, patience); err != nil {
		t.Fatal(err)
	}

	// call returns the status of an answer that came whole.
	call := func(dialect, model string, body []byte) int {
		path := map[string]string{"chat": "/v1/chat/completions", "messages": "/v1/messages", "gemini": "/v1beta/models/" + model + ":generateContent"}[dialect]
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, gate.base+path, bytes.NewReader(body))
		if err != nil {
			t.Error(err)
			return 0
		}
		req.Header.Set("Authorization", "Bearer "+adminKey)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Content-Encoding", "gzip")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Errorf("%s to %s: %v", dialect, model, err)
			return 0
		}
		defer resp.Body.Close()
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Errorf("%s to %s: %v", dialect, model, err)
		}
		return resp.StatusCode
	}
	request := func(dialect, model, text string, size int) []byte {
		if dialect == "gemini" {
			return big(`{"contents":[{"role":"user","parts":[{"text":"`+text, `"}]}]}`, size)
		}
		return big(`{"model":"`+model+`","max_tokens":5,"messages":[{"role":"user","content":"`+text, `"}]}`, size)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	got := map[string]map[int]int{} // answers by status
	for _, dialect := range []string{"chat", "messages", "gemini"} {
		for _, model := range []string{"sim-gpt", "sim-claude", "sim-gemini"} {
			for what, c := range map[string]struct {
				model, text string
				size        int
			}{
				"large answer":      {model, "large", 0},
				"too large answer":  {"bad-" + model, "too large", 0},
				"large request":     {model, "small", 60 << 20},
				"too large request": {model, "small", 400 << 20},
			} {
				body := request(dialect, c.model, c.text, c.size)
				wg.Go(func() {
					status := call(dialect, c.model, body)
					for end := time.Now().Add(2 * patience); (status == http.StatusServiceUnavailable || status == 529) && time.Now().Before(end); {
						time.Sleep(time.Second) // as Retry-After says
						status = call(dialect, c.model, body)
					}
					mu.Lock()
					defer mu.Unlock()
					if got[what] == nil {
						got[what] = map[int]int{}
					}
					got[what][status]++
				})
			}
		}
	}
	wg.Wait()
	t.Log(got)
	if got["large answer"][http.StatusOK] != 9 {
		t.Errorf("answers that were paid for are lost: %v", got["large answer"])
	}
	if got["large request"][http.StatusOK] != 9 {
		t.Errorf("requests that came again were not served: %v", got["large request"])
	}
	if n := got["too large answer"][http.StatusOK] + got["too large request"][http.StatusOK]; n != 0 {
		t.Errorf("%d bodies over the limits have passed: %v", n, got)
	}
	if status := call("chat", "sim-claude", request("chat", "sim-claude", "small", 60<<20)); status != http.StatusOK {
		t.Errorf("the next large request: %d", status)
	}
	if peak := resident(t, gate.cmd.Process.Pid); peak >= most {
		t.Errorf("the gateway took %d MiB", peak>>20)
	} else {
		t.Logf("the gateway took %d MiB", peak>>20)
	}
	if err := gate.terminate(patience); err != nil {
		t.Error(err)
	}
}

// resident is the most memory that a process has had, in bytes.
func resident(t *testing.T, pid int) int64 {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^VmHWM:\s+(\d+) kB$`).FindSubmatch(raw)
	if m == nil {
		t.Fatalf("no VmHWM in %s", raw)
	}
	n, err := strconv.ParseInt(string(m[1]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n << 10
}
