package relay

import "testing"

// Places in a conversation that was put together here are told as the caller knows them.
func TestOwnPlace(t *testing.T) {
	for _, c := range []struct {
		earlier    int
		path, want string
	}{
		{0, "input[7].content[0]", "input[7].content[0]"},
		{4, "input[7].content[0]", "input[3].content[0]"},
		{4, "input[4]", "input[0]"},
		{4, "input[3].content[1]", "previous_response_id: input[3].content[1]"},
		{4, "tools[2]", "tools[2]"},
		{4, "input", "input"},
		{4, "input[x]", "input[x]"},
		{4, "", ""},
		{4, "text.input[5]", "text.input[5]"},
	} {
		if got := (&call{earlier: c.earlier}).ownPlace(c.path); got != c.want {
			t.Errorf("%q behind %d items is told as %q, want %q", c.path, c.earlier, got, c.want)
		}
	}
}
