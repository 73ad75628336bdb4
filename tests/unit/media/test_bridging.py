"""Pipes, bridges of two calls, and following the line of a call."""

import array

import pytest

from sipparty.errors import UsageError
from sipparty.media.audio import Audio
from sipparty.media.conferencing.bridging import bridge
from sipparty.media.conferencing.following import Follower, audio_line
from sipparty.media.conferencing.mixing import Pipe, mix_minus
from sipparty.media.events import MediaStarted
from sipparty.media.frames import AudioFrame
from sipparty.media.pcm import loudness
from sipparty.sip.events import CallEnded

from .lines import FakeCall, FakeLine, flat, tone


def write(pipe, *levels, samples=160, rate=8000):
    for level in levels:
        pipe.hear(AudioFrame(flat(level, samples), rate))


class TestPipe:
    def test_what_goes_in_comes_out(self):
        pipe = Pipe()
        write(pipe, 1, 2)
        assert [pipe.next_frame(160, 8000) for _ in range(3)] == [flat(1), flat(2), None]
        assert (pipe.dropped, pipe.starved) == (0, 1)
        assert pipe.next_frame(160, 8000) is None
        assert pipe.starved == 1

    def test_the_oldest_is_dropped(self):
        pipe = Pipe(3)
        write(pipe, 1, 2, 3, 4)
        assert pipe.next_frame(160, 8000) == flat(2)
        assert pipe.dropped == 1

    def test_frames_of_other_lengths(self):
        pipe = Pipe()
        write(pipe, 1, 2, samples=240)
        assert pipe.next_frame(160, 8000) == flat(1)
        assert pipe.next_frame(160, 8000) == flat(1, 80) + flat(2, 80)
        assert pipe.next_frame(160, 8000) == flat(2)
        assert pipe.next_frame(160, 8000) is None

    def test_the_shortest_frames_fill_the_longest_packet(self):
        pipe = Pipe()
        write(pipe, *range(15), samples=80)
        pcm = pipe.next_frame(1200, 8000)
        assert pcm == b"".join(flat(n, 80) for n in range(15))
        write(pipe, *range(100), samples=80)
        assert pipe.dropped == 80

    def test_what_lacks_is_not_torn(self):
        pipe = Pipe()
        write(pipe, 1, samples=240)
        assert pipe.next_frame(160, 8000) == flat(1)
        assert pipe.next_frame(160, 8000) is None
        write(pipe, 2, samples=240)
        assert pipe.next_frame(160, 8000) == flat(1, 80) + flat(2, 80)

    @pytest.mark.parametrize(("rate", "to_rate"), [(8000, 16000), (48000, 8000), (16000, 48000)])
    def test_rates(self, rate, to_rate):
        pipe = Pipe()
        taken = []
        for _ in range(30):
            write(pipe, 1000, samples=rate // 50, rate=rate)
            taken.append(pipe.next_frame(to_rate // 50, to_rate))
        assert {len(pcm) for pcm in taken if pcm is not None} == {to_rate // 25}
        assert abs(array.array("h", taken[-1])[to_rate // 100] - 1000) < 20
        assert pipe.starved <= 2

    def test_the_rate_changes(self):
        pipe = Pipe()
        write(pipe, 5)
        assert pipe.next_frame(160, 8000) == flat(5)
        for _ in range(10):
            write(pipe, 1000, samples=320, rate=16000)
            pcm = pipe.next_frame(160, 8000)
        assert abs(array.array("h", pcm)[80] - 1000) < 20

    def test_clear(self):
        pipe = Pipe()
        write(pipe, 1, 2, samples=200)
        pipe.next_frame(160, 8000)
        pipe.clear()
        assert pipe.next_frame(160, 8000) is None
        assert pipe.starved == 0

    @pytest.mark.parametrize("faster", [1.0001, 1.001, 1.01])
    def test_a_faster_side_adds_nothing_up(self, faster):
        # Speech with pauses: what is too much is dropped in them.
        pipe = Pipe()
        written, number, left = 0.0, 0, []
        for _ in range(20_000):
            written += faster
            while number < int(written):
                number += 1
                loud = number % 50 < 30
                pcm = flat(number % 30_000, 160) if loud else bytes(320)
                pipe.hear(AudioFrame(pcm, 8000))
            assert pipe.next_frame(160, 8000) is not None
            left.append(len(pipe._frames))
        expected = 20_000 * (faster - 1)
        assert pipe.starved == 0
        assert abs(pipe.dropped - expected) <= 5
        assert max(left) <= 4

    def test_a_slower_side_starves_now_and_then(self):
        pipe = Pipe()
        written, number = 0.0, 0
        for _ in range(10_000):
            written += 0.999
            while number < int(written):
                number += 1
                write(pipe, 1)
            pipe.next_frame(160, 8000)
        assert 8 <= pipe.starved <= 12
        assert pipe.dropped == 0

    def test_a_surplus_without_pauses_is_dropped_all_the_same(self):
        pipe = Pipe()
        write(pipe, 9000, 9000, 9000)
        for read in range(200):
            write(pipe, 9000)
            assert pipe.next_frame(160, 8000) is not None
            assert pipe.dropped == (read >= 150)

    def test_what_has_starved_has_no_surplus(self):
        pipe = Pipe()
        pipe.next_frame(160, 8000)
        write(pipe, *[9000] * 5)
        for _ in range(180):
            write(pipe, 9000)
            pipe.next_frame(160, 8000)
        assert pipe.dropped == 0

    def test_a_surplus_is_dropped_in_a_pause(self):
        pipe = Pipe()
        write(pipe, 9000, 9000, 9000)
        for _ in range(99):
            write(pipe, 9000)
            pipe.next_frame(160, 8000)
        write(pipe, 0, 9000, 9000)
        taken = [pipe.next_frame(160, 8000) for _ in range(5)]
        assert bytes(320) not in taken
        assert pipe.dropped == 1


class TestSum:
    @pytest.mark.parametrize("count", [1, 2, 3, 5, 64, 65, 129])
    def test_each_without_itself(self, count):
        levels = [(-1) ** n * (100 + n) for n in range(count)]
        total, others = mix_minus([flat(level) for level in levels])
        assert total == flat(sum(levels))
        assert others == [flat(sum(levels) - level) for level in levels]

    def test_it_is_limited_at_its_end_alone(self):
        total, others = mix_minus([flat(30_000), flat(30_000), flat(-30_000)])
        assert total == flat(30_000)
        assert others == [flat(0), flat(0), flat(32_767)]
        total, others = mix_minus([flat(-30_000)] * 2)
        assert (total, others) == (flat(-32_768), [flat(-30_000)] * 2)

    def test_fifty_that_shout(self):
        levels = [32_767] * 25 + [-32_768] * 25
        total, others = mix_minus([flat(level) for level in levels])
        assert total == flat(-25)
        assert others[0] == flat(-32_768)
        assert others[-1] == flat(32_743)


class TestFollowing:
    def follow(self, call):
        happened = []
        follower = Follower(call, happened.append, lambda: happened.append("end"))
        return happened, follower

    def test_a_line_that_is_there(self):
        line = FakeLine()
        happened, _ = self.follow(FakeCall(line))
        assert happened == [line]

    def test_a_line_that_comes(self):
        call, line = FakeCall(), FakeLine()
        assert audio_line(call) is None
        happened, _ = self.follow(call)
        call.begin(line)
        call.emit(MediaStarted)
        assert happened == [line]

    def test_another_one_takes_its_place_before_media_begins(self):
        first, second = FakeLine(), FakeLine()
        call = FakeCall(first)
        happened, _ = self.follow(call)
        first.end()
        assert happened == [first]
        call.begin(second)
        assert happened == [first, second]
        assert not first.listeners

    def test_the_end_of_a_call_with_media_is_that_of_its_line(self):
        call, line = FakeCall(FakeLine()), None
        happened, _ = self.follow(call)
        line = call.line
        line.hear(flat(1))
        call.state = "Terminated"
        call.emit(CallEnded)
        assert happened == [line]
        line.end()
        assert happened == [line, "end"]
        assert not call.handlers

    def test_the_end_of_a_call_without(self):
        call = FakeCall()
        happened, _ = self.follow(call)
        call.end()
        call.emit(CallEnded)
        assert happened == ["end"]

    def test_the_end_of_a_call_whose_line_has_not_begun(self):
        call = FakeCall(FakeLine())
        happened, _ = self.follow(call)
        call.state = "Error"
        call.emit(CallEnded)
        assert happened == [call.line, "end"]
        assert not call.line.listeners

    def test_a_call_that_is_over(self):
        call = FakeCall()
        call.state = "Terminated"
        happened, _ = self.follow(call)
        assert happened == ["end"]

    def test_who_stops_hears_nothing_more(self):
        call = FakeCall()
        happened, follower = self.follow(call)
        follower.stop()
        call.begin(FakeLine())
        call.end()
        assert happened == []


class TestBridge:
    def test_each_hears_the_other(self):
        a, b = FakeCall(FakeLine()), FakeCall(FakeLine(16000))
        with bridge(a, b) as joined:
            assert joined.calls == (a, b)
            for _ in range(5):
                a.line.hear(flat(1000))
                b.line.hear(flat(-1000, 320))
                to_a, to_b = a.line.send(), b.line.send()
            assert abs(array.array("h", to_a)[80] + 1000) < 20
            assert abs(array.array("h", to_b)[160] - 1000) < 20
        assert joined.stopped
        a.line.hear(flat(1000))
        assert b.line.send() is None
        assert not a.line.listeners
        assert not a.handlers
        joined.stop()

    def test_before_there_is_media(self):
        a, b = FakeCall(), FakeCall(FakeLine())
        bridge(a, b)
        a.begin(FakeLine())
        a.line.hear(flat(1))
        assert b.line.send() == flat(1)

    @pytest.mark.parametrize("which", [0, 1])
    def test_it_ends_with_either_call(self, which):
        calls = FakeCall(FakeLine()), FakeCall(FakeLine())
        joined = bridge(*calls)
        calls[0].line.hear(flat(1))
        calls[1].line.hear(flat(2))
        calls[which].end()
        assert joined.stopped
        other = calls[1 - which]
        assert not other.line.listeners
        assert not other.handlers
        assert other.line.send() is None

    def test_with_a_call_that_is_over(self):
        over = FakeCall()
        over.state = "Terminated"
        for calls in ((over, FakeCall(FakeLine())), (FakeCall(FakeLine()), over)):
            joined = bridge(*calls)
            assert joined.stopped
            assert not any(call.handlers for call in calls)

    def test_one_on_hold_is_not_heard_and_the_other_not_disturbed(self):
        a, b = FakeCall(FakeLine()), FakeCall(FakeLine())
        bridge(a, b)
        for _ in range(3):  # nothing comes of b
            a.line.hear(flat(1))
            assert b.line.send() == flat(1)
            assert a.line.send() is None

    def test_what_is_played_and_sent_comes_first(self):
        a, b = FakeCall(FakeLine()), FakeCall(FakeLine(played=flat(7)))
        joined = bridge(a, b)
        a.line.hear(flat(1))
        assert b.line.send() == flat(7)
        audio = Audio()
        audio.attach(b.line)
        audio.send(flat(8), rate=8000)
        assert b.line.send() == flat(8)
        for _ in range(20):
            a.line.hear(flat(1))
        assert joined.dropped == 11

    def test_with_itself(self):
        call = FakeCall(FakeLine())
        with pytest.raises(UsageError, match="itself"):
            bridge(call, call)

    async def test_over_rtp(self, make):
        left, right = make().agree(), make().agree()
        calls = [FakeCall(), FakeCall()]
        calls[0].session, calls[1].session = left.b, right.b
        joined = bridge(*calls)
        heard = Audio()
        heard.attach(right.a.lines[0])
        reader = heard.read(limit=100)
        speaker = Audio()
        speaker.attach(left.a.lines[0])
        speaker.send(tone(8000, 4800), rate=8000)
        for _ in range(50):
            await left.run(1)
        levels = []
        while reader._items:
            levels.append(loudness(reader.next().pcm))
        assert sum(level > 5000 for level in levels) >= 28
        left.stop()
        assert joined.stopped
