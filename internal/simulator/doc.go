// Package simulator is a faithful offline upstream in four wire dialects: OpenAI Chat Completions
// (with completions, embeddings and moderations), OpenAI Responses, Anthropic Messages and Gemini.
//
// It owns the vendors' side of the wire: request checks, answers, streams, errors, prompt caches,
// signatures, stored responses, and a count of every call it served, so that a ledger can be compared
// with it. It leaves listening to its caller, and it shares no code with the gateway's own dialects on
// purpose: an independent reading of the same documents catches mistakes that shared code would repeat.
//
// # Content
//
// An answer follows from the request alone: the same request gets the same words (ids and times
// differ). It echoes what follows "echo:" in the last user message, and otherwise takes sentences
// from a fixed text. Output limits, stop sequences, n, JSON schemas and tools are honoured. With tools
// on offer and a user message last, it calls one (several when the prompt says "parallel"); given a
// tool's result it answers with words that quote it. A token is four bytes of text, rounded up.
//
// # Behaviours
//
// A model is FAMILY[+word[=value]]..., for example "sim-gpt+slow=20ms+events=100". The header
// X-Simulate carries the same words without a family. An upstream key carries them between dashes,
// digits attached: "sk-fail500-1", "sk-a-cut0-b", "sk-slow-1", "sk-ratelimit-9", "sk-invalid-2",
// "sk-quota-3"; "-slow-" delays the first byte as well. Durations take a unit ("20ms"); bare digits are milliseconds. Events are the frames of
// a stream, counted from 1, the opening ones included.
//
//	slow=DUR         pause between events
//	first=DUR        pause before the first byte
//	hang[=N]         headers (and N events), then nothing until the client leaves
//	cut=N            connection reset after N events; cut=0 after the headers
//	cutsetup         connection reset after the opening events, before any content
//	cutbody          plain answers: Content-Length promises more than is sent
//	garble=N         event N (plain answers: the body) is not JSON
//	html             200 with an HTML page
//	empty            200 with an empty body, or a stream that ends with no event
//	nodone           the stream ends without its terminal mark
//	inband[=N]       200, then an error inside: as the body, or as an event after N events
//	status=CODE      that status with the vendor's body
//	retryafter=SEC   429 with Retry-After
//	ratelimit        429 without Retry-After
//	overloaded       the vendor's "overloaded" answer
//	invalidkey       the vendor's "wrong key" answer
//	quota            the vendor's "out of money" answer
//	nomodel          the vendor's "no such model" answer
//	nousage          no usage anywhere
//	wrongusage       usage whose sums contradict each other
//	events=N         N content events, whatever the limits
//	size=N           N bytes of content an event
//	big=N            the first content event (or the body) carries N bytes more
//	echo             the answer is the last user text
//	reasoning        thinks before it answers, asked or not
//	reasoningtext    chat: thinking as delta.reasoning_content, as DeepSeek does
//	cached[=N]       N prompt tokens (default half) count as read from the cache
//	cachewrite[=N]   Anthropic: N prompt tokens count as written for 5 minutes
//	cachewrite1h[=N] Anthropic: N prompt tokens count as written for 1 hour
//	tools=N          N parallel tool calls
//	notools          never calls a tool unless forced
//	gzip             answers gzip although not asked
//	flap=N           every Nth call of a key and model fails with 500
//	redirect         307 to /sim/redirected, which counts who follows
//	hugeheaders[=N]  N bytes of headers (default 262144)
//	trailers         HTTP trailers after the body
//	lax              accepts unknown request members
//
// # Counting
//
// GET /sim/calls?since=N gives the calls after sequence number N as JSON lines, GET /sim/stats totals
// by key and status, DELETE /sim/calls forgets both. These three need no key.
package simulator
