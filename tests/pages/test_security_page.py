"""Every threat of docs/security.md names the tests that show what is done about it."""

import ast
import os
import re

import pytest

from pages.blocks import ROOT

TEXT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
TABLE = TEXT.partition("## Threats")[2].partition("\n## ")[0]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TABLE.splitlines()
    if line.startswith("| ") and not line.startswith(("| threat", "| **"))
]


def functions(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in tree.body if isinstance(node, kinds)}


def test_the_table_is_found():
    assert len(ROWS) > 50
    assert all(len(row) == 3 for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_threat_names_tests_that_are_there(row):
    proofs = row[2].split(", ")
    for proof in proofs:
        assert re.fullmatch(r"`\S+`", proof), f"not a test: {proof}"
        place, _, test = proof.strip("`").partition("::")
        path = ROOT / place
        assert path.exists(), place
        if test:
            assert test in functions(path), f"{place} has no {test}"
        else:
            assert place.startswith(".ci/"), f"{proof} names a file, not a test"
            assert os.access(path, os.X_OK) or os.name == "nt"
