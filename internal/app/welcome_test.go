package app

import "testing"

func TestBaseURL(t *testing.T) {
	for addr, want := range map[string]string{
		"[::]:3000": "http://localhost:3000", "0.0.0.0:80": "http://localhost:80", "127.0.0.1:3000": "http://localhost:3000", "[::1]:3000": "http://localhost:3000",
		"192.0.2.2:3000": "http://192.0.2.2:3000", "[2001:db8::1]:3000": "http://[2001:db8::1]:3000", "127.0.0.2:1": "http://127.0.0.2:1",
	} {
		if got, err := baseURL(addr); got != want || err != nil {
			t.Errorf("%s: %s, %v", addr, got, err)
		}
	}
	if _, err := baseURL("nowhere"); err == nil {
		t.Error("no port, and no error")
	}
}
