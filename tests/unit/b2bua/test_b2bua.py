"""Two calls joined, over loopback: what comes of one is done in the other."""

from __future__ import annotations

import logging
import threading
import time
from array import array

import pytest

from sipparty import AudioParty, CallRejected
from sipparty.b2bua import B2BUA, AudioB2BUA
from sipparty.b2bua.relay import Origin
from sipparty.errors import NegotiationError
from sipparty.media import ToneSource
from sipparty.sip.events import (
    CallEstablished,
    CallHeld,
    CallProgressed,
    CallReceived,
    CallResumed,
)
from sipparty.testing import tamper

PATIENCE = 10


def office(kind, target):
    """A kind of B2BUA that has every call go to one target."""

    class Office(kind):
        def route(self, call, request):
            return target

    return Office


@pytest.fixture
def bob(listening):
    return listening("bob@biloxi.com", AudioParty)


@pytest.fixture
def alice(listening):
    return listening("alice@atlanta.com", AudioParty)


@pytest.fixture
def pbx(listening, bob):
    return listening("pbx@example.com", office(B2BUA, bob))


@pytest.fixture
def joined(alice, bob, pbx, events):
    """A call through the pbx: alice's end, bob's end and the bridge."""
    up = events(bob, CallEstablished)
    call = alice.invite(pbx).wait(PATIENCE)
    theirs = up.next().call
    (bridge,) = pbx.bridges
    return call, theirs, bridge


class Heard:
    """A sink that says when something was heard."""

    def __init__(self):
        self.loud = threading.Event()

    def start(self, rate):
        pass

    def write(self, pcm):
        if max(array("h", pcm)) > 1000:
            self.loud.set()

    def close(self):
        pass


def until(condition, party):
    """Wait for a condition, which is looked at after each turn of the engine."""
    end = time.monotonic() + PATIENCE
    while not party.engine.run(condition):
        assert time.monotonic() < end


def ended(*calls):
    for call in calls:
        call.waitForStateCondition(call.final.__contains__, PATIENCE)


