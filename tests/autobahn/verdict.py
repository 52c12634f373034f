"""What the suite's verdicts come to: a table by section, and whether all is well."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

__all__ = ["SECTIONS", "faults", "table"]

Results = Mapping[str, Mapping[str, object]]

SECTIONS = {
    1: "Framing",
    2: "Pings and pongs",
    3: "Reserved bits",
    4: "Opcodes",
    5: "Fragmentation",
    6: "UTF-8",
    7: "Closing",
    9: "Limits and performance",
    10: "Automatic fragmentation",
    12: "Compression, messages of many sizes",
    13: "Compression, parameters of many kinds",
}
_COLUMNS = ("OK", "NON-STRICT", "INFORMATIONAL", "UNIMPLEMENTED", "FAILED")
_GOOD = ("OK", "NON-STRICT", "INFORMATIONAL")
_GOOD_CLOSES = ("OK", "INFORMATIONAL")


def _wrong_close(result: Mapping[str, object]) -> bool:
    return result["behaviorClose"] not in _GOOD_CLOSES


def faults(results: Results) -> list[str]:
    """Return a line for each case that is not as it must be."""
    return [
        f"{case}: {result['behavior']}, close {result['behaviorClose']}"
        for case, result in sorted(results.items(), key=lambda item: _case_key(item[0]))
        if result["behavior"] not in _GOOD or _wrong_close(result)
    ]


def table(results: Results) -> str:
    """Return the number of cases by section and verdict, as Markdown."""
    lines = [
        "| section | cases | OK | non-strict | informational | unimplemented | failed "
        "| wrong close |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for section, name in SECTIONS.items():
        chosen = [result for case, result in results.items() if _case_key(case)[0] == section]
        if chosen:
            lines.append(_row(f"{section} {name}", chosen))
    lines.append(_row("all", list(results.values())))
    return "\n".join(lines)


def _row(name: str, results: list[Mapping[str, object]]) -> str:
    counts = Counter(str(result["behavior"]) for result in results)
    unknown = set(counts) - set(_COLUMNS)
    if unknown:
        raise ValueError(f"verdicts that nobody knows: {', '.join(sorted(unknown))}")
    cells = [len(results), *(counts[column] for column in _COLUMNS)]
    cells.append(sum(map(_wrong_close, results)))
    return f"| {name} | {' | '.join(map(str, cells))} |"


def _case_key(case: str) -> tuple[int, ...]:
    return tuple(map(int, case.split(".")))
