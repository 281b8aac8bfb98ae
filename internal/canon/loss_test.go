package canon

import (
	"slices"
	"testing"
)

// A conversation that loses one thing at every turn tells it once, so that what else it loses is told too.
func TestFold(t *testing.T) {
	var lost []Loss
	for range 100 {
		lost = append(lost, ChangedAt(WhatReasoningSeal, "messages[1]", "placeholder"))
	}
	lost = append(lost, LostAt(WhatReasoningSeal, "messages[2]", "sealed"), LostAt(WhatSeed, "", "none"), ChangedAt(WhatReasoningSeal, "messages[9]", "placeholder"))
	want := []FoldedLoss{{lost[0], 100}, {lost[100], 0}, {lost[101], 0}}
	if got := Fold(lost); !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
	if Fold(nil) != nil {
		t.Error("something is lost of nothing")
	}
}

func TestChangedStop(t *testing.T) {
	if l := ChangedStop("stop_reason", "", "why"); l.Path != "stop_reason" || l.What != WhatAnswerStop || l.Kind != Changed {
		t.Errorf("%+v", l)
	}
	long := make([]byte, 1000)
	for i := range long {
		long[i] = 0xe2
	}
	if l := ChangedStop("stop_reason", string(long), "why"); len(l.Path) > 100 {
		t.Errorf("%d bytes", len(l.Path))
	}
}
