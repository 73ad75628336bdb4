"""Sessions whose media is secure: what they say, what is on the wire, what is heard."""

import asyncio
import logging
import re
import sys
from types import SimpleNamespace

import pytest

from sipparty import AudioParty
from sipparty.errors import CallFailed, CallRejected, MediaError, NegotiationError, UsageError
from sipparty.media import (
    SRTP,
    MediaStarted,
    MemorySink,
    MemorySource,
    RTPSession,
    SecurityChanged,
)
from sipparty.media.srtp.sdes import SecurityDescriptions
from sipparty.media.srtp.transport import SUITES
from sipparty.sdp import SessionDescription

from .test_media_session import OFFER, companded, sweep

SOUND = sweep(160 * 10)
CM = "AES_CM_128_HMAC_SHA1_80"


def with_sound(sink, **options):
    """Options of two sessions, of which the first plays to the second."""
    a = {"play": MemorySource(SOUND), "srtp": "offered"} | options.pop("a", {})
    return {"a": a, "b": {"record": sink} | options.pop("b", {})}


class Tap:
    """Between a session and its sockets: what goes out, and what comes."""

    def __init__(self, line):
        self.out = []
        udp = line._udp
        send = udp.rtp.send

        def note(data, address):
            self.out.append(data)
            send(data, address)

        line._udp = line.transport = Wired(udp, note)


class Wired:
    def __init__(self, udp, send):
        self.udp, self.send = udp, send
        self.mux = False

    def __getattr__(self, name):
        return getattr(self.udp, name)


async def test_sound_goes_as_srtp(make):
    sink = MemorySink()
    pair = make(**with_sound(sink))
    tap = Tap(pair.a.line)
    pair.agree()
    await pair.run(25)
    assert pair.a.security == pair.b.security == "AEAD_AES_256_GCM"
    (started,) = [one for one in pair.told[pair.a] if isinstance(one, MediaStarted)]
    assert started.security == "AEAD_AES_256_GCM"
    pair.stop()
    assert companded(SOUND) in sink.pcm
    plain = len(MemorySource(SOUND).read(160)) // 2 + 12
    assert {len(data) for data in tap.out} == {plain + 16}
    assert pair.a.security_counts == pair.b.security_counts == {}
    assert pair.a.security == "AEAD_AES_256_GCM"


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("mux", [False, True])
async def test_each_suite(make, suite, mux):
    sink = MemorySink()
    srtp = SRTP("required", [suite])
    a = {"srtp": srtp, "rtcp_mux": mux}
    pair = make(**with_sound(sink, a=a, b={"srtp": "required", "rtcp_mux": mux}))
    pair.agree()
    await pair.run(25)
    assert pair.a.security == suite
    reports = [pair.a.line.stream, pair.b.line.stream]
    assert all(reports)
    pair.a.stop()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert any(type(one).__name__ == "RemoteLeft" for one in pair.told[pair.b])
    pair.stop()
    assert companded(SOUND) in sink.pcm
    assert not pair.b.security_counts


async def test_plain_packets_and_strangers_are_dropped_and_counted(make):
    sink = MemorySink()
    pair = make(**with_sound(sink))
    pair.agree()
    await pair.run(3)
    stranger = make(a={"play": MemorySource(SOUND)})
    stranger.agree()
    # Plain RTP that arrives where the secure session listens.
    there = ("127.0.0.1", pair.b.local_port)
    for number in range(5):
        packet = bytes([0x80, 0, 0, number, 0, 0, 0, number, 1, 2, 3, 4]) + b"\xff" * 160
        stranger.a.line.transport.send(packet, there)
    await pair.run(20)
    assert pair.b.security_counts == {"authentication": 5}
    heard = pair.b.statistics.packets_received
    pair.stop()
    assert companded(SOUND) in sink.pcm
    assert heard <= 23


async def test_what_came_before_the_start_is_verified_too(make):
    sink = MemorySink()
    pair = make(**with_sound(sink))
    pair.a.accept(pair.b.answer(pair.a.offer()))
    pair.a.start()
    await pair.run(3)
    pair.b.start()
    await pair.run(22)
    pair.stop()
    assert companded(SOUND) in sink.pcm
    assert not pair.b.security_counts


async def test_best_effort_is_secure_with_its_like_and_plain_with_others(make):
    for srtp, security in (("best-effort", "AEAD_AES_256_GCM"), ("accepted", "")):
        sink = MemorySink()
        pair = make(**with_sound(sink, a={"srtp": "best-effort"}, b={"srtp": srtp}))
        offer = pair.a.offer()
        assert b"RTP/AVP" in offer
        assert b"a=crypto:1 AEAD_AES_256_GCM inline:" in offer
        pair.a.accept(pair.b.answer(offer))
        for session in pair.both:
            session.start()
        await pair.run(25)
        assert pair.a.security == pair.b.security == security
        pair.stop()
        assert companded(SOUND) in sink.pcm


