"""Cases of our own for the clauses of RFC 3261 §7, §19.1, §20 and §25 that parsers get wrong.

Each case says the clause, what comes, and what is read; a value of `ParseError` is one that cannot
be read. Whatever is read is written back to the letter.
"""

from __future__ import annotations

import pytest

from sipparty.errors import BuildError, ParseError
from sipparty.sip import URI, Message, Request

HEAD = b"OPTIONS sip:bob@biloxi.com SIP/2.0\r\n"


def message(*lines, start=HEAD, body=b""):
    """A message of the lines given."""
    return start + b"".join(line.encode() + b"\r\n" for line in lines) + b"\r\n" + body


# -------------------------------------------------------------------- §7: the frame

STARTS = [
    # §7.1: one space, no white space in the URI, a token for a method
    (b"OPTIONS sip:bob@biloxi.com SIP/2.0", ("OPTIONS", "sip:bob@biloxi.com", "SIP/2.0")),
    (b"options sip:bob@biloxi.com SIP/2.0", ("options", "sip:bob@biloxi.com", "SIP/2.0")),
    (b"O-.!%*_+`'~ x:y SIP/2.0", ("O-.!%*_+`'~", "x:y", "SIP/2.0")),
    (b"OPTIONS sip:bob@biloxi.com sip/2.0", ("OPTIONS", "sip:bob@biloxi.com", "sip/2.0")),
    (b"OPTIONS sip:bob@biloxi.com SIP/12.34", ("OPTIONS", "sip:bob@biloxi.com", "SIP/12.34")),
    (b" OPTIONS sip:bob@biloxi.com SIP/2.0", ParseError),
    (b"OPTIONS sip:bob@biloxi.com", ParseError),
    (b"OPTIONS sip:bob@biloxi.com HTTP/1.1", ParseError),
    (b"OPTIONS sip:bob@biloxi.com SIP/2", ParseError),
    (b"OPTIONS sip:bob@biloxi.com SIP/2.", ParseError),
    (b"OPT IONS sip:bob@biloxi.com SIP/2.0", ParseError),
    (b"OPT(IONS sip:bob@biloxi.com SIP/2.0", ParseError),
    (b"OPT\xc3\xa9 sip:bob@biloxi.com SIP/2.0", ParseError),
    (b"", ParseError),
    # §7.2: three digits, 100 to 699, a reason that may be empty
    (b"SIP/2.0 200 OK", (200, "OK")),
    (b"SIP/2.0 200 ", (200, "")),
    (b"SIP/2.0 200", (200, "")),
    (b"sip/2.0 699 \xe2\x82\xac 100%", (699, "\u20ac 100%")),
    (b"SIP/2.0 200  two spaces", (200, " two spaces")),
    (b"SIP/2.0 99 Low", ParseError),
    (b"SIP/2.0 700 High", ParseError),
    (b"SIP/2.0 0200 OK", (200, "OK")),
    (b"SIP/2.0 4294967296 OK", ParseError),
    (b"SIP/2.0 2x0 OK", ParseError),
    (b"SIP/2.0 -200 OK", ParseError),
    (b"SIP/2.0", ParseError),
]


@pytest.mark.parametrize(("line", "expected"), STARTS)
def test_start_lines(line, expected):
    data = line + b"\r\nCall-ID: 1\r\n\r\n"
    if expected is ParseError:
        with pytest.raises(ParseError):
            Message.parse(data)
        return
    read = Message.parse(data)
    if isinstance(read, Request):
        assert (read.method, read.uri_text, read.version) == expected
    else:
        assert (read.status, read.reason) == expected
    assert bytes(read) == data


#: RFC 4475 §3.1.2.9 and §3.1.2.10 let these be read; they are never sent on as they came.
SPACED = [
    (b"OPTIONS  sip:bob@biloxi.com SIP/2.0", b"OPTIONS sip:bob@biloxi.com SIP/2.0"),
    (b"OPTIONS sip:bob@biloxi.com  SIP/2.0", b"OPTIONS sip:bob@biloxi.com SIP/2.0"),
    (b"OPTIONS sip:bob@biloxi.com SIP/2.0 ", b"OPTIONS sip:bob@biloxi.com SIP/2.0"),
    (b"OPTIONS\tsip:bob@biloxi.com SIP/2.0", b"OPTIONS sip:bob@biloxi.com SIP/2.0"),
    (b"SIP/2.0  200 OK", b"SIP/2.0 200 OK"),
    (
        b"OPTIONS sip:bob@biloxi.com SIP/2.0\r\nSubject: a\n b",
        b"OPTIONS sip:bob@biloxi.com SIP/2.0\r\nSubject: a\r\n b",
    ),
]


