package crosstest_test

import (
	"slices"
	"testing"

	"github.com/tidwall/gjson"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/anthropic"
	"tollgate/internal/dialect/crosstest"
	"tollgate/internal/dialect/openaichat"
)

// An answer that says nothing is one answer all the same: clients look into choices[0].
func TestAnEmptyAnswerIsOneChoice(t *testing.T) {
	events := []canon.Event{canon.Start{ID: "x"}, canon.Used{Usage: canon.Usage{Input: 1}}, canon.Ended{}}
	out, _ := crosstest.WriteAnswer(openaichat.New(), &canon.Request{Origin: canon.OpenAIChat, Model: "m"}, canon.Gemini, false, events)
	if got := gjson.GetBytes(out, "choices.#").Int(); got != 1 || !gjson.GetBytes(out, "choices.0.message").IsObject() {
		t.Errorf("%d choices: %s", got, out)
	}
}

// A cache point behind thoughts can't be kept, and is told.
func TestCachePointBehindThoughtsIsTold(t *testing.T) {
	asked := &canon.Request{Origin: canon.Anthropic, Model: "m", Turns: []canon.Turn{
		{Role: canon.RoleUser, Blocks: []canon.Block{canon.Text{Text: "hi"}}},
		{Role: canon.RoleAssistant, Blocks: []canon.Block{canon.Reasoning{Text: "hm", Seal: "c2VhbA==", Origin: canon.Anthropic}, canon.CachePoint{}, canon.Text{Text: "yes"}}},
		{Role: canon.RoleUser, Blocks: []canon.Block{canon.Text{Text: "go on"}}},
	}}
	_, lost, err := anthropic.New().WriteRequest(asked, crosstest.Target(false))
	if err != nil || !slices.ContainsFunc(lost, func(l canon.Loss) bool { return l.What == canon.WhatCachePoint }) {
		t.Errorf("%v, lost %v", err, lost)
	}
}

// A batch of nothing has no vector: it is refused before an upstream hears of it.
func TestNothingToEmbedIsRefused(t *testing.T) {
	to := crosstest.Target(false)
	to.Op = canon.OpEmbed
	out, _, err := openaichat.New().WriteRequest(&canon.Request{Origin: canon.Gemini, Model: "m"}, to)
	if err == nil || err.Kind != canon.KindInvalid || err.Message == "" {
		t.Errorf("%v, %s", err, out)
	}
}
