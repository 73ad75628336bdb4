"""How a call ends, seen from the side that calls: cancelled, given up, hung up (RFC 3261 §9.1,
§15). The test is the peer.
"""

import pytest

from sipparty.errors import CallTimedOut, UnexpectedInput
from sipparty.sip import SimpleCall
from sipparty.sip.events import CallEstablished


@pytest.fixture
def alice(wire):
    return wire.agent("sip:alice@atlanta.com")


@pytest.fixture
def calling(wire, alice):
    return wire.invite(alice)


@pytest.fixture
def talker(wire):
    return wire.agent("sip:alice@atlanta.com", media=True)


# ---------------------------------------------------------------- ending before the answer (§9.1)


def test_a_cancel_waits_for_a_provisional_response(wire, calling):
    call, invite = calling
    call.terminate()
    assert call.state == "TerminatingDialog"
    assert wire.sent() == []
    wire.receive(wire.answer(invite, 100, tag=""))
    cancel = wire.one()
    assert cancel.method == "CANCEL"
    wire.receive(wire.answer(cancel, 200))
    assert call.state == "TerminatingDialog"
    wire.receive(wire.answer(invite, 487))
    assert wire.starts() == ["ACK"]
    assert (call.state, call.last_error) == ("Terminated", None)
    wire.over()


def test_the_cancel(wire, alice):
    # §9.1: Request-URI, top Via, From, To, Call-ID, Route and CSeq number are those of the INVITE.
    call, invite = wire.invite(alice, routes=("<sip:10.0.0.9;lr>",), headers=[("Subject", "lunch")])
    wire.receive(wire.answer(invite, 180, tag="b1"))
    call.terminate()
    cancel = wire.one()
    assert cancel.uri_text == invite.uri_text
    for name in ("Via", "From", "To", "Call-ID", "Route", "Max-Forwards"):
        assert cancel.lines(name) == invite.lines(name)
    assert (cancel.cseq.number, cancel.cseq.method) == (invite.cseq.number, "CANCEL")
    for name in ("Contact", "Subject", "Content-Type", "Require"):
        assert name not in cancel


def test_a_cancel_is_sent_once(wire, calling):
    call, invite = calling
    wire.receive(wire.answer(invite, 180))
    call.terminate()
    wire.receive(wire.answer(invite, 183))
    assert wire.starts() == ["CANCEL"]
    assert call.unheard == 0
    with pytest.raises(UnexpectedInput):
        call.terminate()


def test_a_2xx_that_crosses_the_cancel_is_acknowledged_and_hung_up(wire, calling):
    call, invite = calling
    wire.receive(wire.answer(invite, 180))
    call.terminate()
    assert wire.starts() == ["CANCEL"]
    wire.receive(wire.answer(invite, 200))
    ack, bye = wire.sent()
    assert (ack.method, bye.method) == ("ACK", "BYE")
    assert bye.cseq.number == ack.cseq.number + 1
    assert call.state == "TerminatingDialog"
    wire.receive(wire.answer(bye, 200))
    assert (call.state, call.last_error) == ("Terminated", None)
    assert CallEstablished not in wire.kinds()
    wire.over()


def test_a_2xx_with_no_provisional_response_before_needs_no_cancel(wire, calling):
    call, invite = calling
    call.terminate()
    wire.receive(wire.answer(invite, 200))
    assert wire.starts() == ["ACK", "BYE"]


def test_a_failure_that_crosses_the_cancel_ends_the_call_as_wanted(wire, calling):
    call, invite = calling
    wire.receive(wire.answer(invite, 180))
    call.terminate()
    wire.receive(wire.answer(invite, 486))
    assert (call.state, call.last_error) == ("Terminated", None)


def test_a_cancelled_invite_that_is_never_answered_is_over_after_64_t1(wire, calling):
    call, invite = calling
    wire.receive(wire.answer(invite, 180))
    wire.pass_until(10)
    call.terminate()
    cancel = wire.one()
    wire.receive(wire.answer(cancel, 200))
    wire.pass_until(41.999)
    assert call.state == "TerminatingDialog"
    wire.pass_until(42)
    assert (call.state, call.last_error) == ("Terminated", None)
    assert not wire.core.transactions.clients
    wire.over()


def test_a_call_ended_before_it_is_sent_is_not_sent(wire, alice):
    wire.hold_flows = True
    call = SimpleCall(alice).invite("sip:bob@10.0.0.9")
    wire.pump()
    call.terminate()
    wire.give_flow(wire.wanted[0])
    assert wire.sent() == []
    assert (call.state, call.last_error) == ("Terminated", None)
    wire.over()


def test_a_call_whose_flow_never_comes_is_over_all_the_same(wire, alice):
    wire.hold_flows = True
    call = SimpleCall(alice).invite("sip:bob@10.0.0.9")
    wire.pump()
    call.terminate()
    wire.pass_until(32)
    assert call.state == "Terminated"


