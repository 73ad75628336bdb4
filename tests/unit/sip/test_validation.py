import pytest

from sipparty.errors import ParseError
from sipparty.sip import Message, Request, Response
from sipparty.sip.validation import (
    Finding,
    check_response,
    findings,
    first_fault,
    is_rfc2543,
)

INVITE = (
    "INVITE sip:bob@biloxi.com:5060;transport=udp SIP/2.0\r\n"
    "Via: SIP/2.0/UDP pc33.atlanta.com:5060;branch=z9hG4bK776asdhds;rport\r\n"
    "Max-Forwards: 70\r\n"
    'To: "Bob" <sip:bob@biloxi.com>\r\n'
    "From: Alice <sip:alice@atlanta.com>;tag=1928301774\r\n"
    "Call-ID: a84b4c76e66710@pc33.atlanta.com\r\n"
    "CSeq: 314159 INVITE\r\n"
    "Contact: <sip:alice@pc33.atlanta.com>\r\n"
    "Content-Length: 0\r\n"
)


def is_plain(message):
    try:
        return message.facts.plain
    except ParseError:
        return False  # not even that can be read


def made(old="", new="", text=INVITE):
    assert old in text
    return Message.parse((text.replace(old, new, 1) + "\r\n").encode())


def test_a_request_that_is_right():
    request = made()
    assert request.facts.plain
    assert first_fault(request) is None
    assert findings(request) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("sip:bob@biloxi.com:5060;transport=udp", "sip:bob-0x5571@192.0.2.4:64999"),
        ("pc33.atlanta.com:5060;branch", "192.0.2.1:53211;branch"),
        ("pc33.atlanta.com:5060;branch", "[2001:db8::1]:53211;branch"),
        ("sip:alice@pc33.atlanta.com", "sip:alice@[2001:db8::1]:5060;transport=tcp"),
        ("sip:alice@pc33.atlanta.com", "sip:alice@[1:2:3:4:5:6:7:8]"),
        ("sip:alice@pc33.atlanta.com", "sip:alice@my_pbx.local-net"),
        ("Max-Forwards: 70\r\n", ""),
        ("Contact: <sip:alice@pc33.atlanta.com>\r\n", "Content-Type: application/sdp\r\n"),
        ("Max-Forwards", "Record-Route: <sip:p1;lr>, <sip:p2;lr>\r\nRequire: a, b\r\nMax-Forwards"),
        ("Max-Forwards", "Record-Route: <sip:p1;lr>\r\nRecord-Route: <sip:p2;lr>\r\nMax-Forwards"),
        ("<sip:alice@pc33.atlanta.com>", '<sip:a@a.com:1>;+sip.instance="<urn:uuid:1>";expires=9'),
        ('"Bob" <sip:bob@biloxi.com>', "<sip:bob@biloxi.com>;tag=8321234356"),
        ("Max-Forwards", "Via: SIP/2.0/TCP p1.example:5070;branch=z9hG4bK2\r\nMax-Forwards"),
    ],
)
def test_what_phones_send_is_plain(old, new):
    assert made(old, new).facts.plain


