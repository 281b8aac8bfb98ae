package app_test

import "testing"

// Prices by size and quality of images hold for requests that ask for such images, held and charged alike.
func TestPricesByImage(t *testing.T) {
	_, url := simulate(t)
	g := startGateway(t, `models:
  - name: sim-gpt+lax
    price: {per_request: "0.01", when: [{size: 1024x1536, quality: high, per_request: "0.25"}, {quality: high, per_request: "0.17"}]}
  - name: sim-gemini+lax
    price: {per_request: "0.04", when: [{size: 4K, per_request: "0.24"}]}
  - name: sim-dear+lax
    price: {per_request: "0.04", when: [{size: 4K, per_request: "99"}]}
`+channels(url, "sk-up-lax-1"))
	responses := func(tool string) string {
		return `{"model":"sim-gpt+lax","input":"draw","tools":[{"type":"image_generation"` + tool + `}]}`
	}
	image := func(config string) string {
		return `{"contents":[{"role":"user","parts":[{"text":"draw"}]}],"generationConfig":{"imageConfig":{` + config + `}}}`
	}
	for _, c := range []struct{ path, body, cost string }{
		{"/v1/responses", responses(``), "0.01"},
		{"/v1/responses", responses(`,"quality":"low","size":"1024x1536"`), "0.01"},
		{"/v1/responses", responses(`,"quality":"high"`), "0.17"},
		{"/v1/responses", responses(`,"quality":"high","size":"1024x1536"`), "0.25"},
		{"/v1beta/models/sim-gemini+lax:generateContent", image(`"aspectRatio":"1:1"`), "0.04"},
		{"/v1beta/models/sim-gemini+lax:generateContent", image(`"imageSize":"2K"`), "0.04"},
		{"/v1beta/models/sim-gemini+lax:generateContent", image(`"imageSize":"4K"`), "0.24"},
	} {
		if a := g.send("POST", c.path, c.body); a.status != 200 || a.header.Get("X-Tollgate-Cost") != c.cost {
			t.Errorf("%s: %d, cost %q, want %q: %.300s", c.body, a.status, a.header.Get("X-Tollgate-Cost"), c.cost, a.body)
		}
	}
	// What an image may cost is held before it is asked for.
	if a := g.send("POST", "/v1beta/models/sim-dear+lax:generateContent", image(`"imageSize":"4K"`)); a.status != 429 {
		t.Errorf("an image of $99 on a credit of $10: %d %s", a.status, a.body)
	}
}