@pytest.mark.parametrize(("line", "sent"), SPACED)
def test_stray_white_space_is_read_and_not_sent_on(line, sent):
    assert (
        bytes(Message.parse(line + b"\r\nCall-ID: 1\r\n\r\n")) == sent + b"\r\nCall-ID: 1\r\n\r\n"
    )


HEADERS = [
    # §7.3.1: white space around the colon and the value, any case, folding
    (["Subject: lunch"], "Subject", "lunch"),
    (["Subject      :      lunch"], "Subject", "lunch"),
    (["Subject:lunch   "], "Subject", "lunch"),
    (["sUBJECT:lunch"], "subject", "lunch"),
    (["s: lunch"], "Subject", "lunch"),
    (["Subject: lunch\r\n at\r\n\tnoon"], "Subject", "lunch at noon"),
    (["Subject:\r\n lunch"], "Subject", "lunch"),
    (["Subject: a \t \r\n  \t b"], "Subject", "a b"),
    (["Subject:"], "Subject", ""),
    (["Subject: a:b: c"], "Subject", "a:b: c"),
    (["X-!%*_+`'~.1: yes"], "X-!%*_+`'~.1", "yes"),
    (["Subject: \u98df\u4e8b"], "Subject", "\u98df\u4e8b"),
    (["Subject lunch"], "Subject", ParseError),
    ([": lunch"], "Subject", ParseError),
    (["Sub ject: lunch"], "Subject", ParseError),
    (["Subject(: lunch"], "Subject", ParseError),
    (["Subject: a\rb"], "Subject", ParseError),
    (["Subject: a\nb"], "Subject", ParseError),
    ([" Subject: lunch"], "Subject", ParseError),
]


@pytest.mark.parametrize(("lines", "name", "expected"), HEADERS)
def test_header_lines(lines, name, expected):
    data = message(*lines)
    if expected is ParseError:
        with pytest.raises(ParseError):
            Message.parse(data)
        return
    read = Message.parse(data)
    assert read[name] == expected
    assert bytes(read) == data


@pytest.mark.parametrize(
    ("lines", "body", "expected"),
    [
        # §18.3: the length where it is given, else all that came; §7.4.2
        ([], b"", b""),
        ([], b"abc\r\n\r\n", b"abc\r\n\r\n"),
        (["Content-Length: 3"], b"abcdef", b"abc"),
        (["l: 0"], b"abc", b""),
        (["L:\r\n 03"], b"abc", b"abc"),
        (["Content-Length: 4"], b"abc", ParseError),
        (["Content-Length: -1"], b"abc", ParseError),
        (["Content-Length: 3 3"], b"abc", ParseError),
        (["Content-Length: 0x3"], b"abc", ParseError),
        (["Content-Length:"], b"abc", ParseError),
        (["Content-Length: \u0663"], b"abc", ParseError),
        (["Content-Length: 99999999999999999999"], b"abc", ParseError),
    ],
)
def test_bodies(lines, body, expected):
    data = message(*lines, body=body)
    if expected is ParseError:
        with pytest.raises(ParseError):
            Message.parse(data)
    else:
        assert Message.parse(data).body == expected


@pytest.mark.parametrize("cut", range(0, 60, 7))
def test_a_message_cut_short_is_no_message(cut):
    data = message("Call-ID: 1", "CSeq: 1 OPTIONS")
    with pytest.raises(ParseError):
        Message.parse(data[: len(data) - 1 - cut])


# -------------------------------------------------------------------- §20, §25: values

