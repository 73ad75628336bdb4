"""Transfers of calls whose two legs are at a B2BUA (RFC 5589), and loops, over loopback."""

from __future__ import annotations

import pytest

from sipparty import AudioParty, CallRejected
from sipparty.b2bua import B2BUA, AudioB2BUA
from sipparty.errors import CallFailed
from sipparty.sip.events import CallEnded, CallEstablished, CallProgressed, CallReceived

PATIENCE = 10


@pytest.fixture
def alice(listening):
    return listening("alice@atlanta.com", AudioParty)


@pytest.fixture
def bob(listening):
    return listening("bob@biloxi.com", AudioParty)


@pytest.fixture
def carol(listening):
    return listening("carol@chicago.com", AudioParty)


@pytest.fixture(params=[B2BUA, AudioB2BUA])
def pbx(request, listening, bob, carol):
    """A B2BUA that has calls and transfers go to whoever is named."""
    by_name = {"bob": bob, "carol": carol}

    class Office(request.param):
        def route(self, call, request):
            return by_name.get(request.uri.username)

        def transfer_target(self, leg, event):
            return by_name.get(event.target.partition("@")[0].removeprefix("sip:"))

    return listening("pbx@example.com", Office)


def number(pbx, name):
    """The URI of an extension."""
    uri = pbx.contact_uri
    uri.username = name
    return uri


@pytest.fixture
def dial(alice, pbx, events):
    """Has alice call somebody through the pbx; gives both ends of the call."""

    def call(name, party):
        up = events(party, CallEstablished)
        return alice.invite(number(pbx, name)).wait(PATIENCE), up.next().call

    return call


def over(*calls):
    for call in calls:
        call.waitForStateCondition(call.final.__contains__, PATIENCE)


def talk(pbx, *calls):
    """Whether two parties have media between them, past the pbx or through it."""
    one, other = calls
    if pbx.relays:
        return (
            one.session.negotiated.remote_port == other.session.local_port
            and other.session.negotiated.remote_port == one.session.local_port
        )
    (bridge,) = pbx.bridges
    ports = {leg.session.negotiated.remote_port for leg in (bridge.incoming, bridge.outgoing)}
    return ports == {one.session.local_port, other.session.local_port} and bridge._audio is not None


def until(condition, *parties):
    """Wait for a condition, which is looked at after each turn of the engine."""
    import time

    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        parties[0].engine.run(lambda: None)


