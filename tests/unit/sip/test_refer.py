"""What a REFER says: Refer-To with its headers, Referred-By, and whether reports are wanted."""

import pytest

from sipparty.errors import ParseError
from sipparty.sip import Request, Response
from sipparty.sip.dialog.replaces import Replaces
from sipparty.sip.packages.refer import ReferPackage
from sipparty.sip.refer import MAX_HEADER, Reference, refer_to, wants_no_reports
from sipparty.sip.sipfrag import status_fragment

REPLACES = Replaces("12345@192.168.118.3", "12345", "5FFE-3994")


def refer(*headers):
    return Request("REFER", "sip:bob@b.com", headers)


def read(value, *headers):
    return Reference.of(refer(("Refer-To", value), *headers))


@pytest.mark.parametrize(
    ("value", "uri", "method"),
    [
        ("sip:alice@atlanta.example.com", "sip:alice@atlanta.example.com", "INVITE"),
        ("<sip:a@b;transport=tcp;method=INVITE>", "sip:a@b;transport=tcp", "INVITE"),
        (
            "<sip:carol@cleveland.example.org;method=SUBSCRIBE>",
            "sip:carol@cleveland.example.org",
            "SUBSCRIBE",
        ),
        ("<sip:a@b;METHOD=%49NVITE>", "sip:a@b", "INVITE"),
        ("http://www.ietf.org", "http://www.ietf.org", ""),
        ('"Carol" <sips:c@d>;x=y', "sips:c@d", "INVITE"),
    ],
)
def test_whom_to_contact(value, uri, method):
    reference = read(value)
    assert (reference.uri, reference.method) == (uri, method)
    assert (reference.replaces, reference.headers, reference.referred_by) == (None, (), None)


def test_the_call_to_replace():
    """The example of RFC 3515 §2.1."""
    value = (
        "<sip:dave@denver.example.org?Replaces=12345%40192.168.118.3%3B"
        "to-tag%3D12345%3Bfrom-tag%3D5FFE-3994>"
    )
    assert read(value).replaces == REPLACES
    assert read(value).uri == "sip:dave@denver.example.org"
    assert refer_to("sip:dave@denver.example.org", REPLACES) == value


def test_headers_are_taken_if_they_are_harmless():
    value = (
        "<sip:a@b?subJect=hi%20there&From=x%3Ay&Via=1&Route=2&Contact=3&Supported=4&body=5&"
        "Require=6&Referred-By=7&Priority=urgent>"
    )
    assert read(value).headers == (("Subject", "hi there"), ("Priority", "urgent"))


@pytest.mark.parametrize("value", ["x%0d%0aVia%3a%20y", "x%00", "x" * (MAX_HEADER + 1)])
def test_a_header_is_one_line_of_some_length(value):
    assert read(f"<sip:a@b?Subject={value}>").headers == ()


def test_the_longest_header():
    assert read(f"<sip:a@b?Subject={'x' * MAX_HEADER}>").headers


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Refer-To", "sip:a@b"), ("Refer-To", "sip:c@d")],
        [("Refer-To", "<sip:a@b>, <sip:c@d>")],
        [("Refer-To", "nobody")],
        [("Refer-To", "<sip:a@b?Replaces=x>")],
        [("Refer-To", "<sip:a@b?Replaces=x%3Bto-tag%3D1%3Bfrom-tag%3D2&Replaces=x>")],
        [("Refer-To", "sip:a@b"), ("Referred-By", "sip:a@b"), ("Referred-By", "sip:c@d")],
        [("Refer-To", "sip:a@b"), ("Referred-By", "nobody")],
    ],
)
def test_what_is_no_refer(headers):
    request = refer()
    for name, value in headers:
        request._fields.append((name.lower(), value, f"{name}: {value}"))
    with pytest.raises(ParseError) as raised:
        Reference.of(request)
    assert raised.value.status == 400


def test_who_has_referred():
    value = '<sip:referror@ref.example>;cid="20398823.2UWQFN309shb3@ref.example"'
    assert read("sip:a@b", ("Referred-By", value)).referred_by == value


def test_a_uri_with_headers_gets_one_more():
    value = refer_to("sip:a@b?Subject=x", REPLACES)
    assert value.startswith("<sip:a@b?Subject=x&Replaces=12345%40")
    with pytest.raises(ParseError):
        refer_to("tel:123")
    with pytest.raises(ParseError):
        refer_to("sip:a@b>\r\nVia: x")


@pytest.mark.parametrize(
    ("headers", "silent"),
    [
        ([], False),
        ([("Refer-Sub", "false")], True),
        ([("Refer-Sub", "FALSE ;x=y")], True),
        ([("Refer-Sub", "true")], False),
        ([("Require", "nosub")], True),
        ([("Require", "norefersub")], False),
        ([("Supported", "nosub, norefersub")], False),
    ],
)
def test_whether_reports_are_wanted(headers, silent):
    assert wants_no_reports(refer(*headers)) is silent


def test_a_report_is_a_status_line():
    package = ReferPackage()
    assert package.build(Response(180, None, [("Subject", "x")])) == b"SIP/2.0 180 Ringing\r\n"
    assert package.parse(b"SIP/2.0 486 Busy Here\r\n", "message/sipfrag").status == 486
    assert package.parse(b"SIP/2.0 200 OK", "message/sipfrag").reason == "OK"
    more = b"SIP/2.0 183 Wait\r\nWarning: 399 x y\r\n\r\n"
    assert package.parse(more, "message/sipfrag").status == 183
    for body in (b"Subject: x\r\n", b"INVITE sip:a@b SIP/2.0\r\n", b"", b"SIP/2.0 7\r\n"):
        with pytest.raises(ParseError):
            package.parse(body, "message/sipfrag")
    assert status_fragment(299, "Fine") == b"SIP/2.0 299 Fine\r\n"
