package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/anthropic"
	"tollgate/internal/dialect/gemini"
	"tollgate/internal/dialect/openaichat"
	"tollgate/internal/dialect/openairesponses"
)

// side is a dialect as a client and as an upstream.
type side struct {
	name     string
	client   dialect.Translator
	provider string // that speaks it alone for the model
	model    string
}

func sides() []side {
	return []side{
		{"chat", openaichat.New(), "openai-compatible", "sim-gpt"},
		{"responses", openairesponses.New(), "openai", "sim-gpt-codex"}, // such names are served as responses alone
		{"claude", anthropic.New(), "anthropic", "sim-claude"},
		{"gemini", gemini.New(), "gemini", "sim-gemini"},
	}
}

// translatedChannels are channels that speak one dialect each, for models named after it, and the prices of those.
func translatedChannels(upstream string) string {
	var b strings.Builder
	for _, s := range sides() {
		fmt.Fprintf(&b, "  - {name: %s, provider: %s, base_url: %q, key: sk-%s, models: [\"%s-*\"], mapping: {%s-plain: %s, %s-stream: %s+events=100}}\n",
			s.name, s.provider, upstream, s.name, s.name, s.name, s.model, s.name, s.model)
	}
	b.WriteString("models:\n")
	for _, s := range sides() {
		fmt.Fprintf(&b, "  - {name: \"%s-*\", price: {input: \"1\", output: \"2\"}}\n", s.name)
	}
	return b.String()
}

// asked is a kind of call that is measured translated.
type asked struct {
	name   string
	stream bool
	req    *canon.Request
	aim    float64 // CPU relative to passthrough; 0: none
}

func translatedCalls() []asked {
	small := &canon.Request{
		MaxOutput: 50, System: []canon.Block{canon.Text{Text: "You are a helpful assistant."}},
		Turns: []canon.Turn{{Role: canon.RoleUser, Blocks: []canon.Block{canon.Text{Text: "What is the capital of France, and why was it chosen?"}}}},
	}
	return []asked{
		{"plain request", false, small, 2.5},
		{"100-event stream", true, small, 2.5},
		{"agent request, 77 KB", false, agent(), 2.5},
	}
}

// agent is a request of a coding agent: 25 tools and the history of their use.
func agent() *canon.Request {
	schema := json.RawMessage(`{"type":"object","properties":{"path":{"type":"string","description":"Where the file is, from the root of the repository."},"limit":{"type":"integer","description":"How many lines to read at most.","minimum":1},"pattern":{"type":"string","description":"What to look for, as a regular expression."}},"required":["path"],"additionalProperties":false}`)
	req := &canon.Request{MaxOutput: 50, System: []canon.Block{canon.Text{Text: strings.Repeat("You are a coding agent. Look before you change anything.\n", 100)}}}
	for i := range 25 {
		req.Tools = append(req.Tools, canon.Tool{Name: fmt.Sprintf("tool_%d", i), Description: strings.Repeat("Does one thing and does it well; use it when nothing else will do. ", 5), Schema: schema})
	}
	file := strings.Repeat("\tif err != nil {\n\t\treturn fmt.Errorf(\"read %s: %w\", path, err) // what the caller can do about it\n\t}\n", 11)
	for i := range 40 {
		id := fmt.Sprintf("call_%d", i)
		req.Turns = append(
			req.Turns,
			canon.Turn{Role: canon.RoleUser, Blocks: []canon.Block{canon.Text{Text: "Go on."}}},
			canon.Turn{Role: canon.RoleAssistant, Blocks: []canon.Block{canon.ToolUse{ID: id, Name: "tool_1", Input: json.RawMessage(fmt.Sprintf(`{"path":"internal/relay/file_%d.go","limit":%d}`, i, i+1))}}},
			canon.Turn{Role: canon.RoleTool, Blocks: []canon.Block{canon.ToolResult{ID: id, Name: "tool_1", Blocks: []canon.Block{canon.Text{Text: file}}}}},
			canon.Turn{Role: canon.RoleAssistant, Blocks: []canon.Block{canon.Text{Text: "The error is handled there; I look at the next file."}}},
		)
	}
	req.Turns = append(req.Turns, canon.Turn{Role: canon.RoleUser, Blocks: []canon.Block{canon.Text{Text: "Say what you have found."}}})
	return req
}

