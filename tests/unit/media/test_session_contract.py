"""What a call asks of a session: values that come later, changes taken back, early media."""

import asyncio

import pytest

from sipparty.errors import NegotiationError, ParseError, UsageError
from sipparty.media import MediaSession, NoMediaSession, RTPSession
from sipparty.sdp import SessionDescription
from sipparty.sip.dialog.session import Pending

from .test_negotiated import Call, offer


class Outcomes:
    """What came of a pending value."""

    def __init__(self, pending):
        self.got = []
        pending.then(self.got.append, lambda error: self.got.append(repr(error)))


# Later.


def test_what_comes_later_is_handed_over_then_and_to_everybody():
    pending = Pending()
    first = Outcomes(pending)
    assert first.got == []
    pending.resolve(b"answer")
    assert first.got == Outcomes(pending).got == [b"answer"]
    with pytest.raises(UsageError, match="one outcome"):
        pending.fail(ValueError())


def test_an_error_may_come_later_too():
    pending = Pending()
    outcomes = Outcomes(pending)
    pending.fail(ValueError("no"))
    assert outcomes.got == Outcomes(pending).got == ["ValueError('no')"]
    with pytest.raises(UsageError):
        pending.resolve(None)


class Slow(NoMediaSession):
    """Takes its time to answer, and fails to accept."""

    def __init__(self):
        super().__init__()
        self.ready = asyncio.Event()

    async def answer(self, offer):
        await self.ready.wait()
        return b"answer to " + offer

    async def accept(self, answer):
        raise ParseError(answer, "an answer", 0, what="session description")


class OneThread:
    """A portal that notes what was run by it."""

    def __init__(self):
        self.ran = 0

    def run(self, function, *args):
        self.ran += 1
        return function(*args)


async def test_methods_of_a_session_may_be_coroutines():
    session = Slow()
    session.portal = OneThread()
    answer, accepted = Outcomes(session.answer(b"offer")), Outcomes(session.accept(b"bad"))
    for _ in range(3):
        await asyncio.sleep(0)
    assert answer.got == []
    assert "ParseError" in accepted.got[0]
    session.ready.set()
    for _ in range(3):
        await asyncio.sleep(0)
    assert answer.got == [b"answer to offer"]
    assert session.portal.ran == 2
    assert session.offer() is None


async def test_a_coroutine_that_is_cancelled_has_no_outcome():
    session = Slow()
    outcomes = Outcomes(session.answer(b"offer"))
    (task,) = session._tasks
    task.cancel()
    for _ in range(3):
        await asyncio.sleep(0)
    assert outcomes.got == []
    assert not session._tasks


def test_a_session_has_to_have_all_that_is_asked_of_it():
    class Half(MediaSession):
        def offer(self, direction=None):
            return None

    with pytest.raises(TypeError, match="abstract"):
        Half()


# Changes.


def stated(session_offer):
    (stream,) = SessionDescription.parse(session_offer).media
    audio = [one.encoding for one in stream.media_formats if not one.is_auxiliary]
    return audio, stream.ptime, str(stream.direction)


async def test_what_is_asked_for_may_change_and_be_taken_back(make):
    pair = make().agree()
    pair.a.update(codecs=["PCMA"], ptime=40, direction="sendonly")
    assert stated(pair.a.offer()) == (["PCMA"], 40, "sendonly")
    pair.a.rollback()
    assert stated(pair.a.offer()) == (["PCMU", "PCMA"], 20, "sendrecv")
    pair.a.update(ptime=30)
    pair.a.accept(pair.b.answer(pair.a.offer()))
    assert stated(pair.a.offer())[1] == 30


async def test_an_answer_before_the_final_response_is_taken_back_with_the_offer(make):
    """A re-INVITE, a 183 with an answer, and a 488 (RFC 3261 section 14.1)."""
    pair = make().agree()
    before = pair.a.negotiated
    pair.a.update(codecs=["PCMA"])
    refused = pair.a.offer("sendonly")
    pair.a.accept(pair.b.answer(refused))
    pair.a.start()
    assert pair.a.negotiated.direction == "sendonly"
    pair.a.rollback()
    assert pair.a.negotiated == before
    offer = pair.a.offer()
    assert stated(offer) == (["PCMU", "PCMA"], 20, "sendrecv")
    versions = [SessionDescription.parse(one).origin.version for one in (refused, offer)]
    assert versions == [2, 3]


