"""Strangers who take a call out of its channel, or end it, without being in it."""

import pytest

from sipparty.sip import Flow
from sipparty.sip.auth import DigestClient

from ..unit.sip.conftest import Wire

CHALLENGE = (
    "WWW-Authenticate",
    'Digest realm="biloxi.com", nonce="n", qop="auth", algorithm=SHA-256',
)


@pytest.mark.parametrize(
    "headers",
    [
        [("Contact", "<sip:bob@192.0.2.66>")],
        [("Contact", "<sips:bob@10.0.0.9>"), ("Record-Route", "<sip:192.0.2.66;lr>")],
    ],
)
def test_credentials_of_a_secure_call_do_not_leave_it(headers):
    """The callee of a sips: call challenges the INVITE, and answers the next one with a Contact, or
    a Record-Route, in clear: the ACK went there by UDP, with the Authorization of the INVITE, and
    so did the BYE.
    """
    wire = Wire("TLS")
    alice = wire.agent("sip:alice@atlanta.com")
    alice.digest = DigestClient(default=("alice", "secret"), tokens=wire.core.tokens.tag)
    call, invite = wire.invite(alice, "sips:bob@10.0.0.9")
    wire.receive(wire.answer(invite, 401, headers=[CHALLENGE]))
    ack, again = wire.sent()
    assert (ack.method, "Authorization" in again) == ("ACK", True)
    (secure,) = {one.flow for one in wire.core.transactions.clients.values()}
    wire.hold_flows = True
    wire.receive(wire.answer(again, 200, contact=None, headers=headers))
    # RFC 3261 §13.2.2.4: ACK and BYE leave all the same, by the flow that the INVITE took.
    assert [(one.endpoint, one.next_hop.secure) for one in wire.wanted] == [(secure, True)] * 2
    wire.hold_flows = False
    for wanted in wire.wanted:
        wire.give_flow(wanted)
    ack, bye = wire.sent()
    assert (ack.method, bye.method) == ("ACK", "BYE")
    assert ack.uri_text == bye.uri_text == again.uri_text
    wire.receive(wire.answer(bye, 200))
    assert call.state == "Error"
    wire.over()


def test_a_branch_alone_cancels_nothing():
    """Who has seen the branch of an INVITE in a log, or has guessed that of a client that counts,
    cancelled its call from elsewhere.
    """
    wire = Wire()
    wire.agent()
    call = wire.invited()
    elsewhere = Flow("UDP", wire.flow.local, ("192.0.2.66", 5060), "endpoint")
    via = "SIP/2.0/UDP 10.0.0.9;branch=z9hG4bK1"
    forged = wire.request("CANCEL", via=via, call_id="x", from_="<sip:m@x.example>;tag=m")
    wire.receive(forged, elsewhere)
    assert wire.starts() == [481]
    assert call.state == "InitiatingDialog"


def test_a_response_for_somebody_else_changes_nothing():
    """A response with our branch and another sent-by ended a call."""
    wire = Wire()
    call, invite = wire.invite(wire.agent("sip:alice@atlanta.com"))
    stray = wire.answer(invite, 486).replace(b"UDP 10.0.0.1:5060", b"UDP 192.0.2.66:5060")
    wire.receive(stray)
    assert call.state == "InitiatingDialog"
    assert wire.core.counters["stray_responses"] == 1