// call is what a client of s sends for a model behind up.
func (s side) call(a asked, up side) (scenario, error) {
	model := up.name + "-plain"
	if a.stream {
		model = up.name + "-stream"
	}
	req := *a.req
	body, _, err := s.client.WriteRequest(&req, dialect.Target{Op: canon.OpGenerate, Model: model, Stream: a.stream, MaxOutput: 4096})
	if err != nil {
		return scenario{}, err
	}
	action := "generateContent"
	if a.stream {
		action = "streamGenerateContent?alt=sse"
	}
	path := map[string]string{"chat": chatPath, "responses": "/v1/responses", "claude": "/v1/messages", "gemini": "/v1beta/models/" + model + ":" + action}[s.name]
	return scenario{name: a.name, path: path, body: body, workers: 4}, nil
}

// translated measures every client on every upstream against its own dialect's, in turns: the CPU of the
// gateway, and how long one client alone waits for the first bytes of the answer.
func (f *field) translated(ctx context.Context, o options, out io.Writer) error {
	t := f.targets[2]
	for _, a := range translatedCalls() {
		table := tabwriter.NewWriter(out, 0, 4, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintf(table, "\n%s, CPU µs\tpassed\ttranslated\tratio\taim\tfirst bytes µs\ttranslated\tadded\trequests\t\n", a.name)
		for _, client := range sides() {
			var ups []side // its own dialect first
			var calls []scenario
			for _, u := range sides() {
				if u.name == client.name {
					ups = slices.Insert(ups, 0, u)
				} else {
					ups = append(ups, u)
				}
			}
			for _, u := range ups {
				s, err := client.call(a, u)
				if err != nil {
					return err
				}
				calls = append(calls, s)
			}
			cpu, count, err := t.turns(ctx, o, calls)
			if err != nil {
				return fmt.Errorf("%s from %s: %w", a.name, client.name, err)
			}
			first, err := t.firsts(ctx, calls)
			if err != nil {
				return err
			}
			for i, u := range ups[1:] {
				fmt.Fprintf(table, "%s on %s\t%.1f\t%.1f\t%.2f\t%.1f\t%d\t%d\t%+d\t%d\t\n", client.name, u.name, median(cpu[0]), median(cpu[i+1]), ratio(cpu[i+1], cpu[0]), a.aim,
					first[0].Microseconds(), first[i+1].Microseconds(), (first[i+1] - first[0]).Microseconds(), count)
			}
		}
		if err := table.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// turns measures the CPU of each call, in µs, round by round.
func (t target) turns(ctx context.Context, o options, calls []scenario) (each [][]float64, count int64, err error) {
	each = make([][]float64, len(calls))
	c := client()
	for _, s := range calls {
		if _, err := t.load(ctx, c, s, o.round/2); err != nil { // warm
			return nil, 0, err
		}
	}
	for r := range o.rounds {
		for k := range calls {
			i := (k + r) % len(calls)
			spent, n, err := t.spend(ctx, c, calls[i], o.round)
			if err != nil {
				return nil, 0, err
			}
			each[i] = append(each[i], spent)
			count += n
		}
	}
	return each, count, nil
}

// firsts returns how long a client that sends one request at a time waits for the first bytes, the median.
func (t target) firsts(ctx context.Context, calls []scenario) ([]time.Duration, error) {
	const rounds = 101
	all := make([][]time.Duration, len(calls))
	c := client()
	for range rounds {
		for i, s := range calls {
			first, _, err := t.timed(ctx, c, s.path, s.body)
			if err != nil {
				return nil, err
			}
			all[i] = append(all[i], first)
		}
	}
	out := make([]time.Duration, len(calls))
	for i := range all {
		slices.Sort(all[i])
		out[i] = all[i][rounds/2]
	}
	return out, nil
}

// spend loads the target for d and returns the CPU that it took for each request, in µs.
func (t target) spend(ctx context.Context, c *http.Client, s scenario, d time.Duration) (each float64, n int64, err error) {
	before, err := t.proc.cpu()
	if err != nil {
		return 0, 0, err
	}
	if n, err = t.load(ctx, c, s, d); err != nil {
		return 0, 0, err
	}
	select { // what the gateway gathers for its store belongs to the round
	case <-ctx.Done():
		return 0, 0, ctx.Err()
	case <-time.After(drainTime):
	}
	after, err := t.proc.cpu()
	return float64(after-before) / float64(n) / 1e3, n, err
}
