package openaichat

import (
	"testing"

	"tollgate/internal/canon"
)

// Of several names of one thing, the one is known whose value counts.
func TestNamesThatClientsTake(t *testing.T) {
	const said = `{"model":"m","messages":[{"role":"user","content":"hi"}],`
	for body, want := range map[string]string{
		said + `"max_tokens":5}`:                              "max_tokens",
		said + `"max_completion_tokens":5}`:                   "",
		said + `"max_tokens":5,"max_completion_tokens":6}`:    "",
		said + `"max_completion_tokens":6,"max_tokens":5}`:    "",
		said + `"max_completion_tokens":null,"max_tokens":5}`: "max_tokens",
	} {
		req, err := New().ReadRequest(canon.OpGenerate, []byte(body))
		if err != nil || req.Names[canon.WhatMaxOutput] != want {
			t.Errorf("%s: %v, called %q, want %q", body, err, req.Names[canon.WhatMaxOutput], want)
		}
	}
	req, err := New().ReadRequest(canon.OpComplete, []byte(`{"model":"m","prompt":"hi","max_tokens":5}`))
	if err != nil || req.Names[canon.WhatMaxOutput] != "max_tokens" {
		t.Errorf("of a completion: %v, %v", err, req.Names)
	}
}
