"""Sessions of several lines, what takes part in their descriptions, and loops of media."""

import asyncio
import threading

import pytest

from sipparty import AudioParty, Engine
from sipparty.errors import NegotiationError, UsageError
from sipparty.media import MediaStarted, MemorySink, MemorySource, RTPSession, ToneSource
from sipparty.media.loops import MediaThreads
from sipparty.media.transport import LineExtension
from sipparty.sdp import SessionDescription, SessionExtension

from .test_media_session import companded, sweep


def lines_of(description):
    return [(one.port, one.direction) for one in SessionDescription.parse(description).media]


async def test_each_line_has_its_own_ports_and_audio(make):
    sinks = [MemorySink(), MemorySink()]
    pair = make(a={"more_lines": [{}]}, b={"more_lines": [{"codecs": ("PCMA",)}]})
    pair.agree()
    ports = {line.port for line in (*pair.a.lines, *pair.b.lines)}
    assert len(ports) == 4
    sounds = [MemorySource(sweep(160 * 10)), MemorySource(sweep(160 * 10)[::-1])]
    for line, other, sound, sink in zip(pair.a.lines, pair.b.lines, sounds, sinks, strict=True):
        other.recorder.record(sink)
        line.player.play(sound)
    await pair.run(30)
    assert [line.stream.settings.codec.name for line in pair.a.lines] == ["PCMU", "PCMA"]
    pair.stop()
    assert companded(sweep(160 * 10)) in sinks[0].pcm
    assert len(sinks[1].pcm) > 0
    assert companded(sweep(160 * 10)) not in sinks[1].pcm


async def test_a_line_that_is_refused_is_silent_and_the_others_go_on(make):
    pair = make(a={"more_lines": [{"direction": "sendonly"}]})
    offer = pair.a.offer()
    assert [direction for _, direction in lines_of(offer)] == ["sendrecv", "sendonly"]
    pair.a.accept(pair.b.answer(offer))
    for session in pair.both:
        session.start()
    await pair.run(5)
    assert pair.a.lines[1].negotiated is None
    assert pair.a.lines[1].stream is None
    assert pair.b.statistics.packets_received > 0


async def test_a_line_has_no_other_options(clock):
    with pytest.raises(UsageError, match=r"A line of audio has codecs, .*not volume"):
        RTPSession(clock=clock, more_lines=[{"volume": 3}])


async def test_no_line_is_left_bound_where_one_cannot_be(clock):
    session = RTPSession(clock=clock, more_lines=[{}], port_range=(20000, 20001))
    try:
        with pytest.raises(Exception, match="20000-20001"):
            session.open(asyncio.get_running_loop(), "127.0.0.1")
        assert [line.port for line in session.lines] == [None, None]
    finally:
        session.stop()


class Grouped(SessionExtension):
    """Has an attribute at the level of the session, and wants it in the answer."""

    def offer(self, local):
        return local.with_attribute("x-own", "1")

    def answer(self, remote, local):
        return local.with_attribute("x-own", "1")

    def check(self, local, remote):
        if not any(one.name == "x-own" for one in remote.attributes):
            raise NegotiationError("The answer has no a=x-own.")


class GroupedSession(RTPSession):
    def session_extensions(self):
        return [Grouped()]


async def test_the_session_level_is_negotiated_by_extensions(clock):
    a, b, plain = (
        kind(clock=clock, port_range=None) for kind in (GroupedSession, GroupedSession, RTPSession)
    )
    try:
        for one in (a, b, plain):
            one.open(asyncio.get_running_loop(), "127.0.0.1")
        offer = a.offer()
        assert b"\r\na=x-own:1\r\nm=audio" in offer
        with pytest.raises(NegotiationError, match="no a=x-own"):
            a.accept(plain.answer(offer))
        answer = b.answer(offer)
        assert b"a=x-own:1" in answer
        a.accept(answer)
    finally:
        for one in (a, b, plain):
            one.stop()


class Inverted:
    """A transport that sends each octet inverted."""

    def __init__(self, inner):
        self.inner = inner

    def __getattr__(self, name):
        return getattr(self.inner, name)

    @property
    def mux(self):
        return self.inner.mux

    @mux.setter
    def mux(self, value):
        self.inner.mux = value

    def send(self, data, address):
        self.inner.send(bytes(255 - octet for octet in data), address)

    def deliver(self, rtp, rtcp, max_age):
        def turned(data, address, now):
            rtp(bytes(255 - octet for octet in data), address, now)

        self.inner.deliver(turned, rtcp, max_age)


class Inversion(LineExtension):
    profiles = ("RTP/X-INVERTED", "RTP/AVP")
    made = None

    def wrap(self, transport, negotiated):
        if negotiated.proto != "RTP/X-INVERTED":
            return transport
        self.made = self.made or Inverted(transport)
        return self.made


class InvertedSession(RTPSession):
    def line_extensions(self, line):
        return [Inversion()]


async def test_a_line_is_carried_by_what_was_agreed_on(clock):
    sink = MemorySink()
    a = InvertedSession(clock=clock, play=MemorySource(sweep(160 * 10)))
    b = InvertedSession(clock=clock, record=sink)
    try:
        for one in (a, b):
            one.open(asyncio.get_running_loop(), "127.0.0.1")
        offer = a.offer()
        assert b" RTP/X-INVERTED 0 8" in offer
        a.accept(b.answer(offer))
        for one in (a, b):
            one.start()
        assert isinstance(a.line.transport, Inverted)
        for _ in range(20):
            clock.tick()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
    finally:
        a.stop()
        b.stop()
    assert companded(sweep(160 * 10)) in sink.pcm


@pytest.mark.parametrize("count", [0.5, -1, "2"])
def test_threads_of_media_are_a_number(count):
    with pytest.raises(UsageError, match="no number of threads"):
        MediaThreads(count)


def test_media_runs_on_threads_of_its_own():
    """Packets are read and sent there, and events come to the engine's handlers."""
    engine = Engine(media_threads=2)
    threads, heard = set(), threading.Event()

    class Ticked(MemorySink):
        def write(self, pcm):
            threads.add(threading.current_thread().name)
            super().write(pcm)
            if self.seconds > 0.1:
                heard.set()

    sink = Ticked()
    try:
        alice = AudioParty("alice@atlanta.example", engine=engine)
        bob = AudioParty("bob@biloxi.example", engine=engine, media={"record": sink})
        started = []
        alice.on(MediaStarted, started.append)
        bob.listen(None, address="127.0.0.1")
        call = alice.invite(bob).wait(5)
        call.play(ToneSource(440))
        assert heard.wait(5)
        assert call.session.media_loop.portal is not bob.calls[0].session.media_loop.portal
        call.terminate().wait(5)
        assert [type(event) for event in started] == [MediaStarted]
        assert started[0].call is call
    finally:
        engine.close()
    assert threads
    assert "sipparty-engine" not in threads
    for thread in threading.enumerate():
        if thread.name == "sipparty-media":
            thread.join(5)
            assert not thread.is_alive()
