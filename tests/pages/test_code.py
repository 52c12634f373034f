"""The Python of every page runs as it stands there, from top to bottom."""

import re
from pathlib import Path

import pytest

from pages.blocks import ROOT, name, pages, read_blocks
from pages.running import run_page

BLOCKS = {path: read_blocks(path.read_text(encoding="utf-8")) for path in pages()}
PROGRAMS = [path for path in pages() if any(block.language == "python" for block in BLOCKS[path])]


@pytest.mark.parametrize("path", PROGRAMS, ids=name)
def test_the_python_of_a_page_runs(path, tmp_path):
    blocks = [block for block in BLOCKS[path] if block.language == "python"]
    left_out = run_page(path, blocks, tmp_path)
    if left_out:
        pytest.skip("all ran but " + "; ".join(left_out))


@pytest.mark.parametrize("path", pages(), ids=name)
def test_every_block_names_its_language(path):
    assert all(block.language for block in BLOCKS[path]), "name one after ```; text if it is none"


def commands(path):
    for block in BLOCKS[path]:
        if block.language == "console":
            for line in block.code.splitlines():
                if line.startswith("$ "):
                    yield line.partition("#")[0]


def exists_as_module(module):
    place = ROOT.joinpath(*module.split("."))
    return place.with_suffix(".py").exists() or (place / "__main__.py").exists()


MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", pages(), ids=name)
def test_the_commands_of_a_page_exist(path):
    text = path.read_text(encoding="utf-8")
    for script in re.findall(r"(?<![\w/])\.ci/[a-z0-9-]+", text):
        assert (ROOT / script).exists(), script
    for module in re.findall(r"python3? -m (fastws[\w.]*)", text):
        assert exists_as_module(module.rstrip(".")), module
    for target in re.findall(r"`(?:\$ )?make ([a-z]+)`", text) + [
        word for line in commands(path) for word in re.findall(r"\bmake ([a-z]+)", line)
    ]:
        assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), f"make {target}"
    for place in re.findall(r"`((?:tests|bench|examples|fastws|docs)/[\w./-]*)(?:::\w+)?`", text):
        assert Path(ROOT, place).exists(), place


def test_blocks_are_found_with_what_is_said_of_them():
    page = """
<!-- python
a = 1
-->

<!-- needs: gevent -->
<!-- run: to its end -->
```python title
b
```

  ```console
  $ ls
  ```
"""
    first, second, third = read_blocks(page)
    assert (first.code, first.run) == ("a = 1\n", "in place")
    assert (second.code, second.run, second.needs) == ("b\n", "to its end", ("gevent",))
    assert (third.language, third.code, third.line) == ("console", "$ ls\n", 12)


def test_a_comment_without_a_block_is_an_error():
    with pytest.raises(AssertionError, match="no block"):
        read_blocks("<!-- run: to its end -->\n\nsome words\n")


def test_code_that_fails_fails_the_page(tmp_path):
    path = tmp_path / "page.md"
    for code in ("assert 0", "await x", "<!-- run: to its end -->"):
        run, code = ("to its end", "1 / 0") if code.startswith("<") else ("in place", code)
        [block] = read_blocks(f"<!-- run: {run} -->\n```python\n{code}\n```")
        with pytest.raises((AssertionError, NameError)):
            run_page(path, [block], tmp_path)
