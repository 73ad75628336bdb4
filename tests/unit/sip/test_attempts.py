"""The attempts that one request takes: the next target (RFC 3263 §4.3), and TCP for what is large
(RFC 3261 §18.1.1). Those with credentials are in `test_attempts_digest`."""

import pytest

from sipparty.errors import CallRejected, CallTimedOut, CallUnreachable
from sipparty.sip import NextHop, Request
from sipparty.sip.client_request import ClientRequest
from sipparty.sip.core import TargetFailed
from sipparty.sip.out_of_dialog import send_out_of_dialog

A, B, C = (("UDP", f"10.0.0.1{number}", 5060 + number) for number in (1, 2, 3))
TCP = ("TCP", "10.0.0.11", 5061)
BOB = "sip:bob@biloxi.com"


class Directory:
    """What finds targets, in the order given and as the hub does it; remembers the questions."""

    def __init__(self, wire, *targets):
        self.wire, self.targets, self.asked = wire, list(targets), []
        self.hold = False

    def __call__(self, wanted):
        self.asked.append(wanted)
        if not self.hold:
            self.answer()

    def answer(self):
        wanted, core, now = self.asked[-1], self.wire.core, self.wire.now
        targets = self.targets
        if wanted.reliable:
            targets = sorted(targets, key=lambda target: target[0] == "UDP")
        for target in targets:
            if target not in wanted.tried:
                transport, *remote = target
                flow = self.wire.flow_by(transport=transport, remote=tuple(remote))
                core.flow_found(wanted, flow, now)
                return
        core.flow_failed(wanted, "Every target of biloxi.com has failed.", now)


@pytest.fixture
def targets(wire):
    """Have these targets found: `targets(A, B)`."""

    def use(*found):
        wire.give_flow = Directory(wire, *found)
        return wire.give_flow

    return use


@pytest.fixture
def alice(wire):
    return wire.agent("sip:alice@atlanta.com")


def send(wire, agent, method="OPTIONS", hop="biloxi.com", **headers):
    return send_out_of_dialog(agent, Request(method, BOB, headers), NextHop(hop))


def failed_targets(wire):
    """The targets that were reported, and what their 503 asked for."""
    return [
        ((event.flow.transport, *event.flow.remote), event.retry_after)
        for event in wire.happened
        if isinstance(event, TargetFailed)
    ]


def place(flow):
    return (flow.transport, *flow.remote)


def messages(wire):
    """What was sent since this was last asked, and to which target."""
    wire.pump()
    out, wire.out = wire.out, []
    return [(message, place(flow)) for _, message, flow in out]


# ---------------------------------------------------------------- the next target (RFC 3263 §4.3)


def test_a_503_leads_to_the_next_target(wire, alice, targets):
    targets(A, B)
    call, first = wire.invite(alice, BOB)
    wire.receive(wire.answer(first, 503, headers=[("Retry-After", "120 (moving);duration=9")]))
    (ack, ack_place), (second, second_place) = messages(wire)
    # §17.1.1.3: the ACK belongs to the transaction that failed.
    assert (ack.method, ack_place, ack.via.branch) == ("ACK", A, first.via.branch)
    assert (second.method, second_place) == ("INVITE", B)
    assert second.via.branch != first.via.branch
    # The same request, for another server.
    assert second.cseq == first.cseq == ack.cseq.__class__(first.cseq.number, "INVITE")
    assert (second.call_id, second["From"], second.to) == (first.call_id, first["From"], first.to)
    assert second.to.tag is None
    assert failed_targets(wire) == [(A, 120.0)]
    wire.receive(wire.answer(second, 200))
    assert call.state == "InDialog"
    assert wire.one().cseq.number == first.cseq.number
    call.terminate()
    wire.receive(wire.answer(wire.one(), 200))
    wire.over()


def test_a_target_that_is_silent(wire, alice, targets):
    targets(A, B)
    call, first = wire.invite(alice, BOB)
    wire.pass_until(31.9)
    assert {to for _, to in messages(wire)} == {A}
    wire.pass_until(32)
    ((second, to),) = messages(wire)
    assert (second.method, to, second.cseq) == ("INVITE", B, first.cseq)
    assert failed_targets(wire) == [(A, None)]
    # What follows is still heard, although the first transaction is over.
    wire.receive(wire.answer(second, 180))
    assert call.progress == 180
    wire.receive(wire.answer(second, 200))
    assert call.state == "InDialog"
    assert wire.one().method == "ACK"


def test_a_target_that_cannot_be_reached(wire, alice, targets):
    targets(A, B, C)
    call, _ = wire.invite(alice, BOB)
    wire.core.transport_failed(wire.flow_by(remote=A[1:]), "connection refused", wire.now)
    wire.core.transport_failed(wire.flow_by(remote=B[1:]), "connection refused", wire.now)
    wire.pump()
    wire.core.transport_failed(wire.flow_by(remote=B[1:]), "connection refused", wire.now)
    assert [to for _, to in messages(wire)] == [B, C]
    assert call.state == "InitiatingDialog"
    assert [target for target, _ in failed_targets(wire)] == [A, B]


