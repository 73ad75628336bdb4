"""The server transactions: every row, and every timer at its exact time (RFC 3261 §17.2, RFC 6026).

Times are seconds with the default T1 of 0.5, T2 of 4, T4 of 5.
"""

import pytest

from sipparty.errors import BuildError, UnexpectedInput
from sipparty.sip import Message, Request
from sipparty.sip.fields import field
from sipparty.sip.transaction import InviteServerTransaction, NonInviteServerTransaction

G_TIMES = [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]


class User:
    def __init__(self):
        self.heard = []

    def acknowledged(self, ack):
        self.heard.append(ack.method)

    def unacknowledged(self):
        self.heard.append("no ACK")

    def cancelled(self, cancel):
        self.heard.append(cancel.method)


def request(method, *headers):
    return Request(
        method,
        "sip:bob@biloxi.com",
        [
            ("Via", "SIP/2.0/UDP 10.0.0.9;branch=z9hG4bK1"),
            ("From", "<sip:alice@atlanta.com>;tag=a1"),
            ("To", "<sip:bob@biloxi.com>"),
            ("Call-ID", "c1"),
            ("CSeq", f"7 {method}"),
            *headers,
        ],
    )


def begin(host, flow, method, *headers):
    kind = InviteServerTransaction if method == "INVITE" else NonInviteServerTransaction
    transaction = kind(host, "key", request(method, *headers), flow)
    transaction.user = User()
    return transaction


def method(transaction):
    return "INVITE" if isinstance(transaction, InviteServerTransaction) else "OPTIONS"


def respond(transaction, status):
    transaction.respond(request(method(transaction)).response(status, to_tag="b1"))


def wait(transaction):
    if transaction.state == "Initial":
        transaction.hit("wait")


def again(transaction):
    transaction.receive(request(method(transaction)))


# ---------------------------------------------------------------- INVITE


def test_100_comes_after_200_ms_where_the_user_takes_its_time(host, flow):
    transaction = begin(host, flow, "INVITE", ("Timestamp", "54"))
    wait(transaction)
    again(transaction)
    host.pass_until(0.199)
    assert host.times() == []
    host.pass_until(100)
    trying = Message.parse(host.out[0][2])
    assert host.times() == [(0.2, 100)]
    assert transaction.state == "Proceeding"
    assert trying.lines("To") == ["<sip:bob@biloxi.com>"]
    assert trying["Timestamp"] == "54"  # §8.2.6.1
    again(transaction)
    assert host.times() == [(100, 100)]


@pytest.mark.parametrize("waits", [False, True])
def test_no_100_where_the_user_answers_in_time(host, flow, waits):
    transaction = begin(host, flow, "INVITE")
    if waits:
        wait(transaction)
    respond(transaction, 180)
    wait(transaction)
    host.pass_until(10)
    assert host.times() == [(0, 180)]
    assert len(host.timers) == 0


def test_the_last_provisional_response_is_sent_again_for_the_request(host, flow):
    transaction = begin(host, flow, "INVITE")
    respond(transaction, 180)
    respond(transaction, 183)
    again(transaction)
    assert [what for _, what in host.times()] == [180, 183, 183]


def test_timers_g_and_h_over_udp(host, udp):
    transaction = begin(host, udp, "INVITE")
    respond(transaction, 486)
    host.pass_until(31.999)
    assert transaction.state == "Completed"
    host.pass_until(100)
    assert [time for time, _ in host.times()] == G_TIMES
    assert transaction.state == "Terminated"
    assert host.forgotten == [(32, "key")]
    assert len(host.timers) == 0


def test_the_user_hears_that_timer_h_ran_out(host, tcp):
    transaction = begin(host, tcp, "INVITE")
    user = transaction.user
    respond(transaction, 486)
    host.pass_until(100)
    assert host.times() == [(0, 486)]  # no timer G
    assert user.heard == ["no ACK"]
    assert host.forgotten == [(32, "key")]


