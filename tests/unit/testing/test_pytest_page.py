"""The page about pytest: its tests pass, and its scenario is what SIPp plays."""

import re
import shutil
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[3] / "docs" / "howto" / "pytest.md"
BLOCK = re.compile(r"^```(\S+)( no-run)?\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(kind):
    return [source for found, _, source in BLOCK.findall(PAGE.read_text()) if found == kind]


@pytest.fixture
def page(tmp_path, monkeypatch):
    """The modules of the page, in a folder that is the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    office = next(one for one in blocks("python") if "class Office" in one)
    (tmp_path / "office.py").write_text(office)
    (tmp_path / "sales_rings_bob.xml").write_text(blocks("xml")[0])
    return tmp_path


def test_the_tests_of_the_page_pass(page, suite):
    sources = [one for one in blocks("python") if "def test_" in one and "10.0.0.5" not in one]
    assert len(sources) == 5
    for number, source in enumerate(sources):
        (page / f"test_{number}.py").write_text(source)
    text, code = suite(None, "-q", "-n0")
    assert code == 0, text
    assert "5 passed" in text if shutil.which("sipp") else "4 passed, 1 skipped" in text
