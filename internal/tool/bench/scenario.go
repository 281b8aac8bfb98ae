package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// scenario is one kind of request.
type scenario struct {
	name    string
	path    string
	body    []byte
	workers int
	aim     float64 // CPU relative to the bare proxy
}

const chatPath = "/v1/chat/completions"

func scenarios() []scenario {
	big := bytes.Buffer{}
	big.WriteString(`{"model":"sim-gpt","max_tokens":20,"messages":[`)
	text := bytes.Repeat([]byte("It reads what is asked and answers in the words it was given. "), 66) // about 4 KB
	for n := 0; big.Len() < 1<<20-len(text); n++ {
		if n > 0 {
			big.WriteByte(',')
		}
		fmt.Fprintf(&big, `{"role":"user","content":"%s"}`, text)
	}
	big.WriteString(`]}`)
	return []scenario{
		{name: "plain request", path: chatPath, workers: 8, aim: 1.1, body: []byte(`{"model":"sim-gpt","max_tokens":50,"messages":[{"role":"system","content":"You are a helpful assistant."},{"role":"user","content":"What is the capital of France, and why was it chosen?"}]}`)},
		{name: "100-event stream", path: chatPath, workers: 4, aim: 1.15, body: []byte(`{"model":"sim-gpt+events=100","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"Tell me a story."}]}`)},
		{name: "1 MB request", path: chatPath, workers: 2, aim: 1.3, body: big.Bytes()},
	}
}

// target is where requests go.
type target struct {
	name string
	url  string
	key  string
	proc *process // whose CPU is counted; nil for none
}

// client is a load generator's side of the connection, one pool for each target.
func client() *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConns: 4096, MaxIdleConnsPerHost: 4096, DisableCompression: true}}
}

// one sends a request and reads the answer to its last byte.
func (t target) one(ctx context.Context, c *http.Client, path string, body []byte) (time.Duration, error) {
	_, whole, err := t.timed(ctx, c, path, body)
	return whole, err
}

// timed is one that also says when the first bytes of the answer's body were there.
func (t target) timed(ctx context.Context, c *http.Client, path string, body []byte) (first, whole time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url+path, bytes.NewReader(body))
	if err != nil {
		return 0, 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+t.key)
	began := time.Now()
	resp, err := c.Do(req)
	if err != nil {
		return 0, 0, err
	}
	var one [1]byte
	got, rerr := io.ReadFull(resp.Body, one[:])
	first = time.Since(began)
	n, err := io.Copy(io.Discard, resp.Body)
	n += int64(got)
	if err = errors.Join(rerr, err, resp.Body.Close()); err != nil {
		return 0, 0, fmt.Errorf("%s after %d bytes of an answer with status %d: %w", t.name, n, resp.StatusCode, err)
	}
	if resp.StatusCode != http.StatusOK {
		return 0, 0, fmt.Errorf("%s answered %d with %d bytes", t.name, resp.StatusCode, n)
	}
	return first, time.Since(began), nil
}

// load keeps workers busy for d and returns how many requests were answered.
func (t target) load(ctx context.Context, c *http.Client, s scenario, d time.Duration) (int64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	end := time.Now().Add(d)
	var n atomic.Int64
	var wg sync.WaitGroup
	for range s.workers {
		wg.Go(func() {
			for time.Now().Before(end) && ctx.Err() == nil {
				if _, err := t.one(ctx, c, s.path, s.body); err != nil {
					cancel(err)
					return
				}
				n.Add(1)
			}
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return 0, err
	}
	return n.Load(), nil
}
