package openaichat_test

import (
	"os"
	"testing"

	"tollgate/internal/dialect/dialecttest"
	"tollgate/internal/dialect/openaichat"
)

func TestDialect(t *testing.T) {
	dialecttest.Run(t, openaichat.New(), os.DirFS("testdata"))
}
