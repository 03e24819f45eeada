# Everything a user or a developer types. PYTHON chooses the interpreter (3.11 or newer) that makes the environment.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# On a machine where pip would take the CUDA build of torch, name the index of CPU builds: make install TORCH_INDEX=<url>
TORCH_INDEX ?=
export HF_HUB_OFFLINE ?= 1

.PHONY: install demo test bench peers lint docs clean

install: $(VENV)/.installed

$(VENV)/.installed: requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) "$$(grep '^torch==' requirements.lock)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

demo: install
	bash examples/demo/run.sh

test: install
	$(BIN)/ruff format --check src tests bench docs examples
	$(BIN)/ruff check src tests bench docs examples
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest

docs: install
	$(BIN)/python docs/make_cli_page.py

bench: install
	$(BIN)/python bench/train_throughput.py
	$(BIN)/python bench/train_memory.py
	$(BIN)/python bench/compare_levels.py
	$(BIN)/python bench/beam.py

# Toolkits to compare with, in an environment of their own (2 GB): NeMo trains small models, ours must hear the same.
PEERS := .venv-peers
peers: install
	PYTHON=$(PYTHON) TORCH_INDEX=$(TORCH_INDEX) bash bench/peers/install.sh $(PEERS)
	$(PEERS)/bin/python bench/peers/nemo_reference.py build/nemo
	$(BIN)/python bench/peers/compare_nemo.py build/nemo

clean:
	rm -rf $(VENV) demo build dist
