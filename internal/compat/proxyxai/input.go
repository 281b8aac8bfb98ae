package proxyxai

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"tollgate/internal/account"
	"tollgate/internal/catalog"
	"tollgate/internal/mapping"
)

// userInput is what a request may say of an account. nil: it says nothing.
type userInput struct {
	Name, Email, Alias, BillingEmail *string
	CreditGranted                    *amount
	Days                             *json.Number
	Rates                            *json.Number
	HardLimit, SoftLimit             *amount
	RPM, RPH, RPD, TPM, TPH, TPD     *int64
	RateLimit                        *int64 // older name of RPM
	ChildLimit                       *int64
	AllowIPs, DenyIPs                *string
	AllowModels, DenyModels          *string
	Resources, DenyResources         *string
	Status                           *bool
	Level                            *int
	Role                             json.RawMessage // a number, or "manager" or "caller"
	Gear, Tier, Factor               *int
	AllowLevels                      *words
	ModelMapper, LevelMapper         *string
	ModelLimits                      map[string]*account.Limits
	QRCode                           *string
}

// words is a list that is written as text, as a number or as an array of them.
type words string

// UnmarshalJSON implements json.Unmarshaler.
func (w *words) UnmarshalJSON(raw []byte) error {
	var one word
	if raw = bytes.TrimSpace(raw); raw[0] != '[' {
		err := one.UnmarshalJSON(raw)
		*w = words(one)
		return err
	}
	var list []word
	err := json.Unmarshal(raw, &list)
	for i, x := range list {
		if i > 0 {
			*w += " "
		}
		*w += words(x)
	}
	return err
}

// apply lays down for x what the request says. above are the rates of the account above it.
func (in *userInput) apply(x *account.Account, above catalog.Multiplier) error {
	if in.Rates != nil {
		var err error
		if x.Rates, err = catalog.ParseMultiplier(in.Rates.String()); err != nil {
			return badRequest("Rates: %v", err)
		}
	}
	m := max(x.Rates, above)
	set(&x.Name, in.Name)
	set(&x.Email, in.Email)
	set(&x.Alias, in.Alias)
	set(&x.BillingEmail, in.BillingEmail)
	set(&x.Enabled, in.Status)
	set(&x.Level, in.Level)
	set(&x.Gear, in.Gear)
	set(&x.Tier, in.Tier)
	set(&x.Factor, in.Factor)
	set(&x.ChildLimit, in.ChildLimit)
	if in.RateLimit != nil && in.RPM != nil && *in.RateLimit != *in.RPM {
		return badRequest("RateLimit is the older name of RPM: send one of them")
	}
	set(&x.Limits.RPM, in.RateLimit)
	set(&x.Limits.RPM, in.RPM)
	set(&x.Limits.RPH, in.RPH)
	set(&x.Limits.RPD, in.RPD)
	set(&x.Limits.TPM, in.TPM)
	set(&x.Limits.TPH, in.TPH)
	set(&x.Limits.TPD, in.TPD)
	for _, l := range []struct {
		name string
		dst  *catalog.Nanos
		src  *amount
	}{{"HardLimit", &x.HardLimit, in.HardLimit}, {"SoftLimit", &x.SoftLimit, in.SoftLimit}} {
		if l.src == nil {
			continue
		}
		if *l.src < 0 {
			return badRequest("%s must not be negative", l.name)
		}
		*l.dst = m.ToReal(catalog.Nanos(*l.src))
	}
	return in.applyLists(x)
}

func (in *userInput) applyLists(x *account.Account) (err error) {
	if x.IPs, err = changeIPs(x.IPs, text(in.AllowIPs), text(in.DenyIPs)); err != nil {
		return err
	}
	if x.Models, err = changeList(x.Models, text(in.AllowModels), text(in.DenyModels)); err != nil {
		return badRequest("DenyModels: %v", err)
	}
	if x.Paths, err = changeList(x.Paths, text(in.Resources), text(in.DenyResources)); err != nil {
		return badRequest("DenyResources: %v", err)
	}
	if in.AllowLevels != nil {
		if x.AllowLevels, err = levelsFrom(string(*in.AllowLevels)); err != nil {
			return err
		}
	}
	if in.ModelMapper != nil {
		if x.Mapping, err = mapping.ParseModels(*in.ModelMapper); err != nil {
			return badRequest("ModelMapper: %v", err)
		}
	}
	if in.LevelMapper != nil {
		if x.Levels, err = mapping.ParseLevels(*in.LevelMapper); err != nil {
			return badRequest("LevelMapper: %v", err)
		}
	}
	if len(in.ModelLimits) > 0 {
		limits := map[string]account.Limits{}
		for model, l := range x.ModelLimits {
			limits[model] = l
		}
		for model, l := range in.ModelLimits {
			if l == nil || *l == (account.Limits{}) {
				delete(limits, model)
			} else {
				limits[model] = *l
			}
		}
		x.ModelLimits = limits
	}
	labels := map[string]string{}
	for name, label := range x.Labels {
		labels[name] = label
	}
	delete(labels, labelUnfinished) // who changes it takes it as it is
	if in.QRCode != nil {
		labels[labelQRCode] = *in.QRCode
	}
	if err := in.applyRole(x, labels); err != nil {
		return err
	}
	x.Labels = labels
	return nil
}

// applyRole takes the original's number as a mark, and our own words for what they say.
func (in *userInput) applyRole(x *account.Account, labels map[string]string) error {
	if len(in.Role) == 0 || string(in.Role) == "null" {
		return nil
	}
	role := strings.Trim(string(in.Role), `"`)
	if r := account.Role(role); slices.Contains([]account.Role{account.RoleManager, account.RoleCaller}, r) {
		x.Role = r
		return nil
	}
	n, err := strconv.Atoi(role)
	if err != nil || n < 0 || n > 1_000_000 {
		return badRequest("Role must be a number, or manager or caller")
	}
	labels[labelRole] = strconv.Itoa(n)
	return nil
}

func set[T any](dst, src *T) {
	if src != nil {
		*dst = *src
	}
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// changes reports whether the request changes an account, apart from its credit.
func (in *userInput) changes() bool { return len(in.named()) > 0 }

// named lists the fields that a request names, apart from credit; for the audit trail.
func (in *userInput) named() map[string]any {
	v := reflect.ValueOf(*in)
	out := map[string]any{}
	for i := range v.NumField() {
		f, name := v.Field(i), v.Type().Field(i).Name
		if name == "CreditGranted" || name == "Days" || f.IsNil() {
			continue
		}
		if f.Kind() == reflect.Pointer {
			f = f.Elem()
		}
		out[name] = f.Interface()
	}
	return out
}
