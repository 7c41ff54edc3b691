# `make help` lists the commands. Each brings what it needs into .venv by itself.

PYTHON ?= python3
BIN := .venv/bin
T ?=
MAKEFLAGS += --no-print-directory
# without bytecode on the disk, every one of our processes would compile all its modules at each start
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run test test-postgres lint format check-images bench lock env train-env dev-env browser clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

run: env ## the whole product on this machine; HOST=127.0.0.1 PORT=8000
	@exec $(BIN)/python scripts/run.py

test: dev-env browser ## everything, on SQLite and on PostgreSQL; T=tests/jobs for a part
	@$(BIN)/python -m pytest $(T)
	@$(MAKE) test-postgres

test-postgres: dev-env ## the database-sensitive tests on PostgreSQL
	@$(BIN)/python -m tests.support.postgres $(BIN)/python -m pytest -m database $(T)

lint: dev-env ## style, types, import contracts, templates, images, deployment files, sizes
	@$(BIN)/python scripts/lint.py

format: dev-env ## let the tools put code and templates in order
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .
	@git ls-files 'templates/*.html' | xargs $(BIN)/djade --target-version 5.2

check-images: dev-env ## serve a translation from the built images (docker, or buildah as root)
	@$(BIN)/python -m tests.support.images $(IMAGES)

bench: dev-env ## the speed claims, half an hour; BENCH="--only pix2pix", --no-large, --quick
	@$(BIN)/python -m benchmarks $(BENCH)

lock: dev-env ## resolve requirements/*.in into *.lock again; UPGRADE=1 takes newer versions
	@$(BIN)/python scripts/lock.py $(if $(UPGRADE),--upgrade)

env:
	@$(PYTHON) scripts/install.py train

train-env: env ## what `make run` installs, for training by hand

dev-env:
	@$(PYTHON) scripts/install.py dev

browser:
	@$(BIN)/python scripts/browser.py

clean: ## remove what was installed and cached; keeps var/ and runs/
	rm -rf .venv .venv.lock .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
