package crash

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
)

// shape is one kind of call.
type shape struct {
	name  string
	path  string                 // %s: the model
	body  string                 // %s: the model
	key   string                 // header of the key
	whole func(body []byte) bool // the last byte of the answer is there
}

func ends(mark, last string) func([]byte) bool {
	return func(b []byte) bool { return bytes.Contains(b, []byte(mark)) && bytes.HasSuffix(b, []byte(last)) }
}

// shapes are plain and streamed calls in all four dialects. %s is replaced by words of behaviour.
func shapes() []shape {
	return []shape{
		{"chat", "/v1/chat/completions", `{"model":"sim-gpt%s","messages":[{"role":"user","content":"hello there"}]}`, "Authorization", json.Valid},
		{"chat stream", "/v1/chat/completions", `{"model":"sim-gpt%s","stream":true,"messages":[{"role":"user","content":"hello"}]}`, "Authorization", ends("data: [DONE]", "\n\n")},
		{"responses", "/v1/responses", `{"model":"sim-gpt%s","input":"hello you"}`, "Authorization", json.Valid},
		{"responses stream", "/v1/responses", `{"model":"sim-gpt%s","stream":true,"store":false,"input":"hello"}`, "Authorization", ends(`"type":"response.completed"`, "\n\n")},
		{"messages", "/v1/messages", `{"model":"sim-claude%s","max_tokens":64,"messages":[{"role":"user","content":"hello"}]}`, "X-Api-Key", json.Valid},
		{"messages stream", "/v1/messages", `{"model":"sim-claude%s","max_tokens":64,"stream":true,"messages":[{"role":"user","content":"hello"}]}`, "X-Api-Key", ends(`"message_stop"`, "\n\n")},
		{"gemini", "/v1beta/models/sim-gemini%s:generateContent", `{"contents":[{"role":"user","parts":[{"text":"hello"}]}]}`, "X-Goog-Api-Key", json.Valid},
		{"gemini stream", "/v1beta/models/sim-gemini%s:streamGenerateContent?alt=sse", `{"contents":[{"role":"user","parts":[{"text":"hello"}]}]}`, "X-Goog-Api-Key", ends(`"finishReason"`, "\n\r\n")},
	}
}

// tally is what the clients of all rounds got.
type tally struct {
	mu      sync.Mutex
	whole   map[string]string // id of every answer that came to its last byte, and its shape
	partial int               // answers that broke off, or whose client hung up
	refused map[string]int    // other statuses, and streams that end with an error, with their message
	twice   []string          // ids that two answers had
	begun   int               // calls, numbered from 1
	open    map[int]bool      // those under way, by number
}

// begin counts a call that begins; end is for when it has ended.
func (t *tally) begin() (end func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.begun++
	n := t.begun
	if t.open == nil {
		t.open = map[int]bool{}
	}
	t.open[n] = true
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.open, n)
	}
}

// sofar answers a function that tells whether all calls that have begun until now have ended.
func (t *tally) sofar() (ended func() bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	last := t.begun
	return func() bool {
		t.mu.Lock()
		defer t.mu.Unlock()
		for n := range t.open {
			if n <= last {
				return false
			}
		}
		return true
	}
}

func (t *tally) add(id, shape string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.whole == nil {
		t.whole = map[string]string{}
	}
	if _, ok := t.whole[id]; ok {
		t.twice = append(t.twice, id)
	}
	t.whole[id] = shape
}

func (t *tally) broke() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.partial++
}

func (t *tally) refuse(status int, body []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.refused == nil {
		t.refused = map[string]int{}
	}
	t.refused[fmt.Sprintf("%d %.300s", status, body)]++
}

// answered is how many answers came to their last byte so far.
func (t *tally) answered() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.whole)
}

// refusals is how many calls were refused so far.
func (t *tally) refusals() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for _, k := range t.refused {
		n += k
	}
	return n
}

// load runs clients against the gateway, each one call after the other, until ctx is done or the
// gateway is gone. It returns when all clients have ended.
func (r *rig) load(ctx context.Context, rnd *rand.Rand, clients int) {
	transport := &http.Transport{MaxIdleConnsPerHost: clients}
	defer transport.CloseIdleConnections()
	var keys []string
	for _, name := range []string{"ada", "boole", "curie"} {
		keys = append(keys, accounts[name]...)
	}
	var wg sync.WaitGroup
	for range clients {
		own := rand.New(rand.NewPCG(rnd.Uint64(), rnd.Uint64()))
		wg.Go(func() {
			all := shapes()
			for ctx.Err() == nil {
				s := all[own.IntN(len(all))]
				if !r.call(&http.Client{Transport: transport}, s, keys[own.IntN(len(keys))], own) {
					return
				}
			}
		})
	}
	wg.Wait()
}

// loaded runs clients for the time that during takes.
func (r *rig) loaded(rnd *rand.Rand, clients int, during func()) {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.load(ctx, rnd, clients)
	}()
	defer func() {
		stop()
		<-done
	}()
	during()
}

// call makes one call; it is false when the gateway does not answer any more.
func (r *rig) call(client *http.Client, s shape, key string, rnd *rand.Rand) bool {
	words := fmt.Sprintf("+events=%d+slow=%dms", 1+rnd.IntN(6), rnd.IntN(6))
	path := s.path
	if strings.Contains(path, "%s") {
		path = fmt.Sprintf(path, words)
	}
	body := s.body
	if strings.Contains(body, "%s") {
		body = fmt.Sprintf(body, words)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	defer r.got.begin()()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.gate.base+path, strings.NewReader(body))
	if err != nil {
		r.t.Error(err)
		return false
	}
	req.Header.Set("Content-Type", "application/json")
	if s.key == "Authorization" {
		key = "Bearer " + key
	}
	req.Header.Set(s.key, key)
	resp, err := client.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	if strings.HasSuffix(s.name, "stream") && rnd.IntN(16) == 0 {
		// This client hangs up in the middle; whatever was written for it is billed all the same.
		r.got.broke()
		_, err := resp.Body.Read(make([]byte, 1))
		return err == nil
	}
	got, err := io.ReadAll(resp.Body)
	switch {
	case resp.StatusCode != http.StatusOK:
		r.got.refuse(resp.StatusCode, got)
	case s.whole(got):
		r.got.add(resp.Header.Get("X-Request-Id"), s.name)
	case err == nil && bytes.Contains(got, []byte(`"error"`)):
		r.got.refuse(resp.StatusCode, got[bytes.LastIndex(got, []byte("data: ")):]) // an event at the end of a stream
	case err == nil:
		r.t.Errorf("%s: the answer ends well but is not whole: …%.300s", s.name, got[max(0, len(got)-300):])
	default:
		r.got.broke()
	}
	return err == nil
}
