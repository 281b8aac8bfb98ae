package gemini

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
)

type modelPage struct {
	Models []struct {
		Name string `json:"name"`
	} `json:"models"`
	NextPageToken string `json:"nextPageToken"`
	Error         struct {
		Status string `json:"status"`
	} `json:"error"`
}

func getModels(t *testing.T, query string, models []dialect.Model) (p modelPage, code int) {
	t.Helper()
	rec := httptest.NewRecorder()
	New().WriteModels(rec, httptest.NewRequest(http.MethodGet, "/v1beta/models?"+query, nil), models)
	if err := json.Unmarshal(rec.Body.Bytes(), &p); err != nil {
		t.Fatal(err)
	}
	return p, rec.Code
}

// TestModelPages follows the tokens through the list, which loses a model on the way.
func TestModelPages(t *testing.T) {
	models := []dialect.Model{{Name: "a"}, {Name: "b"}, {Name: "c/d"}, {Name: "e"}, {Name: "f"}}
	var got string
	token := ""
	for range 10 {
		p, code := getModels(t, "pageSize=2&pageToken="+url.QueryEscape(token), models)
		if code != 200 {
			t.Fatalf("%d after %s", code, got)
		}
		for _, m := range p.Models {
			got += m.Name + " "
		}
		if token = p.NextPageToken; token == "" {
			break
		}
		if models[0].Name == "a" {
			models = models[1:]
		}
	}
	if got != "models/a models/b models/c/d models/e models/f " {
		t.Error(got)
	}
	for _, query := range []string{"pageSize=x", "pageSize=-1", "pageToken=%21", "pageToken=enp6", "page_token=enp6"} {
		if p, code := getModels(t, query, models); code != 400 || p.Error.Status != "INVALID_ARGUMENT" {
			t.Errorf("%s: %d %+v", query, code, p)
		}
	}
	for _, query := range []string{"", "pageSize=0", "page_size=5000"} {
		if p, code := getModels(t, query, models); code != 200 || len(p.Models) != len(models) || p.NextPageToken != "" {
			t.Errorf("%s: %d %+v", query, code, p)
		}
	}
}

// TestModelMethods: clients offer what supportedGenerationMethods names. Models of other vendors generate here too,
// and so do those of which the catalogue says nothing.
func TestModelMethods(t *testing.T) {
	const talks, embeds = "[generateContent streamGenerateContent countTokens]", "[embedContent batchEmbedContents]"
	for want, all := range map[string][][]canon.Op{
		talks:  {nil, {canon.OpGenerate}, {canon.OpGenerate, canon.OpCountTokens}, {canon.OpComplete, canon.OpGenerate}},
		embeds: {{canon.OpEmbed, canon.OpBatchEmbed}},
		"[]":   {{canon.OpModerate}},
	} {
		for _, ops := range all {
			rec := httptest.NewRecorder()
			New().WriteModel(rec, dialect.Model{Name: "m", Ops: ops})
			var m struct {
				Methods []string `json:"supportedGenerationMethods"`
			}
			if err := json.Unmarshal(rec.Body.Bytes(), &m); err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(m.Methods); m.Methods == nil || got != want {
				t.Errorf("%v: %s, want %s", ops, rec.Body, want)
			}
		}
	}
}
