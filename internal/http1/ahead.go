package http1

import "sync"

// aheadSize is how much is read at once of an answer that comes faster than it is read, in bytes.
const aheadSize = 32 << 10

type room [aheadSize]byte

var rooms = sync.Pool{New: func() any { return new(room) }}

// ahead is what has been read of a connection beyond what was asked for. The buffer of a connection is small, as most
// answers that stream come slowly and are many; where a read has got all that it asked for, the next one asks for more.
type ahead struct {
	room     *room // nil: nothing is held
	from, to int   // what of room is held
	err      error // comes after it
	full     bool  // the last read got more than was asked for, or all of it
}

// read reads into p what was read ahead, or from the connection.
func (c *conn) read(p []byte) (int, error) {
	a := &c.ahead
	if a.room == nil {
		if !a.full || len(p) >= aheadSize {
			n, err := c.nc.Read(p)
			a.full = n == len(p)
			return n, err
		}
		a.room, _ = rooms.Get().(*room)
		a.from = 0
		a.to, a.err = c.nc.Read(a.room[:])
		a.full = a.to > len(p)
	}
	n := copy(p, a.room[a.from:a.to])
	if a.from += n; a.from < a.to {
		return n, nil
	}
	rooms.Put(a.room)
	a.room = nil
	return n, a.err
}
