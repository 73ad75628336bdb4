"""What can be played: its kind, and the feed that it makes."""

import array
import asyncio
import io
import threading

import pytest

from sipparty.errors import UsageError
from sipparty.media.frames import AudioFrame
from sipparty.media.playing import feeding
from sipparty.media.playing.call_tones import CALL_TONES, CallTone
from sipparty.media.playing.feeding import DirectFeed
from sipparty.media.playing.fillers import PooledFeed, TaskFeed, ThreadFeed
from sipparty.media.playing.playable import Speech, check_playable, feeds_of
from sipparty.media.playing.sources import MemorySource, ToneSource

from .test_files import TONE, wav
from .threads import FakeThreads


@pytest.fixture
def threads():
    return FakeThreads()


@pytest.fixture
def one(threads):
    def make(what, rate=None, loop=None):
        (feed,) = feeds_of(what, rate, threads, lambda: loop)
        return feed

    return make


@pytest.fixture
def roomy(monkeypatch):
    """Queues that hold all there is."""
    monkeypatch.setattr(feeding, "HIGH_WATER", 1000.0)


def all_of(feed, threads, samples=1600):
    """What it gives, its threads being driven here; its end, or what broke it."""
    feed.begin(8000)
    pcm = b""
    for _ in range(1000):
        threads.work()
        if feed.ended:
            break
        pcm += feed.take(samples)
    assert feed.ended
    return pcm


def run_own(threads):
    """Run what has a thread of its own to its end, or to where it waits."""
    for job, _ in threads.own:
        thread = threading.Thread(target=job, daemon=True)
        thread.start()
        thread.join(10)


class User(MemorySource):
    """Derived by a user: not the library's any more."""


def test_what_is_read_on_the_tick_and_what_is_not(one, tmp_path):
    path = tmp_path / "long.wav"
    path.write_bytes(wav(TONE * 40))
    assert isinstance(one(ToneSource(440)), DirectFeed)
    assert isinstance(one("busy"), DirectFeed)
    assert isinstance(one(TONE, 8000), DirectFeed)
    assert isinstance(one(wav()), DirectFeed)
    assert isinstance(one(path), PooledFeed)
    assert isinstance(one(User(TONE)), ThreadFeed)
    assert isinstance(one(iter([TONE]), 8000), ThreadFeed)
    assert isinstance(one(io.BytesIO(TONE), 8000), ThreadFeed)
    assert isinstance(one(lambda: TONE, 8000), ThreadFeed)


async def test_coroutines_are_tasks(one):
    async def speak():
        return TONE

    async def speaking():
        yield TONE

    waiting = speak()
    for what in (speak, speaking(), waiting):
        assert isinstance(one(what, 8000), TaskFeed)
    waiting.close()


@pytest.mark.parametrize("what", [5, None, 1.5, object()])
def test_what_cannot_be_played(one, what):
    with pytest.raises(UsageError, match="cannot be played"):
        one(what)
    with pytest.raises(UsageError, match="cannot be played"):
        check_playable(what)


def test_samples_need_their_rate(one):
    with pytest.raises(UsageError, match="16000 bytes cannot be played: give their rate"):
        one(TONE)
    with pytest.raises(UsageError, match="rate=5"):
        one(TONE, 5)
    check_playable(TONE, 8000)
    check_playable([wav(), "busy"])


def test_arrays(one):
    numpy = pytest.importorskip("numpy")
    integers = numpy.frombuffer(TONE, numpy.int16)
    assert one(integers, 8000).take(8000) == TONE
    floats = array.array("h", one(integers / 32767, 8000).take(8000))
    assert max(abs(a - b) for a, b in zip(floats, array.array("h", TONE), strict=True)) <= 1
    with pytest.raises(UsageError, match="8000 samples cannot be played: give their rate"):
        one(integers)
    for bad in (integers.astype("int32"), integers.reshape(2, -1)):
        with pytest.raises(UsageError, match="Audio "):
            one(bad, 8000)


# Threads.


def test_an_iterator_of_anything(roomy, one, threads):
    odd = [TONE[:101], TONE[101:500], bytearray(TONE[500:600]), AudioFrame(TONE[600:], 8000)]
    feed = one((piece for piece in odd), 8000)
    feed.begin(8000)
    run_own(threads)
    assert all_of(feed, threads) == TONE


def test_pieces_of_another_rate_are_converted(roomy, one, threads):
    feed = one(iter([TONE]), 16000)
    feed.begin(8000)
    run_own(threads)
    assert len(all_of(feed, threads)) == pytest.approx(8000, abs=4)


def test_an_iterator_waits_where_enough_waits_to_be_played(one, threads):
    given = []

    def pieces():
        for n in range(1000):
            given.append(n)
            yield bytes(320)

    feed = one(pieces(), 8000)
    feed.begin(8000)
    thread = threading.Thread(target=threads.own[0][0], daemon=True)
    waits = threading.Event()
    wait = feed._space.wait
    feed._space.wait = lambda: waits.set() or wait()
    thread.start()
    assert waits.wait(10)
    assert len(given) == 30  # 0.6 s
    waits.clear()
    for _ in range(16):
        feed.take(160)
    assert waits.wait(10)
    assert len(given) == 46
    feed.close()
    thread.join(10)
    assert not thread.is_alive()


def test_pieces_without_a_rate_are_refused_when_they_come(one, threads):
    feed = one(iter([TONE]))
    feed.begin(8000)
    run_own(threads)
    assert feed.ended
    assert "play it with rate=" in str(feed.error)


@pytest.mark.parametrize("piece", [5, "text", [1, 2]])
def test_pieces_that_are_no_samples(one, threads, piece):
    feed = one(iter([piece]), 8000)
    feed.begin(8000)
    run_own(threads)
    assert "Audio is bytes of 16-bit samples, a frame, or" in str(feed.error)


