package gemini

import (
	"os"
	"testing"

	"tollgate/internal/dialect/dialecttest"
)

func TestDialect(t *testing.T) { dialecttest.Run(t, New(), os.DirFS("testdata")) }
