"""What is sent while nothing is to be sent, for NATs (RFC 6263)."""

import dataclasses
import os

import pytest

from sipparty.media.audio_stream import AudioStream
from sipparty.media.codecs import find_codec
from sipparty.media.rtp.keep_alive import INTERVAL
from sipparty.media.settings import StreamSettings
from sipparty.media.srtp.transport import SUITES, MasterKey, SecureTransport

PCMU = find_codec("PCMU")
THERE = ("192.0.2.2", 5000)
SETTINGS = StreamSettings(PCMU, 0, {0: PCMU}, 20, THERE, ("192.0.2.2", 5001))
HELD = dataclasses.replace(SETTINGS, sends=False)


def sent(stream, start, seconds):
    """When what was sent, in frames of 20 ms, but for RTP itself."""
    found = []
    for n in range(round(seconds * 50)):
        now = start + n * 0.02
        data = stream.send_frame(None, now)
        if data is not None:
            found.append((round(now, 2), data))
    return found


def test_on_hold_a_datagram_without_octets_goes_every_15_seconds(tokens):
    stream = AudioStream(SETTINGS, 0.0, tokens)
    stream.send_frame(None, 0.0)
    before = stream.statistics
    stream.apply(HELD, 0.02)
    assert sent(stream, 0.02, 40) == [(15.0, b""), (30.0, b"")]
    assert stream.statistics == before  # it is no packet


def test_who_only_listens_opens_the_way_at_once(tokens):
    stream = AudioStream(HELD, 0.0, tokens)
    assert sent(stream, 0.0, 20) == [(0.0, b""), (15.0, b"")]


def test_while_audio_is_sent_there_is_none(tokens):
    stream = AudioStream(SETTINGS, 0.0, tokens)
    assert all(data for _, data in sent(stream, 0.0, 40))


def test_none_goes_where_nothing_may_go(tokens):
    stream = AudioStream(HELD, 0.0, tokens, signalling="198.51.100.1", unproven=5, confirmed=False)
    assert sent(stream, 0.0, 40) == []
    nowhere = dataclasses.replace(HELD, remote=None)
    assert sent(AudioStream(nowhere, 0.0, tokens), 0.0, 40) == []


def test_those_that_come_are_no_news_and_are_not_counted(tokens):
    stream = AudioStream(SETTINGS, 0.0, tokens)
    stream.receive_rtp(b"", THERE, 0.0)
    stream.receive_rtcp(b"", THERE, 0.0)
    stream.receive_rtp(b"", ("198.51.100.7", 7000), 0.0)
    assert stream.quality().ignored == {}
    assert not stream.events
    assert stream.destination == THERE


class Wire:
    """A transport that keeps what is sent."""

    mux = False

    def __init__(self):
        self.sent = []

    def send(self, data, address):
        self.sent.append((data, address))

    def deliver(self, rtp, rtcp, max_age):
        self.rtp, self.rtcp = rtp, rtcp


def test_srtp_lets_them_by():
    pytest.importorskip("pylibsrtp")
    suite = SUITES["AES_CM_128_HMAC_SHA1_80"]
    wire, heard = Wire(), []
    keys = [MasterKey(suite, os.urandom(suite.size)) for _ in range(2)]
    secure = SecureTransport(wire, keys[0], keys[1:])
    secure.deliver(lambda *each: heard.append(each), lambda *each: heard.append(each), 0.4)
    secure.send(b"", THERE)
    wire.rtp(b"", THERE, 0.0)
    wire.rtcp(b"", THERE, 0.0)
    assert wire.sent == [(b"", THERE)]
    assert not secure.counts
    assert heard == []


async def test_a_call_on_hold_sends_them_from_the_port_of_rtp(make, clock):
    pair = make()
    pair.agree()
    await pair.run(5)
    came = []
    held = pair.a.offer("inactive")
    pair.a.accept(pair.b.answer(held))
    for session in pair.both:
        session.start()
    transport = pair.b.line.transport
    transport.rtp.read(lambda data, address, now: came.append((data, address[1])), clock.time)
    await pair.run(round(INTERVAL * 50) + 5)
    assert (b"", pair.a.local_port) in came


async def test_what_comes_before_the_start_is_kept_without_them(make):
    pair = make()
    offer = pair.a.offer()
    pair.b.answer(offer)
    for _ in range(100):
        pair.a.line.transport.send(b"", ("127.0.0.1", pair.b.local_port))
    await pair.run(5)
    assert not pair.b.line.transport._early
    assert not pair.b.line.transport._other
    assert INTERVAL == 15.0
