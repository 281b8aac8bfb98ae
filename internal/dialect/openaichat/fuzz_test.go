package openaichat_test

import (
	"os"
	"testing"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/dialecttest"
	"tollgate/internal/dialect/openaichat"
)

func FuzzReadRequest(f *testing.F) {
	dialecttest.FuzzRequest(f, openaichat.New(), canon.OpGenerate, os.DirFS("testdata"))
}

func FuzzReader(f *testing.F) {
	dialecttest.FuzzReader(f, openaichat.New(), os.DirFS("testdata"))
}
