package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
)

const understood = `understood are: nothing (SQLite in the data directory), "sqlite:PATH", "file:PATH" with SQLite's URI parameters, and "postgres://user:password@host:5432/database"`

// choose finds the engine that cfg.DSN names. Its errors show no more of the DSN than its scheme: there
// may be a password in it.
func choose(cfg Config) (func(context.Context, Config) (*Store, error), error) {
	scheme, rest, _ := strings.Cut(cfg.DSN, ":")
	switch scheme {
	case "":
		if cfg.DSN != "" {
			return nil, errors.New("the database address begins with a colon; " + understood)
		}
		if cfg.DataDir == "" {
			return nil, errors.New("neither a database address nor a data directory is set")
		}
		return openerSQLite(fileURI(filepath.Join(cfg.DataDir, "tollgate.db"))), nil
	case "sqlite", "sqlite3":
		if path, ok := strings.CutPrefix(rest, "//"); ok {
			rest = path
		}
		if rest == "" {
			return nil, errors.New("sqlite: names no file; write sqlite:PATH")
		}
		return openerSQLite(fileURI(rest)), nil
	case "file":
		if rest == "" {
			return nil, errors.New("file: names no file; write file:PATH")
		}
		return openerSQLite(cfg.DSN), nil
	case "postgres", "postgresql":
		return openPostgres, nil
	}
	if strings.Contains(cfg.DSN, "://") {
		return nil, fmt.Errorf("a database address that begins with %q is not understood; %s", scheme+"://", understood)
	}
	return nil, errors.New("the database address is not understood; " + understood)
}

// fileURI returns path as SQLite's URI, so that parameters can follow it whatever is in the name.
func fileURI(path string) string {
	return "file:" + (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath()
}
