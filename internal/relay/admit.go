package relay

import (
	"tollgate/internal/account"
	"tollgate/internal/canon"
	"tollgate/internal/tokens"
)

// billed reports whether an operation consumes what costs money.
func billed(op canon.Op) bool {
	switch op {
	case canon.OpGenerate, canon.OpComplete, canon.OpEmbed, canon.OpBatchEmbed:
		return true
	default:
		return false
	}
}

// MayUse reports whether a caller may use a model, also where it is mapped to another one. Model lists
// and calls ask the same.
func (h *Handler) MayUse(c account.Caller, model string) bool {
	rules := h.Rules()
	_, _, ok := h.Accounts.Serve(c, model, &rules)
	return ok
}

// maxModel bounds the name of a model, in bytes: it is kept for routing and stands in the record of the
// call, and a pattern like "claude-*" fits a name of any length.
const maxModel = 512

// admit decides whether the call may go on, and reserves what it may cost.
func (c *call) admit() *canon.Error {
	c.standing = c.h.Accounts.StandingOf(c.caller)
	c.unbilled = c.h.Unbilled || c.standing.Unbilled
	rules := c.h.Rules()
	if c.head.Model == "" { // an object that some channel keeps: its owner is looked up when routing
		if c.pools = c.h.Accounts.Pools(c.caller.Account, "", &rules); len(c.pools) == 0 {
			return canon.Errorf(canon.KindDenied, "this account may use none of the pools that serve it")
		}
		return c.limit(0, 0)
	}
	if len(c.head.Model) > maxModel {
		return canon.Errorf(canon.KindNotFound, "the name of the model is longer than %d bytes; no model has such a name", maxModel)
	}
	sent, pools, ok := c.h.Accounts.Serve(c.caller, c.head.Model, &rules)
	switch {
	case !ok:
		return &canon.Error{
			Kind: canon.KindNotFound, Param: "model", Code: "model_not_found",
			Message: "the model `" + bounded(c.head.Model, 120) + "` does not exist here, or this key may not use it",
		}
	case len(pools) == 0:
		return canon.Errorf(canon.KindDenied, "the model `%s` is not served to this account: it may use none of the pools that serve it", bounded(c.head.Model, 120))
	}
	c.model, c.pools = sent, pools
	c.priced = c.h.Catalog().Entry(c.model)
	if own := c.standing.PriceFor(c.model, c.priced.Model.Name, c.head.Model); own != nil {
		c.priced = c.priced.With(own)
	}
	if err := c.guard(); err != nil {
		return err
	}
	if !billed(c.head.Op) {
		return c.limit(0, 0)
	}
	if c.head.Background && !c.caller.IsRoot() {
		return &canon.Error{
			Kind: canon.KindInvalid, Param: "background", Code: "unsupported_parameter",
			Message: "background responses are not available to metered accounts: their usage is not known when the call ends",
		}
	}
	u, sure, guess := c.declared()
	if err := c.limit(sure, guess); err != nil {
		return err
	}
	return c.reserve(u)
}

// declared is what the call may take by what its request says: as usage, and as tokens, with how many it may take
// beyond them as its client names no maximum.
func (c *call) declared() (u canon.Usage, sure, guess int64) {
	u = canon.Usage{Input: tokens.Quick(c.head.TextBytes, c.head.MediaParts), Output: c.outputReservation()}
	if c.head.MaxOutput <= 0 {
		return u, u.Input, u.Output
	}
	return u, u.Input + u.Output, 0
}

// outputReservation is the number of output tokens that the call declares: what the client allows,
// else the gateway's default, never more than the model can write.
func (c *call) outputReservation() int64 {
	if c.head.Op == canon.OpEmbed || c.head.Op == canon.OpBatchEmbed {
		return 0
	}
	n := c.head.MaxOutput
	if n <= 0 {
		n = c.h.Settings.DefaultOutput
	}
	if most := c.priced.Model.OutputTokens; most > 0 {
		n = min(n, most)
	}
	return min(n, maxReserve) * min(int64(max(c.head.Choices, 1)), maxReserve)
}

// maxReserve bounds the factors of a reservation, so that neither their product nor its sum with the
// tokens of the request can overflow.
const maxReserve = 1 << 30