#: What stands in the request, what is put in its place, and what is found: status and header.
FAULTS = [
    ("SIP/2.0\r\nVia", "SIP/3.0\r\nVia", 505, "SIP-Version"),
    ("sip:bob@biloxi.com:5060;transport=udp", "tel:+12125551212", 416, "Request-URI"),
    ("sip:bob@biloxi.com:5060;transport=udp", "sip:bob@:5060", 400, "Request-URI"),
    ("sip:bob@biloxi.com:5060;transport=udp", "sip:bob@biloxi.com:99999", 400, "Request-URI"),
    ("sip:bob@biloxi.com:5060;transport=udp", "sip:bob@biloxi.com?Subject=x", 400, "Request-URI"),
    ("sip:bob@biloxi.com:5060;transport=udp", "<sip:bob@biloxi.com>", 400, "Request-URI"),
    ("CSeq: 314159 INVITE\r\n", "", 400, "CSeq"),
    ("314159 INVITE", "314159 BYE", 400, "CSeq"),
    ("314159 INVITE", "314159 invite", 400, "CSeq"),
    ("314159 INVITE", "2147483648 INVITE", 400, "CSeq"),
    ("314159 INVITE", "-1 INVITE", 400, "CSeq"),
    ("314159 INVITE", "INVITE", 400, "CSeq"),
    ("CSeq: 314159 INVITE", "CSeq: 314159 INVITE\r\nCSeq: 314159 INVITE", 400, "CSeq"),
    ("Call-ID: a84b4c76e66710@pc33.atlanta.com\r\n", "", 400, "Call-ID"),
    ("Call-ID: a84b4c76e66710@pc33.atlanta.com\r\n", "Call-ID: \r\n", 400, "Call-ID"),
    ("Call-ID: ", "i: other\r\nCall-ID: ", 400, "Call-ID"),
    ("From: Alice <sip:alice@atlanta.com>;tag=1928301774\r\n", "", 400, "From"),
    ("From: Alice <sip:alice@atlanta.com>", "From: Alice sip:alice@atlanta.com", 400, "From"),
    ("From: Alice <", "From: Al,ice <", 400, "From"),
    ("From: Alice", "f: <sip:eve@atlanta.com>\r\nFrom: Alice", 400, "From"),
    (";tag=1928301774", ";tag=1928301774, <sip:eve@atlanta.com>;tag=2", 400, "From"),
    ('To: "Bob" <sip:bob@biloxi.com>', "To: <sip:bob@biloxi.com>, <sip:eve@biloxi.com>", 400, "To"),
    ('To: "Bob" <sip:bob@biloxi.com>\r\n', "", 400, "To"),
    ('To: "Bob" <', 'To: "Bob <', 400, "To"),
    ("<sip:bob@biloxi.com>", "<sip:bob@biloxi.com", 400, "To"),
    ("<sip:bob@biloxi.com>", "<sip:bob%zz@biloxi.com>", 400, "To"),
    ("<sip:bob@biloxi.com>", "<sip:bob@-x>", 400, "To"),
    ("<sip:bob@biloxi.com>", "<sip:bob@1.2.3.999>", 400, "To"),
    ("<sip:bob@biloxi.com>", "<sip:bob@biloxi.com?b>", 400, "To"),
    ("<sip:alice@atlanta.com>", "<sip:a\x1b[2J@x>", 400, "From"),
    ("<sip:alice@atlanta.com>", "<sip:a\0@x>", 400, "From"),
    (";tag=1928301774", ";tag=\x1b[2J", 400, "From"),
    ("a84b4c76e66710@", "a84b\x1b@", 400, "Call-ID"),
    ("<sip:alice@pc33.atlanta.com>", "<sip:alice@10.23184>", 400, "Contact"),
    ("<sip:alice@pc33.atlanta.com>", "*", 400, "Contact"),
    ("Max-Forwards", "Record-Route: none\r\nMax-Forwards", 400, "Record-Route"),
    (
        "Max-Forwards",
        "Record-Route: <sip:p>\r\nRecord-Route: <sip:-p>\r\nMax-Forwards",
        400,
        "Record-Route",
    ),
    ("Max-Forwards", "Require: a b\r\nMax-Forwards", 400, "Require"),
    (";rport\r\n", "\r\nVia: ,\r\n", 400, "Via"),
    ("<sip:bob@biloxi.com>", "<sip:bob@biloxi.com:70000>", 400, "To"),
    ("Via: SIP/2.0/UDP pc33.atlanta.com:5060;branch=z9hG4bK776asdhds;rport\r\n", "", 400, "Via"),
    (";rport\r\n", ";rport,\r\n", 400, "Via"),
    (";rport\r\n", ";rport,,SIP/2.0/UDP 192.0.2.1\r\n", 400, "Via"),
    ("pc33.atlanta.com:5060;branch", "pc33.atlanta.com:70000;branch", 400, "Via"),
    ("Max-Forwards", "Via: SIP/2.0 192.0.2.1\r\nMax-Forwards", 400, "Via"),
    ("Max-Forwards: 70", "Max-Forwards: 256", 400, "Max-Forwards"),
    ("Max-Forwards: 70", "Max-Forwards: -1", 400, "Max-Forwards"),
    ("Max-Forwards: 70", "Max-Forwards: ", 400, "Max-Forwards"),
    ("Max-Forwards: 70", "Max-Forwards: 70\r\nMax-Forwards: 5", 400, "Max-Forwards"),
    ("Content-Length: 0", "Content-Length: 0\r\nl: 0", 400, "Content-Length"),
    ("<sip:alice@pc33.atlanta.com>", "sip:alice@pc33.atlanta.com?Route=x", 400, "Contact"),
    ("<sip:alice@pc33.atlanta.com>", "<sip:alice@>", 400, "Contact"),
    ("<sip:alice@pc33.atlanta.com>", "<sip:a@a.com>\r\nm: <sip:b@>", 400, "Contact"),
    # What is to be tolerated
    ("pc33.atlanta.com:5060;branch", "pc33.atlanta.com:5060;;branch", 0, "Via"),
    ("<sip:alice@pc33.atlanta.com>", "<sip:alice@pc33.atlanta.com>;", 0, "Contact"),
    ("<sip:alice@pc33.atlanta.com>", "<sip:alice@pc33.atlanta.com>,,<sip:b@b>", 0, "Contact"),
    ("<sip:bob@biloxi.com>", "< sip:bob@biloxi.com >", 0, "To"),
    ("<sip:bob@biloxi.com>", "<sip:bob@biloxi.com;x=1;\r\n y=2>", 0, "To"),
    ("Content-Length", "Refer-To: <sip:a%zz@x>\r\nContent-Length", 0, "Refer-To"),
    (
        "Content-Length",
        "P-Asserted-Identity: <sip:a>, <tel:>\r\nContent-Length",
        0,
        "P-Asserted-Identity",
    ),
    ("Content-Length", "Alert-Info: <nonsense>\r\nContent-Length", 0, "Alert-Info"),
    ("Content-Length", "Expires: soon\r\nContent-Length", 0, "Expires"),
    ("Content-Length", "Content-Type: text\r\nContent-Length", 0, "Content-Type"),
    ("Content-Length", "Route: <sip:>\r\nContent-Length", 0, "Route"),
    ("Max-Forwards: 70\r\n", "", 0, "Max-Forwards"),
    (";tag=1928301774", "", 0, "From"),
    ("branch=z9hG4bK776asdhds", "branch=1", 0, "Via"),
    ("Contact: <sip:alice@pc33.atlanta.com>\r\n", "", 0, "Contact"),
    ("Content-Length", "Date: Fri, 01 Jan 2010 16:00:00 EST\r\nContent-Length", 0, "Date"),
    ("Content-Length", "Retry-After: soon\r\nContent-Length", 0, "Retry-After"),
    ("Content-Length", "Subject: a\r\nSubject: b\r\nContent-Length", 0, "Subject"),
]


