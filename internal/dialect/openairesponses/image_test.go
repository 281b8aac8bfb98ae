package openairesponses_test

import (
	"strings"
	"testing"
)

// What images a request asks for stands in its image_generation tool.
func TestImagesAskedFor(t *testing.T) {
	for _, c := range []struct{ tools, size, quality string }{
		{`[]`, "", ""},
		{`[{"type":"image_generation"}]`, "", ""},
		{`[{"type":"image_generation","size":"1024x1536","quality":"high"}]`, "1024x1536", "high"},
		{`[{"type":"function","name":"f","parameters":{"type":"object","properties":{"size":{"type":"string"}}}},{"type":"image_generation","quality":"low"}]`, "", "low"},
		{`[{"type":"function","name":"f","size":"big"},{"type":"image_gener\u0061tion","si\u007ae":"auto"}]`, "auto", ""},
		{`[{"type":"image_generation","size":1,"quality":null}]`, "", ""},
		{`[{"type":"image_generation","size":"1024x1024"},{"type":"image_generation","size":"1024x1024"}]`, "1024x1024", ""},
	} {
		h, e := headOf(t, `{"model":"gpt-5","input":"draw","tools":`+c.tools+`}`)
		if e != nil || h.ImageSize != c.size || h.ImageQuality != c.quality {
			t.Errorf("%s: %q %q, %v", c.tools, h.ImageSize, h.ImageQuality, e)
		}
	}
	_, e := headOf(t, `{"model":"gpt-5","input":"draw","tools":[{"type":"image_generation","quality":"low"},{"type":"image_generation","quality":"high"}]}`)
	if e == nil || !strings.Contains(e.Message, "tools[1]") {
		t.Errorf("two qualities: %v", e)
	}
}
