package gemini

import "testing"

// The size of images that a request asks for, in both spellings of its names.
func TestImageSize(t *testing.T) {
	const target = "/v1beta/models/gemini-3-pro-image:generateContent"
	for _, c := range []struct {
		config, size string
		bad          bool
	}{
		{`{}`, "", false},
		{`{"imageConfig":{"aspectRatio":"16:9"}}`, "", false},
		{`{"imageConfig":{"imageSize":"4K"}}`, "4K", false},
		{`{"image_config":{"image_size":"2K"}}`, "2K", false},
		{`{"imageConfig":{"imageSize":"4K","image_size":"1K"}}`, "", true},
		{`{"imageConfig":{"imageSize":"1K"},"image_config":{"imageSize":"4K"}}`, "", true},
		{`{"imageConfig":{"imageSize":4}}`, "", true},
		{`{"imageConfig":{"ImageSize":"4K"}}`, "", true},
		{`{"imageConfig":"4K"}`, "", true},
	} {
		h, bad := head(t, target, `{"contents":[],"generationConfig":`+c.config+`}`)
		if (bad != nil) != c.bad || bad == nil && h.ImageSize != c.size {
			t.Errorf("%s: %q %v", c.config, h.ImageSize, bad)
		}
	}
}
