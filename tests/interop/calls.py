"""What tests do with calls of our parties, whoever the peer is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sipparty.media import MemorySink, find_codec
from sipparty.sip import SimpleCall
from sipparty.sip.events import CallReceived

from .media import OURS, THEIRS, read_wav, samples_of, tone_share
from .peer import wait_for
from .sound import Sound
from .tshark import Capture

__all__ = [
    "ended",
    "first",
    "heard_each_other",
    "incoming",
    "on_wire",
    "reports_excused",
    "sent_our_tone",
    "talk",
]

#: Packets of 20 ms that make audio enough to judge.
_ENOUGH = 45


def incoming(party: Any, decide: Callable[[SimpleCall], object] = SimpleCall.accept) -> list[Any]:
    """Have a party decide on its calls; return where they will be."""
    calls: list[Any] = []

    def take(event: CallReceived) -> None:
        calls.append(event.call)
        decide(event.call)

    party.on(CallReceived, take)
    return calls


def first(calls: list[Any]) -> Any:
    """Wait for a call that `incoming` notes."""
    wait_for(lambda: calls, "a call came")
    return calls[0]


def ended(call: Any) -> None:
    """Wait until a call is over, and see that nothing was wrong with it."""
    call.waitForStateCondition(lambda state: state == "Terminated", 5)
    assert call.last_error is None


def talk(call: Any, packets: int = _ENOUGH) -> None:
    """Wait until so many packets more went each way."""
    before = call.session.statistics

    def enough() -> bool:
        now = call.session.statistics
        sent = now.packets_sent - before.packets_sent
        received = now.packets_received - before.packets_received
        return bool(min(sent, received) >= packets)

    wait_for(enough, f"{packets} packets each way", 6, lambda: repr(call.session.statistics))


def heard_each_other(sink: MemorySink, peer: Any) -> None:
    """We have heard the peer's tone and it has recorded ours, and little else.

    Args:
        sink: What we heard.
        peer: A softphone that records to its `recording`.
    """
    assert tone_share(samples_of(sink.pcm), THEIRS) > 0.9
    assert peer.recording is not None
    assert tone_share(read_wav(peer.recording), OURS) > 0.9


def on_wire(
    capture: Capture | None, port: int, codec: str = "PCMU", *, to: int = 0
) -> Sound | None:
    """What went out of a port in the RTP packets of one codec, one after the other.

    Args:
        capture: The packets.
        port: Where they came from.
        codec: One that has a payload type of its own.
        to: The port they went to; 0 for any.

    Returns:
        The sound; None where media are not captured.
    """
    if capture is None or not capture.has_media:
        return None
    kind = find_codec(codec)
    decode = kind.make().decode
    payloads = [
        packet.payload
        for packet in capture.sent_by(port)
        if packet.payload_type == kind.payload_type and to in (0, packet.destination)
    ]
    return Sound.of_pcm(b"".join(map(decode, payloads)), kind.sample_rate)


def sent_our_tone(capture: Capture | None, port: int, since: float = 0.0) -> None:
    """What went out of a port of ours, as PCMU, is our tone, and little else."""
    if capture is not None and capture.has_media:
        sent = [p for p in capture.packets if p.source == port and p.time > since]
        decoder = find_codec("PCMU").make("")
        pcm = b"".join(decoder.decode(p.payload) for p in sent if p.payload_type == 0)
        assert tone_share(samples_of(pcm), OURS) > 0.9


def reports_excused(capture: Capture | None, call: Any) -> None:
    """Wireshark takes SRTCP for RTCP where no description has told it otherwise."""
    wait_for(lambda: call.session.negotiated is not None, "media has started")
    if capture is not None:
        agreed = call.session.negotiated
        capture.excused_ports |= {agreed.local_rtcp_port, agreed.remote_rtcp[1]}
