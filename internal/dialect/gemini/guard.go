package gemini

import (
	"strings"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/jsonfield"
	"tollgate/internal/dialect/jsonpull"
	"tollgate/internal/jsonedit"
)

// Where the names below can stand, in depth: those of a tool in tools (3) or in a generateContentRequest
// (4), fileUri in a part of embedContent (5) up to one of a function's response in countTokens (10), with
// a single object wherever a list is due.
const (
	toolFrom, toolTo = 2, 5
	fileFrom, fileTo = 3, 12
)

// guard finds what a request names beside its model: caches, files, stores, templates and voices that an
// upstream account keeps (Refs), and further models (Also). The usual request has none of the names, and
// that is all that is looked at. What lets Google choose a model is refused.
//
// Files of Cloud Storage are read with the account's rights, so they count; pages, YouTube's videos and
// files of others, which anybody may name, do not. Source: every member of a request in the types of
// google.golang.org/genai v1.77.0 that is a resource name, read 2026-11-21.
func guard(head *dialect.Head, body *jsonedit.Object) *canon.Error {
	g := guardWalk{head: head}
	if bad := g.top(body, ""); bad != nil {
		return bad
	}
	inner, bad := nested(body, "", "generateContentRequest", "generate_content_request")
	if bad != nil {
		return bad
	}
	if inner != nil {
		if bad := g.top(inner, "generateContentRequest."); bad != nil {
			return bad
		}
	}
	if body.MayNameAmong(fileFrom, fileTo, "fileUri", "file_uri") ||
		body.MayNameAmong(toolFrom, toolTo, "fileSearch", "file_search", "retrieval", "authConfig", "auth_config") {
		p := jsonpull.NewString(string(body.Raw()))
		g.body(&p)
	}
	return g.bad
}

// guardWalk goes through a request.
type guardWalk struct {
	head *dialect.Head
	path []string // with their dots
	bad  *canon.Error
}

func (g *guardWalk) ref(path, id string) {
	g.head.Refs = append(g.head.Refs, dialect.Ref{Path: path, ID: id})
}

// top looks at the members of a request that stand at its top, and of generationConfig.
func (g *guardWalk) top(body *jsonedit.Object, path string) *canon.Error {
	name, bad := spelling(body, path, "cachedContent", "cached_content")
	if bad != nil {
		return bad
	}
	if name != "" {
		id, ok, err := body.String(name)
		if err != nil {
			return invalid(path+"cachedContent", "must be a string")
		}
		if ok && id != "" {
			g.ref(path+"cachedContent", id)
		}
	}
	armor, bad := nested(body, path, "modelArmorConfig", "model_armor_config")
	if bad != nil {
		return bad
	}
	if armor != nil {
		if bad := g.members(string(armor.Raw()), path+"modelArmorConfig", g.ref); bad != nil {
			return bad
		}
	}
	for _, name := range [...]string{
		"routingConfig", "routing_config", "modelConfig", "model_config", "modelSelectionConfig", "model_selection_config", "speechConfig", "speech_config",
	} {
		if !body.MayName(2, name) {
			continue
		}
		config, bad := nested(body, path, "generationConfig", "generation_config")
		if bad != nil || config == nil {
			return bad
		}
		return g.config(config, path+"generationConfig.")
	}
	return nil
}

func (g *guardWalk) config(config *jsonedit.Object, path string) *canon.Error {
	for _, names := range [...][2]string{{"modelConfig", "model_config"}, {"modelSelectionConfig", "model_selection_config"}} {
		if name, bad := spelling(config, path, names[0], names[1]); bad != nil || name != "" {
			return invalid(path+names[0], "lets Google choose the model, which can't be checked here; name one")
		}
	}
	routing, bad := nested(config, path, "routingConfig", "routing_config")
	if bad != nil {
		return bad
	}
	if routing != nil {
		manual, bad := nested(routing, path+"routingConfig.", "manualMode", "manual_mode")
		if bad != nil {
			return bad
		}
		if manual == nil || len(routing.Members()) != 1 {
			return invalid(path+"routingConfig", "must name its model (manualMode): which one Google would choose can't be checked here")
		}
		also := func(at, id string) { g.head.Also = append(g.head.Also, dialect.Ref{Path: at, ID: id}) }
		if bad := g.members(string(manual.Raw()), path+"routingConfig.manualMode", also); bad != nil {
			return bad
		}
	}
	speech, bad := nested(config, path, "speechConfig", "speech_config")
	if bad != nil || speech == nil {
		return bad
	}
	g.path = append(g.path[:0], path+"speechConfig")
	p := jsonpull.NewString(string(speech.Raw()))
	g.strings(&p, func(name, value string) bool {
		return strings.HasPrefix(strings.ToLower(name), "voice") && strings.Contains(value, "/")
	})
	g.path = g.path[:0]
	return g.bad
}

// members gives each member of the object to add; all of them must be strings.
func (g *guardWalk) members(object, path string, add func(path, id string)) *canon.Error {
	o, err := fields(object)
	if err != nil {
		return invalid(path, "can't be read")
	}
	for _, m := range o {
		s, err := jsonfield.String(m.Raw)
		if err != nil {
			return invalid(path+"."+m.Name, "must be a string")
		}
		add(path+"."+m.Name, s)
	}
	return nil
}

