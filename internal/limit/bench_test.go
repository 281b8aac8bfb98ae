package limit

import (
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func BenchmarkAdmit(b *testing.B) {
	const subjects, width = 100_000, 12
	limits := Limits{RPM: 1e9, TPM: 1e15, RPD: 1e9, Concurrent: 1e6}
	var all strings.Builder // one string, so that looking up the names costs no more than it must
	for i := range subjects {
		fmt.Fprintf(&all, "k:%010d", i)
	}
	names := all.String()
	rules := func(i int) [2]Rule {
		key, account := i%subjects, i%subjects/10*10
		return [2]Rule{{Subject: names[key*width:][:width], Limits: limits}, {Subject: names[account*width:][1:width], Limits: limits}}
	}
	call := func(b *testing.B, l *Limiter, i int) {
		r := rules(i)
		g, refused := l.Admit(time.Now(), r[:], 1000)
		if refused != nil {
			b.Error(refused)
			return
		}
		g.Settle(900)
		g.Release()
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	l := New(nil)
	for i := range subjects {
		call(b, l, i)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	perSubject := float64(after.HeapAlloc-before.HeapAlloc) / float64(l.size())

	b.Run("one key", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			call(b, l, 1)
		}
	})
	b.Run("100000 keys", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i += 7919 {
			call(b, l, i)
		}
		b.ReportMetric(perSubject, "B/subject")
	})
	b.Run("100000 keys, parallel", func(b *testing.B) {
		b.ReportAllocs()
		var start atomic.Int64
		b.RunParallel(func(pb *testing.PB) {
			for i := int(start.Add(31)); pb.Next(); i += 7919 {
				call(b, l, i)
			}
		})
	})
	b.Run("refused", func(b *testing.B) {
		b.ReportAllocs()
		l, now := New(nil), time.Now()
		rules := one(Limits{RPM: 1})
		if _, refused := l.Admit(now, rules, 0); refused != nil {
			b.Fatal(refused)
		}
		for b.Loop() {
			if _, refused := l.Admit(now, rules, 0); refused == nil {
				b.Fatal("admitted")
			}
		}
	})
}
