"""A little of what `fuzz/live.py` does at length: the same mutants each time, at parties that are
there, by every way in; and the attacker's own parts.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def load(name):
    """A module of the folder `fuzz`, which is beside the package and not in it."""
    sys.path.insert(0, str(ROOT))
    try:
        return importlib.import_module(f"fuzz.{name}")
    finally:
        sys.path.remove(str(ROOT))


live, live_seeds, rig = load("live"), load("live_seeds"), load("rig")

#: Mutants for each way in.
SHORT = 400


@pytest.fixture(autouse=True)
def closed():
    """Nothing is left of the parties."""
    yield
    live.close()


@pytest.mark.parametrize("surface", live.SURFACES)
def test_mutants_do_no_harm(surface):
    outcome = live.run_chunk(1, SHORT, only=surface)
    assert outcome.inputs == SHORT
    found = [f"{one.data!r}: {one.what}\n{one.details}" for one in outcome.findings.values()]
    assert not found, found[0]


def test_an_error_in_the_log_is_found():
    ready = live._ready()
    ready.loop.call_later(0.001, ready.engine.dispatcher._log_failure, print, None)
    finding = live.try_one("requests", b"a")
    assert finding.target == "live-requests"
    assert "raised on NoneType" in finding.what


def test_what_handlers_meet_is_found(monkeypatch):
    def fail(message):
        raise ZeroDivisionError("of nothing")

    monkeypatch.setattr(rig, "read_message", fail)
    mutant = live_seeds.requests()[0]
    finding = live.try_one("requests", mutant)
    assert finding.data == mutant
    assert finding.what == "Reading CallReceived raised ZeroDivisionError: of nothing"


def test_silence_is_found(monkeypatch):
    monkeypatch.setattr(rig, "PATIENCE", 0.1)
    live._ready().engine.core.receive = lambda data, flow, now: None
    finding = live.try_one("requests", b"a")
    assert finding.what == "the answer to OPTIONS did not come in 0.1 s"


def test_names_are_filled_in_where_they_are_whole():
    assert live_seeds.fill(b"{call} {cal {no} {call}", {b"call": b"1"}) == b"1 {cal {no} 1"