// within walks on one step deeper.
func (g *guardWalk) within(step string, walk func()) {
	g.path = append(g.path, step)
	walk()
	g.path = g.path[:len(g.path)-1]
}

// each walks the elements of a list, or the one object that stands for it.
func (g *guardWalk) each(p *jsonpull.Parser, walk func()) {
	if p.Kind() != '[' {
		walk()
		return
	}
	p.Array()
	for i := 0; p.Element(); i++ {
		g.within(index(i), walk)
	}
}

// member walks each member of an object by its name in camel case.
func (g *guardWalk) member(p *jsonpull.Parser, walk func(name string)) {
	if !p.Object() {
		return
	}
	for p.Member() {
		name := camel(p.Name)
		step := "." + name
		if len(g.path) == 0 {
			step = name
		}
		g.within(step, func() { walk(name) })
	}
}

// body walks a request, or one of a batch.
func (g *guardWalk) body(p *jsonpull.Parser) {
	g.member(p, func(name string) {
		switch name {
		case "contents":
			g.each(p, func() { g.content(p) })
		case "content", "systemInstruction":
			g.content(p)
		case "requests":
			g.each(p, func() { g.body(p) })
		case "generateContentRequest":
			g.body(p)
		case "tools":
			g.each(p, func() { g.tool(p) })
		default:
			p.Skip()
		}
	})
}

func (g *guardWalk) content(p *jsonpull.Parser) {
	g.member(p, func(name string) {
		if name == "parts" {
			g.each(p, func() { g.part(p) })
		} else {
			p.Skip()
		}
	})
}

// part walks a part. Calls, and the object that a function answers with, are words that name nothing.
func (g *guardWalk) part(p *jsonpull.Parser) {
	g.member(p, func(name string) {
		switch name {
		case "text", "inlineData", "functionCall", "toolCall", "toolResponse", "executableCode", "codeExecutionResult", "partMetadata":
			p.Skip()
		case "functionResponse":
			g.content(p)
		default: // fileData, and what is not known here
			g.file(p)
		}
	})
}

// file walks anything for a member fileUri.
func (g *guardWalk) file(p *jsonpull.Parser) {
	switch p.Kind() {
	case '{':
		g.member(p, func(name string) {
			if name != "fileUri" {
				g.file(p)
				return
			}
			switch p.Kind() {
			case '"':
				if uri := p.String(); isKept(uri) {
					g.ref(strings.Join(g.path, ""), uri)
				}
				return
			case 'n':
			default:
				g.refuse("must be a string: where the file is")
			}
			p.Skip()
		})
	case '[':
		g.each(p, func() { g.file(p) })
	default:
		p.Skip()
	}
}

// isKept reports whether only the account that keeps it can read what uri names: all but pages of the web.
func isKept(uri string) bool {
	if isFilesAPI(uri) {
		return true
	}
	low := strings.ToLower(uri)
	if !strings.HasPrefix(low, "https://") && !strings.HasPrefix(low, "http://") {
		return uri != ""
	}
	// Google's own storage knows the account behind the call by these names too.
	host, _, _ := strings.Cut(low[strings.Index(low, "//")+2:], "/")
	return host == "generativelanguage.googleapis.com" || strings.HasSuffix(host, "storage.googleapis.com") || host == "storage.cloud.google.com"
}

// tool walks one of tools: functions name nothing, what searches in stores names them.
func (g *guardWalk) tool(p *jsonpull.Parser) {
	g.member(p, func(name string) {
		if name == "functionDeclarations" {
			p.Skip()
			return
		}
		g.strings(p, func(name, value string) bool {
			switch name {
			case "fileSearchStoreNames", "datastore", "dataStore", "engine", "ragCorpus", "ragCorpora", "serviceAccount", "apiKeySecret", "apiKeySecretVersion", "credentialSecret":
				return true
			}
			return strings.HasPrefix(value, "projects/")
		})
	})
}

// strings walks anything and takes the strings that mean an object; those called modelName are models.
func (g *guardWalk) strings(p *jsonpull.Parser, means func(name, value string) bool) {
	var walk func(name string)
	walk = func(name string) {
		switch p.Kind() {
		case '{':
			g.member(p, walk)
		case '[':
			g.each(p, func() { walk(name) })
		case '"':
			value := p.String()
			path := strings.Join(g.path, "")
			switch {
			case value == "":
			case name == "modelName":
				g.head.Also = append(g.head.Also, dialect.Ref{Path: path, ID: value})
			case means(name, value):
				g.ref(path, value)
			}
		default:
			if name == "modelName" && p.Kind() != 'n' {
				g.refuse("must be a string")
			}
			p.Skip()
		}
	}
	walk("")
}

func (g *guardWalk) refuse(why string) {
	if g.bad == nil {
		g.bad = invalid(strings.Join(g.path, ""), "%s", why)
	}
}
