package anthropic_test

import (
	"os"
	"testing"

	"tollgate/internal/dialect/anthropic"
	"tollgate/internal/dialect/dialecttest"
)

func FuzzReadRequest(f *testing.F) {
	dialecttest.FuzzRequest(f, anthropic.New(), os.DirFS("testdata"))
}

func FuzzReader(f *testing.F) {
	dialecttest.FuzzReader(f, anthropic.New(), os.DirFS("testdata"))
}
