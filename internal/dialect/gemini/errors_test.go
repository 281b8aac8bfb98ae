package gemini_test

import (
	"net/http"
	"testing"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/gemini"
)

// What stands between, and some gateways, answer a passing fault with a word that blames the caller.
func TestAStatusThatIsNotTheCallersFaultCountsForMoreThanTheWord(t *testing.T) {
	for _, c := range []struct {
		status int
		word   string
		want   canon.Kind
	}{
		{408, "INVALID_ARGUMENT", canon.KindTimeout},
		{409, "ALREADY_EXISTS", canon.KindUpstream},
		{429, "INVALID_ARGUMENT", canon.KindRateLimited},
		{500, "INVALID_ARGUMENT", canon.KindUpstream},
		{501, "UNIMPLEMENTED", canon.KindUpstream},
		{503, "OUT_OF_RANGE", canon.KindOverloaded},
		{400, "INVALID_ARGUMENT", canon.KindInvalid},
		{400, "UNIMPLEMENTED", canon.KindUnsupported},
		{500, "UNAVAILABLE", canon.KindOverloaded}, // a word that says more stays
	} {
		body := `{"error":{"code":400,"message":"no","status":"` + c.word + `"}}`
		if e := gemini.New().ReadError(c.status, http.Header{}, []byte(body)); e.Kind != c.want || e.Status != c.status {
			t.Errorf("%d %s: %s with status %d, want %s", c.status, c.word, e.Kind, e.Status, c.want)
		}
	}
	if e := gemini.New().ReadError(400, http.Header{}, []byte(`{"error":{"code":400,"message":"The input token count exceeds the maximum","status":"INVALID_ARGUMENT"}}`)); e.Kind != canon.KindTooLarge {
		t.Errorf("what the message tells is lost: %s", e.Kind)
	}
}
