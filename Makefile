# Needs Python 3.11 or 3.12 and make. Everything else comes from requirements-dev.txt.

STRIPE_SANDBOX_PORT ?= 12111
PORT ?= 8000

# The same on every machine: neither the caller's locale nor his Python settings count, and the
# venv need not be activated.
export LC_ALL := C.UTF-8
export PYTHONUTF8 := 1
unexport PYTHONHOME PYTHONPATH PYTHONWARNINGS PYTHONDONTWRITEBYTECODE PIP_USER PIP_TARGET PIP_PREFIX VIRTUAL_ENV
export PATH := $(CURDIR)/.venv/bin:$(PATH)

embedded := .venv/bin/python manage.py embedded

# What a local run is told: its own address, and the Stripe sandbox in Stripe's place.
local = PORT='$(PORT)' STRIPE_SANDBOX_PORT='$(STRIPE_SANDBOX_PORT)' PYTHONUNBUFFERED=1 \
	BASE_URL="$${BASE_URL:-http://127.0.0.1:$(PORT)}" \
	STRIPE_API_BASE="$${STRIPE_API_BASE:-http://127.0.0.1:$(STRIPE_SANDBOX_PORT)}" \
	STRIPE_SECRET_KEY="$${STRIPE_SECRET_KEY:-sk_test_localsandboxlocalsandbox}" \
	ACTIVE_SERIES_PRODUCT="$${ACTIVE_SERIES_PRODUCT:-prod_pro}" \
	BILLING_POST_INTERVAL="$${BILLING_POST_INTERVAL:-5}"

.DEFAULT_GOAL := help
.PHONY: help demo run advance staff-code test test-full screens bench bench-quick fuzz chaos check lock clean install

help: ## list what there is to make
	@awk -F ':[^#]*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' Makefile

demo: install ## walk through the product once, from the first report to the paid bill
	@$(embedded) -- python -m bencher.demo $(ARGS)

run: install ## serve on http://127.0.0.1:8000 (PORT=…), with worker, beat and a Stripe sandbox
	@$(local) $(embedded) -- sh -c \
	'python manage.py migrate --verbosity 0 && exec honcho -f Procfile.dev start' \
	|| [ $$? -eq 130 ] # Ctrl-C is how it ends

advance: install ## move a running `make run` through time (TO=2027-01-31)
	@$(local) $(embedded) -- python manage.py sandbox advance --to '$(TO)'

staff-code: install ## print the code with which staff get into a running `make run`
	@$(local) $(embedded) -- python manage.py staff_code

test: install ## run the tests (ARGS="tests/billing -k close")
	@$(embedded) --no-fsync -- python -m pytest -n 2 --dist loadgroup $(ARGS)

test-full: install ## run the tests with many more examples; takes long
	@HYPOTHESIS_PROFILE=full $(embedded) --no-fsync -- python -m pytest -n 2 --dist loadgroup $(ARGS)

# Benchmarks have a PostgreSQL of their own, with fsync, whose data nobody needs.
bench_data = BENCHER_DATA_DIR='$(CURDIR)/.benchmarks'

screens: install ## take the pictures in docs/screens anew
	@SCREENS=1 $(embedded) --no-fsync -- python -m pytest -n 0 tests/browser/test_screens.py

bench: install ## measure what is promised to be fast (ARGS="recount --json bench.json")
	@$(bench_data) $(embedded) -- python -m tests.performance $(ARGS)

bench-quick: install ## the same, smaller and fewer, in a few minutes
	@$(bench_data) $(embedded) -- python -m tests.performance --quick $(ARGS)

fuzz: install ## fuzz the adapters for two minutes (ARGS="--seconds 3600")
	@python -m tests.fuzz $(ARGS)

chaos: install ## kill processes for two minutes, and prove that nothing is lost or doubled
	@python -m tests.chaos $(ARGS)

check: install ## lint, types, formats, dependencies, migrations, deployment settings
	@$(embedded) --no-fsync -- ops/check

lock: install ## pin what ops/*.in ask for into requirements.txt and requirements-dev.txt
	@ops/lock $(ARGS)

clean: ## remove .venv and all caches (local data stay: they are in .data)
	rm -rf .venv .mypy_cache .ruff_cache .import_linter_cache .hypothesis .benchmarks static-collected
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

install: ## make .venv (the other targets do that too)
	@ops/install $(PYTHON)
