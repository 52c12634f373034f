# Each target makes its own virtual environment; PYTHON chooses the interpreter.
PYTHON ?= python3
VENV ?= .venv

# What failed while two processes had the machine gets a second chance, alone.
AGAIN = FASTWS_EXTENSIONS=$(1) $(VENV)/bin/python -m pytest -q --last-failed --last-failed-no-failures none

.PHONY: help bench test pure lint sanitizers fuzz autobahn clean

help:  ## List the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --upgrade pip

bench: $(VENV)/bin/python  ## Build, install and compare with what people use now (about 1 min)
	$(VENV)/bin/python -m pip install --quiet --editable '.[bench,uvloop]'
	$(VENV)/bin/python -m fastws.bench

test: $(VENV)/bin/python  ## Build in place and run the tests, compiled and pure (about 5 min)
	FASTWS_EXTENSIONS=1 $(VENV)/bin/python -m pip install --quiet --editable '.[test,uvloop]'
	FASTWS_EXTENSIONS=1 $(VENV)/bin/python -m pytest -q -n 2 || $(call AGAIN,1)
	FASTWS_EXTENSIONS=0 $(VENV)/bin/python -m pytest -q -n 2 || $(call AGAIN,0)

lint: $(VENV)/bin/python  ## Check style and types
	$(VENV)/bin/python -m pip install --quiet --editable '.[test]'
	$(VENV)/bin/python -m ruff check .
	$(VENV)/bin/python -m ruff format --check .
	$(VENV)/bin/python -m mypy

sanitizers:  ## Run the kernel tests under AddressSanitizer and UBSan (2 min)
	.ci/sanitizers

fuzz:  ## Fuzz every parser for a while
	.ci/fuzz 60

autobahn:  ## The official conformance suite: both roles, compiled and pure (about 1 h)
	.ci/autobahn --full

clean:  ## Remove what was built
	rm -rf build dist reports $(VENV) *.egg-info
	find fastws -name '*.so' -delete
