"""The state of a dialog, and requests made of it (RFC 3261 §12)."""

import pytest

from sipparty.errors import ParseError
from sipparty.sip import Message, Request
from sipparty.sip.dialog.state import DialogState
from sipparty.sip.grammar import address_tag
from sipparty.sip.routing import record_route, remote_target

LOOSE = ("<sip:p1.example;lr>", "<sip:p2.example;lr>")
STRICT = ("<sip:p1.example;transport=udp>", "<sip:p2.example;lr>")


def invite(*headers, without=(), **values):
    fields = {
        "Via": "SIP/2.0/UDP 10.0.0.9;branch=z9hG4bK1",
        "From": '"Alice" <sip:alice@atlanta.com>;tag=a1',
        "To": "<sip:bob@biloxi.com>",
        "Call-ID": "c1",
        "CSeq": "314159 INVITE",
        "Contact": "<sip:alice@10.0.0.9:5070>",
        **values,
    }
    lines = [f"{name}: {value}" for name, value in fields.items() if name not in without]
    text = "\r\n".join(["INVITE sip:bob@biloxi.com SIP/2.0", *lines, *headers, "", ""])
    return Message.parse(text.encode())


def state(**changes):
    values = {
        "call_id": "c1",
        "local": "<sip:alice@atlanta.com>;tag=a1",
        "local_tag": "a1",
        "remote": "<sip:bob@biloxi.com>;tag=b1",
        "remote_tag": "b1",
        "local_seq": 10,
        "remote_target": "sip:bob@10.0.0.2",
        **changes,
    }
    return DialogState(**values)


# ---------------------------------------------------------------- the side that is called (§12.1.1)


def test_the_state_of_the_side_that_is_called():
    routes = ("Record-Route: <sip:p1.example;lr>, <sip:p2.example;lr>", "record-route: <sip:p3;lr>")
    data = DialogState.of_request(invite(*routes), "b1", 77)
    assert data.identity == ("c1", "b1", "a1")
    assert data.local == "<sip:bob@biloxi.com>;tag=b1"
    assert data.remote == '"Alice" <sip:alice@atlanta.com>;tag=a1'
    assert (data.local_seq, data.remote_seq) == (77, 314159)
    assert data.remote_target == "sip:alice@10.0.0.9:5070"
    assert data.route_set == ("<sip:p1.example;lr>", "<sip:p2.example;lr>", "<sip:p3;lr>")


def test_an_old_caller_may_have_no_tag():
    data = DialogState.of_request(invite(From="<sip:alice@atlanta.com>"), "b1", 1)
    assert data.remote_tag == ""
    assert data.request("BYE", []).lines("To") == ["<sip:alice@atlanta.com>"]


@pytest.mark.parametrize("name", ["From", "To", "Call-ID", "CSeq", "Contact"])
def test_what_has_to_be_there(name):
    with pytest.raises(ParseError) as caught:
        DialogState.of_request(invite(without=[name]), "b1", 1)
    assert caught.value.status == 400
    assert name.lower() in caught.value.expected.lower()


def test_a_long_message_without_a_header_is_shown_in_part():
    text = invite(f"X-Long: {'x' * 200}", without=["Call-ID"])
    with pytest.raises(ParseError) as caught:
        DialogState.of_request(text, "b1", 1)
    assert len(caught.value.text) == 80


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CSeq", "many INVITE"),
        ("CSeq", "2147483648 INVITE"),
        ("From", "<sip:alice@atlanta.com"),
        ("Contact", "<sip:alice%@10.0.0.9>"),
        ("Contact", "<>"),
        ("Contact", "<tel:+15551234>"),
        ("Contact", "*"),
        ("Contact", ","),
        ("Contact", '"Alice <sip:alice@10.0.0.9>'),
    ],
)
def test_what_has_to_be_right(name, value):
    with pytest.raises(ParseError):
        DialogState.of_request(invite(**{name: value}), "b1", 1)


# ---------------------------------------------------------------- the side that calls (§12.1.2)


def answer(*headers, to="<sip:bob@biloxi.com>;tag=b1", contact="<sip:bob@10.0.0.2>"):
    lines = ["SIP/2.0 200 OK", f"To: {to}", *headers]
    if contact:
        lines.append(f"Contact: {contact}")
    return Message.parse("\r\n".join([*lines, "", ""]).encode())


def test_the_state_of_the_side_that_calls():
    before = state(remote="<sip:bob@biloxi.com>", remote_tag="", remote_target="sip:bob@biloxi.com")
    routes = ("Record-Route: <sip:p1.example;lr>", "Record-Route: <sip:p2.example;lr>")
    data = before.answered_by(answer(*routes))
    assert data.identity == ("c1", "a1", "b1")
    assert data.remote == "<sip:bob@biloxi.com>;tag=b1"
    assert data.local_seq == 10
    assert data.remote_seq == -1
    assert data.remote_target == "sip:bob@10.0.0.2"
    assert data.route_set == ("<sip:p2.example;lr>", "<sip:p1.example;lr>")  # turned round
    assert before.remote_tag == ""


def test_a_preloaded_route_is_not_part_of_the_dialog():
    before = state(route_set=("<sip:outbound.example;lr>",))
    assert before.answered_by(answer()).route_set == ()


def test_an_answer_without_a_contact_leaves_the_target():
    assert state().answered_by(answer(contact=None)).remote_target == "sip:bob@10.0.0.2"


def test_an_answer_without_a_tag_is_an_old_one():
    assert state().answered_by(answer(to="<sip:bob@biloxi.com>")).remote_tag == ""


def test_an_answer_has_a_to():
    with pytest.raises(ParseError):
        state().answered_by(answer(to=""))


# ---------------------------------------------------------------- requests (§12.2.1.1)


