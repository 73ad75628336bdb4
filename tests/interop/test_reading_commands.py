"""The commands that read and ask, as programs: what SIPp and Kamailio have sent, a name server."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sipparty.parties import NoMediaSimpleCallsParty
from sipparty.trace import write_pcap

from .peer import UDP, over
from .sipp import SIPp
from .tshark import Capture

Make = Callable[..., Any]


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "sipparty", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def lines(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    """What `--json` has printed."""
    return [json.loads(line) for line in done.stdout.splitlines()]


@over(UDP)
def test_what_sipp_has_sent_is_drawn_and_explained(
    sipp: SIPp, parties: Make, capture: Capture | None, tmp_path: Path
) -> None:
    run = sipp.answer("uas_call")
    call = parties(NoMediaSimpleCallsParty, history=True).invite(run.uri()).wait(5)
    assert call.terminate().wait(5).state == "Terminated"
    run.finish()
    file = tmp_path / "ours.pcapng"
    if capture is not None and capture.has_media:
        capture.stop()
        file = capture.file
    else:
        write_pcap(file, call.messages)
    listed = lines(command("ladder", file, "--list", "--json"))
    (found,) = [each for each in listed if each["call_id"] == call.call_id]
    assert (found["method"], found["phase"], found["records"]) == ("INVITE", "ended", 7)
    page = tmp_path / "call.html"
    done = command("ladder", file, "--call", call.call_id, "-o", page)
    assert done.returncode == 0, done.stderr
    assert call.call_id in page.read_text()
    (answer,) = [
        each.data
        for each in call.messages
        if each.direction == "received" and b"SIP/2.0 200" in each.data and b"INVITE" in each.data
    ]
    (tmp_path / "answer").write_bytes(answer)
    done = command("parse", tmp_path / "answer", "--json")
    assert done.returncode == 0, done.stderr
    assert lines(done)[-1] == {"event": "result", "what": "a response", "acceptable": True}
    (tmp_path / "answer").write_bytes(answer.replace(b"CSeq:", b"CSeq"))
    assert command("parse", tmp_path / "answer").returncode == 1


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("sdp", "explain", "no.sdp"), 2, "There is no file 'no.sdp'"),
        (("fsm", "SimplCall"), 2, "Did you mean SimpleCall?"),
        (("fsm", "SimpleCall"), 0, "InDialog"),
        (("resolve", "sip:bob@localhost"), 0, "127.0.0.1  5060"),
        (("resolve", "sip:bob@a b"), 2, "not a valid"),
        (("doctor", "--port", "0", "--stun", "127.0.0.1:1"), 1, "To mend: NAT"),
    ],
)
def test_the_others_as_programs(arguments: tuple[str, ...], status: int, words: str) -> None:
    done = command(*arguments)
    assert done.returncode == status, done.stderr
    assert words in done.stdout + done.stderr
