import asyncio
import gc
import heapq
import logging
import weakref
from collections import Counter

import pytest

from sipparty.media.clock import CROWD, MAX_CATCH_UP, MediaClock


class Loop:
    """As much of a loop as a clock needs, with a time of its own."""

    def __init__(self):
        self.now = 100.0
        self.calls = []
        self.made = 0

    def time(self):
        return self.now

    def call_at(self, when, callback):
        self.made += 1
        handle = asyncio.TimerHandle(when, callback, (), self)
        heapq.heappush(self.calls, (when, self.made, handle))
        return handle

    def get_debug(self):
        return False

    def _timer_handle_cancelled(self, handle):
        pass

    def live(self):
        return [handle for _, _, handle in self.calls if not handle.cancelled()]

    def run(self, until, stall=0.0):
        """Call what is due up to a time; each call takes `stall`."""
        while self.calls and self.calls[0][0] <= until:
            when, _, handle = heapq.heappop(self.calls)
            self.now = max(self.now, when)
            if not handle.cancelled():
                self.now += stall
                handle._run()
        self.now = max(self.now, until)


class Member:
    def __init__(self, loop, act=None, log=None):
        self.loop = loop
        self.ticks = []
        self.played = []
        self.act = act
        self.log = [] if log is None else log

    def send_due(self, now, skipped):
        self.ticks.append((round(now - 100, 3), skipped))
        self.log.append(("send", self))
        if self.act:
            self.act()

    def play_due(self, now, skipped):
        self.played.append((round(now - 100, 3), skipped))
        self.log.append(("play", self))


@pytest.fixture
def loop():
    return Loop()


@pytest.fixture
def media(loop):
    return MediaClock.of(loop)


def times(member):
    return [at for at, _ in member.ticks]


def test_ticks_do_not_drift(loop, media):
    member = Member(loop)
    media.add(member, 0.02)
    loop.run(100.2, stall=0.003)
    assert times(member) == [round(0.02 * n + 0.003, 3) for n in range(1, 11)]
    assert {skipped for _, skipped in member.ticks} == {0}
    media.remove(member)


def test_all_sessions_of_a_loop_share_one_timer(loop, media):
    members = [Member(loop) for _ in range(100)]
    for member in members:
        MediaClock.of(loop).add(member, 0.02)
    assert MediaClock.of(loop) is media
    assert len(loop.live()) == 1
    loop.run(101.0)
    assert all(len(member.ticks) == 50 for member in members)
    assert loop.made <= 4 * 50 + 10  # four phases
    for member in members:
        media.remove(member)
    assert not loop.live()


def test_after_a_stall_a_few_ticks_are_made_up_for_and_the_rest_left_out(loop, media):
    member = Member(loop)
    media.add(member, 0.02)
    loop.run(100.04)
    loop.now = 100.25  # nothing ran for 210 ms: ten ticks are due
    loop.run(100.26)
    stalled = member.ticks[2:]
    left_out = 10 - MAX_CATCH_UP
    assert stalled[:MAX_CATCH_UP] == [(0.25, left_out), *[(0.25, 0)] * (MAX_CATCH_UP - 1)]
    assert stalled[MAX_CATCH_UP:] == [(0.26, 0)]
    assert sum(1 + skipped for _, skipped in member.ticks) == 13
    assert member.played == member.ticks
    media.remove(member)


def test_periods_may_differ_and_change(loop, media):
    fast, slow = Member(loop), Member(loop)
    media.add(fast, 0.01)
    media.add(slow, 0.03)
    loop.run(100.065)
    assert (len(fast.ticks), len(slow.ticks)) == (6, 2)
    media.add(fast, 0.03)
    media.add(fast, 0.03)  # again: no change
    loop.run(100.095)
    assert (len(fast.ticks), len(slow.ticks)) == (7, 3)
    media.remove(fast)
    media.remove(slow)
    media.remove(slow)  # no member any more
    assert not loop.live()


def test_a_clock_that_nobody_holds_is_forgotten(loop):
    media = MediaClock.of(loop)
    again = weakref.ref(media)
    assert MediaClock.of(loop) is media
    member = Member(loop)
    media.add(member, 0.02)
    media.remove(member)
    del media
    loop.run(101.0)
    gc.collect()
    assert again() is None


def test_members_may_leave_in_a_tick(loop, media):
    second = Member(loop)
    first = Member(loop, lambda: (media.remove(first), media.remove(second)))
    media.add(first, 0.002)  # of one phase
    media.add(second, 0.002)
    loop.now = 100.05
    loop.run(100.2)
    assert len(first.ticks) == 1
    assert first.played == second.ticks == []
    assert not loop.live()