ADDRESSES = [
    # §20.10, §25.1 name-addr and addr-spec: display name, URI, tag
    ("sip:bob@biloxi.com", "", "sip:bob@biloxi.com", None),
    ("sip:bob@biloxi.com;tag=1", "", "sip:bob@biloxi.com", "1"),
    ("sip:bob@biloxi.com ; tag = 1", "", "sip:bob@biloxi.com", "1"),
    ("<sip:bob@biloxi.com;tag=2>", "", "sip:bob@biloxi.com;tag=2", None),
    ("<sip:bob@biloxi.com;tag=2>;tag=1", "", "sip:bob@biloxi.com;tag=2", "1"),
    ("<sip:bob@biloxi.com>;TAG=1", "", "sip:bob@biloxi.com", "1"),
    ("Bob<sip:bob@biloxi.com>", "Bob", "sip:bob@biloxi.com", None),
    ("B. O. B. <sip:bob@biloxi.com>", "B. O. B.", "sip:bob@biloxi.com", None),
    ('"Bob"<sip:bob@biloxi.com>', "Bob", "sip:bob@biloxi.com", None),
    ('"" <sip:bob@biloxi.com>', "", "sip:bob@biloxi.com", None),
    ('"B \\"o\\" \\\\ b" <sip:bob@biloxi.com>', 'B "o" \\ b', "sip:bob@biloxi.com", None),
    ('"<sip:eve@e.com>;tag=9" <sip:bob@biloxi.com>', "<sip:eve@e.com>;tag=9", None, None),
    ('"a, b" <sip:bob@biloxi.com>', "a, b", "sip:bob@biloxi.com", None),
    ('<sip:bob@biloxi.com>;x=";tag=9"', "", "sip:bob@biloxi.com", None),
    ('<sip:bob@biloxi.com>;x="\\";tag=9";tag=1', "", "sip:bob@biloxi.com", "1"),
    ("<tel:+1-212-555-1212;phone-context=x>;tag=1", "", None, "1"),
    ("<urn:service:sos>", "", "urn:service:sos", None),
    ("<sip:b,o;b?b@biloxi.com>", "", "sip:b,o;b?b@biloxi.com", None),
    ('"Bob <sip:bob@biloxi.com>', ParseError, None, None),
    ("Bob sip:bob@biloxi.com", ParseError, None, None),
    ("Bob, B. <sip:bob@biloxi.com>", ParseError, None, None),
    ("<sip:bob@biloxi.com", ParseError, None, None),
    ("<sip:bob@biloxi.com> tag=1", ParseError, None, None),
    ("", ParseError, None, None),
]


@pytest.mark.parametrize(("text", "display", "uri", "tag"), ADDRESSES)
def test_addresses(text, display, uri, tag):
    data = message(f"To: {text}")
    read = Message.parse(data)
    if display is ParseError:
        with pytest.raises(ParseError):
            _ = read.to
        assert bytes(read) == data
        return
    assert (read.to.display_name, read.to.tag) == (display, tag)
    if uri is not None:
        assert read.to.uri_text == uri
    assert str(read.to.uri)
    assert bytes(read) == data


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("<sip:a@a.com>,<sip:b@b.com>", 2),
        ("<sip:a,a@a.com>, <sip:b@b.com>", 2),
        ('"a, b" <sip:a@a.com>, c <sip:c@c.com>;x="d, e"', 2),
        ("sip:a@a.com, sip:b@b.com", 2),
        ("<sip:a@a.com?Subject=a,b>", 1),
        ('"\\", " <sip:a@a.com>', 1),
        (",<sip:a@a.com>,,", 1),
        ("*", 1),
    ],
)
def test_lists(text, count):
    assert len(Message.parse(message(f"Contact: {text}")).all("Contact")) == count


def test_lists_over_lines_keep_their_order():
    # §7.3.1: several lines are one list.
    read = Message.parse(
        message("v: SIP/2.0/UDP a, SIP/2.0/UDP b", "Subject: x", "VIA: SIP/2.0/UDP c")
    )
    assert [via.host for via in read.all("Via")] == ["a", "b", "c"]


VIAS = [
    # §20.42
    ("SIP/2.0/UDP a.com;branch=z9hG4bK1", ("UDP", "a.com", None, "z9hG4bK1")),
    ("SIP / 2.0 / UDP a.com:5060 ; branch=1", ("UDP", "a.com", 5060, "1")),
    ("SIP/2.0/TLS-SCTP [2001:db8::1]:5061", ("TLS-SCTP", "2001:db8::1", 5061, None)),
    ("SIP/2.0/UDP a.com : 5060;BRANCH=1", ("UDP", "a.com", 5060, "1")),
    ("SIP/2.0/UDP a.com;received=[2001:db8::2]", ("UDP", "a.com", None, None)),
    ("SIP/2.0/UDP a.com;ttl=16;maddr=224.2.0.1;branch=1", ("UDP", "a.com", None, "1")),
    ("SIP/2.0/UDP", ParseError),
    ("SIP/2.0 UDP a.com", ParseError),
    ("SIP/2.0/UDPa.com", ParseError),
    ("SIP/2.0/UDP a.com:65536", ParseError),
    ("SIP/2.0/UDP a.com:port", ParseError),
    ("SIP/2.0/UDP 2001:db8::1", ParseError),
    ("SIP/2.0/UDP a.com b.com", ParseError),
    ("SIP/2.0/UDP [2001:db8::1", ParseError),
]


