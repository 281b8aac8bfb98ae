package limit

import "fmt"

// Limits are rates; zero is no limit.
type Limits struct {
	RPM        int64 `json:"rpm,omitempty"` // requests per minute, hour, day
	RPH        int64 `json:"rph,omitempty"`
	RPD        int64 `json:"rpd,omitempty"`
	TPM        int64 `json:"tpm,omitempty"` // tokens per minute, hour, day
	TPH        int64 `json:"tph,omitempty"`
	TPD        int64 `json:"tpd,omitempty"`
	Concurrent int64 `json:"concurrent,omitempty"` // calls at once
}

// Named is one of several limits, by its JSON name.
type Named struct {
	Name  string
	Value int64
}

// Each returns all of l, always in the same order.
func (l Limits) Each() [7]Named {
	return [7]Named{{"rpm", l.RPM}, {"rph", l.RPH}, {"rpd", l.RPD}, {"tpm", l.TPM}, {"tph", l.TPH}, {"tpd", l.TPD}, {concurrent, l.Concurrent}}
}

// And returns the lower of each two limits.
func (l Limits) And(o Limits) Limits {
	low := func(a, b int64) int64 {
		if a == 0 || b > 0 && b < a {
			return b
		}
		return a
	}
	return Limits{
		RPM: low(l.RPM, o.RPM), RPH: low(l.RPH, o.RPH), RPD: low(l.RPD, o.RPD),
		TPM: low(l.TPM, o.TPM), TPH: low(l.TPH, o.TPH), TPD: low(l.TPD, o.TPD), Concurrent: low(l.Concurrent, o.Concurrent),
	}
}

// Check returns the name of a limit that is none, and why; "" if all are well.
func (l Limits) Check() (name, reason string) {
	for _, x := range l.Each() {
		if x.Value < 0 {
			return x.Name, fmt.Sprintf("must not be negative (is %d); 0 is no limit", x.Value)
		}
	}
	return "", ""
}