class TestBlind:
    def test_the_target_is_joined_with_who_stays(self, dial, bob, carol, pbx, events):
        call, theirs = dial("bob", bob)
        up = events(carol, CallEstablished)
        call.hold().wait(PATIENCE)
        call.transfer("sip:carol@example.com").wait(PATIENCE)
        new = up.next().call
        over(call)
        until(lambda: len(pbx.bridges) == 1 and talk(pbx, theirs, new), pbx)
        assert theirs.state == new.state == "InDialog"
        theirs.terminate()
        over(new, theirs)
        assert not pbx.bridges

    def test_the_caller_stays(self, dial, bob, carol, pbx, events):
        call, theirs = dial("bob", bob)
        up = events(carol, CallEstablished)
        theirs.transfer("sip:carol@example.com").wait(PATIENCE)
        new = up.next().call
        over(theirs)
        until(lambda: len(pbx.bridges) == 1 and talk(pbx, call, new), pbx)
        new.terminate()
        over(new, call)

    @pytest.mark.parametrize("who", ["caller", "callee"])
    def test_a_hold_after_it_is_passed_on(self, dial, bob, carol, pbx, events, who):
        call, theirs = dial("bob", bob)
        asks, stays = (call, theirs) if who == "caller" else (theirs, call)
        up = events(carol, CallEstablished)
        asks.transfer("sip:carol@example.com").wait(PATIENCE)
        new = up.next().call
        over(asks)
        until(lambda: len(pbx.bridges) == 1 and talk(pbx, stays, new), pbx)
        until(lambda: not any(leg._modifications for leg in pbx.calls), pbx)
        for one, other in ((new, stays), (stays, new)):
            one.hold().wait(PATIENCE)
            until(lambda other=other: other.held_by_peer, pbx)
            one.resume().wait(PATIENCE)
            until(lambda other=other: not other.held_by_peer, pbx)
        new.terminate()
        over(new, stays)
        until(lambda: not pbx.calls and not pbx.placed, pbx)

    def test_a_transfer_that_fails_leaves_the_call(self, dial, bob, carol, pbx):
        call, theirs = dial("bob", bob)
        carol.on(CallReceived, lambda event: event.call.reject(486))
        with pytest.raises(CallFailed, match="486"):
            call.transfer("sip:carol@example.com").wait(PATIENCE)
        assert call.state == theirs.state == "InDialog"
        until(lambda: talk(pbx, call, theirs), pbx)
        call.terminate()
        over(call, theirs)

    def test_who_is_not_known_is_not_called(self, dial, bob, pbx):
        call, theirs = dial("bob", bob)
        with pytest.raises(CallFailed, match="603"):
            call.transfer("sip:mallory@example.com").wait(PATIENCE)
        assert call.state == theirs.state == "InDialog"

    def test_one_transfer_at_a_time(self, dial, bob, carol, pbx, events):
        call, theirs = dial("bob", bob)
        ringing = events(carol, CallReceived)
        first = call.transfer("sip:carol@example.com")
        new = ringing.next().call
        with pytest.raises(CallFailed, match="603"):
            call.transfer("sip:carol@example.com").wait(PATIENCE)
        new.accept()
        first.wait(PATIENCE)
        over(call)
        theirs.terminate()
        over(new, theirs)

    def test_who_stays_hangs_up_meanwhile(self, dial, bob, carol, pbx, events):
        call, theirs = dial("bob", bob)
        ringing = events(carol, CallReceived)
        ended = events(carol, CallEnded)
        transfer = call.transfer("sip:carol@example.com")
        ringing.next().call.ring()
        theirs.terminate()
        over(call, theirs)
        assert ended.next().call.state == "Terminated"
        with pytest.raises(CallFailed):
            transfer.wait(PATIENCE)
        until(lambda: not pbx.calls, pbx)

    @pytest.mark.parametrize("answer", [True, False])
    def test_who_transfers_hangs_up_meanwhile(self, dial, bob, carol, pbx, events, answer):
        call, theirs = dial("bob", bob)
        ringing = events(carol, CallReceived)
        call.transfer("sip:carol@example.com")
        new = ringing.next().call
        call.terminate()
        over(call)
        if answer:
            new.accept()
            until(lambda: len(pbx.bridges) == 1 and new.state == "InDialog", pbx)
            assert theirs.state == "InDialog"
            theirs.terminate()
        else:
            new.reject(486)
        over(new, theirs)
        until(lambda: not pbx.calls, pbx)


def test_nobody_is_called_by_default(alice, bob, listening):
    class Office(B2BUA):
        def route(self, call, request):
            return bob

    pbx = listening("pbx@example.com", Office)
    call = alice.invite(pbx).wait(PATIENCE)
    with pytest.raises(CallFailed, match="603"):
        call.transfer("sip:carol@example.com").wait(PATIENCE)
    assert call.state == "InDialog"


class TestAttended:
    def test_two_calls_through_it_become_one(self, dial, bob, carol, pbx):
        pbx.transfer_target = None  # nobody is asked
        first, bobs = dial("bob", bob)
        first.hold().wait(PATIENCE)
        second, carols = dial("carol", carol)
        first.transfer(second).wait(PATIENCE)
        over(first, second, carols)
        (new,) = carol.calls
        until(lambda: len(pbx.bridges) == 1 and talk(pbx, bobs, new), pbx)
        bobs.terminate()
        over(new, bobs)
        until(lambda: not pbx.calls, pbx)


class TestLoops:
    def test_a_call_that_comes_back_is_refused(self, alice, listening):
        class Office(B2BUA):
            def route(self, call, request):
                return self

        pbx = listening("pbx@example.com", Office)
        with pytest.raises(CallRejected) as refused:
            alice.invite(pbx).wait(PATIENCE)
        assert refused.value.status == 482
        until(lambda: not pbx.calls and not pbx.placed, pbx)


def test_what_a_call_placed_is_known_while_it_lasts(dial, bob, pbx):
    call, _ = dial("bob", bob)
    assert len(pbx.placed) == 1
    call.terminate()
    over(call)
    until(lambda: not pbx.placed, pbx)


def test_headers_of_an_answer_and_of_a_bye(alice, bob, pbx, events):
    bob.on(CallReceived, lambda event: event.call.accept({"Organization": "Acme"}.items()))
    happened = events(alice, CallEstablished, CallProgressed, CallEnded)
    call = alice.invite(number(pbx, "bob")).wait(PATIENCE)
    assert happened.next(CallEstablished).response["Organization"] == "Acme"
    (theirs,) = bob.calls
    theirs.terminate(headers={"Reason": 'Q.850;cause=16;text="done"'}.items())
    over(call)
    assert happened.next(CallEnded).request.lines("Reason") == ['Q.850;cause=16;text="done"']
