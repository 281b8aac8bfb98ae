package proxyxai

import (
	"net/http"
	"strings"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/news"
)

// piece is news as the API shows it.
type piece struct {
	Title     string    `json:"title"`
	Content   string    `json:"content"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

// target finds whom a request about news means: everybody without a name, which is for root; an account
// below the caller's by id, name or mail address; or one by its path, ".root.a.", with all below it.
func (a *API) target(r *http.Request, who account.Caller) (news.Target, error) {
	called := strings.TrimSpace(r.PathValue("who"))
	switch {
	case called == "" && !who.IsRoot():
		return news.Target{}, &fault{http.StatusForbidden, "news for everybody needs the key of root"}
	case called == "":
		return news.Target{}, nil
	case !strings.HasPrefix(called, "."):
		x, err := a.descendant(who, called)
		if err != nil {
			return news.Target{}, err
		}
		return news.Target{Path: x.Path}, nil
	}
	parts := strings.Split(strings.Trim(called, "."), ".")
	x := a.Accounts.Directory().Account(parts[len(parts)-1])
	if x == nil || !strings.HasSuffix(x.Path, "."+strings.Join(parts, ".")+".") || x.ID != who.Account.ID && !below(who, x) {
		return news.Target{}, errNoAccount
	}
	return news.Target{Path: x.Path, Below: true}, nil
}

// postNews publishes news.
func (a *API) postNews(r *http.Request, who account.Caller) (any, error) {
	to, err := a.target(r, who)
	if err != nil {
		return nil, err
	}
	var in struct {
		Title   string `json:"title"`
		Content string `json:"content"`
		Days    *int   `json:"days"`
	}
	if err := read(r, &in); err != nil {
		return nil, err
	}
	days := 0
	if in.Days != nil {
		if days = *in.Days; days < 1 {
			return nil, badRequest("days must be at least 1")
		}
	}
	item, err := a.News.Post(r.Context(), news.Item{Target: to, Title: in.Title, Content: in.Content, AuthorID: who.Account.ID}, days)
	if err != nil {
		return nil, err
	}
	a.record(r, who, "news.post", lastID(to.Path), item.ID, map[string]any{"title": item.Title}, nil)
	a.Notices.News(r.Context(), item)
	return map[string]any{"success": true, "message": "it is shown from now on", "news": pieces([]news.Item{item})[0]}, nil
}

// lastID is the id of the account at a path.
func lastID(path string) string {
	path = strings.TrimSuffix(path, ".")
	return path[strings.LastIndexByte(path, '.')+1:]
}

// ownNews answers what the caller's account is shown.
func (a *API) ownNews(r *http.Request, who account.Caller) (any, error) {
	all, own, err := a.News.Shown(r.Context(), who.Account.Path)
	if err != nil {
		return nil, err
	}
	return struct {
		Success bool    `json:"success"`
		System  []piece `json:"system_news"`
		User    []piece `json:"user_news"`
	}{true, pieces(all), pieces(own)}, nil
}

// deleteNews takes back all news for a target; who is not root its own alone.
func (a *API) deleteNews(r *http.Request, who account.Caller) (any, error) {
	to, err := a.target(r, who)
	if err != nil {
		return nil, err
	}
	author := who.Account.ID
	if who.IsRoot() {
		author = ""
	}
	n, err := a.News.Withdraw(r.Context(), to, author)
	if err != nil {
		return nil, err
	}
	a.record(r, who, "news.delete", lastID(to.Path), "", map[string]any{"deleted": n}, nil)
	return map[string]any{"success": true, "deleted": n, "message": "it is not shown any more"}, nil
}

func pieces(items []news.Item) []piece {
	out := make([]piece, 0, len(items))
	for _, i := range items {
		out = append(out, piece{i.Title, i.Content, i.CreatedAt.UTC(), i.ExpiresAt.UTC()})
	}
	return out
}
