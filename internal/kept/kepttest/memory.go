package kepttest

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"tollgate/internal/kept"
)

// Memory is a kept.Store that forgets everything when the process ends.
type Memory struct {
	mu       sync.Mutex
	accounts map[string]*shelf
}

// shelf is what is kept for one account, the oldest first.
type shelf struct {
	docs  []kept.Doc
	bytes int64
}

// NewMemory returns an empty store.
func NewMemory() *Memory { return &Memory{accounts: map[string]*shelf{}} }

func (s *shelf) find(id string) int {
	return slices.IndexFunc(s.docs, func(d kept.Doc) bool { return d.ID == id })
}

func (s *shelf) drop(i int) {
	s.bytes -= s.docs[i].Bytes()
	s.docs = slices.Delete(s.docs, i, i+1)
}

// PutKept implements kept.Store.
func (m *Memory) PutKept(_ context.Context, doc kept.Doc, accountBytes int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.accounts[doc.AccountID]
	if s == nil {
		s = &shelf{}
		m.accounts[doc.AccountID] = s
	}
	if i := s.find(doc.ID); i >= 0 {
		s.drop(i)
	}
	doc.Body = bytes.Clone(doc.Body)
	at, _ := slices.BinarySearchFunc(s.docs, doc, older)
	s.docs = slices.Insert(s.docs, at, doc)
	s.bytes += doc.Bytes()
	for s.bytes > accountBytes && len(s.docs) > 0 {
		s.drop(0)
	}
	return nil
}

// older orders documents by time, and by id where that is the same.
func older(a, b kept.Doc) int {
	return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID), cmp.Compare(a.AccountID, b.AccountID))
}

// Kept implements kept.Store.
func (m *Memory) Kept(_ context.Context, accountID, id string, now time.Time) (kept.Doc, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.accounts[accountID]; s != nil {
		if i := s.find(id); i >= 0 && s.docs[i].Expires.After(now) {
			doc := s.docs[i]
			doc.Body = bytes.Clone(doc.Body)
			return doc, nil
		}
	}
	return kept.Doc{}, kept.ErrNotFound
}

// DeleteKept implements kept.Store.
func (m *Memory) DeleteKept(_ context.Context, accountID, id string, now time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.accounts[accountID]; s != nil {
		if i := s.find(id); i >= 0 && s.docs[i].Expires.After(now) {
			s.drop(i)
			return nil
		}
	}
	return kept.ErrNotFound
}

// TrimKept implements kept.Store.
func (m *Memory) TrimKept(_ context.Context, now time.Time, totalBytes int64) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var gone, total int64
	var all []kept.Doc
	for id, s := range m.accounts {
		for i := len(s.docs) - 1; i >= 0; i-- {
			if !s.docs[i].Expires.After(now) {
				s.drop(i)
				gone++
			}
		}
		if len(s.docs) == 0 {
			delete(m.accounts, id)
		}
		total += s.bytes
		all = append(all, s.docs...)
	}
	slices.SortFunc(all, older)
	for _, d := range all {
		if total <= totalBytes {
			break
		}
		s := m.accounts[d.AccountID]
		s.drop(s.find(d.ID))
		if len(s.docs) == 0 {
			delete(m.accounts, d.AccountID)
		}
		total -= d.Bytes()
		gone++
	}
	return gone, nil
}
