package openai_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/openai"
)

func TestReadError(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		body   string
		want   canon.Kind
		says   string // part of the message
	}{
		{"OpenAI, wrong key", 401, `{"error":{"message":"Incorrect API key provided: sk-proj-abcdefghijkl.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}`, canon.KindAuth, "sk-***"},
		{"OpenAI, account gone", 403, `{"error":{"message":"deactivated","type":"invalid_request_error","code":"account_deactivated"}}`, canon.KindAuth, ""},
		{"OpenAI, access ended", 401, `{"error":{"message":"x","type":"access_terminated","code":null}}`, canon.KindAuth, ""},
		{"OpenAI, no money", 429, `{"error":{"message":"x","type":"insufficient_quota","code":"insufficient_quota"}}`, canon.KindQuota, ""},
		{"OpenAI, hard limit", 400, `{"error":{"message":"x","type":"invalid_request_error","code":"billing_hard_limit_reached"}}`, canon.KindQuota, ""},
		{"OpenAI, billing off", 429, `{"error":{"message":"x","type":"billing_not_active","code":"billing_not_active"}}`, canon.KindQuota, ""},
		{"OpenAI, requests a minute", 429, `{"error":{"message":"x","type":"requests","code":"rate_limit_exceeded"}}`, canon.KindRateLimited, ""},
		{"OpenAI, context", 400, `{"error":{"message":"This model's maximum context length is 128000 tokens.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}`, canon.KindInvalid, "128000"},
		{"OpenAI, model", 404, `{"error":{"message":"The model x does not exist","type":"invalid_request_error","param":null,"code":"model_not_found"}}`, canon.KindNotFound, ""},
		{"OpenAI, region", 403, `{"error":{"message":"x","type":"request_forbidden","code":"unsupported_country_region_territory"}}`, canon.KindDenied, ""},
		{"OpenAI, overloaded", 503, `{"error":{"message":"x","type":"server_error","code":null}}`, canon.KindOverloaded, ""},
		{"OpenAI, no credit", 429, `{"error":{"message":"x","type":"insufficient_quota","code":"credit_balance_exhausted"}}`, canon.KindQuota, ""},
		{"OpenAI, spend limit", 429, `{"error":{"message":"x","type":"billing","code":"project_spend_limit_exceeded"}}`, canon.KindQuota, ""},
		{"OpenAI, too fast", 429, `{"error":{"message":"x","type":"rate_limit_error","code":"slow_down"}}`, canon.KindRateLimited, ""},
		{"OpenAI, slow down", 503, `{"error":{"message":"x","type":"server_error","code":"slow_down"}}`, canon.KindOverloaded, ""},
		{"OpenAI, broken", 500, `{"error":{"message":"x","type":"server_error","code":null}}`, canon.KindUpstream, ""},
		{"OpenAI, conflict", 409, `{"error":{"message":"x"}}`, canon.KindUpstream, ""},
		{"timeout", 408, ``, canon.KindTimeout, "without a message"},
		{"too large", 413, ``, canon.KindTooLarge, ""},
		{"Cloudflare", 524, `<html><title>524: A timeout occurred</title>`, canon.KindTimeout, "A timeout occurred"},
		{"Cloudflare's shape of 529", 529, `{"error":"overloaded"}`, canon.KindOverloaded, "overloaded"},
		{"DeepSeek, no money", 402, `{"error":{"message":"Insufficient Balance","type":"unknown_error","param":null,"code":"invalid_request_error"}}`, canon.KindQuota, ""},
		{"Moonshot, no money", 429, `{"error":{"message":"suspended","type":"exceeded_current_quota_error"}}`, canon.KindQuota, ""},
		{"Moonshot, busy", 429, `{"error":{"message":"busy","type":"engine_overloaded_error"}}`, canon.KindOverloaded, ""},
		{"DashScope, no money", 400, `{"error":{"code":"Arrearage","message":"Access denied"}}`, canon.KindQuota, ""},
		{"DashScope, tokens a minute under a wrong name", 429, `{"error":{"code":"insufficient_quota","message":"Allocated quota exceeded, please increase your quota limit."}}`, canon.KindRateLimited, ""},
		{"DashScope's own shape", 401, `{"code":"InvalidApiKey","message":"Invalid API-key provided.","request_id":"1"}`, canon.KindAuth, ""},
		{"Zhipu, no money", 429, `{"error":{"code":"1113","message":"x"}}`, canon.KindQuota, ""},
		{"Zhipu, busy", 429, `{"error":{"code":"1305","message":"x"}}`, canon.KindOverloaded, ""},
		{"Zhipu, unsafe", 400, `{"error":{"code":"1301","message":"x"},"contentFilter":[]}`, canon.KindInvalid, ""},
		{"SiliconFlow, no money", 403, `{"code":30001,"message":"Sorry, your account balance is insufficient","data":null}`, canon.KindQuota, ""},
		{"Ark, no money", 403, `{"error":{"code":"AccountOverdueError","message":"x","type":"Forbidden"}}`, canon.KindQuota, ""},
		{"MiniMax", 401, `{"base_resp":{"status_code":2049,"status_msg":"invalid api key"}}`, canon.KindAuth, "invalid api key"},
		{"xAI, wrong key", 400, `{"code":"Client specified an invalid argument","error":"Incorrect API key provided: xa***23."}`, canon.KindAuth, ""},
		{"xAI, no money", 403, `{"code":"permission-denied","error":"Your team has either used all available credits or reached its monthly spending limit."}`, canon.KindQuota, ""},
		{"OpenRouter, flagged", 403, `{"error":{"code":403,"message":"flagged","metadata":{"reasons":["violence"],"flagged_input":"x"}}}`, canon.KindInvalid, "flagged"},
		{"OpenRouter, no money", 402, `{"error":{"code":402,"message":"Insufficient credits"}}`, canon.KindQuota, ""},
		{"Google's compatible endpoint", 400, `[{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT"}}]`, canon.KindAuth, "API key not valid"},
		{"Google, limit", 429, `[{"error":{"code":429,"message":"You exceeded your current quota","status":"RESOURCE_EXHAUSTED"}}]`, canon.KindRateLimited, ""},
		{"Azure, deployment", 404, `{"error":{"code":"DeploymentNotFound","message":"x"}}`, canon.KindNotFound, ""},
		{"Azure, filter", 400, `{"error":{"message":"filtered","type":null,"param":"prompt","code":"content_filter","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation"}}}`, canon.KindInvalid, ""},
		{"vLLM", 400, `{"object":"error","message":"too long","type":"BadRequestError","param":null,"code":400}`, canon.KindInvalid, "too long"},
		{"vLLM, path", 404, `{"detail":"Not Found"}`, canon.KindNotFound, "Not Found"},
		{"FastAPI", 422, `{"detail":[{"loc":["body","model"],"msg":"field required"}]}`, canon.KindInvalid, "field required"},
		{"Cohere", 401, `{"message":"invalid api token"}`, canon.KindAuth, "invalid api token"},
		{"plain text", 502, "upstream connect error or disconnect", canon.KindUpstream, "upstream connect error"},
		{"a string", 500, `"boom"`, canon.KindUpstream, "boom"},
		{"a method that is none", 405, `{"error":"Method Not Allowed"}`, canon.KindNotFound, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := openai.ReadError(c.status, http.Header{}, []byte(c.body))
			if e.Kind != c.want || e.Status != c.status || !strings.Contains(e.Message, c.says) {
				t.Errorf("got %s %d %q, want %s %d with %q", e.Kind, e.Status, e.Message, c.want, c.status, c.says)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		h      map[string]string
		body   string
		want   time.Duration
	}{
		{"seconds", 429, map[string]string{"Retry-After": "7"}, "", 7 * time.Second},
		{"fractions", 429, map[string]string{"Retry-After": "1.5"}, "", 1500 * time.Millisecond},
		{"a date", 503, map[string]string{"Retry-After": "Fri, 20 Nov 2026 21:00:30 GMT", "Date": "Fri, 20 Nov 2026 21:00:00 GMT"}, "", 30 * time.Second},
		{"a date that is over", 503, map[string]string{"Retry-After": "Fri, 20 Nov 2026 20:00:00 GMT", "Date": "Fri, 20 Nov 2026 21:00:00 GMT"}, "", 0},
		{"milliseconds win", 429, map[string]string{"Retry-After-Ms": "250", "Retry-After": "1"}, "", 250 * time.Millisecond},
		{"negative", 429, map[string]string{"Retry-After": "-7"}, "", 0},
		{"endless", 429, map[string]string{"Retry-After": "1e300"}, "", 24 * time.Hour},
		{"nonsense", 429, map[string]string{"Retry-After": "soon"}, "", 0},
		{"the message", 429, nil, `{"error":{"message":"Please try again in 1m30.5s."}}`, 90500 * time.Millisecond},
		{"the limit that was met", 429, map[string]string{"X-Ratelimit-Remaining-Requests": "3", "X-Ratelimit-Reset-Requests": "6m0s", "X-Ratelimit-Remaining-Tokens": "0", "X-Ratelimit-Reset-Tokens": "20ms"}, "", 20 * time.Millisecond},
		{"neither known to be met", 429, map[string]string{"X-Ratelimit-Reset-Requests": "1s", "X-Ratelimit-Reset-Tokens": "6m0s"}, "", 6 * time.Minute},
		{"no limit, so its reset says nothing", 500, map[string]string{"X-Ratelimit-Reset-Requests": "1s"}, "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := http.Header{}
			for k, v := range c.h {
				h.Set(k, v)
			}
			if e := openai.ReadError(c.status, h, []byte(c.body)); e.RetryAfter != c.want {
				t.Errorf("got %v, want %v", e.RetryAfter, c.want)
			}
		})
	}
}

func TestScrub(t *testing.T) {
	const in = "key sk-proj-AbC123def456 of org-AbCdEf123456, task-force and risk-averse, org-x; xai-0123456789abcdef"
	const want = "key sk-*** of org-***, task-force and risk-averse, org-x; xai-***"
	if got := openai.Scrub(in); got != want {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if got := openai.Scrub(strings.Repeat("é", 5000) + "\xff"); len(got) > 2100 || !strings.HasSuffix(got, "é…") {
		t.Errorf("a long message is %d bytes and ends in %q", len(got), got[len(got)-8:])
	}
}