class TestCalls:
    def test_media_goes_past_it(self, joined):
        call, theirs, _ = joined
        assert call.session.negotiated.remote_port == theirs.session.local_port
        assert theirs.session.negotiated.remote_port == call.session.local_port

    @pytest.mark.parametrize("hook", [False, True])
    def test_a_leg_ends_with_the_other_whatever_the_headers_are(
        self, joined, pbx, hook, monkeypatch, caplog
    ):
        call, theirs, bridge = joined
        if hook:
            monkeypatch.setattr(type(pbx), "passed_headers", lambda *_: [("Via", "x")])

        def spoil(message):
            data = bytes(message)
            if data.startswith(b"BYE"):
                return data.replace(b"Max-Forwards", b"Reason: ;,\r\nWarning: x\r\nMax-Forwards")
            return None

        with tamper(call, spoil):
            call.terminate()
            ended(call, theirs, bridge.incoming, bridge.outgoing)
        said = [one.getMessage() for one in caplog.records if one.levelno >= logging.ERROR]
        assert said == ["The headers could not be passed on."] * hook

    def test_a_call_whose_headers_cannot_be_read_is_made_without_them(self, alice, bob, pbx):
        def spoil(message):
            data = bytes(message)
            return data.replace(b"Max-Forwards", b"Warning: x\r\nMax-Forwards", 1)

        with tamper(alice, spoil):
            call = alice.invite(pbx).wait(PATIENCE)
        call.terminate().wait(PATIENCE)

    @pytest.mark.parametrize("who", ["caller", "callee"])
    def test_a_leg_ends_with_the_other(self, joined, pbx, who):
        call, theirs, bridge = joined
        (call if who == "caller" else theirs).terminate(reason="lunch")
        ended(call, theirs, bridge.incoming, bridge.outgoing)
        assert bridge.over
        assert not pbx.bridges
        other = theirs if who == "caller" else call
        assert "lunch" in other.cause.text

    def test_each_side_is_given_a_session_of_the_pbx(self, joined):
        call, theirs, bridge = joined
        origins = {bridge.incoming.own(call_offer) for call_offer in [bridge.outgoing.described]}
        assert b"o=- " in origins.pop()
        assert call.call_id != theirs.call_id

    def test_progress_is_passed_on_with_its_headers(self, alice, bob, pbx, events):
        @bob.on(CallReceived)
        def ring(event):
            event.call.ring(183, "Wait", headers={"Alert-Info": "<urn:alert:tone:busy>"})

        happened = events(alice, CallProgressed)
        call = alice.invite(pbx)
        response = happened.next().response
        while response.status == 100:
            response = happened.next().response
        assert (response.status, response.reason) == (183, "Wait")
        assert str(response["Alert-Info"]) == "<urn:alert:tone:busy>"
        call.terminate()
        ended(call)

    def test_early_media_is_passed_on(self, alice, bob, pbx, events):
        received, happened = events(bob, CallReceived), events(alice, CallProgressed)
        call = alice.invite(pbx)
        theirs = received.next().call
        theirs.ring(183, media=True)
        while happened.next().response.status != 183:
            pass
        assert call.session.negotiated.remote_port == theirs.session.local_port
        theirs.accept()
        call.wait(PATIENCE)
        assert call.session.negotiated.remote_port == theirs.session.local_port

    def test_a_call_without_media(self, listening):
        bob = listening("bob@biloxi.com")
        pbx = listening("pbx@example.com", office(B2BUA, bob))
        call = listening("alice@atlanta.com").invite(pbx).wait(PATIENCE)
        call.terminate().wait(PATIENCE)

    @pytest.mark.parametrize(("status", "passed"), [(486, 486), (603, 603), (401, 500), (503, 500)])
    def test_a_failure_is_passed_on(self, alice, bob, pbx, status, passed):
        @bob.on(CallReceived)
        def refuse(event):
            event.call.reject(status, headers={"Warning": '399 bob "not today"'})

        with pytest.raises(CallRejected) as refused:
            alice.invite(pbx).wait(PATIENCE)
        assert refused.value.status == passed
        assert str(refused.value.response["Warning"]) == '399 bob "not today"'

    def test_a_call_that_is_given_up_is_cancelled(self, alice, bob, pbx, events):
        received = events(bob, CallReceived)
        call = alice.invite(pbx)
        theirs = received.next().call.ring()
        call.terminate()
        ended(call, theirs)
        assert theirs.ended_by == "remote"

    def test_a_call_without_an_offer(self, alice, bob, pbx, events):
        up = events(bob, CallEstablished)
        call = alice.invite(pbx, late_offer=True).wait(PATIENCE)
        theirs = up.next().call
        assert call.session.negotiated.remote_port == theirs.session.local_port
        assert theirs.session.negotiated.remote_port == call.session.local_port

    def test_headers_of_the_call_and_one_hop_less(self, alice, bob, pbx, events):
        bob.auto_answer = True
        received = events(bob, CallReceived)
        call = alice.invite(pbx, headers={"Subject": "lunch", "X-Own": "no"}).wait(PATIENCE)
        request = received.next().request
        assert request["Subject"] == "lunch"
        assert b"\r\nSubject: lunch\r\n" in bytes(request)
        assert "X-Own" not in request
        assert request["Max-Forwards"] == 69
        call.terminate().wait(PATIENCE)

    @pytest.mark.parametrize(
        ("trusted", "privacy", "passed"),
        [([], "none", False), (["127.0.0.0/8"], "none", True), (["127.0.0.0/8"], "id", False)],
    )
    def test_an_identity_that_a_trusted_peer_asserts(
        self, alice, bob, listening, events, trusted, privacy, passed
    ):
        pbx = listening("pbx@example.com", office(B2BUA, bob), trusted_peers=trusted)
        bob.auto_answer = True
        received = events(bob, CallReceived)
        said = {"P-Asserted-Identity": "<sip:boss@example.com>", "Privacy": privacy}
        alice.invite(pbx, headers=said).wait(PATIENCE)
        request = received.next().request
        assert bool(request.lines("P-Asserted-Identity")) is passed
        assert request.lines("Privacy") == [privacy]


