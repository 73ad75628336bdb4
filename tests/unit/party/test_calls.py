"""Calls as blocks and loops."""

import asyncio
import threading

import pytest

from sipparty import AudioParty, Engine
from sipparty.concurrency.streams import Feed, Stream
from sipparty.errors import CallFailed, CallRejected, Timeout, UsageError, WouldDeadlock
from sipparty.fsm import FSM
from sipparty.parties import NoMediaSimpleCallsParty
from sipparty.party.calls import History
from sipparty.sip.events import CallEnded, CallEstablished, CallProgressed, CallReceived
from sipparty.trace import Ladder, Wire, WireRecord

PATIENCE = 10
LOOPBACK = "127.0.0.1"


@pytest.fixture
def bob(listening):
    return listening("bob@biloxi.com")


def over(call):
    return call.waitForStateCondition(lambda state: state in ("Terminated", "Error"), PATIENCE)


# ---------------------------------------------------------------- with party.call(...)


def test_a_block_is_a_call(alice, bob):
    with alice.call(bob) as call:
        assert call.state == "InDialog"
        (theirs,) = bob.calls
    assert call.state == "Terminated"
    assert over(theirs) == "Terminated"


def test_what_the_block_raises_comes_out_and_the_call_is_hung_up(alice, bob):
    with pytest.raises(ZeroDivisionError), alice.call(bob) as call:
        raise ZeroDivisionError
    assert call.state == "Terminated"


def test_a_block_may_end_its_call_itself_and_so_may_the_other_side(alice, bob):
    with alice.call(bob) as call:
        call.terminate()
    with alice.call(bob) as other:
        bob.calls[-1].terminate()
        over(other)
    assert (call.state, other.state) == ("Terminated", "Terminated")


def test_a_call_that_is_refused_says_so(alice, bob):
    bob.on(CallReceived, lambda event: event.call.reject(486))
    with pytest.raises(CallRejected, match="answered 486 Busy Here"), alice.call(bob):
        pytest.fail("it was refused")


def test_a_call_that_nobody_answers_is_cancelled(alice, bob):
    received = []
    bob.on(CallReceived, lambda event: received.append(event.call.ring()))
    with (
        pytest.raises(Timeout, match=r"not answered within 0\.3 seconds: it was ended"),
        alice.call(bob, timeout=0.3),
    ):
        pytest.fail("nobody answers")
    assert over(received[0]) == "Terminated"
    assert alice.calls == []


def test_a_call_that_fails_meanwhile_is_an_error_where_the_block_has_none(alice, bob):
    def talk(then):
        with alice.call(bob) as call:
            alice.engine.run(call.give_up, CallFailed("The line was cut."))
            return then()

    with pytest.raises(CallFailed, match="The line was cut"):
        talk(int)
    with pytest.raises(ZeroDivisionError):
        talk(lambda: 1 / 0)


def test_options_of_invite(alice, bob):
    requests = []

    @bob.on(CallReceived)
    def take(event):
        requests.append(event.request)
        event.call.accept()

    with alice.call(bob, headers={"Subject": "tea"}, expires=30):
        pass
    assert (str(requests[0]["Subject"]), requests[0].expires) == ("tea", 30)


async def test_a_block_in_a_coroutine(parties):
    alice, bob = parties
    async with alice.call(bob) as call:
        assert call.state == "InDialog"
    assert call.state == "Terminated"
    with pytest.raises(ZeroDivisionError):
        async with alice.call(bob) as call:
            raise ZeroDivisionError
    assert call.state == "Terminated"


async def test_a_task_that_is_cancelled_hangs_up(parties):
    alice, bob = parties
    calls = []

    async def talk():
        async with alice.call(bob) as call:
            calls.append(call)
            up.set()
            await asyncio.Event().wait()

    up = asyncio.Event()
    task = asyncio.create_task(talk())
    await asyncio.wait_for(up.wait(), PATIENCE)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert calls[0].state == "Terminated"


async def test_failures_in_a_coroutine(parties):
    alice, bob = parties
    bob.on(CallReceived, lambda event: event.call.ring())
    with pytest.raises(Timeout, match="not answered within"):
        async with alice.call(bob, timeout=0.2):
            pytest.fail("nobody answers")
    with pytest.raises(WouldDeadlock), alice.call(bob):
        pytest.fail("it would wait for itself")
    assert alice.calls == []


