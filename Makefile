# One word for each thing that one does here; each target says in its ## what it does.

.DEFAULT_GOAL := help
SHELL := /bin/sh
.SUFFIXES:

.PHONY: help setup lock

help: ## list the targets
	@sed -n 's/^\([a-z%-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | awk -F'\t' '{ printf "  make %-12s %s\n", $$1, $$2 }'

setup: ## make .venv and install the data plane (safe to run again)
	@scripts/setup

lock: setup ## write the lock files anew from pyproject.toml (UPGRADE=1: with the newest versions)
	@scripts/lock $(if $(UPGRADE),--upgrade)
