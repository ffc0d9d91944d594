# make study   sets up .venv and runs the quickstart study
# make test    sets up .venv and runs the tests
# make check   style and types
PYTHON ?= python3

.PHONY: study test check clean

study: .venv/installed
	.venv/bin/tunetrack run search_spaces/quickstart.yaml

test: .venv/installed-dev
	scripts/test

check: .venv/installed-dev
	scripts/check

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "tunetrack needs Python 3.11 or newer; try make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv

.venv/installed: pyproject.toml | .venv/bin/python
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

.venv/installed-dev: pyproject.toml | .venv/bin/python
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@ .venv/installed

clean:
	rm -rf .venv build src/*.egg-info
