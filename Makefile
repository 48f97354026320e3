# Everything runs in a virtual environment of its own, .venv, made on first use.
PYTHON ?= python3
BIN := .venv/bin
TORCH := --editable ".[torch]"
OPTIONS :=
ECHARTS := 6.1.0
PYTEST := $(BIN)/python -m pytest $(OPTIONS) --numprocesses auto --maxprocesses 8 --dist worksteal
QUICK := "not any_kernel and not browser and not cifar10 and not slow and not torch"
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help run test test-kernels test-torch test-slow coverage test-install lint docs notebooks echarts bench ladder clean

help: ## Show what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' Makefile

run: .venv/.installed ## Train on the handwritten digits, and say where the result lies
	$(BIN)/fcnet train digits

test: .venv/.test ## Run the tests
	$(PYTEST)

test-kernels: .venv/.test ## Run the quick tests as other machines would compute: by other kernels of OpenBLAS, once without numba
	OPENBLAS_CORETYPE=Haswell OPENBLAS_NUM_THREADS=2 $(PYTEST) -q -m $(QUICK)
	OPENBLAS_CORETYPE=Sandybridge OPENBLAS_NUM_THREADS=1 $(PYTEST) -q -m $(QUICK) --without-numba tests

test-torch: .venv/.test ## Run the tests that compare with PyTorch
	$(PIP) $(TORCH)
	$(BIN)/python -m pytest $(OPTIONS) -m torch

test-slow: .venv/.test ## Run the tests that take long
	$(PYTEST) -m slow

test-install: ## Install into a bare environment, as `pip install fcnet` does, and run what the README shows
	rm -rf .venv/bare
	$(PYTHON) -m venv .venv/bare
	.venv/bare/bin/python -m pip install --quiet --disable-pip-version-check .
	.venv/bare/bin/python tests/readme.py

coverage: .venv/.test ## Measure which lines and branches the tests run, in build/coverage
	$(PYTEST) -q --cov --cov-report=term --cov-report=html:build/coverage

lint: .venv/.lint ## Check style, types and the levels of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

docs: .venv/.docs ## Build the documentation, in docs/_build/html
	$(BIN)/sphinx-build -W --keep-going --quiet -b html docs docs/_build/html

notebooks: .venv/.python ## Make the notebook for students from the one with the solutions
	$(BIN)/python notebooks/make_student.py

echarts: ## Bundle the plotting library of the pages of studies and runs, by npm
	npm install --prefix build/echarts --no-save --no-audit --no-fund --ignore-scripts echarts@$(ECHARTS) esbuild@0.28.2
	NODE_PATH=build/echarts/node_modules build/echarts/node_modules/.bin/esbuild src/fcnet/templates/echarts/parts.js \
		--bundle --minify --target=es2020 --charset=utf8 --format=iife --global-name=echarts --legal-comments=none \
		--banner:js='/* Apache ECharts $(ECHARTS), Apache-2.0. With zrender, BSD-3-Clause, Copyright (c) 2017, Baidu Inc. */' \
		--outfile=src/fcnet/templates/echarts/echarts.min.js
	cd build/echarts/node_modules && cat echarts/NOTICE echarts/LICENSE echarts/licenses/LICENSE-d3 zrender/LICENSE \
		> $(CURDIR)/src/fcnet/templates/echarts/LICENSE.txt

bench: .venv/.installed ## Measure speed against the matrix products alone, PyTorch and scikit-learn
	$(PIP) $(TORCH)
	$(BIN)/python benchmarks/speed.py --json benchmarks/speed.json --markdown benchmarks/speed.md

ladder: .venv/.installed ## Train and evaluate the recipes for CIFAR-10 over seeds, which takes hours
	$(BIN)/python benchmarks/ladder.py

clean: ## Remove the virtual environment and what was built
	rm -rf .venv build dist docs/_build docs/api .mypy_cache .pytest_cache .ruff_cache

.venv/.python:
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'fcnet needs Python 3.11 or newer; name one: make PYTHON=python3.12')"
	$(PYTHON) -m venv .venv
	$(PIP) --upgrade "pip>=25.1"
	touch $@

.venv/.installed: .venv/.python pyproject.toml
	$(PIP) --editable .
	touch $@

.venv/.test .venv/.lint .venv/.docs: .venv/.%: .venv/.installed
	$(PIP) --editable ".[log,onnx,sweep]" --group $*
	touch $@
