import asyncio

import pytest

from sipparty.media import RTPSession


class ManualClock:
    """A clock that a test drives by hand."""

    def __init__(self):
        self.now = 1000.0
        self.members = {}

    def time(self):
        return self.now

    def add(self, member, period):
        self.members[member] = period

    def remove(self, member):
        self.members.pop(member, None)

    def tick(self, skipped=0):
        """Let one period of 20 ms pass."""
        self.now += 0.02 * (1 + skipped)
        for member in list(self.members):
            member.send_due(self.now, skipped)
            member.play_due(self.now, skipped)


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def tokens():
    """Numbers that are told apart and always the same."""
    state = [0x9E3779B97F4A7C15]

    def draw(bits):
        state[0] = (state[0] * 6364136223846793005 + 1442695040888963407) % (1 << 128)
        return state[0] >> (128 - bits)

    return draw


class Pair:
    """Two sessions in a call, on the loopback, and a clock driven by hand."""

    def __init__(self, clock, a=None, b=None, address="127.0.0.1"):
        self.clock = clock
        self.a = RTPSession(clock=clock, **(a or {}))
        self.b = RTPSession(clock=clock, **(b or {}))
        self.told = {}
        for session in self.both:
            events = self.told[session] = []
            session.emit = events.append
            session.open(asyncio.get_running_loop(), address)

    @property
    def both(self):
        return self.a, self.b

    def agree(self):
        self.a.accept(self.b.answer(self.a.offer()))
        for session in self.both:
            session.start()
        return self

    async def run(self, ticks):
        for _ in range(ticks):
            self.clock.tick()
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    def stop(self):
        for session in self.both:
            session.stop()

    def kinds(self, session):
        return [type(event) for event in self.told[session]]


@pytest.fixture
async def make(clock):
    pairs = []

    def one(**options):
        pairs.append(Pair(clock, **options))
        return pairs[-1]

    yield one
    for pair in pairs:
        pair.stop()
    assert not clock.members
