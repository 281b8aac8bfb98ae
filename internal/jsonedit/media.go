package jsonedit

// mediaMin is the size from which a string may be media. Shorter ones cost little as text.
const mediaMin = 1 << 10

// count adds a string value, given without quotes, to the statistics. saved is by how much it is
// shorter unescaped.
func (s *scanner) count(b []byte, saved int) {
	if len(b) >= mediaMin && isMedia(b) {
		s.stats.MediaParts++
		return
	}
	s.stats.TextBytes += int64(len(b) - saved)
}

// isMedia guesses from samples whether a long string is a data: URL or base64. A text without a
// single space or full stop in all samples would be mistaken; the estimate is corrected when the
// call is settled.
func isMedia(b []byte) bool {
	if len(b) >= 5 && b[0]|0x20 == 'd' && b[1]|0x20 == 'a' && b[2]|0x20 == 't' && b[3]|0x20 == 'a' && b[4] == ':' {
		return true
	}
	const samples, width = 8, 32
	step := (len(b) - width) / (samples - 1)
	for at := 0; at+width <= len(b); at += step {
		for _, c := range b[at : at+width] {
			if !base64Byte(c) {
				return false
			}
		}
	}
	return true
}

// base64Byte reports whether c may stand in base64 of either alphabet inside a JSON string, where
// "/" may be escaped and lines may be broken by "\n".
func base64Byte(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return c == '+' || c == '/' || c == '-' || c == '_' || c == '=' || c == '\\'
}
