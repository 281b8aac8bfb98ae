package app_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// seen is a request as an upstream got it.
type seen struct {
	method, uri, host string
	header            http.Header
	body              []byte
}

// recorder is an upstream that answers every call, with headers that are nobody's business, and keeps
// what it got.
type recorder struct {
	url string
	mu  sync.Mutex
	got []seen
}

// private are headers of an upstream that clients must not see.
var private = map[string]string{
	"Set-Cookie": "canary=1", "Openai-Organization": "org-canary", "Openai-Project": "proj-canary", "Anthropic-Organization-Id": "org-canary",
	"X-Ratelimit-Remaining-Requests": "17", "X-Ratelimit-Limit-Tokens": "18", "Anthropic-Ratelimit-Tokens-Remaining": "19",
	"Connection": "X-Canary-Hop", "X-Canary-Hop": "1", "Keep-Alive": "timeout=5", "Proxy-Authenticate": "Basic", "Upgrade": "h2c",
	"Server": "canary", "Via": "1.1 canary", "X-Request-Id": "canary", "Request-Id": "req_canary", "Cf-Ray": "canary", "Alt-Svc": `h3=":443"`,
	"Strict-Transport-Security": "max-age=1", "Location": "http://canary.invalid/", "Access-Control-Allow-Origin": "*", "Content-Disposition": "attachment",
}

func newRecorder(t *testing.T) *recorder {
	t.Helper()
	r := &recorder{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		r.mu.Lock()
		r.got = append(r.got, seen{req.Method, req.RequestURI, req.Host, req.Header.Clone(), body})
		r.mu.Unlock()
		for name, value := range private {
			w.Header().Set(name, value)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, wireOf(req.URL.Path).plain)
	}))
	t.Cleanup(srv.Close)
	r.url = srv.URL
	return r
}

// last returns the last request and forgets all.
func (r *recorder) last(t *testing.T) seen {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.got) == 0 {
		t.Fatal("the upstream saw nothing")
	}
	s := r.got[len(r.got)-1]
	r.got = nil
	return s
}

func (r *recorder) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.got)
}

// wire is what an upstream writes in one dialect.
type wire struct {
	plain string // a whole answer
	setup string // frames before any content
	text  string // a frame of content, with TEXT in it
	end   string // the last frames
}

func (w wire) say(text string) string { return strings.Replace(w.text, "TEXT", text, 1) }

func wireOf(path string) wire {
	switch {
	case strings.HasSuffix(path, "/chat/completions"):
		return wire{
			plain: `{"id":"c1","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}`,
			setup: "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n",
			text:  "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"TEXT\"}}]}\n\n",
			end: "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n" +
				"data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1,\"total_tokens\":2}}\n\ndata: [DONE]\n\n",
		}
	case strings.HasSuffix(path, "/responses"):
		done := `{"id":"resp_1","object":"response","status":"completed","model":"m","output":[{"type":"message","id":"msg_1","role":"assistant","status":"completed","content":[{"type":"output_text","text":"ok","annotations":[]}]}],"usage":{"input_tokens":1,"output_tokens":1,"total_tokens":2}}`
		return wire{
			plain: done,
			setup: "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"resp_1\",\"object\":\"response\",\"status\":\"in_progress\",\"model\":\"m\",\"output\":[]}}\n\n",
			text:  "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":1,\"item_id\":\"msg_1\",\"output_index\":0,\"content_index\":0,\"delta\":\"TEXT\"}\n\n",
			end:   "event: response.completed\ndata: {\"type\":\"response.completed\",\"sequence_number\":2,\"response\":" + done + "}\n\n",
		}
	case strings.HasSuffix(path, "/messages"):
		return wire{
			plain: `{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"ok"}],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":1}}`,
			setup: "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[],\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}}\n\n" +
				"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
			text: "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"TEXT\"}}\n\n",
			end: "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n" +
				"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":1}}\n\n" +
				"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
		}
	default:
		return wire{
			plain: `{"candidates":[{"content":{"role":"model","parts":[{"text":"ok"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":1,"totalTokenCount":2}}`,
			setup: ": hello\n\n",
			text:  "data: {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"TEXT\"}]}}]}\n\n",
			end:   "data: {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"\"}]},\"finishReason\":\"STOP\"}],\"usageMetadata\":{\"promptTokenCount\":1,\"candidatesTokenCount\":1,\"totalTokenCount\":2}}\n\n",
		}
	}
}

