package config

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// Whatever stands in the file, Load returns a configuration or faults that can be shown.
func FuzzFile(f *testing.F) {
	f.Add(Example)
	f.Add("a: &x [*x]\nmodels: *x\n")
	f.Add("channels: [{<<: {name: a}}]\nmodel_mapper: {a: b}\n")
	f.Add("init_keys: [sk-a::https://a.example, b::c]\nadmin_key: sk a")
	path := filepath.Join(f.TempDir(), "t.yaml")
	f.Fuzz(func(t *testing.T, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := Load(Source{File: path})
		if err == nil {
			if cfg.Listen == "" || cfg.MaxBodyBytes <= 0 {
				t.Errorf("an unusable configuration: %+v", cfg)
			}
			return
		}
		faults, ok := errors.AsType[Faults](err)
		if !ok || len(faults) == 0 {
			t.Fatalf("%T is not faults", err)
		}
		for _, fault := range faults {
			if fault.Where == "" || fault.Name == "" || fault.Why == "" {
				t.Errorf("half a fault: %+v", fault)
			}
		}
	})
}
