"""Keys, both ways: with baresip and Linphone as telephone events and in INFO, with SIPp as packets
of a file, and as tones; what we send is looked at on the wire too.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sipparty.media import DigitEnded, DigitReceived, MemorySource, RTPPacket
from sipparty.media.dtmf.keys import plan
from sipparty.media.dtmf.sending import EventSender
from sipparty.media.dtmf.telephone_event import TelephoneEvent

from .baresip import Baresip
from .calls import talk
from .pcap import write_packets
from .peer import UDP, UDP6, Transport, missing, over, wait_for
from .sipp import SIPp
from .sound import Sentences
from .tshark import Capture

Make = Callable[..., Any]


def pressed(call: Any) -> list[Any]:
    """The events of keys in a call, from now on."""
    events: list[Any] = []
    call.on(DigitReceived, events.append)
    call.on(DigitEnded, events.append)
    return events


def keys_of(events: list[Any], method: str) -> str:
    """The keys that came by a method; each has ended before the next began."""
    begun, ended = events[::2], events[1::2]
    assert all(isinstance(one, DigitReceived) for one in begun)
    assert all(isinstance(one, DigitEnded) for one in ended)
    assert {one.method for one in events} == {method}
    assert [one.digit for one in begun] == [one.digit for one in ended]
    return "".join(one.digit for one in begun)


def reports(capture: Capture | None, port: int, kind: int) -> list[TelephoneEvent] | None:
    """The telephone events that went out of a port; None where media are not captured."""
    if capture is None or not capture.has_media:
        return None
    return [
        report
        for packet in capture.sent_by(port)
        if packet.payload_type == kind
        for report in TelephoneEvent.parse(packet.payload)
    ]


def check_sent(found: list[TelephoneEvent] | None, keys: str, duration: int) -> None:
    """Each key was sent: updates that grow, then its end three times."""
    if found is None:
        return
    ends = [report for report in found if report.end]
    assert [report.event for report in ends] == [int(key) for key in keys for _ in range(3)]
    assert {report.duration for report in ends} == {duration}
    assert all(report.duration for report in found)


# baresip.


def baresip_heard(peer: Baresip) -> str:
    """The keys that baresip says it received: it prints each when it is let go."""
    found = re.findall(r"received DTMF: '(.)' \(duration=", peer.describe())
    if not found:
        told = [one for one in peer.events if one["type"] == "CALL_DTMF_START"]
        return "".join(one["param"] for one in told)
    return "".join(found)


@over(UDP, UDP6)
def test_baresip_hears_our_keys(
    baresip: Make, saying: Make, sentences: Sentences, capture: Capture | None, tmp_path: Path
) -> None:
    peer = baresip(play=sentences.theirs.write(tmp_path / "theirs.wav", 8000))
    call = saying().invite(peer.uri()).wait(5)
    talk(call, 10)
    port, (kind, rate) = call.session.local_port, call.session.line.stream.settings.dtmf_send
    assert rate == 8000
    sent = call.send_dtmf("1590")
    assert sent.method == "rtp"
    assert sent.wait(5) == "sent"

    def all_came() -> bool:
        peer._take()
        return baresip_heard(peer) == "1590"

    wait_for(all_came, "baresip heard the keys", 5, peer.describe)
    talk(call, 10)
    call.terminate().wait(5)
    check_sent(reports(capture, port, kind), "1590", 800)


@over(UDP, UDP6)
def test_baresip_presses_keys(
    baresip: Make, saying: Make, sentences: Sentences, tmp_path: Path
) -> None:
    peer = baresip(play=sentences.theirs.write(tmp_path / "theirs.wav", 8000))
    call = saying().invite(peer.uri()).wait(5)
    events = pressed(call)
    gathering = call.gather(max=8, end="#", timeout=5)
    talk(call, 10)
    peer.tell("sndcode", "4711#")
    assert gathering.wait(8) == "4711"
    wait_for(lambda: len(events) == 10, "the last key ended")
    assert keys_of(events, "rtp") == "4711#"
    call.terminate().wait(5)


def test_baresip_hears_our_keys_in_info(
    baresip: Make, saying: Make, sentences: Sentences, tmp_path: Path
) -> None:
    """This version takes INFO, and sends none."""
    peer = baresip(play=sentences.theirs.write(tmp_path / "theirs.wav", 8000))
    call = saying(media={"dtmf": False}).invite(peer.uri()).wait(5)
    assert call.takes_info
    sent = call.send_dtmf("73")
    assert (sent.method, sent.wait(5)) == ("info", "sent")

    def all_came() -> bool:
        peer._take()
        return baresip_heard(peer) == "73"

    wait_for(all_came, "baresip heard the keys", 5, peer.describe)
    call.terminate().wait(5)


# Linphone.


@over(UDP, UDP6)
def test_keys_with_linphone(
    linphone: Make, saying: Make, sentences: Sentences, capture: Capture | None, tmp_path: Path
) -> None:
    peer = linphone(play=sentences.theirs.write(tmp_path / "theirs.wav", 8000))
    call = saying().invite(peer.uri()).wait(5)
    peer.wait_for_output("Media streams established")
    events = pressed(call)
    talk(call, 10)
    peer.tell("159#")
    assert call.gather(max=8, end="#", timeout=5).wait(8) == "159"
    wait_for(lambda: len(events) == 8, "the last key ended")
    assert keys_of(events, "rtp") == "159#"
    port, (kind, _) = call.session.local_port, call.session.line.stream.settings.dtmf_send
    assert call.send_dtmf("480").wait(5) == "sent"
    for key in "480":
        peer.wait_for_output(f"Receiving tone {key} from")
    call.terminate().wait(5)
    peer.wait_for_output("Call 1 with .* ended")
    assert len(re.findall("Receiving tone", peer.describe())) == 3
    check_sent(reports(capture, port, kind), "480", 800)


def test_keys_with_linphone_in_info(
    linphone: Make, saying: Make, sentences: Sentences, tmp_path: Path
) -> None:
    said = sentences.theirs.write(tmp_path / "theirs.wav", 8000)
    peer = linphone(play=said, settings="use_info=1\nuse_rfc2833=0\n")
    call = saying(media={"dtmf": False}).invite(peer.uri()).wait(5)
    peer.wait_for_output("Media streams established")
    events = pressed(call)
    peer.tell("15#")
    assert call.gather(max=8, end="#", timeout=5).wait(8) == "15"
    wait_for(lambda: len(events) == 6, "the last key ended")
    assert keys_of(events, "info") == "15#"
    sent = call.send_dtmf("48")
    assert (sent.method, sent.wait(5)) == ("info", "sent")
    for key in "48":
        peer.wait_for_output(f"Receiving tone {key} from")
    call.terminate().wait(5)


# SIPp.


def events_of(keys: str, *, lost: Callable[[int], bool] = lambda number: False) -> list[bytes]:
    """The packets of keys, 20 ms apart, among silence; some are lost."""
    sender = EventSender(96)
    sender.queue(plan(keys, 0.1, 0.08))
    packets: list[bytes] = []
    number = 0
    while sender.busy or number < 10:
        timestamp = 5000 + 160 * number
        event = sender.next(timestamp, 160, 8000) if number >= 10 else None
        kind, at, marker, payload = event or (0, timestamp, False, b"\xff" * 160)
        made = RTPPacket(kind, number, at, 0x5EED, payload, marker=marker)
        if kind == 0 or not lost(number):
            packets.append(bytes(made))
        number += 1
    return packets


@over(UDP, UDP6)
def test_keys_with_sipp(
    sipp: SIPp, saying: Make, capture: Capture | None, tmp_path: Path, transport: Transport
) -> None:
    if os.geteuid() != 0:
        missing("SIPp plays packets for root alone")
    # Two of three packets of each key are lost, and many of the ends.
    packets = events_of("4711##", lost=lambda number: number % 3 > 0)
    path = write_packets(tmp_path / "keys.pcap", packets, six=":" in transport.host)
    run = sipp.answer("uas_presses", PORT="[media_port]", SPEAK=f'play_pcap_audio="{path}"')
    call = saying().invite(run.uri())
    events = pressed(call)
    gathering = call.gather(max=6, end="", first_timeout=8)
    call.wait(5)
    port = call.session.local_port
    assert gathering.wait(10) == "4711##"
    assert call.send_dtmf("90", 0.06).wait(5) == "sent"
    wait_for(lambda: len(events) == 12, "the last key ended")
    assert keys_of(events, "rtp") == "4711##"
    call.terminate().wait(5)
    run.finish()
    check_sent(reports(capture, port, 96), "90", 480)


def test_tones_with_sipp(sipp: SIPp, saying: Make, tmp_path: Path) -> None:
    """Keys as tones, both ways: what it says in the audio, and its echo of ours."""
    run = sipp.answer("uas_call", "-rtp_echo")
    media = {"accept_echo": True, "inband_dtmf": True, "dtmf": False}
    call = saying(media={**media, "play": MemorySource(bytes(16000), 8000)}).invite(run.uri())
    events = pressed(call)
    call.wait(5)
    assert call.send_dtmf("0123456789*#ABCD", method="inband").wait(8) == "sent"
    wait_for(lambda: len(events) == 32, "all tones came back", 5, lambda: repr(events))
    assert keys_of(events, "inband") == "0123456789*#ABCD"
    call.terminate().wait(5)
    run.finish()