// streamed returns how a client asks for a stream, once for each framing.
func streamed() []spoken {
	out := dialects()
	for i := range out {
		if out[i].name != "gemini" {
			out[i].body = `{"stream":true,` + out[i].body[1:]
			continue
		}
		out[i].path = "/v1beta/models/sim-gemini:streamGenerateContent?alt=sse"
		array := out[i]
		array.name, array.path = "gemini array", "/v1beta/models/sim-gemini:streamGenerateContent"
		out = append(out, array)
	}
	return out
}

// What a client says of itself, of us or of the road does not reach the upstream; what the upstream
// says of our account there does not reach the client.
func TestHostileHeaders(t *testing.T) {
	up := newRecorder(t)
	h := attack(t, up.url)
	for _, d := range dialects() {
		t.Run(d.name, func(t *testing.T) {
			a := h.post(t, d.path+"?key="+userKey, strings.NewReader(d.request()),
				"Authorization", "Bearer "+userKey, "X-Api-Key", userKey, "X-Goog-Api-Key", userKey, "Api-Key", userKey,
				"Cookie", "session=canary", "X-Forwarded-For", "1.2.3.4", "X-Forwarded-Host", "canary.invalid", "X-Forwarded-Proto", "https", "Forwarded", "for=1.2.3.4",
				"X-Real-Ip", "1.2.3.4", "Via", "1.1 canary", "Origin", "https://canary.invalid", "Referer", "https://canary.invalid/?key=1",
				"Openai-Organization", "org-canary", "Openai-Project", "proj-canary", "Anthropic-Workspace-Id", "canary", "X-Goog-User-Project", "canary",
				"X-Client-Request-Id", "canary", "X-Request-Id", "canary", "Idempotency-Key", "canary", "Traceparent", "00-canary",
				"Connection", "X-Canary-Hop, Anthropic-Version, Openai-Beta", "X-Canary-Hop", "1", "Keep-Alive", "timeout=99", "Proxy-Authorization", "Basic Y2FuYXJ5",
				"Proxy-Connection", "keep-alive", "Te", "trailers", "Upgrade", "websocket", "Expect", "", "X-Simulate", "status=500",
				"Accept-Encoding", "br", "Accept-Language", "tlh", "X-Http-Method-Override", "DELETE", "X-Original-Url", "/admin", "Authorization-Canary", "1",
				"Range", "bytes=0-1", "If-None-Match", "*", "Cache-Control", "no-cache")
			if a.status != 200 {
				t.Fatalf("%d %s", a.status, a.body)
			}
			s := up.last(t)
			dump := fmt.Sprint(s.method, s.uri, s.host, s.header)
			for _, never := range []string{userKey, "canary", "1.2.3.4", "key=", "websocket", "trailers", "tlh"} {
				if strings.Contains(strings.ReplaceAll(strings.ToLower(dump), upKey, ""), never) {
					t.Errorf("the upstream saw %q: %s", never, dump)
				}
			}
			allowed := map[string]bool{
				"Content-Type": true, "Content-Length": true, "Accept": true, "Accept-Encoding": true, "User-Agent": true, "X-Client-Request-Id": true,
				"Authorization": true, "X-Api-Key": true, "X-Goog-Api-Key": true, "Api-Key": true, "Anthropic-Version": true,
			}
			keys := 0
			for name, values := range s.header {
				if !allowed[name] || len(values) != 1 {
					t.Errorf("the upstream saw %s: %q", name, values)
				}
				if strings.Contains(values[0], upKey) {
					keys++
				}
			}
			if keys != 1 {
				t.Errorf("the upstream key is there %d times: %s", keys, dump)
			}
			if got := s.header.Get("X-Client-Request-Id"); got != a.header.Get("X-Request-Id") {
				t.Errorf("the upstream knows the call as %q, the client as %q", got, a.header.Get("X-Request-Id"))
			}
			if s.header.Get("Accept-Encoding") != "identity" {
				t.Errorf("Accept-Encoding: %q", s.header.Get("Accept-Encoding"))
			}
			for name, value := range private {
				for _, got := range a.header.Values(name) {
					if got == value {
						t.Errorf("the client saw %s: %s", name, got)
					}
				}
			}
		})
	}
}
