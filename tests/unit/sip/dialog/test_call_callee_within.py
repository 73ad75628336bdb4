"""What happens in a call after its answer, seen from the side that is called: the ACK, requests
inside the dialog, hanging up (RFC 3261 §12.2, §13.3.1.4, §15). The test is the peer.
"""

import pytest

from sipparty.errors import UnexpectedInput
from sipparty.sip.events import CallEstablished

OVER_TIMES = [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]


@pytest.fixture
def bob(wire):
    return wire.agent()


def up(wire, **changes):
    """Call, have it accepted, acknowledge that; returns the call and the 200."""
    call = wire.invited(**changes)
    call.accept()
    answer = wire.one()
    wire.acknowledge(answer)
    return call, answer


# ---------------------------------------------------------------- the ACK (§13.3.1.4)


def test_the_200_is_sent_until_the_ack_comes(wire, bob):
    call = wire.invited()
    call.accept()
    first = wire.one()
    wire.pass_until(2)
    assert [bytes(message) for message in wire.sent()] == [bytes(first)] * 2
    wire.acknowledge(first)
    wire.acknowledge(first)
    wire.pass_until(40)
    assert wire.sent() == []
    assert wire.kinds().count(CallEstablished) == 1
    assert call.state == "InDialog"


def test_a_200_is_sent_again_over_a_stream_too(reliable_wire):
    # Behind the first hop there may be UDP.
    wire = reliable_wire
    wire.agent()
    wire.invited().accept()
    wire.pass_until(1.5)
    assert wire.times() == [(0, 200), (0.5, 200), (1.5, 200)]


@pytest.mark.parametrize("number", [2, 0])
def test_an_ack_for_another_invite_does_not_count(wire, bob, number):
    wire.invited().accept()
    answer = wire.one()
    wire.receive(wire.within(answer, "ACK", number))
    wire.pass_until(0.5)
    assert wire.starts() == [200]


def test_a_200_that_is_never_acknowledged_ends_with_a_bye(wire, bob):
    call = wire.invited()
    call.accept()
    wire.sent()
    wire.pass_until(31.999)
    assert call.state == "InDialog"
    assert wire.times() == [(time, 200) for time in OVER_TIMES]
    wire.pass_until(32)
    bye = wire.one()
    assert (bye.method, call.state) == ("BYE", "Error")
    wire.receive(wire.answer(bye, 200))
    assert call.last_error.status == 408
    assert str(call.last_error) == "Our answer was never acknowledged."
    wire.over()


def test_a_call_that_is_never_acknowledged_nor_hung_up_leaves_nothing(wire, bob):
    call = wire.invited()
    call.accept()
    wire.over()
    assert str(call.last_error) == "Our answer was never acknowledged."
    assert len(wire.ended()) == 1


def test_an_error_is_told_even_if_the_peer_hangs_up_first(wire, bob):
    call = wire.invited()
    call.accept()
    answer = wire.one()
    wire.pass_until(32)
    wire.receive(wire.within(answer, "BYE"))
    assert call.state == "Error"
    assert call.last_error.status == 408
    wire.over()


def test_hanging_up_waits_for_the_ack(wire, bob):
    # §15: the side that was called sends no BYE before it has the ACK.
    call = wire.invited()
    call.accept()
    answer = wire.one()
    call.terminate()
    assert call.state == "TerminatingDialog"
    wire.pass_until(0.5)
    assert wire.starts() == [200]
    wire.acknowledge(answer)
    bye = wire.one()
    assert bye.method == "BYE"
    assert CallEstablished not in wire.kinds()
    wire.receive(wire.answer(bye, 200))
    assert (call.state, call.last_error) == ("Terminated", None)
    wire.over()


def test_hanging_up_without_an_ack_happens_after_64_t1(wire, bob):
    call = wire.invited()
    call.accept()
    call.terminate()
    wire.pass_until(31.999)
    assert "BYE" not in wire.starts()
    wire.pass_until(32)
    bye = wire.one()
    assert bye.method == "BYE"
    wire.receive(wire.answer(bye, 200))
    assert call.state == "Terminated"
    wire.over()


def test_a_stray_ack_is_counted(wire, bob):
    wire.receive(wire.request("ACK", to="<sip:bob@biloxi.com>;tag=b1"))
    wire.receive(wire.request("ACK"))
    assert wire.sent() == []
    assert wire.core.counters["stray_acks"] == 2


# ---------------------------------------------------------------- requests inside (§12.2)


