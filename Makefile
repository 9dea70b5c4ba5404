# make demo   a phase map with the theory's line on it, from nothing to report.html
# make test   the test suite
# make slow   the long tests
# make cluster  job scripts under a real Slurm, where it is installed and one is root
# make check  lint, format and types
# Needs Python >= 3.10 with venv, and make; everything else is installed into .venv.

PYTHON ?= python3
BIN := .venv/bin
# On Linux a plain package index has torch's CUDA build, gigabytes. Without an NVIDIA GPU, PyTorch's own index of CPU builds
# spares them: make install CPU_INDEX=its-address (pytorch.org, "Get Started", has it)
CONSTRAINT ?= -c constraints.txt
CPU_INDEX ?=

.PHONY: demo test slow cluster check install clean

install: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(CONSTRAINT) $(if $(CPU_INDEX),--extra-index-url $(CPU_INDEX)) -e '.[dev]'
	@touch $@

demo: install
	$(BIN)/phasemap run bn-fig3a --preset quick --set seed=0 --set "batch_size=[5, 8, 12, 24, 64]" --out runs/demo

# Compiled files are kept, whatever the machine says: the tests start dozens of processes.
test: install
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest -n auto --dist worksteal

slow: install
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest -n auto --dist worksteal -m slow

cluster: install
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest -m cluster tests/cluster

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf .venv runs .pytest_cache .mypy_cache .ruff_cache *.egg-info
