# One word for each thing that one does here; the text after ## is what `make help` shows.

.DEFAULT_GOAL := help
.SUFFIXES:

python := .venv/bin/python

.PHONY: help setup demo test check format bench faults cluster lock go-tools clean

help: ## list the targets
	@sed -n 's/^\([a-z%-]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | awk -F'\t' '{ printf "make %-11s %s\n", $$1, $$2 }'

setup: ## make .venv and install the data plane (safe to run again)
	@scripts/setup

demo: setup ## run a gateway with a few example services and show what it does
	@.venv/bin/tidegate demo

test: setup ## run the tests; ARGS="..." are handed to pytest
	@$(python) -m pytest $(ARGS)

check: setup ## judge format, style, types, imports and Lua
	@scripts/check

format: setup ## put all Python files into the one format, and mend what can be mended
	@$(python) -m ruff check --fix-only --quiet .
	@$(python) -m ruff format .

bench: setup ## run the benchmarks of the main job
	@$(python) -m bench

faults: setup ## kill each process again and again under load, and account for every request
	@$(python) -m bench resilience

bench-%: setup ## run one benchmark, as in `make bench-loss`, or all: `make bench-all`
	@$(python) -m bench $*

cluster: setup ## run a Kubernetes control plane on this machine
	@echo "make cluster: not yet" >&2; exit 1

go-tools: setup ## build the benchmarks' Go programs (h2spec, ghz), once
	@$(python) -m harness.gotools

lock: setup ## write the lock files anew from pyproject.toml (UPGRADE=1: newest versions)
	@scripts/lock $(if $(UPGRADE),--upgrade)

clean: ## remove .venv and what tools left behind (the installed data plane stays in its cache)
	@rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
