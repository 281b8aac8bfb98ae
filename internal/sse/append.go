package sse

import "bytes"

// AppendEvent appends an event to dst: its name unless that is "", its data, a line for each of
// theirs, and the blank line. Line breaks cannot stand in a name and are left out.
func AppendEvent(dst []byte, event string, data []byte) []byte {
	if event != "" {
		dst = append(dst, "event: "...)
		for i := range len(event) {
			if c := event[i]; c != '\n' && c != '\r' {
				dst = append(dst, c)
			}
		}
		dst = append(dst, '\n')
	}
	for {
		n := lineEnd(data)
		dst = append(dst, "data: "...)
		if n < 0 {
			dst = append(dst, data...)
			return append(dst, '\n', '\n')
		}
		dst = append(dst, data[:n]...)
		dst = append(dst, '\n')
		if bytes.HasPrefix(data[n:], []byte("\r\n")) {
			n++
		}
		data = data[n+1:]
	}
}
