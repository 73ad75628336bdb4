"""The server transactions: every row, and every timer at its exact time (RFC 3261 §17.2, RFC 6026).

Times are seconds with the default T1 of 0.5, T2 of 4, T4 of 5.
"""

import pytest

from sipparty.errors import UnexpectedInput
from sipparty.sip import Message, Request
from sipparty.sip.transaction import InviteServerTransaction, NonInviteServerTransaction

G_TIMES = [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]


class User:
    def __init__(self):
        self.heard = []

    def acknowledged(self, ack):
        self.heard.append(None if ack is None else ack.method)

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


def again(transaction):
    transaction.receive(request(method(transaction)))


# ---------------------------------------------------------------- INVITE


def test_100_comes_after_200_ms_where_the_user_takes_its_time(host, flow):
    transaction = begin(host, flow, "INVITE", ("Timestamp", "54"))
    transaction.wait()
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
        transaction.wait()
    respond(transaction, 180)
    transaction.wait()
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
    assert user.heard == [None]
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
    transaction.break_transport("gone")
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
    transaction.break_transport("gone")
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
    transaction.break_transport("gone")
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
        transaction.wait()
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
    transaction.wait()
    transaction.break_transport("gone")
    assert transaction.state == "Proceeding"
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


# ---------------------------------------------------------------- others


def test_a_request_that_comes_again_is_not_answered_before_its_user_does(host, flow):
    transaction = begin(host, flow, "OPTIONS")
    transaction.wait()
    again(transaction)
    assert host.times() == []
    assert transaction.state == "Trying"


def test_a_provisional_response_is_sent_again_for_the_request(host, flow):
    transaction = begin(host, flow, "OPTIONS")
    transaction.wait()
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
    transaction.wait()
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
    transaction.wait()
    if status:
        respond(transaction, status)
    transaction.break_transport("gone")
    respond(transaction, 200)
    assert [what for _, what in host.times()] == [*([status] if status else []), 200]


def test_a_transport_that_breaks_after_the_answer_ends_it(host, udp):
    transaction = begin(host, udp, "OPTIONS")
    transaction.wait()
    respond(transaction, 200)
    transaction.break_transport("gone")
    assert transaction.state == "Terminated"
    assert len(host.timers) == 0


def test_a_second_final_response_is_refused(host, udp):
    transaction = begin(host, udp, "OPTIONS")
    respond(transaction, 404)
    with pytest.raises(UnexpectedInput):
        respond(transaction, 200)
