package openairesponses_test

import (
	"os"
	"testing"

	"tollgate/internal/dialect/dialecttest"
	"tollgate/internal/dialect/openairesponses"
)

func FuzzReadRequest(f *testing.F) {
	dialecttest.FuzzRequest(f, openairesponses.New(), os.DirFS("testdata"))
}

func FuzzReader(f *testing.F) {
	dialecttest.FuzzReader(f, openairesponses.New(), os.DirFS("testdata"))
}
