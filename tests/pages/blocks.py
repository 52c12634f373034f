"""Fenced code in Markdown pages, and what the page says about running it.

Comments before a block, which readers do not see, say how it runs:

    <!-- run: to its end -->            a program in a process of its own; `output` has what it said
    <!-- run: in the background -->     the same, until the page ends
    <!-- run: not, because REASON -->
    <!-- needs: MODULE -->              or MODULE>=17: without it, this block is left out
    <!-- python                         code of the page itself, for what stands around its blocks
    ...
    -->
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

IN_PLACE, TO_ITS_END, IN_THE_BACKGROUND = "in place", "to its end", "in the background"

_fence = re.compile(r"(?P<indent> *)(?P<marks>`{3,}|~{3,}) *(?P<info>.*)")
_comment = re.compile(r"<!-- (?P<key>run|needs): (?P<value>.*) -->")


@dataclass(frozen=True)
class Block:
    """One block of code, and where it stands."""

    language: str
    code: str
    line: int
    run: str = IN_PLACE
    needs: tuple[str, ...] = ()

    @property
    def reason_not_to_run(self) -> str | None:
        """Why it is not run; None if it is."""
        start = "not, because "
        return self.run.removeprefix(start) if self.run.startswith(start) else None


def pages() -> list[Path]:
    """Every document a reader may open, in order."""
    return sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "bench" / "README.md"])


def name(path: Path) -> str:
    """What to call a page: its place in the tree."""
    return path.relative_to(ROOT).as_posix()


def read_blocks(text: str) -> list[Block]:
    """Return the blocks of a page; those in comments have language "python" too."""
    blocks = []
    said: dict[str, list[str]] = {"run": [], "needs": []}
    lines = iter(enumerate(text.splitlines(), 1))

    def take(end: str, indent: int) -> str:
        taken = []
        for _, line in lines:
            if line.strip() == end:
                return "".join(f"{line[indent:]}\n" for line in taken)
            taken.append(line)
        raise ValueError(f"no {end} ends a block")

    for number, line in lines:
        if line.strip() == "<!-- python":
            blocks.append(Block("python", take("-->", 0), number, needs=tuple(said["needs"])))
            said = {"run": [], "needs": []}
        elif comment := _comment.fullmatch(line.strip()):
            said[comment["key"]].append(comment["value"])
        elif fence := _fence.fullmatch(line):
            code = take(fence["marks"], len(fence["indent"]))
            language = fence["info"].split(maxsplit=1)[0] if fence["info"] else ""
            [run] = said["run"] or [IN_PLACE]
            blocks.append(Block(language, code, number, run, tuple(said["needs"])))
            said = {"run": [], "needs": []}
        elif line.strip():
            assert not any(said.values()), f"line {number}: a comment, but no block behind it"
    return blocks