# ---------------------------------------------------------------- for call in party.incoming()


@pytest.fixture
async def parties():
    async with (
        NoMediaSimpleCallsParty("alice@atlanta.com") as alice,
        NoMediaSimpleCallsParty("bob@biloxi.com") as bob,
    ):
        yield alice, bob.listen(None, address=LOOPBACK)


async def test_calls_come_to_a_loop(parties):
    alice, bob = parties
    calls = [alice.invite(bob, headers={"Subject": f"{n}"}) for n in range(3)]
    taken = []
    async for call in (incoming := bob.incoming()):
        call.accept()
        taken.append(await call)
        if len(taken) == 3:
            break
    incoming.close()
    await asyncio.gather(*calls)
    assert {call.call_id for call in calls} == {call.call_id for call in taken}


def test_calls_come_to_a_loop_in_a_thread_until_the_party_is_closed(alice, make_party):
    bob, taken = make_party("bob@biloxi.com").listen(None, address=LOOPBACK), []
    incoming = bob.incoming()

    def serve():
        for call in incoming:
            taken.append(call.accept())

    thread = threading.Thread(target=serve)
    thread.start()
    for _ in range(2):
        alice.invite(bob).wait(PATIENCE)
    bob.close()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert len(taken) == 2


def test_what_nobody_takes_is_rejected_when_the_stream_is_closed(alice, bob):
    with bob.incoming() as incoming:
        call = alice.invite(bob)
        incoming.next(PATIENCE).ring()
        other = alice.invite(bob)
        while len(incoming._items) < 1:
            alice.options(bob).wait(PATIENCE)
    with pytest.raises(CallRejected, match="480"):
        other.wait(PATIENCE)
    assert call.state == "InitiatingDialog"


async def test_a_stream_that_is_let_go_leaves_calls_as_before(parties):
    _, bob = parties
    bob.incoming()
    assert not bob._handlers.get(CallReceived)


# ---------------------------------------------------------------- events, and waiting for one


async def test_events_of_a_call_come_to_a_loop_that_ends_with_it(parties):
    alice, bob = parties
    kinds = []
    call = alice.invite(bob)
    other = alice.invite(bob)
    async for event in call.events():
        kinds.append(type(event))
        assert event.call is call
        if isinstance(event, CallEstablished):
            call.terminate()
    await other
    assert kinds == [CallProgressed, CallEstablished, CallEnded]
    assert [event async for event in call.events()] == []


def test_events_in_a_thread_of_one_kind(alice, bob):
    bob.on(CallReceived, lambda event: event.call.ring().ring(183).accept())
    call = alice.invite(bob, proxy=str(bob.contact_uri))
    events = call.events(CallProgressed)
    call.wait(PATIENCE).terminate()
    statuses = [event.response.status for event in events]
    assert statuses == [180, 183][2 - len(statuses) :]


def test_waiting_for_a_state_or_an_event(alice, bob):
    received = Stream()
    bob.on(CallReceived, Feed(received, lambda event: event.call))
    call = alice.invite(bob)
    theirs = received.next(PATIENCE)
    waiting = call.events(CallProgressed)
    theirs.ring()
    assert waiting.next(PATIENCE).response.status == 180
    accepting = threading.Timer(0, theirs.accept)
    accepting.start()
    assert call.wait_for("InDialog", PATIENCE) == "InDialog"
    ending = threading.Timer(0, theirs.terminate)
    ended = theirs.events(CallEnded)
    ending.start()
    assert call.wait_for("Terminated", PATIENCE) == "Terminated"
    assert ended.next(PATIENCE).call is theirs


def test_what_will_not_come_is_an_error(alice, bob):
    bob.on(CallReceived, lambda event: event.call.reject(486))
    call = alice.invite(bob)
    for what in ("InDialog", CallEstablished):
        with pytest.raises(CallRejected, match="486"):
            call.wait_for(what, PATIENCE)
    bob.auto_answer = True
    bob._handlers.clear()
    call = alice.invite(bob).wait(PATIENCE).terminate().wait(PATIENCE)
    with pytest.raises(CallFailed, match="The call is over, and CallProgressed will not come"):
        call.wait_for(CallProgressed)
    with pytest.raises(CallFailed, match="'InDialog' will not come"):
        call.wait_for("InDialog")
    with pytest.raises(UsageError, match="no state 'Finished': it is one of"):
        call.wait_for("Finished")


