"""Bodies of one part and of several: reading, changing and building them (RFC 2046, RFC 5621)."""

import pytest

from sipparty.errors import BuildError, ParseError
from sipparty.sdp import SessionDescription
from sipparty.sip import MediaType, Message, Multipart, Part, Request, Response

MIXED = (
    b"This is for old readers.\r\n"
    b"--b1 \r\n"
    b"content-TYPE:  application/sdp\r\n"
    b"Content-Disposition: session;\r\n handling=REQUIRED\r\n"
    b"\r\n"
    b"v=0\r\n"
    b"\r\n--b1\r\n"
    b"Content-Type: application/isup;version=nxv3\r\n"
    b"Content-Disposition: signal;handling=optional\r\n"
    b"Content-Transfer-Encoding: binary\r\n"
    b"Content-ID: <isup@atlanta.com>\r\n"
    b"Content-Language: en\r\n"
    b"\r\n"
    b"\x01\x00\xff\r\r\n\n\r\n\r\n--b"
    b"\r\n--b1\r\n"
    b"\r\n"
    b"Hello"
    b"\r\n--b1--\r\nThis too."
)
NESTED = (
    b"--outer\r\n"
    b"Content-Type: multipart/alternative; boundary=outer2\r\n\r\n"
    b"--outer2\r\nContent-Type: text/plain\r\n\r\nplain\r\n"
    b"--outer2\r\nContent-Type: text/html\r\n\r\nrich\r\n--outer2--\r\n"
    b"\r\n--outer\r\nContent-Type: image/png\r\n\r\npng\r\n--outer--\r\n"
)


def message(body, kind="multipart/mixed;boundary=b1", *lines):
    head = ["INVITE sip:bob@biloxi.com SIP/2.0", f"Content-Type: {kind}", *lines]
    head.append(f"Content-Length: {len(body)}")
    return Message.parse("\r\n".join([*head, "", ""]).encode() + body)


# ---------------------------------------------------------------- reading


def test_the_parts_of_a_message():
    sdp, isup, text = message(MIXED).parts
    assert (sdp.media_type, sdp.body) == ("application/sdp", b"v=0\r\n")
    assert (sdp.disposition, sdp.handling, sdp.content_id) == ("session", "required", None)
    assert isup.body == isup.content == b"\x01\x00\xff\r\r\n\n\r\n\r\n--b"
    assert isup.content_type.parameter("version") == "nxv3"
    assert (isup.disposition, isup.handling) == ("signal", "optional")
    assert isup.content_id == "isup@atlanta.com"
    assert isup["Content-Language"] == ("en",)
    assert (text.media_type, text.content_type, text.body) == ("text/plain", None, b"Hello")
    assert (text.disposition, text.handling) == ("render", "required")


def test_looking_changes_nothing():
    invite = message(MIXED)
    before = bytes(invite)
    for part in invite.parts:
        assert part.parts == (part,)
        assert bytes(part) in MIXED
        assert "Part" in repr(part)
    assert bytes(Multipart.of(invite)) == invite.body == MIXED
    assert bytes(invite) == before


def test_a_plain_body_is_one_part():
    plain = message(b"v=0", "application/sdp", "Content-Disposition: render", "Subject: x")
    (part,) = plain.parts
    assert (part.body, part.media_type, part.disposition) == (b"v=0", "application/sdp", "render")
    assert list(part) == ["Content-Type", "Content-Disposition"]
    assert plain.find_part("application/SDP") == part
    assert plain.find_part("application/sdp", disposition="session") is None


def test_an_empty_body_has_no_parts():
    assert message(b"").parts == ()
    assert message(b"").find_part() is None
    assert message(b"", "text/plain").parts == ()
    assert Request("INVITE", "sip:bob@biloxi.com").parts == ()


def test_a_message_without_a_content_type_has_a_body_of_no_type():
    plain = Message.parse(b"SIP/2.0 200 OK\r\n\r\nHi")
    assert (plain.media_type, plain.is_multipart) == ("", False)
    assert [part.body for part in plain.parts] == [b"Hi"]


def test_a_part_is_found_wherever_it_is():
    body = message(NESTED, "multipart/mixed;boundary=outer")
    assert body.find_part("text/plain").body == b"plain"
    assert body.find_part("TEXT/html").body == b"rich"
    assert body.find_part("image/png").body == b"png"
    assert body.find_part("multipart/alternative").is_multipart
    assert body.find_part("multipart/mixed") is None
    assert body.find_part("text/html", disposition="icon") is None
    isup = message(MIXED).find_part(content_id="isup@atlanta.com")
    assert isup.media_type == "application/isup"
    assert message(MIXED).find_part(disposition="Signal") == isup
    assert message(MIXED).find_part().media_type == "application/sdp"


