package simulator

import (
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Config says how a Simulator answers. The zero value works.
type Config struct {
	Seed       uint64        // varies the words of answers and the ids
	First      time.Duration // pause before the first byte of every answer
	Chunk      time.Duration // pause between the events of every stream
	Models     []string      // for model lists; nil: a few of each dialect. Any other name is answered too
	Keys       []string      // accepted upstream keys; empty: any
	MaxCalls   int           // calls remembered, some 400 bytes each; 0: 262144. Older ones are dropped and counted
	MaxBody    int64         // bytes of a request body; 0: 64 MiB
	Background time.Duration // how long a background response runs; 0: one second
	Now        func() time.Time
}

// Simulator is an upstream. Use New; it is safe for concurrent use and owns no goroutine.
type Simulator struct {
	cfg    Config
	now    func() time.Time
	secret [32]byte // of the signatures
	ids    atomic.Uint64
	active atomic.Int64
	log    callLog
	cache  promptCache
	store  responseStore
	flaps  flapCounter
}

// New returns a Simulator for cfg.
func New(cfg Config) *Simulator {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.MaxCalls <= 0 {
		cfg.MaxCalls = 1 << 18
	}
	if cfg.MaxBody <= 0 {
		cfg.MaxBody = 64 << 20
	}
	if cfg.Background <= 0 {
		cfg.Background = time.Second
	}
	if cfg.Models == nil {
		cfg.Models = []string{
			"sim-gpt", "sim-claude", "sim-gemini", "sim-embed",
			"gpt-4o", "gpt-4o-mini", "claude-sonnet-4-5", "gemini-2.5-flash", "text-embedding-3-small",
		}
	}
	s := &Simulator{cfg: cfg, now: cfg.Now, secret: signingKey(cfg.Seed)}
	s.ids.Store(mix(cfg.Seed ^ uint64(cfg.Now().UnixNano())))
	s.log.max = cfg.MaxCalls
	s.log.reset()
	s.cache.reset()
	s.store.reset()
	s.flaps.reset()
	return s
}

// Handler returns the upstream as a handler.
func (s *Simulator) Handler() http.Handler { return http.HandlerFunc(s.serve) }

// dialect names a wire protocol; it decides the shape of errors and where the key is.
type dialect string

const (
	openAI    dialect = "openaichat"
	responses dialect = "openairesponses"
	anthropic dialect = "anthropic"
	gemini    dialect = "gemini"
)

// route is what a method and path ask for.
type route struct {
	dialect  dialect
	endpoint string             // in records, e.g. "chat.completions"
	method   string             // allowed one
	serve    func(*call) *fault // nil: no such path
	model    string             // Gemini: from the path
	id       string             // of a stored response or a model
}

func (s *Simulator) serve(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/sim/") {
		s.serveCounts(w, r)
		return
	}
	rt := find(r)
	c := &call{s: s, w: w, r: r, rt: rt, be: noBehaviour()}
	c.rec = Call{Dialect: string(rt.dialect), Endpoint: rt.endpoint, Model: strings.Clone(rt.model), At: s.now(), CallID: clip(r.Header.Get("X-Client-Request-Id"), 128)}
	s.active.Add(1)
	defer func() {
		c.rec.Took = s.now().Sub(c.rec.At)
		s.log.add(c.rec)
		s.active.Add(-1)
	}()
	if f := c.run(); f != nil && f.kind != answered {
		c.fail(f)
	}
}