def test_the_ack_ends_timer_g_and_timer_i_absorbs_what_still_comes(host, udp):
    transaction = begin(host, udp, "INVITE")
    user = transaction.user
    respond(transaction, 486)
    host.pass_until(1)
    transaction.receive(request("ACK"))
    host.pass_until(5.999)
    assert transaction.state == "Confirmed"
    transaction.receive(request("ACK"))
    again(transaction)
    transaction.cancel(request("CANCEL"))
    transaction.flow_lost(transaction.flow, "gone")
    host.pass_until(100)
    assert host.times() == [(0, 486), (0.5, 486)]
    assert user.heard == ["ACK"]
    assert host.forgotten == [(6, "key")]


def test_timer_i_is_zero_over_tcp(host, tcp):
    transaction = begin(host, tcp, "INVITE")
    respond(transaction, 486)
    transaction.receive(request("ACK"))
    assert transaction.state == "Terminated"
    assert len(host.timers) == 0


def test_a_failure_is_sent_again_for_the_request(host, flow):
    transaction = begin(host, flow, "INVITE")
    respond(transaction, 486)
    transaction.flow_lost(transaction.flow, "gone")
    transaction.cancel(request("CANCEL"))
    again(transaction)
    assert host.times() == [(0, 486), (0, 486)]
    assert transaction.user.heard == []


def test_after_a_2xx_requests_are_absorbed_until_timer_l(host, flow):
    # RFC 6026 §7.1: the transaction sends the 2xx again only when its user does.
    transaction = begin(host, flow, "INVITE")
    user = transaction.user
    respond(transaction, 180)
    respond(transaction, 200)
    assert transaction.state == "Accepted"
    host.pass_until(31)
    again(transaction)
    transaction.cancel(request("CANCEL"))
    transaction.flow_lost(transaction.flow, "gone")
    respond(transaction, 200)
    transaction.receive(request("ACK"))
    transaction.receive(request("ACK"))
    host.pass_until(31.999)
    assert transaction.state == "Accepted"
    host.pass_until(100)
    assert host.times() == [(0, 180), (0, 200), (31, 200)]
    assert user.heard == ["ACK", "ACK"]
    assert host.forgotten == [(32, "key")]


@pytest.mark.parametrize("moment", ["at once", "waiting", "ringing"])
def test_a_cancel_before_the_answer_is_the_users_to_answer(host, flow, moment):
    transaction = begin(host, flow, "INVITE")
    if moment == "ringing":
        respond(transaction, 180)
    elif moment == "waiting":
        wait(transaction)
    transaction.cancel(request("CANCEL"))
    assert transaction.user.heard == ["CANCEL"]
    respond(transaction, 487)
    assert transaction.state == "Completed"


def test_without_a_user_nobody_is_told(host, udp):
    transaction = begin(host, udp, "INVITE")
    transaction.user = None
    transaction.cancel(request("CANCEL"))
    respond(transaction, 487)
    transaction.receive(request("ACK"))
    assert transaction.state == "Confirmed"


def test_a_broken_transport_leaves_an_invite_to_its_timers(host, flow):
    transaction = begin(host, flow, "INVITE")
    wait(transaction)
    transaction.flow_lost(transaction.flow, "gone")
    assert transaction.state == "Unanswered"
    respond(transaction, 486)
    host.pass_until(100)
    assert transaction.state == "Terminated"


@pytest.mark.parametrize(("first", "second"), [(486, 200), (486, 486), (200, 486), (200, 180)])
def test_a_second_final_response_to_an_invite_is_refused(host, flow, first, second):
    transaction = begin(host, flow, "INVITE")
    respond(transaction, first)
    with pytest.raises(UnexpectedInput):
        respond(transaction, second)


def test_an_ack_before_the_answer_is_dropped(host, flow):
    transaction = begin(host, flow, "INVITE")
    respond(transaction, 180)
    transaction.receive(request("ACK"))
    assert (transaction.state, transaction.unheard) == ("Proceeding", 1)


# ---------------------------------------------------------------- a 2xx, until it is acknowledged


