package obs

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"tollgate/internal/canon"
	"tollgate/internal/ledger"
)

// maxModels bounds the values of the model label that are not names of entries of the catalogue. They come from
// clients, and every value is memory here and in whatever scrapes us.
const maxModels = 200

// maxModelName bounds the length of such a name in bytes.
const maxModelName = 120

// Other stands in labels for all values beyond their bound.
const Other = "other"

// Metrics is everything that is counted, in a registry of its own. All methods may be called at once
// from many goroutines. After the first call of a kind none takes a lock or allocates, but for models
// that count as Other.
type Metrics struct {
	InFlight prometheus.Gauge

	registry  *prometheus.Registry
	calls     *prometheus.CounterVec
	tokens    *prometheus.CounterVec
	cost      *prometheus.CounterVec
	attempts  *prometheus.CounterVec
	losses    *prometheus.CounterVec
	shared    *prometheus.CounterVec
	firstByte *prometheus.HistogramVec
	total     *prometheus.HistogramVec

	mu          sync.Mutex      // guards changes of what the pointers lead to
	models      map[string]bool // labels that are no entries of the catalogue
	series      atomic.Pointer[map[seriesKey]*series]
	attemptsFor atomic.Pointer[map[attemptKey]prometheus.Counter]
}

// NewMetrics returns metrics that have counted nothing. version is shown in tollgate_build_info.
func NewMetrics(version string) *Metrics {
	call := []string{"dialect", "op", "model"}
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		models:   map[string]bool{},
		InFlight: prometheus.NewGauge(prometheus.GaugeOpts{Name: "tollgate_calls_in_flight", Help: "Calls that are being served."}),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tollgate_calls_total",
			Help: "Finished calls, by the class of the status that the client got (refused: turned away before anything was tried) and the kind of error (empty: none).",
		}, append([]string{"status", "error"}, call...)),
		tokens: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tollgate_tokens_total",
			Help: "Tokens of finished calls, in disjoint kinds.",
		}, append([]string{"kind"}, call...)),
		cost: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tollgate_cost_dollars_total",
			Help: "Dollars charged for finished calls. A float, for graphs; the ledger has the exact sums.",
		}, call),
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tollgate_attempts_total",
			Help: "Tries at a channel, by its provider and the kind of error (ok: none).",
		}, []string{"provider", "result"}),
		losses: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tollgate_translation_losses_total",
			Help: "Features that translation lost or changed, by the client's dialect and the channel's.",
		}, []string{"dialect", "spoken", "feature", "kind"}),
		shared: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tollgate_shared_addresses_total",
			Help: "Addresses that more accounts called from within an hour than the operator set, told of or refused.",
		}, []string{"banned"}),
		firstByte: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tollgate_call_first_byte_seconds",
			Help: "From the request to the first byte of content.", Buckets: []float64{.01, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300},
		}, call),
		total: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tollgate_call_seconds",
			Help: "From the request to the end of its answer.", Buckets: []float64{.01, .05, .1, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800},
		}, call),
	}
	m.series.Store(&map[seriesKey]*series{})
	m.attemptsFor.Store(&map[attemptKey]prometheus.Counter{})
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: "tollgate_build_info", Help: "1, labelled with the version.", ConstLabels: prometheus.Labels{"version": version}})
	build.Set(1)
	m.registry.MustRegister(m.InFlight, m.calls, m.tokens, m.cost, m.attempts, m.losses, m.shared, m.firstByte, m.total, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Watch adds a gauge tollgate_NAME whose value f tells when somebody asks: lag of the journal, open
// holds, channels that rest. It is called while the process is put together; the error says that the
// name is taken or no name.
func (m *Metrics) Watch(name, help string, f func() float64) error {
	return m.registry.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "tollgate_" + name, Help: help}, f))
}

// Handler serves the metrics in the text format of Prometheus.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}

// Begin counts a call that is being served; the caller calls done when it is over.
func (m *Metrics) Begin() (done func()) {
	m.InFlight.Inc()
	return m.InFlight.Dec
}

// Settled counts a finished call. Its label is entry, the name or pattern of the catalogue's entry for its model:
// the operator has written that, and no name that a client makes up takes its place. Where the catalogue has none,
// entry is "" and the model becomes a label while there is room, but one that nobody could answer for only if it is
// a label already.
func (m *Metrics) Settled(rec ledger.Call, entry string) {
	k, from := seriesKey{rec.Dialect, rec.Op, rec.Model}, nobody
	switch {
	case entry != "":
		k.model, from = entry, operator
	case rec.ErrorKind == "" || rec.ErrorKind == canon.KindUpstream || rec.Usage.In() > 0:
		from = client
	}
	s := m.seriesFor(k, from)
	s.results.count(m, s, resultKey{statusClass(rec.Status), rec.ErrorKind})
	for i, n := range buckets(rec.Usage) {
		if n > 0 {
			s.token(m, i).Add(float64(n))
		}
	}
	if rec.Cost > 0 {
		s.cost.Add(float64(rec.Cost) / 1e9)
	}
	if rec.FirstMs > 0 || rec.ErrorKind == "" { // 0 is less than a millisecond, unless nothing came
		s.first.Observe(float64(rec.FirstMs) / 1e3)
	}
	s.total.Observe(float64(rec.TotalMs) / 1e3)
}

// Shared counts an address that many accounts called from, and whether it is refused now.
func (m *Metrics) Shared(banned bool) { m.shared.WithLabelValues(strconv.FormatBool(banned)).Inc() }

