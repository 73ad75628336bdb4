"""The examples run as they are, with warnings as errors; and so does the README's code."""

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sipparty.media import WAVSource

ROOT = Path(__file__).parents[2]

#: Example: what it prints.
PRINTED = {
    "announcement": ["a message: message-from-alice.wav", "the line hung up"],
    "exposed": ["a call of alice", "guessing from 127.0.0.1: 5", "refused 5 times"],
    "ivr": ["account 4711 (ended by end)", "the line hung up"],
    "first_call": ["talking", "done: True"],
    "recorder": ["call-1.wav: spoken for more than 0.2 s: True"],
    "many_calls": ["20 of 20 calls made and ended"],
    "voice_bot": ["it greets", "it answers"],
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


README = (ROOT / "README.md").read_text()
CALLER, MACHINE, TEST, PROMPT = re.findall(r"^```python\n(.*?)^```", README, re.M | re.S)

#: What takes the place of the world in the README's first two blocks: the answering machine listens
#: at a free port, and the caller calls it.
STAGE = """
import asyncio, threading
from sipparty import AudioParty, ToneSource, WAVRecorder

for name in ("hello.wav", "question.wav"):
    clip = WAVRecorder(name)
    clip.start(8000)
    clip.write(ToneSource(440, duration=0.3).read(2400))
    clip.close()
made, ready = [], threading.Event()
listen = AudioParty.listen

def listen_here(party, port):
    assert port == 5060
    listen(party, None, address="127.0.0.1")
    made.append(party)
    ready.set()
    return party

AudioParty.listen = listen_here
machine = threading.Thread(target=exec, args=(MACHINE, {}), daemon=True)
machine.start()
ready.wait(20)
exec(CALLER.replace("sip:bob@10.0.0.2", str(made[0].contact_uri)), {})
engine = made[0].engine
asyncio.run_coroutine_threadsafe(made[0].aclose(), engine.loop).result(20)
machine.join(20)
assert not machine.is_alive()
"""


def test_the_answering_machine_and_the_caller_of_the_readme(tmp_path):
    done = execute("-c", f"MACHINE = {MACHINE!r}\nCALLER = {CALLER!r}\n{STAGE}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    (message,) = tmp_path.glob("message-*.wav")
    assert any(WAVSource(message).read(8000))


def test_the_test_of_the_readme_passes(tmp_path):
    (tmp_path / "test_bob.py").write_text(TEST)
    options = ["-q", "-p", "no:cacheprovider", "-p", "sipparty.testing.plugin", "-p", "no:asyncio"]
    done = execute("-m", "pytest", *options, str(tmp_path), cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


def test_the_prompt_of_the_readme(tmp_path):
    script = []
    for example in doctest.DocTestParser().get_examples(PROMPT):
        shown = f"assert repr({example.source.strip()}) == {example.want.strip()!r}\n"
        script.append(shown if example.want else example.source)
    assert sum(line.startswith("assert repr(") for line in script) == 3
    done = execute("-c", "".join(script), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_the_ladder_of_the_readme_fits_a_terminal():
    (ladder,) = re.findall(r"^```text\n(.*?)^```", README, re.M | re.S)
    assert max(map(len, ladder.splitlines())) <= 80