# ---------------------------------------------------------------- giving up


@pytest.mark.parametrize(("expires", "text"), [(30, "30"), (2.4, "3"), (0.5, "1")])
def test_a_caller_gives_up(wire, alice, expires, text):
    call, invite = wire.invite(alice, expires=expires)
    assert invite.lines("Expires") == [text]
    wire.receive(wire.answer(invite, 180))
    wire.pass_until(expires - 0.001)
    assert call.state == "InitiatingDialog"
    wire.pass_until(expires)
    assert wire.starts() == ["CANCEL"]
    assert call.state == "Error"
    assert (type(call.last_error), call.last_error.status) == (CallTimedOut, 408)
    assert str(call.last_error) == f"Nobody answered within {expires:g} s."
    wire.receive(wire.answer(invite, 487))
    assert wire.starts() == ["ACK"]
    assert len(wire.ended()) == 1
    wire.over()


def test_a_caller_gives_up_after_three_minutes_unasked(wire, calling):
    call, invite = calling
    wire.receive(wire.answer(invite, 180))
    wire.pass_until(179.999)
    assert call.state == "InitiatingDialog"
    wire.pass_until(180)
    assert call.state == "Error"


def test_a_2xx_after_giving_up_is_acknowledged_and_hung_up(wire, alice):
    call, invite = wire.invite(alice, expires=5)
    wire.receive(wire.answer(invite, 180))
    wire.pass_until(5)
    assert wire.starts() == ["CANCEL"]
    wire.receive(wire.answer(invite, 200))
    ack, bye = wire.sent()
    assert (ack.method, bye.method) == ("ACK", "BYE")
    wire.receive(wire.answer(invite, 200))
    assert bytes(wire.one()) == bytes(ack)
    wire.receive(wire.answer(bye, 200))
    assert call.state == "Error"
    assert call.last_error.status == 408
    assert len(wire.ended()) == 1
    wire.over()  # nothing of the dialog is left in the core


def test_a_caller_that_gives_up_on_a_silent_peer_leaves_nothing(wire, alice):
    _, invite = wire.invite(alice, expires=5)
    wire.receive(wire.answer(invite, 180))
    wire.over()


# ---------------------------------------------------------------- hanging up (§15)


@pytest.fixture
def up(wire, calling):
    call, invite = calling
    wire.receive(wire.answer(invite, 200))
    wire.sent()
    return call


@pytest.mark.parametrize("status", [200, 202, 481])
def test_hanging_up(wire, up, status):
    up.terminate()
    bye = wire.one()
    assert up.state == "TerminatingDialog"
    wire.receive(wire.answer(bye, 100, tag=""))
    assert up.state == "TerminatingDialog"
    wire.receive(wire.answer(bye, status))
    assert (up.state, up.last_error) == ("Terminated", None)
    wire.over()


@pytest.mark.parametrize("status", [408, 500, 603])
def test_a_bye_that_is_refused_ends_the_call_in_error(wire, up, status):
    up.terminate()
    wire.receive(wire.answer(wire.one(), status))
    assert up.state == "Error"
    assert up.last_error.status == status
    wire.over()


def test_a_bye_that_is_not_answered_ends_the_call_in_error(wire, up):
    up.terminate()
    wire.pass_until(wire.now + 32)
    assert up.state == "Error"
    assert isinstance(up.last_error, CallTimedOut)
    wire.over()


def test_the_first_error_is_the_one_that_is_told(wire, talker):
    # Bad media, and then a BYE that fails: the media is what the user has to know of.
    call, invite = wire.invite(talker)
    wire.receive(wire.answer(invite, 200, body=b"bad"))
    wire.sent()
    wire.over()
    assert "bad media" in str(call.last_error)


def test_the_peer_hangs_up(wire, calling):
    call, invite = calling
    wire.receive(wire.answer(invite, 200))
    ack = wire.one()
    bye = wire.request(
        "BYE",
        "sip:alice@10.0.0.1",
        from_=str(ack.to),
        to=str(ack.from_),
        call_id=ack.call_id,
        number=1,
    )
    wire.receive(bye)
    assert wire.starts() == [200]
    assert (call.state, call.last_error) == ("Terminated", None)
    assert not wire.core.dialogs
    wire.over()


@pytest.mark.parametrize("verb", ["ring", "accept", "reject"])
def test_verbs_of_the_other_side_are_not_for_the_caller(wire, calling, verb):
    call, invite = calling
    for status in (180, 200):
        with pytest.raises(UnexpectedInput) as caught:
            getattr(call, verb)()
        assert verb in str(caught.value)
        assert call.name in str(caught.value)
        wire.receive(wire.answer(invite, status))
    assert call.state == "InDialog"


def test_a_call_can_be_made_once(wire, calling):
    with pytest.raises(UnexpectedInput):
        calling[0].invite("sip:carol@10.0.0.9")
