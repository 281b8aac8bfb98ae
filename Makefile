SHELL       := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

GO       ?= go
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  := -s -w -X main.version=$(VERSION)
FUZZTIME ?= 20s
BENCH    ?= .
COUNT    ?= 6

GOLANGCI_VERSION := v2.15.0
GOLANGCI         := bin/golangci-lint-$(GOLANGCI_VERSION)

help: ## show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z][a-z0-9-]*:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/tollgate, static
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/tollgate ./cmd/tollgate

run: build ## build and start the gateway; no setting is needed
	exec ./bin/tollgate serve

test: ## run all tests; PostgreSQL is used where it answers
	$(GO) test -pgo=off -timeout 20m ./...
	@if [ -f test/e2e/go.mod ]; then $(MAKE) --no-print-directory e2e; fi

test-race: ## run all tests under the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GO) test -race ./...

e2e: build ## run the official SDKs against the real binary
	cd test/e2e && TOLLGATE_BIN=$(CURDIR)/bin/tollgate $(GO) test -count=1 -timeout 15m ./...

agents: ## run Claude Code, Codex, Gemini CLI and Qwen Code through the gateway (needs npm; ARGS=-help)
	$(GO) run ./test/agents -install $(ARGS)

xpages: build ## drive a management page as ProxyXAI's are in Chromium (needs node, npm, chromium)
	cd test/xpages && npm install --no-package-lock --no-audit --no-fund && TOLLGATE_BIN=$(CURDIR)/bin/tollgate node run.mjs

cross: ## send 100,000 generated requests and as many answers over all pairs of dialects (make test: 1,600 each)
	$(GO) test -count=1 -timeout 60m -v -run 'RoundTrip|Broken' ./internal/dialect/crosstest -rapid.checks=6250

crash: ## kill -9 the loaded gateway 200 times and compare ledgers (make test: 15 times)
	CRASH_ROUNDS=200 $(GO) test -count=1 -timeout 30m -v -run '^TestKilled$$' ./test/crash

fuzz: ## fuzz every target for FUZZTIME (20s)
	@GO='$(GO)' .ci/fuzz $(FUZZTIME)

bench: build ## measure a call against a bare reverse proxy, interleaved (ARGS=-help)
	$(GO) run ./internal/tool/bench $(ARGS)

profile: build ## profile the gateway under load, for the compiler (cmd/tollgate/default.pgo; a minute)
	dir=$$(mktemp -d); trap 'rm -r "$$dir"' EXIT; cp bin/tollgate "$$dir"; \
	$(GO) run ./internal/tool/bench -binary "$$dir/tollgate" -train cmd/tollgate/default.pgo

microbench: ## run the Go benchmarks (BENCH=pattern, COUNT=6), for benchstat
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem -count $(COUNT) ./...

lint: $(GOLANGCI) ## run the linters, installing them first if need be
	$(GOLANGCI) run

$(GOLANGCI):
	@echo "installing golangci-lint $(GOLANGCI_VERSION)"
	@mkdir -p bin
	GOBIN=$(CURDIR)/bin/install $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	@mv bin/install/golangci-lint $@ && rmdir bin/install

fmt: $(GOLANGCI) ## format the code
	$(GOLANGCI) fmt

generate: ## write the generated files
	$(GO) run ./internal/tool/generate

verify: ## fail if a generated file is stale
	$(GO) run ./internal/tool/generate -check

release: ## build bin/release for Linux and macOS, amd64 and arm64
	@for target in linux/amd64 linux/arm64 darwin/amd64 darwin/arm64; do \
		echo "build $$target"; \
		CGO_ENABLED=0 GOOS=$${target%/*} GOARCH=$${target#*/} $(GO) build -trimpath -ldflags '$(LDFLAGS)' \
			-o bin/release/tollgate-$(VERSION)-$${target%/*}-$${target#*/} ./cmd/tollgate; \
	done
	cd bin/release && sha256sum tollgate-$(VERSION)-* > SHA256SUMS

image: ## build the container image tollgate:VERSION
	docker build --build-arg VERSION=$(VERSION) -t tollgate:$(VERSION) .

clean: ## remove what was built; ./data stays
	rm -rf bin

.PHONY: help build run test test-race e2e agents cross xpages crash fuzz bench profile microbench lint fmt generate verify release image clean
