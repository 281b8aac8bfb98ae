package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"

	anthropicoption "github.com/anthropics/anthropic-sdk-go/option"
)

// startVendors starts a gateway that takes the simulator for the three vendors themselves: their
// facts decide paths, headers and what happens when a client leaves.
func startVendors(t *testing.T) *gateway {
	t.Helper()
	g, err := startGateway("vendors", fmt.Sprintf("channels:\n  - {name: a, provider: openai, base_url: %[1]q, key: sk-up-openai}\n"+
		"  - {name: b, provider: anthropic, base_url: %[1]q, key: sk-up-anthropic}\n  - {name: c, provider: gemini, base_url: %[1]q, key: sk-up-gemini}\n"+
		"%[2]saccounts:\n  - {name: dora, credit: \"5\", keys: [{name: main, key: %[3]s}]}\n", fix.sim.base, models(), shakyKey("vendors")))
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestVendors(t *testing.T) {
	g := startVendors(t)
	t.Run("calls", func(t *testing.T) {
		for _, way := range ways {
			t.Run(way.name, func(t *testing.T) {
				if text, _ := way.call(t, g, shakyKey("vendors"), way.model); text != said {
					t.Errorf("%q", text)
				}
			})
		}
	})
	// These vendors stop billing when the connection closes: leaving is passed on to them.
	t.Run("cancel", func(t *testing.T) {
		openaiSDK, claudeSDK := openaiClient(g, shakyKey("vendors")), anthropicClient(g, shakyKey("vendors"))
		const words = "+events=400+slow=5ms"
		for name, read := range map[string]func(ctx context.Context, leave func()) (http.Header, error){
			"chat": func(ctx context.Context, leave func()) (http.Header, error) {
				var resp *http.Response
				return leaveMidway(openaiSDK.Chat.Completions.NewStreaming(ctx, chat("gpt-4o"+words, "Go on."), into(&resp)), &resp, leave)
			},
			"messages": func(ctx context.Context, leave func()) (http.Header, error) {
				var resp *http.Response
				return leaveMidway(claudeSDK.Messages.NewStreaming(ctx, message(claude+words, "Go on."), anthropicoption.WithResponseInto(&resp)), &resp, leave)
			},
		} {
			t.Run(name, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				h, err := read(ctx, cancel)
				if !errors.Is(err, context.Canceled) {
					t.Errorf("the SDK says %v", err)
				}
				if r := g.record(t, requestID(t, h)); r.Error != "canceled" || r.Usage == "measured" || r.Out == 0 || r.Out > 300 || r.Nanos == 0 {
					t.Errorf("%+v", r)
				}
				eventually(t, "the simulator to notice", func() (served, bool) {
					calls, err := fix.sim.calls()
					if err != nil {
						t.Fatal(err)
					}
					for _, c := range calls {
						if c.CallID == requestID(t, h) {
							if c.Complete {
								t.Errorf("the upstream wrote on: %+v", c)
							}
							return c, true
						}
					}
					return served{}, false
				})
			})
		}
	})
}

// Many clients at once, each by its own way; the books are compared in the end.
func TestManyAtOnce(t *testing.T) {
	var clients sync.WaitGroup
	for i := range 4 {
		for _, way := range ways {
			clients.Go(func() {
				for range 5 {
					// What fails is told by Errorf, as only the test's own goroutine may stop it.
					t.Run(fmt.Sprintf("%s %d", way.name, i), func(t *testing.T) {
						if text, _ := way.call(t, fix.gw, aliceKey, way.model); text != said {
							t.Errorf("%q", text)
						}
					})
				}
			})
		}
	}
	clients.Wait()
}