async def test_waiting_in_a_coroutine(parties):
    alice, bob = parties
    call = alice.invite(bob)
    assert (await call.until(CallEstablished, PATIENCE)).call is call
    with pytest.raises(Timeout):
        await call.until("Terminated", timeout=0)
    with pytest.raises(Timeout):
        await call.until(CallEnded, timeout=0)
    call.terminate()
    assert await call.until("Terminated", PATIENCE) == "Terminated"
    with pytest.raises(CallFailed, match="will not come"):
        await call.until("InDialog")


# ---------------------------------------------------------------- the messages of a call


def test_messages_are_kept_where_they_are_asked_for(make_party, bob):
    wire = bob.engine.wire
    before = wire.taps
    alice = make_party("alice@atlanta.com", history=True)
    call, other = (alice.invite(bob).wait(PATIENCE) for _ in range(2))
    call.terminate().wait(PATIENCE)
    lines = [record.data.split(b"\r\n")[0].split(b" sip:")[0] for record in call.messages]
    assert lines[0] == b"INVITE"
    assert lines.count(b"BYE") == lines.count(b"ACK") == 1
    assert all(other.call_id.encode() not in record.data for record in call.messages)
    assert "BYE" in str(Ladder(call.messages))
    alice.history = False
    assert wire.taps == before
    alice.history = True
    alice.close()
    assert wire.taps == before


def test_messages_that_nobody_asked_for(alice, bob):
    call = alice.invite(bob).wait(PATIENCE)
    with pytest.raises(UsageError, match="give the party history=True"):
        call.messages  # noqa: B018


def test_the_loop_over_calls_ends_with_the_engine():
    engine = Engine()
    line = NoMediaSimpleCallsParty("line@biloxi.com", engine=engine)
    stream = line.listen(None, address=LOOPBACK).incoming()
    engine.close()
    with pytest.raises(StopIteration):
        stream.next(PATIENCE)


def test_a_party_that_is_closed_has_no_calls_to_loop_over(bob):
    bob.close()
    with pytest.raises(StopIteration):
        bob.incoming().next(PATIENCE)


def test_what_a_verb_returns_is_one_short_line(alice, bob, make_party):
    call = make_party("carol@chicago.com", AudioParty).invite(
        make_party("dave@example.com", AudioParty).listen(None, address=LOOPBACK)
    )
    change = call.wait(PATIENCE).hold().wait(PATIENCE)
    assert str(change) == f"{change.name} of {call.name} (Done)"
    assert FSM.__str__(change).startswith(f"Modification instance '{change.name}'")
    kept = alice.keep_alive(f"{LOOPBACK}:{bob.contact_uri.port}")
    assert str(kept) == f"{kept.name} ({kept.state})"
    asked = alice.options(bob)
    asked.wait(PATIENCE)
    assert repr(asked) == "<ClientRequest OPTIONS sip:bob@biloxi.com: Answered 200>"


@pytest.mark.parametrize("kind", [3, print, int])
def test_what_is_no_class_of_events_is_refused(alice, bob, kind):
    call = alice.invite(bob).wait(PATIENCE)
    for loop in (call.events, call.wait_for):
        with pytest.raises(TypeError, match=r"takes (a|the) class of events"):
            loop(kind)
    assert not call._handlers


def test_the_messages_kept_are_bounded_in_bytes():
    wire = Wire()
    history = History(wire)
    history.MAX_BYTES = 450
    for number in range(20):
        data = b"OPTIONS sip:a@b.com SIP/2.0\r\nCall-ID: c%d\r\n\r\n" % number
        record = WireRecord(number, "received", "UDP", ("1.1.1.1", 1), ("2.2.2.2", 2), data)
        history(record)
    assert len(history) == 450 // len(data)
    assert [one.time for one in history.of("c19")] == [19]
    assert history.of("c1") == []
