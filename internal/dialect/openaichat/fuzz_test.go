package openaichat_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/tools/txtar"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/dialecttest"
	"tollgate/internal/dialect/openaichat"
	"tollgate/internal/jsonedit"
)

func FuzzReadRequest(f *testing.F) {
	dialecttest.FuzzRequest(f, openaichat.New(), os.DirFS("testdata"))
}

func FuzzReader(f *testing.F) {
	dialecttest.FuzzReader(f, openaichat.New(), os.DirFS("testdata"))
}

// FuzzWriteRequest writes whatever can be read, at home and as if it came from elsewhere.
func FuzzWriteRequest(f *testing.F) {
	for _, dir := range []string{"write", "feature"} {
		files, err := filepath.Glob(filepath.Join("testdata", dir, "*"))
		if err != nil {
			f.Fatal(err)
		}
		for _, name := range files {
			raw, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			for _, part := range txtar.Parse(raw).Files {
				if part.Name == "client.json" {
					raw = part.Data
				}
			}
			f.Add(bytes.TrimSpace(raw), byte(0))
		}
	}
	ops := []canon.Op{canon.OpGenerate, canon.OpComplete, canon.OpEmbed}
	f.Fuzz(func(t *testing.T, raw []byte, n byte) {
		if _, err := jsonedit.Scan(raw, 100); err != nil {
			return
		}
		op := ops[int(n)%len(ops)]
		p := openaichat.New()
		for _, origin := range []canon.Dialect{canon.OpenAIChat, canon.Gemini} {
			req, err := p.ReadRequest(op, raw)
			if err != nil {
				return
			}
			if p.Refuse(op, req) != nil {
				return
			}
			req.Origin = origin
			canon.Pair(req)
			to := dialect.Target{Op: op, Model: "m", Stream: n&4 != 0}
			if op == canon.OpComplete {
				to.Op = canon.OpGenerate
			}
			out, lost, e := p.WriteRequest(req, to)
			if e != nil {
				continue
			}
			if _, err := jsonedit.Scan(out, 100); err != nil {
				t.Fatalf("%v\n%s\n%s", err, raw, out)
			}
			again, err := p.ReadRequest(to.Op, out)
			if err != nil {
				t.Fatalf("%v\n%s\n%s", err, raw, out)
			}
			if origin == canon.OpenAIChat && op == canon.OpGenerate && (len(again.Turns) != len(req.Turns) || len(lost) > 0 && len(req.Extra) == 0) {
				t.Fatalf("%d turns became %d, losses %v\n%s\n%s", len(req.Turns), len(again.Turns), lost, raw, out)
			}
		}
	})
}
