# Everything a fresh Debian machine with Node needs is brought here: `make demo` shows the product, `make test` checks it.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test test-engines soak bench build engine base-images stop clean

bin := node_modules/.bin
# For recipes that need the engine: finds or starts it and exports DOCKER_HOST.
use_engine = host=$$(scripts/engine.sh); export "$$host"

help: ## lists these targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/make \1\t\2/p' Makefile | expand -t 20

demo: base-images build ## shows a build with a secret, and a leaky one being refused
	@$(use_engine); $(bin)/tsx scripts/demo.ts

# Two lanes, because the engine's builds leave half of two cores idle; a failure in one of them lets the other end.
test: node_modules/.package-lock.json ## lint, types, build, unit, browser and engine tests
	@rm -rf .cache/results
	@status=0; $(MAKE) --no-print-directory --keep-going --jobs=2 engine-lane other-lane || status=$$?; \
	$(bin)/vitest --merge-reports=.cache/results --reporter=./test/support/closing-line.ts; exit $$status

lane := --reporter=default --reporter=blob --outputFile.blob
.PHONY: engine-lane other-lane test-tools format lint types
engine-lane: base-images test-tools build
	@$(use_engine); $(bin)/vitest run --project engine $(lane)=.cache/results/engine.json

other-lane: format lint types build test-tools base-images
	@$(use_engine); $(bin)/vitest run --project unit --project unit-alone --project browser --project servers $(lane)=.cache/results/other.json

test-tools:
	@scripts/test-tools.sh

format: node_modules/.package-lock.json
	@$(bin)/prettier --check . --log-level warn

lint: node_modules/.package-lock.json
	@$(bin)/eslint . --max-warnings 0

types: node_modules/.package-lock.json
	@$(bin)/tsc -p tsconfig.json --noEmit
	@$(bin)/tsc -p src/server/dashboard/tsconfig.json --noEmit

test-engines: node_modules/.package-lock.json ## the engine suite on every engine that Debian has, and a matrix
	@scripts/engines.sh test

soak: ## the same with the long forms of the tests
	@TRACELESS_SOAK=1 $(MAKE) --no-print-directory test

bench: build ## measures against the plain implementations
	@$(bin)/tsx bench/main.ts

# Types are looked at by `make types`, once.
build: node_modules/.package-lock.json ## compiles src to dist
	@rm -rf dist
	@$(bin)/tsc -p tsconfig.build.json --noCheck
	@$(bin)/tsx scripts/bundle.ts
	@$(bin)/tsx scripts/dashboard.ts

engine: ## finds or starts a Docker engine, prints DOCKER_HOST=…
	@scripts/engine.sh

base-images: node_modules/.package-lock.json ## makes traceless-base:* in the engine
	@scripts/base-image.sh

stop: ## stops the engines that were started here
	@scripts/engine.sh stop
	@scripts/engines.sh stop

clean: stop ## stops that engine, removes its data and everything that was made
	@rm -rf dist .engine .cache coverage

# npm writes this file at the end of an installation; one that is older than the lock file is stale.
node_modules/.package-lock.json: package-lock.json
	@npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2
	@touch $@
