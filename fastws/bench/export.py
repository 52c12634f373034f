"""Results as files for other programs: JSON, which can be read again, and CSV."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from .figures import SCHEMA, Results

__all__ = ["Unreadable", "csv_text", "document", "json_text", "read"]

COLUMNS = (
    *("scenario", "work", "size", "connections", "contender", "kind", "quantity", "unit"),
    *("better", "median", "best", "spread", "noisy", "load_limited"),
)


class Unreadable(Exception):
    """A file that --json did not write; the text says why."""


def document(results: Results, **about: Any) -> dict[str, Any]:
    """Return all of a run, with what else is known about it."""
    return {"schema": SCHEMA, **about, **results.as_json()}


def json_text(document: dict[str, Any]) -> str:
    """Return a document as text, one figure a line."""
    lines = []
    for name, value in document.items():
        if isinstance(value, list) and value:
            inner = ",\n  ".join(json.dumps(record, ensure_ascii=False) for record in value)
            lines.append(f" {json.dumps(name)}: [\n  {inner}\n ]")
        else:
            lines.append(f" {json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def csv_text(results: Results) -> str:
    """Return a line for each figure, below one with the names (RFC 4180)."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(figure.as_json() for figure in results.figures.values())
    return text.getvalue()


def read(path: Path) -> tuple[dict[str, Any], Results]:
    """Return what ``json_text`` wrote; raises Unreadable."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Unreadable(f"{path} is no file of --json: {error}") from None
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        schema = found.get("schema") if isinstance(found, dict) else None
        raise Unreadable(f"{path} has schema {schema}, this version reads {SCHEMA}: measure again")
    try:
        return found, Results.from_json(found)
    except (KeyError, TypeError, ValueError) as error:
        raise Unreadable(f"{path} is no file of --json: {error!r}") from None
