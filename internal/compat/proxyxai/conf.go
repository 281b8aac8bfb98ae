package proxyxai

import (
	"bytes"
	"encoding/json"
	"net/http"

	"tollgate/internal/account"
	"tollgate/internal/secret"
)

// conf takes what scripts call after they added a key, or to change what the original logs and how many
// requests its statistics may be behind. All of it holds here without being asked for, and the answer says so.
func (a *API) conf(r *http.Request, _ account.Caller) (any, error) {
	var in struct {
		LoadKeys      *bool
		LogEnable     *bool
		StatsInterval *int64
	}
	if err := read(r, &in); err != nil {
		return nil, err
	}
	var done []string
	switch {
	case in.LoadKeys == nil && in.LogEnable == nil && in.StatsInterval == nil:
		return nil, badRequest("nothing to do: send LoadKeys, LogEnable or StatsInterval")
	case in.LoadKeys != nil && !*in.LoadKeys:
		return nil, badRequest("LoadKeys must be true")
	case in.LogEnable != nil && !*in.LogEnable:
		return nil, badRequest("LogEnable must be true: every call is recorded, and that can't be switched off")
	case in.StatsInterval != nil && (*in.StatsInterval < 1 || *in.StatsInterval > 1_000_000):
		return nil, badRequest("StatsInterval must be between 1 and 1000000")
	}
	if in.LoadKeys != nil {
		if err := a.Channels.Reload(r.Context()); err != nil {
			return nil, err
		}
		done = append(done, "keys are loaded; a new key serves at once, with or without this call")
	}
	if in.LogEnable != nil {
		done = append(done, "every call is recorded, with or without this call")
	}
	if in.StatsInterval != nil {
		done = append(done, "statistics that are asked for hold every call that has ended, whatever the interval")
	}
	message := done[0]
	for _, more := range done[1:] {
		message += "; " + more
	}
	return map[string]any{"success": true, "message": message}, nil
}

// newKey answers a fresh key that nobody has.
func (a *API) newKey(*http.Request, account.Caller) (any, error) {
	return map[string]any{"success": true, "key": secret.NewKey().Reveal()}, nil
}

// settings answers all settings; those that are secret as a mask.
func (a *API) settings(*http.Request, account.Caller) (any, error) {
	return map[string]any{"success": true, "configs": a.Settings.Texts()}, nil
}

// changeSettings puts settings in force.
func (a *API) changeSettings(r *http.Request, who account.Caller) (any, error) {
	var in map[string]word
	if err := read(r, &in); err != nil {
		return nil, err
	}
	put := make(map[string]string, len(in))
	for name, text := range in {
		put[name] = string(text)
	}
	updated, err := a.Settings.Change(r.Context(), put)
	a.record(r, who, "setting.update", "", "", updated, err)
	if err != nil {
		return nil, err
	}
	return map[string]any{"success": true, "updated": updated, "message": "in force from now on, and kept over restarts"}, nil
}

// resetSettings takes settings back to the environment's values.
func (a *API) resetSettings(r *http.Request, who account.Caller) (any, error) {
	var in struct {
		Keys []string `json:"keys"`
	}
	if err := read(r, &in); err != nil {
		return nil, err
	}
	if len(in.Keys) == 0 {
		return nil, badRequest("keys must name the settings to take back")
	}
	err := a.Settings.Reset(r.Context(), in.Keys)
	a.record(r, who, "setting.reset", "", "", in, err)
	if err != nil {
		return nil, err
	}
	return map[string]any{"success": true, "deleted": in.Keys, "message": "back to the values of the environment"}, nil
}

// word is a string; scripts also write numbers and booleans where a setting is one.
type word string

// UnmarshalJSON implements json.Unmarshaler.
func (w *word) UnmarshalJSON(raw []byte) error {
	switch raw = bytes.TrimSpace(raw); raw[0] {
	case '"':
		var s string
		err := json.Unmarshal(raw, &s)
		*w = word(s)
		return err
	case '{', '[', 'n':
		return badRequest("a setting must be text, a number, true or false")
	}
	*w = word(raw)
	return nil
}