def test_the_bye_follows_the_route_set(wire, bob):
    routes = ["Record-Route: <sip:10.0.0.7;lr>", "Record-Route: <sip:10.0.0.8;lr>"]
    call, _ = up(wire, headers=routes)
    call.terminate()
    bye, flow = wire.way()
    assert bye.uri_text == "sip:alice@10.0.0.9"
    assert bye.lines("Route") == ["<sip:10.0.0.7;lr>", "<sip:10.0.0.8;lr>"]
    assert flow.remote == ("10.0.0.7", 5060)
    assert str(bye.to) == "<sip:alice@atlanta.com>;tag=a1"
    assert bye.from_.tag == call.dialog_state.local_tag


def test_a_strict_router_is_the_request_uri(wire, bob):
    call, _ = up(wire, headers=["Record-Route: <sip:10.0.0.7>", "Record-Route: <sip:10.0.0.8;lr>"])
    call.terminate()
    bye, flow = wire.way()
    assert bye.uri_text == "sip:10.0.0.7"
    assert bye.lines("Route") == ["<sip:10.0.0.8;lr>", "<sip:alice@10.0.0.9>"]
    assert flow.remote == ("10.0.0.7", 5060)


def test_a_hang_up(wire, bob):
    call, answer = up(wire)
    wire.receive(wire.within(answer, "BYE"))
    assert wire.starts() == [200]
    assert (call.state, call.last_error) == ("Terminated", None)
    with pytest.raises(UnexpectedInput):
        call.terminate()
    wire.receive(wire.within(answer, "BYE", 3))
    assert wire.starts() == [481]
    wire.over()


def test_both_hang_up_at_once(wire, bob):
    # RFC 5407 §3.2.1.
    call, answer = up(wire)
    call.terminate()
    bye = wire.one()
    wire.receive(wire.within(answer, "BYE"))
    assert wire.starts() == [200]
    assert call.state == "Terminated"
    wire.receive(wire.answer(bye, 481))
    assert (call.state, call.last_error) == ("Terminated", None)
    assert len(wire.ended()) == 1
    wire.over()


@pytest.mark.parametrize(("numbers", "statuses"), [((5, 4), [200, 500]), ((5, 900), [200, 200])])
def test_sequence_numbers_go_up(wire, bob, numbers, statuses):
    # §12.2.2: a lower one is out of order; a gap is none.
    call, answer = up(wire)
    for number in numbers:
        wire.receive(wire.within(answer, "OPTIONS", number))
    assert wire.starts() == statuses
    assert call.state == "InDialog"


def test_a_bye_out_of_order_does_not_end_the_call(wire, bob):
    call, answer = up(wire, number=10)
    wire.receive(wire.within(answer, "BYE", 9))
    assert wire.starts() == [500]
    assert call.state == "InDialog"


@pytest.mark.parametrize("what", ["to", "from_", "call_id"])
def test_a_request_for_no_dialog_is_answered_481(wire, bob, what):
    call, answer = up(wire)
    other = {
        "to": "<sip:bob@biloxi.com>;tag=zzz",
        "from_": "<sip:alice@atlanta.com>;tag=zzz",
        "call_id": "zzz",
    }
    values = {"to": str(answer.to), "from_": str(answer.from_), "call_id": "c1"}
    wire.receive(wire.request("BYE", number=2, branch="z9hG4bKx", **{**values, what: other[what]}))
    assert wire.starts() == [481]
    assert call.state == "InDialog"


def test_options_inside_a_call(wire):
    # §11.2; one call at a time is no reason to be busy for that call.
    wire.agent(max_calls=1)
    call, answer = up(wire)
    wire.receive(wire.within(answer, "OPTIONS"))
    options = wire.one()
    assert options.status == 200
    assert options.to.tag == call.dialog_state.local_tag
    assert call.state == "InDialog"


def test_a_method_that_is_not_taken_inside(wire, bob):
    _, answer = up(wire)
    wire.receive(wire.within(answer, "DANCE"))
    refusal = wire.one()
    assert refusal.status == 501
    assert " ".join(refusal.allow) == "INVITE OPTIONS ACK BYE CANCEL PRACK UPDATE NOTIFY REFER"


def test_an_extension_that_is_not_known_inside(wire, bob):
    call, answer = up(wire)
    wire.receive(wire.within(answer, "BYE", headers=["Require: singing, dancing"]))
    refusal = wire.one()
    assert (refusal.status, refusal.unsupported) == (420, ("singing", "dancing"))
    assert call.state == "InDialog"


def test_a_require_that_cannot_be_read_is_a_400(wire, bob):
    _, answer = up(wire)
    wire.receive(wire.within(answer, "OPTIONS", headers=["Require: @"]))
    assert wire.starts() == [400]
