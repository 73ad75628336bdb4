"""The user agent: what it says of itself, and what it does with requests that come for it
(RFC 3261 §8.2, §11)."""

import pytest

from sipparty.errors import ParseError
from sipparty.sip import Core, Flow, SimpleCall, UserAgent
from sipparty.sip.agent import MAX_CONTACTS
from sipparty.sip.events import CallReceived, RequestReceived
from sipparty.testing import SequentialTokens

ALLOW = ("INVITE", "OPTIONS", "ACK", "BYE", "CANCEL", "PRACK", "UPDATE", "NOTIFY", "REFER")
ACCEPT = ("application/sdp", "multipart/mixed", "multipart/alternative")


def flow(transport="UDP", local=("10.0.0.1", 5060)):
    return Flow(transport, local, ("10.0.0.9", 5060), "endpoint")


@pytest.mark.parametrize(
    ("uri", "way", "contact"),
    [
        ("sip:bob@biloxi.com", flow(), "<sip:bob@10.0.0.1:5060>"),
        ("sip:bob@biloxi.com:5090", flow("TCP"), "<sip:bob@10.0.0.1:5060;transport=tcp>"),
        ("sips:bob@biloxi.com", flow("TLS"), "<sips:bob@10.0.0.1:5060;transport=tls>"),
        ("sip:bob@biloxi.com", flow(local=("2001:db8::1", 5070)), "<sip:bob@[2001:db8::1]:5070>"),
        ("sip:biloxi.com", flow(), "<sip:10.0.0.1:5060>"),
    ],
)
def test_its_contact_says_where_it_is_reached(uri, way, contact):
    agent = UserAgent(Core(SequentialTokens()), uri)
    assert agent.contact(way) == agent.contact(way) == contact


def test_so_many_contacts_are_remembered_and_no_more():
    agent = UserAgent(Core(SequentialTokens()), "sip:bob@biloxi.com")
    for port in range(1, MAX_CONTACTS + 100):
        assert agent.contact(flow("TCP", ("10.0.0.1", port))).endswith(f":{port};transport=tcp>")
        assert len(agent._contacts) <= MAX_CONTACTS
    assert agent.contact(flow()) == "<sip:bob@10.0.0.1:5060>"


def test_its_address_is_its_from():
    core = Core(SequentialTokens())
    assert UserAgent(core, "sip:bob@biloxi.com").address == "<sip:bob@biloxi.com>"
    named = UserAgent(core, "sip:bob@biloxi.com", display_name='"Bob"')
    assert named.address == '"Bob" <sip:bob@biloxi.com>'


def test_an_address_that_is_none():
    with pytest.raises(ParseError):
        UserAgent(Core(SequentialTokens()), "bob")


# ---------------------------------------------------------------- OPTIONS (§11)


def test_options_tells_what_it_can_do(wire):
    wire.agent(supported=("100rel",))
    wire.receive(wire.request("OPTIONS"))
    answer = wire.one()
    assert answer.status == 200
    assert answer.allow == ALLOW
    assert answer["Accept"] == ACCEPT
    assert answer.supported == ("100rel",)
    assert answer.contact.uri_text == "sip:bob@10.0.0.1:5060"
    assert "Accept-Encoding" in answer
    assert "Accept-Language" in answer
    assert answer.to.tag


def test_options_is_answered_as_an_invite_would_be(wire):
    wire.agent(max_calls=1)
    wire.invited()
    wire.receive(wire.request("OPTIONS", branch="z9hG4bK2", call_id="c2"))
    wire.receive(wire.request("INVITE", branch="z9hG4bK3", call_id="c3"))
    assert wire.starts() == [486, 486]


# ---------------------------------------------------------------- methods and extensions


def test_a_method_that_is_not_taken(wire):
    wire.agent()
    wire.receive(wire.request("DANCE"))
    answer = wire.one()
    assert (answer.status, answer.allow) == (501, ALLOW)


def test_a_method_of_ones_own(wire):
    agent = wire.agent()
    assert "DANCE" not in str(agent.capability_fields)
    agent.handle_method("DANCE")
    assert "DANCE" in str(agent.capability_fields)
    wire.receive(wire.request("DANCE", body=b"tango", kind="text/plain"))
    (event,) = wire.happened
    assert isinstance(event, RequestReceived)
    assert event.request.body == b"tango"
    event.incoming.respond(202, headers=[("X-Partner", "found")])
    answer = wire.one()
    assert (answer.status, answer["X-Partner"]) == (202, "found")
    assert answer.to.tag


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
@pytest.mark.parametrize(
    ("required", "supported", "unknown"),
    [
        ("100rel", (), ("100rel",)),
        ("100REL", ("100rel",), None),
        ("timer, 100rel", ("timer",), ("100rel",)),
        ("a,b", ("timer",), ("a", "b")),
    ],
)
def test_what_is_required_has_to_be_known(wire, method, required, supported, unknown):
    wire.agent(supported=supported)
    wire.receive(wire.request(method, headers=[f"Require: {required}"]))
    if unknown is None:
        assert 420 not in wire.starts()
        return
    answer = wire.one()
    assert (answer.status, answer.unsupported) == (420, unknown)
    assert wire.happened == []


