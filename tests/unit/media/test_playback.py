import asyncio
import threading
from types import SimpleNamespace

import pytest

from sipparty.errors import MediaError, Timeout, WouldDeadlock
from sipparty.media.events import PlaybackEnded, RecordingFailed
from sipparty.media.frames import AudioFrame
from sipparty.media.playback import Playback
from sipparty.media.player import Player
from sipparty.media.sinks import MemorySink
from sipparty.media.sources import MemorySource, SilenceSource, ToneSource


class Bench:
    """A player and what it tells."""

    def __init__(self):
        self.events = []
        self.player = Player(self.events.append)

    def play(self, source):
        playback = Playback(source, lambda one: self.player.end("stopped"))
        self.player.play(playback)
        return playback


@pytest.fixture
def bench():
    return Bench()


class Broken:
    rate = 8000
    closed = False

    def __init__(self, error):
        self.error = error

    def start(self, rate):
        pass

    def read(self, samples):
        raise self.error

    def write(self, pcm):
        raise self.error

    def close(self):
        self.closed = True


# The player.


def test_a_source_is_played_to_its_end_and_filled_up(bench):
    playback = bench.play(MemorySource(b"ab" * 250))
    assert bench.player.next_frame(160, 8000) == b"ab" * 160
    assert not playback.done
    assert bench.player.next_frame(160, 8000) == b"ab" * 90 + bytes(140)
    assert playback.outcome == "ended"
    assert bench.events == [PlaybackEnded(playback)]
    assert bench.player.next_frame(160, 8000) is None


def test_a_source_of_whole_frames_ends_with_the_frame_after(bench):
    playback = bench.play(MemorySource(b"ab" * 160))
    assert bench.player.next_frame(160, 8000) == b"ab" * 160
    assert bench.player.next_frame(160, 8000) is None
    assert playback.outcome == "ended"


def test_another_source_takes_the_place_of_the_first(bench):
    source = MemorySource(b"ab" * 1000)
    first = bench.play(source)
    second = bench.play(MemorySource(b"cd" * 1000))
    assert first.outcome == "replaced"
    assert source.read(1) == b""  # closed
    assert bench.player.next_frame(1, 8000) == b"cd"
    second.stop()
    second.stop()
    assert second.outcome == "stopped"
    assert [event.playback for event in bench.events] == [first, second]


def test_a_source_of_another_rate_is_converted(bench):
    bench.play(ToneSource(440, duration=0.1, rate=16000))
    frames = []
    while frame := bench.player.next_frame(160, 8000):
        frames.append(frame)
    assert len(frames) == pytest.approx(5, abs=1)


@pytest.mark.parametrize("error", [MediaError("The disk is gone."), ZeroDivisionError("oops")])
def test_a_source_that_breaks_is_ended(bench, error):
    source = Broken(error)
    playback = bench.play(source)
    assert bench.player.next_frame(160, 8000) is None
    assert playback.outcome == "failed"
    assert source.closed
    with pytest.raises(MediaError, match=str(error)[:-1]):
        playback.wait(0)


@pytest.mark.parametrize("pcm", [b"abc", b"ab" * 161])
def test_a_source_that_gives_what_was_not_asked_for_is_ended(bench, pcm):
    source = MemorySource(b"")
    source.read = lambda samples: pcm
    playback = bench.play(source)
    assert bench.player.next_frame(160, 8000) is None
    with pytest.raises(MediaError, match="160 samples"):
        playback.wait(0)


def test_a_source_that_cannot_be_closed_is_over_all_the_same(bench, caplog):
    source = MemorySource(b"")
    source.close = lambda: 1 / 0
    playback = bench.play(source)
    bench.player.end("stopped")
    assert playback.wait(0) == "stopped"
    assert "Closing" in caplog.text


