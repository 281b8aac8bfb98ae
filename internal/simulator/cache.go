package simulator

import (
	"hash/maphash"
	"sync"
	"time"
)

// promptCache remembers which beginnings of prompts a key has sent. It holds two generations of
// fingerprints and forgets the older one when the newer is full, so its memory is bounded.
type promptCache struct {
	mu       sync.Mutex
	salt     maphash.Seed
	new, old map[uint64]int64 // fingerprint -> unix nanoseconds when it expires
}

const (
	cacheGeneration = 1 << 17
	cacheLife       = 5 * time.Minute
	cacheBlock      = 512  // bytes: 128 tokens, the step in which OpenAI reports cached tokens
	cacheLeast      = 4096 // bytes: 1024 tokens, the least that is cached
	lookBack        = 20   // blocks before a mark in which Anthropic looks for an earlier one
)

func (p *promptCache) reset() {
	p.salt = maphash.MakeSeed()
	p.new, p.old = map[uint64]int64{}, map[uint64]int64{}
}

func (p *promptCache) has(h uint64, now int64) bool {
	if until, ok := p.new[h]; ok {
		return until > now
	}
	return p.old[h] > now
}

func (p *promptCache) put(h uint64, until int64) {
	if len(p.new) >= cacheGeneration {
		p.old, p.new = p.new, make(map[uint64]int64, cacheGeneration)
	}
	p.new[h] = max(until, p.new[h], p.old[h])
}

// prefix returns how many prompt tokens were seen before from the same key and model: automatic
// caching as OpenAI and Gemini do it, in steps of 128 tokens from 1024 on.
//
// Source: https://platform.openai.com/docs/guides/prompt-caching, 2026-11-20.
func (p *promptCache) prefix(key string, a *ask, now time.Time) int64 {
	if a.promptTokens()*4 < cacheLeast {
		return 0
	}
	hashes := make([]uint64, 0, a.bytes/cacheBlock)
	h := maphash.String(p.salt, key) ^ mix(maphash.String(p.salt, a.family))
	room := cacheBlock
	for _, seg := range a.segs {
		text, left := seg.text, seg.weight
		if len(text) != left { // a medium: all of it decides from its first block on
			h, text = mix(h^maphash.String(p.salt, text)), ""
		}
		for left >= room {
			n := min(room, len(text))
			h = mix(h ^ maphash.String(p.salt, text[:n]))
			hashes = append(hashes, h)
			text, left, room = text[n:], left-room, cacheBlock
		}
		if left > 0 {
			h = mix(h ^ maphash.String(p.salt, text))
			room -= left
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	nano, seen := now.UnixNano(), 0
	for i := len(hashes); i > 0; i-- {
		if p.has(hashes[i-1], nano) {
			seen = i
			break
		}
	}
	until := now.Add(cacheLife).UnixNano()
	for _, h := range hashes {
		p.put(h, until)
	}
	if seen*cacheBlock < cacheLeast {
		return 0
	}
	return min(int64(seen)*cacheBlock/4, a.promptTokens()-1)
}

// marked returns what Anthropic reads from and writes to its cache: up to the last cache_control that
// the request carries. Source: https://platform.claude.com/docs/en/build-with-claude/prompt-caching,
// 2026-11-20.
func (p *promptCache) marked(key string, a *ask, now time.Time) (read, write5m, write1h int64) {
	if len(a.marks) == 0 {
		return 0, 0, 0
	}
	hashes := make([]uint64, len(a.segs)+1) // of segs[:i]
	sizes := make([]int, len(a.segs)+1)
	hashes[0] = maphash.String(p.salt, key) ^ mix(maphash.String(p.salt, a.family))
	for i, seg := range a.segs {
		hashes[i+1] = mix(hashes[i] ^ maphash.String(p.salt, seg.text))
		sizes[i+1] = sizes[i] + seg.weight
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	nano, hit := now.UnixNano(), 0
	for _, m := range a.marks {
		for i := m.seg; i > max(hit, m.seg-lookBack); i-- {
			if sizes[i] >= cacheLeast && p.has(hashes[i], nano) {
				hit = i
				break
			}
		}
	}
	at := sizes[hit]
	read = tokens(at)
	for _, m := range a.marks {
		life := cacheLife
		if m.hour {
			life = time.Hour
		}
		if sizes[m.seg] < cacheLeast {
			continue
		}
		p.put(hashes[m.seg], now.Add(life).UnixNano())
		if sizes[m.seg] <= at {
			continue
		}
		n := tokens(sizes[m.seg]) - tokens(at)
		if m.hour {
			write1h += n
		} else {
			write5m += n
		}
		at = sizes[m.seg]
	}
	return read, write5m, write1h
}
