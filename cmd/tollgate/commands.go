package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"tollgate/internal/app"
	"tollgate/internal/config"
	"tollgate/internal/obs"
	"tollgate/internal/simulator"
)

// settings are the flags that stand above the environment.
type settings struct {
	Listen   string `help:"Address to listen on, e.g. :3000 (LISTEN)." placeholder:"ADDR"`
	Data     string `help:"Data directory (TOLLGATE_DATA)." placeholder:"DIR"`
	Config   string `help:"YAML file (TOLLGATE_CONFIG)." placeholder:"FILE"`
	LogLevel string `help:"debug, info, warn or error (LOG_LEVEL)." placeholder:"LEVEL"`
}

func (s settings) load(environ []string) (*config.Config, error) {
	return config.Load(config.Source{Environ: environ, File: s.Config, Flags: map[string]string{
		"LISTEN": s.Listen, "TOLLGATE_DATA": s.Data, "LOG_LEVEL": s.LogLevel,
	}})
}

type serveCmd struct {
	settings
}

// Help is shown by tollgate serve --help.
func (serveCmd) Help() string {
	return "Without any setting it listens on :3000, keeps its state under ./data and answers from a simulated provider. " +
		"SIGTERM or Ctrl-C lets running calls finish (SHUTDOWN_DELAY, TIMEOUT_SHUTDOWN); a second one ends it at once. All settings: docs/configuration.md, or tollgate config docs."
}

func (c serveCmd) Run(ctx context.Context, w world) (err error) {
	cfg, err := c.load(w.environ)
	if err != nil {
		return err
	}
	logger, log := obs.NewLog(w.stderr, cfg.LogLevel, cfg.LogFormat)
	defer func() { err = errors.Join(err, log.Close()) }()
	// The standard library prints a few things of its own there, with bytes of an upstream in them.
	stdlog.SetFlags(0)
	stdlog.SetOutput(slog.NewLogLogger(logger.Handler(), slog.LevelDebug).Writer())
	a, err := app.New(ctx, cfg, buildVersion(), logger)
	if err != nil {
		return err
	}
	if err := a.Welcome(w.stdout); err != nil {
		return errors.Join(err, a.Close())
	}
	return errors.Join(a.Run(ctx), a.Close())
}

type simulateCmd struct {
	Listen string        `help:"Address to listen on." default:"127.0.0.1:4000"`
	First  time.Duration `help:"Pause before the first byte of every answer."`
	Chunk  time.Duration `help:"Pause between the events of every stream."`
	Key    []string      `help:"Keys that it accepts; any when none is given."`
}

// Help is shown by tollgate simulate --help.
func (simulateCmd) Help() string {
	var b strings.Builder
	b.WriteString("It answers like OpenAI, Anthropic and Gemini, and makes its words up. Words in a model's name change how, as in sim-gpt+slow=20ms+events=100; " +
		"so does the header X-Simulate (slow=20ms+events=100), and a key that has them between dashes (sk-fail500-1, sk-cut9-b, sk-invalid-2):\n\n")
	for _, w := range simulator.Behaviours() {
		word := w.Word
		switch {
		case strings.HasPrefix(w.Value, "["):
			word += "[=" + w.Value[1:]
		case w.Value != "":
			word += "=" + w.Value
		}
		fmt.Fprintf(&b, "\t%-16s %s\n", word, w.Means)
	}
	b.WriteString("\nGET /sim/calls lists the calls that it served, GET /sim/stats counts them by key and status.")
	return b.String()
}

func (c simulateCmd) Run(ctx context.Context, w world) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return err
	}
	sim := simulator.New(simulator.Config{First: c.First, Chunk: c.Chunk, Keys: c.Key})
	server := &http.Server{Handler: sim.Handler(), ReadHeaderTimeout: 30 * time.Second}
	fmt.Fprintf(w.stdout, "simulated provider on http://%s\n", listener.Addr())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err = server.Shutdown(bounded); err != nil {
		err = server.Close() // answers that hang on purpose do not finish
	}
	if e := <-ended; !errors.Is(e, http.ErrServerClosed) {
		err = errors.Join(err, e)
	}
	return err
}

type receiptCmd struct {
	settings
	ID string `arg:"" help:"Id of the call: the X-Request-Id that its answer had."`
}

