# Every target installs what it needs; nothing has to be run before it.
SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# make before 3.82, which every Mac has, ignores .SHELLFLAGS: recipes of several commands say it themselves.
STRICT := set -eu -o pipefail;

CONFIG ?= ica.yaml
MINUTES ?= 30
SEED   ?= 0
DIST   ?= dist
GOOS   ?= linux
GOARCH ?= arm64

# Commands that run on this machine must not be cross-compiled when GOOS or GOARCH are set for the functions.
HOST_GO := env -u GOOS -u GOARCH go
# What CDK asks before: never, broadening (changes that widen access) or any-change. Without a terminal nobody can answer,
# and it would stop half deployed.
APPROVAL ?=
APPROVE = $(STRICT) approval='$(APPROVAL)'; \
	  if [ -z "$$approval" ] && [ -t 0 ] && [ -t 1 ]; then approval=broadening; fi; \
	  if [ -z "$$approval" ]; then approval=never; echo "no terminal: deploying without asking (APPROVAL=never)"; fi;

CDK     := env -u GOOS -u GOARCH CONFIG='$(CONFIG)' DIST='$(DIST)' GOOS='$(GOOS)' GOARCH='$(GOARCH)' npx --no-install cdk
LINT    := .tools/golangci-lint

# Exit status 2: something could not be tried, which is said; 1: a call did not arrive.
PROBE = { bin/icaguard probe --timeout '$(PROBE_TIMEOUT)' --config '$(CONFIG)' || [ $$? -eq 2 ]; }
PROBE_TIMEOUT ?= 3m

export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION := 20
export CDK_DISABLE_CLI_TELEMETRY := true
export CDK_DISABLE_VERSION_CHECK := 1

.PHONY: help
help: ## Explain every target
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo "  Variables: CONFIG=$(CONFIG) GOARCH=$(GOARCH) GOOS=$(GOOS) (of the functions: build, synth, deploy)"
	@echo "             APPROVAL=never|broadening|any-change (deploy, repair; never where there is no terminal)"
	@echo "             ACCOUNT REGION ICA_REGION=$(ICA_REGION) REPORT=$(REPORT) CLEAN=1 (acceptance)"

.PHONY: setup
setup: node_modules/.installed .venv/.installed .tools/modules $(LINT) ## Install all that the other targets need, once

.PHONY: demo
demo: .tools/checked node_modules/.installed .venv/.installed ## See it work: deploy into a local AWS, break it, watch it being restored
	@$(HOST_GO) run ./cmd/demo

# jsii's own process handling has a race at Close (https://github.com/aws/jsii), so the one package that links it goes without -race.
.PHONY: test
test: setup lint ## Run every check and test
	@$(STRICT) { $(HOST_GO) test -v -race -shuffle=on -timeout 20m $$($(HOST_GO) list ./... | grep -v '/cdk$$') && \
	  $(HOST_GO) test -v -shuffle=on ./cdk; } >.tools/test.log 2>&1 || failed=1; \
	grep -E '^(ok|FAIL|panic:|-test.shuffle)|^\s*--- FAIL' .tools/test.log; \
	if [ -n "$${failed:-}" ]; then tools/failures.sh .tools/test.log; exit 1; fi
	@tools/check-secrets.sh .tools/test.log
	@cat docs/coverage.md

# Without -v go test keeps what a test prints until it ends, so the test's binary runs by itself.
.PHONY: soak
soak: setup ## Break storages under faults for MINUTES=30, drawn from SEED, all that there is with FULL=1, or STEPS= random steps over SEEDS=20
	@$(HOST_GO) test -c -o .tools/campaign.test ./internal/guard/settings
	@cd internal/guard/settings && ../../../.tools/campaign.test -test.run '^TestCampaign$$' -test.timeout 0 \
	  -campaign.minutes '$(MINUTES)' -campaign.seed '$(SEED)' -campaign.full='$(if $(FULL),true,false)' \
	  -campaign.steps '$(or $(STEPS),0)' -campaign.seeds '$(or $(SEEDS),20)'

FUZZTIME ?= 1m
.PHONY: fuzz
fuzz: .tools/modules ## Run each fuzz target for FUZZTIME (1m); what breaks one is kept under its testdata/fuzz
	@env -u GOOS -u GOARCH FUZZTIME='$(FUZZTIME)' tools/fuzz.sh

.PHONY: witness
witness: .tools/localstack/.installed .tools/modules ## Run the settings' tests against LocalStack, a second local AWS; needs Python 3.13 (PYTHON313)
	@env -u GOOS -u GOARCH tools/witness.sh

.PHONY: lint
lint: setup ## Check style, format and the module files
	$(LINT) run ./...
	$(LINT) fmt --diff ./...
	$(HOST_GO) mod tidy -diff

.PHONY: fmt
fmt: $(LINT) ## Format the Go files
	$(LINT) fmt ./...

