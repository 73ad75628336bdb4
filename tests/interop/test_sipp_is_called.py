"""A party of ours calls SIPp."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sipparty.errors import CallFailed, CallRejected, CallTimedOut, CallUnreachable
from sipparty.media import MemorySink, ToneSource
from sipparty.parties import NoMediaSimpleCallsParty, SingleRTPSessionSimplenParty
from sipparty.sip.transaction import Timing

from .media import samples_of, tone_share
from .peer import (
    TCP,
    TCP6,
    TLS,
    TLS6,
    UDP,
    UDP6,
    WS,
    WSS6,
    Transport,
    everywhere,
    over,
    wait_for,
)
from .sipp import SIPp
from .tshark import Capture

Make = Callable[..., Any]

KINDS = [NoMediaSimpleCallsParty, SingleRTPSessionSimplenParty]


@everywhere
@pytest.mark.parametrize("kind", KINDS)
def test_a_call(sipp: SIPp, parties: Make, kind: Any) -> None:
    run = sipp.answer("uas_call")
    call = parties(kind).invite(run.uri())
    assert call.wait(5).state == "InDialog"
    assert call.progress == 180
    assert call.terminate().wait(5).state == "Terminated"
    run.finish()


def test_it_hangs_up(sipp: SIPp, parties: Make) -> None:
    run = sipp.answer("uas_hangs_up", MILLISECONDS=20)
    call = parties(NoMediaSimpleCallsParty).invite(run.uri()).wait(5)
    call.waitForStateCondition(lambda state: state == "Terminated", 5)
    run.finish()
    assert call.last_error is None


@pytest.mark.parametrize(
    ("status", "reason", "more"),
    [
        (302, "Moved Temporarily", "Contact: <sip:carol@192.0.2.9>"),
        (404, "Not Found", "X-Test: interop"),
        (486, "Busy Here", "Retry-After: 60"),
        (503, "Service Unavailable", "Retry-After: 1"),
        (603, "Decline", "X-Test: interop"),
        (699, "Whatever You Like", "X-Test: interop"),
    ],
    ids=lambda value: str(value) if isinstance(value, int) else "",
)
def test_it_refuses(sipp: SIPp, parties: Make, status: int, reason: str, more: str) -> None:
    run = sipp.answer("uas_refuses", STATUS=status, REASON=reason, MORE=more)
    call = parties(SingleRTPSessionSimplenParty).invite(run.uri(), redirects=0)
    with pytest.raises(CallRejected) as caught:
        call.wait(5)
    run.finish()
    assert call.state == "Error"
    error = caught.value
    assert (str(error), error.status) == (str(call.last_error), call.last_error.status)
    assert error.response is not None
    assert (error.status, error.reason) == (status, reason)
    name, _, value = more.partition(": ")
    assert str(error.response.get(name)) == value


@over(UDP, TCP)
@pytest.mark.parametrize("kind", KINDS)
def test_it_sends_a_call_elsewhere(sipp: SIPp, parties: Make, kind: Any) -> None:
    """RFC 3261 §8.1.3.4: the first Contact refuses, the second one takes the call."""
    there = sipp.answer("uas_call")
    busy = sipp.answer("uas_refuses", STATUS=486, REASON="Busy Here", MORE="X-Test: interop")
    contacts = f"Contact: <{there.uri()}>;q=0.1, <{busy.uri()}>;q=0.9"
    run = sipp.answer("uas_refuses", STATUS=302, REASON="Moved Temporarily", MORE=contacts)
    call = parties(kind).invite(run.uri())
    assert call.wait(5).state == "InDialog"
    run.finish()
    busy.finish()
    assert call.terminate().wait(5).state == "Terminated"
    there.finish()


@over(UDP, UDP6, TCP, TCP6, TLS, TLS6, WS, WSS6)
def test_nobody_is_there(parties: Make, transport: Transport, capture: Capture | None) -> None:
    """What the network says of a port where nobody listens ends the call at once."""
    alice = parties(NoMediaSimpleCallsParty)
    port = alice.contact_uri.port + 1
    call = alice.invite(transport.uri("bob", port))
    with pytest.raises(CallUnreachable):
        call.wait(5)
    assert call.last_error.status == 503
    if capture is not None:
        sent = ["INVITE"] if transport.name == "udp" else []
        assert [packet.method for packet in capture.packets] == sent


@everywhere
def test_early_media(sipp: SIPp, parties: Make) -> None:
    """What comes before the answer is heard, and the call goes on with it after."""
    sink = MemorySink()
    media = {"play": ToneSource(440), "record": sink, "accept_echo": True}
    run = sipp.answer("uas_early_media", "-rtp_echo", MILLISECONDS=900)
    call = parties(SingleRTPSessionSimplenParty, media=media).invite(run.uri())
    wait_for(lambda: call.session and call.session.statistics.packets_received > 20, "early media")
    assert (call.state, call.progress) == ("InitiatingDialog", 183)
    before = call.wait(5).session.statistics.packets_received
    wait_for(lambda: call.session.statistics.packets_received > before, "media of the call")
    call.terminate().wait(5)
    run.finish()
    assert tone_share(samples_of(sink.pcm), 440) > 0.9


def test_nobody_answers(sipp: SIPp, parties: Make) -> None:
    """RFC 3261 §13.2.1: Expires says how long, then the call is cancelled."""
    run = sipp.answer("uas_cancelled", MILLISECONDS=20)
    call = parties(NoMediaSimpleCallsParty).invite(run.uri(), expires=1)
    with pytest.raises(CallTimedOut):
        call.wait(5)
    run.finish()
    assert call.last_error.status == 408


@everywhere
def test_we_cancel(sipp: SIPp, parties: Make) -> None:
    run = sipp.answer("uas_cancelled", MILLISECONDS=20)
    call = parties(NoMediaSimpleCallsParty).invite(run.uri())
    wait_for(lambda: call.progress == 180, "it rings")
    assert call.terminate().wait(5).state == "Terminated"
    run.finish()
    assert call.last_error is None


def test_we_cancel_before_it_rings(sipp: SIPp, parties: Make, capture: Capture | None) -> None:
    """RFC 3261 §9.1: no CANCEL before a provisional response."""
    run = sipp.answer("uas_cancelled", MILLISECONDS=300)
    alice = parties(NoMediaSimpleCallsParty)
    call = alice.invite(run.uri()).terminate()
    assert call.wait(5).state == "Terminated"
    run.finish()
    if capture is not None:
        signals = [packet.method or packet.status for packet in capture.packets]
        assert signals.index("CANCEL") > signals.index(180)
        assert signals[-4:] == ["CANCEL", 200, 487, "ACK"]


def test_the_answer_crosses_our_cancel(sipp: SIPp, parties: Make) -> None:
    run = sipp.answer("uas_cancelled_too_late")
    call = parties(SingleRTPSessionSimplenParty).invite(run.uri())
    wait_for(lambda: call.progress == 180, "it rings")
    assert call.terminate().wait(5).state == "Terminated"
    run.finish()


def test_its_200_comes_again(sipp: SIPp, parties: Make) -> None:
    """RFC 3261 §13.2.2.4: each is acknowledged, and the call goes on."""
    run = sipp.answer("uas_200_again", "-nr")
    alice = parties(SingleRTPSessionSimplenParty, timing=Timing())
    call = alice.invite(run.uri()).wait(5)
    counters = alice.engine.core.counters
    wait_for(lambda: counters["received"] == 3, "the 200 came three times", detail=run.describe)
    assert call.state == "InDialog"
    call.terminate().wait(5)
    run.finish()


def test_a_fork_answers_twice(sipp: SIPp, parties: Make) -> None:
    run = sipp.answer("uas_fork", "-nr")
    alice = parties(NoMediaSimpleCallsParty)
    call = alice.invite(run.uri()).wait(5)
    (fork,) = wait_for(lambda: list(call.forks), "the fork answered")
    fork.waitForStateCondition(lambda state: state == "Terminated", 5)
    assert call.state == "InDialog"
    call.terminate().wait(5)
    run.finish()


@everywhere
@pytest.mark.parametrize("loose", [True, False], ids=["loose", "strict"])
def test_record_route(sipp: SIPp, parties: Make, loose: bool) -> None:
    """The route set is the Record-Route reversed; a strict router gets itself as the target."""
    # A scenario cannot hold "<" in a pattern: the dot is for it.
    if loose:
        target = "^[A-Z]+ sip:carol@192.0.2.9 SIP"
        route = "Route: .x, .y.. .sip:[^>;]*:[0-9]+;lr.;p=1.*Route: .sip:192.0.2.7;lr."
    else:
        target = "^[A-Z]+ sip:[^ ;]*:[0-9]+ SIP"
        route = "Route: .sip:192.0.2.7;lr..*Route: .sip:carol@192.0.2.9."
    run = sipp.answer("uas_record_route", LR=";lr" if loose else "", TARGET=target, ROUTE=route)
    call = parties(NoMediaSimpleCallsParty).invite(run.uri()).wait(5)
    call.terminate().wait(5)
    run.finish()


def test_late_offer(sipp: SIPp, parties: Make) -> None:
    run = sipp.answer("uas_late_offer", "-rtp_echo")
    alice = parties(SingleRTPSessionSimplenParty, media={"accept_echo": True})
    call = alice.invite(run.uri(), late_offer=True).wait(5)
    wait_for(lambda: call.session.statistics.packets_received > 3, "media of the call")
    call.terminate().wait(5)
    run.finish()


_JUNK = "Content-Type: application/sdp\nContent-Length: [len]\n\nthis is no description"
_EMPTY = "Content-Length: 0"
_REFUSED = """Content-Type: application/sdp
Content-Length: [len]

