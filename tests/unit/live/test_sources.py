"""Where the model's records come from: parties, and files that grow."""

from __future__ import annotations

from pathlib import Path

import pytest

from sipparty.errors import UsageError
from sipparty.live.model import LiveModel
from sipparty.live.sources import FileSource, PartySource, source_of
from sipparty.parties import NoMediaSimpleCallsParty
from sipparty.testing.simulation import VirtualNetwork
from sipparty.trace.jsonl import as_json

from .records import CALL, request


def write(path: Path, *records, mode: str = "a") -> None:
    with path.open(mode) as file:
        file.writelines(as_json(record) + "\n" for record in records)


def test_parties() -> None:
    network = VirtualNetwork(seed=1, delay=(0.01, 0.02))
    model = LiveModel()
    try:
        alice = NoMediaSimpleCallsParty("alice@atlanta.com", engine=network.engine("10.0.0.1"))
        bob = NoMediaSimpleCallsParty("bob@biloxi.com", engine=network.engine("10.0.0.2")).listen()
        with PartySource(alice, bob) as source:
            assert "alice@atlanta.com" in source.title
            call = alice.invite(bob).wait(5)
            source.update(model)
            (shown,) = model.calls()
            assert (shown.phase, shown.callee) == ("answered", "bob@biloxi.com")
            assert {view.name for view in shown.machines()} >= {call.name, bob.calls[0].name}
            before = shown.records
            source.update(model)
            assert shown.records == before
            network.sleep(30)
            source.update(model)
            assert round(shown.duration(model.now)) == 30
            assert not source.hang_up("another call")
            assert source.hang_up(call.call_id)
            call.wait(5)
            source.update(model)
            assert shown.phase == "ended"
        alice.invite(bob).wait(5)
        source.update(model)
        assert len(model) == 1
    finally:
        network.close()


def test_a_file_that_grows(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    write(path, *CALL[:2])
    model = LiveModel()
    with FileSource(path) as source:
        source.update(model)
        assert model["call-1"].phase == "calling"
        line = as_json(CALL[2])
        with path.open("a") as file:
            file.write(line[:20])
            file.flush()
            source.update(model)
            assert model["call-1"].phase == "calling"
            file.write(line[20:] + "\n")
        source.update(model)
        assert model["call-1"].phase == "ringing"
        assert not source.trouble
        assert not source.hang_up("call-1")


def test_a_file_that_was_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    write(path, *CALL)
    source, model = FileSource(path), LiveModel()
    source.update(model)
    write(path, request(call="new"), mode="w")
    source.update(model)
    assert "new" in model


def test_lines_that_are_none_are_named_and_left_out(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_bytes(b'\n{"kind": "nonsense"}\n\xff\x00\n[1]\n')
    write(path, CALL[0])
    source, model = FileSource(path), LiveModel()
    source.update(model)
    assert len(model) == 1
    assert source.trouble.startswith("Line 4: ")


def test_a_file_that_is_taken_away(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    write(path, *CALL)
    source = FileSource(path)
    path.unlink()
    source.update(LiveModel())
    assert source.trouble == "trace.jsonl cannot be read: No such file or directory."


def test_what_can_be_shown(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        source_of(tmp_path / "none.jsonl")
    with pytest.raises(UsageError):
        source_of()
    with pytest.raises(UsageError):
        source_of(3)
