package tokens_test

import (
	"encoding/base64"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"tollgate/internal/canon"
	"tollgate/internal/tokens"
)

// Samples of what requests are made of.
var samples = map[string]string{
	"English": `The gateway reserves money before a call and settles it afterwards. When the provider reports what was used, that is what counts; when it does not, the text is counted here, and the receipt says that it was an estimate. Nobody likes a bill that cannot be explained, so every line of it names the quantity, the rate and the amount.`,
	"code": `func (c *Counter) whole(s string) int64 {
	var n int64
	for s != "" {
		end := len(s)
		if end > window {
			end = cut(s)
		}
		got, err := c.codec.Count(s[:end])
		if err != nil {
			return int64(len(s)) / 3
		}
		n += int64(got)
		s = s[end:]
	}
	return n
}`,
	"Chinese":  `网关在调用之前先冻结一笔金额，调用结束之后再按实际用量结算。如果上游报告了用量，就以上游为准；如果没有报告，就在本地用分词器估算，并在账单上注明这是估算值。每一行账单都写明数量、单价和金额，这样任何人都可以重新计算并核对。`,
	"JSON":     `{"type":"object","properties":{"city":{"type":"string","description":"Name of the city, e.g. Berlin"},"unit":{"type":"string","enum":["celsius","fahrenheit"]},"days":{"type":"integer","minimum":1,"maximum":14}},"required":["city"],"additionalProperties":false}`,
	"German":   `Vor jedem Aufruf wird ein Betrag zurückgelegt, danach wird abgerechnet, was wirklich verbraucht wurde. Fehlt die Angabe des Anbieters, zählt die Schätzung, und der Beleg sagt das auch.`,
	"Japanese": `呼び出しの前に金額を確保し、終わったあとで実際の使用量に応じて精算します。使用量が報告されない場合は、ここで数えた推定値を使い、明細にそのことを記します。`,
	"log":      `2026-11-20T21:15:16.123Z level=INFO msg="call" request_id=0192f3c4-7d7a-7e2b-9a51-4b2f1c9d8e7f account=acme model=gpt-4o status=200 first_ms=312 total_ms=4821 in=1523 out=411`,
}

func TestText(t *testing.T) {
	c := tokens.New()
	for text, want := range map[string]int64{
		"":                   0,
		"hello world":        2, // known ids 24912, 2375
		"tiktoken is great!": 6, // 83, 8251, 2488, 382, 2212, 0
	} {
		if got := c.Text(text); got != want {
			t.Errorf("Text(%q) = %d, want %d", text, got, want)
		}
	}
}

// TestQuickIsRarelyTooSmall: a reservation shall cover the input of ordinary requests.
func TestQuickIsRarelyTooSmall(t *testing.T) {
	c := tokens.New()
	for name, text := range samples {
		for _, n := range []int{1, 20} {
			s := strings.Repeat(text+"\n", n)
			req := &canon.Request{Turns: []canon.Turn{{Role: canon.RoleUser, Blocks: []canon.Block{canon.Text{Text: s}}}}}
			quick, real := tokens.Quick(int64(len(s)), 0), c.Request(req)
			t.Logf("%s × %d: %d bytes, %d tokens (%.2f bytes each), quick %d", name, n, len(s), real, float64(len(s))/float64(real), quick)
			if name == "log" { // ids and digits: known to be packed tighter, and bounded
				if quick < real*3/4 {
					t.Errorf("%s: quick estimate %d is far below the count %d", name, quick, real)
				}
				continue
			}
			if quick < real {
				t.Errorf("%s: quick estimate %d is below the count %d", name, quick, real)
			}
			if quick > 3*real {
				t.Errorf("%s: quick estimate %d is more than three times the count %d: it would refuse people who can pay", name, quick, real)
			}
		}
	}
}

func TestQuickSizes(t *testing.T) {
	if tokens.Quick(-5, -1) != tokens.Quick(0, 0) {
		t.Error("nonsense sizes must not lower the estimate")
	}
	if tokens.Quick(300, 0)-tokens.Quick(0, 0) != 120 || tokens.Quick(0, 2) <= tokens.Quick(0, 1) {
		t.Error("Quick must grow with text and media")
	}
}

// TestAboutIsNear: what is shown before the count is known is neither far below nor far above it.
func TestAboutIsNear(t *testing.T) {
	c := tokens.New()
	for name, text := range samples {
		s := strings.Repeat(text+"\n", 20)
		req := &canon.Request{Turns: []canon.Turn{{Role: canon.RoleUser, Blocks: []canon.Block{canon.Text{Text: s}}}}}
		if about, real := tokens.About(int64(len(s)), 0), c.Request(req); about < real/2 || about > real*2 {
			t.Errorf("%s: about %d, counted %d", name, about, real)
		}
	}
	if tokens.About(-5, -1) != tokens.About(0, 0) || tokens.About(7, 1)-tokens.About(0, 0) != 2+1_600 {
		t.Error("About must grow with text and media")
	}
}

