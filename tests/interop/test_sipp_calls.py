"""SIPp calls a party of ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sipparty.media import MemorySink, ToneSource
from sipparty.parties import NoMediaSimpleCallsParty, SingleRTPSessionSimplenParty
from sipparty.sip import SimpleCall
from sipparty.sip.events import CallReceived
from sipparty.sip.transaction import Timing

from .media import samples_of, tone_share
from .peer import everywhere, wait_for
from .sipp import SIPp
from .tshark import Capture

Make = Callable[..., Any]

KINDS = [NoMediaSimpleCallsParty, SingleRTPSessionSimplenParty]


@pytest.fixture
def received() -> list[Any]:
    """The calls that `listening` got."""
    return []


@pytest.fixture
def listening(parties: Make, received: list[Any]) -> Make:
    """Make a party that notes its calls, and does with each what it is told to."""

    def make(
        kind: Any = NoMediaSimpleCallsParty,
        decide: Callable[[SimpleCall], object] | None = None,
        **options: Any,
    ) -> Any:
        party = parties(kind, "bob", auto_answer=decide is None, **options)

        def take(event: CallReceived) -> None:
            received.append(event.call)
            if decide is not None:
                decide(event.call)

        party.on(CallReceived, take)
        return party

    return make


def port_of(party: Any) -> int:
    port: int = party.contact_uri.port
    return port


def only(calls: list[Any]) -> Any:
    (call,) = wait_for(lambda: list(calls), "a call came")
    return call


@everywhere
@pytest.mark.parametrize("kind", KINDS)
def test_a_call(sipp: SIPp, listening: Make, received: list[Any], kind: Any) -> None:
    bob = listening(kind)
    sipp.call("uac_call", port_of(bob), MILLISECONDS=50).finish()
    call = only(received)
    assert call.state == "Terminated"
    assert call.last_error is None
    assert bob.calls == []


@everywhere
def test_media_of_a_call(
    sipp: SIPp, listening: Make, received: list[Any], capture: Capture | None
) -> None:
    """SIPp returns what it hears: the tone that we play comes back."""
    sink = MemorySink()
    media = {"play": ToneSource(440), "record": sink, "accept_echo": True}
    bob = listening(SingleRTPSessionSimplenParty, media=media)
    sipp.call("uac_call", port_of(bob), "-rtp_echo", MILLISECONDS=1000).finish()
    assert tone_share(samples_of(sink.pcm), 440) > 0.9
    statistics = only(received).session.statistics
    assert statistics.packets_received > 30
    assert statistics.lost == 0
    if capture is not None and capture.has_media:
        rtp = [packet for packet in capture.packets if packet.payload_type >= 0]
        assert len(rtp) > 60
        assert {packet.payload_type for packet in rtp} == {0}


def test_twenty_calls(sipp: SIPp, listening: Make, received: list[Any]) -> None:
    bob = listening()
    options = ("-m", "20", "-r", "100", "-l", "10")
    sipp.call("uac_call", port_of(bob), *options, MILLISECONDS=20).finish()
    wait_for(lambda: len(received) >= 20, "the calls came")
    assert [call.state for call in received] == ["Terminated"] * 20
    assert len({call.call_id for call in received}) == 20


@pytest.mark.parametrize("kind", KINDS)
def test_we_hang_up(sipp: SIPp, listening: Make, received: list[Any], kind: Any) -> None:
    """RFC 3261 §15: a BYE that is asked for before the ACK waits for it."""
    bob = listening(kind, lambda call: call.ring().accept().terminate())
    sipp.call("uac_hung_up", port_of(bob)).finish()
    assert only(received).wait(2).state == "Terminated"


@everywhere
def test_cancelled(sipp: SIPp, listening: Make, received: list[Any]) -> None:
    bob = listening(decide=lambda call: call.ring())
    sipp.call("uac_cancel", port_of(bob)).finish()
    assert only(received).wait(2).state == "Terminated"


@pytest.mark.parametrize(
    ("decide", "status", "header", "pattern"),
    [
        (lambda call: call.reject(), 486, "To", "tag="),
        (lambda call: call.ring().reject(603), 603, "To", "tag="),
        (lambda call: call.ring().terminate(), 603, "To", "tag="),
        (
            lambda call: call.reject(302, headers=[("Contact", "<sip:carol@192.0.2.9>")]),
            302,
            "Contact",
            "carol@192.0.2.9",
        ),
    ],
    ids=["486", "603", "terminated", "302"],
)
def test_refused(
    sipp: SIPp,
    listening: Make,
    received: list[Any],
    decide: Callable[[SimpleCall], object],
    status: int,
    header: str,
    pattern: str,
) -> None:
    bob = listening(decide=decide)
    values: dict[str, Any] = {"STATUS": status, "HEADER": header, "PATTERN": pattern, "MORE": ""}
    sipp.call("uac_refused", port_of(bob), **values).finish()
    assert only(received).wait(2).state == "Terminated"


def test_busy(sipp: SIPp, listening: Make, received: list[Any]) -> None:
    bob = listening(max_calls=0)
    values: dict[str, Any] = {"STATUS": 486, "HEADER": "To", "PATTERN": "tag=", "MORE": ""}
    sipp.call("uac_refused", port_of(bob), **values).finish()
    assert received == []


@pytest.mark.parametrize(
    ("more", "user", "status", "header", "pattern"),
    [
        ("\nRequire: join, 100rel, sec-agree", "bob", 420, "Unsupported", "join, *sec-agree"),
        ("", "nobody", 404, "To", "tag="),
        ("\nContent-Encoding: gzip", "bob", 415, "Accept-Encoding", "identity"),
    ],
    ids=["extension", "user", "encoding"],
)
def test_what_is_not_known_is_refused(
    sipp: SIPp,
    listening: Make,
    received: list[Any],
    more: str,
    user: str,
    status: int,
    header: str,
    pattern: str,
) -> None:
    bob = listening()
    values: dict[str, Any] = {"STATUS": status, "HEADER": header, "PATTERN": pattern, "MORE": more}
    sipp.call("uac_refused", port_of(bob), user=user, **values).finish()
    assert received == []


@pytest.mark.parametrize(
    ("method", "status", "header", "pattern", "more", "to"),
    [
        ("OPTIONS", 200, "Allow", "INVITE.*BYE", "", ""),
        ("OPTIONS", 200, "Accept", "application/sdp", "", ""),
        ("FOO", 501, "Allow", "INVITE.*OPTIONS.*BYE", "", ""),
        ("OPTIONS", 420, "Unsupported", "no-such-thing", "\nRequire: no-such-thing", ""),
        ("BYE", 481, "To", "tag=gone", "", ";tag=gone"),
        ("OPTIONS", 481, "To", "tag=gone", "", ";tag=gone"),
        ("CANCEL", 481, "To", "tag=", "", ""),
    ],
    ids=["allow", "accept", "method", "extension", "stray-bye", "stray-options", "stray-cancel"],
)
def test_a_request_alone(
    sipp: SIPp,
    listening: Make,
    method: str,
    status: int,
    header: str,
    pattern: str,
    more: str,
    to: str,
) -> None:
    bob = listening()
    values: dict[str, Any] = {
        "METHOD": method,
        "STATUS": status,
        "HEADER": header,
        "PATTERN": pattern,
    }
    sipp.call("uac_request", port_of(bob), **values, MORE=more, TO=to).finish()


def test_requests_in_a_call(sipp: SIPp, listening: Make, received: list[Any]) -> None:
    bob = listening()
    sipp.call("uac_request_in_call", port_of(bob), METHOD="FOO", STATUS=501).finish()
    assert only(received).state == "Terminated"


@everywhere
def test_late_offer(sipp: SIPp, listening: Make, received: list[Any]) -> None:
    bob = listening(SingleRTPSessionSimplenParty, media={"accept_echo": True})
    sipp.call("uac_late_offer", port_of(bob), "-rtp_echo", MILLISECONDS=300).finish()
    call = only(received)
    assert call.last_error is None
    assert call.session.statistics.packets_received > 5


def test_reinvite(
    sipp: SIPp, listening: Make, received: list[Any], capture: Capture | None
) -> None:
    """Hold and resume: both ways of asking for a new session are answered."""
    bob = listening(SingleRTPSessionSimplenParty, media={"accept_echo": True})
    sipp.call("uac_reinvite", port_of(bob), "-rtp_echo", MILLISECONDS=300).finish()
    assert only(received).last_error is None
    if capture is None or not capture.has_media:
        return
    # While SIPp holds, nothing is sent: the 200 to the second INVITE is followed by a pause.
    answers = {p.cseq: p.time for p in capture.sent_by(port_of(bob)) if p.status == 200}
    media = [packet.time for packet in capture.packets if packet.payload_type >= 0]
    held = [t for t in media if answers["2 INVITE"] + 0.05 < t < answers["3 INVITE"] - 0.01]
    assert held == []
    assert [t for t in media if t < answers["2 INVITE"]]
    assert [t for t in media if t > answers["3 INVITE"]]


@pytest.mark.parametrize("kind", KINDS)
def test_our_200_is_lost(
    sipp: SIPp,
    listening: Make,
    received: list[Any],
    capture: Capture | None,
    kind: Any,
) -> None:
    """RFC 3261 §13.3.1.4: it is sent again until it is acknowledged, and then no more."""
    bob = listening(kind, timing=Timing(t1=0.1))
    sipp.call("uac_late_ack", port_of(bob), "-nr", MILLISECONDS=500).finish()
    assert only(received).last_error is None
    if capture is not None:
        sent = capture.sent_by(port_of(bob))
        assert [p.cseq for p in sent if p.status == 200] == ["1 INVITE"] * 3 + ["2 BYE"]


def test_the_ack_never_comes(sipp: SIPp, listening: Make, received: list[Any]) -> None:
    bob = listening(timing=Timing(t1=0.02))
    sipp.call("uac_never_acks", port_of(bob), "-nr").finish()
    call = only(received)
    wait_for(lambda: call.state == "Error", "the call ended in error")
    assert call.last_error is not None
    assert call.last_error.status == 408


def test_duplicates(sipp: SIPp, listening: Make, received: list[Any]) -> None:
    """RFC 3261 §17.2, RFC 6026 §7.1: what comes twice is done once."""
    party: list[Any] = []

    def ring(call: SimpleCall) -> None:
        call.ring()
        # Answer when the INVITE has come twice.
        counters = party[0].engine.core.counters
        wait_for(lambda: counters["received"] > 1, "the INVITE came again")
        call.accept()

    party.append(listening(decide=ring, timing=Timing()))
    sipp.call("uac_duplicates", port_of(party[0]), "-nr").finish()
    assert only(received).last_error is None
    assert len(received) == 1
