package journal

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"slices"
	"strconv"
	"strings"
)

// A segment is a header and records without gaps. All integers are little-endian.
//
//	header   "TGJL" · u32 version · u64 number · u64 number of the segment before, 0 if none · u32 CRC-32C of the 24 bytes before
//	record   u32 length of the payload, 1 … MaxRecord · u32 CRC-32C of the length and the payload · payload
//
// An empty record is not allowed, so that a run of zeros, which a file system may leave after a power
// cut, is never mistaken for records.
const (
	magic        = "TGJL"
	version      = 1
	headerSize   = 28
	recordHeader = 8
	extension    = ".tgj"
)

func segmentName(number int64) string { return fmt.Sprintf("%016d%s", number, extension) }

// listSegments returns the numbers of the segments in dir, ascending.
func listSegments(dir string) ([]int64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	var numbers []int64
	for _, e := range entries {
		digits, ok := strings.CutSuffix(e.Name(), extension)
		if !ok || len(digits) != 16 {
			continue
		}
		if n, err := strconv.ParseInt(digits, 10, 64); err == nil && n > 0 {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) } // a lookup; the table is made once by crc32

func encodeHeader(number, before int64) []byte {
	h := make([]byte, 0, headerSize)
	h = append(h, magic...)
	h = binary.LittleEndian.AppendUint32(h, version)
	h = binary.LittleEndian.AppendUint64(h, uint64(number))
	h = binary.LittleEndian.AppendUint64(h, uint64(before))
	return binary.LittleEndian.AppendUint32(h, crc32.Checksum(h, castagnoli()))
}

// decodeHeader returns the number of the segment before; why is empty if the header is good. newer
// says that the header is good but of a version that this program does not know.
func decodeHeader(data []byte, number int64) (before int64, newer bool, why string) {
	if len(data) < headerSize {
		return 0, false, "the header is incomplete"
	}
	h := data[:headerSize]
	if string(h[:4]) != magic || crc32.Checksum(h[:24], castagnoli()) != binary.LittleEndian.Uint32(h[24:]) {
		return 0, false, "the header does not match its checksum"
	}
	if v := binary.LittleEndian.Uint32(h[4:]); v != version {
		return 0, true, fmt.Sprintf("the format is version %d, this program reads version %d", v, version)
	}
	if n := binary.LittleEndian.Uint64(h[8:]); n != uint64(number) {
		return 0, false, fmt.Sprintf("the header is of segment %d", n)
	}
	return int64(binary.LittleEndian.Uint64(h[16:])), false, ""
}

// recordHead returns the eight bytes that stand before payload.
func recordHead(payload []byte) (head [recordHeader]byte) {
	n := uint32(len(payload))
	binary.LittleEndian.PutUint32(head[:], n)
	binary.LittleEndian.PutUint32(head[4:], checksum(n, payload))
	return head
}

// checksum covers the length too, so that no damaged length can pass. Its four bytes are taken one by
// one, because what is handed to crc32 is allocated.
func checksum(n uint32, payload []byte) uint32 {
	table := castagnoli()
	sum := ^uint32(0)
	for range 4 {
		sum = table[byte(sum)^byte(n)] ^ sum>>8
		n >>= 8
	}
	return crc32.Update(^sum, table, payload)
}

// nextRecord reads the record at the start of data. payload aliases data; rest is what follows it.
// If why is not empty there is no good record; need is above zero if that may be because data ends too
// early: data would have to have that many bytes.
func nextRecord(data []byte) (payload, rest []byte, need int, why string) {
	if len(data) < recordHeader {
		return nil, nil, recordHeader, "the record is incomplete"
	}
	n := binary.LittleEndian.Uint32(data)
	if n == 0 || n > MaxRecord {
		return nil, nil, 0, fmt.Sprintf("a record of %d bytes cannot be", n)
	}
	end := recordHeader + int(n)
	if len(data) < end {
		return nil, nil, end, "the record is incomplete"
	}
	payload = data[recordHeader:end:end]
	if checksum(n, payload) != binary.LittleEndian.Uint32(data[4:]) {
		return nil, nil, 0, "the record does not match its checksum"
	}
	return payload, data[end:], 0, ""
}

// wholeRecords returns the length of the run of good records at the start of data, and why it ends
// ("" if all of data is good).
func wholeRecords(data []byte) (n int, why string) {
	rest := data
	for len(rest) > 0 {
		_, next, _, why := nextRecord(rest)
		if why != "" {
			return len(data) - len(rest), why
		}
		rest = next
	}
	return len(data), ""
}

// countIntact searches damaged bytes for good records at any offset and returns how many there are.
func countIntact(data []byte) int {
	n := 0
	for len(data) > recordHeader {
		if _, rest, _, why := nextRecord(data); why == "" {
			n++
			data = rest
		} else {
			data = data[1:]
		}
	}
	return n
}