// TestLongTextIsSampled: beyond a MiB the count is extrapolated, close to the truth.
func TestLongTextIsSampled(t *testing.T) {
	c := tokens.New()
	text := samples["English"] + "\n" + samples["code"] + "\n" + samples["Chinese"] + "\n"
	one := c.Text(strings.Repeat(text, 100)) // below the limit: exact
	for _, n := range []int{1_500} {
		s := strings.Repeat(text, n)
		got, want := c.Text(s), one*int64(n)/100
		if d := got - want; d > want/20 || d < -want/20 {
			t.Errorf("%d MiB: %d tokens, want about %d", len(s)>>20, got, want)
		}
		// The same text in many pieces must not be another count.
		var blocks []canon.Block
		for len(s) > 0 {
			k := min(len(s), 100_000)
			blocks = append(blocks, canon.Text{Text: s[:k]})
			s = s[k:]
		}
		pieces := c.Request(&canon.Request{Turns: []canon.Turn{{Blocks: blocks}}})
		if d := pieces - want; d > want/20 || d < -want/20 {
			t.Errorf("in pieces: %d tokens, want about %d", pieces, want)
		}
	}
}

// TestHostileText: runs without a break and broken characters must be counted, and soon. (The test's
// own time limit is the measure: the naive merge takes hours for this.)
func TestHostileText(t *testing.T) {
	c := tokens.New()
	r := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 5<<18)
	for i := range noise {
		noise[i] = byte(r.UintN(256))
	}
	for name, s := range map[string]string{
		"one letter":   strings.Repeat("a", 2<<20),
		"one space":    strings.Repeat(" ", 64<<10),
		"noise":        string(noise),
		"base64":       base64.StdEncoding.EncodeToString(noise[:48<<10]),
		"continuation": strings.Repeat("\x80", 64<<10),
		"han":          strings.Repeat("汉", 20<<10),
	} {
		n := c.Text(s)
		if n <= 0 || n > int64(len(s)) {
			t.Errorf("%s: %d tokens for %d bytes", name, n, len(s))
		}
	}
}

func TestRequest(t *testing.T) {
	c := tokens.New()
	base := c.Request(&canon.Request{})
	if c.Request(nil) != 0 || base <= 0 {
		t.Error("an empty request has its framing, no request has nothing")
	}
	long := strings.Repeat("QUJD", 1<<10)
	for name, c2 := range map[string]struct {
		req  canon.Request
		more int64 // at least that much above an empty request
		less int64 // and at most that
	}{
		"system":        {canon.Request{System: []canon.Block{canon.Text{Text: samples["English"]}}}, 50, 100},
		"image":         {turn(canon.Media{Kind: canon.MediaImage, Data: long}), 1_000, 2_000},
		"video":         {turn(canon.Media{Kind: canon.MediaVideo, URL: "https://x"}), 2_000, 4_000},
		"tool call":     {turn(canon.ToolUse{Name: "weather", Input: []byte(samples["JSON"])}), 60, 120},
		"tool result":   {turn(canon.ToolResult{Blocks: []canon.Block{canon.Text{Text: samples["log"]}, canon.Media{Kind: canon.MediaImage}}}), 1_650, 1_900},
		"tools":         {canon.Request{Tools: []canon.Tool{{Name: "w", Description: "Weather", Schema: []byte(samples["JSON"])}}}, 60, 120},
		"own tool":      {canon.Request{Tools: []canon.Tool{{Raw: []byte(`{"type":"web_search"}`)}}}, 8, 30},
		"format":        {canon.Request{Format: &canon.Format{Schema: []byte(samples["JSON"])}}, 50, 120},
		"seal":          {turn(canon.Reasoning{Text: "hm", Seal: long}), 1, 20},
		"foreign":       {turn(canon.Foreign{Raw: []byte(`{"type":"new","data":"` + long + `","note":"hello world"}`)}), 1_600, 1_650},
		"foreign prose": {turn(canon.Foreign{Raw: []byte(`{"text":"` + strings.Repeat("hello world ", 500) + `"}`)}), 900, 1_200},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.Request(&c2.req) - base; got < c2.more || got > c2.less {
				t.Errorf("%d tokens above an empty request, want %d to %d", got, c2.more, c2.less)
			}
		})
	}
}

func turn(b canon.Block) canon.Request {
	return canon.Request{Turns: []canon.Turn{{Role: canon.RoleUser, Blocks: []canon.Block{b}}}}
}

// TestAnyBytes: no input breaks the count, and more text is never much less.
func TestAnyBytes(t *testing.T) {
	c := tokens.New()
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.SliceOf(rapid.Byte()).Draw(t, "raw")
		n := c.Text(string(raw))
		if n < 0 || n > int64(len(raw)) {
			t.Fatalf("%d tokens for %d bytes", n, len(raw))
		}
		more := turn(canon.Foreign{Raw: raw})
		if got := c.Request(&more); got < 0 {
			t.Fatalf("request of %d tokens", got)
		}
	})
}

func TestConcurrently(t *testing.T) {
	c := tokens.New()
	want := tokens.New().Text(samples["code"])
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if got := c.Text(samples["code"]); got != want {
				t.Errorf("%d, want %d", got, want)
			}
		})
	}
	wg.Wait()
}

func BenchmarkText1MiB(b *testing.B) {
	c := tokens.New()
	s := strings.Repeat(samples["English"]+samples["code"], 1<<20/700)
	b.SetBytes(int64(len(s)))
	for b.Loop() {
		c.Text(s)
	}
}