def test_a_cancel_may_not_require_anything(wire):
    # §8.2.2.3: it is ignored there.
    wire.agent()
    wire.receive(wire.request("INVITE"))
    wire.receive(wire.request("CANCEL", headers=["Require: dancing"]))
    assert wire.starts() == [200, 487]


# ---------------------------------------------------------------- INVITE


@pytest.mark.parametrize(
    ("changes", "status", "header"),
    [
        ({"body": b"x", "kind": "text/plain"}, 415, ("Accept", ACCEPT)),
        ({"body": b"x", "kind": None}, 415, ("Accept", ACCEPT)),
        ({"body": b"x", "headers": ["Content-Disposition: icon"]}, 415, ("Accept", ACCEPT)),
        (
            {"body": b"x", "kind": "text/plain", "headers": ["Content-Encoding: gzip"]},
            415,
            ("Accept", ACCEPT),
        ),
        ({"body": b"x", "kind": "multipart/mixed"}, 400, None),
        ({"body": b"x", "kind": "multipart/mixed;boundary=b"}, 400, None),
        ({"body": b"--b\r\n\r\n" * 99, "kind": "multipart/mixed;boundary=b"}, 413, None),
        ({"body": b"x", "headers": ["Content-Disposition: ;"]}, 400, None),
        ({"body": b"x", "kind": "nonsense"}, 400, None),
        (
            {"body": b"x", "headers": ["Content-Encoding: gzip"]},
            415,
            ("Accept-Encoding", ("identity",)),
        ),
        ({"contact": None}, 400, None),
        ({"contact": "<tel:+15551234>"}, 400, None),
        ({"contact": "<sip:alice%@10.0.0.9>"}, 400, None),
        ({"headers": ["Record-Route: <tel:+1>"]}, 400, None),
        ({"headers": ["Record-Route: sip:p1 .example"]}, 400, None),
        ({"headers": ["Record-Route: <sip:p1;lr>, <sip:a%zz@p2>"]}, 400, None),
        ({"headers": ["Record-Route: <sip:p1;lr>", "Record-Route: <sip:a%zz@p2>"]}, 400, None),
        ({"headers": ["Require: ;"]}, 400, None),
        ({"headers": ['Record-Route: "']}, 400, None),
    ],
)
def test_an_invite_that_cannot_be_taken(wire, changes, status, header):
    agent = wire.agent(media=True)
    wire.receive(wire.request("INVITE", **changes))
    answer = wire.one()
    assert answer.status == status
    if header:
        assert answer[header[0]] == header[1]
    assert wire.happened == []
    assert not wire.core.dialogs
    assert not agent.dialogs
    wire.receive(wire.request("ACK"))
    wire.pass_until(40)
    assert wire.core.idle()


@pytest.mark.parametrize("kind", ["application/sdp", "Application/SDP;charset=utf-8"])
def test_a_description_is_taken(wire, kind):
    wire.agent()
    wire.receive(wire.request("INVITE", body=b"x", kind=kind))
    assert [type(event) for event in wire.happened] == [CallReceived]


@pytest.mark.parametrize(("most", "statuses"), [(1, [486, 486]), (2, [486]), (None, [])])
def test_only_so_many_calls_at_a_time(wire, most, statuses):
    wire.agent(max_calls=most)
    for number in range(3):
        wire.receive(wire.request("INVITE", branch=f"z9hG4bK{number}", call_id=f"c{number}"))
    assert wire.starts() == statuses


def test_a_call_that_ended_makes_room(wire):
    agent = wire.agent(max_calls=1)
    wire.invited().reject()
    call = wire.invited(branch="z9hG4bK2", call_id="c2")
    assert call.state == "InitiatingDialog"
    assert set(agent.dialogs) == {call}


def test_calls_made_count_too(wire):
    agent = wire.agent(max_calls=1)
    wire.invite(agent)
    wire.receive(wire.request("INVITE"))
    assert wire.starts() == [486]


def test_the_dialog_is_of_the_agents_class(wire):
    class Call(SimpleCall):
        pass

    agent = wire.agent(server_dialog=Call)
    call = wire.invited()
    assert type(call) is Call
    assert call.agent is agent
    assert call.party is None
