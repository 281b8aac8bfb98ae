// Package gemini speaks the Gemini API of Google.
//
// It owns the wire format of generateContent and its streamed form, countTokens, embedContent,
// batchEmbedContents and the model list, on both sides: what a client sends and sees, what an upstream
// answers and how it fails. It leaves transport, retries and the choice of a channel to relay, keys
// and URLs to provider.
//
// How canon is used, where there was a choice:
//
//   - A thoughtSignature on a part that is no thought is a Reasoning without text before that part, to
//     which it belongs; on a thought it is the Seal of that thought. At home it goes back to its place.
//     What another dialect thought travels in signatures too: see seal.go.
//   - Members of a part that say nothing alone (videoMetadata, mediaResolution …) follow it as a Foreign;
//     so does what is unknown within a call, a response or media, as a part that holds nothing else.
//   - A function's response that is no more than the text of "output" or "error" is that text; else it is
//     a Text that holds its JSON. Its parts follow as Media.
//   - Extra fields carry the path of what they hold in camel case: "generationConfig.speechConfig".
//   - parameters and responseSchema are written in Google's own dialect of OpenAPI; their Schema in
//     canon is JSON Schema, which is what everybody else reads.
//
// Google's JSON accepts each name in camelCase and in snake_case. Both are read here; a name written
// in both at once is refused where we act on it, because another parser could take the other one.
//
// Source of all wire facts unless another is named: https://ai.google.dev/api/generate-content and the
// types of google.golang.org/genai v1.77.0, read 2026-11-20.
package gemini

import (
	"net/http"
	"strings"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/jsonedit"
)

// Protocol is the Gemini dialect. It holds no state.
type Protocol struct{}

var _ dialect.Protocol = (*Protocol)(nil)

// New returns the dialect.
func New() *Protocol { return &Protocol{} }

// Dialect returns canon.Gemini.
func (*Protocol) Dialect() canon.Dialect { return canon.Gemini }

// Endpoints lists what is served. The last segments of a POST are MODEL:ACTION, which a ServeMux
// pattern can't take apart, so one pattern stands for all actions and Head tells the operation. The
// paths of models below /v1 are OpenAI's and Anthropic's too; the server chooses by the headers.
func (*Protocol) Endpoints() []dialect.Endpoint {
	var eps []dialect.Endpoint
	add := func(method, path string, op canon.Op) {
		eps = append(eps, dialect.Endpoint{Method: method, Path: path, Op: op, Dialect: canon.Gemini})
	}
	for _, version := range [...]string{"/v1beta", "/v1"} {
		add(http.MethodPost, version+"/models/{rest...}", canon.OpGenerate)
		add(http.MethodPost, version+"/tunedModels/{rest...}", canon.OpGenerate)
		add(http.MethodGet, version+"/models", canon.OpListModels)
		add(http.MethodGet, version+"/models/{model...}", canon.OpGetModel)
	}
	return eps
}

// RequestHeaders is empty. x-goog-api-client and x-goog-user-project name the client's library and the
// project that pays: the first is telemetry, the second ours to choose.
func (*Protocol) RequestHeaders() []string { return nil }

// actions are the methods of a model that are served.
var actions = [...]struct {
	name   string
	op     canon.Op
	stream bool
}{
	{"generateContent", canon.OpGenerate, false},
	{"streamGenerateContent", canon.OpGenerate, true},
	{"countTokens", canon.OpCountTokens, false},
	{"embedContent", canon.OpEmbed, false},
	{"batchEmbedContents", canon.OpBatchEmbed, false},
}

// Head reads model and operation from the path, the framing from the query, and the limits of output
// from the body.
func (*Protocol) Head(ep dialect.Endpoint, r *http.Request, body *jsonedit.Object) (dialect.Head, *canon.Error) {
	head := dialect.Head{Op: ep.Op, Choices: 1}
	if ep.Op == canon.OpListModels || ep.Op == canon.OpGetModel {
		head.Model = strings.TrimPrefix(r.PathValue("model"), "models/")
		return head, nil
	}
	if bad := readPath(&head, ep, r); bad != nil {
		return head, bad
	}
	if body == nil {
		return head, canon.Errorf(canon.KindInvalid, "a JSON object is needed as the body")
	}
	if bad := readLimits(&head, body); bad != nil {
		return head, bad
	}
	refs, bad := modelRefs(body)
	if bad != nil {
		return head, bad
	}
	for _, ref := range refs {
		if strings.TrimPrefix(ref.model, "models/") != head.Model {
			return head, invalid(ref.path, "names the model %q, the path %q; write the same or leave it out", ref.model, head.Model)
		}
	}
	if bad := guard(&head, body); bad != nil {
		return head, bad
	}
	stats := body.Stats()
	head.TextBytes, head.MediaParts = stats.TextBytes, stats.MediaParts
	return head, nil
}

