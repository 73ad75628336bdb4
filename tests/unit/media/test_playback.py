"""The player and its handles: what is played on the tick, and waiting for it."""

import array
import asyncio
import itertools
import threading
from types import SimpleNamespace

import pytest

from sipparty.errors import MediaError, Timeout, UsageError, WouldDeadlock
from sipparty.media.events import MarkReached, PlaybackEnded, PlaybackStarted, SourceStarved
from sipparty.media.playing.player import Player
from sipparty.media.playing.sources import MemorySource, SilenceSource, ToneSource

from .threads import FakeThreads


class Bench:
    """A player of 8000 samples a second, and what it reports."""

    def __init__(self):
        self.events = []
        self.threads = FakeThreads()
        self.player = Player(self.events.append, self.threads)

    def play(self, what, **options):
        return self.player.play(what, **options)

    def frame(self, samples=160, rate=8000):
        return self.player.next_frame(samples, rate)

    def kinds(self):
        return [type(event) for event in self.events]


@pytest.fixture
def bench():
    return Bench()


def level(frame):
    return max(abs(one) for one in array.array("h", frame))


def loud(seconds):
    """So many seconds of the same loud sample."""
    return MemorySource(array.array("h", [10000] * round(8000 * seconds)).tobytes())


class Source:
    """One of a user's."""

    rate = 8000

    def __init__(self, *pieces):
        self.pieces = list(pieces)
        self.closed = 0
        self.read_by = []

    def read(self, samples):
        self.read_by.append(threading.get_ident())
        piece = self.pieces.pop(0) if self.pieces else b""
        if isinstance(piece, Exception):
            raise piece
        return piece

    def close(self):
        self.closed += 1


# On the tick.


def test_a_source_is_played_to_its_end_and_filled_up(bench):
    playback = bench.play(MemorySource(b"ab" * 250))
    assert playback.state == "waiting"
    assert bench.frame() == b"ab" * 160
    assert (playback.state, playback.done, playback.outcome) == ("playing", False, None)
    assert bench.frame() == b"ab" * 90 + bytes(140)
    assert playback.outcome == "ended"
    assert bench.events == [PlaybackStarted(playback), PlaybackEnded(playback)]
    assert bench.frame() is None
    assert playback.heard == pytest.approx(31.25)


def test_a_source_of_whole_frames_ends_with_the_frame_after(bench):
    playback = bench.play(MemorySource(b"ab" * 160))
    assert bench.frame() == b"ab" * 160
    assert bench.frame() is None
    assert playback.outcome == "ended"


def test_another_source_takes_the_place_of_the_first(bench):
    source = MemorySource(b"ab" * 1000)
    first = bench.play(source)
    second = bench.play(MemorySource(b"cd" * 1000))
    assert first.outcome == "replaced"
    assert source.read(1) == b""  # closed
    assert bench.frame(1) == b"cd"
    second.stop()
    second.stop()
    assert second.outcome == "stopped"
    assert [event.playback for event in bench.events] == [first, second, second]


def test_a_source_of_another_rate_is_converted(bench):
    bench.play(ToneSource(440, duration=0.1, rate=16000))
    frames = []
    while frame := bench.frame():
        frames.append(frame)
    assert len(frames) == pytest.approx(5, abs=1)


def test_the_rate_may_change_in_the_midst(bench):
    playback = bench.play(ToneSource(440, duration=1.0))
    for _ in range(10):
        bench.frame()
    frames = 0
    while bench.frame(320, 16000):
        frames += 1
    assert frames == pytest.approx(40, abs=1)
    assert playback.heard == pytest.approx(1000, abs=5)


@pytest.mark.parametrize("pcm", [b"abc", b"ab" * 161])
def test_a_source_that_gives_what_was_not_asked_for_is_ended(bench, pcm):
    source = MemorySource(b"")
    source.read = lambda samples: pcm
    playback = bench.play(source)
    assert bench.frame() is None
    with pytest.raises(MediaError, match="160 samples"):
        playback.wait(0)


def test_a_source_that_cannot_be_closed_is_over_all_the_same(bench, caplog):
    source = MemorySource(b"")
    source.close = lambda: 1 / 0
    playback = bench.play(source)
    bench.player.end("stopped")
    assert playback.wait(0) == "stopped"
    assert "Closing" in caplog.text


def test_after_the_end_nothing_is_played(bench):
    playback = bench.play(SilenceSource())
    bench.player.close()
    assert playback.outcome == "stopped"
    with pytest.raises(UsageError, match="nothing can be played"):
        bench.play(SilenceSource())


# One after the other.


def test_what_is_queued_follows_within_the_frame(bench):
    first = bench.play(MemorySource(b"ab" * 100))
    second = bench.play(MemorySource(b"cd" * 100), queue=True)
    third = bench.play(MemorySource(b"ef" * 100), queue=True)
    assert bench.frame() == b"ab" * 100 + b"cd" * 60
    assert bench.frame() == b"cd" * 40 + b"ef" * 100 + bytes(40)
    assert [one.outcome for one in (first, second, third)] == ["ended"] * 3
    assert bench.kinds() == [PlaybackStarted, PlaybackEnded] * 3


