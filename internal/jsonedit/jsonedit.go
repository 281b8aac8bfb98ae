// Package jsonedit checks raw JSON strictly and edits it in place.
//
// It owns one promise: what we check is what the upstream reads. Scan reads an object from the first
// byte to the last and refuses what two parsers could read differently (duplicate names at any
// depth, bad UTF-8, trailing bytes, too deep nesting). Edits change the members named and leave all
// other bytes alone. It knows no protocol. Standard library only.
package jsonedit

// Object is a scanned JSON object. It refers to the scanned bytes and does not copy them.
type Object struct {
	raw     []byte
	members []Member
	open    int // offset of '{' in raw
	stats   Stats
}

// Member is one member of an Object. Offsets count from the start of the scanned bytes.
type Member struct {
	Name               string
	NameStart, NameEnd int // with quotes
	Start, End         int // the value, without surrounding white space
}

// Stats describes the text in a scanned value, for a quick estimate of its tokens.
type Stats struct {
	TextBytes  int64 // bytes inside strings that are not media
	MediaParts int   // strings of 1 KiB and more that are base64 or a data: URL
}

// Edit replaces raw[Start:End] with New.
type Edit struct {
	Start, End int
	New        []byte
}
