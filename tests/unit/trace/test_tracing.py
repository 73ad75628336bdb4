import asyncio
import logging

import pytest

from sipparty.errors import UsageError
from sipparty.fsm import FSM
from sipparty.parties import NoMediaSimpleCallsParty, SingleRTPSessionSimplenParty
from sipparty.testing.simulation import VirtualNetwork
from sipparty.trace import (
    KeyRecord,
    MediaRecord,
    NoteRecord,
    QualityRecord,
    StateRecord,
    Trace,
    WireRecord,
    summarise,
)

ALICE, BOB = "10.0.0.1", "10.0.0.2"


class Pair:
    """Alice and Bob, who listens, in virtual time."""

    def __init__(self, kind=NoMediaSimpleCallsParty, **network):
        self.network = VirtualNetwork(1, **network)
        self.alice = kind("alice@atlanta.com", engine=self.network.engine(ALICE))
        self.bob = kind("bob@biloxi.com", engine=self.network.engine(BOB))
        self.bob.listen(address=BOB)

    def run(self, main):
        return self.network.run(main(self.alice, self.bob))


@pytest.fixture
def pair():
    made = []

    def make(*args, **options):
        made.append(Pair(*args, **options))
        return made[-1]

    yield make
    for one in made:
        one.network.close()


async def call_bob(alice, seconds=0.0):
    async with alice.call(f"sip:bob@{BOB}") as call:
        await asyncio.sleep(seconds)
    return call


def shown(records):
    """Records in short."""
    found = []
    for one in records:
        if isinstance(one, WireRecord):
            what = summarise(one.data)
            found.append(f"{one.direction} {what.status or what.method}")
        elif isinstance(one, StateRecord):
            found.append(f"{one.kind} {one.new}")
        else:
            found.append(type(one).__name__)
    return found


def test_a_call_is_traced_in_order_with_its_states_on_one_clock(pair):
    two = pair(delay=(0.01, 0.01))

    async def main(alice, _):
        with Trace(alice) as trace:
            call = await call_bob(alice, 1.0)
        return trace, call

    trace, call = two.run(main)
    assert shown(trace)[:4] == [
        "SimpleCall InitiatingDialog",
        "OfferAnswer Closed",
        "InviteClientTransaction Calling",
        "sent INVITE",
    ] or shown(trace)[:3] == [
        "SimpleCall InitiatingDialog",
        "InviteClientTransaction Calling",
        "sent INVITE",
    ]
    assert [
        one for one in shown(trace) if "Call " in one or "sent" in one or "received" in one
    ] == [
        "SimpleCall InitiatingDialog",
        "sent INVITE",
        "received 180",
        "SimpleCall InitiatingDialog",
        "received 200",
        "SimpleCall InDialog",
        "sent ACK",
        "SimpleCall TerminatingDialog",
        "sent BYE",
        "received 200",
        "SimpleCall Terminated",
    ]
    times = [one.time for one in trace]
    assert times == sorted(times)
    assert times[0] == pytest.approx(two.network.loop.wall_clock() - two.network.now, abs=1e-3)
    assert trace.calls == [call.call_id]
    assert {one.call_id for one in trace} == {call.call_id}


def test_a_state_says_its_timers_and_where_it_belongs(pair):
    async def main(alice, _):
        with Trace(alice) as trace:
            call = await call_bob(alice)
            await asyncio.sleep(40)
        return trace, call

    trace, call = pair().run(main)
    first = next(one for one in trace if isinstance(one, StateRecord))
    assert first == StateRecord(
        *(first.time, call.name, "SimpleCall", call.call_id),
        *("Initial", "invite", "InitiatingDialog", False, (("timer_expires", 180.0),)),
        first.local,
    )
    assert first.local[0] == ALICE
    last = [one for one in trace if isinstance(one, StateRecord)][-1]
    assert (last.kind, last.input, last.timer) == ("InviteClientTransaction", "timer_M", True)


