package relay

import (
	"strings"

	"tollgate/internal/canon"
)

// maxMeterText bounds the answer text kept for the case that the upstream never says its usage;
// what is beyond is extrapolated.
const maxMeterText = 1 << 20

// meter keeps what is billed of an answer while its events go by.
type meter struct {
	id      string // the upstream's id of the answer
	model   string // that answers, as the upstream names it
	usage   canon.Usage
	used    bool // usage was reported
	stop    canon.Stop
	ended   bool
	content bool
	failed  *canon.Error

	text    strings.Builder
	dropped int64 // bytes of text beyond maxMeterText
}

func (m *meter) reset() { *m = meter{} }

// observe takes in the events of one frame.
func (m *meter) observe(events []canon.Event) {
	for _, e := range events {
		switch e := e.(type) {
		case canon.Start:
			if e.ID != "" {
				m.id = e.ID
			}
			if e.Model != "" {
				m.model = e.Model
			}
		case canon.TextDelta:
			m.add(e.Text)
		case canon.ReasoningDelta:
			m.add(e.Text)
		case canon.RefusalDelta:
			m.add(e.Text)
		case canon.ToolStart:
			m.add(e.Name)
		case canon.ToolDelta:
			m.add(e.JSON)
		case canon.Stopped:
			m.stop = e.Why
		case canon.Used:
			m.usage, m.used = e.Usage, true
		case canon.Failed:
			m.failed = e.Err
		case canon.Ended:
			m.ended = true
		}
		if !m.content && canon.IsContent(e) {
			m.content = true
		}
	}
}

func (m *meter) add(s string) {
	if room := maxMeterText - m.text.Len(); len(s) > room {
		m.dropped += int64(len(s) - room)
		s = s[:room]
	}
	m.text.WriteString(s)
}
