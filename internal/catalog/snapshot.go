package catalog

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tollgate/internal/canon"
	"tollgate/internal/wildcard"
)

// Entry is a model in a Snapshot, with its price compiled.
type Entry struct {
	Model   Model
	Version string // names the content of the price; the same content has the same version everywhere

	prices
	when   []condition
	reason string // why there is no price; "": there is one
	absent bool   // the catalogue has no such entry: see Snapshot.Entry
}

// Known reports whether e stands in a catalogue. If not, its name is whatever was asked for.
func (e *Entry) Known() bool { return !e.absent }

// Priced reports whether calls to e can be priced; if not, reason says what is missing.
func (e *Entry) Priced() (ok bool, reason string) { return e.reason == "", e.reason }

// Snapshot is a catalogue at one moment. It is immutable and safe for concurrent use.
type Snapshot struct {
	entries []*Entry          // by name
	exact   map[string]*Entry // lower-case names and aliases
	rules   []*Entry          // wildcard names, the most telling first
}

// NewSnapshot builds a catalogue from layers of models. A later layer takes the place of what an
// earlier one says of the same name, whole; names do not mind case. All faults are reported.
func NewSnapshot(layers ...[]Model) (*Snapshot, error) {
	byName := map[string]*Entry{}
	depth := map[*Entry]int{}
	var errs []error
	for i, layer := range layers {
		for _, m := range layer {
			e, err := compile(m)
			if err != nil {
				errs = append(errs, fmt.Errorf("model %.80q: %w", m.Name, err))
				continue
			}
			key := lower(m.Name)
			if old, ok := byName[key]; ok && depth[old] == i {
				errs = append(errs, fmt.Errorf("model %.80q stands there twice", m.Name))
				continue
			}
			byName[key], depth[e] = e, i
		}
	}
	s := &Snapshot{exact: make(map[string]*Entry, 2*len(byName))}
	for key, e := range byName {
		if wildcard.Is(key) {
			s.rules = append(s.rules, e)
			continue
		}
		s.entries = append(s.entries, e)
		s.exact[key] = e
	}
	slices.SortFunc(s.entries, func(a, b *Entry) int { return strings.Compare(a.Model.Name, b.Model.Name) })
	slices.SortFunc(s.rules, func(a, b *Entry) int {
		if d := wildcard.Literals(b.Model.Name) - wildcard.Literals(a.Model.Name); d != 0 {
			return d
		}
		return strings.Compare(a.Model.Name, b.Model.Name)
	})
	// A name of a model stands before an alias of another one; of two aliases the later layer holds.
	aliased := map[string]*Entry{}
	for _, e := range s.entries {
		for _, a := range e.Model.Aliases {
			old, taken := aliased[lower(a)]
			switch {
			case !taken || depth[e] > depth[old]:
				aliased[lower(a)] = e
			case depth[e] == depth[old]:
				errs = append(errs, fmt.Errorf("alias %.80q belongs to both %.80q and %.80q", a, old.Model.Name, e.Model.Name))
			}
		}
	}
	for a, e := range aliased {
		if _, named := s.exact[a]; !named {
			s.exact[a] = e
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return s, nil
}

// Models returns the models by name, without price rules. The caller must not change what they hold.
func (s *Snapshot) Models() []Model {
	out := make([]Model, len(s.entries))
	for i, e := range s.entries {
		out[i] = e.Model
	}
	return out
}

// Lookup finds the entry of a model by the name that a client or an upstream uses: the name or alias
// itself; then without the decoration that does not change a price ("models/", an owner's prefix, a
// date, a version of Google's), a layer at a time, so that a dated model with a price of its own
// keeps it; then the price rule whose wildcard says most. ok is false if nothing fits.
func (s *Snapshot) Lookup(name string) (e *Entry, ok bool) {
	name = lower(name)
	for n, more := name, true; more; n, more = undecorate(n) {
		if e, ok := s.exact[n]; ok {
			return e, true
		}
	}
	for _, e := range s.rules {
		if wildcard.Match(e.Model.Name, name) {
			return e, true
		}
	}
	return nil, false
}

// Entry is Lookup for those who go on to Price: it never returns nil. The entry of an unknown model
// answers Price with a *NoPriceError.
func (s *Snapshot) Entry(name string) *Entry {
	if e, ok := s.Lookup(name); ok {
		return e
	}
	return &Entry{Model: Model{Name: name}, absent: true, reason: "the catalogue has no such model; add one of that name, or a price rule that fits it"}
}

// owners are prefixes by which gateways and hosts name the maker of a model. The rest of the name
// is the maker's own, so the price of the maker stands in.
var owners = [...]string{
	"models/", "publishers/google/models/", "publishers/anthropic/models/", "openai/", "anthropic/", "google/", "gemini/",
	"x-ai/", "xai/", "deepseek/", "mistralai/", "mistral/", "moonshotai/", "moonshot/", "z-ai/", "zai/", "qwen/", "minimax/",
}

// undecorate takes one layer of decoration off a lower-case name.
func undecorate(name string) (string, bool) {
	for _, p := range owners {
		if rest, ok := strings.CutPrefix(name, p); ok && rest != "" {
			return rest, true
		}
	}
	for _, layout := range []string{"-2006-01-02", "-20060102", "@20060102"} {
		if at := len(name) - len(layout); at > 0 {
			if _, err := time.Parse(layout, name[at:]); err == nil {
				return name[:at], true
			}
		}
	}
	for _, suffix := range []string{"-latest", "@default"} {
		if rest, ok := strings.CutSuffix(name, suffix); ok && rest != "" {
			return rest, true
		}
	}
	if strings.HasPrefix(name, "claude-") && strings.Contains(name, ".") { // others write claude-opus-4.5
		return strings.ReplaceAll(name, ".", "-"), true
	}
	if strings.HasPrefix(name, "doubao-") { // doubao-seed-2-1-pro-260915
		if at := len(name) - 7; at > 0 && name[at] == '-' && isDigits(name[at+1:]) {
			return name[:at], true
		}
	}
	if strings.HasPrefix(name, "gemini-") { // stable versions: gemini-2.0-flash-001
		if at := len(name) - 4; name[at] == '-' && isDigits(name[at+1:]) {
			return name[:at], true
		}
	}
	return name, false
}

func isDigits(s string) bool { return strings.Trim(s, "0123456789") == "" }

func lower(s string) string { return strings.ToLower(s) }

// Check reports what is wrong with m, all of it, so that a person can mend it.
func (m *Model) Check() error {
	_, err := compile(*m)
	return errors.Join(err, among("ops", m.Ops, ops[:]), among("abilities", m.Abilities, abilities[:]))
}

const maxName = 200

// ops are the operations that a model can be asked for.
var ops = [...]canon.Op{canon.OpGenerate, canon.OpComplete, canon.OpEmbed, canon.OpBatchEmbed, canon.OpModerate, canon.OpCountTokens}

var abilities = [...]Ability{
	AbilityTools, AbilityVision, AbilityFiles, AbilityAudio, AbilityVideo, AbilityReasoning, AbilityFormat, AbilityImageOut, AbilityAudioOut,
}

// among reports those of words that are none of known.
func among[S ~string](field string, words, known []S) error {
	var errs []error
	for _, w := range words {
		if !slices.Contains(known, w) {
			errs = append(errs, fmt.Errorf("%s: %.40q is none of %q", field, w, known))
		}
	}
	return errors.Join(errs...)
}

func compile(m Model) (*Entry, error) {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	for _, n := range append([]string{m.Name}, m.Aliases...) {
		if n == "" || len(n) > maxName || strings.ContainsFunc(n, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
			bad("name %.80q: must have 1 to %d characters and no white space", n, maxName)
		}
	}
	for _, a := range m.Aliases {
		if wildcard.Is(a) {
			bad("alias %.80q: only a name may have a wildcard", a)
		}
	}
	if wildcard.Is(m.Name) && len(m.Aliases) > 0 {
		bad("aliases: a price rule has none")
	}
	if m.AccountRPM < 0 || m.AccountTPM < 0 {
		bad("account_rpm, account_tpm: must not be negative; 0 is no limit")
	}
	if m.ContextTokens < 0 || m.OutputTokens < 0 {
		bad("context_tokens, output_tokens: must not be negative")
	}
	if m.TokenPercent != 0 && (m.TokenPercent < 25 || m.TokenPercent > 400) {
		bad("token_percent: %d is not between 25 and 400", m.TokenPercent)
	}
	if m.PriceDate != "" {
		if _, err := time.Parse(time.DateOnly, m.PriceDate); err != nil {
			bad("price_date: %.40q is not a date like 2026-01-31", m.PriceDate)
		}
	}
	e := &Entry{Model: m}
	switch {
	case m.Free && m.Price != nil:
		bad("free: a model that is free has no price")
	case m.Free:
		e.standard, e.Version = free(), "free"
	case m.Price == nil:
		e.reason = "the catalogue knows the model but not its price; add price to its entry, or say free"
	default:
		var err error
		if e.standard, e.services, err = m.Price.compile(); err != nil {
			errs = append(errs, err)
		}
		if e.when, err = compileConditions(m.Price.When, e.prices); err != nil {
			errs = append(errs, err)
		}
		if e.Version, err = version(*m.Price); err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return e, nil
}

// free is the price list on which all that a call may use costs nothing.
func free() (l priceList) {
	for _, b := range []bucket{input, output, webSearches} {
		l.rates.said[b] = true
	}
	return l
}

// version names the content of p. JSON of a struct is the same for the same content: fields stand in
// their order and map keys are sorted.
func version(p Price) (string, error) {
	raw, err := json.Marshal(p)
	if err != nil {
		return "", fmt.Errorf("price: %w", err)
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:8]), nil
}
