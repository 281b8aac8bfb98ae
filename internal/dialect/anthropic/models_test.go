package anthropic

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"tollgate/internal/dialect"
)

// TestModelPages pages through a list in both directions, as the SDKs do.
func TestModelPages(t *testing.T) {
	var models []dialect.Model
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		models = append(models, dialect.Model{Name: name})
	}
	type page struct {
		Data []struct {
			ID string `json:"id"`
		} `json:"data"`
		HasMore bool    `json:"has_more"`
		FirstID *string `json:"first_id"`
		LastID  *string `json:"last_id"`
		Error   struct {
			Type, Message string
		} `json:"error"`
	}
	for query, want := range map[string]string{
		"":                        "abcde",
		"?limit=2":                "ab+",
		"?limit=2&after_id=b":     "cd+",
		"?limit=2&after_id=d":     "e",
		"?limit=2&after_id=e":     "",
		"?limit=5&after_id=a":     "bcde",
		"?limit=2&before_id=d":    "bc+",
		"?limit=2&before_id=c":    "ab",
		"?limit=9&before_id=a":    "",
		"?limit=0":                "! limit",
		"?limit=1001":             "! limit",
		"?limit=x":                "! limit",
		"?after_id=z":             "! after_id",
		"?before_id=z":            "! before_id",
		"?after_id=a&before_id=c": "! before_id",
	} {
		rec := httptest.NewRecorder()
		New().WriteModels(rec, httptest.NewRequest(http.MethodGet, "/v1/models"+query, nil), models)
		var p page
		if err := json.Unmarshal(rec.Body.Bytes(), &p); err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, m := range p.Data {
			got += m.ID
		}
		if got != "" && (*p.FirstID != got[:1] || *p.LastID != got[len(got)-1:]) {
			t.Errorf("%s: first %s, last %s of %s", query, *p.FirstID, *p.LastID, got)
		}
		if p.HasMore {
			got += "+"
		}
		if rec.Code != 200 {
			got = "! " + strings.Fields(p.Error.Message)[0]
			if rec.Code != 400 || p.Error.Type != "invalid_request_error" {
				t.Errorf("%s: %d %s", query, rec.Code, p.Error.Type)
			}
		}
		if got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
}

// TestRequestIDOfError checks that the id which the server gave a call is where Anthropic's clients look.
func TestRequestIDOfError(t *testing.T) {
	rec := httptest.NewRecorder()
	rec.Header().Set("X-Request-Id", "01J")
	New().WriteError(rec, invalid("model", "is needed"))
	if rec.Header().Get("Request-Id") != "01J" || !strings.HasSuffix(rec.Body.String(), `,"request_id":"01J"}`) {
		t.Errorf("%v %s", rec.Header(), rec.Body)
	}
}
