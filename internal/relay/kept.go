package relay

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/jsonedit"
	"tollgate/internal/pool"
)

// Conversations keeps answers that their upstream can't keep, because it speaks another dialect, so that
// their callers can go on with them.
type Conversations interface {
	// Resume returns the request body with the kept conversation id in front of it, how many items of its input
	// that makes, and what Keep wants to know of it. whole is nil if nothing is kept under id.
	Resume(ctx context.Context, accountID, id string, body []byte) (whole []byte, earlier int, before any, err *canon.Error)

	// Keep remembers the answer that w has written to its end, to body, which Resume has made whole. An
	// answer that is not to be kept is not.
	Keep(ctx context.Context, accountID string, body []byte, before any, w dialect.Writer) error

	// Answer answers an operation on the kept object id. The error's Cause is pool.ErrNotFound if there is none.
	Answer(ctx context.Context, accountID string, op canon.Op, id string, query url.Values) ([]byte, *canon.Error)
}

// resume puts the conversation that the gateway keeps in front of the request that continues it.
func (c *call) resume() *canon.Error {
	if c.head.PreviousID == "" || c.h.Kept == nil {
		return nil
	}
	whole, earlier, before, err := c.h.Kept.Resume(c.r.Context(), c.caller.Account.ID, c.head.PreviousID, c.body)
	if err != nil || whole == nil {
		return err
	}
	if int64(len(whole)) > c.h.Settings.MaxBody {
		return tooLarge(c.h.Settings.MaxBody)
	}
	c.before, c.earlier, c.continues = before, earlier, c.head.PreviousID
	return c.replace(whole, "the kept conversation can't be read")
}

// replace puts body in place of what the client sent. broken says what is wrong if it is no request, which is our fault.
func (c *call) replace(body []byte, broken string) (err *canon.Error) {
	if !c.share.grow(int64(len(body))) {
		return noMemory()
	}
	obj, serr := jsonedit.Scan(body, maxDepth)
	if serr != nil {
		return &canon.Error{Kind: canon.KindInternal, Message: broken, Cause: serr}
	}
	if c.lent != nil {
		c.lent.release()
		c.lent = nil
	}
	c.body, c.obj = body, obj
	c.head, err = c.proto.Head(c.ep, c.r, c.obj)
	return err
}

// ownPlace returns a place in a resumed request as its caller knows it: the items that were kept are behind
// the id, and its own input begins at the first one.
func (c *call) ownPlace(path string) string {
	index, rest, ok := strings.Cut(strings.TrimPrefix(path, "input["), "]")
	if c.earlier == 0 || !ok || len(index)+len(rest)+len("input[]") != len(path) {
		return path
	}
	i, err := strconv.Atoi(index)
	switch {
	case err != nil:
		return path
	case i < c.earlier:
		return "previous_response_id: " + path
	}
	return "input[" + strconv.Itoa(i-c.earlier) + "]" + rest
}

// told reports whether a place was told with an earlier answer of the conversation.
func (c *call) told(path string) bool {
	own := c.ownPlace(path)
	return own != path && strings.HasSuffix(own, path)
}

// keepTime bounds how long the last byte of an answer waits for it to be kept.
const keepTime = 3 * time.Second

// keep remembers a translated answer, before its last byte leaves: the caller may go on at once.
func (c *call) keep() {
	if c.h.Kept == nil || !c.head.Stored || !c.translated || c.tr.out == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.r.Context()), keepTime)
	defer cancel()
	if err := c.h.Kept.Keep(ctx, c.caller.Account.ID, c.body, c.before, c.tr.out); err != nil {
		c.h.Log.LogAttrs(ctx, slog.LevelWarn, "an answer was not kept, its id can't be continued", slog.String("call", c.id), slog.Any("error", err))
	}
}

// keptObject answers for an object that no channel keeps, if the gateway does.
func (c *call) keptObject(none *canon.Error) *canon.Error {
	if c.h.Kept == nil || !stored(c.head.Op) || !errors.Is(none.Cause, pool.ErrNotFound) {
		return none
	}
	body, err := c.h.Kept.Answer(c.r.Context(), c.caller.Account.ID, c.head.Op, c.head.StoredID, c.r.URL.Query())
	if err != nil {
		if errors.Is(err.Cause, pool.ErrNotFound) {
			return none
		}
		return err
	}
	c.settled, c.started, c.status = true, true, http.StatusOK // nothing was consumed
	h := c.w.Header()
	h["Content-Type"] = jsonType
	h["Content-Length"] = []string{itoa(int64(len(body)))}
	c.clientDeadline(time.Now())
	c.w.WriteHeader(http.StatusOK)
	_, _ = c.w.Write(body) // a client that left can ask again
	return nil
}
