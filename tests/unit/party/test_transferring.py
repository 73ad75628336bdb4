"""Transfers between parties, over loopback."""

import asyncio
import queue
import threading

import pytest

from sipparty import (
    AudioParty,
    CallFailed,
    CallHeld,
    CallReceived,
    CallReplaced,
    CallResumed,
    TransferEnded,
    TransferProgressed,
    TransferRequested,
    UsageError,
)

PATIENCE = 10


@pytest.fixture
def bob(listening):
    party = listening("bob@biloxi.com")
    party.on(TransferRequested, lambda event: event.accept())
    return party


@pytest.fixture
def carol(listening):
    return listening("carol@chicago.com")


def up(caller, callee):
    return caller.invite(callee).wait(PATIENCE)


def over(*calls):
    for call in calls:
        call.wait_for("Terminated", PATIENCE)


def talks_to(party, name):
    (call,) = party.calls
    return str(call.remote.uri.aor.username) == name


def test_blind(alice, bob, carol):
    call = up(alice, bob)
    former = bob.calls
    transfer = call.transfer(carol)
    with transfer.events() as events:
        assert transfer.wait(PATIENCE) is transfer
        last = list(events)[-1]
    assert isinstance(last, TransferEnded)
    assert last.error is None
    over(call, *former)
    assert talks_to(bob, "carol")
    assert talks_to(carol, "bob")


def test_attended(alice, bob, carol):
    replaced = queue.Queue()
    carol.on(CallReplaced, replaced.put)
    call, consultation = up(alice, bob), up(alice, carol)
    former = bob.calls + carol.calls
    call.transfer(consultation).wait(PATIENCE)
    event = replaced.get(timeout=PATIENCE)
    over(call, consultation, *former)
    assert talks_to(bob, "carol")
    assert talks_to(carol, "bob")
    assert event.by in carol.calls
    assert replaced.empty()


def test_the_target_is_busy(alice, bob, carol):
    carol.on(CallReceived, lambda event: event.call.reject(486))
    progress = []
    alice.on(TransferProgressed, lambda event: progress.append(event.status))
    call = up(alice, bob)
    with pytest.raises(CallFailed, match="answered 486") as raised:
        call.transfer(carol).wait(PATIENCE)
    assert raised.value.status == 486
    assert call.state == "InDialog"
    assert set(progress) <= {100}


def test_nobody_decides(alice, listening, carol):
    bob = listening("dave@biloxi.com")
    call = up(alice, bob)
    with pytest.raises(CallFailed, match="603"):
        call.transfer(carol).wait(PATIENCE)
    assert call.state == "InDialog"
    assert not carol.calls


def test_a_handler_of_the_call_alone_decides(alice, listening, carol):
    bob = listening("dave@biloxi.com")
    call = up(alice, bob)
    bob.calls[0].on(TransferRequested, lambda event: event.reject(480))
    with pytest.raises(CallFailed) as raised:
        call.transfer(carol).wait(PATIENCE)
    assert raised.value.status == 480


def test_the_new_call_takes_options(alice, listening, carol):
    bob = listening("dave@biloxi.com")
    seen = []
    carol.on(CallReceived, lambda event: (seen.append(event.request), event.call.accept()))
    bob.on(TransferRequested, lambda event: event.accept(headers={"Subject": "hi"}))
    up(alice, bob).transfer(carol).wait(PATIENCE)
    assert seen[0]["Subject"] == "hi"
    assert str(seen[0]["Referred-By"]) == "<sip:alice@atlanta.com>"


def test_outside_of_a_call(alice, bob, carol):
    transfer = alice.refer(bob, carol)
    transfer.wait(PATIENCE)
    assert transfer.status == 200
    assert talks_to(carol, "bob")
    assert alice.calls == []


def test_a_coroutine(alice, bob, carol):
    async def transfer():
        call = await alice.invite(bob)
        handle = await call.transfer(carol)
        return handle.status

    assert asyncio.run(transfer()) == 200


def test_what_is_no_target(alice, bob, listening):
    call = up(alice, bob)
    other = listening("dave@biloxi.com")
    other.stop_listen()
    with pytest.raises(UsageError, match="does not listen"):
        call.transfer(other)
    with pytest.raises(ValueError, match="URI"):
        call.transfer("")
    assert call.state == "InDialog"


def test_closing_a_party_ends_its_transfers(alice, bob, carol):
    carol.on(CallReceived, lambda event: event.call.ring())
    transfer = up(alice, bob).transfer(carol)
    transfer.wait_for(TransferProgressed, PATIENCE)
    alice.close()
    with pytest.raises(CallFailed):
        transfer.wait(PATIENCE)


def test_media_is_held_and_given_back(make_party, listening):
    alice = make_party("alice@atlanta.com", AudioParty)
    bob = listening("bob@biloxi.com", kind=AudioParty)
    call = up(alice, bob)
    seen, resumed = [], threading.Event()
    call.on(CallHeld, seen.append)
    call.on(CallResumed, lambda event: resumed.set())
    with pytest.raises(CallFailed, match="603"):
        call.transfer("sip:carol@127.0.0.1:9", hold=True).wait(PATIENCE)
    assert resumed.wait(PATIENCE)
    assert [event.by for event in seen] == ["local"]
    assert not call.held
