"""Requests inside a dialog leave in the order in which they were sent, whatever way each of them
takes (RFC 3261 §12.2.1.1)."""

import pytest

from sipparty.errors import CallUnreachable, UsageError
from sipparty.sip import NextHop
from sipparty.sip.dialog import DialogState

LARGE = {"X-Large": "x" * 1300}


@pytest.fixture
def call(wire):
    """An established call whose requests wait for their flows."""
    call, invite = wire.invite(wire.agent("sip:alice@atlanta.com"))
    wire.receive(wire.answer(invite, 200))
    wire.sent()
    wire.hold_flows = True
    return call


def numbers(messages):
    return [(message.method, message.cseq.number) for message in messages]


def test_one_whose_way_is_looked_for_holds_those_behind_it(wire, call):
    first = call.dialog_state.local_seq + 1
    info, message = call.send("INFO"), call.send("MESSAGE")
    call.terminate()
    wire.pump()
    assert len(wire.wanted) == 1
    assert wire.sent() == []
    assert call.dialog_state.local_seq == first - 1  # a number is taken when a request leaves
    sent = []
    for _ in range(3):
        (wanted,), wire.wanted = wire.wanted, []
        wire.give_flow(wanted)
        sent += wire.sent()
    assert numbers(sent) == [("INFO", first), ("MESSAGE", first + 1), ("BYE", first + 2)]
    assert not call.dialog_state.queue
    for request in sent:
        wire.receive(wire.answer(request, 200))
    assert info.wait(0).status == message.wait(0).status == 200
    assert call.state == "Terminated"
    wire.over()


def test_a_large_one_by_tcp_and_a_small_one_by_udp(wire, call):
    call.dialog_state.remote_target = "sip:bob@biloxi.com"
    first = call.dialog_state.local_seq + 1
    call.send("INFO", LARGE)
    call.terminate()
    wire.pump()
    wire.give_flow(wire.wanted.pop())  # UDP, for which it is too large
    wire.pump()
    assert wire.sent() == []
    (wanted,) = wire.wanted
    assert wanted.reliable
    wire.core.flow_found(wire.wanted.pop(), wire.flow_by(transport="TCP"), wire.now)
    info, flow = wire.way()
    assert flow.transport == "TCP"
    wire.give_flow(wire.wanted.pop())
    bye, flow = wire.way()
    assert flow.transport == "UDP"
    assert numbers([info, bye]) == [("INFO", first), ("BYE", first + 1)]


def test_one_that_finds_no_way_lets_the_next_one_go(wire, call):
    first = call.dialog_state.local_seq + 1
    info = call.send("INFO")
    call.send("MESSAGE")
    wire.pump()
    wire.core.flow_failed(wire.wanted.pop(), "No route.", wire.now)
    wire.pump()
    assert isinstance(info.error, CallUnreachable)
    wire.give_flow(wire.wanted.pop())
    assert numbers(wire.sent()) == [("MESSAGE", first)]


def test_one_that_cannot_be_made_lets_the_next_one_go(wire, call):
    info = call.send("INFO")
    call.send("MESSAGE")
    wire.pump()
    info.user.fields = None
    wire.give_flow(wire.wanted.pop())
    wire.pump()
    assert str(info.error).startswith("The request could not be made")
    wire.give_flow(wire.wanted.pop())
    assert [message.method for message in wire.sent()] == ["MESSAGE"]


@pytest.mark.parametrize("which", [0, 1])
def test_one_that_is_cancelled_while_it_waits_is_not_sent(wire, call, which):
    asked = [call.send("INFO"), call.send("MESSAGE")]
    asked[which].cancel()
    wire.pump()
    for _ in asked:
        wire.give_flow(wire.wanted.pop())
        wire.pump()
    assert [message.method for message in wire.sent()] == [("MESSAGE", "INFO")[which]]
    assert asked[which].error.status == 487
    assert not call.dialog_state.queue


def test_what_waits_has_a_limit_and_a_call_can_end_all_the_same(wire, call):
    for _ in range(DialogState.MAX_QUEUED):
        call.send("INFO")
    with pytest.raises(UsageError, match="64 requests wait for the flow of the first"):
        call.send("INFO")
    call.terminate()
    wire.hold_flows = False
    wire.pump()
    sent = numbers(wire.sent())
    assert [method for method, _ in sent] == [*["INFO"] * DialogState.MAX_QUEUED, "BYE"]
    assert [number for _, number in sent] == list(range(sent[0][1], sent[-1][1] + 1))


def test_a_change_that_begins_while_too_many_wait_fails(wire):
    """What comes from the wire begins it: nothing may be raised there."""
    wire.agent(media=True)
    call = wire.invited(body=b"theirs")
    call.accept()
    answer = wire.one()
    hold = call.hold()  # waits for the ACK
    wire.hold_flows = True
    for _ in range(DialogState.MAX_QUEUED):
        call.send("INFO")
    wire.acknowledge(answer)
    assert hold.state == "Failed"
    assert "64 requests wait" in str(hold.error)
    assert (call.state, call.offer_answer.state) == ("InDialog", "Stable")


def test_a_number_that_others_have_passed_is_not_used_again(wire, call):
    """A second INFO has left when the first one goes to the next server: §12.2.2 refuses what is
    lower."""
    wire.hold_flows = False
    call.dialog_state.remote_target = "sip:bob@biloxi.com"
    call.send("INFO")
    first = wire.one()
    call.send("MESSAGE")
    second = wire.one()
    wire.receive(wire.answer(first, 503))
    (again,) = wire.sent()
    assert numbers([first, second, again]) == [
        ("INFO", first.cseq.number),
        ("MESSAGE", first.cseq.number + 1),
        ("INFO", first.cseq.number + 2),
    ]


def test_one_alone_keeps_its_number_for_the_next_server(wire, call):
    wire.hold_flows = False
    call.dialog_state.remote_target = "sip:bob@biloxi.com"
    call.send("INFO")
    first = wire.one()
    wire.receive(wire.answer(first, 503))
    assert numbers(wire.sent()) == numbers([first])


def test_each_dialog_has_an_order_of_its_own(wire, call):
    wire.hold_flows = False
    other, invite = wire.invite(call.agent)
    wire.receive(wire.answer(invite, 200))
    wire.sent()
    wire.hold_flows = True
    call.send("INFO")
    other.send("MESSAGE")
    wire.pump()
    assert len(wire.wanted) == 2
    assert {wanted.next_hop for wanted in wire.wanted} == {
        NextHop("10.0.0.9", back=call.dialog_state.back),
        NextHop("10.0.0.9", back=other.dialog_state.back),
    }


def test_one_that_cannot_be_written_fails_and_lets_the_others_go(wire, call):
    wire.hold_flows = False
    info = call.send("INFO", {"X-Name": "\ud800"})
    wire.pump()
    assert "could not be made" in str(info.error)
    call.terminate()
    wire.receive(wire.answer(wire.one(), 200))
    assert call.state == "Terminated"
    wire.over()


def test_what_was_to_be_sent_again_is_not_after_the_end(wire, call):
    wire.hold_flows = False
    call.agent.retry_wait = 60.0
    info = call.send("INFO")
    wire.receive(wire.answer(wire.one(), 503, headers=[("Retry-After", "5")]))
    call.terminate()
    wire.receive(wire.answer(wire.one(), 200))
    wire.pass_until(10)
    assert wire.starts() == []
    assert "ended meanwhile" in str(info.error)
    wire.over()