def test_what_is_queued_may_be_stopped_alone(bench):
    bench.play(MemorySource(b"ab" * 100))
    second = bench.play(MemorySource(b"cd" * 100), queue=True)
    bench.play(MemorySource(b"ef" * 100), queue=True)
    second.stop()
    assert second.outcome == "stopped"
    assert bench.frame() == b"ab" * 100 + b"ef" * 60


def test_what_replaces_replaces_all(bench):
    queued = [bench.play(SilenceSource(), queue=True) for _ in range(3)]
    last = bench.play(SilenceSource())
    assert [one.outcome for one in queued] == ["replaced"] * 3
    assert last.outcome is None
    assert bench.player.playback is last


def test_a_list_is_one_playback(bench):
    playback = bench.play([MemorySource(b"ab" * 100), MemorySource(b"cd" * 100)])
    assert playback.duration == pytest.approx(0.025)
    assert bench.frame() == b"ab" * 100 + b"cd" * 60
    bench.frame()
    assert playback.outcome == "ended"
    with pytest.raises(UsageError, match="empty list"):
        bench.play([])


def test_rounds(bench):
    playback = bench.play(MemorySource(b"ab" * 100), loop=3)
    assert bench.frame() == b"ab" * 160
    assert bench.frame() == b"ab" * 140 + bytes(40)
    assert (playback.outcome, playback.heard) == ("ended", pytest.approx(37.5))
    forever = bench.play([MemorySource(b"ab" * 50), MemorySource(b"cd" * 50)], loop=None)
    round_ = b"ab" * 50 + b"cd" * 50
    frames = b"".join(bench.frame() for _ in range(5))
    assert frames == round_ * 8
    assert forever.duration is None
    assert forever.position == pytest.approx(0.0, abs=1e-6)


def test_rounds_of_nothing_end(bench):
    playback = bench.play(MemorySource(b""), loop=None)
    assert bench.frame() is None
    assert playback.outcome == "ended"


def test_what_is_read_once_is_not_repeated(bench):
    with pytest.raises(UsageError, match="cannot be looped"):
        bench.play(iter([b"ab"]), rate=8000, loop=2)


@pytest.mark.parametrize(
    "options",
    [
        *({"loop": 0}, {"loop": 1.5}, {"fade": -1}, {"fade": (0, "a")}, {"gain": 61}),
        *({"gain": float("nan")}, {"marks": [-1]}, {"marks": {"a": "b"}}, {"rate": 5}),
    ],
)
def test_options_out_of_their_range_are_refused(bench, options):
    with pytest.raises(UsageError):
        bench.play(SilenceSource(), **options)
    assert bench.player.playback is None


# Loudness, pauses, stops.


def test_gain(bench):
    bench.play(loud(1), gain=-6.0206)
    assert level(bench.frame()) == pytest.approx(5000, abs=5)


def test_a_fade_at_both_ends(bench):
    bench.play(loud(1), fade=(0.1, 0.2))
    levels = [level(bench.frame()) for _ in range(50)]
    assert levels[:6] == [pytest.approx(2000 * n, abs=20) for n in range(1, 6)] + [10000]
    assert levels[39] == 10000
    assert levels[40:] == [pytest.approx(10000 - 1000 * n, abs=20) for n in range(10)]


def test_a_stop_may_fade(bench):
    playback = bench.play(loud(5), fade=0.1)
    for _ in range(10):
        bench.frame()
    playback.stop()
    assert playback.outcome is None
    levels = [level(bench.frame()) for _ in range(5)]
    assert levels == [pytest.approx(10000 - 2000 * n, abs=20) for n in range(5)]
    assert playback.outcome == "stopped"
    assert playback.heard == pytest.approx(300)


def test_a_cancel_ends_at_once_and_without_a_click(bench):
    playback = bench.play(loud(5), fade=1.0)
    for _ in range(100):
        bench.frame()
    assert playback.cancel() == pytest.approx(2005)
    assert playback.outcome == "stopped"
    tail = array.array("h", bench.frame())
    assert tail[0] > 9000
    assert max(abs(a - b) for a, b in itertools.pairwise(tail)) < 300
    assert set(tail[40:]) == {0}
    assert bench.frame() is None


def test_what_follows_is_heard_beside_the_end_of_what_was_stopped(bench):
    bench.play(loud(5))
    bench.frame()
    bench.play(MemorySource(array.array("h", [100] * 160).tobytes()))
    frame = array.array("h", bench.frame())
    assert frame[0] == pytest.approx(10100, abs=300)
    assert set(frame[40:]) == {100}


def test_a_pause_keeps_the_place(bench):
    playback = bench.play(MemorySource(bytes(range(256)) * 10))
    bench.frame()
    playback.pause()
    playback.pause()
    assert playback.state == "paused"
    here = playback.position
    bench.frame()  # the end of it, brought to silence
    assert [bench.frame() for _ in range(3)] == [None] * 3
    assert playback.position == here
    playback.resume()
    playback.resume()
    assert playback.state == "playing"
    expected = (bytes(range(256)) * 10)[round(here * 16000) :][:320]
    assert bench.frame()[80:] == expected[80:]
    playback.pause()
    playback.stop()
    assert playback.outcome == "stopped"
    playback.resume()
    assert playback.outcome == "stopped"