def test_a_2xx_is_sent_until_it_is_acknowledged_by_any_transport(host, flow):
    """RFC 3261 §13.3.1.4."""
    transaction = begin(host, flow, "INVITE")
    transaction.answer(200, repeat=True)
    host.pass_until(31.999)
    again(transaction)
    transaction.cancel(request("CANCEL"))
    transaction.flow_lost(transaction.flow, "gone")
    assert (transaction.state, transaction.user.heard) == ("Unacknowledged", [])
    user = transaction.user
    host.pass_until(100)
    assert host.times() == [(time, 200) for time in G_TIMES]
    assert user.heard == ["no ACK"]
    assert host.forgotten == [(32, "key")]
    assert (len(host.timers), host.held) == (0, 0)


def test_its_ack_ends_that_and_the_request_is_absorbed_as_long_as_ever(host, udp):
    transaction = begin(host, udp, "INVITE")
    user = transaction.user
    transaction.answer(200, body=b"x" * 1000, repeat=True)
    host.pass_until(2)
    before = host.held
    transaction.receive(request("ACK"))
    assert before - host.held > 1000
    again(transaction)
    transaction.receive(request("ACK"))
    transaction.stop()
    host.pass_until(100)
    assert host.times() == [(time, 200) for time in G_TIMES if time < 2]
    assert user.heard == ["ACK", "ACK"]
    assert (host.forgotten, host.held) == ([(32, "key")], 0)


def test_its_user_may_end_it(host, udp):
    transaction = begin(host, udp, "INVITE")
    transaction.answer(200, repeat=True)
    transaction.stop()
    transaction.stop()
    host.pass_until(100)
    assert host.times() == [(0, 200)]
    assert host.forgotten == [(32, "key")]


# ---------------------------------------------------------------- what an answer is made of


def answers(host):
    return [Message.parse(data) for _, _, data in host.out]


def test_an_answer_has_what_its_request_had_and_what_is_given(host, udp):
    transaction = begin(
        host, udp, "INVITE", ("Record-Route", "<sip:p1;lr>"), ("Record-Route", "<sip:p2;lr>"),
        ("Via", "SIP/2.0/UDP p1;branch=z9hG4bK2"), ("Subject", "x"),
    )  # fmt: skip
    extra = field("X-Any", "thing")
    transaction.answer(180)
    transaction.answer(183, "Hear This", [extra], b"sound")
    transaction.answer(200, None, [extra])
    ringing, early, final = answers(host)
    lines = ["Via", "From", "To", "Call-ID", "CSeq", "Via", "Record-Route", "Record-Route"]
    assert [line[2].split(":")[0] for line in ringing._fields] == [*lines, "Content-Length"]
    assert ringing.to.tag == early.to.tag == final.to.tag == transaction.tag != ""
    assert (ringing.status, ringing.reason, ringing.body) == (180, "Ringing", b"")
    assert (early.reason, early["X-Any"], early.body) == ("Hear This", "thing", b"sound")
    assert (final.reason, final["X-Any"], final.content_length) == ("OK", "thing", 0)


@pytest.mark.parametrize("status", [300, 486])
def test_a_failure_makes_no_dialog(host, udp, status):
    transaction = begin(host, udp, "INVITE", ("Record-Route", "<sip:p1;lr>"))
    transaction.tag = "mine"
    transaction.answer(status)
    (answer,) = answers(host)
    assert "Record-Route" not in answer
    assert answer.to.tag == "mine"


def test_a_to_that_has_a_tag_gets_no_other(host, udp):
    invite = request("INVITE")
    invite["To"] = "<sip:bob@biloxi.com>;tag=b1"
    InviteServerTransaction(host, "key", invite, udp).answer(200)
    (answer,) = answers(host)
    assert answer.lines("To") == ["<sip:bob@biloxi.com>;tag=b1"]


@pytest.mark.parametrize("way", ["answer", "respond"])
def test_what_goes_into_each_2xx(host, udp, way):
    transaction = begin(host, udp, "OPTIONS")
    transaction.extra = (field("X-One", "1"), lambda body: field("X-Body", body.decode()))
    if way == "answer":
        transaction.answer(183)
        transaction.answer(200, body=b"b")
    else:
        transaction.respond(request("OPTIONS").response(183, to_tag="b"))
        transaction.respond(request("OPTIONS").response(200, body=b"b", to_tag="b"))
    early, final = answers(host)
    assert "X-One" not in early
    assert (final["X-One"], final["X-Body"], final.body) == ("1", "b", b"b")