def test_what_is_heard_is_recorded_at_the_rate_it_began_with(bench):
    sink = MemorySink()
    bench.player.hear(AudioFrame(b"xy", 8000))
    bench.player.record(sink, 8000)
    bench.player.hear(AudioFrame(b"ab" * 160, 8000))
    bench.player.hear(AudioFrame(b"ab" * 320, 16000))
    bench.player.close_sink()
    bench.player.hear(AudioFrame(b"cd" * 160, 8000))
    assert len(sink.pcm) // 2 == pytest.approx(320, abs=1)
    assert sink.pcm[:320] == b"ab" * 160


@pytest.mark.parametrize("error", [MediaError("The disk is full."), ZeroDivisionError("oops")])
def test_a_sink_that_breaks_is_closed(bench, error):
    sink = Broken(error)
    bench.player.record(sink, 8000)
    bench.player.hear(AudioFrame(b"ab", 8000))
    assert sink.closed
    assert bench.player.sink is None
    (event,) = bench.events
    assert isinstance(event, RecordingFailed)
    assert event.sink is sink


def test_another_sink_takes_the_place_of_the_first_if_it_starts(bench):
    class Late(MemorySink):
        def start(self, rate):
            raise MediaError("No such place.")

    first, second = MemorySink(), MemorySink()
    bench.player.record(first, 8000)
    with pytest.raises(MediaError):
        bench.player.record(Late(), 8000)
    bench.player.hear(AudioFrame(b"ab", 8000))
    bench.player.record(second, 8000)
    bench.player.hear(AudioFrame(b"cd", 8000))
    assert (first.pcm, second.pcm) == (b"ab", b"cd")


# Waiting.


def test_a_thread_waits_for_the_end(bench):
    playback = bench.play(SilenceSource())
    results = []
    threads = [threading.Thread(target=lambda: results.append(playback.wait(10))) for _ in range(3)]
    for thread in threads:
        thread.start()
    bench.player.end("stopped")
    for thread in threads:
        thread.join(10)
    assert results == ["stopped"] * 3
    assert playback.wait(0) == "stopped"


def test_a_wait_may_run_out(bench):
    playback = bench.play(SilenceSource())
    with pytest.raises(Timeout, match="still playing after 0 seconds"):
        playback.wait(0)
    assert not playback.done
    bench.player.end("stopped")


def test_a_wait_that_would_never_end_is_refused():
    def refuse():
        raise WouldDeadlock("Not here.")

    portal = SimpleNamespace(check_may_block=refuse)
    playback = Playback(SilenceSource(), lambda one: None, portal)
    with pytest.raises(WouldDeadlock):
        playback.wait(1)


async def test_coroutines_wait_for_the_end(bench):
    playback = bench.play(SilenceSource())

    async def wait():
        return await playback

    waits = [asyncio.create_task(wait()) for _ in range(3)]
    await asyncio.sleep(0)
    waits[0].cancel()
    await asyncio.sleep(0)
    bench.player.end("ended")
    assert await asyncio.gather(*waits[1:]) == ["ended", "ended"]
    assert await playback == "ended"
    assert waits[0].cancelled()
    assert not playback._watchers


async def test_a_coroutine_waits_for_what_another_thread_plays(bench):
    playback = bench.play(SilenceSource())
    thread = threading.Thread(target=lambda: bench.player.end("ended"))
    asyncio.get_running_loop().call_soon(thread.start)
    assert await playback == "ended"
    thread.join(10)


async def test_what_broke_is_raised_in_the_coroutine(bench):
    playback = bench.play(Broken(MediaError("The disk is gone.")))
    bench.player.next_frame(160, 8000)
    with pytest.raises(MediaError, match="gone"):
        await playback


def test_a_loop_that_was_closed_meanwhile_is_no_matter(bench):
    playback = bench.play(SilenceSource())

    async def wait():
        await playback

    loop = asyncio.new_event_loop()
    task = loop.create_task(wait())
    loop.run_until_complete(asyncio.sleep(0))
    (watcher,) = playback._watchers
    task.cancel()
    loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
    loop.close()
    watcher.notify("ended")
    bench.player.end("ended")
