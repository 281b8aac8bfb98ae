package relay

import (
	"context"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
)

// maxFetches bounds the files that one request can have the gateway fetch. Together they may be as large as the
// largest request, and with it what there is memory for.
const maxFetches = 20

// media readies what the request names by URL for the far side: it fetches what that can take only as bytes, and
// checks whose the rest is.
func (c *call) media(ctx context.Context, far dialect.Translator) *canon.Error {
	most := min(c.h.Settings.MaxBody, c.h.memory.size/translated-int64(len(c.body)))
	m := mediaWalk{c: c, ctx: ctx, far: far, files: maxFetches, most: most, room: most - c.fetched}
	for i := range c.tr.asked.Turns {
		t := &c.tr.asked.Turns[i]
		if err := m.visit(t.Blocks, t.Path); err != nil {
			return err
		}
	}
	return nil
}

// mediaWalk goes through the media of a request.
type mediaWalk struct {
	c     *call
	ctx   context.Context
	far   dialect.Translator
	files int   // that may still be fetched
	most  int64 // bytes that the files of the request may have together
	room  int64 // what is left of them
}

func (m *mediaWalk) visit(blocks []canon.Block, path func(int) string) *canon.Error {
	for i, b := range blocks {
		switch b := b.(type) {
		case canon.ToolResult:
			if err := m.visit(b.Blocks, func(int) string { return path(i) }); err != nil {
				return err
			}
		case canon.Media:
			if b.URL == "" || b.Data != "" {
				continue
			}
			if m.c.h.Fetch == nil || !m.far.WantsBytes(b) {
				if err := m.owned(b, path(i)); err != nil {
					return err
				}
				continue
			}
			got, err := m.fetch(b, path(i))
			if err != nil {
				return err
			}
			blocks[i] = got
		}
	}
	return nil
}

// owned checks that the caller may name what it leaves to the upstream to read.
func (m *mediaWalk) owned(b canon.Media, path string) *canon.Error {
	k, ok := m.far.(dialect.Keeper)
	if !ok {
		return nil
	}
	if id := k.Kept(b); id != "" {
		return m.c.owns(dialect.Ref{Path: path, ID: id})
	}
	return nil
}

// fetch gets the bytes of one file. What can't be had is not asked for again by this call.
func (m *mediaWalk) fetch(b canon.Media, path string) (canon.Media, *canon.Error) {
	refused := &m.c.refused
	if no := refused.media[b.URL]; no != nil {
		return b, no
	}
	if m.files--; m.files < 0 {
		return b, canon.Errorf(canon.KindInvalid, "the request names more than %d files by their URL; the model behind it needs their bytes: send them inline", maxFetches)
	}
	got, err := m.c.h.Fetch(m.ctx, b)
	if err == nil {
		n := int64(len(got.Data))
		if m.room -= n; m.room >= 0 {
			m.c.fetched += n
			if err := m.c.takes(translated); err != nil {
				m.c.fetched -= n
				return b, err
			}
			return got, nil
		}
		err = canon.Errorf(canon.KindTooLarge, "the files that the request names by their URL are together larger than the limit of %d bytes for them", m.most)
	}
	e := *err
	e.Param = path
	if refused.media == nil {
		refused.media = map[string]*canon.Error{}
	}
	refused.media[b.URL] = &e
	return b, &e
}