def test_a_reason_stays_in_its_line(host, udp):
    transaction = begin(host, udp, "OPTIONS")
    with pytest.raises(BuildError):
        transaction.answer(200, "OK\r\nX-Evil: 1")
    assert (host.out, transaction.state) == ([], "Initial")


@pytest.mark.parametrize("name", ["INVITE", "OPTIONS"])
def test_a_request_that_is_released_is_answered_by_nobody(host, udp, name):
    """RFC 3261 §16.11: who keeps no state has none here."""
    transaction = begin(host, udp, name)
    transaction.release()
    assert (transaction.state, host.out, host.held) == ("Terminated", [], 0)
    assert (host.forgotten, len(host.timers)) == ([(0, "key")], 0)


# ---------------------------------------------------------------- others


def test_a_request_that_comes_again_is_not_answered_before_its_user_does(host, flow):
    transaction = begin(host, flow, "OPTIONS")
    wait(transaction)
    again(transaction)
    assert host.times() == []
    assert transaction.state == "Trying"


def test_a_provisional_response_is_sent_again_for_the_request(host, flow):
    transaction = begin(host, flow, "OPTIONS")
    wait(transaction)
    respond(transaction, 100)
    respond(transaction, 100)
    again(transaction)
    assert [what for _, what in host.times()] == [100, 100, 100]
    assert transaction.state == "Proceeding"


@pytest.mark.parametrize("status", [200, 302, 404, 500, 603])
def test_timer_j_over_udp(host, udp, status):
    transaction = begin(host, udp, "OPTIONS")
    respond(transaction, status)
    host.pass_until(31.999)
    again(transaction)
    assert transaction.state == "Completed"
    host.pass_until(100)
    assert host.times() == [(0, status), (31.999, status)]
    assert host.forgotten == [(32, "key")]


def test_timer_j_is_zero_over_tcp(host, tcp):
    transaction = begin(host, tcp, "OPTIONS")
    respond(transaction, 200)
    assert transaction.state == "Terminated"
    assert len(host.timers) == 0


@pytest.mark.parametrize("status", [None, 100])
def test_a_request_that_nobody_answers_is_forgotten_after_64_t1(host, flow, status):
    # RFC 4320 §4.2: an answer after that is of no use to anybody.
    transaction = begin(host, flow, "OPTIONS")
    wait(transaction)
    host.pass_until(1)
    if status:
        respond(transaction, status)
    host.pass_until(100)
    assert host.forgotten == [(32, "key")]
    with pytest.raises(UnexpectedInput):
        respond(transaction, 200)


@pytest.mark.parametrize("status", [None, 100])
def test_a_broken_transport_may_be_whole_again_by_the_answer(host, flow, status):
    """§18.2.2: where the connection is gone, the answer goes by a new one."""
    transaction = begin(host, flow, "OPTIONS")
    wait(transaction)
    if status:
        respond(transaction, status)
    transaction.flow_lost(transaction.flow, "gone")
    respond(transaction, 200)
    assert [what for _, what in host.times()] == [*([status] if status else []), 200]


def test_a_transport_that_breaks_after_the_answer_ends_it(host, udp):
    transaction = begin(host, udp, "OPTIONS")
    wait(transaction)
    respond(transaction, 200)
    transaction.flow_lost(transaction.flow, "gone")
    assert transaction.state == "Terminated"
    assert len(host.timers) == 0


def test_a_second_final_response_is_refused(host, udp):
    transaction = begin(host, udp, "OPTIONS")
    respond(transaction, 404)
    with pytest.raises(UnexpectedInput):
        respond(transaction, 200)


def test_an_invite_whose_way_failed_before_any_answer_is_answered_as_ever(wire):
    """An empty datagram was sent each time that it came again."""
    wire.agent()
    invite = wire.request("INVITE")
    wire.receive(invite)
    wire.core.transport_failed(wire.flow, "gone", wire.now)
    wire.receive(invite)
    assert wire.starts() == []
    wire.pass_until(0.3)
    wire.receive(invite)
    assert wire.starts() == [100, 100]
