"""The conformance page names a test for each row of its section-by-section tables that is done, and
the tests that it names exist.
"""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/topics/conformance.md").read_text(encoding="utf-8")
SECTIONS = PAGE.partition("## What a user agent does, section by section")[2]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in SECTIONS.splitlines()
    if line.startswith("|") and not line.startswith(("| section", "|---"))
]


@cache
def functions_of(path):
    """The names of the functions in a test file, with those of its classes before them."""
    names = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
    return names


@pytest.mark.parametrize("row", ROWS, ids=lambda row: " ".join(row[:2])[:60])
def test_each_row_is_done_with_a_test_or_missing(row):
    section, what, state, tests = row
    assert section
    assert what
    assert state in ("done", "missing", "in part"), row
    named = re.findall(r"`(tests/[^`:]+)::([^`]+)`", tests)
    if state == "missing":
        assert not named
        return
    assert named, f"No test is named: {row}"
    for path, name in named:
        assert (ROOT / path).is_file(), f"There is no {path}."
        assert name in functions_of(path), f"There is no {name} in {path}."


def test_every_heading_has_rows():
    for part in SECTIONS.split("\n### ")[1:]:
        heading = part.partition("\n")[0]
        rows = [line for line in part.splitlines() if line.startswith("| ")][1:]
        assert rows, f"{heading}: nothing is said."
