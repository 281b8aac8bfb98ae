// Package e2e tests the real binary with the official SDKs of OpenAI, Anthropic and Google.
//
// It owns the promise that a client needs nothing but another base URL and key: the SDKs decode every
// answer, error and stream themselves, and the tests assert on their typed results. Upstream stands
// the binary's own simulator, whose count of every call is compared with the gateway's at the end. It
// leaves single packages to the tests beside them, and is a module of its own so that no SDK ever
// becomes a dependency of the gateway.
//
// TOLLGATE_BIN names the binary to test; without it one is built from the parent module. The cache of
// go test knows nothing of that binary: pass -count=1, as make e2e does.
package e2e
