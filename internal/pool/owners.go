package pool

import (
	"container/list"
	"context"
	"errors"
	"sync"
)

// maxOwners bounds the owners of stored objects kept in memory; older ones are read from the store.
const maxOwners = 20_000

// owners remembers which channel keeps a stored object, newest first.
type owners struct {
	mu    sync.Mutex
	limit int
	order list.List
	byID  map[ownerKey]*list.Element
}

type ownerKey struct{ account, object string }

type ownerItem struct {
	key     ownerKey
	channel string
}

func (o *owners) put(account, object, channel string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	k := ownerKey{account, object}
	if el, ok := o.byID[k]; ok {
		el.Value = ownerItem{k, channel}
		o.order.MoveToFront(el)
		return
	}
	if o.byID == nil {
		o.byID = map[ownerKey]*list.Element{}
	}
	o.byID[k] = o.order.PushFront(ownerItem{k, channel})
	if o.order.Len() > o.limit {
		last := o.order.Back()
		o.order.Remove(last)
		delete(o.byID, last.Value.(ownerItem).key)
	}
}

func (o *owners) get(account, object string) (string, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	el, ok := o.byID[ownerKey{account, object}]
	if !ok {
		return "", false
	}
	o.order.MoveToFront(el)
	return el.Value.(ownerItem).channel, true
}

// Remember notes that a channel keeps the object, so that it is found before the drain has stored it.
func (p *Pool) Remember(accountID, objectID, channelID string) {
	p.owners.put(accountID, objectID, channelID)
}

// Owner returns the id of the channel that keeps an account's object. Another account's objects are
// ErrNotFound like those that never were.
func (p *Pool) Owner(ctx context.Context, accountID, objectID string) (string, error) {
	if ch, ok := p.owners.get(accountID, objectID); ok {
		return ch, nil
	}
	ch, err := p.store.Owner(ctx, accountID, objectID)
	if err != nil {
		if errors.Is(err, ErrNotFound) {
			return "", ErrNotFound
		}
		return "", err
	}
	p.owners.put(accountID, objectID, ch)
	return ch, nil
}
