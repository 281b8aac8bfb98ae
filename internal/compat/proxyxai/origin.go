package proxyxai

import (
	"net/http"
	"slices"
	"strings"
)

// The pages of this API are static files, served from a host of their own, which call it from a browser.
// So every origin may: a key has to be sent with each request, and no cookie counts here, so a page
// learns nothing that its user did not give it the key for.

// allowOrigin lets a page of any origin read the answer.
func allowOrigin(w http.ResponseWriter) { w.Header().Set("Access-Control-Allow-Origin", "*") }

// preflight answers what a browser asks before it sends a request of another origin.
func preflight(w http.ResponseWriter, _ *http.Request) {
	allowOrigin(w)
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE")
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, X-Api-Key")
	h.Set("Access-Control-Max-Age", "86400")
	w.WriteHeader(http.StatusNoContent)
}

// paths returns the paths of ServeMux patterns, each once.
func paths(routes map[string]http.Handler) []string {
	var out []string
	for pattern := range routes {
		if _, path, ok := strings.Cut(pattern, " "); ok {
			out = append(out, path)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
