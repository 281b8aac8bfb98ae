package gemini

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/fault"
)

// wireModel is a model as Google lists it. What a gateway does not know (version, description, defaults of
// sampling) is left out rather than made up.
type wireModel struct {
	Name             string   `json:"name"`
	DisplayName      string   `json:"displayName"`
	InputTokenLimit  int64    `json:"inputTokenLimit,omitempty"`
	OutputTokenLimit int64    `json:"outputTokenLimit,omitempty"`
	Methods          []string `json:"supportedGenerationMethods"`
}

type wireModels struct {
	Models        []wireModel `json:"models"`
	NextPageToken string      `json:"nextPageToken,omitempty"`
}

// maxPage is the largest page, and the size where none is asked for. Google's default is 50; clients
// that never page would see a part of a gateway's list as the whole.
const maxPage = 1000

// WriteModels writes a page of the list: pageSize and pageToken.
//
// Source: https://ai.google.dev/api/models, read 2026-11-20.
func (p *Protocol) WriteModels(w http.ResponseWriter, r *http.Request, models []dialect.Model) {
	page, next, err := cutPage(r.URL.Query(), models)
	if err != nil {
		p.WriteError(w, err)
		return
	}
	list := wireModels{Models: make([]wireModel, 0, len(page)), NextPageToken: next}
	for _, m := range page {
		list.Models = append(list.Models, toWire(m))
	}
	p.write(w, list)
}

// WriteModel writes one model.
func (p *Protocol) WriteModel(w http.ResponseWriter, m dialect.Model) { p.write(w, toWire(m)) }

func (p *Protocol) write(w http.ResponseWriter, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		p.WriteError(w, &canon.Error{Kind: canon.KindInternal, Message: "the list of models can't be written", Cause: err})
		return
	}
	fault.WriteJSON(w, http.StatusOK, b)
}

func toWire(m dialect.Model) wireModel {
	title := m.Title
	if title == "" {
		title = m.Name
	}
	name := m.Name
	if !strings.HasPrefix(name, "tunedModels/") {
		name = "models/" + name
	}
	wire := wireModel{
		Name: name, DisplayName: title,
		InputTokenLimit: m.ContextTokens, OutputTokenLimit: m.OutputTokens,
		Methods: []string{},
	}
	ops := m.Ops
	if len(ops) == 0 {
		ops = []canon.Op{canon.OpGenerate}
	}
	for _, a := range actions {
		// Where nobody counts the tokens of what a model is asked, the gateway estimates them.
		if slices.Contains(ops, a.op) || a.op == canon.OpCountTokens && slices.Contains(ops, canon.OpGenerate) {
			wire.Methods = append(wire.Methods, a.name)
		}
	}
	return wire
}

// cutPage returns what the query asks for, and the token of the next page or "". A token is the name
// of the last model before its page, so that it survives other models that come and go.
func cutPage(q url.Values, models []dialect.Model) (page []dialect.Model, next string, bad *canon.Error) {
	size := maxPage
	if s := firstOf(q, "pageSize", "page_size"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 {
			return nil, "", invalid("pageSize", "must be an integer of at least 0")
		}
		if n > 0 {
			size = min(n, maxPage)
		}
	}
	if token := firstOf(q, "pageToken", "page_token"); token != "" {
		last, err := base64.RawURLEncoding.DecodeString(token)
		at := slices.IndexFunc(models, func(m dialect.Model) bool { return m.Name == string(last) })
		if err != nil || at < 0 {
			return nil, "", invalid("pageToken", "is not, or no longer, a token of this list; begin again without one")
		}
		models = models[at+1:]
	}
	if len(models) <= size {
		return models, "", nil
	}
	page = models[:size]
	return page, base64.RawURLEncoding.EncodeToString([]byte(page[size-1].Name)), nil
}

func firstOf(q url.Values, names ...string) string {
	for _, name := range names {
		if v := q.Get(name); v != "" {
			return v
		}
	}
	return ""
}
