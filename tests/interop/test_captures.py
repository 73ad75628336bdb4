"""Calls with others, as our trace has them and as a capture of the interface has them: what is read
of either says the same.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sipparty.trace import KeyRecord, Ladder, MediaRecord, Trace, WireRecord, read_capture

from .calls import talk
from .media import THEIRS, write_tone
from .peer import TCP, UDP6, missing, over, require, wait_for
from .sipp import SIPp
from .tshark import Capture

Make = Callable[..., Any]


def messages(records: Any) -> list[bytes]:
    """The messages, each once."""
    found = [one.data for one in records if isinstance(one, WireRecord) and one.data.strip()]
    return list(dict.fromkeys(found))


def check(capture: Capture | None, trace: Trace, tmp_path: Path) -> list[Any]:
    """Read the capture of a call, and of its trace; return the records of the first."""
    if capture is None or not capture.has_media:
        missing("the interface may not be captured")
    assert capture is not None
    capture.stop()
    seen, ours = (read_capture(one) for one in (capture.file, trace.save(tmp_path / "t.pcapng")))
    assert (seen.truncated, seen.remarks) == (ours.truncated, ours.remarks) == (False, [])
    assert messages(seen.records) == messages(ours.records) == messages(trace)
    (there,) = [one for one in seen.records if isinstance(one, MediaRecord)]
    (here,) = [one for one in ours.records if isinstance(one, MediaRecord)]
    assert here.codec == there.codec == "PCMU"
    assert {here.local, here.remote} == {there.local, there.remote}
    assert here.lost == there.lost == 0
    assert abs((here.sent + here.received) - (there.sent + there.received)) <= 4
    drawn = Ladder(seen.records).text(width=None)
    assert "RTP PCMU" in drawn
    assert drawn.count("INVITE (CSeq") == 1
    return seen.records


@over(UDP6)
def test_a_call_with_baresip_and_its_keys(
    baresip: Make, talking: Make, capture: Capture | None, tmp_path: Path
) -> None:
    peer = baresip(play=write_tone(tmp_path / "tone.wav", THEIRS, 30), codecs=("PCMU",))
    alice = talking()
    with Trace(alice, rtp=True) as trace:
        call = alice.invite(peer.uri()).wait(5)
        talk(call, 20)
        peer.tell("sndcode", "47")
        assert call.gather(max=2, timeout=5).wait(8) == "47"
        assert call.send_dtmf("9").wait(5) == "sent"
        talk(call, 10)
        call.terminate().wait(5)
    records = check(capture, trace, tmp_path)
    for found in (records, list(trace)):
        # A key that is heard is kept when it ends, and another may be sent before that.
        keys = sorted((one.key, one.source) for one in found if isinstance(one, KeyRecord))
        ends = call.session and {one.source for one in records if isinstance(one, WireRecord)}
        assert [key for key, _ in keys] == ["4", "7", "9"]
        assert keys[0][1] == keys[1][1] != keys[2][1]
        assert {end for _, end in keys} == ends


@over(TCP)
def test_a_call_with_linphone(
    linphone: Make, talking: Make, capture: Capture | None, tmp_path: Path
) -> None:
    peer = linphone(play=write_tone(tmp_path / "tone.wav", THEIRS, 30))
    alice = talking(media={"codecs": ("PCMU",)})
    with Trace(alice, rtp=True) as trace:
        call = alice.invite(peer.uri()).wait(5)
        peer.wait_for_output("Media streams established")
        talk(call, 20)
        call.terminate().wait(5)
    check(capture, trace, tmp_path)


def test_a_call_with_sipp_in_wireshark(
    sipp: SIPp, talking: Make, capture: Capture | None, tmp_path: Path
) -> None:
    run = sipp.answer("uas_call", "-rtp_echo")
    alice = talking(media={"accept_echo": True, "codecs": ("PCMU",)})
    with Trace(alice, rtp=True) as trace:
        call = alice.invite(run.uri()).wait(5)
        talk(call, 20)
        wait_for(lambda: call.session.statistics.packets_received > 20, "it comes back")
        call.terminate().wait(5)
        run.finish()
    check(capture, trace, tmp_path)
    fields = ["-T", "json", "-e", "frame.comment", "-e", "sip.Method", "-e", "rtp.payload"]
    command = [require("tshark"), "-n", "-r", str(tmp_path / "t.pcapng"), *fields]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=45)
    packets = [one["_source"]["layers"] for one in json.loads(shown.stdout)]
    assert sum("rtp.payload" in one for one in packets) > 40
    invite = next(one for one in packets if one.get("sip.Method") == ["INVITE"])
    assert f"{call.name}: Initial -> InitiatingDialog" in invite["frame.comment"][0]
