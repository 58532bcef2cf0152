# demo and test make their own environment; check is the quick part of test.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
export PIP_CONSTRAINT = $(CURDIR)/.ci/constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK = 1
SOURCES = pyproject.toml .ci/constraints.txt runtime/CMakeLists.txt $(wildcard runtime/src/* runtime/include/* runtime/python/*)

.PHONY: demo test check native clean

demo: $(VENV)/demo
	DAE_CACHE=demo $(BIN)/dae-run --demo --out demo

# Workers share the cores, so each computes in one thread; what measures time comes after them.
test: $(VENV)/test
	$(MAKE) -j2 check native
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal -m 'not alone'
	$(BIN)/python -m pytest -m alone

native: $(VENV)/test
	$(BIN)/cmake -S runtime -B build/c -G Ninja -DCMAKE_MAKE_PROGRAM=$(CURDIR)/$(BIN)/ninja -DDAE_WERROR=ON -DDAE_SANITIZE=ON
	$(BIN)/cmake --build build/c
	$(BIN)/ctest --test-dir build/c --output-on-failure --parallel 2

check: $(VENV)/test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

$(VENV)/demo: $(SOURCES)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[onnxruntime,view]'
	touch $@

$(VENV)/test: $(SOURCES)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[all,rtx,dev]'
	touch $@

clean:
	rm -rf $(VENV) build demo
