"""Conferences: the mix, its legs, who speaks."""

import array
import asyncio
import threading

import pytest

from sipparty.errors import UsageError, WouldDeadlock
from sipparty.media.clock import MediaClock
from sipparty.media.conferencing.conference import Conference
from sipparty.media.playing.sources import MemorySource, WAVSource

from .lines import FakeCall, FakeLine, flat, tone


class Round:
    """A conference whose legs are driven by hand, a tick at a time."""

    def __init__(self, clock, *rates, **options):
        self.clock = clock
        self.conference = Conference(clock=clock, **options)
        self.calls = [FakeCall(FakeLine(rate)) for rate in rates]
        self.legs = [self.conference.add(call) for call in self.calls]

    def tick(self, *said):
        """What each call is sent, after each has said something."""
        for call, pcm in zip(self.calls, said, strict=False):
            if pcm is not None:
                call.line.hear(pcm)
        self.clock.tick()
        return [call.line.send() for call in self.calls]

    def levels(self, *levels, times=6):
        """The levels that calls are sent, after each has said a level for a while."""
        for _ in range(times):
            said = [
                None if level is None else flat(level, call.line.rate // 50)
                for level, call in zip(levels, self.calls, strict=False)
            ]
            sent = self.tick(*said)
        return [None if pcm is None else array.array("h", pcm)[len(pcm) // 4] for pcm in sent]


@pytest.fixture
async def make_round(clock):
    made = []

    def one(*rates, **options):
        made.append(Round(clock, *rates, **options))
        return made[-1]

    yield one
    for one in made:
        one.conference.close()
    assert not clock.members


class TestMix:
    async def test_each_hears_the_others_and_not_itself(self, make_round):
        assert make_round(8000, 8000, 8000).levels(100, 20, 3) == [23, 103, 120]

    async def test_who_says_nothing_hears_all(self, make_round):
        assert make_round(8000, 8000, 8000).levels(100, 20, None) == [20, 100, 120]
        assert make_round(8000, 8000).levels(None, 20) == [20, 0]

    async def test_nobody_says_anything(self, make_round):
        assert make_round(8000, 8000).levels(0, 0) == [0, 0]

    async def test_rates(self, make_round):
        one = make_round(8000, 16000, 48000)
        sent = one.levels(1000, 2000, 4000, times=20)
        assert sent == pytest.approx([6000, 5000, 3000], abs=40)
        assert one.conference.rate == 48000

    async def test_a_rate_of_its_own(self, make_round):
        one = make_round(8000, 8000, rate=16000)
        sent = one.levels(1000, 2000, times=20)
        assert sent == pytest.approx([2000, 1000], abs=40)
        assert one.conference.rate == 16000
        with pytest.raises(UsageError):
            Conference(rate=7)

    async def test_gain(self, make_round):
        one = make_round(8000, 8000)
        one.legs[0].gain = 20.0
        assert one.levels(100, 5) == [5, 1000]
        for gain in (31, -61):
            with pytest.raises(UsageError, match="gain"):
                one.legs[0].gain = gain

    async def test_mute(self, make_round):
        one = make_round(8000, 8000, 8000)
        one.legs[0].mute = True
        assert one.levels(100, 20, 3) == [23, 3, 20]
        one.legs[0].mute = False
        assert one.levels(100, 20, 3) == [23, 103, 120]

    async def test_loud_ones_are_limited(self, make_round):
        assert make_round(8000, 8000, 8000).levels(30_000, 30_000, 0) == [30_000, 30_000, 32_767]

    async def test_a_stall_is_made_up_for(self, make_round):
        one = make_round(8000, 8000)
        one.levels(100, 20)
        for _ in range(3):
            for call in one.calls:
                call.line.hear(flat(50))
        one.clock.tick(skipped=2)
        assert [one.calls[0].line.send() for _ in range(3)] == [flat(50)] * 3


class TestLegs:
    async def test_one_that_leaves_disturbs_nobody(self, make_round):
        one = make_round(8000, 8000, 8000)
        one.levels(100, 20, 3)
        one.conference.remove(one.calls[0])
        one.conference.remove(one.calls[0])
        assert one.levels(100, 20, 3) == [None, 3, 20]
        assert one.legs[0].left
        assert not one.calls[0].line.listeners
        assert not one.calls[0].handlers
        assert one.conference.legs == tuple(one.legs[1:])

    async def test_a_call_that_ends_leaves(self, make_round):
        one = make_round(8000, 8000)
        one.levels(100, 20)
        one.calls[1].end()
        assert one.conference.legs == (one.legs[0],)
        assert one.levels(100) == [0, None]

    async def test_a_call_that_is_over(self, make_round):
        one = make_round()
        call = FakeCall()
        call.state = "Terminated"
        assert one.conference.add(call).left
        assert one.conference.legs == ()

    async def test_one_that_comes_later_and_before_it_has_media(self, make_round):
        one = make_round(8000)
        call = FakeCall()
        one.conference.add(call, gain=6.0, mute=False)
        one.levels(100)
        call.begin(FakeLine(8000))
        one.calls.append(call)
        assert one.levels(100, 50) == [99, 100]

    async def test_one_is_in_it_once(self, make_round):
        one = make_round(8000)
        with pytest.raises(UsageError, match="already"):
            one.conference.add(one.calls[0])

    async def test_closing_lets_the_calls_go_on(self, make_round, clock):
        one = make_round(8000, 8000)
        one.levels(100, 20)
        async with one.conference as conference:
            assert conference is one.conference
            assert clock.members
        assert not clock.members
        assert one.conference.legs == ()
        assert all(call.state == "InDialog" for call in one.calls)
        with pytest.raises(UsageError, match="closed"):
            one.conference.add(FakeCall(FakeLine()))
        with one.conference as conference:
            assert conference is one.conference

    async def test_no_timer_without_legs(self, make_round, clock):
        one = make_round(8000)
        assert not clock.members
        one.levels(100)
        assert list(clock.members.values()) == [0.02]
        one.legs[0].leave()
        assert not clock.members


class TestLoops:
    async def test_it_ticks_on_the_clock_of_a_legs_loop(self):
        call = FakeCall(FakeLine())
        with Conference() as conference:
            conference.add(call)
            call.line.hear(flat(1))
            assert conference._clock is MediaClock.of(asyncio.get_running_loop())
        assert conference._clock is None

    async def test_when_the_leg_of_its_loop_leaves_another_one_takes_over(self, clock):
        here, there = FakeCall(FakeLine()), FakeCall(FakeLine())
        conference = Conference(clock=clock)
        conference.add(here)
        conference.add(there)
        here.line.hear(flat(1))
        first = conference._loop
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()

        async def hear():
            there.line.hear(flat(2))
            return conference._loop

        try:
            assert asyncio.run_coroutine_threadsafe(hear(), loop).result(5) is first
            conference.remove(here)
            assert not clock.members
            assert asyncio.run_coroutine_threadsafe(hear(), loop).result(5) is loop
            assert clock.members
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(5)
            loop.close()
        conference.close()  # its loop is closed, and with it would be its timers

    async def test_a_leg_that_leaves_on_another_thread(self, clock):
        call = FakeCall(FakeLine())
        conference = Conference(clock=clock)
        conference.add(call)
        call.line.hear(flat(1))
        assert clock.members
        await asyncio.to_thread(conference.close)
        await asyncio.sleep(0)
        assert not clock.members

    async def test_two_loops_do_not_tick_at_once(self, make_round):
        one = make_round(8000)
        one.levels(100)
        sequence = one.conference._sequence
        with one.conference._ticking:
            one.clock.tick()
        assert one.conference._sequence == sequence
        one.clock.tick()
        assert one.conference._sequence == sequence + 1


class TestForAll:
    async def test_the_rate_of_nobody(self):
        assert Conference().rate == 8000

    async def test_what_is_sent_to_all(self, make_round):
        one = make_round(8000, 8000)
        one.levels(100, 20)
        one.conference.audio.send(flat(1000, 1600), rate=8000)
        assert one.levels(100, 20) == [1020, 1100]

    async def test_the_mix_frame_by_frame(self, make_round):
        one = make_round(8000, 8000)
        reader = one.conference.mix()
        one.levels(100, 20, times=3)
        one.conference.close()
        frames = [frame async for frame in reader]
        assert [frame.sequence for frame in frames] == [0, 1, 2][-len(frames) :]
        assert frames[-1].pcm == flat(120)
        assert frames[-1].time == pytest.approx(frames[-1].sequence * 0.02)

    async def test_what_is_played_to_all(self, make_round):
        one = make_round(8000, 8000)
        one.levels(100, 20)
        playback = one.conference.play(MemorySource(flat(1000, 320), 8000))
        again = one.conference.play(MemorySource(flat(2000, 320), 8000), queue=True)
        assert one.levels(100, 20, times=2) == [1020, 1100]
        assert one.levels(100, 20, times=2) == [2020, 2100]
        one.conference.close()
        assert (await playback, await again) == ("ended", "ended")
        with pytest.raises(UsageError, match="closed"):
            one.conference.play(MemorySource(flat(1), 8000))

    async def test_what_is_recorded_of_all(self, make_round, tmp_path):
        one = make_round(8000, 8000)
        one.levels(100, 20)
        path = tmp_path / "all.wav"
        async with one.conference:
            recording = one.conference.record(path)
            one.levels(100, 20, times=5)
        assert recording.outcome == "stopped"
        assert WAVSource(path).read(10_000) == flat(120) * 5
        with pytest.raises(UsageError, match="closed"):
            one.conference.record(path)

    def test_in_a_thread_recordings_are_complete_at_the_end(self, tmp_path):
        with Conference() as conference:
            recording = conference.record(tmp_path / "all.wav")
        assert recording.outcome == "stopped"

    async def test_a_wait_on_a_loop_is_refused(self, make_round):
        playback = make_round(8000).conference.play(MemorySource(flat(1), 8000))
        with pytest.raises(WouldDeadlock):
            playback.wait()

    async def test_who_speaks(self, make_round):
        one = make_round(8000, 8000, 8000)
        loud, soft = tone(8000), tone(2000)
        for _ in range(5):
            one.tick(loud, soft, flat(10))
        assert one.conference.speakers == [one.legs[0], one.legs[1]]
        one.legs[0].mute = True
        assert one.conference.speakers == [one.legs[1]]
        for _ in range(30):
            one.tick(loud, None, None)  # on hold
        assert one.conference.speakers == []
        one.legs[0].mute = False
        assert one.conference.speakers == [one.legs[0]]
