package app

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"tollgate/internal/pool"
	"tollgate/internal/simulator"
)

// simulated is the built-in upstream, served on a loopback port of its own like any other.
type simulated struct {
	listener net.Listener
	http     *http.Server
	done     chan error
}

func newSimulated() (*simulated, error) {
	ln, err := listen("127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &simulated{
		listener: ln,
		http:     &http.Server{Handler: simulator.New(simulator.Config{MaxCalls: 10_000}).Handler(), ReadHeaderTimeout: 10 * time.Second},
		done:     make(chan error, 1),
	}
	go func() { s.done <- s.http.Serve(ln) }()
	return s, nil
}

// channel is how the pool reaches it.
func (s *simulated) channel() pool.Channel {
	return pool.Channel{
		ID: fixedID("simulator"), Name: "simulator", Provider: "simulator", BaseURL: "http://" + s.listener.Addr().String(),
		Secret: "sim-key", Enabled: true, Origin: pool.OriginEnv,
	}
}

func (s *simulated) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = s.http.Close()
	}
	if e := <-s.done; !errors.Is(e, http.ErrServerClosed) {
		err = errors.Join(err, e)
	}
	return err
}
