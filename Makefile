PYTHON ?= python3
BIN := .venv/bin

.PHONY: install train test alone lint format bench

install: .venv/.installed

# everything, tests' and TensorBoard's extras included; again when setup.cfg changes
.venv/.installed: setup.cfg pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[test,tensorboard]'
	touch $@

train: install
	$(BIN)/python train.py

test: install
	# the longest files first, so that both processes end together
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder tests/test_training.py tests/test_export.py tests/test_processes.py tests

# colorize in an environment of its own, with what requirements/colorize.txt lists and no TensorFlow
alone:
	$(PYTHON) -m venv --clear .venv/alone
	.venv/alone/bin/pip install --quiet --disable-pip-version-check --requirement requirements/colorize.txt
	.venv/alone/bin/pip install --quiet --disable-pip-version-check --no-deps .
	.venv/alone/bin/python tests/alone.py

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: install
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[bench]'
	$(BIN)/python benchmarks/input_pipeline.py
	$(BIN)/python benchmarks/train_step.py