def test_a_request_within_a_dialog():
    data = state()
    bye = data.request("BYE", [])
    assert (bye.method, bye.uri_text) == ("BYE", "sip:bob@10.0.0.2")
    assert bye.lines("From") == ["<sip:alice@atlanta.com>;tag=a1"]
    assert bye.lines("To") == ["<sip:bob@biloxi.com>;tag=b1"]
    assert bye.lines("Call-ID") == ["c1"]
    assert bye.lines("CSeq") == ["11 BYE"]
    assert bye.lines("Max-Forwards") == ["70"]
    assert "Route" not in bye
    assert data.request("INFO", []).cseq.number == 12


def test_an_ack_has_the_number_of_its_invite():
    data = state()
    assert str(data.request("ACK", [], b"", 7).cseq) == "7 ACK"
    assert data.local_seq == 10


def test_loose_routes_stand_before_the_target():
    data = state(route_set=LOOSE)
    bye = data.request("BYE", [])
    assert bye.uri_text == "sip:bob@10.0.0.2"
    assert bye.lines("Route") == list(LOOSE)
    assert data.next_hop().host == "p1.example"


def test_a_strict_router_takes_the_request_uri():
    data = state(route_set=STRICT)
    bye = data.request("BYE", [])
    assert bye.uri_text == "sip:p1.example;transport=udp"
    assert bye.lines("Route") == ["<sip:p2.example;lr>", "<sip:bob@10.0.0.2>"]
    assert data.next_hop()[:4] == ("p1.example", None, "UDP", False)


def test_without_routes_the_target_is_the_next_hop():
    data = state(remote_target="sip:bob@10.0.0.2:5080;transport=tcp")
    assert data.next_hop()[:4] == ("10.0.0.2", 5080, "TCP", False)


@pytest.mark.parametrize("route", ["<tel:+15551234>", "nonsense", "<sip:p1:99999;lr>"])
def test_a_route_that_leads_nowhere(route):
    with pytest.raises(ParseError):
        state(route_set=(route,)).next_hop()


# ---------------------------------------------------------------- the parts


@pytest.mark.parametrize(
    ("address", "tag"),
    [
        ("<sip:bob@biloxi.com>;tag=b1", "b1"),
        ("<sip:bob@biloxi.com> ; x=y ; TAG = b1", "b1"),
        ("sip:bob@biloxi.com;tag=b1", "b1"),
        ('"tag=no" <sip:bob@biloxi.com>', None),
        ("<sip:bob@biloxi.com;tag=no>", None),
        ('<sip:bob@biloxi.com>;x=">;tag=no";tag=b1', "b1"),
        ("<sip:bob@biloxi.com>", None),
    ],
)
def test_the_tag_of_an_address(address, tag):
    assert address_tag(address) == tag


def test_the_target_is_the_first_contact():
    request = Request("INVITE", "sip:x@y")
    assert remote_target(request, required=False) == ""
    request.add("Contact", '"a, b" <sip:one@h;x=y>;q=1, <sip:two@h>')
    assert remote_target(request, required=True) == "sip:one@h;x=y"
    assert record_route(request) == ()


# ---------------------------------------------------------------- what is sent on


@pytest.mark.parametrize("method", ["BYE", "ACK"])
def test_nothing_of_a_contact_but_its_address_goes_into_a_request_line(method):
    # §19.1.1 table 1: whoever calls could have us send headers of theirs.
    contact = "<sip:alice@10.0.0.9;method=REGISTER;x=1?Route=%3Csip:evil%3E&Subject=x>"
    data = DialogState.of_request(invite(Contact=contact), "b1", 1)
    assert data.remote_target == "sip:alice@10.0.0.9;x=1"
    assert data.request(method, []).uri_text == "sip:alice@10.0.0.9;x=1"
    theirs = state().answered_by(answer(contact="<sip:bob@10.0.0.2?a=b>"))
    assert theirs.remote_target == "sip:bob@10.0.0.2"


def test_nor_of_a_strict_router():
    data = state(route_set=("<sip:p1.example;method=x?a=b>",), remote_target="sip:bob@h")
    assert data.request("BYE", []).uri_text == "sip:p1.example"


def test_what_was_read_mildly_is_sent_as_it_should_be():
    request = invite(
        From="Alice < sip:alice@atlanta.com >;;tag=a1;",
        To="<sip:bob@biloxi.com;x=1; y=2>",
        Contact="< sip:alice@10.0.0.9 >;",
        **{"Record-Route": "< sip:p1;lr >;, <sip:p2;lr>"},
    )
    data = DialogState.of_request(request, "b1", 1)
    bye = data.request("BYE", [])
    assert bye.uri_text == "sip:alice@10.0.0.9"
    assert bye.lines("To") == ["Alice <sip:alice@atlanta.com>;tag=a1"]
    assert bye.lines("From") == ["<sip:bob@biloxi.com;x=1;y=2>;tag=b1"]
    assert bye.lines("Route") == ["<sip:p1;lr>", "<sip:p2;lr>"]


@pytest.mark.parametrize("route", ["<sip:a%zz@p2>", "<tel:+1>", "p2", "<sip:p2;maddr=-x>"])
def test_every_route_of_an_answer_has_to_be_one(route):
    with pytest.raises(ParseError):
        state().answered_by(answer(f"Record-Route: <sip:p1;lr>, {route}"))


def test_what_is_not_proven_goes_back_whatever_its_contact_says(wire):
    wire.agent()
    contact = "<sip:alice@10.0.0.9;maddr=192.0.2.99>"
    call = wire.invited(contact=contact)
    hop = call.dialog_state.next_hop()
    assert (hop.place, hop.port) == wire.flow.remote
    call.dialog_state.proven = True
    assert call.dialog_state.next_hop().place == "192.0.2.99"
