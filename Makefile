# Everything runs in .venv, built from hash-locked requirements: Python >= 3.11 and make are all that is needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
TOOLS := .tools/otelcol .tools/compose-config
# A lock is complete, so nothing is resolved: pip's resolver prefers a release newer than the lock for `name[extra]`, and
# then refuses it for want of a hash. `pip check` tells if the lock were not complete.
LOCKED := $(PIP) install --no-deps --require-hashes -r

# Kept bytecode: where an environment forbids it, each process of the tests compiles the gateway anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-processes test-real soak fuzz bench bench-quick growth dashboards pictures terminal-pictures console-pictures lint types audit lock clean

demo: $(VENV)/runtime.done
	@$(BIN)/flowspan demo

# Three at once on two cores: many tests wait. With ARGS=--cov it tells what is covered, at twice the time.
test: $(VENV)/dev.done
	@$(BIN)/pytest -n 3 --dist loadfile $(ARGS)

# The gateway as processes: workers, successions, rolling restarts, kill -9, signals, exit codes. Apart from `test`, for each
# of them takes a second or two to start; what is covered is not counted in them.
test-processes: $(VENV)/dev.done
	@$(BIN)/pytest -n 3 --dist loadfile tests/processes $(ARGS)

# On real programs: dashboards, rules, collector and compose on Prometheus and Alertmanager (apt-get install prometheus
# prometheus-alertmanager), a collector and the compose specification's own reader (built here, with Go); where one is
# missing its tests are skipped, and on CI they fail. So they are for the proxies that attackers and victims share: nginx,
# haproxy (apt-get install) and Envoy; for a Redis that gateways share (apt-get install redis-server); and for Chromium
# (apt-get install), which visits the console. And the gateway before llama.cpp with a tiny model, behind coding agents, and with
# its spans in Phoenix, all fetched at the first run, as Envoy is; where they cannot be had their tests are skipped.
test-real: $(VENV)/dev.done
	@if command -v go >/dev/null; then $(MAKE) --no-print-directory $(TOOLS); else echo "No Go: no collector is built."; fi
	@$(BIN)/pytest --no-cov tests/real $(ARGS)

# Half an hour of mixed traffic with faults: everything accounted for, memory, tasks and descriptors flat; see
# tests/lab/README.md. ARGS="--minutes 5" for less.
soak: $(VENV)/dev.done
	@$(BIN)/python -m tests.lab.soak --picture docs/img/soak.png $(ARGS)

# Changed inputs for readers, decoders and encoders, for five minutes; ARGS="--minutes 60 --targets request".
fuzz: $(VENV)/dev.done
	@$(BIN)/python -m tests.lab.fuzz $(ARGS)

# What the gateway costs beside a bare passthrough, and beside the peers whose packages are installed; see
# docs/performance.md. On a machine with two cores that has nothing else to do: some ten minutes.
bench: $(VENV)/dev.done
	@$(BIN)/python -m bench $(ARGS)

# The same in a minute, as ratios that fail above their limit.
bench-quick: $(VENV)/dev.done
	@$(BIN)/python -m bench --quick

# How cost grows with streams, models and keys, as a table and a picture.
growth: $(VENV)/dev.done
	@$(BIN)/python -m bench.growth --picture docs/img/growth.png

# After a change of telemetry/names, the generator or the rules.
dashboards: $(VENV)/dev.done
	@$(BIN)/python -W ignore::DeprecationWarning -m dashboards

# The dashboards as pictures of a live run, in docs/img; needs what test-real needs.
pictures: $(VENV)/dev.done $(TOOLS)
	@$(BIN)/python -m tests.real.pictures

# What a terminal shows, in docs/img, of a run with simulated models.
terminal-pictures: $(VENV)/dev.done
	@$(BIN)/python -m scripts.terminal_pictures docs/img

# The pages of the console as pictures, light and dark, in docs/img; needs Chromium.
console-pictures: $(VENV)/dev.done
	@$(BIN)/python -m tests.real.console_pictures

lint: $(VENV)/dev.done
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(VENV)/dev.done
	@$(BIN)/mypy

# A `.pth` file runs code at every start of Python: the poisoned litellm releases came with one.
audit: $(VENV)/dev.done
	@$(BIN)/python scripts/audit_pth.py

# After a change of the dependencies in pyproject.toml; needs uv.
lock:
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--no-annotate pyproject.toml --group build -o requirements.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--no-annotate pyproject.toml --group build --group dev -c requirements.lock -o requirements-dev.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--no-annotate --group image -c requirements-dev.lock -o requirements-image.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--no-annotate --group real -c requirements-dev.lock -o requirements-real.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--no-annotate --group phoenix -o requirements-phoenix.lock

.tools/otelcol: tests/real/otelcol.yaml
	@echo "Building the collector (some minutes, once) ..."
	@GOBIN=$(CURDIR)/.tools go install go.opentelemetry.io/collector/cmd/builder@v0.161.0
	@.tools/builder --config $< >.tools/otelcol.log 2>&1 || { cat .tools/otelcol.log; exit 1; }
	@mv .tools/otelcol.src/otelcol $@
	@rm -rf .tools/otelcol.src

.tools/compose-config:
	@GOBIN=$(CURDIR)/.tools go install github.com/compose-spec/compose-go/v2/cmd@v2.16.2
	@mv .tools/cmd $@

clean:
	rm -rf .tools $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage

$(VENV)/runtime.done: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Flowspan needs Python 3.11 or later; set PYTHON=")'
	@echo "Building $(VENV) (a minute or two, once) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(LOCKED) requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@$(PIP) check
	@touch $@

$(VENV)/dev.done: $(VENV)/runtime.done requirements-dev.lock
	@$(LOCKED) requirements-dev.lock
	@$(PIP) check
	@touch $@