@pytest.mark.parametrize(("old", "new", "status", "header"), FAULTS)
def test_what_is_amiss_is_found(old, new, status, header):
    request = made(old, new)
    found = findings(request)
    assert (found[0].status, found[0].header) == (status, header)
    assert first_fault(request) == (found[0] if status else None)
    if status:
        assert not is_plain(request)


#: What is unusual, and right.
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("sip:bob@biloxi.com:5060;transport=udp", "sips:bob@[2001:db8::1]:5061"),
        ("sip:bob@biloxi.com:5060;transport=udp", "sip:b;;ob?x@biloxi.com"),
        ("SIP/2.0\r\nVia", "sip/2.0\r\nVia"),
        ('"Bob" <', '"Bob \\"B;;,\\" \\\\" <'),
        ('To: "Bob" <sip:bob@biloxi.com>', "t: sip:bob@biloxi.com ; tag = 1"),
        ('To: "Bob" <sip:bob@biloxi.com>', "To: <tel:+12125551212>"),
        ('To: "Bob" <', "To: Bob\r\n  B. <"),
        ("pc33.atlanta.com:5060;branch", "[2001:db8::9];received=[::1];branch"),
        ("SIP/2.0/UDP pc33", "SIP / 2.0 / UDP   pc33"),
        (";rport\r\n", ";rport, SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1\r\n"),
        ("Max-Forwards: 70", "Max-Forwards: 0068"),
        ("314159 INVITE", "0009\t INVITE"),
        (
            "<sip:alice@pc33.atlanta.com>",
            '"a;;,b" <sip:alice@pc33.atlanta.com;x=,,>;expires=5;y=",;,;"',
        ),
        ("<sip:alice@pc33.atlanta.com>", "<sip:a@a.com;lr>, <sip:b@b.com>"),
        ("Max-Forwards", "Record-Route: <sip:p1;lr>\r\nRecord-Route: <sip:p2;lr>\r\nMax-Forwards"),
    ],
)
def test_what_is_unusual_is_right(old, new):
    assert findings(made(old, new)) == []


