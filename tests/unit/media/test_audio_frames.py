"""`call.audio`: reading, sending, tapping."""

import asyncio
import threading

import numpy
import pytest

from sipparty.errors import MediaError, Timeout, UsageError
from sipparty.media.audio import Audio, TapFailed
from sipparty.media.frames import AudioFrame
from sipparty.media.inputs import HOLD, JOINED, RankedInputs

from .lines import FakeInput, FakeLine, flat

PATIENCE = 5.0


@pytest.fixture
def line():
    return FakeLine()


@pytest.fixture
def audio(line):
    audio = Audio(limit=0.2)
    audio.attach(line)
    return audio


class TestReading:
    async def test_each_reader_gets_every_frame(self, audio, line):
        one, two = audio.read(), audio.read()
        given = [line.hear(flat(level)) for level in (1, 2)]
        assert [await one.anext(), await one.anext()] == given
        assert [two.next(), two.next()] == given

    def test_a_loop_in_a_thread_ends_with_the_media(self, audio, line):
        reader = iter(audio)
        line.hear(flat(1))
        audio.end()
        assert [frame.sequence for frame in reader] == [0]

    async def test_a_loop_in_a_coroutine_ends_with_the_media(self, audio, line):
        reader = aiter(audio)
        line.hear(flat(1))
        audio.end()
        assert [frame.sequence async for frame in reader] == [0]
        assert [frame async for frame in audio] == []

    def test_who_is_too_slow_loses_the_oldest_and_sees_it(self, audio, line):
        reader = audio.read(limit=3)
        for level in range(5):
            line.hear(flat(level))
        assert [reader.next().sequence for _ in range(3)] == [2, 3, 4]
        assert reader.dropped == audio.dropped == 2
        reader.close()
        assert audio.dropped == 2

    def test_who_is_let_go_of_listens_no_more(self, audio, line):
        reader = audio.read()
        assert len(line.listeners) == 1
        del reader
        assert not line.listeners

    def test_who_was_closed_gets_nothing(self, audio, line):
        reader = audio.read()
        reader.close()
        line.hear(flat(1))
        with pytest.raises(StopIteration):
            reader.next()
        assert not line.listeners

    @pytest.mark.parametrize("rate", [16000, 24000, 48000])
    def test_at_another_rate(self, audio, line, rate):
        reader = audio.at(rate).read()
        for _ in range(10):
            line.hear(flat(1000))
        line.hear(flat(1000))
        frames = []
        while True:
            try:
                frames.append(reader.next(0))
            except Timeout:
                break
        assert len(frames) >= 8
        assert {frame.rate for frame in frames} == {rate}
        assert {frame.samples for frame in frames} == {rate // 50}
        sequences = [frame.sequence for frame in frames]
        assert sequences == list(range(sequences[0], 11))
        assert frames[-1].time == pytest.approx(sequences[-1] * 0.02)
        assert abs(frames[-1].array()[rate // 100] - 1000) < 20

    def test_at_its_own_rate_frames_are_as_they_are(self, audio, line):
        reader = audio.at(8000).read()
        assert line.hear(flat(1)) is reader.next()

    def test_it_follows_to_another_line(self, audio, line):
        reader = audio.read()
        other = FakeLine(16000)
        audio.attach(other)
        line.hear(flat(1))
        frame = other.hear(flat(2, 320))
        assert reader.next() is frame
        assert not line.listeners

    def test_what_is_sent_is_read_too(self, audio, line):
        reader = audio.read(sent=True)
        line.hear(flat(1))
        audio.send(flat(7), rate=8000)
        line.send()
        assert reader.next().pcm == flat(7)

    def test_before_there_is_a_line(self, line):
        audio = Audio()
        reader = audio.read()
        audio.attach(line)
        assert line.hear(flat(1)) is reader.next()

    @pytest.mark.parametrize("rate", [0, -8000, 3999, 200_000, 8000.5, "8000"])
    def test_rates_that_are_none(self, audio, rate):
        with pytest.raises(UsageError, match="no rate"):
            audio.at(rate)

    def test_a_limit_that_is_none(self, audio):
        with pytest.raises(UsageError, match="limit=0"):
            audio.read(limit=0)


class TestSending:
    def test_in_order_and_then_nothing(self, audio, line):
        audio.send(flat(1) + flat(2), rate=8000)
        audio.send(flat(3), rate=8000)
        assert audio.queued == pytest.approx(60)
        assert [line.send() for _ in range(4)] == [flat(1), flat(2), flat(3), None]
        assert audio.queued == 0
        assert audio.starved == 1

    def test_it_takes_the_place_of_what_is_played(self):
        line = FakeLine(played=flat(9))
        audio = Audio()
        audio.attach(line)
        assert line.send() == flat(9)
        audio.send(flat(1), rate=8000)
        assert [line.send(), line.send()] == [flat(1), flat(9)]

    def test_what_is_left_of_a_frame_is_followed_by_silence(self, audio, line):
        audio.send(flat(1, 200), rate=8000)
        assert line.send() == flat(1)
        assert line.send() == flat(1, 40) + bytes(240)
        assert line.send() is None

    def test_what_begins_with_less_than_a_frame_waits_for_one(self, audio, line):
        audio.send(flat(1, 100), rate=8000)
        assert line.send() is None
        audio.send(flat(2, 100), rate=8000)
        assert line.send() == flat(1, 100) + flat(2, 60)
        assert line.send() == flat(2, 40) + bytes(240)
        audio.send(flat(3, 100), rate=8000)
        assert [line.send(), line.send()] == [None, flat(3, 100) + bytes(120)]

    async def test_who_sends_too_much_waits(self, audio, line):
        first = audio.send(flat(1, 1600), rate=8000)
        await first  # 0.2 s are allowed
        second = audio.send(flat(2, 480), rate=8000)
        waiting = asyncio.ensure_future(asyncio.wait_for(second, PATIENCE))
        for _ in range(2):
            line.send()
        await asyncio.sleep(0)
        assert not waiting.done()
        line.send()
        await waiting
        assert audio.queued == pytest.approx(200)

    def test_who_waits_in_a_thread(self, audio, line):
        sending = audio.send(flat(1, 1760), rate=8000)
        with pytest.raises(Timeout):
            sending.wait(0)
        thread = threading.Thread(target=sending.wait, args=(PATIENCE,))
        thread.start()
        line.send()
        thread.join(PATIENCE)
        assert not thread.is_alive()

    async def test_drain_waits_for_all(self, audio, line):
        audio.send(flat(1) * 2, rate=8000)
        drained = audio.drain()
        line.send()
        assert drained.state == "Waiting"
        line.send()
        await asyncio.wait_for(drained, PATIENCE)
        await asyncio.wait_for(audio.drain(), PATIENCE)

    async def test_clear_tells_how_much_and_wakes_who_waits(self, audio, line):
        sending = audio.send(flat(1, 8000), rate=8000)
        drained = audio.drain()
        line.send()
        assert audio.clear() == pytest.approx(980)
        assert line.send() is None
        await asyncio.wait_for(sending, PATIENCE)
        await asyncio.wait_for(drained, PATIENCE)
        assert audio.clear() == 0
        audio.send(flat(2), rate=8000)
        assert line.send() == flat(2)

    async def test_the_end_of_the_media(self, audio):
        sending = audio.send(flat(1, 8000), rate=8000)
        audio.end()
        with pytest.raises(MediaError, match="over"):
            await asyncio.wait_for(sending, PATIENCE)
        with pytest.raises(MediaError, match="over"):
            audio.send(flat(1), rate=8000)

    @pytest.mark.parametrize(
        ("samples", "sent"),
        [
            (flat(1000), flat(1000)),
            (bytearray(flat(1000)), flat(1000)),
            (memoryview(flat(1000)), flat(1000)),
            (numpy.full(160, 1000, numpy.int16), flat(1000)),
            (numpy.full(160, 0.5, numpy.float32), flat(16384)),
            (numpy.full(160, 0.5), flat(16384)),
            (numpy.full(160, 2.0, numpy.float32), flat(32767)),
            (numpy.full(160, -2.0, numpy.float32), flat(-32768)),
            (AudioFrame(flat(1000), 8000), flat(1000)),
        ],
    )
    def test_kinds_of_samples(self, audio, line, samples, sent):
        audio.send(samples, rate=8000)
        assert line.send() == sent

    @pytest.mark.parametrize(
        "samples",
        [b"odd", "text", None, numpy.zeros((2, 160), numpy.int16), numpy.zeros(160, numpy.int32)],
    )
    def test_what_is_no_audio(self, audio, samples):
        with pytest.raises(UsageError):
            audio.send(samples, rate=8000)

    def test_the_rate_is_the_lines_once_it_is_known(self, audio, line):
        with pytest.raises(UsageError, match="rate"):
            audio.send(flat(1))
        line.send()
        audio.send(flat(1))
        assert line.send() == flat(1)

    @pytest.mark.parametrize("known", [True, False])
    def test_from_another_rate(self, audio, line, known):
        if known:
            line.send()
        audio.at(16000).send(flat(1000, 16000))
        assert audio.queued == pytest.approx(1000, abs=30)
        sent = [line.send() for _ in range(48)]
        assert {len(pcm) for pcm in sent} == {320}
        assert abs(numpy.frombuffer(sent[20], numpy.int16)[80] - 1000) < 20

    def test_the_rate_of_the_line_changes(self, audio, line):
        line.send()
        audio.send(flat(1000, 1600), rate=8000)
        line.send()
        line.rate = 16000
        sent = [line.send() for _ in range(5)]
        assert {len(pcm) for pcm in sent} == {640}
        assert abs(numpy.frombuffer(sent[-1], numpy.int16)[160] - 1000) < 20

    def test_more_than_an_hour_is_refused(self, audio):
        hour = flat(0, 8000) * 3600
        audio.send(hour, rate=8000)
        with pytest.raises(UsageError, match="await"):
            audio.send(flat(0), rate=8000)


class TestTaps:
    def test_in_a_thread(self, audio, line):
        heard, done = [], threading.Event()

        def callback(frame):
            heard.append((frame.sequence, threading.current_thread() is threading.main_thread()))
            if frame.sequence == 1:
                done.set()

        tap = audio.tap(callback)
        line.hear(flat(1))
        line.hear(flat(2))
        assert done.wait(PATIENCE)
        assert heard == [(0, False), (1, False)]
        tap.stop()
        assert not line.listeners
        assert tap.dropped == 0

    async def test_in_a_task(self, audio, line):
        heard = asyncio.Queue()
        audio.tap(heard.put)
        frame = line.hear(flat(1))
        assert await asyncio.wait_for(heard.get(), PATIENCE) is frame
        audio.end()

    def test_one_that_raises(self, line, caplog):
        told, done = [], threading.Event()

        def emit(event):
            told.append(event)
            done.set()

        audio = Audio(emit=emit)
        audio.attach(line)

        def callback(frame):
            raise ValueError("too loud")

        tap = audio.tap(callback)
        line.hear(flat(1))
        assert done.wait(PATIENCE)
        assert not line.listeners
        (event,) = told
        assert isinstance(event, TapFailed)
        assert (event.tap, str(event.error)) == (tap, "too loud")
        assert "called no more" in caplog.text


class TestRanks:
    def test_the_highest_that_has_something(self):
        line = FakeLine(played=None)
        inputs = RankedInputs.of(line)
        hold, joined = FakeInput(), FakeInput(b"joined")
        inputs.add(joined, JOINED)
        inputs.add(hold, HOLD)
        assert line.send() == b"joined"
        hold.pcm = b"hold"
        assert line.send() == b"hold"
        inputs.remove(hold)
        inputs.remove(hold)
        assert line.send() == b"joined"
        assert RankedInputs.of(line) is inputs

    def test_of_one_rank_the_last(self):
        line = FakeLine()
        inputs = RankedInputs.of(line)
        one, two = FakeInput(b"one"), FakeInput(b"two")
        inputs.add(one, JOINED)
        inputs.add(two, JOINED)
        assert line.send() == b"two"
        inputs.add(one, JOINED)
        assert line.send() == b"one"


class TestOverRTP:
    async def test_what_one_sends_the_other_reads(self, make):
        pair = make().agree()
        sender, receiver = Audio(), Audio()
        sender.attach(pair.a.lines[0])
        receiver.attach(pair.b.lines[0])
        reader = receiver.read()
        sender.send(flat(8000, 1600), rate=8000)
        await pair.run(30)
        heard = []
        while reader._items:
            heard.append(reader.next())
        assert sum(abs(frame.array()[80] - 8000) < 300 for frame in heard) >= 9
        assert [frame.sequence for frame in heard] == [
            *range(heard[0].sequence, heard[-1].sequence + 1)
        ]