// Refused counts a call that was turned away before anything was tried or charged. It has no model.
func (m *Metrics) Refused(dialect, op string, kind canon.Kind) {
	s := m.seriesFor(seriesKey{canon.Dialect(dialect), canon.Op(op), ""}, operator)
	s.results.count(m, s, resultKey{"refused", kind})
}

// Attempt counts a try at a channel of provider; kind is empty when it went well.
func (m *Metrics) Attempt(provider string, kind canon.Kind) {
	k := attemptKey{provider, kind}
	c, ok := (*m.attemptsFor.Load())[k]
	if !ok {
		result := string(kind)
		if result == "" {
			result = "ok"
		}
		c = m.attempts.WithLabelValues(provider, result)
		m.mu.Lock()
		insert(&m.attemptsFor, k, c)
		m.mu.Unlock()
	}
	c.Inc()
}

type attemptKey struct {
	provider string
	kind     canon.Kind
}

type seriesKey struct {
	dialect canon.Dialect
	op      canon.Op
	model   string
}

// series holds the resolved counters of one combination of labels, so that a call finds them with one
// look-up and no allocation.
type series struct {
	labels  [3]string
	tokens  [len(bucketNames)]atomic.Pointer[prometheus.Counter] // nil until a call has such tokens: most have two or three kinds
	cost    prometheus.Counter
	first   prometheus.Observer
	total   prometheus.Observer
	results results
}

type resultKey struct {
	status string
	kind   canon.Kind
}

// results are the call counters of a series, by how calls ended.
type results struct {
	m atomic.Pointer[map[resultKey]prometheus.Counter]
}

func (r *results) count(m *Metrics, s *series, k resultKey) {
	if known := r.m.Load(); known != nil {
		if c, ok := (*known)[k]; ok {
			c.Inc()
			return
		}
	}
	c := m.calls.WithLabelValues(k.status, string(k.kind), s.labels[0], s.labels[1], s.labels[2])
	c.Inc()
	m.mu.Lock()
	defer m.mu.Unlock()
	insert(&r.m, k, c)
}

// origin is where the name of a model comes from.
type origin int

const (
	nobody   origin = iota // a client, and nobody could answer for it
	client                 // a client; an upstream has answered for it
	operator               // the catalogue
)

// seriesFor finds or makes the series of k. A client's model that is no label yet becomes one if an upstream has
// answered for it and there is room; otherwise it counts as Other.
func (m *Metrics) seriesFor(k seriesKey, from origin) *series {
	if s, ok := (*m.series.Load())[k]; ok {
		return s
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case k.model == "", m.models[k.model]:
	case !utf8.ValidString(k.model), from == nobody, from == client && (len(k.model) > maxModelName || len(m.models) >= maxModels):
		k.model = Other
	case from == client && k.model != Other:
		m.models[strings.Clone(k.model)] = true
	}
	if s, ok := (*m.series.Load())[k]; ok { // made meanwhile, or that of all the others
		return s
	}
	k.model = strings.Clone(k.model) // it may be a part of a large body
	s := &series{labels: [3]string{string(k.dialect), string(k.op), k.model}}
	labels := s.labels[:]
	s.cost = m.cost.WithLabelValues(labels...)
	s.first = m.firstByte.WithLabelValues(labels...)
	s.total = m.total.WithLabelValues(labels...)
	insert(&m.series, k, s)
	return s
}

// token returns the counter of the i-th kind of tokens. Two goroutines may resolve it at once: both get
// the same counter.
func (s *series) token(m *Metrics, i int) prometheus.Counter {
	if c := s.tokens[i].Load(); c != nil {
		return *c
	}
	c := m.tokens.WithLabelValues(bucketNames[i], s.labels[0], s.labels[1], s.labels[2])
	s.tokens[i].Store(&c)
	return c
}

// insert swaps in a copy of the map with v at k. The caller holds the lock of writers.
func insert[K comparable, V any](p *atomic.Pointer[map[K]V], k K, v V) {
	next := map[K]V{k: v}
	if old := p.Load(); old != nil {
		for ok, ov := range *old {
			if ok != k {
				next[ok] = ov
			}
		}
	}
	p.Store(&next)
}

func statusClass(status int) string {
	switch {
	case status >= 500:
		return "5xx"
	case status >= 400:
		return "4xx"
	case status >= 200 && status < 300:
		return "2xx"
	}
	return "none" // the client was gone before it got one
}

var bucketNames = [...]string{
	"input", "cache_read", "cache_write_5m", "cache_write_1h", "input_image", "input_audio", "input_video",
	"output", "reasoning", "output_image", "output_audio",
}

// buckets are the counts of u in the order of bucketNames.
func buckets(u canon.Usage) [len(bucketNames)]int64 {
	return [...]int64{
		u.Input, u.CacheRead, u.CacheWrite5m, u.CacheWrite1h, u.InputImage, u.InputAudio, u.InputVideo,
		u.Output, u.Reasoning, u.OutputImage, u.OutputAudio,
	}
}

// Lost counts what translation of a call lost or changed. Features are a bounded vocabulary.
func (m *Metrics) Lost(client, channel canon.Dialect, losses []canon.Loss) {
	for _, l := range losses {
		m.losses.WithLabelValues(string(client), string(channel), string(l.What), string(l.Kind)).Inc()
	}
}
