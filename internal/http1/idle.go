package http1

import (
	"slices"
	"sync"
	"time"
)

// idle are the connections that wait for a call. What it returns is no longer among them.
type idle struct {
	mu    sync.Mutex
	hosts map[string][]*conn // in the order in which they came
	n     int
	sweep *time.Timer // runs while some wait
}

// newest returns the connection to a host that came last, or nil.
func (i *idle) newest(host string) *conn {
	i.mu.Lock()
	defer i.mu.Unlock()
	waiting := i.hosts[host]
	if len(waiting) == 0 {
		return nil
	}
	last := len(waiting) - 1
	c := waiting[last]
	waiting[last] = nil
	i.hosts[host] = waiting[:last]
	i.n--
	return c
}

// add adds a connection. It returns the one that is too many: c itself, if enough wait for calls to its host.
func (i *idle) add(c *conn) *conn {
	t := c.t
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.hosts[c.host]) >= t.MaxIdle {
		return c
	}
	var over *conn
	if i.n >= t.MaxWait {
		over = i.oldest()
	}
	if i.hosts == nil {
		i.hosts = map[string][]*conn{}
	}
	i.hosts[c.host] = append(i.hosts[c.host], c)
	i.n++
	if i.sweep == nil {
		i.sweep = time.AfterFunc(t.IdleTime, func() { closeAll(i.old(t.IdleTime)) })
	}
	return over
}

// oldest returns the connection that has waited for the longest time. The lock is held.
func (i *idle) oldest() *conn {
	var c *conn
	for _, waiting := range i.hosts {
		if len(waiting) > 0 && (c == nil || waiting[0].since.Before(c.since)) {
			c = waiting[0]
		}
	}
	i.hosts[c.host] = slices.Delete(i.hosts[c.host], 0, 1)
	i.n--
	return c
}

// old returns the connections that have waited for so long, and sees to it that it is called again for the others.
func (i *idle) old(age time.Duration) (gone []*conn) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.sweep == nil {
		return nil
	}
	next := age
	for host, waiting := range i.hosts {
		n := 0
		for n < len(waiting) && time.Since(waiting[n].since) >= age {
			n++
		}
		gone = append(gone, waiting[:n]...)
		if n == len(waiting) {
			delete(i.hosts, host)
			continue
		}
		i.hosts[host] = slices.Delete(waiting, 0, n)
		next = min(next, age-time.Since(waiting[0].since))
	}
	if i.n -= len(gone); i.n == 0 {
		i.sweep = nil
		return gone
	}
	i.sweep.Reset(max(next, time.Millisecond))
	return gone
}

// clear returns all.
func (i *idle) clear() (gone []*conn) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, waiting := range i.hosts {
		gone = append(gone, waiting...)
	}
	i.hosts, i.n = nil, 0
	if i.sweep != nil {
		i.sweep.Stop()
		i.sweep = nil
	}
	return gone
}

func closeAll(all []*conn) {
	for _, c := range all {
		c.close()
	}
}
