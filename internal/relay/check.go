package relay

import (
	"context"
	"io"
	"net/http"

	"tollgate/internal/canon"
	"tollgate/internal/pool"
	"tollgate/internal/provider"
)

// Check asks a provider whether a channel's key is valid, by the free request that the provider's
// facts name. It implements pool.Checker.
func (h *Handler) Check(ctx context.Context, c pool.Channel, v provider.Provider) *canon.Error {
	if v.Check == "" || len(v.Speaks) == 0 {
		return nil // nothing free to ask: only a call can tell
	}
	spoken := v.Speaks[0]
	url, err := v.URL(c.BaseURL, provider.Spoken{Dialect: spoken.Dialect, Base: spoken.Base, Paths: map[canon.Op]string{canon.OpListModels: v.Check}}, provider.Target{Op: canon.OpListModels})
	if err != nil {
		return &canon.Error{Kind: canon.KindInternal, Message: "the channel's address is not usable", Cause: err}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return &canon.Error{Kind: canon.KindInternal, Message: "the channel's address is not usable", Cause: err}
	}
	req.Header.Set("User-Agent", "tollgate/"+h.Version)
	for name, value := range spoken.Headers {
		req.Header.Set(name, value)
	}
	sign(req.Header, v.AuthFor(spoken), c.Secret.Reveal())
	resp, err := h.transport.RoundTrip(req)
	if err != nil {
		return transportError(context.Cause(ctx), err)
	}
	defer func() { _ = resp.Body.Close() }() // only the status counts
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	if resp.StatusCode < 300 && err == nil {
		return nil
	}
	proto := h.Protocols[spoken.Dialect]
	e := proto.ReadError(resp.StatusCode, resp.Header, body)
	switch e.Kind {
	case canon.KindAuth, canon.KindDenied, canon.KindQuota, canon.KindUpstream, canon.KindTimeout, canon.KindOverloaded:
		return e
	case canon.KindRateLimited:
		return nil // limited, so known
	default:
	}
	if resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusMethodNotAllowed {
		return nil // it has no such list; a call will tell
	}
	return e
}
