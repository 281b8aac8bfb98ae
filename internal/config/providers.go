package config

import "tollgate/internal/provider"

// providers are the vendors that a channel may name and whose key variables become channels.
func providers() []provider.Provider {
	return []provider.Provider{
		{Name: "openai", Base: "https://api.openai.com", Env: "OPENAI_API_KEY"},
		{Name: "anthropic", Base: "https://api.anthropic.com", Env: "ANTHROPIC_API_KEY"},
		{Name: "gemini", Base: "https://generativelanguage.googleapis.com", Env: "GEMINI_API_KEY"},
		{Name: "ollama", Base: "http://127.0.0.1:11434", Keyless: true},
		{Name: "openai-compatible"},
	}
}
