"""The 2xx to an INVITE is sent until it is acknowledged (RFC 3261 §13.3.1.4)."""

import pytest

from sipparty.sip import Message
from sipparty.sip.dialog.acceptance import Acceptance
from sipparty.sip.transaction import InviteServerTransaction

TIMES = [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]


class User:
    def __init__(self):
        self.heard = []

    def acceptance_acknowledged(self, acceptance, ack):
        self.heard.append("acknowledged")

    def acceptance_abandoned(self, acceptance):
        self.heard.append("abandoned")


@pytest.fixture
def accept(host, wire):
    def make(flow):
        invite = Message.parse(wire.request("INVITE"))
        transaction = InviteServerTransaction(host, "key", invite, flow)
        user = User()
        return Acceptance(transaction, invite.response(200, to_tag="b1"), 1, user, False), user

    return make


def test_it_is_sent_again_over_every_transport(host, accept, flow):
    acceptance, user = accept(flow)
    host.pass_until(31.999)
    assert user.heard == []
    host.pass_until(100)
    assert host.times() == [(time, 200) for time in TIMES]
    assert (acceptance.state, user.heard) == ("Abandoned", ["abandoned"])
    assert len(host.timers) == 0


def test_the_first_ack_ends_it(host, accept, udp):
    acceptance, user = accept(udp)
    host.pass_until(2)
    for _ in range(2):
        acceptance.hear("ack", None)
    host.pass_until(100)
    assert host.times() == [(time, 200) for time in TIMES if time < 2]
    acceptance.hit("stop")
    assert (acceptance.state, user.heard) == ("Acknowledged", ["acknowledged"])
    assert acceptance.unheard == 0


def test_its_user_may_end_it(host, accept, udp):
    acceptance, user = accept(udp)
    acceptance.hit("stop")
    acceptance.hear("ack", None)
    acceptance.hit("stop")
    host.pass_until(100)
    assert host.times() == [(0, 200)]
    assert (acceptance.state, user.heard) == ("Abandoned", [])


def test_an_ack_without_a_user_is_taken(host, accept, udp):
    acceptance, user = accept(udp)
    acceptance.user = None
    acceptance.hear("ack", None)
    assert (acceptance.state, user.heard) == ("Acknowledged", [])
