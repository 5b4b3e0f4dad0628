# Two commands for a bare clone: `make demo` and `make test`. Both create .venv on the first run and install nothing after.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

# side by side, as many as the machine has cores for; each process of tests computes with one thread
JOBS := 2
PYTEST := $(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal

.PHONY: demo test browser test-slow check lint format types coverage schema docs docs-serve benchmarks gpu-check \
	adaptation adaptation-smoke soak clean

demo: $(INSTALLED)
	$(BIN)/python demo/run.py

test: check

check: lint types $(INSTALLED)  ## the one definition of clean
	$(PYTEST) -m "not slow and not gpu"

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED)
	$(BIN)/mypy

browser:  ## Chromium, by which `make test-slow` looks at pages; where it cannot be installed they are not looked at
	.ci/browser

test-slow: $(INSTALLED)
	$(PYTEST) -m "slow and not gpu"

coverage: $(INSTALLED)  ## branches that the tests take: of the package printed, of the method all
	$(PYTEST) -m "not slow and not gpu" --cov --cov-report=term
	$(BIN)/python -m coverage report --include="usrda_plugin/method/*" --show-missing --fail-under=100

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

schema: $(INSTALLED)  ## write options/schema.json, which editors read, and docs/option_reference.md, which people read
	$(BIN)/python -m usrda_plugin.options options/schema.json docs/option_reference.md

MKDOCS := NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs

docs: $(VENV)/.docs  ## the documentation site, into build/site; a warning is an error
	$(MKDOCS) build --strict

docs-serve: $(VENV)/.docs  ## the same in a browser, while one writes
	$(MKDOCS) serve

# on an otherwise idle machine: about half an hour on two cores; the figures stay in benchmarks/out
benchmarks: $(INSTALLED)  ## the tables of docs/performance.md
	mkdir -p benchmarks/out
	$(BIN)/python benchmarks/train_step.py --network full --batch 2 --rounds 3 --only --json benchmarks/out/train_step_full.json
	$(BIN)/python benchmarks/train_step.py --network small --batch 4 --rounds 7 --json benchmarks/out/train_step_small.json
	$(BIN)/python benchmarks/loader.py --rounds 3 --seconds 1 --json benchmarks/out/loader.json
	$(BIN)/python benchmarks/loader.py --wait --json benchmarks/out/wait.json
	$(BIN)/python benchmarks/validation.py --rounds 3 --json benchmarks/out/validation.json
	$(BIN)/python benchmarks/upscale.py --network small --sizes 256 512 --rounds 3 --json benchmarks/out/upscale_small.json
	$(BIN)/python benchmarks/upscale.py --network full --sizes 192 --candidates "tile loop" spandrel ours --rounds 3 \
		--json benchmarks/out/upscale_full.json

# hours on two cores; cells that are done are not run again
adaptation: $(INSTALLED)  ## the tables of docs/results.md; photographs from $$USRDA_SHARED_DATA
	$(BIN)/python benchmarks/adaptation/run.py --scale small --seeds 0 1 2 --jobs 2
	$(BIN)/python benchmarks/adaptation/report.py

adaptation-smoke: $(INSTALLED)  ## the same at a size that shows that it runs, without photographs
	$(BIN)/python benchmarks/adaptation/run.py --scale smoke --jobs 2 --results benchmarks/out/adaptation/smoke
	$(BIN)/python benchmarks/adaptation/report.py --scales smoke --results benchmarks/out/adaptation/smoke \
		--write benchmarks/out/adaptation/smoke.md

KILLS := 50
ITERATIONS := 600
soak: $(INSTALLED)  ## kills two trainings so many times, and compares their ends with uninterrupted runs
	$(BIN)/python benchmarks/soak.py --kills $(KILLS) --iterations $(ITERATIONS)
	$(BIN)/python benchmarks/soak.py --recipe esrgan --kills $(KILLS) --iterations $(ITERATIONS)
	$(BIN)/python benchmarks/memory.py

gpu-check: $(INSTALLED)  ## everything that needs a CUDA device, in one run
	$(BIN)/python benchmarks/gpu_check.py

# torch first and BasicSR without build isolation: its build would otherwise download a second torch
$(INSTALLED): setup.py constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -c constraints.txt setuptools wheel torch torchvision
	$(BIN)/python -m pip install -q -c constraints.txt --no-build-isolation basicsr
	$(BIN)/python -m pip install -q -c constraints.txt --no-build-isolation -e ".[dev]"
	touch $@

$(VENV)/.docs: $(INSTALLED)
	$(BIN)/python -m pip install -q -c constraints.txt --no-build-isolation -e ".[docs]"
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info demo/out
