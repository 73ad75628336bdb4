"""`sipparty load`: what its command line cannot ask for."""

import pytest
from typer.testing import CliRunner

from sipparty.cli.app import app

SCRIPT = "async def scenario(run): ...\n"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "90")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "script.py").write_text(SCRIPT)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing.py", "127.0.0.1"], "nothing.py"),
        (["script.py:other", "127.0.0.1"], "has no scenario 'other', but scenario"),
        (["script.py"], "who is to be called?"),
        (["script.py", "sip:@@"], "TARGET"),
        (["script.py", "127.0.0.1", "--register"], "a scenario registers by itself"),
        (["script.py", "127.0.0.1", "--rate", "0"], "rate is above 0"),
        (["script.py", "127.0.0.1", "--limit", "5", "--ramp", "2"], "nothing to ramp up"),
        (["script.py", "127.0.0.1", "-t", "failed"], "is no threshold"),
        (["script.py", "127.0.0.1", "--report", "load.pdf"], ".html, .json or .txt"),
        (["script.py", "127.0.0.1", "--report", "no/load.json"], "There is no folder"),
        (["script.py", "127.0.0.1", "--option", "x"], "NAME=VALUE"),
    ],
)
def test_what_cannot_be_is_said(arguments, words, folder):
    result = CliRunner().invoke(app, ["load", *arguments])
    assert result.exit_code == 2
    assert words in " ".join(result.output.replace("│", " ").split())
    # Python may keep the script compiled; nothing else is left.
    assert {path.name for path in folder.iterdir()} - {"__pycache__"} == {"script.py"}


def test_a_page_takes_matplotlib_which_is_said_before_the_load(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "matplotlib", None)
    result = CliRunner().invoke(app, ["load", "script.py", "127.0.0.1", "--report", "load.html"])
    assert result.exit_code == 2
    assert "pip install 'sipparty[plots]'" in " ".join(result.output.split())