def test_both_ends_are_in_one_trace_and_one_drawing(pair):
    async def main(alice, bob):
        with Trace(alice, bob, alice.engine) as trace:
            call = await call_bob(alice)
        return trace, call

    trace, call = pair().run(main)
    assert shown(trace).count("sent INVITE") == shown(trace).count("received INVITE") == 1
    assert sorted(trace.names.values()) == ["alice", "bob"]
    drawn = trace.ladder(call).text(width=None)
    assert drawn.splitlines()[0].split() == ["alice", "bob"]
    assert drawn.count("INVITE (CSeq") == 1
    assert "<svg" in trace._repr_html_()


def test_what_happens_before_and_after_is_not_in_it(pair):
    async def main(alice, bob):
        trace = Trace(alice, bob)
        await call_bob(alice)
        with trace:
            pass
        await call_bob(alice)
        return trace

    two = pair()
    trace = two.run(main)
    assert list(trace) == []
    assert two.alice.engine.core.watch is None
    assert all(kind._moves is kind.plan.moves for kind in FSM.__subclasses__() if kind.plan)


def test_parts_of_it_can_be_left_out(pair):
    async def main(alice, bob):
        with Trace(alice, states=False, media=False) as trace:
            await call_bob(alice)
        return trace

    assert {type(one) for one in pair().run(main)} == {WireRecord}


def test_several_traces_of_one_engine_do_not_meet(pair):
    async def main(alice, bob):
        with Trace(alice) as first:
            with alice.trace() as second:
                await call_bob(alice)
            await call_bob(alice)
        return first, second

    two = pair(SingleRTPSessionSimplenParty)
    first, second = two.run(main)
    assert len(first.calls) == 2
    assert len(second.calls) == 1
    assert two.alice.engine.core.watch is None


def test_a_key_that_the_end_of_the_call_forestalls_is_not_traced(pair):
    async def main(alice, bob):
        with Trace(alice, bob, states=False) as trace:
            async with alice.call(f"sip:bob@{BOB}") as call:
                await asyncio.sleep(1.0)
                call.send_dtmf("12", duration=0.2)
                await asyncio.sleep(0.1)
            await asyncio.sleep(2.0)
        return trace

    trace = pair(SingleRTPSessionSimplenParty).run(main)
    keys = [one for one in trace if isinstance(one, KeyRecord) and one.direction == "sent"]
    assert [one.key for one in keys] == ["1"]


def test_media_keys_and_quality_are_traced(pair):
    async def main(alice, bob):
        with Trace(alice, bob, states=False, interval=2.0) as trace:
            async with alice.call(f"sip:bob@{BOB}") as call:
                await asyncio.sleep(2.5)
                await call.send_dtmf("1#", duration=0.2)
                await asyncio.sleep(0.6)
        return trace, call

    trace, call = pair(SingleRTPSessionSimplenParty, delay=(0.05, 0.05)).run(main)
    began = next(one.time for one in trace)
    keys = [one for one in trace if isinstance(one, KeyRecord)]
    assert [(one.key, one.direction, one.local[0]) for one in keys] == [
        *(("1", "sent", ALICE), ("1", "received", BOB)),
        *(("#", "sent", ALICE), ("#", "received", BOB)),
    ]
    assert keys[1].duration == pytest.approx(0.2, abs=0.03)
    assert keys[1].time - began == pytest.approx(2.55, abs=0.1)
    qualities = [one for one in trace if isinstance(one, QualityRecord)]
    assert [round(one.time - began, 1) for one in qualities] == [2.1, 2.2, 3.8, 3.8]
    assert all(one.mos > 4 and one.loss == 0 for one in qualities)
    media = [one for one in trace if isinstance(one, MediaRecord)]
    assert [one.local[0] for one in media] == [ALICE, BOB]
    assert {one.codec for one in media} == {"PCMU"}
    assert media[0].sent == media[1].received == pytest.approx(180, abs=3)
    assert media[0].duration == pytest.approx(3.7, abs=0.1)
    kinds = shown(trace)
    bye = next(at for at, what in enumerate(kinds) if what == "received BYE")
    assert kinds.index("MediaRecord") < kinds.index("sent BYE")
    assert kinds[bye - 1] == "MediaRecord"
    assert {one.call_id for one in trace} == {call.call_id}