def test_of_alternatives_the_last_is_found():
    body = Multipart([Part("text/plain", str(n)) for n in range(3)], "Alternative")
    assert Request("MESSAGE", "sip:a@b", (), body).find_part("text/plain").body == b"2"


@pytest.mark.parametrize(
    ("encoding", "body", "content"),
    [
        ("binary", b"=41\0", b"=41\0"),
        ("8BIT", b"\xff", b"\xff"),
        ("7bit", b"a", b"a"),
        ("", b"a", b"a"),
        ("Base64", b"aGVs\r\nbG8=\r\n", b"hello"),
        ("quoted-printable", b"a=3Db=\r\nc", b"a=bc"),
    ],
)
def test_a_transfer_encoding_is_undone(encoding, body, content):
    part = Part("text/plain", body, {"Content-Transfer-Encoding": encoding})
    assert part.content == Part.parse(bytes(part)).content == content
    assert part.body == body


@pytest.mark.parametrize(
    ("encoding", "body", "status"), [("x-uuencode", b"a", 415), ("base64", b"aGVsbG8", 400)]
)
def test_a_transfer_encoding_that_cannot_be_undone(encoding, body, status):
    with pytest.raises(ParseError) as caught:
        _ = Part("text/plain", body, {"Content-Transfer-Encoding": encoding}).content
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("value", "disposition", "handling"),
    [
        (None, "session", "required"),
        ("session", "session", "required"),
        ("Session;HANDLING=OPTIONAL", "session", "optional"),
        ('icon; handling="optional"', "icon", "optional"),
        ("render;handling=something-else", "render", "required"),
        ("by-reference;handling", "by-reference", "required"),
    ],
)
def test_what_a_body_is_for(value, disposition, handling):
    headers = {} if value is None else {"Content-Disposition": value}
    part = Part("Application/SDP;x=y", b"v=0", headers)
    assert (part.disposition, part.handling) == (disposition, handling)


# ---------------------------------------------------------------- what is wrong


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("multipart/mixed", "a boundary"),
        ("multipart/mixed;boundary", "a boundary of 1 to 70 characters"),
        ('multipart/mixed;boundary=""', "a boundary of 1 to 70 characters"),
        ('multipart/mixed;boundary="x "', "a boundary of 1 to 70 characters"),
        (f"multipart/mixed;boundary={'x' * 71}", "a boundary of 1 to 70 characters"),
        ("multipart/mixed;boundary=ä", "a boundary of 1 to 70 characters"),
        ("multipart/mixed;boundary=x", "a line '--x'"),
        ("multipart/mixed;boundary=Content-Type", "a line '--Content-Type'"),
    ],
)
def test_a_body_that_is_called_multipart_and_is_none(kind, expected):
    with pytest.raises(ParseError) as caught:
        _ = message(MIXED, kind).parts
    assert caught.value.expected.startswith(expected)
    assert caught.value.status == 400


@pytest.mark.parametrize("kind", ["text/plain", "text/plain;boundary=b1"])
def test_a_body_that_is_no_multipart_is_not_read_as_one(kind):
    for read in (lambda: Multipart.parse(MIXED, kind), lambda: Multipart.of(message(MIXED, kind))):
        with pytest.raises(ParseError, match="another multipart type"):
            read()


def test_a_message_without_a_content_type_is_not_read_as_multipart():
    with pytest.raises(ParseError, match="another multipart type"):
        Multipart.of(Message.parse(b"SIP/2.0 200 OK\r\n\r\n--b\r\n\r\n\r\n--b--"))


@pytest.mark.parametrize(
    "part",
    [
        b"Hello",
        b"Hello\r\n\r\nHello",
        b"Content Type: text/plain\r\n\r\nHello",
        b" Content-Type: text/plain\r\n\r\n",
        b"Content-Type: text/plain\n\nHello",
        b"Content-Type: text/plain\rX: y\r\n\r\nHello",
        b": text/plain\r\n\r\n",
    ],
)
def test_a_part_whose_headers_are_none(part):
    with pytest.raises(ParseError):
        Part.parse(part)
    with pytest.raises(ParseError):
        Multipart.parse(b"--b\r\n" + part + b"\r\n--b--", "multipart/mixed;boundary=b")


def test_a_bad_header_of_a_part_is_as_if_it_were_absent():
    # RFC 2045 §5.2
    part = Part.parse(b"Content-Type: text\r\nContent-Disposition: ;\r\n\r\nHello")
    assert part.body == b"Hello"
    assert (part.media_type, part.disposition, part.handling) == (
        "text/plain",
        "render",
        "required",
    )
    assert part.parts == (part,)
    for name in ("Content-Type", "Content-Disposition"):
        with pytest.raises(ParseError):
            part.get(name)