// readPath reads MODEL:ACTION and how to frame a stream. An action that is not served is never run as
// another one.
func readPath(head *dialect.Head, ep dialect.Endpoint, r *http.Request) *canon.Error {
	rest := r.PathValue("rest")
	model, action, ok := rest, "", false
	if at := strings.LastIndexByte(rest, ':'); at >= 0 {
		model, action, ok = rest[:at], rest[at+1:], true
	}
	if !ok || model == "" {
		return canon.Errorf(canon.KindNotFound, "the path must end with MODEL:METHOD, as in %s/gemini-3-flash:generateContent", strings.TrimSuffix(ep.Path, "/{rest...}"))
	}
	head.Op = ""
	for _, a := range actions {
		if a.name == action {
			head.Op, head.Stream = a.op, a.stream
		}
	}
	if head.Op == "" {
		return canon.Errorf(canon.KindNotFound, "the method %q is not served here; served are generateContent, streamGenerateContent, countTokens, embedContent and batchEmbedContents", action)
	}
	if strings.Contains(ep.Path, "/tunedModels/") {
		model = "tunedModels/" + model
	}
	head.Model = strings.TrimPrefix(model, "models/")
	if !head.Stream {
		return nil
	}
	alt := r.URL.Query()["alt"]
	alt = append(alt, r.URL.Query()["$alt"]...)
	switch {
	case len(alt) > 1:
		return invalid("alt", "is given more than once")
	case len(alt) == 0, alt[0] == "json", alt[0] == "":
		head.Framing = dialect.FramingJSONArray
	case alt[0] == "sse":
		head.Framing = dialect.FramingSSE
	default:
		return invalid("alt", "must be \"sse\" or \"json\"")
	}
	return nil
}

// readLimits reads how much may be answered.
func readLimits(head *dialect.Head, body *jsonedit.Object) *canon.Error {
	config, bad := nested(body, "", "generationConfig", "generation_config")
	if bad != nil || config == nil {
		return bad
	}
	n, bad := limit(config, "maxOutputTokens", "max_output_tokens")
	if bad != nil {
		return bad
	}
	head.MaxOutput = n
	if n, bad = limit(config, "candidateCount", "candidate_count"); bad != nil {
		return bad
	}
	head.Choices = max(1, int(n))
	image, bad := nested(config, "generationConfig.", "imageConfig", "image_config")
	if bad != nil || image == nil {
		return bad
	}
	head.ImageSize, bad = imageSize(image)
	return bad
}

// imageSize reads the size that images shall have, which their price may depend on; "" is "not said".
func imageSize(config *jsonedit.Object) (string, *canon.Error) {
	const path = "generationConfig.imageConfig."
	name, bad := spelling(config, path, "imageSize", "image_size")
	if bad != nil || name == "" {
		return "", bad
	}
	size, _, err := config.String(name)
	if err != nil {
		return "", invalid(path+"imageSize", "must be a string")
	}
	return size, nil
}

// limit reads a count in a generationConfig; 0 is "not said". Google's JSON takes integers in quotes too.
func limit(config *jsonedit.Object, camel, snake string) (int64, *canon.Error) {
	name, bad := spelling(config, "generationConfig.", camel, snake)
	if bad != nil || name == "" {
		return 0, bad
	}
	n, _, err := config.Int(name)
	if err != nil {
		if s, ok, serr := config.String(name); serr == nil && ok {
			n, err = quotedInt(s)
		}
	}
	if err != nil || n < 0 || n > 1<<31-1 {
		return 0, invalid("generationConfig."+camel, "must be an integer of at least 0")
	}
	return n, nil
}

// nested returns the object that is called camel or snake; nil if there is none.
func nested(body *jsonedit.Object, path, camel, snake string) (*jsonedit.Object, *canon.Error) {
	name, bad := spelling(body, path, camel, snake)
	if bad != nil || name == "" {
		return nil, bad
	}
	o, ok, err := body.Object(name)
	if err != nil {
		return nil, invalid(path+camel, "must be an object")
	}
	if !ok {
		return nil, nil
	}
	return o, nil
}