func (c receiptCmd) Run(ctx context.Context, w world) error {
	cfg, err := c.load(w.environ)
	if err != nil {
		return err
	}
	return app.Receipt(ctx, cfg, c.ID, w.stdout)
}

type ledgerCmd struct {
	Verify ledgerVerifyCmd `cmd:"" help:"Prove that no entry was changed, removed or put in, and that all money adds up."`
}

type ledgerVerifyCmd struct {
	settings
	Head string `help:"The head that an earlier run printed: entries up to it must still be the same." placeholder:"NUMBER:HASH"`
}

// Help is shown by tollgate ledger verify --help.
func (ledgerVerifyCmd) Help() string {
	return "It reads all entries, cards, balances and calls of the store, in one state of it, and stops at the first row that is wrong, with exit code 1. " +
		"The gateway may be running; calls that are in its journal only are not looked at. Note the head that it prints elsewhere: " +
		"who can write to the database and has this program could write the whole chain anew, and only a head noted before would tell."
}

func (c ledgerVerifyCmd) Run(ctx context.Context, w world) error {
	cfg, err := c.load(w.environ)
	if err != nil {
		return err
	}
	return app.VerifyLedger(ctx, cfg, c.Head, w.stdout)
}

type journalCmd struct {
	Repair journalRepairCmd `cmd:"" help:"Set aside what is damaged in the journal, so that the gateway starts again."`
}

type journalRepairCmd struct {
	settings
}

// Help is shown by tollgate journal repair --help.
func (journalRepairCmd) Help() string {
	return "The gateway refuses to start when its journal is damaged in a way that no crash explains. Prefer to restore the file that it names. " +
		"This accepts the loss instead: from the damage on, the file is cut off and saved beside it. The gateway must not be running."
}

func (c journalRepairCmd) Run(w world) error {
	cfg, err := c.load(w.environ)
	if err != nil {
		return err
	}
	return app.RepairJournal(cfg, w.stdout)
}

type configCmd struct {
	Check configCheckCmd `cmd:"" help:"Check all settings without starting, and print them with where each came from."`
	Docs  configDocsCmd  `cmd:"" help:"Print the documentation of all settings, in Markdown."`
}

type configCheckCmd struct {
	settings
}

func (c configCheckCmd) Run(w world) error {
	cfg, err := c.load(w.environ)
	if err != nil {
		return err
	}
	return cfg.WriteSummary(w.stdout)
}

type configDocsCmd struct{}

func (configDocsCmd) Run(w world) error { return config.WriteDocs(w.stdout) }

type healthCmd struct {
	URL     string        `arg:"" optional:"" help:"Address of the gateway; by default the one that the settings say, on this machine."`
	Timeout time.Duration `help:"How long to wait." default:"3s"`
}

func (c healthCmd) Run(ctx context.Context, w world) error {
	if c.URL == "" {
		cfg, err := settings{}.load(w.environ)
		if err != nil {
			return err
		}
		if c.URL, err = local(cfg.Listen); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL+"/readyz", nil)
	if err != nil {
		return err
	}
	transport := &http.Transport{Proxy: nil, DisableKeepAlives: true} // a proxy has no say in our own health
	answer, err := transport.RoundTrip(r)
	if err != nil {
		return fmt.Errorf("not ready: %w", err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 4<<10))
	if err != nil {
		return fmt.Errorf("not ready: %w", err)
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready: %s: %s", answer.Status, body)
	}
	_, err = fmt.Fprintln(w.stdout, "ready")
	return err
}

// local is the URL at which a gateway that listens on addr is reached from its own machine.
func local(addr string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", err
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
		if ip != nil && ip.To4() == nil {
			host = "::1"
		}
	}
	return "http://" + net.JoinHostPort(host, port), nil
}

type versionCmd struct{}

func (versionCmd) Run(w world) error {
	_, err := fmt.Fprintf(w.stdout, "tollgate %s %s %s/%s\n", buildVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}

// version is set by the linker in a release (-X main.version=v1.2.3) and never changed.
var version string

// buildVersion is the released version, or the commit that the binary was built from.
func buildVersion() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	commit, dirty := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+changes"
		}
	}
	if commit == "" {
		return "dev"
	}
	return "dev-" + commit + dirty
}
