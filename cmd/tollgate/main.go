// Command tollgate is the gateway and its tools.
//
// It owns the command line: commands, flags, signals and the exit code. What a command does is in
// internal/app and the packages below it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // budgets have calendars, and not every machine knows the zones

	"github.com/alecthomas/kong"

	"tollgate/internal/config"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1 // the command ran and could not do it
	exitUsage  = 2 // the command line or a setting is wrong; nothing was started
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the process at once: after the first, the default action is back.
	context.AfterFunc(ctx, stop)
	code := run(ctx, world{os.Args[1:], os.Environ(), os.Stdout, os.Stderr})
	stop()
	os.Exit(code)
}

// world is what a command sees of the process, so that tests can run one in their own.
type world struct {
	args    []string
	environ []string
	stdout  io.Writer
	stderr  io.Writer
}

type cli struct {
	Serve    serveCmd    `cmd:"" help:"Run the gateway."`
	Simulate simulateCmd `cmd:"" help:"Run the simulated provider as a server of its own, in all four dialects."`
	Receipt  receiptCmd  `cmd:"" help:"Recompute the receipt of a stored call and compare it with what was charged."`
	Ledger   ledgerCmd   `cmd:"" help:"Prove the ledger."`
	Journal  journalCmd  `cmd:"" help:"Repair the journal."`
	Config   configCmd   `cmd:"" help:"Check and describe the settings."`
	Health   healthCmd   `cmd:"" help:"Ask a running gateway whether it is ready; for container health checks."`
	Version  versionCmd  `cmd:"" help:"Print the version."`
}

// exit carries an exit code out of kong, which wants to end the process after --help.
type exit int

// run runs the command of w and returns the exit code.
func run(ctx context.Context, w world) (code int) {
	defer func() {
		if p := recover(); p != nil {
			e, ok := p.(exit)
			if !ok {
				panic(p)
			}
			code = int(e)
		}
	}()
	var c cli
	parser, err := kong.New(&c,
		kong.Name("tollgate"),
		kong.Description("One gateway for all AI providers: metered, multi-tenant, for OpenAI, Anthropic and Gemini clients as they are."),
		kong.Writers(w.stdout, w.stderr),
		kong.Exit(func(code int) { panic(exit(code)) }),
		kong.UsageOnError(),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(w),
	)
	if err != nil {
		fmt.Fprintln(w.stderr, "tollgate:", err)
		return exitFailed
	}
	if len(w.args) == 0 {
		w.args = []string{"--help"}
	}
	command, err := parser.Parse(w.args)
	if err != nil {
		fmt.Fprintf(w.stderr, "tollgate: %v\nTry tollgate --help.\n", err)
		return exitUsage
	}
	if err := command.Run(); err != nil {
		fmt.Fprintln(w.stderr, "tollgate:", err)
		if _, ok := errors.AsType[config.Faults](err); ok {
			return exitUsage
		}
		return exitFailed
	}
	return exitOK
}