async def test_a_session_that_accepts_says_nothing_of_it(make):
    pair = make()
    assert b"crypto" not in pair.a.offer()
    pair.agree()
    assert not pair.a.line.extensions
    assert pair.a.security == ""
    assert pair.a.security_counts == {}


async def test_two_lines_have_two_keys(make):
    pair = make(a={"srtp": "offered", "more_lines": [{}]}, b={"more_lines": [{}]})
    offer = SessionDescription.parse(pair.a.offer())
    keys = [value.split()[2] for one in offer.media for value in one.values("crypto")]
    assert len(set(keys)) == len(keys) == 8
    pair.agree()
    assert [line.security for line in pair.b.lines] == ["AEAD_AES_256_GCM"] * 2


# Keys anew.


async def again(pair, caller, called):
    caller.accept(called.answer(caller.offer()))
    for session in pair.both:
        session.start()


async def test_keys_are_renewed_while_sound_goes_on(make):
    sink = MemorySink()
    pair = make(**with_sound(sink))
    pair.agree()
    await pair.run(5)
    before = pair.a.line.transport
    offered = pair.a.offer()
    assert offered == pair.a.offer()
    pair.a.rollback()
    pair.a.renew_keys()
    assert pair.a.offer() != offered
    await again(pair, pair.a, pair.b)
    await pair.run(20)
    assert pair.a.line.transport is before
    pair.stop()
    assert companded(SOUND) in sink.pcm
    assert not pair.b.security_counts
    assert not pair.a.security_counts


async def test_a_hold_keeps_the_keys(make):
    sink = MemorySink()
    pair = make(**with_sound(sink))
    pair.agree()
    await pair.run(4)
    crypto = [line for line in pair.a.offer().split(b"\r\n") if b"crypto" in line]
    pair.a.rollback()
    for direction in ("sendonly", "sendrecv"):
        offer = pair.b.offer(direction)
        pair.b.accept(pair.a.answer(offer))
        for session in pair.both:
            session.start()
        await pair.run(4)
    held = [line for line in pair.a.offer().split(b"\r\n") if b"crypto" in line]
    assert held[0] in crypto
    await pair.run(20)
    pair.stop()
    # The source waits on hold, and goes on.
    assert companded(SOUND)[: 2 * 160 * 2] in sink.pcm
    assert companded(SOUND)[-2 * 160 * 3 :] in sink.pcm
    assert not pair.b.security_counts


async def test_a_call_becomes_secure_and_plain_again(make):
    sink = MemorySink()
    pair = make(**with_sound(sink, a={"srtp": "accepted"}))
    pair.agree()
    for srtp in ("required", "refused"):
        await pair.run(5)
        pair.b.update(srtp=srtp)
        await again(pair, pair.b, pair.a)
    await pair.run(20)
    changes = [one for one in pair.told[pair.a] if isinstance(one, SecurityChanged)]
    assert [one.security for one in changes] == ["AEAD_AES_256_GCM", ""]
    pair.stop()
    assert companded(SOUND) in sink.pcm


async def test_a_change_to_secure_that_is_refused_leaves_it(make):
    sink = MemorySink()
    pair = make(**with_sound(sink, a={"srtp": "refused"}))
    pair.agree()
    await pair.run(5)
    pair.b.update(srtp="required")
    with pytest.raises(NegotiationError, match="secure media is refused"):
        pair.a.answer(pair.b.offer())
    pair.b.rollback()
    assert b"RTP/AVP" in pair.b.offer()
    pair.b.rollback()
    await pair.run(20)
    pair.stop()
    assert companded(SOUND) in sink.pcm


# Refusals.


async def test_what_is_required_is_refused_in_words(make):
    pair = make(b={"srtp": "required"})
    with pytest.raises(NegotiationError, match=r"has to be secure \(RTP/SAVP\)") as caught:
        pair.b.answer(pair.a.offer())
    assert caught.value.status == 488
    with pytest.raises(NegotiationError, match="has to be secure"):
        RTPSession.check_offer(OFFER, srtp="required")
    RTPSession.check_offer(OFFER)


async def test_what_is_refused_is_refused_in_words(make):
    pair = make(a={"srtp": "required"}, b={"srtp": "refused"})
    offer = pair.a.offer()
    for judge in (pair.b.answer, lambda data: RTPSession.check_offer(data, srtp="refused")):
        with pytest.raises(NegotiationError, match="secure media is refused"):
            judge(offer)
    RTPSession.check_offer(offer)


async def test_an_answer_without_a_key_is_refused(make):
    pair = make(a={"srtp": "offered"})
    answer = pair.b.answer(pair.a.offer())
    bare = b"\r\n".join(line for line in answer.split(b"\r\n") if b"crypto" not in line)
    with pytest.raises(NegotiationError, match="without a key"):
        pair.a.accept(bare)


