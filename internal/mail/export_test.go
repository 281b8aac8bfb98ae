package mail

import "context"

// SendDue tries what is due now, each item once, and returns when that is done.
func (q *Queue) SendDue(ctx context.Context) {
	for q.send(ctx) {
	}
}
