"""The low-level ways in that checks rely on: bytes to object and back."""

import pytest

from sipparty.errors import ParseError
from sipparty.sdp import SessionDescription
from sipparty.sip import URI, Message, Request, Response

REQUEST = (
    b"INVITE sip:bob@biloxi.com SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bK776asdhds\r\n"
    b"Max-Forwards: 70\r\n"
    b"To: Bob <sip:bob@biloxi.com>\r\n"
    b"From: Alice <sip:alice@atlanta.com>;tag=1928301774\r\n"
    b"Call-ID: a84b4c76e66710@pc33.atlanta.com\r\n"
    b"CSeq: 314159 INVITE\r\n"
    b"X-Own:   kept as   it came \r\n"
    b"Content-Length: 2\r\n"
    b"\r\n"
    b"hi"
)
RESPONSE = REQUEST.replace(b"INVITE sip:bob@biloxi.com SIP/2.0", b"SIP/2.0 299 Come In")
DESCRIPTION = (
    b"v=0\r\n"
    b"o=alice 2890844526 2890844526 IN IP4 host.atlanta.com\r\n"
    b"s=-\r\n"
    b"c=IN IP4 host.atlanta.com\r\n"
    b"t=0 0\r\n"
    b"m=audio 49170 RTP/AVP 0\r\n"
    b"a=rtpmap:0 PCMU/8000\r\n"
)


@pytest.mark.parametrize(
    ("parse", "data", "kind"),
    [
        (Message.parse, REQUEST, Request),
        (Message.parse, RESPONSE, Response),
        (SessionDescription.parse, DESCRIPTION, SessionDescription),
    ],
)
class TestBytes:
    def test_bytes_to_object_to_the_same_bytes(self, parse, data, kind):
        parsed = parse(data)
        assert type(parsed) is kind
        assert bytes(parsed) == data

    def test_whatever_is_cut_off_or_changed_is_parsed_or_refused(self, parse, data, kind):
        refused = 0
        spoilt = [data[:at] for at in range(len(data))]
        spoilt += [
            data[:at] + bytes([byte]) + data[at + 1 :]
            for at in range(0, len(data), 3)
            for byte in (0, 13, 58, 255)
        ]
        for text in spoilt:
            try:
                parsed = parse(text)
            except ParseError as error:
                refused += bool(str(error))
            else:
                assert isinstance(bytes(parsed), bytes)
        assert refused > 20


def test_a_request_says_what_it_is():
    request = Message.parse(REQUEST)
    assert (request.method, str(request.uri), request.body) == (
        "INVITE",
        "sip:bob@biloxi.com",
        b"hi",
    )
    assert (request.to.uri.username, request.cseq.number) == ("bob", 314159)


def test_a_response_says_what_it_is():
    response = Message.parse(RESPONSE)
    assert (response.status, response.reason) == (299, "Come In")


@pytest.mark.parametrize("data", [b"", b"\r\n\r\n", b"\0", b"INVITE", b"SIP/2.0 2000 No\r\n\r\n"])
def test_what_is_no_message_is_a_parse_error(data):
    with pytest.raises(ParseError):
        Message.parse(data)


@pytest.mark.parametrize("text", ["sip:bob@biloxi.com", b"sip:bob@biloxi.com"])
def test_uri_parse_takes_text_and_bytes(text):
    uri = URI.parse(text)
    assert (uri.scheme, uri.username, str(uri)) == ("sip", "bob", "sip:bob@biloxi.com")


@pytest.mark.parametrize(
    "text", ["", "bob", "sip:", "sip:@b", "sip:a@b:x", b"sip:\xff@b:", "sip:a@ b"]
)
def test_uri_parse_refuses_the_rest(text):
    with pytest.raises(ParseError):
        URI.parse(text)


def test_text_after_the_object_is_the_text_before():
    for text in (
        "sip:alice:secret@[2001:db8::1]:5061;transport=tcp;lr?subject=tea&to=bob%40b.com",
        "sips:+1-212@gateway.com;user=phone",
        "sip:atlanta.com",
        "tel:+12125551212",
    ):
        assert str(URI.parse(text)) == text