def test_a_member_that_raises_is_ticked_no_more(loop, media, caplog):
    def fail():
        raise RuntimeError("broken")

    bad, good = Member(loop, fail), Member(loop)
    media.add(bad, 0.02)
    media.add(good, 0.02)
    with caplog.at_level(logging.ERROR):
        loop.run(100.1)
    assert (len(bad.ticks), len(good.ticks)) == (1, 5)
    assert "is ticked no more" in caplog.text
    media.remove(good)


def test_a_phase_is_filled_before_the_next_is_begun_and_the_first_are_far_apart(loop, media):
    members = [Member(loop) for _ in range(8 * CROWD + 9)]
    for member in members:
        media.add(member, 0.02)
    loop.run(100.02)
    assert all(len(member.ticks) == 1 for member in members)
    at = [times(member)[0] for member in members]
    order = [0.02, 0.01, 0.005, 0.015, 0.003, 0.013, 0.008, 0.018]
    assert at[: 8 * CROWD : CROWD] == pytest.approx(order, abs=0.001)
    for n in range(8):
        assert len(set(at[n * CROWD : (n + 1) * CROWD])) == 1
    # All are full: the one with least has the next.
    assert [at.index(each) // CROWD for each in at[8 * CROWD :]] == [*range(8), 0]
    # One that left is made up for by the next that comes.
    media.remove(members[CROWD + 3])
    late = Member(loop)
    media.add(late, 0.02)
    loop.run(100.04)
    assert times(late) == pytest.approx([at[CROWD] + 0.02], abs=0.001)
    for member in (*members, late):
        media.remove(member)


def test_what_takes_longer_has_fewer_beside_it(loop, media):
    members = [Member(loop) for _ in range(12)]
    for member in members[:9]:
        member.weight = CROWD // 4
    for member in members:
        media.add(member, 0.02)
    loop.run(100.02)
    assert Counter(times(member)[0] for member in members[:9]) == {0.02: 4, 0.01: 4, 0.005: 1}
    assert {times(member)[0] for member in members[9:]} == {0.005}
    media.remove(members[0])
    late = Member(loop)
    media.add(late, 0.02)
    loop.run(100.04)
    assert times(late) == [0.04]
    for member in (*members, late):
        media.remove(member)


@pytest.mark.parametrize(
    ("period", "phases"),
    [(0.001, 1), (0.0025, 1), (0.005, 2), (0.01, 4), (0.02, 8), (0.03, 8), (0.06, 16)],
)
def test_phases_are_not_too_near(loop, media, period, phases):
    members = [Member(loop) for _ in range(2 * phases * CROWD)]
    for member in members:
        media.add(member, period)
    loop.run(100 + period)
    assert len({at for member in members for at in times(member)[:1]}) == phases
    for member in members:
        media.remove(member)


def test_one_phase_ticks_in_one_turn_of_the_loop(loop, media):
    members = [Member(loop) for _ in range(8 * CROWD)]
    for member in members:
        media.add(member, 0.02)
    loop.now = 100.0195
    made = loop.made
    loop.run(100.0195)
    assert loop.made == made + 7
    assert [len(member.ticks) for member in members[::CROWD]] == [0, *[1] * 7]
    for member in members:
        media.remove(member)


class Reader:
    def __init__(self, log):
        self.log = log
        self.often = []

    def read(self):
        self.log.append("read")

    def rely_on_clock(self, often):
        self.often.append(often)


def test_all_of_a_phase_send_before_what_came_is_read_and_they_play(loop, media):
    log = []
    reader = Reader(log)
    media.attach(reader)
    first, second = Member(loop, log=log), Member(loop, log=log)
    media.add(first, 0.002)
    media.add(second, 0.002)
    loop.run(100.002)
    assert log == [("send", first), ("send", second), "read", ("play", first), ("play", second)]
    media.attach(None)
    loop.run(100.004)
    assert log.count("read") == 1
    media.remove(first)
    media.remove(second)


def test_a_reader_may_rely_on_the_clock_while_it_ticks_often(loop, media):
    members = [Member(loop) for _ in range(CROWD + 1)]
    reader = Reader([])
    media.attach(reader)
    media.add(members[0], 0.02)
    assert reader.often == []
    for member in members[1:]:
        media.add(member, 0.02)  # the last in the other half of the period
    assert reader.often == [True]
    media.remove(members[0])  # the phase has others
    assert reader.often == [True]
    media.remove(members[-1])
    assert reader.often == [True, False]
    again = Reader([])
    media.add(members[0], 0.01)
    media.attach(again)
    assert again.often == [True]
    media.attach(None)
    for member in members:
        media.remove(member)
    assert again.often == [True]


async def test_it_runs_on_a_real_loop():
    loop = asyncio.get_running_loop()
    media = MediaClock.of(loop)
    three = asyncio.Event()
    member = Member(loop, lambda: three.set() if len(member.ticks) == 3 else None)
    media.add(member, 0.001)
    await asyncio.wait_for(three.wait(), 5)
    media.remove(member)