@pytest.mark.parametrize("failure", ["503", "silence"])
def test_requests_other_than_invite_fail_over_too(wire, alice, targets, failure):
    directory = targets(A, B)
    asked = send(wire, alice, Route="<sip:biloxi.com;lr>", CSeq="7 OPTIONS")
    first = wire.one()
    directory.hold = True
    if failure == "503":
        wire.receive(wire.answer(first, 503))
        # Finding the next target takes longer than the first transaction lasts.
        wire.pass_until(20)
    else:
        wire.pass_until(32)
    wire.sent()
    directory.answer()
    ((second, to),) = messages(wire)
    assert (to, second.cseq.number, second["Route"]) == (B, 7, first["Route"])
    assert asked.state == "Waiting"
    wire.receive(wire.answer(second, 200))
    assert asked.response.status == 200
    wire.over()


@pytest.mark.parametrize(("status", "goes_on"), [(100, True), (101, False), (180, False)])
def test_who_rang_keeps_the_call(wire, alice, targets, status, goes_on):
    """A 100 says no more than that the next hop has the request."""
    targets(A, B)
    call, invite = wire.invite(alice, BOB)
    wire.receive(wire.answer(invite, status))
    wire.receive(wire.answer(invite, 503))
    sent = wire.starts()
    assert sent == (["ACK", "INVITE"] if goes_on else ["ACK"])
    assert call.state == ("InitiatingDialog" if goes_on else "Error")
    assert failed_targets(wire) == [(A, None)]


@pytest.mark.parametrize("status", [408, 480, 486, 500, 504, 603])
def test_other_answers_are_the_outcome(wire, alice, targets, status):
    targets(A, B)
    call, invite = wire.invite(alice, BOB)
    wire.receive(wire.answer(invite, status))
    assert wire.starts() == ["ACK"]
    assert call.last_error.status == status
    assert failed_targets(wire) == []


def test_when_all_have_failed_the_last_one_is_the_outcome(wire, alice, targets):
    targets(A, B)
    call, _ = wire.invite(alice, BOB)
    wire.pass_until(32)
    wire.receive(wire.answer(wire.sent()[-1], 503, headers=[("X-Which", "the last")]))
    assert isinstance(call.last_error, CallRejected)
    assert call.last_error.response["X-Which"]
    assert wire.starts() == ["ACK"]
    wire.over()
    asked = send(wire, alice)
    wire.receive(wire.answer(wire.one(), 503))
    wire.pass_until(wire.now + 32)
    with pytest.raises(CallTimedOut, match=r"^10\.0\.0\.12:5062 did not answer within 32 s\.$"):
        asked.wait(0)
    wire.over()


def test_when_all_have_failed_and_ask_for_time_they_get_it(wire, alice, targets):
    """§21.5.4, where `retry_wait` allows it."""
    targets(A, B)
    alice.retry_wait = 10
    asked = send(wire, alice)
    for target in (A, B):
        ((request, to),) = messages(wire)
        assert to == target
        wire.receive(wire.answer(request, 503, headers=[("Retry-After", "10")]))
    assert messages(wire) == []
    wire.pass_until(10)
    ((again, to),) = messages(wire)
    assert (to, again.cseq.number) == (A, request.cseq.number + 1)
    wire.receive(wire.answer(again, 200))
    assert asked.wait(0).status == 200


def test_an_address_has_no_other_target(wire, alice, targets):
    directory = targets(A, B)
    asked = send(wire, alice, hop="10.0.0.11")
    wire.receive(wire.answer(wire.one(), 503, headers=[("Retry-After", "60")]))
    assert asked.response.status == 503
    assert len(directory.asked) == 1
    assert failed_targets(wire) == [(A, 60.0)]


def test_targets_are_not_tried_for_ever(wire, alice, targets):
    many = [("UDP", f"10.0.1.{number}", 5060) for number in range(30)]
    targets(*many)
    asked = send(wire, alice)
    tried = []
    while asked.state == "Waiting":
        ((request, to),) = messages(wire)
        tried.append(to)
        wire.receive(wire.answer(request, 503))
    assert tried == many[: ClientRequest.MAX_TARGETS]
    assert asked.response.status == 503


def test_a_call_given_up_goes_nowhere_else(wire, alice, targets):
    directory = targets(A, B)
    call, invite = wire.invite(alice, BOB)
    wire.receive(wire.answer(invite, 100))
    directory.hold = True
    wire.receive(wire.answer(invite, 503))
    call.terminate()  # no CANCEL: nothing is out there to be cancelled
    assert wire.starts() == ["ACK"]
    directory.answer()
    assert wire.sent() == []
    assert call.state == "Terminated"
    wire.over()


