package relay

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/canon"
	"tollgate/internal/catalog"
	"tollgate/internal/limit"
	"tollgate/internal/pool"
)

// limit asks the rates of the key, its account and every account above, and those that account and
// accounts above have for the model. tokens is how many the call may take, and guess how many more where its
// client names no maximum.
func (c *call) limit(tokens, guess int64) *canon.Error {
	c.tokens, c.guess = tokens, guess
	var room [8]limit.Rule
	rules := c.limits(room[:0])
	if len(rules) == 0 {
		return nil
	}
	grant, refused := c.h.Limits.AdmitGuess(c.began, rules, tokens, guess)
	if refused != nil {
		tellLimits(c.w.Header(), c.ep.Dialect, refused.State, c.began)
		kind := canon.KindRateLimited
		if refused.TooLarge {
			kind = canon.KindTooLarge // waiting does not help
		}
		message := refused.Error()
		if guess > 0 && refused.Need > tokens && refused.What[0] == 't' {
			message += fmt.Sprintf("; as the request names no maximum of output tokens, %d tokens are reserved for it", refused.Need)
		}
		return &canon.Error{Kind: kind, RetryAfter: refused.RetryAfter, Message: message}
	}
	c.grant = grant
	tellLimits(c.w.Header(), c.ep.Dialect, grant.State(), c.began)
	return nil
}

// enter counts the call for a channel that has limits of its own. With an error the channel has nothing
// left for it, and rests as long as that lasts.
func (c *call) enter(l *pool.Lease, now time.Time) *canon.Error {
	c.leave(0) // the channel before took the call, and failed
	if l.Channel.Limits == (limit.Limits{}) {
		return nil
	}
	load, refused := c.h.Limits.AdmitGuess(now, []limit.Rule{{Subject: l.Channel.ID, Limits: l.Channel.Limits}}, c.tokens, c.guess)
	if refused == nil {
		c.load = load
		return nil
	}
	l.Dropped()
	if refused.TooLarge { // alone it is more than the channel may have in a minute; others may take it
		return canon.Errorf(canon.KindOverloaded, "no channel takes a call of this size")
	}
	l.Rest(refused.RetryAfter, now)
	return &canon.Error{Kind: canon.KindRateLimited, Message: "the channels for this model are at their limits", RetryAfter: refused.RetryAfter}
}

// leave ends what enter began, with the tokens that the channel really had.
func (c *call) leave(tokens int64) {
	if c.load != nil {
		c.load.Settle(tokens)
		c.load.Release()
		c.load = nil
	}
}

// limits appends the rules that hold for the call.
func (c *call) limits(rules []limit.Rule) []limit.Rule {
	rules = append(rules, c.standing.Limits...)
	if c.priced == nil {
		return rules
	}
	m := &c.priced.Model
	rules, own := c.standing.AppendModelLimits(rules, c.model, m.Name, c.head.Model)
	if !own && (m.AccountRPM > 0 || m.AccountTPM > 0) && !c.caller.IsRoot() {
		rules = append(rules, limit.Rule{Subject: account.ModelSubject(c.caller.Account.ID, m.Name), Limits: c.usual(m)})
	}
	return rules
}

// usual is what the catalogue lets one account ask of a model, by the account's own ratio and by what it
// has spent in its life.
func (c *call) usual(m *catalog.Model) account.Limits {
	ratio := account.RatioOn(c.standing.Line)
	by := catalog.One
	if c.h.SpentRatio != nil {
		by = c.h.SpentRatio(c.caller.Account.ID)
	}
	times := func(n int64) int64 {
		if n == 0 {
			return 0
		}
		const bound = 1 << 50 // no product of the two floats below is out of range, nor matters its rounding
		return int64(max(1, min(float64(n)*(float64(ratio)/float64(catalog.One))*(float64(by)/float64(catalog.One)), bound)))
	}
	return account.Limits{RPM: times(m.AccountRPM), TPM: times(m.AccountTPM)}
}

// tellLimits tells a client how far its tightest limits are used, in the words of its own vendor.
// Gemini has no such headers; it is told when to come back, by the error.
//
// Sources, read 2026-11-20: https://platform.openai.com/docs/guides/rate-limits (headers; the time until
// the reset as in "6m0s"), https://docs.anthropic.com/en/api/rate-limits (response headers; the time of
// the reset in RFC 3339).
func tellLimits(h http.Header, d canon.Dialect, s limit.State, now time.Time) {
	var names []string // three for each gauge
	var gauges [4]*limit.Gauge
	switch d {
	case canon.OpenAIChat, canon.OpenAIResponses:
		names, gauges = openaiLimits[:], [...]*limit.Gauge{&s.Requests, &s.Tokens, nil, nil}
	case canon.Anthropic:
		// Our limits count input and output together, so each of the two may be all that is left.
		names, gauges = anthropicLimits[:], [...]*limit.Gauge{&s.Requests, &s.Tokens, &s.Tokens, &s.Tokens}
	default:
	}
	var room [12 * 20]byte // all values, one behind the other, so that they are one string
	var ends [12]int
	text := room[:0]
	for i := 0; i < len(names); i += 3 {
		g := gauges[i/3]
		if g.Limit > 0 {
			text = strconv.AppendInt(text, g.Limit, 10)
			ends[i] = len(text)
			text = strconv.AppendInt(text, g.Remaining, 10)
			ends[i+1] = len(text)
			if d == canon.Anthropic {
				text = now.Add(g.Reset+time.Second-1).UTC().AppendFormat(text, time.RFC3339)
			} else {
				text = append(text, g.Reset.Round(time.Millisecond).String()...)
			}
			ends[i+2] = len(text)
		}
	}
	if len(text) == 0 {
		return
	}
	all, values, from := string(text), make([]string, 0, len(names)), 0
	for i, name := range names {
		if to := ends[i]; to > from {
			values = append(values, all[from:to])
			h[name] = values[len(values)-1 : len(values) : len(values)]
			from = to
		}
	}
}

// The headers of a limit, of what is left and of when all of it is there again.
var (
	openaiLimits = [...]string{
		"X-Ratelimit-Limit-Requests", "X-Ratelimit-Remaining-Requests", "X-Ratelimit-Reset-Requests",
		"X-Ratelimit-Limit-Tokens", "X-Ratelimit-Remaining-Tokens", "X-Ratelimit-Reset-Tokens",
	}
	anthropicLimits = [...]string{
		"Anthropic-Ratelimit-Requests-Limit", "Anthropic-Ratelimit-Requests-Remaining", "Anthropic-Ratelimit-Requests-Reset",
		"Anthropic-Ratelimit-Tokens-Limit", "Anthropic-Ratelimit-Tokens-Remaining", "Anthropic-Ratelimit-Tokens-Reset",
		"Anthropic-Ratelimit-Input-Tokens-Limit", "Anthropic-Ratelimit-Input-Tokens-Remaining", "Anthropic-Ratelimit-Input-Tokens-Reset",
		"Anthropic-Ratelimit-Output-Tokens-Limit", "Anthropic-Ratelimit-Output-Tokens-Remaining", "Anthropic-Ratelimit-Output-Tokens-Reset",
	}
)
