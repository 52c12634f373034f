# Each target makes its own virtual environment; PYTHON chooses the interpreter.
PYTHON ?= python3
VENV ?= .venv

# What failed while two processes had the machine gets a second chance, alone.
AGAIN = FASTWS_EXTENSIONS=$(1) $(VENV)/bin/python -m pytest -q --last-failed --last-failed-no-failures none

.PHONY: help bench test lint wheel sdist sanitizers valgrind fuzz leaks autobahn systems docs workflows hooks clean

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

valgrind:  ## Run the kernel tests under valgrind: nothing unwritten is read (10 min, CPython 3.12 or newer)
	.ci/valgrind $(PYTHON)

fuzz:  ## Fuzz every parser for a while
	.ci/fuzz 60

leaks:  ## Do everything over and over and look what memory stays (about 5 min)
	.ci/leaks

wheel:  ## Build the wheel of this machine into dist/, check it, try it in an empty environment
	KEEP=dist .ci/wheel --twice

sdist:  ## Build the source distribution, and test from what is in it
	.ci/sdist

systems:  ## PyPy, arm64, s390x, i386, musl, WebAssembly, no AVX, threads without a lock (root)
	for system in pypy nehalem arm64 s390x i386 musl pyodide free-threaded; do .ci/$$system || exit 1; done

docs:  ## Build the documents into build/docs
	.ci/docs

workflows:  ## Lint the workflows and list the wheels they make
	.ci/workflows

hooks: $(VENV)/bin/python  ## Have git check style before each commit
	$(VENV)/bin/python -m pip install --quiet pre-commit
	$(VENV)/bin/pre-commit install

autobahn:  ## The official conformance suite: both roles, compiled and pure (about 1 h)
	.ci/autobahn --full

clean:  ## Remove what was built
	rm -rf build dist reports $(VENV) *.egg-info
	find fastws -name '*.so' -delete
