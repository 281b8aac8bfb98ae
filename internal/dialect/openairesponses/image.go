package openairesponses

import (
	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/jsonfield"
	"tollgate/internal/dialect/openai"
	"tollgate/internal/jsonedit"
)

// images reads the size and the quality that the image_generation tool of a request asks for: a price may
// depend on them.
func images(head *dialect.Head, body *jsonedit.Object) *canon.Error {
	m, ok := body.Find("tools")
	if !ok || !body.MayName(3, "size") && !body.MayName(3, "quality") {
		return nil
	}
	list, _ := jsonfield.Array(string(body.Value(m))) // what reads the request says what is wrong with it
	seen := false
	for i, raw := range list {
		o, err := jsonfield.Nested(raw)
		if err != nil || text(o.Find("type")) != "image_generation" {
			continue
		}
		size, quality := text(o.Find("size")), text(o.Find("quality"))
		if seen && (size != head.ImageSize || quality != head.ImageQuality) {
			return openai.Invalid("tools"+jsonfield.Index(i), "Invalid value for 'tools%s': one request can't ask for images of different sizes or qualities.", jsonfield.Index(i))
		}
		head.ImageSize, head.ImageQuality, seen = size, quality, true
	}
	return nil
}

// text is the string that raw is; "" if it is none.
func text(raw string) string {
	if raw == "" || raw[0] != '"' {
		return ""
	}
	return unquoted(raw)
}