def test_a_pause_before_the_beginning(bench):
    playback = bench.play(loud(1))
    playback.pause()
    assert bench.frame() is None
    playback.resume()
    assert playback.state == "waiting"
    assert bench.frame() is not None
    assert bench.kinds() == [PlaybackStarted]


# Marks.


def test_marks_are_reached_in_media_time(bench):
    playback = bench.play(MemorySource(bytes(16000)), marks={"name": 0.03, "begin": 0, "end": 1.0})
    reached = []
    for frame in range(60):
        bench.frame()
        reached += [(frame, one.mark) for one in bench.events if isinstance(one, MarkReached)]
        bench.events.clear()
    assert reached == [(0, "begin"), (1, "name"), (50, "end")]
    assert playback.outcome == "ended"


def test_marks_without_names(bench):
    bench.play(SilenceSource(), marks=[0.02, 0.01])
    bench.frame()
    bench.frame()
    found = [one for one in bench.events if isinstance(one, MarkReached)]
    assert [(one.mark, one.seconds) for one in found] == [(0.01, 0.01), (0.02, 0.02)]


# What is a user's is not run on the tick.


def test_a_users_source_is_read_on_a_thread_of_its_own(bench):
    source = Source(b"ab" * 100, b"cd" * 100)
    playback = bench.play(source)
    assert bench.frame() is None
    assert source.read_by == []
    ((job, name),) = bench.threads.own
    assert name == "sipparty-source"
    thread = threading.Thread(target=job)
    thread.start()
    thread.join(10)
    assert bench.frame() == b"ab" * 100 + b"cd" * 60
    assert bench.frame() == b"cd" * 40 + bytes(240)
    assert playback.outcome == "ended"
    assert (playback.underruns, playback.starved) == (0, 0)
    assert threading.get_ident() not in source.read_by
    assert source.closed == 1


@pytest.mark.parametrize("error", [MediaError("The disk is gone."), ZeroDivisionError("oops")])
def test_a_source_that_breaks_is_ended(bench, error, caplog):
    bench.player.name = "the call with bob"
    source = Source(b"ab" * 160, error)
    playback = bench.play(source)
    bench.player.begin(8000)
    bench.threads.own[0][0]()
    assert bench.frame() == b"ab" * 160
    assert playback.outcome == "failed"
    assert source.closed == 1
    assert "the call with bob" in caplog.text
    with pytest.raises(MediaError, match=str(error)[:-1]):
        playback.wait(0)


def test_what_breaks_makes_room_for_what_is_queued(bench):
    bench.play(Source(ValueError("no")))
    bench.play(MemorySource(b"cd" * 160), queue=True)
    bench.player.begin(8000)
    bench.threads.own[0][0]()
    assert bench.frame() == b"cd" * 160


def test_a_source_that_hangs_starves_and_is_left_to_itself(bench, caplog):
    gate, reading = threading.Event(), threading.Event()

    class Hanging(Source):
        def read(self, samples):
            if self.pieces:
                return self.pieces.pop()
            reading.set()
            gate.wait(20)
            return b""

    source = Hanging(b"ab" * 160)
    playback = bench.play(source)
    bench.player.begin(8000)
    thread = threading.Thread(target=bench.threads.own[0][0], daemon=True)
    thread.start()
    reading.wait(10)
    assert bench.frame() == b"ab" * 160
    for _ in range(49):
        assert bench.frame() is None
    assert SourceStarved not in bench.kinds()
    bench.frame()
    (event,) = [one for one in bench.events if isinstance(one, SourceStarved)]
    assert (event.playback, event.seconds) == (playback, pytest.approx(1.0))
    assert "has had nothing to play" in caplog.text
    bench.frame()
    assert playback.underruns == 1
    assert playback.starved == pytest.approx(1020)
    playback.stop()  # which does not wait for the thread
    assert (playback.outcome, source.closed) == ("stopped", 0)
    gate.set()
    thread.join(10)
    assert source.closed == 1


def test_a_source_that_was_never_read_is_closed_elsewhere(bench):
    source = Source(b"ab")
    bench.play(source)
    bench.player.end("stopped")
    assert source.closed == 0
    ((job, _),) = bench.threads.own
    job()
    assert source.closed == 1


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


def test_a_wait_that_would_never_end_is_refused(bench):
    def refuse():
        raise WouldDeadlock("Not here.")

    def run(function, *args):
        return function(*args)

    playback = bench.play(SilenceSource())
    bench.player.portal = SimpleNamespace(check_may_block=refuse, run=run)
    assert playback.portal is bench.player.portal
    with pytest.raises(WouldDeadlock):
        playback.wait(1)
    assert bench.play(SilenceSource()).portal is bench.player.portal is not None


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
    playback = bench.play(Source(MediaError("The disk is gone.")))
    bench.player.begin(8000)
    bench.threads.own[0][0]()
    bench.frame()
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