def test_reasons_say_what_is_wrong():
    assert first_fault(made("CSeq: 314159 INVITE\r\n", "")).what == "Missing CSeq header field"
    assert first_fault(made("314159 INVITE", "1 BYE")) == (
        Finding(400, "CSeq", "CSeq Method Is Not INVITE")
    )


def test_what_is_refused_comes_first():
    request = made(";tag=1928301774", "", str(made("314159 INVITE", "1 BYE"))[:-2])
    assert [found.status for found in findings(request)] == [400, 0]


def test_rfc_2543():
    assert not is_rfc2543(made())
    assert is_rfc2543(made("branch=z9hG4bK776asdhds;", ""))
    assert is_rfc2543(made("z9hG4bK776asdhds", "776asdhds"))


def test_responses():
    response = Message.parse(bytes(made().response(200)))
    assert findings(response) == []
    del response["CSeq"]
    assert first_fault(response).header == "CSeq"


def test_a_message_that_was_built_may_be_plain():
    headers = [(name, made()[name]) for name in ("Via", "From", "To", "Call-ID", "CSeq")]
    assert Request("INVITE", "sip:bob@biloxi.com", headers).facts.plain
    assert Response(200, headers=headers).facts.plain
    assert not Request("BYE", "sip:bob@biloxi.com", headers).facts.plain


def test_built_messages():
    built = Request("OPTIONS", "sip:bob@biloxi.com", {"From": "<sip:a@a.com>;tag=1"})
    assert [found.header for found in findings(built)][:4] == ["Via", "To", "Call-ID", "CSeq"]
    assert first_fault(Response(200)).status == 400
    with pytest.raises(ParseError, match="expected a Via header"):
        _ = built.facts


@pytest.mark.parametrize(
    "hostile",
    ['"', "\\", '\\"', "<", ";", ",", " ", "a=", ';a="', "SIP/2.0/UDP a,", "%", "@", ":"],
)
@pytest.mark.parametrize("header", ["Via", "To", "From", "Contact", "Route", "CSeq", "Warning"])
def test_hostile_values_are_findings_and_nothing_else(hostile, header):
    value = {"Via": "SIP/2.0/UDP a;x=", "CSeq": "1 INVITE"}.get(header, "<sip:a@a.com>;x=")
    text = f"{header}: {value}{hostile * (16_000 // len(hostile))}\r\nMax-Forwards"
    request = made("Max-Forwards", text)
    assert all(isinstance(found, Finding) for found in findings(request))


def test_a_part_that_cannot_be_read_is_listed_and_refuses_nothing():
    part = b"Content-Transfer-Encoding: bir:nary\r\n\r\nx\r\n"
    body = b"--b\r\n" + part + b"--b\r\n\r\ny\r\n--b--\r\n"
    head = (
        b"MESSAGE sip:bob@biloxi.com SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\n"
        b"From: <sip:a@b>;tag=1\r\nTo: <sip:bob@biloxi.com>\r\nCall-ID: 1\r\nCSeq: 1 MESSAGE\r\n"
        b"Max-Forwards: 70\r\nContent-Type: multipart/mixed;boundary=b\r\n\r\n"
    )
    message = Message.parse(head + body)
    found = [(one.status, one.header) for one in findings(message)]
    assert found == [(0, "Content-Transfer-Encoding")]
    assert first_fault(message) is None


