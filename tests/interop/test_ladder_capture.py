"""Captures of calls with other programs are drawn as the calls were."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sipparty.parties import NoMediaSimpleCallsParty
from sipparty.trace import Ladder, WireRecord
from sipparty.trace.capture import read_capture

from .calls import ended, talk
from .media import THEIRS, write_tone
from .peer import TCP, UDP, over
from .sipp import SIPp
from .tshark import Capture

Make = Callable[..., Any]


def drawn(capture: Capture | None, call: Any) -> Ladder:
    """The ladder of a call that was captured."""
    if capture is None or not capture.has_media:
        pytest.skip("The interface cannot be captured.")
    capture.stop()
    return Ladder(read_capture(capture.file).records).only(call.call_id)


def messages(ladder: Ladder) -> list[str]:
    """What the messages of a ladder are, with an arrow the way each goes."""
    return [
        f"{'><'[row.source > row.destination]} {row.labels[-1]}"
        for row in ladder.layout().rows
        if isinstance(row.record, WireRecord) and None not in (row.source, row.destination)
    ]


@over(UDP, TCP)
def test_a_call_of_sipp(sipp: SIPp, parties: Make, capture: Capture | None) -> None:
    run = sipp.answer("uas_call")
    call = parties(NoMediaSimpleCallsParty).invite(run.uri()).wait(5)
    assert call.terminate().wait(5).state == "Terminated"
    run.finish()
    ladder = drawn(capture, call)
    assert messages(ladder) == [
        "> INVITE",
        "< 100",
        "< 180",
        "< 200",
        "> ACK",
        "> BYE",
        "< 200",
    ]
    assert len(ladder.layout().columns) == 2
    assert max(map(len, ladder.text(width=60).split("\n"))) <= 60


@pytest.mark.parametrize("name", ["baresip", "linphone"])
def test_a_call_with_media(
    name: str,
    request: pytest.FixtureRequest,
    talking: Make,
    capture: Capture | None,
    tmp_path: Path,
) -> None:
    peer = request.getfixturevalue(name)(play=write_tone(tmp_path / "tone.wav", THEIRS, 30))
    call = talking().invite(peer.uri()).wait(5)
    talk(call)
    call.terminate()
    ended(call)
    ladder = drawn(capture, call)
    said = messages(ladder)
    assert [said[0], *said[-4:]] == ["> INVITE", "< 200", "> ACK", "> BYE", "< 200"]
    assert "< 180" in said
    (media,) = [row for row in ladder.layout().rows if row.kind == "media"]
    assert media.both_ways
    assert media.labels[-1] == "RTP PCMU"
    assert len(ladder.layout().columns) == 2
