"""Importing starts nothing, and loads nothing that only some need."""

import importlib.util
import json
import subprocess
import sys

import pytest

#: What must not come along with the package.
HEAVY = {
    "aioice",
    "cryptography",
    "dns",
    "hypothesis",
    "IPython",
    "matplotlib",
    "numpy",
    "pytest",
    "rich",
    "typer",
    "websockets",
}

SCRIPT = """
import json, sys, threading
seen = []
def hook(event, args):
    if event in EVENTS:
        seen.append(event)
sys.addaudithook(hook)
start = threading.Thread.start  # not audited before Python 3.12
threading.Thread.start = lambda thread: (seen.append("threading.Thread.start"), start(thread))
import NAME
print(json.dumps({
    "seen": seen,
    "threads": [thread.name for thread in threading.enumerate()],
    "loaded": sorted({name.partition(".")[0] for name in sys.modules}),
}))
"""

#: The interpreter's own reports of sockets, threads, processes and connections being made.
EVENTS = {
    "socket.__new__",
    "socket.bind",
    "socket.connect",
    "socket.getaddrinfo",
    "_thread.start_new_thread",
    "_thread.start_joinable_thread",
    "subprocess.Popen",
    "os.fork",
}


def fresh(statement):
    """What a fresh interpreter has to say about a statement in place of the import."""
    script = SCRIPT.replace("import NAME", statement).replace("EVENTS", repr(EVENTS))
    command = [sys.executable, "-W", "error", "-c", script]
    run = subprocess.run(command, capture_output=True, text=True, timeout=50)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.mark.parametrize(
    "name",
    [
        "sipparty",
        "sipparty.fsm",
        "sipparty.sip",
        "sipparty.sdp",
        "sipparty.media",
        "sipparty.transport",
        "sipparty.trace",
        "sipparty.parties",
        "sipparty.testing",
    ],
)
def test_importing_starts_nothing(name):
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} does not exist")
    told = fresh(f"import {name}")
    assert told["seen"] == []
    assert told["threads"] == ["MainThread"]
    assert HEAVY & set(told["loaded"]) == set()
    assert "sipparty" in told["loaded"]


@pytest.mark.parametrize(
    ("statement", "event"),
    [
        ("import socket; socket.socket().close()", "socket.__new__"),
        ("t = threading.Thread(target=int); t.start(); t.join()", "threading.Thread.start"),
    ],
)
def test_what_is_started_would_be_seen(statement, event):
    assert event in fresh(statement)["seen"]


def test_importing_the_package_loads_nothing():
    loaded = fresh("import sipparty")["loaded"]
    assert "asyncio" not in loaded
    names = "print([m for m in sys.modules if m.startswith('sipparty')])"
    command = [sys.executable, "-c", f"import sys, sipparty; {names}"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=50, check=True)
    assert run.stdout == "['sipparty']\n"


def test_the_parties_load_no_loop_and_no_transport():
    """Importing is to be quick; the engine, and what it needs, is loaded with the first call."""
    names = "print(' '.join(m for m in sys.modules))"
    command = [sys.executable, "-c", f"import sys, sipparty.parties; {names}"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=50, check=True)
    late = {"asyncio", "ssl", "dataclasses", "inspect", "difflib", "html", "json", "sipparty.media"}
    late |= {"sipparty.concurrency.engine", "sipparty.fsm.drawing", "sipparty.sip.auth.exchange"}
    late |= {"sipparty.sdp", "sipparty.sip.auth.server", "sipparty.trace", "sipparty.transport"}
    assert late & set(run.stdout.split()) == set()
