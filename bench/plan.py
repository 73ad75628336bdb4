"""How much is measured: the two sizes of a run."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["FULL", "QUICK", "Plan"]


class Plan(NamedTuple):
    """The size of a run.

    Args:
        name: What the report calls it.
        warm: Calls made before anything is counted.
        rate: Calls/s at which the CPU of a call is measured.
        window: Seconds of that.
        high_rate: Calls/s of the row that must show no retransmission.
        steps: How many rates are tried to find the highest.
        step: Seconds at each.
        stream_steps: As `steps`, over TCP and TLS.
        stream_window: As `window`, over TCP and TLS.
        each_rate: Calls/s where each call has a connection of its own.
        each_window: Seconds of that.
        inflight: Calls in flight of a caller that calls as fast as it can.
        message_rounds: How often the libraries take turns.
        message_seconds: Seconds of a turn.
        held: Established calls held.
        traced: The same where allocations are counted, which is slow.
        settle: Seconds that pass before memory is read: with 32 s and more, every transaction has
            ended (RFC 3261 §17: 64 x T1).
        flat: Calls before the first and the second reading of the flatness test; (0, 0): left out.
            The second is twice the first, so that as many transactions are alive at a time before
            the one as before the other: a process keeps what it took at its peak.
        flat_settle: Seconds before the second reading. Longer, as one peer clears its cache of
            messages every 32 s and keeps two of them.
        imports: Fresh processes for each import.
        rounds: How often the libraries take turns where the CPU of a call is measured; the median
            counts.
        held_rounds: Turns of the cases in which many calls are held.
        held_calls: Calls of each turn.
        media_rounds: How often the libraries take turns where the CPU of an endpoint is measured;
            the median counts.
        media_seconds: Seconds of a turn.
        media_endpoints: Endpoints of those turns, and of the greater ones that sipparty alone has.
        opus_endpoints: Endpoints that have Opus.
    """

    name: str
    warm: int
    rate: int
    window: float
    high_rate: int
    steps: int
    step: float
    stream_steps: int
    stream_window: float
    each_rate: int
    each_window: float
    inflight: int
    message_rounds: int
    message_seconds: float
    held: int
    traced: int
    settle: float
    flat: tuple[int, int]
    flat_settle: float
    imports: int
    rounds: int
    held_rounds: int
    held_calls: int
    media_rounds: int
    media_seconds: float
    media_endpoints: tuple[int, ...]
    opus_endpoints: int


FULL = Plan(
    name="full",
    warm=400,
    rate=400,
    window=4.0,
    high_rate=800,
    steps=5,
    step=1.5,
    stream_steps=3,
    stream_window=3.0,
    each_rate=200,
    each_window=2.0,
    inflight=64,
    message_rounds=5,
    message_seconds=0.5,
    held=2000,
    traced=500,
    settle=35.0,
    flat=(10_000, 20_000),
    flat_settle=66.0,
    imports=11,
    rounds=5,
    held_rounds=7,
    held_calls=3000,
    media_rounds=5,
    media_seconds=8.0,
    media_endpoints=(100, 200, 400),
    opus_endpoints=40,
)

QUICK = FULL._replace(
    name="quick",
    warm=100,
    window=2.0,
    steps=3,
    stream_steps=2,
    stream_window=2.0,
    each_window=1.0,
    message_rounds=2,
    message_seconds=0.3,
    held=200,
    traced=100,
    settle=1.0,
    flat=(0, 0),
    flat_settle=0.0,
    imports=5,
    rounds=1,
    held_rounds=3,
    held_calls=1000,
    media_rounds=2,
    media_seconds=4.0,
)
