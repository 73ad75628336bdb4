"""The tutorial is true: its notebooks run in a fresh kernel and show what comes out."""

import importlib.util
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")


def load(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tool = load("notebooks")
every_notebook = pytest.mark.parametrize(
    "path", [pytest.param(path, id=path.stem) for path in tool.NOTEBOOKS]
)


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """Gives a notebook as it is after a run; each is run once, in a process of its own."""
    folder = tmp_path_factory.mktemp("executed")

    @cache
    def run(path):
        command = [sys.executable, str(ROOT / "docs" / "notebooks.py"), str(folder), path.stem]
        done = subprocess.run(command, capture_output=True, text=True, timeout=55)
        assert done.returncode == 0, done.stderr
        return nbformat.read(folder / path.name, as_version=4)

    return run


def shown(cell):
    """What a code cell shows: streams by name, values by type."""
    return [
        (output.name, output.text)
        if output.output_type == "stream"
        else (output.output_type, dict(output.get("data", {})))
        for output in cell.outputs
    ]


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_there_is_a_notebook():
    assert tool.NOTEBOOKS


@every_notebook
def test_a_notebook_shows_what_comes_out(path, executed):
    kept = code_cells(nbformat.read(path, as_version=4))
    came = code_cells(executed(path))
    assert len(kept) == len(came)
    for before, after in zip(kept, came, strict=True):
        if tool.varies(before):
            assert bool(before.outputs) == bool(after.outputs), before.source
        else:
            assert shown(before) == shown(after), "Run `python docs/notebooks.py`."


@every_notebook
def test_a_notebook_has_no_trace_of_the_machine_it_was_run_on(path):
    text = path.read_text()
    assert "Traceback" not in text
    assert not re.search(r"site-packages|/home/|/root/|/tmp/|\.py\b.{0,20}line \d", text)


@every_notebook
def test_links_of_a_notebook_lead_somewhere(path):
    prose = "\n".join(
        cell.source
        for cell in nbformat.read(path, as_version=4).cells
        if cell.cell_type == "markdown"
    )
    links = LINK.findall(prose)
    assert links
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_the_first_notebook_shows_a_call_on_the_wire(executed):
    (cell,) = [c for c in code_cells(executed(tool.NOTEBOOKS[0])) if c.source == "trace.flush()"]
    ((_, text),) = shown(cell)
    for start in ("INVITE sip:bob@biloxi.com", "SIP/2.0 180 Ringing", "SIP/2.0 200 OK", "ACK sip:"):
        sent = rf"(?m)^Sent \('127\.0\.0\.1', \d+\) -> \('127\.0\.0\.1', \d+\)\n>>>>>\n{start}"
        received = (
            rf"(?m)^received \('127\.0\.0\.1', \d+\) -> \('127\.0\.0\.1', \d+\)\n<<<<<\n{start}"
        )
        assert re.search(sent, text), start
        assert re.search(received, text), start
