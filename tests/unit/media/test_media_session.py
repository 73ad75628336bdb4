import array
import asyncio
import math
import re
import wave

import pytest

from sipparty.errors import (
    ListenError,
    NegotiationError,
    ParseError,
    UsageError,
)
from sipparty.media import (
    MediaStarted,
    MemorySink,
    MemorySource,
    RemoteLeft,
    RTPSession,
    ToneSource,
    find_codec,
)
from sipparty.sdp import SessionDescription

OFFER = (
    b"v=0\r\no=- 1 1 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\n"
    b"m=audio 4000 RTP/AVP 0 8\r\n"
)


async def settle():
    for _ in range(3):
        await asyncio.sleep(0)


def wav(path, pcm, rate=8000):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(pcm)
    return path


def read(path):
    with wave.open(str(path), "rb") as file:
        return file.readframes(file.getnframes())


def sweep(samples):
    """Audio in which no stretch is like another."""
    return array.array(
        "h", [round(9000 * math.sin(n * n / 4000)) + 3 for n in range(samples)]
    ).tobytes()


def companded(pcm, name="PCMU"):
    codec = find_codec(name).make("")
    return codec.decode(codec.encode(pcm))


# Sound.


@pytest.mark.parametrize("name", ["PCMU", "PCMA"])
async def test_what_was_sent_is_what_was_recorded(make, tmp_path, name):
    pcm = sweep(160 * 40 + 55)
    played = wav(tmp_path / "played.wav", pcm)
    recorded = tmp_path / "recorded.wav"
    pair = make(a={"play": played, "codecs": [name]}, b={"record": recorded}).agree()
    await pair.run(60)
    assert pair.a.played.outcome == "ended"
    pair.stop()
    await pair.b.recording
    audio = read(recorded)
    expected = companded(pcm, name)
    at = audio.find(expected[:640])
    assert at >= 0
    assert at % 2 == 0
    assert audio[at : at + len(expected)] == expected
    nothing = companded(bytes(2), name)
    assert audio.replace(expected, b"") == nothing * ((len(audio) - len(expected)) // 2)


async def test_both_ways_at_once_and_from_the_midst(make):
    pair = make().agree()
    await pair.run(5)
    sinks = [session.record(MemorySink()) for session in pair.both]
    tones = [ToneSource(400, duration=0.3), ToneSource(700, duration=0.3)]
    plays = [session.play(tone) for session, tone in zip(pair.both, tones, strict=True)]
    await pair.run(30)
    assert [play.outcome for play in plays] == ["ended", "ended"]
    heard_by_a, heard_by_b = (sink.pcm for sink in sinks)
    assert companded(ToneSource(400, duration=0.3).read(2400)) in heard_by_b
    assert companded(ToneSource(700, duration=0.3).read(2400)) in heard_by_a


async def test_silence_is_sent_where_nothing_is_played(make):
    pair = make(b={"record": MemorySink()}).agree()
    await pair.run(20)
    assert pair.a.statistics.packets_sent == 20
    assert pair.a.statistics.octets_sent == 3200
    assert pair.b.statistics.packets_received == 20
    assert pair.b.statistics.lost == pair.b.statistics.ignored == 0


async def test_a_file_of_another_rate_lasts_as_long(make, tmp_path):
    played = wav(tmp_path / "a.wav", ToneSource(400, duration=0.4, rate=44100).read(44100), 44100)
    pair = make(a={"play": str(played)}).agree()
    await pair.run(19)
    assert not pair.a.played.done
    await pair.run(2)
    assert pair.a.played.outcome == "ended"


async def test_the_recording_holds_what_was_still_to_be_played(make):
    sink = MemorySink()
    pair = make(a={"play": MemorySource(sweep(160 * 10))}, b={"record": sink}).agree()
    await pair.run(10)
    before = len(sink.pcm)
    pair.b.stop()
    assert len(sink.pcm) > before
    assert sink.pcm == companded(sweep(160 * 10))


async def test_a_stall_loses_nothing_of_the_recording(make):
    sink = MemorySink()
    pair = make(a={"play": MemorySource(sweep(160 * 30))}, b={"record": sink}).agree()
    await pair.run(10)
    pair.clock.remove(pair.b.line)  # b's tick is not called for a while
    await pair.run(5)
    pair.b.line.send_due(pair.clock.time(), 4)
    pair.b.line.play_due(pair.clock.time(), 4)
    pair.clock.add(pair.b.line, 0.02)
    await pair.run(20)
    pair.b.stop()
    assert companded(sweep(160 * 30)) in sink.pcm


# Agreeing.


async def test_the_other_side_chooses_the_codec(make):
    pair = make(a={"codecs": ["PCMU", "PCMA"]}, b={"codecs": ["PCMA"]}).agree()
    assert pair.a.negotiated.formats[0].encoding == "PCMA"
    assert pair.told[pair.a] == [MediaStarted("PCMA", ("127.0.0.1", pair.b.local_port))]


async def test_nothing_in_common_changes_nothing(make):
    pair = make(b={"codecs": ["PCMA"]})
    offer = OFFER.replace(b" 0 8\r\n", b" 3\r\n")
    with pytest.raises(NegotiationError) as caught:
        pair.b.answer(offer)
    assert caught.value.status == 488
    with pytest.raises(ParseError):
        pair.b.answer(b"no description")
    with pytest.raises(UsageError, match="when an offer was answered"):
        pair.b.start()
    pair.agree()


async def test_an_answer_that_is_none_changes_nothing(make):
    pair = make()
    with pytest.raises(UsageError, match="no offer"):
        pair.a.accept(OFFER)
    offer = pair.a.offer()
    with pytest.raises(ParseError):
        pair.a.accept(b"no description")
    with pytest.raises(NegotiationError):
        pair.a.accept(OFFER.replace(b"audio", b"video"))
    pair.a.accept(pair.b.answer(offer))
    pair.a.start()


async def test_another_answer_takes_the_place_of_the_first(make, clock):
    # An INVITE was forked: early media of one callee, then the answer of another.
    pair = make()
    other = make()
    offer = pair.a.offer()
    pair.a.accept(pair.b.answer(offer))
    pair.a.start()
    assert pair.a.negotiated.remote_port == pair.b.local_port
    with pytest.raises(NegotiationError):
        pair.a.accept(OFFER.replace(b"audio", b"video"))
    pair.a.accept(other.b.answer(offer))
    pair.a.start()
    assert pair.a.negotiated.remote_port == other.b.local_port
    assert pair.kinds(pair.a) == [MediaStarted]


async def test_an_offer_that_was_refused_is_forgotten(make):
    pair = make().agree()
    pair.a.offer("sendonly")
    pair.a.rollback()
    pair.a.start()
    assert pair.a.negotiated.direction == "sendrecv"
    pair.a.offer("sendonly")
    offer = pair.a.offer()  # without a word about the one before
    assert b"sendonly" not in offer
    pair.a.accept(pair.b.answer(offer))
    pair.b.offer()
    crossing = pair.a.offer()
    with pytest.raises(NegotiationError) as caught:
        pair.b.answer(crossing)
    assert caught.value.status == 491


async def test_an_offer_may_be_made_by_who_is_called(make):
    pair = make()
    pair.b.accept(pair.a.answer(pair.b.offer()))
    for session in pair.both:
        session.start()
    await pair.run(3)
    assert pair.a.statistics.packets_received == 3


async def test_hold_and_resume(make):
    sink = MemorySink()
    pair = make(a={"play": MemorySource(sweep(160 * 40))}, b={"record": sink}).agree()
    await pair.run(10)
    pair.b.start()

    def change(offer):
        pair.b.accept(pair.a.answer(offer))
        for session in pair.both:
            session.start()

    change(pair.b.offer("sendonly"))
    sent = pair.a.statistics.packets_sent
    await pair.run(10)
    assert pair.a.statistics.packets_sent == sent
    assert pair.b.statistics.packets_sent == 20  # sendonly: it still sends
    change(pair.b.offer("sendrecv"))
    await pair.run(40)
    assert pair.a.played.outcome == "ended"
    pair.b.stop()
    # The source waited: nothing of it is missing, and the time of the hold is in the recording.
    audio = sink.pcm
    first, rest = companded(sweep(160 * 40))[: 320 * 10], companded(sweep(160 * 40))[320 * 10 :]
    assert first in audio
    assert rest in audio
    assert audio.index(rest) - audio.index(first) == pytest.approx(320 * 20, abs=320 * 4)


@pytest.mark.parametrize(
    ("direction", "sends", "receives"),
    [("recvonly", 0, 10), ("sendonly", 10, 0), ("inactive", 0, 0)],
)
async def test_directions_are_obeyed(make, direction, sends, receives):
    pair = make(b={"direction": direction}).agree()
    await pair.run(10)
    assert pair.b.statistics.packets_sent == sends
    assert pair.a.statistics.packets_sent == receives


async def test_a_stream_may_be_ended_and_begun_again(make):
    pair = make().agree()
    await pair.run(3)
    offer = SessionDescription.parse(pair.a.offer())
    pair.a.rollback()
    ended = bytes(offer).replace(b"m=audio %d" % pair.a.local_port, b"m=audio 0")
    assert b"m=audio 0 " in pair.b.answer(ended)
    pair.b.start()
    assert pair.b.negotiated is None
    await pair.run(3)
    assert pair.b.statistics.packets_sent == 3
    pair.b.accept(pair.a.answer(pair.b.offer()))
    pair.b.start()
    await pair.run(3)
    assert pair.b.statistics.packets_sent == 6


async def test_the_packet_time_is_what_the_other_side_asks_for(make, clock):
    pair = make(b={"ptime": 40}).agree()
    assert clock.members == {pair.a.line: 0.04, pair.b.line: 0.02}
    clock.tick()
    assert pair.a.statistics.octets_sent == 320
    assert pair.b.statistics.octets_sent == 160


async def test_rtp_and_rtcp_may_share_a_port(make):
    pair = make(a={"rtcp_mux": True}, b={"rtcp_mux": True}).agree()
    assert pair.a.negotiated.rtcp_mux
    await pair.run(3)
    pair.a.stop()
    await settle()
    assert RemoteLeft in pair.kinds(pair.b)


async def test_ipv6(make):
    try:
        pair = make(address="::1").agree()
    except ListenError:
        pytest.skip("no IPv6 here")
    assert b"c=IN IP6 ::1\r\n" in pair.a.offer()
    await pair.run(5)
    assert pair.b.statistics.packets_received == 5


async def test_another_address_may_be_named(make):
    pair = make(a={"public_address": "203.0.113.5"})
    assert b"c=IN IP4 203.0.113.5\r\n" in pair.a.offer()


async def test_who_names_an_address_that_leads_nowhere_is_found_by_its_packets(make):
    pair = make(a={"public_address": "203.0.113.5"}, b={"record": MemorySink()})
    pair.a.accept(pair.b.answer(pair.a.offer()))
    pair.a.start()
    pair.clock.remove(pair.b.line)
    pair.b.start()
    pair.clock.remove(pair.b.line)  # it hears before it sends
    await pair.run(3)
    pair.clock.add(pair.b.line, 0.02)
    await pair.run(3)
    assert pair.a.statistics.packets_received == 3


@pytest.mark.parametrize("host", [b"IP4 media.example.invalid", b"IP6 2001:db8::1"])
async def test_where_media_cannot_be_sent_it_waits_for_some_to_come(make, host, caplog):
    pair = make()
    pair.b.answer(OFFER.replace(b"c=IN IP4 192.0.2.2", b"c=IN " + host))
    pair.b.start()
    await pair.run(3)
    assert "Cannot send media to" in caplog.text
    assert pair.b.statistics.packets_sent == 0


@pytest.mark.parametrize("name", ["latch_within", "silence_after"])
@pytest.mark.parametrize("value", [-1, math.nan, math.inf, "5", True, None])
def test_seconds_that_are_none_are_refused_at_once(name, value):
    with pytest.raises(UsageError, match=f"^{name}="):
        RTPSession(**{name: value})


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("min_delay", "0.1", "min_delay='0.1' is no finite number"),
        ("max_delay", 0, "max_delay=0 is no finite number of seconds above 0"),
        ("max_delay", 0.03, "min_delay=0.04 is above max_delay=0.03"),
        ("port_range", (5000, 5000), "5000-5000 does not"),
        ("port_range", (6000, 5000), "6000-5000 does not"),
        ("port_range", 5000, "5000 does not"),
        ("tts", "espeak", "tts='espeak' is no function"),
    ],
)
def test_options_are_refused_where_they_are_given(option, value, words):
    with pytest.raises(UsageError, match=re.escape(words)):
        RTPSession(**{option: value})


def test_the_least_delay_may_be_the_most():
    RTPSession(min_delay=0, max_delay=0.02)
    RTPSession(min_delay=0.1, max_delay=0.1, port_range=(5000, 5001))


def test_silence_has_to_last():
    with pytest.raises(UsageError, match="above 0"):
        RTPSession(silence_after=0)
    RTPSession(latch_within=0, silence_after=0.5)
