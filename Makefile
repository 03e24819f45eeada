# Everything a user or a developer types. PYTHON chooses the interpreter (3.11 or newer) that makes the environment.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# On a machine where pip would take the CUDA build of torch, name the index of CPU builds: make install TORCH_INDEX=<url>
# That index is trusted for torch, whose builds there are other files than the lock knows; all else is checked by hash.
TORCH_INDEX ?=
LOCKS := deploy/locks
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps
export HF_HUB_OFFLINE ?= 1
# Test files run in this many processes, each on one thread.
WORKERS ?= 2

.PHONY: install demo test bench peers docs fuzz lock audit sbom wheel wheel-test clean

install: $(VENV)/.installed

# torch first: its processor build where pip knows of one, since pip would take the registry's CUDA build before it.
# The locks name every package, so nothing is resolved; what is built from source is built with what build.lock pins.
$(VENV)/.locked: requirements.lock $(LOCKS)/build.lock $(LOCKS)/torch-cpu.lock $(LOCKS)/cuda.lock
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --require-hashes -r $(LOCKS)/build.lock
	$(if $(TORCH_INDEX),$(PIP) --index-url $(TORCH_INDEX) "$$(sed -n 's/^\(torch==[^ ]*\).*/\1/p' requirements.lock)", \
		$(PIP) --require-hashes -r $(LOCKS)/torch-cpu.lock || echo "no processor build of torch here: the registry's")
	$(PIP) --require-hashes --no-build-isolation -r requirements.lock
	! $(BIN)/python -m pip show torch | grep -q '^Requires:.*nvidia' || $(PIP) --require-hashes -r $(LOCKS)/cuda.lock
	touch $@

$(VENV)/.installed: $(VENV)/.locked pyproject.toml
	$(PIP) --no-build-isolation --editable .
	$(BIN)/python -m pip check
	touch $@

demo: install
	bash examples/demo/run.sh

test: install
	$(BIN)/ruff format --check src tests bench docs examples deploy
	$(BIN)/ruff check src tests bench docs examples deploy
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n $(WORKERS)

docs: install
	$(BIN)/python docs/make_cli_page.py
	$(BIN)/python docs/make_api_page.py
	$(BIN)/python deploy/licences.py > docs/licences.md

bench: install
	$(BIN)/python bench/train_throughput.py
	$(BIN)/python bench/jobs.py
	$(BIN)/python bench/train_memory.py
	$(BIN)/python bench/compare_levels.py
	$(BIN)/python bench/beam.py

# Toolkits to compare with, in an environment of their own (2 GB): NeMo trains small models, ours must hear the same.
PEERS := .venv-peers
peers: install
	PYTHON=$(PYTHON) TORCH_INDEX=$(TORCH_INDEX) bash bench/peers/install.sh $(PEERS)
	$(PEERS)/bin/python bench/peers/nemo_reference.py build/nemo
	$(BIN)/python bench/peers/compare_nemo.py build/nemo

# What the project is made of, and whether any of it is known to be broken. These tools stay out of the environment.
TOOLS := .venv-tools
$(TOOLS)/.installed: $(LOCKS)/tools.lock
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $<
	touch $@

# Readers fed with bytes that lead them where they have not been; tests/coverage_fuzz.py names them.
READER ?= arpa
SECONDS ?= 60
build/atheris: $(LOCKS)/fuzz.lock
	$(PIP) --require-hashes --upgrade --target $@ -r $<
	touch $@

fuzz: install build/atheris
	PYTHONPATH=build/atheris $(BIN)/python tests/coverage_fuzz.py $(READER) -max_total_time=$(SECONDS)

lock: $(TOOLS)/.installed
	$(TOOLS)/bin/python deploy/lock.py

audit: $(TOOLS)/.installed
	$(TOOLS)/bin/pip-audit --strict --require-hashes --disable-pip -r requirements.lock -r $(LOCKS)/build.lock

sbom: install $(TOOLS)/.installed
	mkdir -p dist
	# The version stands in the code (dynamic), which this tool does not read.
	sed "s/^dynamic = .*/version = \"$$($(BIN)/vizinho --version | cut -d ' ' -f 2)\"/" pyproject.toml > dist/pyproject.toml
	$(TOOLS)/bin/cyclonedx-py environment $(BIN)/python --pyproject dist/pyproject.toml --mc-type library \
		--output-reproducible --output-file dist/vizinho.cdx.json
	rm dist/pyproject.toml

wheel: install
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

# The wheel and what the locks pin, in an empty environment: what `pip install vizinho` gives.
WHEEL_ENV := .venv-wheel
wheel-test: wheel
	$(PYTHON) -m venv --clear $(WHEEL_ENV)
	$(MAKE) $(WHEEL_ENV)/.locked VENV=$(WHEEL_ENV)
	$(WHEEL_ENV)/bin/python -m pip install --quiet --no-deps --no-index --find-links dist vizinho
	$(WHEEL_ENV)/bin/python -m pip check
	$(BIN)/python deploy/try_wheel.py $(WHEEL_ENV)/bin

clean:
	rm -rf $(VENV) $(TOOLS) $(WHEEL_ENV) demo build dist
