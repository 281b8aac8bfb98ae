package app

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"tollgate/internal/admin"
	"tollgate/internal/catalog"
)

// Models keeps the catalogue that calls see: the built-in data, what the configuration file says, and
// what operators changed, the last one first.
type Models struct {
	mu      sync.Mutex // one reload at a time
	builtin []catalog.Model
	file    []catalog.Model
	store   catalog.Store
	snap    atomic.Pointer[catalog.Snapshot]
}

// NewModels reads the catalogue.
func NewModels(ctx context.Context, file []catalog.Model, store catalog.Store) (*Models, error) {
	builtin, err := catalog.Builtin()
	if err != nil {
		return nil, err
	}
	m := &Models{builtin: builtin, file: file, store: store}
	return m, m.Reload(ctx)
}

// Snapshot is the catalogue now.
func (m *Models) Snapshot() *catalog.Snapshot { return m.snap.Load() }

// Reload reads what operators changed.
func (m *Models) Reload(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.reload(ctx)
}

// reload is Reload for whoever holds mu.
func (m *Models) reload(ctx context.Context) error {
	stored, err := m.store.Models(ctx)
	if err != nil {
		return err
	}
	snap, err := catalog.NewSnapshot(m.builtin, m.file, stored)
	if err != nil {
		return err
	}
	m.snap.Store(snap)
	return nil
}

// Put adds or replaces a model. It is refused with admin.ErrUnsound, and nothing changes, when the
// catalogue would not be sound with it.
func (m *Models) Put(ctx context.Context, model catalog.Model) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	stored, err := m.store.Models(ctx)
	if err != nil {
		return err
	}
	stored = slices.DeleteFunc(stored, func(x catalog.Model) bool { return x.Name == model.Name })
	if _, err := catalog.NewSnapshot(m.builtin, m.file, append(stored, model)); err != nil {
		return fmt.Errorf("%w: %w", admin.ErrUnsound, err)
	}
	if err := m.store.PutModel(ctx, model); err != nil {
		return err
	}
	return m.reload(ctx)
}

// Delete removes what operators said of a model; what is built in comes back.
func (m *Models) Delete(ctx context.Context, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.store.DeleteModel(ctx, name); err != nil {
		return err
	}
	return m.reload(ctx)
}
