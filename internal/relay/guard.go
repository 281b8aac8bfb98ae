package relay

import (
	"errors"

	"tollgate/internal/canon"
	"tollgate/internal/catalog"
	"tollgate/internal/dialect"
	"tollgate/internal/pool"
)

// guard judges what the request names beside its model: further models, which must be as allowed and as
// priced as the first one, and objects that an upstream account keeps, which must be the caller's own.
func (c *call) guard() *canon.Error {
	if len(c.head.Also) == 0 && len(c.head.Refs) == 0 || c.caller.IsRoot() {
		return nil
	}
	for _, also := range c.head.Also {
		if len(also.ID) > maxModel || !c.h.MayUse(c.caller, also.ID) {
			return &canon.Error{
				Kind: canon.KindNotFound, Param: also.Path, Code: "model_not_found",
				Message: "the model `" + bounded(also.ID, 120) + "` does not exist here, or this key may not use it",
			}
		}
		e := c.h.Catalog().Entry(also.ID)
		if own := c.standing.PriceFor(also.ID, e.Model.Name, also.ID); own != nil {
			e = e.With(own)
		}
		if _, err := e.Price(canon.Usage{Input: 1, Output: 1}); err != nil && billed(c.head.Op) {
			return &canon.Error{
				Kind: canon.KindNotFound, Param: also.Path, Code: "model_not_priced", Cause: err,
				Message: "the model `" + bounded(also.ID, 120) + "` has no price here; the operator must set one before it can be named",
			}
		}
		c.also = append(c.also, e)
	}
	for _, ref := range c.head.Refs {
		if err := c.owns(ref); err != nil {
			return err
		}
	}
	return nil
}

// owns checks that an object which an upstream account keeps is the caller's.
func (c *call) owns(ref dialect.Ref) *canon.Error {
	if c.h.Settings.SharedObjects || c.caller.IsRoot() {
		return nil
	}
	_, err := c.h.Pool.Owner(c.r.Context(), c.caller.Account.ID, ref.ID)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pool.ErrNotFound):
		return &canon.Error{
			Kind: canon.KindNotFound, Param: ref.Path,
			Message: "no object `" + bounded(ref.ID, 120) + "` of this account is known here; send its content inline",
		}
	}
	return unknownOwner(ref.ID, err)
}

// dearest returns the highest price of usage among the models that may answer; most is that of the first one.
func (c *call) dearest(u canon.Usage, most catalog.Nanos) catalog.Nanos {
	for _, e := range c.also {
		if cost, err := e.CeilingIn(c.circumstances(), u); err == nil {
			most = max(most, cost)
		}
	}
	return most
}

// answered returns the model that the answer is priced by: that which the upstream says has answered, if
// the request named it.
func (c *call) answered() *catalog.Entry {
	for i, also := range c.head.Also {
		if i < len(c.also) && also.ID == c.meter.model {
			return c.also[i]
		}
	}
	return c.priced
}
