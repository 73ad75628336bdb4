"""Calls to a `sips:` URI: each hop of each request is secure, or there is no call (RFC 3261
§12.1.1, §26.2.2; RFC 5630)."""

import pytest

from sipparty.errors import CallFailed
from sipparty.sip import SimpleCall
from sipparty.sip.routing import NextHop

SIPS_BOB = "sips:bob@10.0.0.9"


@pytest.fixture
def wire(wire):
    return type(wire)("TLS")


@pytest.fixture
def alice(wire):
    return wire.agent("sip:alice@atlanta.com")


@pytest.fixture
def bob(wire):
    return wire.agent()


# ---------------------------------------------------------------- calling


@pytest.mark.parametrize(
    "headers",
    [
        [("Contact", "<sip:bob@10.0.0.9>")],
        [("Contact", "<sips:bob@10.0.0.9>"), ("Record-Route", "<sip:10.0.0.9;lr>")],
        [
            ("Contact", "<sips:bob@10.0.0.9>"),
            ("Record-Route", "<sip:10.0.0.7;lr>"),
            ("Record-Route", "<sips:10.0.0.8;lr>"),
        ],
    ],
)
@pytest.mark.parametrize("when", ["ringing", "cancelled"])
def test_an_answer_that_leads_away_from_tls_is_not_followed(wire, alice, headers, when):
    """A callee who names a way in clear gets neither ACK, with its credentials, nor BYE there, but
    by the way of the INVITE (RFC 3261 §13.2.2.4)."""
    call, invite = wire.invite(alice, SIPS_BOB)
    (transaction,) = wire.core.transactions.clients.values()
    wire.hold_flows = True
    if when == "cancelled":
        wire.receive(wire.answer(invite, 180, contact=None))
        call.terminate()
        assert wire.starts() == ["CANCEL"]
    wire.receive(wire.answer(invite, 200, contact=None, headers=headers))
    assert wire.sent() == []
    assert [wanted.endpoint for wanted in wire.wanted] == [transaction.flow] * 2
    assert all(wanted.next_hop.secure for wanted in wire.wanted)
    wire.hold_flows = False
    for wanted in wire.wanted:
        wire.give_flow(wanted)
    ack, bye = wire.sent()
    assert (ack.method, bye.method) == ("ACK", "BYE")
    assert ack.uri_text == bye.uri_text == invite.uri_text
    wire.receive(wire.answer(bye, 200))
    assert call.state == ("Terminated" if when == "cancelled" else "Error")
    if when == "ringing":
        assert "expected a sips: URI, as the call is to one" in str(call.last_error)
    wire.over()


def test_a_secure_call(wire, alice):
    call, invite = wire.invite(alice, "SIPS:bob@10.0.0.9")
    # §8.1.1.8: a sips: Contact, though our own address is none.
    assert invite.contact.uri_text == "sips:alice@10.0.0.1:5060;transport=tls"
    route = [("Record-Route", "<sips:10.0.0.8;lr>")]
    wire.hold_flows = True
    wire.receive(wire.answer(invite, 200, contact="<SIPS:bob@10.0.0.9>", headers=route))
    call.terminate()
    wire.pump()
    assert [wanted.next_hop.secure for wanted in wire.wanted] == [True, True]
    assert call.dialog_state.secure


def test_a_proxy_that_is_given_plainly_is_asked_for_by_tls(wire, alice):
    """The call would go by UDP else, whatever its request-URI says."""
    wire.hold_flows = True
    for options in (
        {"routes": ("<sip:10.0.0.5;lr>",)},
        {"routes": ("<sip:10.0.0.5;transport=udp;lr>",)},
        {"next_hop": NextHop("10.0.0.5", None, "UDP")},
    ):
        SimpleCall(alice).invite(SIPS_BOB, **options)
    wire.pump()
    assert [wanted.next_hop for wanted in wire.wanted] == [
        NextHop("10.0.0.5", None, None, secure=True)
    ] * 3


