package openairesponses_test

import (
	"os"
	"testing"

	"tollgate/internal/dialect/dialecttest"
	"tollgate/internal/dialect/openairesponses"
)

func TestDialect(t *testing.T) {
	dialecttest.Run(t, openairesponses.New(), os.DirFS("testdata"))
}
