"""The examples run as they are, with warnings as errors; and so does the README's code."""

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

#: Example: what it prints.
PRINTED = {
    "announcement": ["a message: message-from-alice.wav", "the line hung up"],
    "exposed": ["a call of alice", "guessing from 127.0.0.1: 5", "refused 5 times"],
    "first_call": ["talking", "done: True"],
    "many_calls": ["20 of 20 calls made and ended"],
}


def execute(*arguments, cwd):
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=50,
        env=dict(os.environ),
    )
    # What asyncio says in development mode of a machine that is busy is not the example's.
    done.stderr = re.sub(r"(?m)^Executing <.*> took .* seconds\n", "", done.stderr)
    return done


def test_every_example_is_tried():
    assert {path.stem for path in (ROOT / "examples").glob("*.py")} == set(PRINTED)


@pytest.mark.parametrize("name", PRINTED)
def test_an_example_runs(name, tmp_path):
    done = execute(ROOT / "examples" / f"{name}.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == PRINTED[name]
    assert done.stderr == ""


def readme_as_script():
    """The README's blocks, in order; those of a prompt with a check of what they show."""
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
    script = []
    for block in blocks:
        examples = doctest.DocTestParser().get_examples(block)
        for example in examples:
            if example.want:
                script.append(
                    f"assert repr({example.source.strip()}) == {example.want.strip()!r}\n"
                )
            else:
                script.append(example.source)
        if not examples:
            script.append(block)
    return len(blocks), "".join(script)


def test_the_readme_is_true(tmp_path):
    blocks, script = readme_as_script()
    assert blocks == 3
    assert script.count("assert repr(") == 3
    done = execute("-c", script, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
