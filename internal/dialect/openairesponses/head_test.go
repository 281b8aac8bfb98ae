package openairesponses_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/openairesponses"
	"tollgate/internal/jsonedit"
)

// TestHeadRefuses pins what another parser could read differently, or what makes no sense to act on.
func TestHeadRefuses(t *testing.T) {
	for _, c := range []struct{ body, param string }{
		{`{"input":"x"}`, "model"},
		{`{"model":7}`, "model"},
		{`{"model":"a","Store":false}`, "Store"},
		{`{"model":"a","store":"no"}`, "store"},
		{`{"model":"a","background":1}`, "background"},
		{`{"model":"a","Previous_Response_Id":"resp_1"}`, "Previous_Response_Id"},
		{`{"model":"a","previous_response_id":{}}`, "previous_response_id"},
		{`{"model":"a","previous_response_id":"../x"}`, "previous_response_id"},
		{`{"model":"a","max_output_tokens":-1}`, "max_output_tokens"},
		{`{"model":"a","stream":{}}`, "stream"},
	} {
		body, err := jsonedit.Scan([]byte(c.body), 100)
		if err != nil {
			t.Fatal(err)
		}
		_, e := openairesponses.New().Head(dialect.Endpoint{Op: canon.OpGenerate}, httptest.NewRequest(http.MethodPost, "/", nil), body)
		if e == nil || e.Kind != canon.KindInvalid || e.Param != c.param {
			t.Errorf("%s: got %+v, want it refused for %q", c.body, e, c.param)
		}
	}
}

// TestStoredIDs pins that an id cannot climb out of its place in an upstream path.
func TestStoredIDs(t *testing.T) {
	p := openairesponses.New()
	for id, want := range map[string]bool{
		"resp_68c187cc09508192aa225af9734e2ed905ca09a4773fcd25": true, "resp-1.a=": true,
		"": false, ".": false, "..": false, "a/b": false, "a%2fb": false, "a?b": false, "a b": false, "a\nb": false, "é": false,
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.SetPathValue("id", id)
		head, e := p.Head(dialect.Endpoint{Op: canon.OpStoredGet}, r, nil)
		if (e == nil) != want || e == nil && head.StoredID != id {
			t.Errorf("%q: got %q, %v, want taken %v", id, head.StoredID, e, want)
		}
	}
	for query, stream := range map[string]bool{"": false, "?stream=true": true, "?stream=false": false, "?stream=true&starting_after=3": true} {
		r := httptest.NewRequest(http.MethodGet, "/v1/responses/resp_1"+query, nil)
		r.SetPathValue("id", "resp_1")
		if head, e := p.Head(dialect.Endpoint{Op: canon.OpStoredGet}, r, nil); e != nil || head.Stream != stream {
			t.Errorf("%q: got %+v, %v", query, head, e)
		}
	}
	r := httptest.NewRequest(http.MethodGet, "/v1/responses/resp_1?stream=true&stream=false", nil)
	r.SetPathValue("id", "resp_1")
	if _, e := p.Head(dialect.Endpoint{Op: canon.OpStoredGet}, r, nil); e == nil {
		t.Error("two values of stream are taken: which one would the upstream take?")
	}
}