// spelling returns the name under which o has the member, "" if it has none. Both spellings at once,
// or one that differs by case, is what two parsers read differently.
func spelling(o *jsonedit.Object, path, camel, snake string) (string, *canon.Error) {
	for _, name := range [...]string{camel, snake} {
		if m, ok := o.Variant(name); ok {
			return "", invalid(path+m.Name, "is not a field; it must be written %q", name)
		}
	}
	_, c := o.Find(camel)
	_, s := o.Find(snake)
	switch {
	case camel != snake && c && s:
		return "", invalid(path+camel, "is given twice, also as %q", snake)
	case c:
		return camel, nil
	case s:
		return snake, nil
	}
	return "", nil
}

// Edits changes the model where the body names it; the path is the provider's.
func (*Protocol) Edits(head dialect.Head, body *jsonedit.Object, upstreamModel string) ([]jsonedit.Edit, error) {
	if body == nil || upstreamModel == head.Model {
		return nil, nil
	}
	refs, bad := modelRefs(body)
	if bad != nil {
		return nil, bad
	}
	edits := make([]jsonedit.Edit, 0, len(refs))
	for _, ref := range refs {
		name := strings.TrimPrefix(upstreamModel, "models/")
		if strings.HasPrefix(ref.model, "models/") {
			name = "models/" + name
		}
		edits = append(edits, jsonedit.Edit{Start: ref.start, End: ref.end, New: jsonedit.Quote(name)})
	}
	return edits, nil
}

// modelRef is a place in the body that names the model.
type modelRef struct {
	path       string
	model      string
	start, end int // of the value, counted as the scanned bytes are
}

// modelRefs finds the model in the body: at its top, in the generateContentRequest of countTokens and
// in each of the requests of batchEmbedContents.
func modelRefs(body *jsonedit.Object) ([]modelRef, *canon.Error) {
	refs, bad := modelRefsOf(nil, body, "")
	if bad != nil {
		return nil, bad
	}
	inner, bad := nested(body, "", "generateContentRequest", "generate_content_request")
	if bad != nil {
		return nil, bad
	}
	if inner != nil {
		if refs, bad = modelRefsOf(refs, inner, "generateContentRequest."); bad != nil {
			return nil, bad
		}
	}
	name, bad := spelling(body, "", "requests", "requests")
	if bad != nil || name == "" {
		return refs, bad
	}
	m, _ := body.Find(name)
	return modelRefsOfList(refs, body.Value(m), m.Start)
}

func modelRefsOf(refs []modelRef, o *jsonedit.Object, path string) ([]modelRef, *canon.Error) {
	if _, bad := spelling(o, path, "model", "model"); bad != nil {
		return nil, bad
	}
	model, ok, err := o.String("model")
	if err != nil {
		return nil, invalid(path+"model", "must be a string")
	}
	if !ok {
		return refs, nil
	}
	m, _ := o.Find("model")
	return append(refs, modelRef{path: path + "model", model: model, start: m.Start, end: m.End}), nil
}

// modelRefsOfList finds the models in an array of requests that begins at offset.
func modelRefsOfList(refs []modelRef, list []byte, offset int) ([]modelRef, *canon.Error) {
	if list[0] == 'n' {
		return refs, nil
	}
	if list[0] != '[' && list[0] != '{' {
		return nil, invalid("requests", "must be an array of objects")
	}
	var bad *canon.Error
	i := -1
	each(list, func(request []byte, at int) bool {
		i++
		path := "requests" + index(i) + "."
		if request[0] != '{' {
			bad = invalid(strings.TrimSuffix(path, "."), "must be an object")
			return false
		}
		// The scan has passed these bytes; a second one gives their members' places.
		o, err := jsonedit.Scan(request, maxDepth)
		if err != nil {
			bad = invalid(strings.TrimSuffix(path, "."), "can't be read: %v", err)
			return false
		}
		from := len(refs)
		if refs, bad = modelRefsOf(refs, o, path); bad != nil {
			return false
		}
		for j := from; j < len(refs); j++ {
			refs[j].start += offset + at
			refs[j].end += offset + at
		}
		return true
	})
	return refs, bad
}

func invalid(param, format string, args ...any) *canon.Error {
	e := canon.Errorf(canon.KindInvalid, format, args...)
	e.Param = param
	e.Message = param + " " + e.Message
	return e
}
