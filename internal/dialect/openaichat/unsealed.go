package openaichat

import (
	"tollgate/internal/canon"
	"tollgate/internal/dialect/jsonfield"
	"tollgate/internal/jsonedit"
)

// maxDepth bounds the nesting of a message, as the relay does of a request.
const maxDepth = 256

// How deep seals stand: messages[0].reasoning_details, messages[0].tool_calls[0].extra_content.
const (
	detailsAt = 3
	signedAt  = 5
)

// mixedMessages returns the messages of a request if others' seals may be in them. Clients send back what they got,
// and upstreams that check a seal, or know no such member, would refuse the call for what the gateway put there.
func mixedMessages(body *jsonedit.Object) string {
	if !body.MayName(detailsAt, "reasoning_details") && !body.MayName(signedAt, "extra_content") {
		return ""
	}
	m, ok := body.Find("messages")
	if !ok || !canon.MayHoldWrapped(body.Value(m)) {
		return ""
	}
	return string(body.Value(m))
}

// Unsealed returns what Edits takes out.
func (*Protocol) Unsealed(body *jsonedit.Object) []canon.Loss {
	messages := mixedMessages(body)
	if messages == "" {
		return nil
	}
	_, lost := withoutForeignSeals(messages)
	return lost
}

// withoutForeignSeals returns messages without what another dialect's upstream has sealed, and declares it.
func withoutForeignSeals(messages string) (left string, lost []canon.Loss) {
	list, err := jsonfield.Array(messages)
	if err != nil {
		return messages, nil // the upstream says what is wrong with it
	}
	for i, message := range list {
		at := "messages" + jsonfield.Index(i)
		details, calls := memberOf(message, "reasoning_details"), memberOf(message, "tool_calls")
		if details != "" {
			alone := memberOf(message, "reasoning_content") == "" && memberOf(message, "reasoning") == ""
			own, gone := withoutDetails(details, at+".reasoning_details", alone)
			lost = append(lost, gone...)
			message = with(message, "reasoning_details", own)
		}
		if calls != "" {
			own, gone := withoutSigned(calls, at+".tool_calls")
			lost = append(lost, gone...)
			message = with(message, "tool_calls", own)
		}
		list[i] = message
	}
	return array(list), lost
}

// withoutDetails returns the entries of reasoning_details that are the dialect's own; "" if there is none left. Their text
// goes with them if it stands nowhere else.
func withoutDetails(raw, at string, alone bool) (left string, lost []canon.Loss) {
	list, err := jsonfield.Array(raw)
	if err != nil {
		return raw, nil
	}
	kept := list[:0]
	for i, entry := range list {
		if !isForeign(memberOf(entry, "signature")) && !isForeign(memberOf(entry, "data")) {
			kept = append(kept, entry)
			continue
		}
		at := at + jsonfield.Index(i)
		lost = append(lost, canon.LostAt(canon.WhatReasoningSeal, at, "it was sealed by another vendor"))
		if alone && memberOf(entry, "text") != "" {
			lost = append(lost, canon.LostAt(canon.WhatReasoningText, at, "it was sealed by another vendor"))
		}
	}
	switch len(kept) {
	case len(list):
		return raw, nil
	case 0:
		return "", lost
	}
	return array(kept), lost
}

// withoutSigned returns calls without the signatures that are not Google's.
func withoutSigned(raw, at string) (left string, lost []canon.Loss) {
	list, err := jsonfield.Array(raw)
	if err != nil {
		return raw, nil
	}
	for i, call := range list {
		if isForeign(memberOf(memberOf(memberOf(call, "extra_content"), "google"), "thought_signature")) {
			lost = append(lost, canon.LostAt(canon.WhatReasoningSeal, at+jsonfield.Index(i)+".extra_content", "it was sealed by another vendor"))
			list[i] = with(call, "extra_content", "") // the gateway put nothing else there
		}
	}
	if lost == nil {
		return raw, nil
	}
	return array(list), lost
}

// isForeign reports whether a JSON string is a seal of another dialect's upstream.
func isForeign(raw string) bool {
	seal, err := jsonfield.String(raw)
	if raw == "" || err != nil {
		return false
	}
	origin, _ := canon.UnwrapSeal(canon.OpenAIChat, seal)
	return origin != canon.OpenAIChat
}

// memberOf returns a member of a JSON object; "" if it is none or has no such member.
func memberOf(raw, name string) string {
	o, err := jsonfield.Nested(raw)
	if raw == "" || err != nil {
		return ""
	}
	return o.Find(name)
}

// with returns a JSON object whose member name has the value; "" takes it out. All other bytes stay.
func with(raw, name, value string) string {
	o, err := jsonedit.Scan([]byte(raw), maxDepth)
	if err != nil {
		return raw
	}
	edit, ok := o.Remove(name)
	if value != "" {
		edit = o.Set(name, []byte(value))
	} else if !ok {
		return raw
	}
	out, err := jsonedit.Apply([]byte(raw), edit)
	if err != nil {
		return raw
	}
	return string(out)
}

// array returns a JSON array.
func array(list []string) string {
	b := []byte{'['}
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, s...)
	}
	return string(append(b, ']'))
}
