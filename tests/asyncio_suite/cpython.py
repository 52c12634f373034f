"""Run CPython's own tests of tasks with every coroutine stepped: ``python cpython.py``."""

from __future__ import annotations

import importlib
import sys
import unittest

import stepped

# Tests of what uses tasks; test_tasks itself says how a task is made, the others ask the loop.
MODULES = ["taskgroups", "timeouts", "waitfor", "locks", "queues", "runners", "streams"]

_ANOTHER = "what the task waits for, or runs, is ours and not what the test gave it"
_LATER = "the stand-in cancels the future in the turn after the one that cancels its task"

EXCLUDED = {
    "wrapped": {
        "test_get_coro": _ANOTHER,
        "test_task_repr_partial_corowrapper": _ANOTHER,
        "test_task_source_traceback": "the line that makes the task is not in the test",
    },
    "waiting": {
        "test_cancel_task_catching": _ANOTHER,
        "test_cancel_task_ignoring": _ANOTHER,
        "test_get_coro": _ANOTHER,
        "test_task_repr_partial_corowrapper": _ANOTHER,
        "test_task_cancel_waiter_future": _ANOTHER,
        "test_task_repr_wait_for": _ANOTHER,
        "test_task_source_traceback": "the line that makes the task is not in the test",
        "test_uncancel_resets_must_cancel": "its future is done a turn before the waiter",
        "test_cancel_race": _LATER,
        "test_finished_waiter_cancelled": _LATER,
    },
}


def tests_of_tasks(way):
    from test.test_asyncio import test_tasks

    class Stepped(test_tasks.CTask_CFuture_Tests):
        def new_task(self, loop, coroutine, *args, **kwargs):
            coroutine = stepped.WAYS[way](loop, coroutine)
            return super().new_task(loop, coroutine, *args, **kwargs)

    return unittest.defaultTestLoader.loadTestsFromTestCase(Stepped)


def each(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from each(test)
        else:
            yield test


def run(way, name, suite):
    tests = [test for test in each(suite) if test._testMethodName not in EXCLUDED[way]]
    print(f"{way}: {name}", file=sys.stderr)
    return unittest.TextTestRunner(verbosity=0).run(unittest.TestSuite(tests)).wasSuccessful()


def main():
    results = []
    for way in stepped.WAYS:
        results.append(run(way, "tasks", tests_of_tasks(way)))
        for name in MODULES:
            try:
                module = importlib.import_module(f"test.test_asyncio.test_{name}")
            except ModuleNotFoundError:
                continue  # newer than this Python
            with stepped.on_all_loops(stepped.WAYS[way]):
                suite = unittest.defaultTestLoader.loadTestsFromModule(module)
                results.append(run(way, name, suite))
    print(f"{stepped.Through.steps_in_place} steps were made in place", file=sys.stderr)
    return 0 if all(results) and stepped.Through.steps_in_place else 1


if __name__ == "__main__":
    sys.exit(main())
