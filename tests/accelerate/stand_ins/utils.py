"""Stands in for `tests/utils.py` of websockets, which its source distribution leaves out."""

import unittest


class GeneratorTestCase(unittest.TestCase):
    """Assertions about generators that wait for data."""

    def assertGeneratorRunning(self, generator):
        try:
            next(generator)
        except StopIteration as stop:
            self.fail(f"the generator ended, with {stop.value!r}")

    def assertGeneratorReturns(self, generator):
        try:
            next(generator)
        except StopIteration as stop:
            return stop.value
        self.fail("the generator still waits")


class DeprecationTestCase(unittest.TestCase):
    """Asked for by name only, in the tests that are run."""