.PHONY: update
update: setup ## Rewrite golden files and generated tables after an intended change; read the diff
	$(HOST_GO) test ./internal/guard/self ./internal/guard/settings ./internal/icaconfig ./internal/notify ./internal/report \
	  ./internal/discover ./internal/acceptance/beliefs ./cdk ./cmd/icaguard -update

.PHONY: build
build: .tools/checked ## Build the functions into dist/, each with CONFIG beside it
	@$(STRICT) [ -f '$(CONFIG)' ] || { echo "$(CONFIG) is missing: cp ica.example.yaml ica.yaml and edit it, or give CONFIG=path/to/ica.yaml" >&2; exit 1; }
	@$(STRICT) for function in remediate validate; do \
	  CGO_ENABLED=0 GOOS=$(GOOS) GOARCH=$(GOARCH) go build -trimpath -ldflags '-s -w' -tags lambda.norpc \
	    -o '$(DIST)'/$$function/bootstrap ./functions/$$function; \
	  $(HOST_GO) run ./cmd/icaguard bundle '$(DIST)'/$$function --config '$(CONFIG)'; \
	done

.PHONY: cli
cli: .tools/checked ## Build the command line into bin/icaguard
	@$(HOST_GO) build -trimpath -o bin/icaguard ./cmd/icaguard

.PHONY: app
app: build # the CDK app itself, called by the CDK command line (cdk.json)
	@CONFIG='$(CONFIG)' DIST='$(DIST)' $(HOST_GO) run ./cdk

.PHONY: synth
synth: node_modules/.installed ## Write the CloudFormation templates into cdk.out/
	@$(CDK) synth --quiet

.PHONY: bootstrap
bootstrap: node_modules/.installed ## Prepare the AWS account for CDK, once
	@$(CDK) bootstrap

.PHONY: diff
diff: node_modules/.installed ## Show what a deploy would change
	@$(HOST_GO) run ./cmd/icaguard check-keys --config '$(CONFIG)'
	@$(CDK) diff

# An address that is not confirmed is named and no failure: its owner has yet to follow the link.
.PHONY: deploy
deploy: node_modules/.installed cli ## Deploy to the AWS account of the credentials at hand, reconcile everything, name who gets no alert yet, prove that changes arrive
	@bin/icaguard check-keys --config '$(CONFIG)'
	@$(APPROVE) $(CDK) deploy --all --require-approval "$$approval"
	@bin/icaguard reconcile --all --config '$(CONFIG)'
	@bin/icaguard validate --setting guard-topic --config '$(CONFIG)'
	@$(PROBE) || { echo "trying once more: a rule that is new may take a minute to work"; $(PROBE); }

# CloudFormation compares with the template that it deployed last; only a drift-aware change set compares with what is there.
.PHONY: repair
repair: node_modules/.installed cli ## Deploy, and restore what somebody changed or deleted of icaguard's own resources
	@bin/icaguard check-keys --config '$(CONFIG)'
	@$(APPROVE) $(CDK) deploy --all --revert-drift --require-approval "$$approval"
	@bin/icaguard reconcile --all --config '$(CONFIG)'

# The program itself says what it will do, and does nothing until ACCOUNT confirms it.
ICA_REGION ?= US
REPORT     ?= acceptance
.PHONY: acceptance
acceptance: node_modules/.installed ## Try everything on AWS, in a sandbox account, and remove it again: docs/acceptance.md
	@$(HOST_GO) run ./cmd/acceptance -account '$(ACCOUNT)' -region '$(REGION)' -ica-region '$(ICA_REGION)' \
	  -report '$(REPORT)' $(if $(CLEAN),-clean)

.PHONY: clean
clean: ## Remove what was built; keep what was installed
	rm -rf bin cdk.out dist

# What is installed, each behind a stamp that is older than the file that pins it when there is something to do.

.tools/checked: tools/check.sh go.mod
	@tools/check.sh
	@mkdir -p .tools && touch $@

node_modules/.installed: package-lock.json | .tools/checked
	@npm ci --no-audit --no-fund --loglevel=error
	@touch $@

.venv/.installed: tools/requirements.txt | .tools/checked
	@python3 -m venv .venv
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

PYTHON313 ?= python3.13
.tools/localstack/.installed: tools/localstack-requirements.txt
	@'$(PYTHON313)' -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null || \
	  { echo "missing: Python 3.13 (https://www.python.org), as python3.13 on the PATH or as PYTHON313=path/to/it: LocalStack needs that" >&2; exit 1; }
	@'$(PYTHON313)' -m venv .tools/localstack
	@.tools/localstack/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

.tools/modules: go.mod go.sum | .tools/checked
	@go mod download
	@touch $@

$(LINT): tools/go.mod tools/go.sum | .tools/checked
	@echo "building golangci-lint (about a minute, once)"
	@cd tools && $(HOST_GO) build -o ../$@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	@touch $@