def test_an_empty_multipart_within_another_has_no_parts():
    part = Part("multipart/mixed;boundary=x")
    assert part.parts == ()
    assert part.find_part() is None


def deep(levels):
    """Alternating parts within parts, so many multiparts deep."""
    made = Multipart([Part("text/plain", "x")])
    for _ in range(levels - 1):
        made = Multipart([made])
    return Request("MESSAGE", "sip:a@b", (), made)


def test_parts_may_be_nested_so_deep_and_no_deeper():
    assert deep(Multipart.MAX_DEPTH).find_part("text/plain").body == b"x"
    with pytest.raises(ParseError, match="at most 8 levels") as caught:
        deep(Multipart.MAX_DEPTH + 1).find_part("text/plain")
    assert caught.value.status == 413


def test_there_may_be_so_many_parts_and_no_more():
    def made(count):
        return Request("MESSAGE", "sip:a@b", (), Multipart([Part(None, "x")] * count))

    assert len(made(Multipart.MAX_PARTS).parts) == Multipart.MAX_PARTS
    with pytest.raises(ParseError, match="at most 64 parts") as caught:
        _ = made(Multipart.MAX_PARTS + 1).parts
    assert caught.value.status == 413


def test_a_part_may_have_so_many_headers_and_no_more():
    line = b"Content-X: y\r\n"
    assert len(Part.parse(line * Part.MAX_FIELDS + b"\r\n").lines("Content-X")) == Part.MAX_FIELDS
    with pytest.raises(ParseError, match="at most 64 header lines") as caught:
        Part.parse(line * (Part.MAX_FIELDS + 1) + b"\r\n")
    assert caught.value.status == 413


# ---------------------------------------------------------------- a part of its own


@pytest.mark.parametrize(
    ("data", "names", "body"),
    [
        (b"", [], b""),
        (b"\r\n", [], b""),
        (b"\r\n\r\nA: b", [], b"\r\nA: b"),
        (b"Content-Type: text/plain", ["Content-Type"], b""),
        (b"Content-Type: text/plain\r\n\r\n", ["Content-Type"], b""),
        (b"c : text/plain\r\n\t;x=y\r\nX-Any:z\r\n\r\n\r\n", ["Content-Type", "X-Any"], b"\r\n"),
    ],
)
def test_a_part_is_read_and_written_back(data, names, body):
    part = Part.parse(data)
    assert (list(part), part.body, bytes(part)) == (names, body, data)


def test_a_part_that_is_changed_is_written_anew_where_it_was():
    part = Part.parse(b"content-type:text/plain\r\nX-Any:  z\r\n\r\nHello")
    part.content_type.parameters["charset"] = "utf-8"
    part.body = "Höllo"
    text = "content-type: text/plain;charset=utf-8\r\nX-Any:  z\r\n\r\nHöllo"
    assert bytes(part) == text.encode()


def test_parts_are_equal_when_they_are_written_alike():
    assert Part("text/plain", "x") == Part.parse(b"Content-Type: text/plain\r\n\r\nx")
    assert Part("text/plain", "x") != Part("text/plain", "y")
    assert Part("text/plain", "x") != "x"
    with pytest.raises(TypeError):
        hash(Part("text/plain"))


def test_no_header_of_a_part_can_break_out_of_its_line():
    for headers in ({"Content-ID": "<a>\r\nX: y"}, {"Content-ID\r\nX": "y"}, {"A": "b\r\n\r\nc"}):
        with pytest.raises(BuildError):
            Part("text/plain", "x", headers)
    with pytest.raises(BuildError):
        Part("text/plain\r\nX: y")
    part = Part("text/plain")
    with pytest.raises(BuildError):
        part["Content-Description"] = "a\nb"
    with pytest.raises(ParseError):
        Part("text")


# ---------------------------------------------------------------- building


def test_a_multipart_is_set_as_the_body():
    sdp = SessionDescription.audio("192.0.2.1", 49170, ["PCMU"])
    invite = Request("INVITE", "sip:bob@biloxi.com", {"Subject": "Lunch"})
    invite.body = Multipart([Part("application/sdp", sdp), Part("text/plain", "Höre")])
    again = Message.parse(bytes(invite))
    assert again.media_type == "multipart/mixed"
    assert again.content_length == len(again.body)
    assert [part.body for part in again.parts] == [bytes(sdp), "Höre".encode()]
    assert again.find_part("application/sdp").body == bytes(sdp)


def test_a_message_is_made_with_a_multipart():
    body = Multipart([Part("text/plain", "x")])
    kind = str(body.content_type)
    request = Request("MESSAGE", "sip:a@b", {"Content-Type": "text/plain"}, body)
    assert request.lines("Content-Type") == [kind]
    for response in (Response(200, body=body), request.response(200, body=body)):
        assert response.lines("Content-Type") == [kind]
        assert response.parts == request.parts


