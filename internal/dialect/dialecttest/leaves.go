package dialecttest

import (
	"strconv"

	"github.com/tidwall/gjson"
)

// Leaves returns every value in v that holds no other, as it is written, by its path.
func Leaves(v gjson.Result) map[string]string {
	out := map[string]string{}
	addLeaves(out, v, "")
	return out
}

func addLeaves(out map[string]string, v gjson.Result, at string) {
	if !v.IsObject() && !v.IsArray() {
		out[at] = v.Raw
		return
	}
	n := 0
	v.ForEach(func(name, one gjson.Result) bool {
		key := name.String()
		if v.IsArray() {
			key = strconv.Itoa(n)
			n++
		}
		addLeaves(out, one, at+"/"+key)
		return true
	})
}