def with_body(body, *lines, start="INVITE"):
    text = INVITE.replace("Content-Length: 0", f"Content-Length: {len(body)}")
    text = text.replace("INVITE", start) if start != "INVITE" else text
    return Message.parse((text + "".join(f"{line}\r\n" for line in lines) + "\r\n" + body).encode())


MIXED = "Content-Type: multipart/mixed;boundary=b"


@pytest.mark.parametrize(
    ("body", "lines", "status", "header"),
    [
        ("x", [], 0, "Content-Type"),
        ("x", ["Content-Type: text"], 400, "Content-Type"),
        ("x", ["Content-Type: a/b", "Content-Disposition: ;"], 400, "Content-Disposition"),
        (
            "x",
            ["Content-Type: a/b", "Content-Transfer-Encoding: y"],
            415,
            "Content-Transfer-Encoding",
        ),
        ("x", [MIXED], 400, "Content-Type"),
        ("--b\r\nno header\r\n--b--", [MIXED], 400, "Content-Type"),
        (f"--b\r\n{MIXED[:-1]}c\r\n\r\nx\r\n--b--", [MIXED], 400, "Content-Type"),
    ],
)
def test_what_describes_a_body(body, lines, status, header):
    request = with_body(body, *lines)
    (found,) = findings(request)
    assert (found.status, found.header) == (status, header)
    assert first_fault(request) == (found if status else None)
    response = Message.parse(
        bytes(request).replace(
            b"INVITE sip:bob@biloxi.com:5060;transport=udp SIP/2.0", b"SIP/2.0 200 OK"
        )
    )
    # A response cannot be refused: who uses its body judges it.
    assert first_fault(response) is None
    assert header in {found.header for found in findings(response)}


def test_parts_that_are_right():
    inner = "--c\r\nContent-Type: a/b\r\n\r\nx\r\n--c--"
    assert findings(with_body(f"--b\r\n{MIXED[:-1]}c\r\n\r\n{inner}\r\n--b--", MIXED)) == []


@pytest.mark.parametrize("method", ["BYE", "OPTIONS", "MESSAGE", "CANCEL", "INFO"])
@pytest.mark.parametrize("line", ["Contact: <sip:a%zz@x>", "Record-Route: x", "Contact: *"])
def test_what_makes_no_dialog_needs_no_way_back(method, line):
    # §8.2: nobody is kept from hanging up by a Contact that is not used.
    text = INVITE.replace("INVITE", method).replace("Contact: <sip:alice@pc33.atlanta.com>", line)
    request = Message.parse((text + "\r\n").encode())
    assert first_fault(request) is None
    assert [found.status for found in findings(request) if found.header in line] == [0]
    assert request.contact is None or "Record-Route" in line or request.contact.is_wildcard


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<sip:bob@biloxi.com>", "<sip:b%zz@x>"),
        ("<sip:alice@atlanta.com>", "<sip:-a@-x>"),
        ("314159 INVITE", "x INVITE"),
        ("z9hG4bK776asdhds", "x\0"),
        ("a84b4c76e66710@", "\x1b"),
        ("To: ", "t: <sip:x>\r\nTo: "),
    ],
)
def test_a_response_has_to_say_whose_it_is(old, new):
    response = Message.parse(
        bytes(made().response(200, to_tag="b")).replace(old.encode(), new.encode())
    )
    fault = first_fault(response)
    assert fault.status == 400
    assert not response.facts.plain
    with pytest.raises(ParseError) as refusal:
        check_response(response)
    assert refusal.value.expected == fault.what
    assert len(refusal.value.text) <= 80


@pytest.mark.parametrize(
    "line",
    [
        "Contact: <",
        "Record-Route: x",
        "Max-Forwards: x",
        "Require: ;",
        "Max-Forwards: 1\r\nMax-Forwards: 2",
    ],
)
def test_what_else_is_wrong_with_a_response_is_tolerated(line):
    response = Message.parse(
        bytes(made().response(200, to_tag="b"))[:-2] + line.encode() + b"\r\n\r\n"
    )
    assert first_fault(response) is None
    assert findings(response)
    check_response(response)
