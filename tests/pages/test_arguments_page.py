"""docs/reference/arguments.md has every argument of `connect` and `serve`, with its default."""

import inspect
import re

import pytest

from fastws import aio, sync
from pages.blocks import ROOT

TEXT = (ROOT / "docs" / "reference" / "arguments.md").read_text(encoding="utf-8")
BOTH, CLIENT, SERVER = TEXT.split("\n## ")[1:]
ROW = re.compile(r"^\| `(\w+)` \| (?:`([^`]+)`)? *\|", re.MULTILINE)


def defaults(*parts):
    return {name: default for part in parts for name, default in ROW.findall(part)}


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (aio.connect, defaults(BOTH, CLIENT)),
        (sync.reconnect, defaults(BOTH, CLIENT)),
        (aio.serve, defaults(BOTH, SERVER)),
        (sync.serve, defaults(BOTH, SERVER)),
    ],
    ids=["aio.connect", "sync.reconnect", "aio.serve", "sync.serve"],
)
def test_every_argument_is_there_with_its_default(function, said):
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            continue
        assert name in said
        if said[name]:
            assert said[name] == repr(parameter.default), name
        else:
            unsaid = parameter.default is inspect.Parameter.empty
            assert unsaid or callable(parameter.default) or name.endswith("_header"), name


def test_what_is_in_the_page_is_an_argument_somewhere():
    functions = (aio.connect, sync.reconnect, aio.serve, sync.serve)
    known = {name for function in functions for name in inspect.signature(function).parameters}
    assert set(defaults(BOTH, CLIENT, SERVER)) <= known