async def test_an_answer_settles_changes_as_well(make):
    pair = make().agree()
    pair.a.update(codecs=["PCMA"])
    pair.b.accept(pair.a.answer(pair.b.offer()))
    pair.a.rollback()
    assert stated(pair.a.offer())[0] == ["PCMA"]
    pair.a.rollback()
    for session in pair.both:
        session.start()
    assert pair.a.negotiated.formats[0].encoding == "PCMA"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"codecs": []}, "a list of codecs"),
        ({"codecs": ["nothing"]}, "No codec 'nothing'"),
        ({"ptime": 151}, "10 to 150 ms of audio, not 151"),
        ({"direction": "up"}, "A direction is one of"),
        ({"volume": 11}, "has no setting volume"),
    ],
)
async def test_a_change_that_cannot_be_changes_nothing(make, settings, words):
    pair = make().agree()
    with pytest.raises(UsageError, match=words):
        pair.a.update(**settings)
    assert stated(pair.a.offer()) == (["PCMU", "PCMA"], 20, "sendrecv")


async def test_an_answer_that_fails_leaves_no_offer_open(make):
    """The stream may have been taken away since the offer was judged."""
    pair = make().agree()
    with pytest.raises(NegotiationError):
        pair.b.answer(pair.a.offer().replace(b"RTP/AVP 0 8", b"RTP/AVP 3 4"))
    pair.b.answer(pair.a.offer())


async def test_inactive_is_neither_sent_nor_heard(make):
    pair = make().agree()
    await pair.run(3)
    pair.a.accept(pair.b.answer(pair.a.offer("inactive")))
    for session in pair.both:
        session.start()
    sent = [session.statistics.packets_sent for session in pair.both]
    await pair.run(5)
    assert [session.statistics.packets_sent for session in pair.both] == sent


# Packet time.


@pytest.mark.parametrize(("asked", "taken"), [(100, 100), (150, 150), (400, 150), (5, 10)])
async def test_the_packet_time_is_the_one_asked_for(make, clock, asked, taken):
    """RFC 3264 section 5.1; a gateway may ask for 100 ms."""
    pair = make()
    pair.b.accept(pair.a.answer(pair.b.offer().replace(b"ptime:20", b"ptime:%d" % asked)))
    pair.a.start()
    assert clock.members[pair.a.line] == taken / 1000


# Early media.


@pytest.fixture
def sent(monkeypatch):
    from sipparty.media.ports import RTPSocket

    sent = []
    monkeypatch.setattr(RTPSocket, "send", lambda port, data, address: sent.append(address))
    return sent


async def early(clock, call, description):
    session = RTPSession(clock=clock)
    session.call = call
    session.open(asyncio.get_running_loop(), "127.0.0.1")
    session.answer(description)
    session.start(early=True)
    return session


async def test_early_media_goes_to_no_third_host_before_the_peer_is_proven(clock, sent):
    call = Call("192.0.2.9", unproven_media=1.0)
    call.proven = False
    session = await early(clock, call, offer("192.0.2.2"))
    for _ in range(20):
        clock.tick()
    assert sent == []
    assert [type(event).__name__ for event in call.events] == ["MediaStarted"]
    session.start()  # the ACK came
    for _ in range(20):
        clock.tick()
    assert len(sent) == 20
    session.stop()


async def test_early_media_to_the_signalling_host_ends_unless_it_is_proven(clock, sent):
    call = Call("192.0.2.2", unproven_media=1.0)
    call.proven = False
    session = await early(clock, call, offer())
    for _ in range(100):
        clock.tick()
    assert 48 <= len(sent) <= 52
    call.proven = True  # a PRACK, say
    session.start(early=True)
    for _ in range(100):
        clock.tick()
    assert len(sent) >= 148
    session.stop()


async def test_early_media_to_a_proven_peer_is_media_as_any(clock, sent):
    session = await early(clock, Call("192.0.2.2", unproven_media=1.0), offer())
    for _ in range(100):
        clock.tick()
    assert len(sent) >= 100
    session.stop()
