"""What a body asks of who receives it: what has to be understood, what describes the session
(RFC 5621 §6 to §9, RFC 3261 §20.11)."""

import pytest

from sipparty.errors import ParseError
from sipparty.sip import Message, Multipart, Part, Request
from sipparty.sip.bodies import is_understood, session_description

SDP = "application/sdp"
TYPES = (SDP,)


def part(kind, disposition=None, body=b"", **headers):
    """A part that says of itself what it is, so that a test can tell which one was taken."""
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    if disposition is not None:
        more["Content-Disposition"] = disposition
    return Part(kind, body or f"{kind} {disposition}", more)


def mixed(*parts):
    return Multipart(parts)


def alternative(*parts):
    return Multipart(parts, "alternative")


def optional(multipart):
    return Part(None, multipart, {"Content-Disposition": "render;handling=optional"})


def invite(body, **headers):
    if isinstance(body, Part):
        body = mixed(body)
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return Message.parse(bytes(Request("INVITE", "sip:bob@biloxi.com", more, body)))


def verdict(message):
    return is_understood(message, TYPES), session_description(message, TYPES).decode()


#: The name of a case, the body, whether it is understood, and which description is taken.
CASES = [
    ("a description", part(SDP), True, "application/sdp None"),
    ("a session", part(SDP, "session"), True, "application/sdp session"),
    ("a session in capitals", part("Application/SDP", "SESSION"), True, "Application/SDP SESSION"),
    ("something else", part("text/plain"), False, ""),
    ("something else, optional", part("text/plain", "render;handling=optional"), True, ""),
    ("a description to be shown", part(SDP, "render"), False, ""),
    ("an early session", part(SDP, "early-session;handling=optional"), True, ""),
    ("an icon", mixed(part(SDP), part("image/png", "icon;handling=optional")), True,
     "application/sdp None"),
    ("an icon that is required", mixed(part(SDP), part("image/png", "icon")), False, ""),
    ("by reference", part(SDP, "by-reference"), False, ""),
    ("the first of two", mixed(part(SDP, "session;x=1"), part(SDP, "session;x=2")), True,
     "application/sdp session;x=1"),
    ("the one that is a session", mixed(part(SDP, "icon;handling=optional"), part(SDP)), True,
     "application/sdp None"),
    ("parts in parts", mixed(mixed(mixed(part(SDP)))), True, "application/sdp None"),
    ("parts of an unknown kind", Multipart([part(SDP)], "parallel"), True, "application/sdp None"),
    ("related parts", Multipart([part(SDP), part("x/y")], "related"), False, ""),
    ("an alternative that is known", alternative(part(SDP), part("x/y")), True,
     "application/sdp None"),
    ("the last one known", alternative(part(SDP, "session;x=1"), part(SDP), part("x/y")), True,
     "application/sdp None"),
    ("no alternative is known", alternative(part("x/y"), part("x/z")), False, ""),
    # §8.3: what the alternatives say of their handling means nothing.
    ("optional alternatives", alternative(*[part("x/y", "session;handling=optional")] * 2), False,
     ""),
    ("alternatives in parts", mixed(part("x/y", "render;handling=optional"),
     alternative(part(SDP), mixed(part("x/y")))), True, "application/sdp None"),
    ("parts in alternatives", alternative(part("x/y"), mixed(part(SDP), part("x/y"))), False, ""),
    ("optional parts", mixed(part(SDP), optional(mixed(part("x/y")))), True,
     "application/sdp None"),
    # §8.2: what is optional and not understood is not processed in part.
    ("all of it or none", mixed(optional(mixed(part(SDP, "session;x=1"), part("x/y"))),
     part(SDP)), True, "application/sdp None"),
    ("in base64", part(SDP, None, b"YWdyZWVk", Content_Transfer_Encoding="base64"), True,
     "agreed"),
    ("in what nobody knows", part(SDP, Content_Transfer_Encoding="x"), False, ""),
    ("compressed", part(SDP, Content_Encoding="gzip"), False, ""),
    ("not compressed", part(SDP, Content_Encoding="Identity"), True, "application/sdp None"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "understood", "taken"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_what_is_understood_and_what_is_taken(body, understood, taken):
    assert verdict(invite(body)) == (understood, taken)


def test_a_plain_body():
    plain = {"Content_Type": SDP}
    assert verdict(invite(b"v=0", **plain)) == (True, "v=0")
    assert verdict(invite(b"v=0", Content_Type="Application/SDP; x=y")) == (True, "v=0")
    for more in ("render", "icon;handling=required", "early-session"):
        assert verdict(invite(b"v=0", **plain, Content_Disposition=more)) == (False, "")
    assert verdict(invite(b"v=0", **plain, Content_Disposition="session")) == (True, "v=0")
    assert verdict(invite(b"v=0", **plain, Content_Encoding="gzip")) == (False, "")


def test_parts_that_are_compressed_as_a_whole():
    request = invite(mixed(part(SDP)))
    request["Content-Encoding"] = "gzip"
    assert verdict(request) == (False, "")


def test_a_plain_body_of_another_disposition():
    plain = {"Content_Type": SDP}
    assert verdict(invite(b"v=0", **plain, Content_Encoding="identity")) == (True, "v=0")
    ignored = {"Content_Disposition": "render;handling=optional"}
    assert verdict(invite(b"v=0", **plain, **ignored)) == (True, "")
    assert verdict(invite(b"x", Content_Type="text/plain", **ignored)) == (True, "")


def test_no_body_describes_nothing():
    assert session_description(invite(b"")) == b""
    assert session_description(invite(b"", Content_Type=SDP), TYPES) == b""


def test_a_body_of_no_type_is_taken_but_not_understood():
    # RFC 3261 §20.15 has it there. A request is refused without, an answer cannot be.
    answer = Message.parse(b"SIP/2.0 200 OK\r\n\r\nv=0")
    assert session_description(answer) == b"v=0"
    assert not is_understood(answer, TYPES)


def test_of_what_cannot_be_refused_the_description_is_taken():
    answer = invite(mixed(part("x/y"), mixed(part("x/z"), part(SDP))))
    assert verdict(answer) == (False, "")
    assert session_description(answer) == b"application/sdp None"
    assert session_description(invite(part(SDP, "icon"))) == b""
    assert session_description(invite(b"x", Content_Type="text/plain")) == b""


def test_types_of_ones_own():
    body = invite(mixed(part(SDP), part("application/pidf+xml", "render")))
    assert not is_understood(body, TYPES)
    assert is_understood(body, (SDP, "application/pidf+xml"))
    assert session_description(body, (SDP, "application/pidf+xml")) == b"application/sdp None"
    refers = invite(mixed(part(SDP), part("application/pidf+xml", "by-reference")))
    assert not is_understood(refers, (SDP, "application/pidf+xml"))


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Type: multipart/mixed\r\n\r\n--c\r\n\r\n\r\n--c--",
        b"Content-Type: multipart/mixed;boundary=c\r\n\r\n--c\r\n\r\n\r\n",
        b"Content-Type: multipart/mixed;boundary=c\r\n\r\n--c\r\nno header\r\n--c--",
    ],
)
def test_a_part_that_is_not_what_it_should_be(body):
    data = b"--b\r\n" + body + b"\r\n--b--"
    message = invite(data, Content_Type="multipart/mixed;boundary=b")
    with pytest.raises(ParseError):
        is_understood(message, TYPES)
    with pytest.raises(ParseError):
        session_description(message, TYPES)
    with pytest.raises(ParseError):
        session_description(message)
