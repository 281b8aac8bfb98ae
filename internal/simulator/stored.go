package simulator

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidwall/gjson"
)

// stored is a response that is kept. Only the key that made it can see it. It is never changed after it
// was put, but for cancelled, which the store's lock guards.
type stored struct {
	key       string
	reply     *reply
	input     []string
	text      string // all that was read and written, for a response that continues this one
	created   time.Time
	ready     time.Time // when a background response ends; zero: at once
	cancelled bool
}

// size is about how many bytes st holds.
func (st *stored) size() int {
	n := len(st.text) + len(st.reply.echo.tools) + len(st.reply.echo.instructions) + 1024
	for _, it := range st.input {
		n += len(it)
	}
	for _, d := range st.reply.plan.choices {
		n += len(d.text)
	}
	return n
}

// The store forgets its oldest responses beyond these.
const (
	storeMost  = 10_000
	storeBytes = 64 << 20
)

type responseStore struct {
	mu    sync.Mutex
	byID  map[string]*stored
	order []string // oldest first; may name what was deleted
	bytes int
}

func (r *responseStore) reset() { r.byID, r.order, r.bytes = map[string]*stored{}, nil, 0 }

func (r *responseStore) put(st *stored) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.byID[st.reply.id] = st
	r.order = append(r.order, st.reply.id)
	r.bytes += st.size()
	for len(r.order) > 1 && (len(r.order) > storeMost || r.bytes > storeBytes) {
		r.drop(r.order[0])
		r.order = r.order[1:]
	}
}

// drop forgets one response. The caller holds the lock.
func (r *responseStore) drop(id string) {
	if st, ok := r.byID[id]; ok {
		r.bytes -= st.size()
		delete(r.byID, id)
	}
}

func (r *responseStore) get(key, id string) (*stored, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	st, ok := r.byID[id]
	if !ok || st.key != key {
		return nil, false
	}
	return st, true
}

func (r *responseStore) delete(key, id string) bool {
	if _, ok := r.get(key, id); !ok {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drop(id)
	return true
}

// status is how far a response is at now.
func (r *responseStore) status(st *stored, now time.Time) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case st.cancelled:
		return "cancelled"
	case now.Before(st.created.Add(st.ready.Sub(st.created) / 4)):
		return "queued"
	case now.Before(st.ready):
		return "in_progress"
	}
	return st.reply.final()
}

func (r *responseStore) cancel(st *stored) {
	r.mu.Lock()
	defer r.mu.Unlock()
	st.cancelled = true
}

// findStored reads the route below /v1/responses/.
func findStored(method, rest string) route {
	id, action, _ := strings.Cut(rest, "/")
	rt := route{dialect: responses, endpoint: "responses." + action, method: http.MethodGet, id: id}
	switch action {
	case "":
		rt.endpoint, rt.serve = "responses.get", serveStored
		if method == http.MethodDelete {
			rt.endpoint, rt.method, rt.serve = "responses.delete", http.MethodDelete, serveStoredDelete
		}
	case "cancel":
		rt.method, rt.serve = http.MethodPost, serveStoredCancel
	case "input_items":
		rt.serve = serveStoredItems
	default:
		rt.endpoint = "unknown"
	}
	return rt
}

// stored finds the response of the path for the calling key.
func (c *call) stored() (*stored, *fault) {
	done, f := c.begin("", false)
	if done {
		f = &fault{kind: answered}
	}
	if f != nil {
		return nil, f
	}
	st, ok := c.s.store.get(c.key, c.rt.id)
	if !ok {
		return nil, &fault{kind: notFound, msg: "Response with id '" + clip(c.rt.id, 100) + "' not found."}
	}
	c.rec.Model, c.rec.AnswerID = st.reply.plan.model, st.reply.id
	return st, nil
}

func serveStored(c *call) *fault {
	st, f := c.stored()
	if f != nil {
		return f
	}
	q := c.r.URL.Query()
	status := c.s.store.status(st, c.s.now())
	if q.Get("stream") == "true" {
		if !st.reply.background {
			return invalid("stream", "", "This response cannot be streamed because it was not created with background=true.")
		}
		c.rec.Stream, c.rec.Usage = true, st.reply.plan.use
		c.streamReply(st.reply, int64(atoi(q.Get("starting_after"), -1)))
		return nil
	}
	if status == "completed" || status == "incomplete" {
		c.rec.Usage, c.rec.Reported = st.reply.plan.use, !st.reply.plan.noUsage
	}
	var b jsonBuf
	st.reply.object(&b, status, "null")
	c.plain("application/json", b)
	return nil
}

func serveStoredDelete(c *call) *fault {
	if _, f := c.stored(); f != nil {
		return f
	}
	c.s.store.delete(c.key, c.rt.id)
	var b jsonBuf
	b.raw(`{"id":`).str(c.rt.id).raw(`,"object":"response","deleted":true}`)
	c.plain("application/json", b)
	return nil
}

func serveStoredCancel(c *call) *fault {
	st, f := c.stored()
	if f != nil {
		return f
	}
	if !st.reply.background {
		return invalid("", "", "Cannot cancel a synchronous response.")
	}
	status := c.s.store.status(st, c.s.now())
	if status == "queued" || status == "in_progress" {
		c.s.store.cancel(st)
		status = "cancelled"
	}
	var b jsonBuf
	st.reply.object(&b, status, "null")
	c.plain("application/json", b)
	return nil
}

func serveStoredItems(c *call) *fault {
	st, f := c.stored()
	if f != nil {
		return f
	}
	q := c.r.URL.Query()
	items := slices.Clone(st.input)
	if q.Get("order") != "asc" {
		slices.Reverse(items)
	}
	id := func(item string) string { return gjson.Get(item, "id").Str }
	if after := q.Get("after"); after != "" {
		if i := slices.IndexFunc(items, func(it string) bool { return id(it) == after }); i >= 0 {
			items = items[i+1:]
		}
	}
	limit := min(max(1, atoi(q.Get("limit"), 20)), 100)
	more := len(items) > limit
	items = items[:min(limit, len(items))]
	first, last := "null", "null"
	if len(items) > 0 {
		first, last = quoted(id(items[0])), quoted(id(items[len(items)-1]))
	}
	var b jsonBuf
	b.raw(`{"object":"list","data":[`).raw(strings.Join(items, ",")).raw(`],"first_id":`).raw(first).raw(`,"last_id":`).raw(last).raw(`,"has_more":`).bool(more).raw(`}`)
	c.plain("application/json", b)
	return nil
}
