package relay

import (
	"slices"

	"tollgate/internal/canon"
)

// maxMeterText bounds the answer text kept for the case that the upstream never says its usage;
// what is beyond is extrapolated.
const maxMeterText = 1 << 20

// Bounds of what is learnt of one answer: more objects than any real one has, and the length of an id in bytes.
const (
	maxObjects  = 128
	maxObjectID = 256
)

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
	kept    []string // ids of what the upstream's account keeps of the answer besides

	text    []byte
	dropped int64 // bytes of text beyond maxMeterText

	room [8]canon.Event // for those of a short answer
}

// keptText is how much room for text a meter keeps for the next call, in bytes.
const keptText = 16 << 10

func (m *meter) reset() {
	room := m.text[:0]
	if cap(room) > keptText {
		room = nil
	}
	*m = meter{text: room}
}

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
		case canon.Kept:
			if e.ID != "" && len(e.ID) <= maxObjectID && len(m.kept) < maxObjects && !slices.Contains(m.kept, e.ID) {
				m.kept = append(m.kept, e.ID)
			}
		}
		if !m.content && canon.IsContent(e) {
			m.content = true
		}
	}
}

func (m *meter) add(s string) {
	m.text = append(m.text, s[:m.fit(len(s))]...)
}

// skimmed takes in a delta of text that was not read into an event.
func (m *meter) skimmed(text []byte) {
	m.content = true
	m.text = append(m.text, text[:m.fit(len(text))]...)
}

// fit returns how many of n bytes of text are kept; the others are counted.
func (m *meter) fit(n int) int {
	kept := min(n, maxMeterText-len(m.text))
	m.dropped += int64(n - kept)
	return kept
}