def test_rtp_is_kept_where_it_is_asked_for_in_clear(pair):
    async def main(alice, bob):
        alice.media = {"srtp": "required"}
        with Trace(alice, rtp=True) as trace:
            await call_bob(alice, 1.0)
        return trace

    two = pair(SingleRTPSessionSimplenParty)
    pytest.importorskip("cryptography")
    trace = two.run(main)
    assert {one.transport for one in trace.packets} == {"RTP", "RTCP"}
    rtp = [one for one in trace.packets if one.transport == "RTP"]
    assert {one.direction for one in rtp} == {"sent", "received"}
    assert {len(one.data) for one in rtp} == {172}
    assert {one.local[0] for one in rtp} == {ALICE}
    assert not any(isinstance(one, WireRecord) and one.transport == "RTP" for one in trace)


def test_a_remark_has_its_place(pair):
    async def main(alice, _):
        with Trace(alice) as trace:
            async with alice.call(f"sip:bob@{BOB}") as call:
                trace.note("the door opens", call)
                trace.note("nothing else")
        return trace, call

    trace, call = pair().run(main)
    first, second = [one for one in trace if isinstance(one, NoteRecord)]
    assert (first.call_id, first.text) == (call.call_id, "the door opens")
    assert second.call_id == ""
    assert first in trace.for_call(call)
    assert second not in trace.for_call(call.call_id)
    names = shown(trace)
    assert names.index("sent ACK") < names.index("NoteRecord") < names.index("sent BYE")


def test_the_oldest_are_forgotten_and_bytes_are_counted(pair):
    async def main(alice, _):
        with Trace(alice, limit=5) as few, Trace(alice) as small:
            small.MAX_BYTES = 1000
            await call_bob(alice)
        return few, small

    few, small = pair().run(main)
    assert len(few) == 5
    assert sum(len(one.data) for one in small if isinstance(one, WireRecord)) <= 1000
    assert len(small) > 5
    small.clear()
    assert len(small) == 0
    assert small._bytes == 0
    assert small


def test_a_tap_is_given_each_record_and_one_that_raises_goes(pair, caplog):
    async def main(alice, _):
        seen = []
        with Trace(alice) as trace:
            trace.add(seen.append)

            @trace.add
            def broken(record):
                raise RuntimeError("no")

            await call_bob(alice)
            trace.remove(seen.append)
            trace.note("unseen")
        return trace, seen

    with caplog.at_level(logging.ERROR):
        trace, seen = pair().run(main)
    assert shown(seen) == shown(trace)[:-1]
    assert caplog.text.count("taken off the trace") == 1


@pytest.mark.parametrize("wrong", [(), ("alice",), (None,), ([],)])
def test_what_cannot_be_traced_is_refused(wrong):
    with pytest.raises(UsageError, match="Trace takes"):
        Trace(*wrong)


def test_what_is_no_call_is_refused(pair):
    trace = Trace(pair().alice)
    with pytest.raises(UsageError, match="7 is no call"):
        trace.for_call(7)


def test_an_engine_that_is_closed_meanwhile_ends_its_part(pair):
    async def main(alice, bob):
        with Trace(alice, bob) as trace:
            await call_bob(alice)
            await alice.engine.aclose()
            count = len(trace)
        return trace, count

    two = pair(SingleRTPSessionSimplenParty)
    trace, count = two.run(main)
    assert len(trace) == count > 0
    assert two.alice.engine.core.watch is two.bob.engine.core.watch is None


def test_a_trace_of_an_engine_on_a_thread():
    with (
        NoMediaSimpleCallsParty("alice@atlanta.com") as alice,
        NoMediaSimpleCallsParty("bob@biloxi.com") as bob,
    ):
        bob.listen(port=None, address="127.0.0.1")
        with alice.trace() as trace, alice.call(bob) as call:
            pass
        assert [
            one.new for one in trace.for_call(call) if getattr(one, "machine", "") == call.name
        ][-1] == "Terminated"