v=0
o=sipp 1 1 IN IP4 127.0.0.1
s=-
c=IN IP4 127.0.0.1
t=0 0
m=audio [media_port] RTP/AVP 18
a=rtpmap:18 G729/8000"""


@pytest.mark.parametrize("body", [_JUNK, _EMPTY, _REFUSED], ids=["junk", "none", "codec"])
def test_bad_answer(sipp: SIPp, parties: Make, capture: Capture | None, body: str) -> None:
    run = sipp.answer("uas_bad_answer", BODY=body)
    if capture is not None:
        capture.excused_ports.add(run.port)
    call = parties(SingleRTPSessionSimplenParty).invite(run.uri())
    with pytest.raises(CallFailed, match="media"):
        call.wait(5)
    run.finish()
    assert call.state == "Error"


def test_what_we_send_is_lost(sipp: SIPp, parties: Make) -> None:
    """RFC 3261 §17.1: INVITE and BYE are sent again."""
    run = sipp.answer("uas_loses_requests", "-nr")
    call = parties(NoMediaSimpleCallsParty, timing=Timing(t1=0.1)).invite(run.uri())
    call.wait(5).terminate().wait(5)
    run.finish()
    assert call.last_error is None


def test_it_holds_and_resumes(sipp: SIPp, parties: Make, capture: Capture | None) -> None:
    run = sipp.answer("uas_reinvite", "-rtp_echo", MILLISECONDS=200)
    alice = parties(SingleRTPSessionSimplenParty, media={"accept_echo": True})
    call = alice.invite(run.uri()).wait(5)
    wait_for(lambda: call.session.negotiated.direction == "recvonly", "it holds")
    wait_for(lambda: call.session.negotiated.direction == "sendrecv", "it resumes")
    heard = call.session.statistics.packets_received
    wait_for(lambda: call.session.statistics.packets_received > heard, "it is heard again")
    port = call.session.local_port
    call.terminate().wait(5)
    run.finish()
    if capture is not None and capture.has_media:
        # Its own requests are numbered from 1; between our answers nothing is sent.
        answers = {p.cseq: p.time for p in capture.sent_by(alice.contact_uri.port) if p.status}
        sent = [p.time for p in capture.sent_by(port) if p.payload_type >= 0]
        held, resumed = answers["1 INVITE"], answers["2 INVITE"]
        assert not [time for time in sent if held + 0.05 < time < resumed]
        assert [time for time in sent if time > resumed]


def test_we_hold_and_resume(sipp: SIPp, parties: Make) -> None:
    """The second change meets 491 once, and is asked for again (RFC 3261 §14.1)."""
    run = sipp.answer("uas_held", "-rtp_echo")
    alice = parties(SingleRTPSessionSimplenParty, media={"accept_echo": True})
    call = alice.invite(run.uri()).wait(5)
    call.hold().wait(5)
    assert call.held
    assert call.session.negotiated.direction == "sendonly"
    resume = call.resume().wait(8)
    assert (resume.tries, call.held) == (2, False)
    assert call.session.negotiated.direction == "sendrecv"
    call.terminate().wait(5)
    run.finish()


@pytest.mark.parametrize("status", [200, 404, 501])
def test_options(sipp: SIPp, parties: Make, status: int) -> None:
    run = sipp.answer("uas_answers", METHOD="OPTIONS", STATUS=status)
    response = parties(NoMediaSimpleCallsParty).options(run.uri()).wait(5)
    run.finish()
    assert response.status == status
    assert response.lines("Allow") == ["INVITE, ACK, BYE"]


def test_the_proxy_is_the_next_hop(sipp: SIPp, parties: Make) -> None:
    """RFC 3261 §8.1.2: the request-URI is whom we call, the Route says through whom."""
    run = sipp.answer("uas_call")
    call = parties(NoMediaSimpleCallsParty).invite("bob@biloxi.com", proxy=run.address)
    # In the dialog there is no route set, so BYE goes to the Contact of the answer.
    call.wait(5).terminate().wait(5)
    run.finish()
    assert str(call.remote.uri) == "sip:bob@biloxi.com"
