package account

import (
	"context"
	"errors"
)

// Errors that a Store answers and callers branch on.
var (
	ErrNotFound = errors.New("not found")
	ErrConflict = errors.New("changed by someone else in the meantime, or the name is taken")
	ErrHasBelow = errors.New("there are accounts below it: delete or move them first, or say that they are to be deleted too")
)

// Store keeps accounts and keys. Updates compare Version: an update of a row that has another
// version is ErrConflict; on success the stored version is one more.
type Store interface {
	Accounts(ctx context.Context) ([]Account, error) // all, parents before children
	Account(ctx context.Context, id string) (Account, error)
	InsertAccount(ctx context.Context, a Account) error
	UpdateAccount(ctx context.Context, a Account) error
	MoveAccount(ctx context.Context, a Account, from string) error // UpdateAccount; paths that begin with from begin with a.Path after
	DeleteAccount(ctx context.Context, id string) error            // with its keys; ErrConflict if others are below it

	Keys(ctx context.Context) ([]Key, error) // all
	Key(ctx context.Context, id string) (Key, error)
	InsertKey(ctx context.Context, k Key) error
	UpdateKey(ctx context.Context, k Key) error
	DeleteKey(ctx context.Context, id string) error
}
