import asyncio
import threading

import pytest

from sipparty.errors import (
    ListenError,
    MediaError,
    UsageError,
    WouldDeadlock,
)
from sipparty.media import (
    MediaStarted,
    MemorySink,
    MemorySource,
    PlaybackEnded,
    PlaybackStarted,
    RecordingFailed,
    RemoteLeft,
    RTPSession,
    SilenceSource,
    SourceHeard,
    ToneSource,
    find_codec,
)


async def settle():
    for _ in range(3):
        await asyncio.sleep(0)


def companded(pcm, name="PCMU"):
    codec = find_codec(name).make("")
    return codec.decode(codec.encode(pcm))


# Life.


async def test_events_are_told_in_order(make):
    pair = make(a={"play": MemorySource(bytes(320 * 2))}).agree()
    await pair.run(5)
    pair.a.stop()
    await settle()
    assert pair.kinds(pair.a) == [MediaStarted, PlaybackStarted, SourceHeard, PlaybackEnded]
    assert pair.kinds(pair.b) == [MediaStarted, SourceHeard, RemoteLeft]


async def test_who_hears_may_stop_the_session(make):
    pair = make(a={"play": MemorySource(bytes(320 * 2))})
    pair.b.emit = lambda event: isinstance(event, SourceHeard) and pair.b.stop()
    pair.agree()
    await pair.run(5)
    assert pair.b.local_port is None


async def test_a_handler_may_stop_the_session_when_a_source_ends(make):
    pair = make(a={"play": MemorySource(bytes(320 * 2))})
    pair.a.emit = lambda event: isinstance(event, PlaybackEnded) and pair.a.stop()
    pair.agree()
    await pair.run(5)
    assert pair.a.local_port is None
    assert pair.a.statistics.packets_sent == 2


async def test_reports_go_to_and_fro(make):
    pair = make().agree()
    await pair.run(400)
    remote = pair.a.statistics.remote
    assert remote is not None
    assert (remote.lost, remote.fraction_lost) == (0, 0)


async def test_stop_may_come_at_any_time_and_twice(make, clock, tmp_path):
    session = RTPSession(record=tmp_path / "a.wav", play=SilenceSource(), clock=clock)
    session.stop()
    session.stop()
    assert session.played.outcome == "stopped"
    assert not (tmp_path / "a.wav").exists()
    for verb in (session.offer, session.start, lambda: session.play(SilenceSource())):
        with pytest.raises(UsageError):
            verb()
    with pytest.raises(UsageError):
        session.record(MemorySink())
    with pytest.raises(UsageError):
        session.open(asyncio.get_running_loop(), "127.0.0.1")
    opened = RTPSession(clock=clock)
    opened.open(asyncio.get_running_loop(), "127.0.0.1")
    with pytest.raises(UsageError):
        opened.open(asyncio.get_running_loop(), "127.0.0.1")
    opened.stop()
    assert opened.local_port is None
    pair = make().agree()
    await pair.run(2)
    pair.stop()
    pair.stop()
    assert not clock.members


async def test_a_port_that_is_given_back_can_be_had_again(clock):
    loop = asyncio.get_running_loop()
    first = RTPSession(clock=clock)
    first.open(loop, "127.0.0.1")
    port = first.local_port
    blocked = RTPSession(port_range=(port, port + 1), clock=clock)
    with pytest.raises(ListenError):
        blocked.open(loop, "127.0.0.1")
    first.stop()
    blocked.open(loop, "127.0.0.1")
    assert blocked.local_port == port
    blocked.stop()


async def test_what_to_play_and_where_to_record_is_checked_at_once(make, tmp_path):
    with pytest.raises(MediaError, match="No such file"):
        RTPSession(play=tmp_path / "missing.wav")
    with pytest.raises(MediaError, match="no folder"):
        RTPSession(record=tmp_path / "missing" / "a.wav")
    pair = make().agree()
    with pytest.raises(MediaError):
        pair.a.play(tmp_path / "missing.wav")
    with pytest.raises(MediaError, match="Is a directory"):
        pair.a.record(tmp_path)
    await pair.run(1)


async def test_a_recording_that_cannot_begin_does_not_hinder_the_call(make, tmp_path):
    pair = make(a={"record": tmp_path}).agree()
    with pytest.raises(MediaError, match="Is a directory"):
        await pair.a.recording
    assert set(pair.kinds(pair.a)) == {RecordingFailed, MediaStarted}
    await pair.run(2)
    assert pair.a.statistics.packets_sent == 2


async def test_playing_and_recording_may_be_stopped(make):
    sink = MemorySink()
    pair = make(a={"play": SilenceSource()}, b={"record": sink}).agree()
    await pair.run(5)
    pair.a.stop_playing()
    assert pair.a.played.outcome == "stopped"
    pair.b.stop_recording()
    length = len(sink.pcm)
    assert length
    await pair.run(5)
    assert len(sink.pcm) == length


@pytest.mark.parametrize(
    "options",
    [
        {"codecs": []},
        {"codecs": "PCMU"},
        {"codecs": ["speex"]},
        {"ptime": 5},
        {"ptime": 200},
        {"direction": "both"},
        {"play": 42},
        {"record": 42},
    ],
    ids=str,
)
def test_options_that_cannot_be_are_refused(options):
    with pytest.raises(UsageError):
        RTPSession(**options)


# Threads and loops.


class Engine:
    """A loop on a thread of its own, and the way there."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()

    def run(self, function, /, *args):
        if threading.get_ident() == self.thread.ident:
            return function(*args)

        async def call():
            return function(*args)

        return asyncio.run_coroutine_threadsafe(call(), self.loop).result(10)

    def event(self):
        return threading.Event()

    def check_may_block(self):
        if threading.get_ident() == self.thread.ident:
            raise WouldDeadlock("Not on the engine's thread.")

    def close(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()


def test_a_call_on_a_real_clock_seen_from_another_thread():
    engine = Engine()
    try:
        a, b = RTPSession(), RTPSession()

        def call():
            for session in (a, b):
                session.open(engine.loop, "127.0.0.1")
            a.accept(b.answer(a.offer()))
            a.start()
            b.start()

        a.portal = b.portal = engine
        sink = b.record(MemorySink())
        engine.run(call)
        playback = a.play(ToneSource(440, duration=0.1))
        assert playback.wait(10) == "ended"
        assert asyncio.run(wait_for(playback)) == "ended"
        with pytest.raises(WouldDeadlock):
            engine.run(lambda: a.play(SilenceSource()).wait(1))
        heard = threading.Event()
        b.emit = lambda event: isinstance(event, RemoteLeft) and heard.set()
        a.stop()
        assert heard.wait(10)
        b.stop()
        assert companded(ToneSource(440, duration=0.1).read(800)) in sink.pcm
    finally:
        engine.close()


async def wait_for(playback):
    return await playback


async def test_a_blocking_wait_on_the_loop_of_the_session_is_refused(make):
    pair = make().agree()
    with pytest.raises(WouldDeadlock):
        pair.a.play(SilenceSource()).wait(1)


async def test_a_playback_stops_itself_and_no_other(make):
    pair = make().agree()
    first = pair.a.play(SilenceSource())
    second = pair.a.play(SilenceSource())
    first.stop()
    assert (first.outcome, second.outcome) == ("replaced", None)
    pair.a.line.player.stop(first)  # as one that was about to be replaced
    assert second.outcome is None
    second.stop()
    assert (second.outcome, pair.a.played) == ("stopped", second)
