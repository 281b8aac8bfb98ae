package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"tollgate/internal/account"
	"tollgate/internal/catalog"
	"tollgate/internal/jsonedit"
	"tollgate/internal/mapping"
)

// strictNames lets huma refuse "Amount" for "amount": else it checks one of them where both stand, and
// encoding/json takes the last.
var strictNames = sync.OnceFunc(func() { huma.ValidateStrictCasing = true })

// maxDepth bounds the nesting of a body.
const maxDepth = 32

// unmarshal decodes a body that has one meaning only: an object without a name twice. What a client
// sent is not repeated in the error.
func unmarshal(data []byte, v any) error {
	if _, err := jsonedit.Scan(data, maxDepth); err != nil {
		return err
	}
	if hasNUL(data) {
		return errors.New("the character NUL (\\u0000) can't be kept")
	}
	err := json.Unmarshal(data, v)
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		if wrong.Field == "" { // read before it is known what stands where
			return errors.New("the " + wrong.Value + " is out of range")
		}
		return errors.New(wrong.Field + " must be " + wrong.Type.String() + ", not " + wrong.Value)
	}
	return err
}

// hasNUL reports whether a string in scanned JSON holds the character NUL, which no database keeps.
func hasNUL(data []byte) bool {
	for {
		i := bytes.Index(data, []byte(`\u0000`))
		if i < 0 {
			return false
		}
		slashes := 0
		for slashes < i && data[i-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 { // otherwise the backslash before u is itself escaped
			return true
		}
		data = data[i+1:]
	}
}

// optional is a field of a PATCH: absent, null or a value. null means the zero value, nothing; of a
// bool it is refused, because nothing is neither yes nor no.
type optional[T any] struct {
	set, null bool
	value     T
}

// UnmarshalJSON implements json.Unmarshaler.
func (o *optional[T]) UnmarshalJSON(raw []byte) error {
	o.set, o.null = true, bytes.Equal(raw, []byte("null"))
	return json.Unmarshal(raw, &o.value)
}

// Schema implements huma.SchemaProvider.
func (o optional[T]) Schema(r huma.Registry) *huma.Schema {
	s := r.Schema(reflect.TypeFor[T](), true, "")
	if _, isBool := any(o.value).(bool); !isBool && s.Ref == "" {
		s.Nullable = true
	}
	return s
}

// Resolve implements huma.ResolverWithPath.
func (o *optional[T]) Resolve(_ huma.Context, path *huma.PathBuffer) []error {
	if _, isBool := any(o.value).(bool); isBool && o.null {
		return []error{&huma.ErrorDetail{Location: path.String(), Message: "must be true or false"}}
	}
	return nil
}

// to changes dst if the field is there.
func (o optional[T]) to(dst *T) {
	if o.set {
		*dst = o.value
	}
}

// read changes dst by what the field says, if it is there.
func read[F, T any](o optional[F], dst *T, parse func(F) T) {
	if o.set {
		*dst = parse(o.value)
	}
}

// reader reads what stands in a body as text and remembers what it can't read.
type reader struct{ faults []error }

func (r *reader) fault(field string, err error) {
	if err != nil {
		r.faults = append(r.faults, &huma.ErrorDetail{Location: "body." + field, Message: err.Error()})
	}
}

// problem is the answer to a body with faults, nil if there are none.
func (r *reader) problem() error {
	if len(r.faults) == 0 {
		return nil
	}
	return huma.Error422UnprocessableEntity("validation failed", r.faults...)
}

// money reads dollars; "" is 0.
func (r *reader) money(field, s string) (n catalog.Nanos) {
	if s == "" {
		return 0
	}
	n, err := catalog.ParseNanos(s)
	r.fault(field, err)
	return n
}

// multiplier reads a factor; "" is not said.
func (r *reader) multiplier(field, s string) (m catalog.Multiplier) {
	if s == "" {
		return 0
	}
	m, err := catalog.ParseMultiplier(s)
	r.fault(field, err)
	return m
}

func (r *reader) ips(list []string) []netip.Prefix {
	ips, err := account.ParseIPs(list)
	r.fault("ips", err)
	return ips
}

func (r *reader) models(s string) mapping.Models {
	m, err := mapping.ParseModels(s)
	r.fault("model_mapper", err)
	return m
}

func (r *reader) levels(s string) mapping.Levels {
	l, err := mapping.ParseLevels(s)
	r.fault("level_mapper", err)
	return l
}

// Page is how a list is asked for.
type Page struct {
	After string `query:"after" maxLength:"100" doc:"The next of the page before; without it the list begins."`
	Limit int    `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"Most entries to answer."`
}

// List is one page of a list.
type List[T any] struct {
	Data []T    `json:"data"`
	Next string `json:"next,omitempty" doc:"Cursor of the page after; missing on the last one."`
}

// listed is the answer of a list.
type listed[T any] struct{ Body List[T] }

// one is the answer of everything else.
type one[T any] struct{ Body T }

// none is an answer without a body.
type none struct{}

// paged answers the page of rows that begins with rows[0]; rows has one more than limit if there is a
// page after.
func paged[R, T any](rows []R, limit int, id func(R) string, view func(R) T) *listed[T] {
	out := &listed[T]{Body: List[T]{Data: make([]T, 0, min(len(rows), limit))}}
	for _, r := range rows[:min(len(rows), limit)] {
		out.Body.Data = append(out.Body.Data, view(r))
	}
	if len(rows) > limit {
		out.Body.Next = id(rows[limit-1])
	}
	return out
}

// listOf returns l, never nil, so that it is written as [].
func listOf[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return slices.Clip(l)
}

// quoted writes a name of a client's into a message, bounded.
func quoted(s string) string {
	if len(s) > 60 {
		s = s[:60] + "…"
	}
	return strconv.Quote(s)
}