def test_a_file_of_samples(roomy, one, threads):
    feed = one(io.BytesIO(TONE), 8000)
    feed.begin(8000)
    run_own(threads)
    assert all_of(feed, threads) == TONE


@pytest.mark.parametrize(
    "result", [TONE, [TONE[:320], TONE[320:]], MemorySource(TONE), iter([TONE]), None]
)
def test_a_function_that_returns_something_to_play(roomy, one, threads, result):
    feed = one(lambda: result, 8000)
    feed.begin(8000)
    run_own(threads)
    assert all_of(feed, threads) == (b"" if result is None else TONE)


def test_a_function_that_returns_a_sound_file(roomy, one, threads):
    feed = one(wav)
    feed.begin(8000)
    run_own(threads)
    assert all_of(feed, threads) == TONE


def test_speech(roomy, one, threads):
    said = []

    def speak(text):
        said.append(text)
        return TONE

    speech = Speech(speak, "hello")
    feed = one(speech, 8000)
    assert feed.name == "the text 'hello'"
    feed.begin(8000)
    assert said == []
    run_own(threads)
    assert all_of(feed, threads) == TONE
    assert said == ["hello"]
    with pytest.raises(UsageError, match="give the session tts="):
        Speech(None, "hello")


class Live:
    """A source that has something now and then."""

    rate = 8000
    live = True

    def __init__(self, *pieces):
        self.pieces = list(pieces)
        self.closed = False

    def read(self, samples):
        return self.pieces.pop(0) if self.pieces else None

    def close(self):
        self.closed = True


def test_a_live_source_starves_and_goes_on(one, threads):
    source = Live(TONE[:320], b"", TONE[320:480], b"", b"", TONE[480:640])
    feed = one(source)
    feed.begin(8000)
    run_own(threads)
    assert feed.take(1000) == TONE[:640]
    assert feed.ended
    assert source.closed


# Shared threads.


def test_a_long_file_is_read_ahead_and_repeated_without_a_gap(one, threads, tmp_path):
    path = tmp_path / "long.wav"
    path.write_bytes(wav(TONE * 40))
    feed = one(path)
    feed.again = 1
    feed.prime(8000)
    assert feed.take(160) == TONE[:320]
    assert len(threads.jobs) == 1
    threads.work()
    assert threads.jobs == []
    rest = all_of(feed, threads)
    assert TONE[:320] + rest == TONE * 80
    assert feed.rewind()
    feed.close()
    threads.work()


def test_a_file_that_goes_away_is_an_error_of_its_feed(one, threads, tmp_path):
    path = tmp_path / "long.wav"
    path.write_bytes(wav(TONE * 40))
    feed = one(path)
    path.unlink()
    feed.begin(8000)
    threads.work()
    assert feed.ended
    assert "No such file" in str(feed.error)


# Tasks.


async def settle():
    for _ in range(20):
        await asyncio.sleep(0)


async def test_an_asynchronous_iterator_waits_and_is_closed(one):
    given, closed = [], []

    async def pieces():
        try:
            for n in range(1000):
                given.append(n)
                yield bytes(320)
        finally:
            closed.append(1)

    feed = one(pieces(), 8000)
    feed.begin(8000)
    await settle()
    assert len(given) == 30
    for _ in range(16):
        assert len(feed.take(160)) == 320
    await settle()
    assert len(given) == 46
    feed.close()
    await settle()
    assert closed == [1]


async def test_what_a_coroutine_gives_is_played(roomy, one):
    async def speak():
        await asyncio.sleep(0)
        return AudioFrame(TONE, 8000).pcm

    feed = one(speak, 8000)
    feed.begin(8000)
    finished = asyncio.get_running_loop().create_future()
    finish = feed.finish
    feed.finish = lambda error: (finish(error), finished.set_result(None))
    await finished
    assert feed.take(8000) == TONE


async def test_what_a_coroutine_raises_ends_its_feed_alone(roomy, one):
    async def pieces():
        yield TONE
        raise ValueError("no")

    feed = one(pieces(), 8000)
    feed.begin(8000)
    await settle()
    assert feed.take(8000) == TONE
    assert feed.ended
    assert "no" in str(feed.error)


def test_coroutines_without_a_loop(one, threads):
    async def pieces():
        yield TONE

    feed = one(pieces(), 8000)
    feed.begin(8000)
    assert feed.ended
    assert "no loop" in str(feed.error)


# Tones.


@pytest.mark.parametrize("country", CALL_TONES)
@pytest.mark.parametrize("name", CALL_TONES["eu"])
def test_a_tone_of_the_network_is_repeated(country, name):
    tone = CallTone(name, country)
    seconds = sum(piece[0] for piece in CALL_TONES[country][name])
    samples = sum(round(piece[0] * 8000) for piece in CALL_TONES[country][name])
    first, second = tone.read(samples), tone.read(samples)
    assert first == second
    assert any(first)
    assert len(first) / 16000 == pytest.approx(seconds, abs=0.01)


def test_a_cadence():
    tone = CallTone("busy", duration=0.75)
    assert tone.duration == 0.75
    pcm = tone.read(8000)
    assert len(pcm) == 12000
    assert any(pcm[:8000])
    assert not any(pcm[8000:])
    tone.rewind()
    assert tone.read(8000) == pcm
    tone.close()
    assert tone.read(10) == b""


def test_tones_that_are_not_there():
    with pytest.raises(UsageError, match="no tone 'loud'"):
        CallTone("loud")
    with pytest.raises(UsageError, match="no tones of 'moon'"):
        CallTone("busy", "moon")