def test_a_cancelled_call_takes_any_answer_for_the_end(wire, alice, targets):
    targets(A, B)
    call, invite = wire.invite(alice, BOB)
    wire.receive(wire.answer(invite, 100))
    call.terminate()
    wire.receive(wire.answer(invite, 503))
    assert wire.starts() == ["CANCEL", "ACK"]
    assert call.state == "Terminated"


def test_a_cancel_goes_where_the_last_attempt_went(wire, alice, targets):
    targets(A, B)
    call, invite = wire.invite(alice, BOB)
    wire.receive(wire.answer(invite, 100))
    wire.receive(wire.answer(invite, 503))
    _, second = wire.sent()
    call.terminate()
    assert wire.sent() == []  # §9.1: not before B has it
    wire.receive(wire.answer(second, 100))
    ((cancel, to),) = messages(wire)
    assert (cancel.method, to, cancel.via.branch) == ("CANCEL", B, second.via.branch)
    wire.receive(wire.answer(second, 487))
    assert call.state == "Terminated"


# ---------------------------------------------------------------- large requests (§18.1.1)


LARGE = [("X-Large", "x" * 1300)]


def test_a_large_invite_goes_by_tcp(wire, targets):
    alice = wire.agent("sip:alice@atlanta.com", media=True)
    directory = targets(A, TCP)
    call, invite = wire.invite(alice, BOB, headers=LARGE)
    assert [wanted.reliable for wanted in directory.asked] == [False, True]
    assert invite.via.transport == "TCP"
    assert invite.contact.uri.parameters["transport"] == "tcp"
    assert len(wire.medias) == 1
    assert wire.medias[0].done == ["offer"]
    wire.receive(wire.answer(invite, 200, body=b"answer"))
    ack = wire.one()
    assert ack.cseq.number == invite.cseq.number
    assert call.state == "InDialog"


@pytest.mark.parametrize(("size", "transport"), [(1300, "UDP"), (1301, "TCP")])
def test_where_large_begins(wire, alice, targets, size, transport):
    """§18.1.1: more than 1,300 bytes, Via and all."""
    targets(A, TCP)
    same = {"From": "<sip:alice@atlanta.com>;tag=1", "Call-ID": "1", "CSeq": "1 MESSAGE"}
    send(wire, alice, "MESSAGE", **same, Subject="-")
    request, _ = wire.way()
    more = size - len(bytes(request)) + 1
    send(wire, alice, "MESSAGE", **same, Subject="x" * more)
    request, flow = wire.way()
    assert flow.transport == transport
    assert len(bytes(request)) == size


def test_who_asks_for_udp_gets_it(wire, alice, targets):
    directory = targets(A, TCP)
    hop = NextHop("biloxi.com", None, "UDP")
    _, invite = wire.invite(alice, BOB, headers=LARGE, next_hop=hop)
    assert invite.via.transport == "UDP"
    assert len(directory.asked) == 1


def test_what_nobody_takes_by_tcp_goes_by_udp(wire, alice, targets):
    directory = targets(A)
    call, invite = wire.invite(alice, BOB, headers=LARGE)
    assert [wanted.reliable for wanted in directory.asked] == [False, True]
    assert invite.via.transport == "UDP"
    wire.receive(wire.answer(invite, 200))
    assert call.state == "InDialog"


@pytest.mark.parametrize("hop", ["10.0.0.11", "biloxi.com"])
def test_a_connection_that_is_reset(wire, alice, targets, hop):
    """It goes by UDP after all, even where the next hop is an address."""
    targets(A, TCP)
    asked = send(wire, alice, hop=hop, **dict(LARGE))
    tcp, flow = wire.way()
    assert tcp.via.transport == "TCP"
    wire.core.transport_failed(flow, "connection reset by peer", wire.now)
    udp, flow = wire.way()
    assert place(flow) == A
    assert udp.cseq == tcp.cseq
    wire.core.transport_failed(flow, "connection refused", wire.now)
    wire.pump()
    assert isinstance(asked.error, CallUnreachable)
    wire.over()


def test_it_may_be_cancelled_before_tcp_is_there(wire, alice, targets):
    directory = targets(A, TCP)
    directory.hold = True
    call = alice.server_dialog(alice)
    call.invite(BOB, headers=LARGE)
    wire.pump()
    directory.answer()
    wire.pump()
    call.terminate()
    directory.answer()
    assert wire.sent() == []
    assert call.state == "Terminated"
    wire.over()


@pytest.mark.parametrize("number", ["x OPTIONS", "1", str(2**31)])
def test_a_sequence_number_that_is_none(wire, alice, number):
    request = Request("OPTIONS", BOB)
    request._fields.append(("cseq", number, f"CSeq: {number}"))
    asked = send_out_of_dialog(alice, request, NextHop("biloxi.com"))
    wire.pump()
    assert str(asked.error).startswith("The request could not be made: ")
    assert wire.sent() == []