@pytest.mark.parametrize(("text", "expected"), VIAS)
def test_vias(text, expected):
    read = Message.parse(message(f"Via: {text}"))
    if expected is ParseError:
        with pytest.raises(ParseError):
            _ = read.via
    else:
        via = read.via
        assert (via.transport, via.host, via.port, via.branch) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # §20.16, §8.1.1.5
        ("1 OPTIONS", (1, "OPTIONS")),
        ("0009 \t options", (9, "options")),
        ("2147483647 X-.!", (2147483647, "X-.!")),
        ("2147483648 OPTIONS", ParseError),
        ("36893488147419103232 OPTIONS", ParseError),
        ("OPTIONS", ParseError),
        ("1", ParseError),
        ("1OPTIONS", ParseError),
        ("-1 OPTIONS", ParseError),
        ("1 OPT IONS", ParseError),
        ("\u0661 OPTIONS", ParseError),
    ],
)
def test_sequences(text, expected):
    read = Message.parse(message(f"CSeq: {text}"))
    if expected is ParseError:
        with pytest.raises(ParseError):
            _ = read.cseq
    else:
        assert read.cseq == expected


@pytest.mark.parametrize(
    "text",
    [
        # §19.1.1, §25.1: URIs that are none
        "",
        "bob",
        "sip:",
        "sip:@biloxi.com",
        "sip:bob@",
        "sip:bob@biloxi.com:",
        "sip:bob@biloxi.com:65536",
        "sip:bob@biloxi.com:5o60",
        "sip:bob@bil oxi.com",
        "sip:bob@-biloxi.com",
        "sip:bob@biloxi..com",
        "sip:bob@[2001:db8::1",
        "sip:bob@2001:db8::1",
        "sip:bob@[2001:db8::1::2]",
        "sip:bob@300.1.1.1",
        "sip:b%4@biloxi.com",
        "sip:b%zz@biloxi.com",
        "<sip:bob@biloxi.com>",
        "sip:a@b@c.com",
        '"sip:bob@biloxi.com"',
    ],
)
def test_what_is_no_uri(text):
    with pytest.raises(ParseError):
        URI.parse(text)


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        # §19.1.4: the RFC's own pairs, and what it says beside them
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtlanTa.CoM;Transport=tcp", True),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5", True),
        ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on", True),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
            True,
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
            True,
        ),
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP", False),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060", False),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp", False),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp", False),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting", False),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4", False),
        ("sip:alice@atlanta.com", "sips:alice@atlanta.com", False),
        ("sip:a@[2001:db8::1]", "sip:a@[2001:DB8:0::1]", True),
    ],
)
def test_addresses_that_are_the_same(first, second, same):
    assert URI.parse(first).equivalent(URI.parse(second)) is same
    assert URI.parse(second).equivalent(URI.parse(first)) is same


# -------------------------------------------------------------------- building


@pytest.mark.parametrize("evil", ["a\r\nEvil: 1", "a\nEvil: 1", "a\rEvil: 1", "a\r\n b", "a\0b"])
def test_no_value_writes_a_line_of_its_own(evil):
    request = Request("OPTIONS", "sip:bob@biloxi.com", {"To": "<sip:bob@biloxi.com>"})
    before = bytes(request)
    for attempt in (
        lambda: request.add("Subject", evil),
        lambda: request.add("X-Any", evil),
        lambda: request.__setitem__("X-Any", [evil]),
        lambda: request.add(evil, "x"),
        lambda: setattr(request.to, "display_name", evil),
        lambda: setattr(request.to, "tag", evil),
        lambda: setattr(request, "uri", f"sip:{evil}"),
        lambda: setattr(request, "method", evil),
        lambda: request.response(200, evil),
    ):
        with pytest.raises((BuildError, ParseError)):
            attempt()
    assert b"Evil" not in bytes(request)
    assert bytes(request) == before
