"""Facts: what is read of a message when it comes, by the pattern and by the general parsers."""

import pytest

from sipparty.errors import ParseError
from sipparty.sip import Message
from sipparty.sip.facts import read_closely

OPTIONS = (
    "OPTIONS sip:bob@biloxi.com SIP/2.0\r\n"
    "Via: SIP/2.0/UDP pc33.atlanta.com:5066;branch=z9hG4bK776asdhds;rport\r\n"
    "Max-Forwards: 70\r\n"
    "To: <sip:bob@biloxi.com>\r\n"
    "From: Alice <sip:alice@atlanta.com>;tag=1928301774\r\n"
    "Call-ID: a84b4c76e66710@pc33.atlanta.com\r\n"
    "CSeq: 314159 OPTIONS\r\n\r\n"
)
VIA = "SIP/2.0/UDP pc33.atlanta.com:5066;branch=z9hG4bK776asdhds;rport"
TO, FROM = "<sip:bob@biloxi.com>", "Alice <sip:alice@atlanta.com>;tag=1928301774"


def read(old="", new=""):
    assert old in OPTIONS
    return Message.parse(OPTIONS.replace(old, new, 1).encode())


def test_the_facts_of_a_request():
    facts = read().facts
    assert facts._asdict() == {
        "transport": "UDP",
        "host": "pc33.atlanta.com",
        "port": 5066,
        "branch": "z9hG4bK776asdhds",
        "rport": True,
        "maddr": None,
        "several_vias": False,
        "call_id": "a84b4c76e66710@pc33.atlanta.com",
        "from_tag": "1928301774",
        "to_tag": None,
        "number": 314159,
        "method": "OPTIONS",
        "plain": True,
    }


#: What stands in the request, what is put in its place, what changes, and whether it stays plain.
CHANGES = [
    (VIA, "SIP/2.0/TCP 192.0.2.1;alias;branch=z9hG4bK1;i=2", True,
     {"transport": "TCP", "host": "192.0.2.1", "port": None, "branch": "z9hG4bK1", "rport": False}),
    (VIA, "SIP/2.0/WSS [2001:DB8::9]:5061;rport;keep;branch=z9hG4bK1", True,
     {"transport": "WSS", "host": "2001:db8::9", "port": 5061, "branch": "z9hG4bK1"}),
    (VIA, f"{VIA};received=192.0.2.7", False, {}),
    (VIA, f"{VIA};maddr=[::1]", False, {"maddr": "::1"}),
    (VIA, f"{VIA};branch=z9hG4bK2", False, {}),
    (VIA, "SIP/2.0/UDP PC33.atlanta.com:5066;RPORT;BRANCH=z9hG4bK776asdhds", False, {}),
    (VIA, "SIP / 2.0 / UDP pc33.atlanta.com : 5066;rport ;branch = z9hG4bK776asdhds", False, {}),
    (VIA, f"{VIA}=5066", False, {"rport": False}),
    (VIA, "SIP/2.0/UDP pc33.atlanta.com:5066;rport;branch=776", False, {"branch": "776"}),
    (VIA, "SIP/2.0/UDP pc33.atlanta.com:5066;rport", False, {"branch": None}),
    (VIA, f"{VIA}, SIP/2.0/UDP other;branch=z9hG4bK2", False, {"several_vias": True}),
    (VIA, f"{VIA}\r\nVia: SIP/2.0/UDP other;branch=z9hG4bK2", True, {"several_vias": True}),
    (VIA, "SIP/2.0/UDP pc33.atlanta.com:05066;branch=z9hG4bK776asdhds;rport", False, {}),
    (TO, f"{TO};x;tag=a.b;y=\";tag=c\"", True, {"to_tag": "a.b"}),
    (TO, f"{TO};x=\">;tag=c\"", True, {"to_tag": None}),
    (TO, f"{TO};TAG=a", False, {"to_tag": "a"}),
    (TO, f"{TO};tag", False, {"to_tag": ""}),
    (TO, f"{TO};tag=a;tag=b", False, {"to_tag": "a"}),
    (TO, "sip:bob@biloxi.com;tag=a", False, {"to_tag": "a"}),
    (TO, '"bob <sip:bob@biloxi.com>;tag=a', False, {"to_tag": ""}),
    (TO, "Watson, Thomas <sip:t@example.org>", False, {"to_tag": None}),
    (TO, "Watson, Thomas <sip:t@example.org>;tag=a", False, {"to_tag": "a"}),
    (TO, 'Watson, Thomas <sip:t@example.org>;x="', False, {"to_tag": ""}),
    (f"To: {TO}\r\n", "", False, {"to_tag": None}),
    (FROM, "<sip:alice@atlanta.com>", True, {"from_tag": None}),
    (FROM, '"Al \\" <x>" <sip:alice@atlanta.com>;tag=a', False, {"from_tag": "a"}),
    (FROM, "Al,ice", False, {"from_tag": None}),
    ("314159 OPTIONS", "0007 \t OPTIONS", False, {"number": 7}),
    ("314159 OPTIONS", "7 OPT", False, {"number": 7, "method": "OPT"}),
    ("314159 OPTIONS", "2147483648 OPTIONS", False, {"number": -1, "method": ""}),
    ("CSeq: 314159 OPTIONS\r\n", "", False, {"number": -1, "method": ""}),
    ("Call-ID: a84b4c76e66710@pc33.atlanta.com\r\n", "", False, {"call_id": ""}),
    ("Call-ID: a84b4c76e66710@pc33.atlanta.com\r\n", "i: b\r\n", True, {"call_id": "b"}),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "plain", "changes"), CHANGES)
def test_what_is_written_otherwise_is_read_alike(old, new, plain, changes):
    message = read(old, new)
    expected = read().facts._replace(plain=plain, **changes)
    assert message.facts == expected
    assert read_closely(message) == expected._replace(plain=False)


@pytest.mark.parametrize("via", ["Via: ,\r\n", "Via: nonsense\r\n", ""])
def test_a_top_via_that_cannot_be_read(via):
    message = read(f"Via: {VIA}\r\n", via)
    with pytest.raises(ParseError):
        _ = message.facts


def test_a_response_has_those_of_its_request_whatever_became_of_its_via():
    response = Message.parse(bytes(read().response(180, to_tag="b")))
    assert response.facts == read().facts._replace(to_tag="b", rport=False)
    response["Via"] = f"{VIA[:-6]};rport=5070;received=192.0.2.7"
    assert response.facts == read().facts._replace(to_tag="b", rport=False)
    assert response.facts.plain


def test_facts_are_kept_and_read_again_after_a_change():
    message = read()
    assert message.facts is message.facts
    message["To"] = f"{TO};tag=b"
    assert message.facts.to_tag == "b"
    message.from_.tag = "c"
    assert bytes(message)
    assert message.facts.from_tag == "c"
    message.method = "INFO"
    assert not message.facts.plain  # it is not the CSeq's
