//go:build unix

package http1

import (
	"errors"
	"syscall"
)

// lookAt looks whether something waits to be read, the end included, without taking it.
func (c *conn) lookAt(fd uintptr) bool {
	var one [1]byte
	_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	c.still = errors.Is(err, syscall.EAGAIN)
	return true
}
