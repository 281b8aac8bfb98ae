package anthropic

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/fault"
)

// wireModel is a model as Anthropic lists it. Its other members (capabilities, lifecycle …) speak of
// what a gateway does not know of a model, so they are left out rather than made up.
type wireModel struct {
	Type           string `json:"type"`
	ID             string `json:"id"`
	DisplayName    string `json:"display_name"`
	CreatedAt      string `json:"created_at"`
	MaxInputTokens int64  `json:"max_input_tokens,omitempty"`
	MaxTokens      int64  `json:"max_tokens,omitempty"`
}

type wireModels struct {
	Data    []wireModel `json:"data"`
	HasMore bool        `json:"has_more"`
	FirstID *string     `json:"first_id"`
	LastID  *string     `json:"last_id"`
}

// maxPage is the largest page, and the size where none is asked for. Anthropic's default is 20; it has
// a dozen models, and clients that never page would see a part of a gateway's list as the whole.
const maxPage = 1000

// WriteModels writes a page of the list: limit, and after_id or before_id.
//
// Source: https://platform.claude.com/docs/en/api/models/list, read 2026-11-20.
func (p *Protocol) WriteModels(w http.ResponseWriter, r *http.Request, models []dialect.Model) {
	page, more, err := cutPage(r.URL.Query(), models)
	if err != nil {
		p.WriteError(w, err)
		return
	}
	list := wireModels{Data: make([]wireModel, 0, len(page)), HasMore: more}
	for _, m := range page {
		list.Data = append(list.Data, toWire(m))
	}
	if n := len(list.Data); n > 0 {
		list.FirstID, list.LastID = &list.Data[0].ID, &list.Data[n-1].ID
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
	return wireModel{
		Type: "model", ID: m.Name, DisplayName: title,
		CreatedAt:      time.Unix(m.CreatedUnix, 0).UTC().Format(time.RFC3339),
		MaxInputTokens: m.ContextTokens, MaxTokens: m.OutputTokens,
	}
}

// cutPage returns what the query asks for, and whether there is more in its direction.
func cutPage(q url.Values, models []dialect.Model) (page []dialect.Model, more bool, bad *canon.Error) {
	limit := maxPage
	if s := q.Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > maxPage {
			return nil, false, invalid("limit", "must be an integer from 1 to %d", maxPage)
		}
		limit = n
	}
	after, before := q.Get("after_id"), q.Get("before_id")
	switch {
	case after != "" && before != "":
		return nil, false, invalid("before_id", "can't be combined with after_id")
	case after != "":
		at := find(models, after)
		if at < 0 {
			return nil, false, invalid("after_id", "is not the id of a model in the list")
		}
		models = models[at+1:]
	case before != "":
		at := find(models, before)
		if at < 0 {
			return nil, false, invalid("before_id", "is not the id of a model in the list")
		}
		models = models[:at]
		from := max(0, len(models)-limit)
		return models[from:], from > 0, nil
	}
	if len(models) > limit {
		return models[:limit], true, nil
	}
	return models, false, nil
}

func find(models []dialect.Model, name string) int {
	return slices.IndexFunc(models, func(m dialect.Model) bool { return m.Name == name })
}