# ---------------------------------------------------------------- being called


def called(wire, **changes):
    changes.setdefault("contact", "<sips:alice@10.0.0.9>")
    wire.receive(wire.request("INVITE", "sips:bob@biloxi.com", **changes))


@pytest.mark.parametrize(
    "change",
    [
        {"contact": "<sip:alice@10.0.0.9>"},
        {"headers": ["Record-Route: <sip:10.0.0.8;lr>"]},
        {"headers": ["Record-Route: <sips:10.0.0.8;lr>, <sip:10.0.0.7;lr>"]},
    ],
)
def test_a_call_that_leads_away_from_tls_is_refused(wire, bob, change):
    """RFC 5630 §5.1.2."""
    called(wire, **change)
    answer = wire.one()
    assert answer.status == 400
    assert "a sips: URI, as the call is to one" in answer["Warning"]
    assert wire.happened == []
    assert not wire.core.dialogs


def test_a_secure_call_that_comes_in_clear_is_refused(make_pair, wire):
    plain = type(wire)("UDP")
    plain.agent()
    called(plain)
    answer = plain.one()
    assert answer.status == 480
    assert answer["Warning"] == '380 sipparty "SIPS Not Allowed"'
    assert plain.happened == []


@pytest.mark.parametrize(
    ("uri", "changes", "scheme"),
    [
        ("sips:bob@biloxi.com", {"contact": "<sips:alice@10.0.0.9>"}, "sips"),
        ("sip:bob@biloxi.com", {"contact": "<sips:alice@10.0.0.9>"}, "sips"),
        ("sip:bob@biloxi.com", {"headers": ["Record-Route: <sips:10.0.0.8;lr>"]}, "sips"),
        (
            "sip:bob@biloxi.com",
            {"contact": "<sips:a@10.0.0.9>", "headers": ["Record-Route: <sip:10.0.0.8;lr>"]},
            "sip",
        ),
        ("sip:bob@biloxi.com", {}, "sip"),
    ],
)
def test_our_contact_is_as_secure_as_it_has_to_be(wire, bob, uri, changes, scheme):
    """§12.1.1."""
    wire.receive(wire.request("INVITE", uri, **changes))
    wire.happened[-1].call.accept()
    assert wire.one().contact.uri_text == f"{scheme}:bob@10.0.0.1:5060;transport=tls"


def test_a_reinvite_does_not_move_a_secure_call_into_the_clear(wire, bob):
    called(wire)
    call = wire.happened[-1].call
    call.accept()
    answer = wire.one()
    wire.acknowledge(answer)
    wire.receive(wire.within(answer, "INVITE", contact="<sip:alice@10.0.0.9>"))
    refusal = wire.one()
    assert refusal.status == 400
    assert "Warning" in refusal
    assert call.remote_target == "sips:alice@10.0.0.9"
    wire.receive(wire.within(answer, "INVITE", 3, contact="<sips:alice@10.0.0.4>"))
    assert call.remote_target == "sips:alice@10.0.0.4"


def test_our_contact_is_as_secure_in_a_reinvite(wire, bob):
    """A proxy that records itself as sips: wants a sips: Contact each time (§12.1.1)."""
    call = wire.invited(headers=["Record-Route: <sips:10.0.0.8;lr>"])
    call.accept()
    answer = wire.one()
    assert answer.contact.uri_text.startswith("sips:")
    wire.receive(wire.within(answer, "ACK", 1))
    wire.receive(wire.within(answer, "INVITE", 2))
    assert wire.sent()[-1].contact.uri_text == answer.contact.uri_text


def test_a_plain_call_may_be_answered_by_any_contact(wire, alice):
    call, invite = wire.invite(alice, "sip:bob@10.0.0.9")
    wire.receive(wire.answer(invite, 200, contact="<sips:bob@10.0.0.9>"))
    assert call.state == "InDialog"
    assert not isinstance(call.last_error, CallFailed)
