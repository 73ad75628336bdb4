"""The client transactions: every row, and every timer at its exact time (RFC 3261 §17.1, RFC 6026).

Times are seconds with the default T1 of 0.5, T2 of 4, T4 of 5.
"""

import pytest

from sipparty.sip import Message, Request
from sipparty.sip.transaction import InviteClientTransaction, NonInviteClientTransaction, Timing
from sipparty.sip.transaction.client import ack_for_failure

INVITE_TIMES = [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
OTHER_TIMES = [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]


class User:
    """Remembers what it is told, and when."""

    def __init__(self, host):
        self.host, self.heard = host, []

    def _note(self, what):
        self.heard.append((self.host.timers.now, what))

    def response_received(self, response):
        self._note(response.status)

    def transaction_timed_out(self):
        self._note("timed out")

    def transaction_broken(self, reason):
        self._note(reason)

    def transaction_over(self):
        self._note("over")


def request(method, *headers):
    return Request(
        method,
        "sip:bob@biloxi.com",
        [
            ("Via", "SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1"),
            ("Via", "SIP/2.0/UDP 10.0.0.7;branch=z9hG4bK0"),
            ("Max-Forwards", "70"),
            ("From", "<sip:alice@atlanta.com>;tag=a1"),
            ("To", "<sip:bob@biloxi.com>"),
            ("Call-ID", "c1"),
            ("CSeq", f"7 {method}"),
            *headers,
        ],
    )


def begin(host, flow, method, *headers):
    kind = InviteClientTransaction if method == "INVITE" else NonInviteClientTransaction
    user = User(host)
    transaction = kind(host, ("z9hG4bK1", method), request(method, *headers), flow, user)
    transaction.hit("start")
    return transaction, user


def hear(transaction, status, tag="b1"):
    response = request(transaction.key[1]).response(status, to_tag=tag)
    transaction.hear(transaction.INPUTS[status // 100], response)


def sent(host, what):
    return [time for time, it in host.times() if it == what]


# ---------------------------------------------------------------- INVITE


def test_timers_a_and_b_over_udp(host, udp):
    transaction, user = begin(host, udp, "INVITE")
    host.pass_until(31.999)
    assert (transaction.state, user.heard) == ("Calling", [])
    host.pass_until(100)
    assert transaction.state == "Terminated"
    assert sent(host, "INVITE") == INVITE_TIMES
    assert user.heard == [(32, "timed out"), (32, "over")]
    assert host.forgotten == [(32, transaction.key)]
    assert len(host.timers) == 0


def test_timer_b_alone_over_tcp(host, tcp):
    _, user = begin(host, tcp, "INVITE")
    host.pass_until(100)
    assert sent(host, "INVITE") == [0]
    assert user.heard == [(32, "timed out"), (32, "over")]


def test_a_provisional_response_ends_timers_a_and_b(host, flow):
    transaction, user = begin(host, flow, "INVITE")
    hear(transaction, 100, None)
    host.pass_until(1000)
    hear(transaction, 180)
    assert transaction.state == "Proceeding"
    assert sent(host, "INVITE") == [0]
    assert user.heard == [(0, 100), (1000, 180)]
    assert len(host.timers) == 0


@pytest.mark.parametrize("before", [[], [180]])
def test_a_failure_is_acknowledged_each_time_until_timer_d(host, udp, before):
    transaction, user = begin(host, udp, "INVITE")
    for status in before:
        hear(transaction, status)
    hear(transaction, 486)
    host.pass_until(31)
    hear(transaction, 486)
    hear(transaction, 180)
    hear(transaction, 200)
    assert transaction.state == "Completed"
    host.pass_until(100)
    assert sent(host, "ACK") == [0, 31]
    assert user.heard == [*((0, status) for status in before), (0, 486), (32, "over")]


def test_timer_d_is_zero_over_tcp(host, tcp):
    transaction, user = begin(host, tcp, "INVITE")
    hear(transaction, 486)
    assert transaction.state == "Terminated"
    assert host.times() == [(0, "INVITE"), (0, "ACK")]
    assert user.heard == [(0, 486), (0, "over")]
    assert len(host.timers) == 0


@pytest.mark.parametrize("before", [[], [180]])
def test_each_2xx_is_for_the_user_until_timer_m(host, flow, before):
    # RFC 6026 §7.2. Timer M is 64 * T1 whatever the transport.
    transaction, user = begin(host, flow, "INVITE")
    for status in before:
        hear(transaction, status)
    hear(transaction, 200)
    assert transaction.state == "Accepted"
    host.pass_until(31)
    hear(transaction, 200, "b2")
    for ignored in (180, 486):
        hear(transaction, ignored)
    transaction.flow_lost(transaction.flow, "gone")
    host.pass_until(31.999)
    assert transaction.state == "Accepted"
    host.pass_until(100)
    assert transaction.state == "Terminated"
    assert user.heard[len(before) :] == [(0, 200), (31, 200), (32, "over")]
    assert sent(host, "ACK") == []


def test_a_broken_transport_ends_an_invite_that_nobody_has_seen(host, flow):
    transaction, user = begin(host, flow, "INVITE")
    transaction.flow_lost(transaction.flow, "no route")
    assert transaction.state == "Terminated"
    assert user.heard == [(0, "no route"), (0, "over")]


def test_a_broken_transport_does_not_end_an_invite_that_was_seen(host, udp):
    transaction, user = begin(host, udp, "INVITE")
    hear(transaction, 180)
    transaction.flow_lost(transaction.flow, "no route")
    hear(transaction, 200)
    assert user.heard == [(0, 180), (0, 200)]


def test_a_broken_transport_ends_the_wait_for_more_failures(host, udp):
    transaction, user = begin(host, udp, "INVITE")
    hear(transaction, 486)
    transaction.flow_lost(transaction.flow, "no route")
    assert transaction.state == "Terminated"
    assert user.heard == [(0, 486), (0, "over")]


def test_a_cancelled_invite_is_over_after_64_t1(host, flow):
    # §9.1: no answer to the INVITE means that it is considered cancelled.
    transaction, user = begin(host, flow, "INVITE")
    hear(transaction, 180)
    host.pass_until(10)
    transaction.cancel()
    host.pass_until(20)
    hear(transaction, 180)
    transaction.flow_lost(transaction.flow, "no route")
    host.pass_until(41.999)
    assert transaction.state == "Cancelled"
    host.pass_until(42)
    assert user.heard == [(0, 180), (20, 180), (42, "timed out"), (42, "over")]


@pytest.mark.parametrize(("status", "state"), [(487, "Completed"), (200, "Accepted")])
def test_a_cancelled_invite_that_is_answered_goes_its_usual_way(host, udp, status, state):
    transaction, user = begin(host, udp, "INVITE")
    hear(transaction, 180)
    transaction.cancel()
    hear(transaction, status)
    assert transaction.state == state
    assert user.heard == [(0, 180), (0, status)]
    assert sent(host, "ACK") == ([0] if status == 487 else [])


def test_the_ack_for_a_failure(host, udp):
    # §17.1.1.3: the INVITE's top Via alone, its routes, the To of the response.
    headers = (
        ("Route", "<sip:p1.example;lr>"),
        ("Route", "<sip:p2.example;lr>"),
        ("Contact", "<sip:alice@10.0.0.1>"),
        ("Authorization", "Basic YWxpY2U6c2VjcmV0"),
        ("Subject", "lunch"),
    )
    transaction, _ = begin(host, udp, "INVITE", *headers)
    hear(transaction, 407, "b9")
    ack = Message.parse(host.out[-1][2])
    assert (ack.method, ack.uri_text) == ("ACK", "sip:bob@biloxi.com")
    assert ack.lines("Via") == ["SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1"]
    assert ack.lines("Route") == ["<sip:p1.example;lr>", "<sip:p2.example;lr>"]
    assert ack.lines("To") == ["<sip:bob@biloxi.com>;tag=b9"]
    assert ack.lines("From") == ["<sip:alice@atlanta.com>;tag=a1"]
    assert (ack.call_id, str(ack.cseq), ack.max_forwards) == ("c1", "7 ACK", 70)
    assert ack.lines("Authorization") == ["Basic YWxpY2U6c2VjcmV0"]
    assert "Subject" not in ack
    assert "Contact" not in ack
    assert ack.body == b""


def test_the_ack_for_a_failure_has_no_body():
    invite = request("INVITE", ("Content-Type", "application/sdp"))
    invite.body = "v=0"
    ack = ack_for_failure(invite, invite.response(488, to_tag="x"))
    assert "Content-Type" not in ack
    assert ack.body == b""


# ---------------------------------------------------------------- others


def test_timers_e_and_f_over_udp(host, udp):
    transaction, user = begin(host, udp, "OPTIONS")
    host.pass_until(31.999)
    assert transaction.state == "Trying"
    host.pass_until(100)
    assert sent(host, "OPTIONS") == OTHER_TIMES
    assert user.heard == [(32, "timed out"), (32, "over")]


def test_timer_f_alone_over_tcp(host, tcp):
    _, user = begin(host, tcp, "OPTIONS")
    host.pass_until(100)
    assert sent(host, "OPTIONS") == [0]
    assert user.heard == [(32, "timed out"), (32, "over")]


def test_timer_e_is_t2_after_a_provisional_response(host, udp):
    # §17.1.2.2: what is armed runs out first, then every T2; timer F goes on.
    transaction, user = begin(host, udp, "OPTIONS")
    host.pass_until(1)
    hear(transaction, 100, None)
    assert transaction.state == "Proceeding"
    host.pass_until(100)
    assert sent(host, "OPTIONS") == [0, 0.5, 1.5, 5.5, 9.5, 13.5, 17.5, 21.5, 25.5, 29.5]
    assert user.heard == [(1, 100), (32, "timed out"), (32, "over")]


@pytest.mark.parametrize("status", [200, 302, 404, 500, 603])
@pytest.mark.parametrize("before", [[], [100]])
def test_a_final_response_is_heard_once_and_timer_k_absorbs_the_rest(host, udp, status, before):
    transaction, user = begin(host, udp, "OPTIONS")
    for provisional in before:
        hear(transaction, provisional)
    hear(transaction, status)
    host.pass_until(4.999)
    for late in (100, 200, 404):
        hear(transaction, late)
    transaction.flow_lost(transaction.flow, "gone")
    assert transaction.state == "Completed"
    host.pass_until(100)
    assert user.heard[len(before) :] == [(0, status), (5, "over")]
    assert sent(host, "OPTIONS") == [0]
    assert len(host.timers) == 0


def test_timer_k_is_zero_over_tcp(host, tcp):
    transaction, user = begin(host, tcp, "OPTIONS")
    hear(transaction, 200)
    assert transaction.state == "Terminated"
    assert user.heard == [(0, 200), (0, "over")]


@pytest.mark.parametrize("before", [[], [100]])
def test_a_broken_transport_ends_a_request(host, flow, before):
    transaction, user = begin(host, flow, "OPTIONS")
    for provisional in before:
        hear(transaction, provisional)
    transaction.flow_lost(transaction.flow, "no route")
    assert transaction.state == "Terminated"
    assert user.heard[len(before) :] == [(0, "no route"), (0, "over")]


def test_the_timers_are_those_of_the_timing(host, udp):
    host.timing = Timing(t1=0.1, t2=0.3, t4=1.0)
    transaction, user = begin(host, udp, "OPTIONS")
    host.pass_until(1.0)
    assert sent(host, "OPTIONS") == pytest.approx([0, 0.1, 0.3, 0.6, 0.9])
    hear(transaction, 200)
    host.pass_until(10)
    assert user.heard == [(1.0, 200), (2.0, "over")]


def test_what_is_sent_again_is_the_same_to_the_byte(host, udp):
    transaction, _ = begin(host, udp, "OPTIONS")
    host.pass_until(4)
    assert {data for _, _, data in host.out} == {bytes(transaction.request)}