class Bare(RTPSession):
    """Answers what is secure without a key."""

    def answer(self, offer):
        lines = super().answer(offer).split(b"\r\n")
        return b"\r\n".join(line for line in lines if b"crypto" not in line)


class BareParty(AudioParty):
    MediaSession = Bare


@pytest.mark.parametrize(
    ("party", "mine", "theirs", "words"),
    [
        (BareParty, "offered", "accepted", "takes secure media .* without a key"),
        (AudioParty, "required", "refused", "secure media is refused"),
        (AudioParty, "refused", "required", "has to be secure"),
    ],
)
def test_a_call_ends_in_words(party, mine, theirs, words):
    alice = AudioParty("alice@atlanta.example", media={"srtp": mine})
    bob = party("bob@biloxi.example", media={"srtp": theirs})
    try:
        bob.listen(None, address="127.0.0.1")
        call = alice.invite(bob)
        with pytest.raises(CallFailed):
            call.wait(5)
        error = call.last_error
        said = str(error)
        if isinstance(error, CallRejected):
            assert error.status == 488
            said = str(error.response.get("Warning"))
        assert re.search(words, said)
    finally:
        alice.close()
        bob.close()


def test_a_call_is_secure():
    alice = AudioParty("alice@atlanta.example", media={"srtp": "required"})
    bob = AudioParty("bob@biloxi.example")
    try:
        bob.listen(None, address="127.0.0.1")
        call = alice.invite(bob).wait(5)
        assert call.session.security == "AEAD_AES_256_GCM"
        call.session.renew_keys()
        before = call.session.negotiated.local.value("crypto")
        call.update_media().wait(5)
        assert call.session.negotiated.local.value("crypto") != before
        call.terminate().wait(5)
    finally:
        alice.close()
        bob.close()


async def test_without_the_library_secure_offers_are_refused(make, monkeypatch):
    pair = make(a={"srtp": "offered"})
    offer = pair.a.offer()
    monkeypatch.setitem(sys.modules, "pylibsrtp", None)
    with pytest.raises(NegotiationError, match="secure media is not supported"):
        pair.b.answer(offer)
    with pytest.raises(MediaError, match=r"pip install sipparty\[media\]"):
        RTPSession(srtp="required")


@pytest.mark.parametrize(
    ("srtp", "words"),
    [
        (
            "always",
            "srtp is one of refused, accepted, offered, required, best-effort, not 'always'",
        ),
        (1, "or an SRTP, not 1"),
    ],
)
def test_a_setting_that_there_is_not(srtp, words):
    for make in (RTPSession, RTPSession.check_options):
        with pytest.raises(UsageError, match=words):
            make(srtp=srtp)


# Keys that others can read.


def opened(clock, encrypted, **options):
    session = RTPSession(clock=clock, **options)
    session.call = SimpleNamespace(
        name="the call",
        encrypted=encrypted,
        reaches=lambda local, address: True,
        signalling="127.0.0.1",
    )
    session.open(asyncio.get_running_loop(), "127.0.0.1")
    return session


@pytest.mark.parametrize(("encrypted", "warned"), [(False, 1), (True, 0)])
async def test_keys_in_clear_are_warned_of_once(clock, caplog, monkeypatch, encrypted, warned):
    monkeypatch.setattr(SecurityDescriptions, "warned", False)
    caplog.set_level(logging.WARNING, "sipparty.media")
    a, b = opened(clock, encrypted, srtp="offered"), opened(clock, encrypted)
    offer = a.offer()
    assert len(caplog.messages) == warned
    b.answer(offer)
    a.offer()
    assert len(caplog.messages) == warned
    assert all("not encrypted, where others can read them" in one for one in caplog.messages)
    for session in (a, b):
        session.stop()


async def test_keys_may_be_kept_to_tls(clock):
    tls = {setting: SRTP(setting, needs_tls=True) for setting in ("offered", "best-effort")}
    plain = opened(clock, False, srtp=tls["offered"])
    with pytest.raises(NegotiationError, match="go over TLS alone"):
        plain.offer()
    best = opened(clock, False, srtp=tls["best-effort"])
    assert b"crypto" not in best.offer()
    secure = opened(clock, True, srtp=tls["offered"])
    offer = secure.offer()
    assert b"crypto" in offer
    called = opened(clock, False, srtp=SRTP(needs_tls=True))
    with pytest.raises(NegotiationError, match="taken over TLS alone"):
        called.answer(offer)
    best.rollback()
    asked = opened(clock, False, srtp="best-effort")
    assert b"crypto" not in best.answer(asked.offer())
    for session in (plain, best, secure, called, asked):
        session.stop()
