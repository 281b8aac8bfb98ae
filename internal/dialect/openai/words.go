package openai

import (
	"strings"

	"tollgate/internal/canon"
)

// byWord is the meaning of a vendor's code or type, in lower case, that holds whatever the status.
// "" if it has none. Sources, read 2026-11-20:
// OpenAI https://developers.openai.com/api/docs/guides/error-codes and, for billing,
// https://help.openai.com/en/articles/6614457-troubleshooting-api-usage-and-spend-limits ·
// DashScope https://help.aliyun.com/en/model-studio/error-code-start · Zhipu https://docs.bigmodel.cn/cn/api/api-code (four digits) ·
// Volcengine Ark https://volcengine.com/docs/82379/1299023 (CamelCase; its limits and overload are hearsay).
// Moonshot's (…_error) and SiliconFlow's (five digits) are hearsay of clients: no document of theirs was at hand.
func byWord(word string) canon.Kind {
	switch word {
	case "invalid_api_key", "incorrect_api_key", "incorrect_api_key_error", "invalid_authentication", "invalid_authentication_error",
		"authentication_error", "account_deactivated", "access_terminated", "deactivated_workspace", "token_expired", "token_invalidated",
		"api_key_invalid", "invalidapikey", "authenticationerror", "unauthenticated", "invalid_iam_token",
		"1000", "1001", "1002", "1003", "1004", "1005", "1110", "1111", "1112", "1121":
		return canon.KindAuth
	case "insufficient_quota", "billing_not_active", "billing_hard_limit_reached", "exceeded_current_quota_error", "insufficient_balance",
		"insufficient_user_quota", "insufficient_credits", "payment_required", "arrearage", "accountoverdueerror", "quotaexceeded",
		"setlimitexceeded", "allocationquota.freetieronly",
		"credit_balance_exhausted", "organization_spend_limit_exceeded", "project_spend_limit_exceeded", "organization_usage_limit_exceeded",
		"1113", "1309", "30001":
		return canon.KindQuota
	case "rate_limit_exceeded", "rate_limit_error", "rate_limit_reached_error", "limit_requests", "limit_burst_rate", "throttling",
		"throttling.ratequota", "throttling.burstrate", "throttling.allocationquota", "too_many_requests", "resource_exhausted",
		"1302", "1303", "1304", "1308", "1310", "1313":
		return canon.KindRateLimited
	case "engine_overloaded", "engine_overloaded_error", "overloaded_error", "server_overloaded", "server_is_overloaded", "serveroverloaded",
		"capacity_exceeded", "unavailable",
		"1305", "1312", "50505":
		return canon.KindOverloaded
	case "model_not_found", "modelnotfound", "resource_not_found_error", "deploymentnotfound", "modelnotopen", "invalidendpointormodel.notfound",
		"1211", "20012":
		return canon.KindNotFound
	case "unsupported_country_region_territory", "permission_denied_error", "permission_denied", "1220", "1311":
		return canon.KindDenied
	case "context_length_exceeded", "string_above_max_length", "content_filter", "content_policy_violation", "moderation_blocked",
		"invalid_prompt", "data_inspection_failed", "datainspectionfailed", "image_content_policy_violation",
		"1210", "1213", "1214", "1215", "1261", "1301":
		return canon.KindInvalid
	case "request_timeout", "deadline_exceeded":
		return canon.KindTimeout
	}
	return ""
}

// byVagueWord is the meaning of a word where no status says more: in an answer of status 200.
func byVagueWord(word string) canon.Kind {
	switch word {
	case "slow_down": // with a status, 429 and 503 say it better
		return canon.KindOverloaded
	case "invalid_request_error", "invalid_argument", "bad_request", "invalid_image", "invalid_image_format", "invalid_base64_image",
		"invalid_image_url", "image_too_large", "image_too_small", "image_parse_error", "invalid_image_mode", "image_file_too_large",
		"unsupported_image_media_type", "empty_image_file", "failed_to_download_image", "image_file_not_found":
		return canon.KindInvalid
	case "not_found", "not_found_error":
		return canon.KindNotFound
	case "timeout", "timeout_error", "vector_store_timeout":
		return canon.KindTimeout
	}
	return ""
}

// byMessage finds who is at fault in a message, for vendors that say it nowhere else: xAI answers 400
// to a wrong key and 403 or 429 to an empty account, Google 400 to a wrong key.
// Sources: https://github.com/continuedev/continue/issues/10373 (xAI, 2026-02-09), https://github.com/Wei-Shaw/sub2api/issues/4069 (xAI, 2026-07-11).
func byMessage(low string) canon.Kind {
	for _, s := range [...]string{"incorrect api key", "api key not valid", "invalid api key"} {
		if strings.Contains(low, s) {
			return canon.KindAuth
		}
	}
	for _, s := range [...]string{
		"used all available credits", "run out of credits", "doesn't have any credits", "insufficient balance",
		"insufficient credit", "balance is insufficient", "余额不足", "账户已欠费",
	} {
		if strings.Contains(low, s) {
			return canon.KindQuota
		}
	}
	return ""
}

// minimax is the meaning of base_resp.status_code: https://platform.minimax.io/docs/api-reference/errorcode, read
// 2026-11-20 as far as 1033; the codes above it are hearsay of clients.
func minimax(code string) canon.Kind {
	switch code {
	case "1001":
		return canon.KindTimeout
	case "1002", "1041", "2045", "2056":
		return canon.KindRateLimited
	case "1004", "2049":
		return canon.KindAuth
	case "1008":
		return canon.KindQuota
	case "1026", "1027", "1039", "1042", "2013":
		return canon.KindInvalid
	}
	return canon.KindUpstream
}
