"""Responses made from requests (RFC 3261 §8.2.6)."""

from __future__ import annotations

import pytest

from sipparty.errors import BuildError
from sipparty.sip.message import Message

from .messages import INVITE, with_lines


def test_a_response_takes_over_what_it_must():
    # RFC 3261 §8.2.6.2: as it came, to the letter and in order.
    response = Message.parse(INVITE).response(486, to_tag="314")
    assert bytes(response) == (
        b"SIP/2.0 486 Busy Here\r\n"
        b"Via: SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bK776asdhds\r\n"
        b"v: SIP/2.0/UDP\r\n bigbox.atlanta.com;branch=z9hG4bKnashds8\r\n"
        b"TO: Bob <sip:bob@biloxi.com>;tag=314\r\n"
        b"From: Alice <sip:alice@atlanta.com>;tag=1928301774\r\n"
        b"Call-ID: a84b4c76e66710@pc33.atlanta.com\r\n"
        b"CSeq: 314159 INVITE\r\n"
        b"Content-Length: 0\r\n\r\n"
    )
    assert response.to.tag == "314"


def test_what_a_response_takes_over_besides():
    request = Message.parse(INVITE)
    assert "Timestamp" in request.response(100)  # §8.2.6.1
    assert "Timestamp" not in request.response(180)
    assert "Record-Route" not in request.response(200)
    assert request.response(200, dialog=True).record_route.address == "bigbox.atlanta.com"
    assert request.response(100).to.tag is None


def test_a_response_with_more():
    response = Message.parse(INVITE).response(
        302, "Moved on", [("Contact", "<sip:c>"), ("Allow", ("INVITE", "BYE"))], "text", to_tag="t"
    )
    assert (response.status, response.reason, response.body) == (302, "Moved on", b"text")
    assert response.contact.address == "c"
    assert response.allow == ("INVITE", "BYE")
    assert bytes(response).endswith(b"Content-Length: 4\r\n\r\ntext")
    assert Message.parse(bytes(response)) == response


@pytest.mark.parametrize(
    ("to", "answered"),
    [
        (b"<sip:b>;tag=old", b"<sip:b>;tag=old"),
        (b"<sip:b> ; TAG = old", b"<sip:b> ; TAG = old"),
        (b"<sip:b;tag=x>", b"<sip:b;tag=x>;tag=new"),
        (b'"tag=1" <sip:b>', b'"tag=1" <sip:b>;tag=new'),
        (b"sip:b", b"sip:b;tag=new"),
        (b'"tag <sip:b>', b'"tag <sip:b>;tag=new'),
    ],
)
def test_a_tag_is_added_where_there_is_none(to, answered):
    request = Message.parse(with_lines(b"To: " + to))
    assert b"\r\nTo: %s\r\n" % answered in bytes(request.response(200, to_tag="new"))


@pytest.mark.parametrize("tag", ["", "a b", "a\r\nX: y", "a;b"])
def test_a_tag_that_is_none(tag):
    with pytest.raises(BuildError, match="cannot be a tag"):
        Message.parse(INVITE).response(200, to_tag=tag)


def test_a_response_takes_over_what_was_changed():
    request = Message.parse(INVITE)
    request.to.tag = "x"
    request.via.received = "192.0.2.1"
    response = request.response(200)
    assert response.to.tag == "x"
    assert response.via.received == "192.0.2.1"


def test_a_response_is_independent_of_its_request():
    request = Message.parse(INVITE)
    response = request.response(200)
    response.to.tag = "x"
    response.via.received = "192.0.2.1"
    assert b"received=192.0.2.1" in bytes(response)
    assert bytes(request) == INVITE


def test_a_request_without_what_a_response_needs():
    response = Message.parse(with_lines(b"Subject: x")).response(400, to_tag="t")
    assert bytes(response) == b"SIP/2.0 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
