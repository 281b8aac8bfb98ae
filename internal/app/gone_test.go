package app_test

import (
	"net/http"
	"testing"
)

// A client that leaves before the last byte of its answer is told of in the log and in the record of the call, whether
// its provider is let go or read to the end; one that stays is not.
func TestClientGone(t *testing.T) {
	for _, c := range []struct {
		name, provider string
		leave          func(t *testing.T, g *gateway, gate *gate)
		fails, gone    bool
	}{
		{"in the stream, let go", "openai", func(t *testing.T, g *gateway, gate *gate) {
			gate.open()
			_, _, hangUp := g.open(streamedAsks()[0].words("+events=2000+slow=20ms"))
			hangUp()
		}, true, true},
		{"in the stream, read on", "simulator", func(t *testing.T, g *gateway, gate *gate) {
			gate.open()
			_, _, hangUp := g.open(streamedAsks()[0].words("+events=100+slow=10ms"))
			hangUp()
		}, false, true},
		{"before the first byte", "openai", func(t *testing.T, g *gateway, gate *gate) {
			a := streamedAsks()[0].words("")
			leave(t, g, a.path, a.body, 0, func() bool { return gate.asked.Load() > 0 })
		}, true, true},
		{"not of a stream", "openai", func(t *testing.T, g *gateway, gate *gate) {
			gate.open()
			streamedAsks()[0].words("").of(g, userKey)
		}, false, false},
		{"not of a plain answer", "simulator", func(t *testing.T, g *gateway, gate *gate) {
			gate.open()
			asks()[0].words("").of(g, userKey)
		}, false, false},
		{"not of a stream that breaks", "openai", func(t *testing.T, g *gateway, gate *gate) {
			gate.open()
			streamedAsks()[0].words("+events=20+cut=7").of(g, userKey)
		}, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, url, gate := gated(t)
			g := startGateway(t, "channels:\n"+member("c", c.provider, url, "sk-up", "")+alice("10"))
			c.leave(t, g, gate)
			line := g.onlyCall()
			rec := g.recorded(answer{header: http.Header{"X-Request-Id": {line["call"].(string)}}})
			for where, said := range map[string]map[string]any{"log": line, "record": rec} {
				if gone, told := said["client_gone"]; told != c.gone || told && gone != true {
					t.Errorf("%s: %v", where, said)
				}
				if failed := said["error"] != nil; failed != c.fails {
					t.Errorf("%s: %v", where, said)
				}
			}
		})
	}
}