class TestInside:
    def test_a_hold_is_passed_on(self, joined, bob):
        call, theirs, _ = joined
        call.hold().wait(PATIENCE)
        assert theirs.held_by_peer
        call.resume().wait(PATIENCE)
        assert not theirs.held_by_peer
        theirs.hold().wait(PATIENCE)
        assert call.held_by_peer

    @pytest.mark.parametrize("side", ["incoming", "outgoing"])
    def test_a_refresh_of_one_leg_leaves_the_other_alone(self, joined, side):
        """RFC 4028 §7.4: each leg has a session timer of its own."""
        call, theirs, bridge = joined
        leg = getattr(bridge, side)
        before = leg.other.dialog_state.local_seq
        leg.update_media().wait(PATIENCE)
        assert leg.other.dialog_state.local_seq == before
        for one, other in ((call, theirs), (theirs, call)):
            one.hold().wait(PATIENCE)
            assert other.held_by_peer
            one.resume().wait(PATIENCE)
            assert not other.held_by_peer

    def test_a_change_that_is_refused_is_refused(self, joined):
        call, theirs, _ = joined

        def refuse(offer):
            raise NegotiationError("No.", status=488)

        theirs.session.answer = refuse
        with pytest.raises(CallRejected) as refused:
            call.update_media(ptime=40).wait(PATIENCE)
        assert refused.value.status == 488
        assert call.state == theirs.state == "InDialog"

    def test_both_sides_may_change_at_once(self, joined, pbx):
        """Neither waits for the answer of the other: one is answered 491, and tries again, up to
        `MAX_TRIES` times.
        """
        call, theirs, _ = joined
        changes = call.hold(), theirs.hold()
        failed = []
        for change in changes:
            try:
                change.wait(3 * PATIENCE)
            except CallRejected as error:
                failed.append(error.status)
        assert failed in ([], [491])
        assert (call.held_by_peer, theirs.held_by_peer) == (theirs.held, call.held)
        assert call.held or theirs.held

    @pytest.mark.parametrize("side", ["caller", "callee"])
    def test_early_media_may_be_changed(self, alice, bob, pbx, events, side):
        """UPDATE in an early dialog is passed on, and answers no call (RFC 3311)."""
        received = events(bob, CallReceived)
        call = alice.invite(pbx)
        theirs = received.next().call
        theirs.ring(183, media=True)
        until(lambda: theirs._invited.agreed and [one for one in call.early if one.media], bob)
        one, other = (call, theirs) if side == "caller" else (theirs, call)
        one.hold().wait(PATIENCE)
        assert other.held_by_peer
        assert call.state == theirs.state == "InitiatingDialog"
        theirs.accept()
        call.wait(PATIENCE)
        one.resume().wait(PATIENCE)
        assert not other.held_by_peer

    def test_requests_inside_the_call(self, joined, bob):
        call, _, _ = joined
        response = call.send("INFO", {"Content-Type": "text/plain"}, "5").wait(PATIENCE)
        assert response.status in (405, 415, 469)  # bob's own answer


class TestRouting:
    def test_nobody_is_there(self, alice, listening):
        pbx = listening("pbx@example.com", office(B2BUA, None))
        with pytest.raises(CallRejected) as refused:
            alice.invite(pbx).wait(PATIENCE)
        assert refused.value.status == 404

    def test_a_route_may_take_its_time(self, alice, bob, listening):
        class Office(B2BUA):
            async def route(self, call, request):
                return bob

        pbx = listening("pbx@example.com", Office)
        alice.invite(pbx).wait(PATIENCE)

    def test_a_route_that_raises(self, alice, listening, caplog):
        pbx = listening("pbx@example.com", B2BUA)
        caplog.set_level(logging.CRITICAL, "sipparty")
        with pytest.raises(CallRejected) as refused:
            alice.invite(pbx).wait(PATIENCE)
        assert refused.value.status == 500

    def test_it_takes_every_user(self, alice, bob, pbx):
        uri = pbx.contact_uri
        uri.username = "4711"
        call = alice.invite(uri).wait(PATIENCE)
        assert call.state == "InDialog"

    def test_no_hop_is_left(self, peer, pbx):
        none = [("Max-Forwards", "0")]
        peer.request("INVITE", "sip:4711@example.com", pbx.contact_uri.port, none)
        assert peer.receive("SIP/2.0 4").status == 483


class TestMediaThroughIt:
    def test_each_side_talks_to_the_pbx(self, alice, bob, listening, events):
        pbx = listening("pbx@example.com", office(AudioB2BUA, bob))
        up = events(bob, CallEstablished)
        call = alice.invite(pbx).wait(PATIENCE)
        theirs = up.next().call
        (bridge,) = pbx.bridges
        assert call.session.negotiated.remote_port == bridge.incoming.session.local_port
        assert theirs.session.negotiated.remote_port == bridge.outgoing.session.local_port
        happened = events(bob, CallHeld, CallResumed)
        call.hold().wait(PATIENCE)
        assert happened.next(CallHeld).by == "remote"
        call.resume().wait(PATIENCE)
        assert happened.next(CallResumed).by == "remote"
        call.terminate().wait(PATIENCE)
        ended(theirs)

    def test_what_one_says_the_other_hears(self, alice, bob, listening):
        pbx = listening("pbx@example.com", office(AudioB2BUA, bob))
        call = alice.invite(pbx).wait(PATIENCE)
        (theirs,) = bob.calls
        heard = Heard()
        theirs.session.record(heard)
        call.session.play(ToneSource(440.0, 2.0))
        assert heard.loud.wait(PATIENCE)


class TestOrigin:
    def test_a_version_for_each_change(self):
        origin = Origin(7, "10.0.0.1")
        first = b"v=0\r\no=a 1 1 IN IP4 10.0.0.9\r\ns=-\r\n"
        assert b"\r\no=- 7 1 IN IP4 10.0.0.1\r\n" in origin.put_on(first)
        other = first.replace(b"a 1 1", b"b 2 9")
        assert origin.put_on(other) == origin.put_on(first)
        assert b"o=- 7 2 IN IP4" in origin.put_on(first + b"c=IN IP4 10.0.0.9\r\n")

    def test_an_address_of_the_other_family(self):
        assert b"IN IP6 ::1" in Origin(7, "::1").put_on(b"o=x\r\n")
