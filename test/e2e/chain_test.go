package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// A gateway is a provider for another one: its base URL and one of its keys are a channel.
func TestChain(t *testing.T) {
	front, err := startGateway("front", fmt.Sprintf("channels:\n  - {name: back, provider: gateway, base_url: %q, key: %q}\n%saccounts:\n  - {name: carol, credit: \"5\", keys: [{name: main, key: %s}]}\n",
		fix.gw.base, bobKey, models(), shakyKey("front")))
	if err != nil {
		t.Fatal(err)
	}
	front.chained = true
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			before := len(fix.gw.records())
			text, h := way.call(t, front, shakyKey("front"), way.model)
			if text != said {
				t.Errorf("%q", text)
			}
			ours := front.record(t, requestID(t, h))
			theirs := eventually(t, "the record of the gateway behind", func() (record, bool) {
				rs := fix.gw.records()
				return rs[len(rs)-1], len(rs) > before
			})
			if theirs.Call == ours.Call {
				t.Error("both gateways use one id")
			}
			if ours.Usage != "measured" || ours.In != theirs.In || ours.Out != theirs.Out || ours.Cached != theirs.Cached || ours.Nanos != theirs.Nanos || ours.Nanos == 0 {
				t.Errorf("in front %+v\nbehind %+v", ours, theirs)
			}
			s := fix.sim.answered(t, theirs.Call)
			if ours.In != s.Usage.in() || ours.Out != s.Usage.out() {
				t.Errorf("in front %+v\nsimulator %+v", ours, s.Usage)
			}
		})
	}
	t.Run("errors", func(t *testing.T) { // the refusal of the gateway behind passes through
		client := anthropicClient(front, shakyKey("front"))
		_, err := client.Messages.New(t.Context(), message(claude+"+status=400", "Hello."))
		checkAnthropicError(t, err, 400, "invalid_request_error")
	})
	t.Run("models", func(t *testing.T) {
		client := openaiClient(front, shakyKey("front"))
		list, err := client.Models.List(t.Context())
		if err != nil || len(list.Data) == 0 {
			t.Errorf("%+v, %v", list, err)
		}
	})
}

// The gateway in front has an empty purse behind: its clients hear that nothing can answer now, not
// that they should pay.
func TestChainWithoutCredit(t *testing.T) {
	front, err := startGateway("poor-front", fmt.Sprintf("channels:\n  - {name: back, provider: gateway, base_url: %q, key: %q}\n%saccounts:\n  - {name: carol, credit: \"5\", keys: [{name: main, key: %s}]}\n",
		fix.gw.base, brokeKey, models(), shakyKey("front")))
	if err != nil {
		t.Fatal(err)
	}
	front.chained = true
	openaiSDK, claudeSDK := openaiClient(front, shakyKey("front")), anthropicClient(front, shakyKey("front"))
	_, err = openaiSDK.Chat.Completions.New(t.Context(), chat("gpt-4o", "Hello."))
	if e := checkOpenAIError(t, err, http.StatusServiceUnavailable, "server_error", "server_is_overloaded"); strings.Contains(e.Message, "credit") {
		t.Errorf("%q", e.Message)
	}
	_, err = claudeSDK.Messages.New(t.Context(), message(claude, "Hello."))
	if e := checkAnthropicError(t, err, 529, "overloaded_error"); strings.Contains(e.RawJSON(), "credit") {
		t.Errorf("%s", e.RawJSON())
	}
}
