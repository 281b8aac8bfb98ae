package simulator

import (
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Usage is what a call reported, in disjoint buckets of tokens whatever the vendor's own sums are.
// Reasoning is zero where a dialect counts it as output without saying so (Anthropic).
type Usage struct {
	Input        int64 `json:"input"` // uncached text
	CacheRead    int64 `json:"cache_read"`
	CacheWrite5m int64 `json:"cache_write_5m"`
	CacheWrite1h int64 `json:"cache_write_1h"`
	InputImage   int64 `json:"input_image"` // only where the dialect tells it from text (Gemini)
	InputAudio   int64 `json:"input_audio"`
	Output       int64 `json:"output"`
	Reasoning    int64 `json:"reasoning"`
	OutputAudio  int64 `json:"output_audio"`
}

// prompt is all that the model read.
func (u Usage) prompt() int64 {
	return u.Input + u.CacheRead + u.CacheWrite5m + u.CacheWrite1h + u.InputImage + u.InputAudio
}

func (u *Usage) add(v Usage) {
	u.Input += v.Input
	u.CacheRead += v.CacheRead
	u.CacheWrite5m += v.CacheWrite5m
	u.CacheWrite1h += v.CacheWrite1h
	u.InputImage += v.InputImage
	u.InputAudio += v.InputAudio
	u.Output += v.Output
	u.Reasoning += v.Reasoning
	u.OutputAudio += v.OutputAudio
}

// Call is one call that was served.
type Call struct {
	Seq      int64         `json:"seq"`     // from 1, in the order in which calls ended
	Key      string        `json:"key"`     // last 6 characters of the upstream key
	CallID   string        `json:"call_id"` // X-Client-Request-Id of the request
	Dialect  string        `json:"dialect"`
	Endpoint string        `json:"endpoint"`
	Model    string        `json:"model"`
	AnswerID string        `json:"answer_id,omitempty"` // the id that the answer carried
	Stream   bool          `json:"stream"`
	At       time.Time     `json:"at"`
	Took     time.Duration `json:"took_ns"`
	Status   int           `json:"status"`
	Events   int           `json:"events,omitempty"` // frames written
	Complete bool          `json:"complete"`         // answered to its last byte: the write of it succeeded
	Reported bool          `json:"reported"`         // Usage was part of what was written
	Wrong    bool          `json:"wrong,omitempty"`  // what was written contradicted itself (wrongusage); Usage is the truth
	Usage    Usage         `json:"usage"`
}

// KeyStats are the totals of one upstream key. Usage sums complete, reported answers.
type KeyStats struct {
	Calls    int64            `json:"calls"`
	Complete int64            `json:"complete"`
	Status   map[string]int64 `json:"status"`
	Usage    Usage            `json:"usage"`
}

// Stats are totals since the start or the last reset; dropping old calls leaves them whole.
type Stats struct {
	Calls    int64                `json:"calls"`
	Complete int64                `json:"complete"`
	Dropped  int64                `json:"dropped"` // calls that are in the totals but no longer listed
	Active   int64                `json:"active"`  // calls under way
	Status   map[string]int64     `json:"status"`
	Keys     map[string]*KeyStats `json:"keys"`
	Usage    Usage                `json:"usage"`
}

// maxKeys bounds Stats.Keys; further keys are summed under "other".
const maxKeys = 4096

// callLog is a ring of the last calls and the totals of all. It grows by whole chunks, so that a full
// log is never copied.
type callLog struct {
	mu     sync.Mutex
	max    int
	chunks [][]Call
	seq    int64 // of the last call
	stats  Stats
}

const chunkCalls = 1024

// slot returns where the call with a sequence number is kept. The caller holds the lock.
func (l *callLog) slot(seq int64) *Call {
	i := int((seq - 1) % int64(l.max))
	for i/chunkCalls >= len(l.chunks) {
		l.chunks = append(l.chunks, make([]Call, min(chunkCalls, l.max-len(l.chunks)*chunkCalls)))
	}
	return &l.chunks[i/chunkCalls][i%chunkCalls]
}

func (l *callLog) reset() {
	l.chunks, l.seq = nil, 0
	l.stats = Stats{Status: map[string]int64{}, Keys: map[string]*KeyStats{}}
}

func (l *callLog) add(c Call) {
	status := statusText(c.Status)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seq++
	c.Seq = l.seq
	*l.slot(l.seq) = c
	if l.seq > int64(l.max) {
		l.stats.Dropped++
	}
	st := &l.stats
	k := st.Keys[c.Key]
	if k == nil {
		name := c.Key
		if len(st.Keys) >= maxKeys {
			name = "other"
		}
		if k = st.Keys[name]; k == nil {
			k = &KeyStats{Status: map[string]int64{}}
			st.Keys[name] = k
		}
	}
	st.Calls++
	k.Calls++
	st.Status[status]++
	k.Status[status]++
	if c.Complete {
		st.Complete++
		k.Complete++
		if c.Reported {
			st.Usage.add(c.Usage)
			k.Usage.add(c.Usage)
		}
	}
}

// statusText names a status without allocating for the common ones. 0 is a call that got no header.
func statusText(n int) string {
	switch n {
	case 0:
		return "none"
	case http.StatusOK:
		return "200"
	}
	return strconv.Itoa(n)
}

// Calls returns the remembered calls with a sequence number above since, in order.
func (s *Simulator) Calls(since int64) []Call {
	l := &s.log
	l.mu.Lock()
	defer l.mu.Unlock()
	from := max(since, l.seq-int64(l.max), 0)
	if from >= l.seq {
		return nil
	}
	out := make([]Call, 0, l.seq-from)
	for seq := from + 1; seq <= l.seq; seq++ {
		out = append(out, *l.slot(seq))
	}
	return out
}

// Stats returns the totals.
func (s *Simulator) Stats() Stats {
	l := &s.log
	l.mu.Lock()
	defer l.mu.Unlock()
	out := l.stats
	out.Status = map[string]int64{}
	for k, v := range l.stats.Status {
		out.Status[k] = v
	}
	out.Keys = make(map[string]*KeyStats, len(l.stats.Keys))
	for name, k := range l.stats.Keys {
		c := *k
		c.Status = map[string]int64{}
		for st, n := range k.Status {
			c.Status[st] = n
		}
		out.Keys[name] = &c
	}
	out.Active = s.active.Load()
	return out
}

// Reset forgets calls and totals. Calls under way are counted when they end.
func (s *Simulator) Reset() {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	s.log.reset()
}

// serveCounts answers /sim/...
func (s *Simulator) serveCounts(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/sim/redirected":
		c := &call{s: s, w: w, r: r, rt: route{dialect: guess(r), endpoint: "redirected"}}
		c.key = readKey(r, c.rt.dialect)
		s.log.add(Call{Key: tail(c.key), Dialect: string(c.rt.dialect), Endpoint: "redirected", At: s.now(), Status: http.StatusOK, Complete: true})
		w.WriteHeader(http.StatusOK)
	case r.URL.Path == "/sim/stats" && r.Method == http.MethodGet:
		w.Header().Set("Content-Type", "application/json")
		s.encode(w, s.Stats())
	case r.URL.Path == "/sim/calls" && r.Method == http.MethodDelete:
		s.Reset()
		w.WriteHeader(http.StatusNoContent)
	case r.URL.Path == "/sim/calls" && r.Method == http.MethodGet:
		since, err := strconv.ParseInt(r.URL.Query().Get("since"), 10, 64)
		if err != nil && r.URL.Query().Get("since") != "" {
			http.Error(w, "since must be a number", http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/x-ndjson")
		for _, c := range s.Calls(since) {
			if !s.encode(w, c) {
				return
			}
		}
	default:
		http.Error(w, "no such path; there are GET and DELETE /sim/calls and GET /sim/stats", http.StatusNotFound)
	}
}

// encode writes v as one line; false means that the client has gone, which is nobody's fault here.
func (s *Simulator) encode(w http.ResponseWriter, v any) bool {
	return json.NewEncoder(w).Encode(v) == nil
}

// tail returns the last six characters of a key, all that a record may know of it.
func tail(key string) string { return clip(key[max(0, len(key)-6):], 6) }
