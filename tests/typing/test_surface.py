"""What mypy says of a program on the public surface: no errors, and no Any for its user."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy")

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).with_name("surface.py")
NOTE = re.compile(r"^[^:]+:(\d+): note: Revealed type is \"(.*)\"$", re.MULTILINE)
WANTED = re.compile(r"reveal_type\(.*\)\)?  # (.*)$")


@pytest.fixture(scope="module")
def said():
    """What mypy prints."""
    command = [sys.executable, "-m", "mypy", "--strict", "--show-error-codes", "--no-color-output"]
    command += ["--python-version", "3.11", "--config-file=", str(PROGRAM)]
    environment = {**os.environ, "MYPYPATH": str(ROOT / "src")}
    run = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=300
    )
    assert not run.stderr
    return run.stdout


def plain(revealed):
    """A type as one writes it: without modules, and with `|` for unions."""
    text = re.sub(r"(?:builtins|typing|(?:\w+\.)*\w+)\.(\w+)", r"\1", revealed)
    text = re.sub(r"\((?:\w+: )?", "(", text)
    return text.replace("?", "")


def test_it_has_no_errors(said):
    assert "error:" not in said


def test_what_is_revealed_is_what_the_program_says(said):
    lines = PROGRAM.read_text().splitlines()
    revealed = {int(number): plain(text) for number, text in NOTE.findall(said)}
    wanted = {
        number: found[1]
        for number, line in enumerate(lines, 1)
        if (found := WANTED.search(line)) is not None
    }
    assert len(wanted) == sum(1 for line in lines if re.match(r" +reveal_type\(", line))
    assert revealed == wanted


def test_nothing_revealed_is_any(said):
    assert not [text for _, text in NOTE.findall(said) if re.search(r"\bAny\b", text)]
