package canon

import (
	"fmt"
	"time"
)

// Kind is the class of an Error; callers branch on it and every dialect maps it to its own status and words.
type Kind string

// The kinds.
const (
	KindInvalid     Kind = "invalid"      // the request is wrong; nobody else will answer it either
	KindAuth        Kind = "auth"         // no key, or not one we know. From an upstream: our key there is invalid
	KindDenied      Kind = "denied"       // the key may not do this. From an upstream: our key there may not
	KindNotFound    Kind = "not_found"    // no such model, object or path
	KindTooLarge    Kind = "too_large"    // body or prompt over a limit
	KindUnsupported Kind = "unsupported"  // a content type, encoding or feature that we do not take
	KindRateLimited Kind = "rate_limited" // too many requests or tokens for now
	KindQuota       Kind = "quota"        // out of money. From an upstream: our key there is out of quota for good
	KindOverloaded  Kind = "overloaded"   // busy, try again
	KindUpstream    Kind = "upstream"     // the upstream broke, or answered what cannot be an answer
	KindTimeout     Kind = "timeout"      // nothing came in time
	KindCanceled    Kind = "canceled"     // the client went away
	KindInternal    Kind = "internal"     // our own fault
)

// Error is the one error that a client may see.
type Error struct {
	Kind       Kind
	Message    string        // for the person who called: what was wrong, where, what to do
	Param      string        // field at fault, in the client's own protocol; may be empty
	Code       string        // the dialect's own code, when an upstream gave one; may be empty
	Status     int           // HTTP status an upstream gave; 0: by Kind
	RetryAfter time.Duration // zero if unknown
	NoModel    bool          // with KindNotFound, from an upstream: it is the model that is not there, in whatever dialect
	Cause      error         // for our log, never for the client
}

// Error describes e for a log.
func (e *Error) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("%s: %s: %v", e.Kind, e.Message, e.Cause)
	}
	return fmt.Sprintf("%s: %s", e.Kind, e.Message)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Errorf returns an Error of kind k with a formatted message for the caller.
func Errorf(k Kind, format string, args ...any) *Error {
	return &Error{Kind: k, Message: fmt.Sprintf(format, args...)}
}
