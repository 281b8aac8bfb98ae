package gemini

import (
	"strings"

	"tollgate/internal/canon"
)

// WantsBytes reports whether m must be sent inline: only files of Google's own can be named, those of the
// Files API and of Cloud Storage, and YouTube's videos. Newer models are said to fetch other URLs
// too, but which do is not known here.
func (*Protocol) WantsBytes(m canon.Media) bool {
	return m.Data == "" && m.URL != "" && !isGoogleFile(m.URL)
}

// Kept returns the URL of m where Google reads it as the account behind the call, like those that clients of
// Gemini name themselves.
func (*Protocol) Kept(m canon.Media) string {
	if isKept(m.URL) {
		return m.URL
	}
	return ""
}

// isGoogleFile reports whether Google reads the file behind url itself, whatever the model.
func isGoogleFile(url string) bool {
	return strings.HasPrefix(url, "gs://") || isFilesAPI(url) || isYouTube(url)
}

// isFilesAPI reports whether url names a file that an account keeps at Google.
func isFilesAPI(url string) bool {
	rest, ok := strings.CutPrefix(url, "https://generativelanguage.googleapis.com/")
	return ok && strings.Contains(rest, "files/") || strings.HasPrefix(url, "files/")
}

func isYouTube(url string) bool {
	for _, prefix := range [...]string{"https://www.youtube.com/", "https://youtube.com/", "https://m.youtube.com/", "https://youtu.be/"} {
		if strings.HasPrefix(url, prefix) {
			return true
		}
	}
	return false
}

// guessMIME names the type of m where its dialect does not: by the name, then by how the bytes begin.
func guessMIME(m canon.Media) string {
	name := m.Name
	if name == "" {
		name, _, _ = strings.Cut(m.URL, "?")
	}
	if at := strings.LastIndexByte(name, '.'); at >= 0 {
		switch strings.ToLower(name[at+1:]) {
		case "pdf":
			return "application/pdf"
		case "png":
			return "image/png"
		case "jpg", "jpeg":
			return "image/jpeg"
		case "webp":
			return "image/webp"
		case "gif":
			return "image/gif"
		case "txt", "md", "log":
			return "text/plain"
		case "csv":
			return "text/csv"
		case "html", "htm":
			return "text/html"
		case "json":
			return "application/json"
		case "wav":
			return "audio/wav"
		case "mp3":
			return "audio/mpeg"
		case "mp4":
			return "video/mp4"
		}
	}
	for _, magic := range [...]struct{ base64, mime string }{
		{"JVBERi", "application/pdf"}, {"iVBORw0", "image/png"}, {"/9j/", "image/jpeg"}, {"R0lGOD", "image/gif"},
	} {
		if strings.HasPrefix(m.Data, magic.base64) {
			return magic.mime
		}
	}
	return ""
}

// isBase64 reports whether s is base64 of at least one byte, in either alphabet.
func isBase64(s string) bool {
	s = strings.TrimRight(s, "=")
	if s == "" || len(s)%4 == 1 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '+', c == '/', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}