// find reads the route of r. An unknown path gets a route without serve in the most likely dialect.
func find(r *http.Request) route {
	p := r.URL.Path
	switch p {
	case "/v1/chat/completions":
		return route{dialect: openAI, endpoint: "chat.completions", method: http.MethodPost, serve: serveChat}
	case "/v1/messages":
		return route{dialect: anthropic, endpoint: "messages", method: http.MethodPost, serve: serveMessages}
	case "/v1/messages/count_tokens":
		return route{dialect: anthropic, endpoint: "count_tokens", method: http.MethodPost, serve: serveCountTokens}
	case "/v1/responses":
		return route{dialect: responses, endpoint: "responses", method: http.MethodPost, serve: serveResponses}
	case "/v1/responses/input_tokens":
		return route{dialect: responses, endpoint: "input_tokens", method: http.MethodPost, serve: serveInputTokens}
	case "/v1/completions":
		return route{dialect: openAI, endpoint: "completions", method: http.MethodPost, serve: serveCompletions}
	case "/v1/embeddings":
		return route{dialect: openAI, endpoint: "embeddings", method: http.MethodPost, serve: serveEmbeddings}
	case "/v1/moderations":
		return route{dialect: openAI, endpoint: "moderations", method: http.MethodPost, serve: serveModerations}
	}
	if rest, ok := strings.CutPrefix(p, "/v1/responses/"); ok {
		return findStored(r.Method, rest)
	}
	for _, version := range []string{"/v1beta", "/v1"} {
		rest, ok := strings.CutPrefix(p, version+"/models")
		if !ok || rest != "" && rest[0] != '/' {
			continue
		}
		return findModel(r, version, strings.TrimPrefix(rest, "/"))
	}
	return route{dialect: guess(r), endpoint: "unknown"}
}

// findModel reads what follows "/models/": a Gemini action, one model of any dialect, or nothing.
func findModel(r *http.Request, version, rest string) route {
	name, action, ok := cutLast(rest, ":")
	if ok && r.Method == http.MethodPost {
		rt := route{dialect: gemini, endpoint: action, method: http.MethodPost, model: name}
		switch action {
		case "generateContent", "streamGenerateContent":
			rt.serve = serveGenerateContent
		case "countTokens":
			rt.serve = serveGeminiCountTokens
		case "embedContent":
			rt.serve = serveEmbedContent
		case "batchEmbedContents":
			rt.serve = serveBatchEmbedContents
		}
		return rt
	}
	d := guess(r)
	if version == "/v1beta" {
		d = gemini
	}
	if rest == "" {
		return route{dialect: d, endpoint: "models.list", method: http.MethodGet, serve: serveModels}
	}
	return route{dialect: d, endpoint: "models.get", method: http.MethodGet, serve: serveModel, id: rest}
}

// guess tells the dialect of a path that several share by the headers that each vendor's client sends.
func guess(r *http.Request) dialect {
	h := r.Header
	switch {
	case h.Get("Anthropic-Version") != "":
		return anthropic
	case h.Get("X-Goog-Api-Key") != "" || r.URL.Query().Has("key") || strings.HasPrefix(r.URL.Path, "/v1beta"):
		return gemini
	case h.Get("X-Api-Key") != "" && h.Get("Authorization") == "":
		return anthropic
	}
	return openAI
}

// known reports whether key may call.
func (s *Simulator) known(key string) bool {
	return len(s.cfg.Keys) == 0 || slices.Contains(s.cfg.Keys, key)
}

// newID returns prefix and n characters of alphabet that no other call got.
func (s *Simulator) newID(prefix, alphabet string, n int) string {
	b := make([]byte, 0, len(prefix)+n)
	b = append(b, prefix...)
	seq := s.ids.Add(1)
	var x uint64
	for i := range n {
		if i%10 == 0 {
			x = mix(seq + uint64(i)*0x9e3779b97f4a7c15)
		}
		b = append(b, alphabet[x%uint64(len(alphabet))])
		x /= uint64(len(alphabet))
	}
	return string(b)
}

const (
	base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	hex16  = "0123456789abcdef"
)

// mix scatters the bits of x (the finisher of splitmix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func cutLast(s, sep string) (before, after string, ok bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// clip returns a copy of at most n bytes of s, so that no request is kept alive by it.
func clip(s string, n int) string { return strings.Clone(s[:min(n, len(s))]) }
