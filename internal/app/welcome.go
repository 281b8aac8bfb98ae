package app

import (
	"fmt"
	"io"
	"net"
)

// Welcome tells the person who started the gateway where it is and how to make the first call. The
// admin key is shown only when it was made at this start.
func (a *App) Welcome(w io.Writer) error {
	base, err := baseURL(a.Addr().String())
	if err != nil {
		return fmt.Errorf("listen address: %w", err)
	}
	text := fmt.Sprintf("\nTollgate %s\n\n  OpenAI     %s/v1\n  Anthropic  %s\n  Gemini     %s\n  admin API  %s/api/v1\n", a.version, base, base, base, base)
	key := "YOUR_KEY"
	switch {
	case a.root.rotated:
		text += "\n  admin key  the one that was made over the API; the configured one was replaced by it\n"
	case a.root.fresh:
		key = a.root.plain.Reveal()
		text += fmt.Sprintf("\n  admin key  %s\n             shown this once; kept in %s\n", key, a.root.path)
	case a.root.path != "":
		key = fmt.Sprintf("$(cat '%s')", a.root.path)
		text += fmt.Sprintf("\n  admin key  in %s\n", a.root.path)
	default:
		text += "\n  admin key  from the environment\n"
	}
	if a.sim != nil {
		text += fmt.Sprintf("\nA first call, answered by the built-in simulator:\n\n  curl %s/v1/chat/completions -H \"Authorization: Bearer %s\" -H 'Content-Type: application/json' \\\n    -d '{\"model\":\"sim-gpt\",\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}]}'\n", base, key)
	} else {
		text += fmt.Sprintf("\nThe models that your channels serve:\n\n  curl %s/v1/models -H \"Authorization: Bearer %s\"\n", base, key)
	}
	_, err = io.WriteString(w, text+"\n")
	return err
}

// baseURL is where a client on this machine reaches who listens on addr.
func baseURL(addr string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	switch host {
	case "", "0.0.0.0", "::", "127.0.0.1", "::1":
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port), err
}
