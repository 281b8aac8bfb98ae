package limit

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"
)

// What Save writes: the mark, then of each subject its name and its windows that hold something, then a
// checksum of all of it. Numbers are varints; times are nanoseconds since 1970.
const saveMark = "tollgate limits 1\n"

// maxName bounds the name of a subject that Load takes, in bytes.
const maxName = 64 << 10

// Save writes what counts now, so that another Limiter can go on with it. Calls in flight count as they were
// reserved. Admissions go on meanwhile.
func (l *Limiter) Save(w io.Writer) error {
	sum := crc32.NewIEEE()
	out := bufio.NewWriter(io.MultiWriter(w, sum))
	if _, err := out.WriteString(saveMark); err != nil {
		return err
	}
	at, origin := l.at(l.now()), l.epoch.UnixNano()
	var b []byte
	for i := range l.shards {
		b = l.shards[i].save(b[:0], at, origin)
		if _, err := out.Write(b); err != nil {
			return err
		}
	}
	if _, err := out.Write(binary.AppendUvarint(nil, 0)); err != nil { // a subject without a name ends them
		return err
	}
	if err := out.Flush(); err != nil {
		return err
	}
	return binary.Write(w, binary.BigEndian, sum.Sum32())
}

// save appends the subjects of a shard.
func (s *shard) save(b []byte, at, origin int64) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, sub := range s.subjects {
		if sub.move(at); sub.used == 0 || name == "" {
			continue
		}
		b = append(binary.AppendUvarint(b, uint64(len(name))), name...)
		b = append(b, sub.used)
		for k := range windowKinds {
			if sub.used&(1<<k) == 0 {
				continue
			}
			w := sub.window(k)
			b = append(b, w.len)
			for i := range w.len {
				e := w.entry(i)
				b = binary.AppendVarint(binary.AppendVarint(b, e.stamp+origin), e.count)
			}
		}
	}
	return b
}

var errDamaged = errors.New("is damaged")

// Load adds what another Limiter saved, as far as it counts still. With an error nothing is added.
func (l *Limiter) Load(r io.Reader) error {
	sum := crc32.NewIEEE()
	in := &summed{r: bufio.NewReader(r), sum: sum}
	mark := make([]byte, len(saveMark))
	if _, err := io.ReadFull(in, mark); err != nil || string(mark) != saveMark {
		return fmt.Errorf("what was saved of rates %w, or of another release", errDamaged)
	}
	loaded := map[string]*subject{}
	for {
		name, sub, err := l.load(in)
		if err != nil {
			return fmt.Errorf("what was saved of rates %w: %w", errDamaged, err)
		}
		if name == "" {
			break
		}
		loaded[name] = sub
	}
	want := sum.Sum32()
	var have uint32
	if err := binary.Read(in.r, binary.BigEndian, &have); err != nil || have != want {
		return fmt.Errorf("what was saved of rates %w: its checksum is another one", errDamaged)
	}
	for name, sub := range loaded {
		shard := l.shardOf(name)
		s := &l.shards[shard]
		s.mu.Lock()
		if s.subjects[name] == nil && sub.used != 0 {
			sub.shard = uint8(shard)
			s.subjects[name] = sub
			s.peak = max(s.peak, len(s.subjects))
		}
		s.mu.Unlock()
	}
	return nil
}

// load reads a subject; its name is "" at the end.
func (l *Limiter) load(in *summed) (string, *subject, error) {
	n, err := binary.ReadUvarint(in)
	if err != nil || n == 0 {
		return "", nil, err
	}
	if n > maxName {
		return "", nil, errDamaged
	}
	name := make([]byte, n)
	if _, err := io.ReadFull(in, name); err != nil {
		return "", nil, err
	}
	used, err := in.ReadByte()
	if err != nil {
		return "", nil, err
	}
	sub := &subject{}
	for k := range windowKinds {
		if used&(1<<k) == 0 {
			continue
		}
		if err := l.loadWindow(in, sub, k); err != nil {
			return "", nil, err
		}
	}
	return string(name), sub, nil
}

// loadWindow reads a window, and leaves out what has passed or, by a clock that went back, is far ahead.
func (l *Limiter) loadWindow(in *summed, sub *subject, k int) error {
	n, err := in.ReadByte()
	if err != nil {
		return err
	}
	now, origin := int64(l.now().Sub(l.epoch)), l.epoch.UnixNano()
	for range n {
		stamp, err1 := binary.ReadVarint(in)
		count, err2 := binary.ReadVarint(in)
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		stamp -= origin
		if count <= 0 || count > maxTokens || stamp < now-windowNanos[k] || stamp > now+windowNanos[k]/buckets+int64(time.Minute) {
			continue
		}
		sub.used |= 1 << k
		sub.window(k).add(stamp, count)
	}
	return nil
}

// summed reads and keeps a checksum of what was read.
type summed struct {
	r   *bufio.Reader
	sum io.Writer
}

func (s *summed) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	_, _ = s.sum.Write(p[:n]) // a hash never fails
	return n, err
}

// ReadByte implements io.ByteReader.
func (s *summed) ReadByte() (byte, error) {
	b, err := s.r.ReadByte()
	if err == nil {
		_, _ = s.sum.Write([]byte{b})
	}
	return b, err
}
