package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"tollgate/internal/catalog"
	"tollgate/internal/jsonedit"
)

// Entry is one side of a movement of money: what it does to an account, or to a system side. The
// entries of a movement add up to zero. Entries are append-only and form one chain, in which each seals
// all before it.
type Entry struct {
	Seq       int64 // its place in the chain, from 1
	Movement  int64 // Seq of the first entry of its movement; those of one movement follow each other
	At        time.Time
	Kind      EntryKind
	Account   string        // account id, or one of the system sides
	Counter   string        // whom the money comes from or goes to, where that is one; for people
	Amount    catalog.Nanos // positive arrives, negative leaves
	CardID    string        // the card of Account that it moves; "" moves its debt, or a system side
	ExpiresAt time.Time     // of the card, where the entry opens it at At; else zero
	Reference string        // of the card, where the entry opens it
	Transfer  string        // id of the transfer that it is part of
	Calls     Charges       // what the movement charges Account for, on the first of its entries
	Note      string
	Hash      Hash
}

// ID is the entry's Seq as pages name it.
func (e *Entry) ID() string { return strconv.FormatInt(e.Seq, 10) }

// EntryKind says what moved the money.
type EntryKind string

// The kinds.
const (
	EntryGrant      EntryKind = "grant"      // credit given
	EntryTake       EntryKind = "take"       // credit taken back
	EntryClose      EntryKind = "close"      // credit left when an account was closed
	EntryFee        EntryKind = "fee"        // of taking back or closing
	EntryCommission EntryKind = "commission" // to the account above the one that was granted to
	EntrySpend      EntryKind = "spend"      // calls, paid from a card
	EntryDebt       EntryKind = "debt"       // calls, or parts of them, that no card covered
	EntryRepay      EntryKind = "repay"      // a debt paid from a new card
	EntryMerge      EntryKind = "merge"      // two cards became one
	EntryExpire     EntryKind = "expire"     // what was left on a card when it expired
)

// System sides of an Entry.
const (
	SideOperator = "@operator" // who creates credit, and takes it out of the world again
	SideRevenue  = "@revenue"  // where spent money goes
	SideExpired  = "@expired"
	SideFees     = "@fees"
)

// IsSide reports whether an account of an entry is a system side.
func IsSide(account string) bool { return strings.HasPrefix(account, "@") }

// Charge is what an account was charged for a call.
type Charge struct {
	CallID string
	Amount catalog.Nanos
}

// Charges are charges as an entry carries them: a JSON array of pairs, [["id",12],…], or "".
type Charges string

// WriteCharges returns charges as an entry carries them.
func WriteCharges(list []Charge) Charges {
	if len(list) == 0 {
		return ""
	}
	b := make([]byte, 0, 60*len(list))
	for i, c := range list {
		b = append(b, ",["...)
		if i == 0 {
			b[0] = '['
		}
		b = append(jsonedit.AppendQuoted(b, c.CallID), ',')
		b = append(strconv.AppendInt(b, int64(c.Amount), 10), ']')
	}
	return Charges(append(b, ']'))
}

// List reads charges back.
func (c Charges) List() ([]Charge, error) {
	if c == "" {
		return nil, nil
	}
	var pairs [][]json.RawMessage
	if err := json.Unmarshal([]byte(c), &pairs); err != nil {
		return nil, fmt.Errorf("the charges of an entry: %w", err)
	}
	list := make([]Charge, len(pairs))
	for i, p := range pairs {
		if len(p) != 2 {
			return nil, fmt.Errorf("charge %d of an entry has %d parts, not 2", i, len(p))
		}
		if err := json.Unmarshal(p[0], &list[i].CallID); err != nil {
			return nil, fmt.Errorf("charge %d of an entry: %w", i, err)
		}
		if err := json.Unmarshal(p[1], &list[i].Amount); err != nil {
			return nil, fmt.Errorf("charge %d of an entry: %w", i, err)
		}
	}
	return list, nil
}

// One returns the call, if there is just one, or "".
func (c Charges) One() string {
	if list, err := c.List(); err == nil && len(list) == 1 {
		return list[0].CallID
	}
	return ""
}

// Hash seals an entry and all entries before it.
type Hash [sha256.Size]byte

// chainVersion begins what is hashed; another layout of it would get another one.
const chainVersion = "tollgate entry 1\n"

// Seal returns the hash of an entry behind the one with hash before (zero for the first). What is
// hashed, and in which order, is part of the format of the store: docs/decisions/0010-ledger.md.
func (e *Entry) Seal(before Hash) Hash {
	b := make([]byte, 0, 512+len(e.Calls)+len(e.Note))
	b = append(b, chainVersion...)
	b = append(b, before[:]...)
	expires := int64(0)
	if !e.ExpiresAt.IsZero() {
		expires = e.ExpiresAt.UnixMilli()
	}
	for _, n := range [...]int64{e.Seq, e.Movement, e.At.UnixMilli(), int64(e.Amount), expires} {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	for _, s := range [...]string{string(e.Kind), e.Account, e.Counter, e.CardID, e.Reference, e.Transfer, string(e.Calls), e.Note} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	return sha256.Sum256(b)
}

// Head is the end of the chain.
type Head struct {
	Seq  int64
	Hash Hash
}

// Chain puts entries behind the head, in place: it numbers and seals them, and returns the new head.
// Movement counts within the entries, from 1, before, and in the chain afterwards.
func (h Head) Chain(entries []Entry) Head {
	base := h.Seq
	for i := range entries {
		e := &entries[i]
		e.Seq, e.Movement = base+int64(i)+1, base+e.Movement
		e.Hash = e.Seal(h.Hash)
		h = Head{e.Seq, e.Hash}
	}
	return h
}