def test_a_multipart_is_nested():
    inner = Multipart([Part("text/plain", "plain"), Part("text/html", "rich")], "alternative")
    outer = Multipart([inner, Part("image/png", b"png")])
    request = Request("MESSAGE", "sip:a@b", (), outer)
    assert [part.media_type for part in request.parts] == ["multipart/alternative", "image/png"]
    assert [part.body for part in request.parts[0].parts] == [b"plain", b"rich"]
    part = Part("text/plain", inner)
    assert part.media_type == "multipart/alternative"


def test_an_untouched_part_keeps_its_bytes_when_another_is_changed():
    invite = message(MIXED)
    body = Multipart.of(invite)
    body.parts[0].body = "v=0\r\ns=-\r\n"
    invite.body = body
    again = Message.parse(bytes(invite))
    assert again.parts[0].body == b"v=0\r\ns=-\r\n"
    assert [bytes(part) for part in again.parts[1:]] == [bytes(part) for part in body.parts[1:]]
    assert all(bytes(part) in MIXED for part in again.parts[1:])
    # What meant nothing is gone; the boundary that still serves is not.
    assert again.body.startswith(b"--b1\r\ncontent-TYPE:  application/sdp\r\n")
    assert again.body.endswith(b"Hello\r\n--b1--\r\n")
    assert again.lines("Content-Type") == ["multipart/mixed;boundary=b1"]


def test_parts_are_added_and_removed():
    body = Multipart.of(message(MIXED))
    body.parts = (*body.parts[:1], Multipart([Part("text/plain", "x")]))
    assert [part.media_type for part in body.parts] == ["application/sdp", "multipart/mixed"]
    assert Multipart.parse(bytes(body), body.content_type).parts == body.parts
    with pytest.raises(BuildError, match="at least one part"):
        body.parts = ()
    with pytest.raises(BuildError, match="at least one part"):
        Multipart([])


def test_a_boundary_gives_way_to_one_that_does_not_occur():
    body = Multipart([Part("text/plain", "x\r\n--mine\r\n")], parameters="boundary=mine")
    boundary = body.content_type.parameter("boundary")
    assert boundary != "mine"
    assert Multipart.parse(bytes(body), body.content_type).parts == body.parts
    body.parts[0].body = f"--{boundary}--"
    assert body.content_type.parameter("boundary") != boundary
    assert Multipart.parse(bytes(body), body.content_type).parts == body.parts


def test_a_boundary_that_serves_is_kept():
    body = Multipart([Part("text/plain", "x")], parameters={"boundary": "my own"})
    assert str(body.content_type) == 'multipart/mixed;boundary="my own"'
    assert bytes(body).startswith(b"--my own\r\n")


@pytest.mark.parametrize("boundary", ["", "a\r\nb", "x" * 71, "x ", "*", "ä"])
def test_a_boundary_that_can_be_none(boundary):
    with pytest.raises(BuildError):
        Multipart([Part("text/plain", "x")], parameters={"boundary": boundary})


def test_a_subtype_that_can_be_none():
    with pytest.raises(BuildError):
        Multipart([Part("text/plain", "x")], "mixed; a=b")


def test_an_odd_boundary_is_read_and_another_written():
    body = Multipart.parse(b"--a*b\r\n\r\nx\r\n--a*b--", "multipart/mixed;boundary=a*b")
    assert bytes(body) == b"--a*b\r\n\r\nx\r\n--a*b--"
    assert body.content_type.parameter("boundary") == "a*b"
    body.parts[0].body = b"y"
    assert body.content_type.parameter("boundary") != "a*b"
    assert Multipart.parse(bytes(body), body.content_type).parts == body.parts


def test_the_content_type_is_a_copy():
    body = Multipart([Part("text/plain", "x")])
    body.content_type.parameters["boundary"] = "y"
    assert body.content_type.parameter("boundary") != "y"
    assert repr(body) == "<Multipart mixed, 1 parts>"


def test_a_related_body_has_a_root():
    parts = [Part("image/png", "png"), Part("text/html", "x", {"Content-ID": "<root@a>"})]
    body = Multipart(parts, "Related", {"start": "<root@a>"})
    assert body.subtype == "related"
    assert body.root is body.parts[1]
    assert body.content_type.parameter("type") == "text/html"
    assert Multipart(parts, "related").root.media_type == "image/png"
    assert Multipart(parts, "related", {"start": "<nobody@a>"}).root.media_type == "image/png"
    assert Multipart(parts, "related", {"type": "x/y"}).content_type.parameter("type") == "x/y"
    again = Multipart.parse(bytes(body), MediaType.parse(str(body.content_type)))
    assert again.root == body.root
