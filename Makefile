# make demo   a phase map with the theory's line on it, from nothing to report.html
# make test   the test suite
# make check  lint, format and types
# Needs Python >= 3.10 with venv, and make; everything else is installed into .venv.

PYTHON ?= python3
BIN := .venv/bin
# A CPU-only torch, unless there is an NVIDIA GPU to use the default CUDA build on.
CONSTRAINT := $(if $(shell command -v nvidia-smi 2>/dev/null),,-c constraints-cpu.txt)

.PHONY: demo test check install clean

install: .venv/installed

.venv/installed: pyproject.toml constraints-cpu.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(CONSTRAINT) -e '.[dev]'
	@touch $@

demo: install
	$(BIN)/phasemap run bn-fig3a --preset quick --set "seed=[0, 1]" --out runs/demo

# Compiled files are kept, whatever the machine says: the tests start dozens of processes.
test: install
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest -n auto --dist worksteal

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf .venv runs .pytest_cache .mypy_cache .ruff_cache *.egg-info
