"""`SessionDescription`: reading, writing, changing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sipparty.errors import BuildError, ParseError
from sipparty.sdp import (
    Attribute,
    Bandwidth,
    Connection,
    Direction,
    Format,
    Limits,
    MediaDescription,
    Origin,
    Repeat,
    SessionDescription,
    Timing,
    UnknownLine,
    ZoneAdjustment,
)

WHOLE = (
    b"v=0\r\n"
    b"o=alice 3724394400 3724394405 IN IP4 198.51.100.1\r\n"
    b"s=Call to Bob\r\n"
    b"i=All lines there are\r\n"
    b"u=http://www.example.com/call\r\n"
    b"e=Alice <alice@example.com>\r\n"
    b"e=alice@example.org\r\n"
    b"p=+1 617 555-6011\r\n"
    b"c=IN IP4 198.51.100.1\r\n"
    b"b=CT:128\r\n"
    b"b=AS:64\r\n"
    b"t=3724394400 3730536000\r\n"
    b"r=604800 3600 0 90000\r\n"
    b"z=3730928400 -3600 3749680800 0\r\n"
    b"t=0 0\r\n"
    b"k=prompt\r\n"
    b"a=recvonly\r\n"
    b"a=tool:example:1\r\n"
    b"m=audio 49170 RTP/AVP 0 96\r\n"
    b"i=speech\r\n"
    b"b=TIAS:64000\r\n"
    b"a=rtpmap:96 opus/48000/2\r\n"
    b"m=video 51372/2 RTP/AVP 99\r\n"
    b"c=IN IP6 ff15::101/3\r\n"
    b"k=clear:x\r\n"
    b"a=sendrecv\r\n"
)
MINIMAL = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"


def described(*lines: str) -> SessionDescription:
    return SessionDescription.parse(MINIMAL + "".join(f"{line}\r\n" for line in lines).encode())


def test_every_line_of_the_rfc_becomes_its_type():
    sd = SessionDescription.parse(WHOLE, strict=True)
    assert sd.origin == Origin("alice", 3724394400, 3724394405, "198.51.100.1")
    assert sd.name == "Call to Bob"
    assert sd.information == "All lines there are"
    assert sd.uri == "http://www.example.com/call"
    assert sd.emails == ("Alice <alice@example.com>", "alice@example.org")
    assert sd.phones == ("+1 617 555-6011",)
    assert sd.connection == Connection("198.51.100.1")
    assert sd.bandwidths == (Bandwidth("CT", 128), Bandwidth("AS", 64))
    assert sd.timings == (
        Timing(
            3724394400,
            3730536000,
            (Repeat(604800, 3600, (0, 90000)),),
            (ZoneAdjustment(3730928400, -3600), ZoneAdjustment(3749680800, 0)),
        ),
        Timing(0, 0),
    )
    assert sd.key == "prompt"
    assert sd.attributes == (Attribute("recvonly"), Attribute("tool", "example:1"))
    audio, video = sd.media
    assert (audio.media, audio.port, audio.proto) == ("audio", 49170, "RTP/AVP")
    assert audio.formats == ("0", "96")
    assert audio.title == "speech"
    assert audio.bandwidths == (Bandwidth("TIAS", 64000),)
    assert video.port_count == 2
    assert video.connection == Connection("ff15::101", "IP6", count=3)
    assert video.key == "clear:x"


def test_what_is_rebuilt_equals_what_was_read():
    sd = SessionDescription.parse(WHOLE)
    assert bytes(replace(sd)) == WHOLE


def test_untouched_bytes_come_back_whatever_their_form():
    odd = (
        b"v=0\no=-  1 1 IN IP4 192.0.2.1 \ns=\nt=0 0\nc=IN IP4 192.0.2.1\nm=audio 9 RTP/AVP  0\n\n"
    )
    sd = SessionDescription.parse(odd)
    assert bytes(sd) == odd
    assert bytes(replace(sd)) == MINIMAL + b"m=audio 9 RTP/AVP 0\r\n"


def test_typed_times_are_seconds():
    sd = SessionDescription.parse(WHOLE.replace(b"604800 3600 0 90000", b"7d 1h 0 25h"))
    assert sd.timings[0].repeats == (Repeat(604800, 3600, (0, 90000)),)


def test_text_and_bytes_read_alike():
    assert SessionDescription.parse(WHOLE.decode()) == SessionDescription.parse(WHOLE)
    assert str(SessionDescription.parse(WHOLE)) == WHOLE.decode()


def test_text_in_another_charset_survives_a_change():
    data = MINIMAL.replace(b"s=-", b"s=caf\xe9")
    sd = SessionDescription.parse(data)
    assert bytes(sd.with_attribute("lang", "fr")) == data + b"a=lang:fr\r\n"
    assert "caf\ufffd" in str(sd)


def test_unknown_lines_are_kept_and_refused_when_strict():
    data = MINIMAL + b"f=odd\r\nm=audio 9 RTP/AVP 0\r\ng=even\r\n"
    sd = SessionDescription.parse(data)
    assert sd.unknown == (UnknownLine("f", "odd"),)
    assert sd.media[0].unknown == (UnknownLine("g", "even"),)
    assert bytes(replace(sd)) == data
    with pytest.raises(ParseError, match="one of the types"):
        SessionDescription.parse(data, strict=True)


@pytest.mark.parametrize(
    "lines",
    [
        "v=0|o=- 1 1 IN IP4 a.example|s=-|t=0 0|c=IN IP4 a.example",
        "v=0|o=- 1 1 IN IP4 a.example|s=-|c=IN IP4 a.example|a=inactive|t=0 0",
        "v=0|o=- 1 1 IN IP4 a.example|c=IN IP4 a.example|t=0 0",
        "v=0|o=- 1 1 IN IP4 a.example|s=-|c=IN IP4 a.example",
        "v=0|o=- 1 1 IN IP4 a.example|s=|c=IN IP4 a.example|t=0 0",
        "v=0|o=- 1 1 IN IP4 a.example|s=-|i=|c=IN IP4 a.example|t=0 0",
        "v=0|o=- 1 1 IN IP4 a.example|s=-|t=0 0|m=audio 9 RTP/AVP 0",
        "v=0|o=- 1 1 IN IP4 a.example|s=-|c=IN IP4 a.example|t=0 0|m=audio 9 RTP/AVP 0|a=x|b=AS:1",
        "v=0|o=- 1 1 IN IP4 a.example|s=-|c=IN IP4 a.example|t=0 0|z=0 0",
        "v=0|o=- 1 1 IN IP4 a.example|s=-|c=IN IP4 a.example|t=0 0||",
    ],
)
def test_the_deviations_that_pass_do_not_when_strict(lines):
    data = lines.replace("|", "\r\n") + "\r\n"
    sd = SessionDescription.parse(data)
    assert sd.name == "-"
    assert sd.timings[0].start == 0
    with pytest.raises(ParseError):
        SessionDescription.parse(data, strict=True)


def test_repeated_time_descriptions_are_in_order():
    lines = ["t=0 0", "r=1d 1h 0", "r=7d 1h 0", "t=0 0", "r=1d 1h 0", "z=3730928400 -1h", "a=x"]
    data = MINIMAL + "".join(f"{line}\r\n" for line in lines).encode()
    sd = SessionDescription.parse(data, strict=True)
    assert [len(timing.repeats) for timing in sd.timings] == [0, 2, 1]


@pytest.mark.parametrize(
    ("data", "expected", "position"),
    [
        (b"", "v=0", 0),
        (b"v=1\r\no=- 1 1 IN IP4 a\r\n", "protocol version 0", 2),
        (b"v=0\r\n", "o= after v=", 5),
        (b"v=0\r\ns=-\r\n", "o= after v=", 5),
        (b"v=0\r\no=- 1 1 IN IP4\r\n", "in o=", 7),
        (b"v=0\r\no=- one 1 IN IP4 a\r\n", "digits as session id", 9),
        (MINIMAL + b"a\r\n", "'<type>=<value>'", len(MINIMAL)),
        (MINIMAL + b"=x\r\n", "'<type>=<value>'", len(MINIMAL)),
        (MINIMAL + b"m =audio 1 RTP/AVP 0\r\n", "'<type>=<value>'", len(MINIMAL)),
        (MINIMAL + b"o=- 1 1 IN IP4 a\r\n", "one o= line", len(MINIMAL)),
        (MINIMAL + b"c=IN IP4 a\r\n", "one c= line", len(MINIMAL)),
        (MINIMAL + b"m=audio x RTP/AVP 0\r\n", "digits as port", len(MINIMAL) + 8),
        (MINIMAL + b"m=audio 1/0 RTP/AVP 0\r\n", "number of ports", len(MINIMAL) + 10),
        (MINIMAL + b"m=audio 1 RTP/AVP\r\n", "at least one format", len(MINIMAL) + 2),
        (MINIMAL + b"m=au/dio 1 RTP/AVP 0\r\n", "a token as media type", len(MINIMAL) + 2),
        (MINIMAL + b"m=audio 1 RTP/AVP 0\r\nt=0 0\r\n", "one of the types", len(MINIMAL) + 21),
        (MINIMAL + b"b=64\r\n", "'<bwtype>:<bandwidth>'", len(MINIMAL) + 2),
        (MINIMAL + b"b=AS:\xd9\xa3\r\n", "digits as bandwidth", len(MINIMAL) + 5),
        (MINIMAL + b"a=\r\n", "attribute name", len(MINIMAL) + 2),
        (MINIMAL + b"a=:x\r\n", "attribute name", len(MINIMAL) + 2),
        (MINIMAL + b"a=x\ry\r\n", "CR", len(MINIMAL) + 3),
        (MINIMAL + b"a=x\0\r\n", "NUL", len(MINIMAL) + 3),
        (MINIMAL.replace(b"t=0 0", b"t=0"), "in t=", len(MINIMAL) - 5),
        (MINIMAL + b"r=1x 1 0\r\n", "a time such as", len(MINIMAL) + 2),
        (MINIMAL + b"r=1 1\r\n", "in r=", len(MINIMAL) + 2),
        (MINIMAL + b"z=1\r\n", "pairs", len(MINIMAL) + 2),
        (MINIMAL + b"t=" + b"9" * 5000 + b" 0\r\n", "digits as start time", len(MINIMAL) + 2),
    ],
)
def test_an_error_says_what_was_expected_and_where(data, expected, position):
    with pytest.raises(ParseError) as caught:
        SessionDescription.parse(data)
    error = caught.value
    assert expected in error.expected
    assert error.position == position
    assert (error.what, error.status, error.text) == ("session description", 400, data)


def test_positions_count_bytes_of_bytes_and_characters_of_text():
    data = MINIMAL.replace(b"s=-", "s=\u00e9\u00e9".encode()) + b"b=x\r\n"
    with pytest.raises(ParseError) as of_bytes:
        SessionDescription.parse(data)
    with pytest.raises(ParseError) as of_text:
        SessionDescription.parse(data.decode())
    assert of_bytes.value.position == of_text.value.position + 2 == data.index(b"b=x") + 2


def test_text_that_cannot_be_encoded_is_refused():
    with pytest.raises(ParseError, match="UTF-8"):
        SessionDescription.parse(MINIMAL.decode() + "a=\ud800\r\n")


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (Limits(max_bytes=len(WHOLE) - 1), "bytes"),
        (Limits(max_lines=WHOLE.count(b"\n") - 1), "lines"),
        (Limits(max_media=1), "m= lines"),
        (Limits(max_formats=1), "formats in m="),
    ],
)
def test_limits_hold(limits, expected):
    enough = Limits(len(WHOLE), max_lines=WHOLE.count(b"\n"), max_media=2, max_formats=2)
    SessionDescription.parse(WHOLE, limits=enough)
    with pytest.raises(ParseError, match=expected):
        SessionDescription.parse(WHOLE, limits=limits)


def test_one_call_describes_an_audio_stream():
    sd = SessionDescription.audio(
        "192.0.2.1", 49170, ["PCMU", "opus", "telephone-event"], session_id=7, version=2, ptime=20
    )
    assert bytes(sd).decode().split("\r\n") == [
        "v=0",
        "o=- 7 2 IN IP4 192.0.2.1",
        "s=-",
        "c=IN IP4 192.0.2.1",
        "t=0 0",
        "m=audio 49170 RTP/AVP 0 96 97",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:96 opus/48000/2",
        "a=rtpmap:97 telephone-event/8000",
        "a=ptime:20",
        "a=sendrecv",
        "",
    ]
    assert SessionDescription.parse(bytes(sd), strict=True) == sd


def test_ipv6_addresses_are_seen_as_such():
    sd = SessionDescription.audio("2001:db8::1", 9)
    assert str(sd.origin) == "- 0 0 IN IP6 2001:db8::1"
    assert str(sd.connection) == "IN IP6 2001:db8::1"


INJECTION = "x\r\na=evil"


@pytest.mark.parametrize(
    "build",
    [
        lambda: Origin(INJECTION, 1, 1, "a"),
        lambda: Origin("-", 1, 1, "a\n"),
        lambda: Origin("-", -1, 1, "a"),
        lambda: Origin("-", True, 1, "a"),
        lambda: Origin("a b", 1, 1, "a"),
        lambda: Origin("-", 1, 1, "a", "I P4"),
        lambda: Origin("-", 1, 1, "a", "IP4", INJECTION),
        lambda: Origin("-", 1, -1, "a"),
        lambda: Origin("-", 10**40, 1, "a"),
        lambda: Connection("a", "I P4"),
        lambda: Connection("a", "IP4", INJECTION),
        lambda: Connection("224.0.0.1", ttl=-1),
        lambda: Connection("ff15::1", "IP6", count=0),
        lambda: Bandwidth("AS", 10**40),
        lambda: Timing(0, -1),
        lambda: Repeat(1, -1, (0,)),
        lambda: Repeat(1, 0, (-1,)),
        lambda: ZoneAdjustment(-1, 0),
        lambda: ZoneAdjustment(0, 10**40),
        lambda: Format("PCMU", payload_type=-1),
        lambda: Format("a/b"),
        lambda: Format("PCMU", 10**9),
        lambda: Format("PCMU", 8000, 0),
        lambda: Format("PCMU", 8000, 1000),
        lambda: MediaDescription("audio", -1, "RTP/AVP", ("0",)),
        lambda: MediaDescription("audio", 1, "RTP/AVP", ("0",), port_count=0),
        lambda: MediaDescription("audio", 1, "RTP/AVP", ("0",), port_count=65536),
        lambda: MediaDescription("audio", 1, "RTP/AVP", ("0",), key=INJECTION),
        lambda: MediaDescription.rtp("audio", 1, ["PCMU"], ptime=100_000),
        lambda: Connection("a\r"),
        lambda: Connection("a/1"),
        lambda: Connection("224.0.0.1", ttl=256),
        lambda: Connection("224.0.0.1", count=2),
        lambda: Connection("ff15::1", "IP6", ttl=1),
        lambda: Bandwidth("A S", 1),
        lambda: Bandwidth("AS", -1),
        lambda: Timing(-1, 0),
        lambda: Repeat(0, 0, (0,)),
        lambda: Repeat(1, 0, ()),
        lambda: Attribute("a:b"),
        lambda: Attribute(INJECTION),
        lambda: Attribute("x", INJECTION),
        lambda: Attribute("x", "\ud800"),
        lambda: UnknownLine("ab", "x"),
        lambda: UnknownLine("f", INJECTION),
        lambda: Format(INJECTION),
        lambda: Format("PCMU", fmtp=INJECTION),
        lambda: Format("PCMU", payload_type=128),
        lambda: MediaDescription(INJECTION, 1, "RTP/AVP", ("0",)),
        lambda: MediaDescription("audio", 65536, "RTP/AVP", ("0",)),
        lambda: MediaDescription("audio", "1", "RTP/AVP", ("0",)),
        lambda: MediaDescription("audio", 1, "RTP AVP", ("0",)),
        lambda: MediaDescription("audio", 1, "RTP/AVP", ("0 1",)),
        lambda: MediaDescription("audio", 1, "RTP/AVP", "0"),
        lambda: MediaDescription("audio", 1, "RTP/AVP", ()),
        lambda: MediaDescription("audio", 1, "RTP/AVP", ("0",), title=INJECTION),
        lambda: MediaDescription.rtp("audio", 1, ["PCMU"], ptime=0),
        lambda: MediaDescription.rtp("audio", 1, ["PCMU"], maxptime=float("inf")),
        lambda: MediaDescription.rtp("audio", 1, ["PCMU"], direction="both"),
        lambda: MediaDescription.rtp("audio", 1, []),
        lambda: SessionDescription(Origin.of("a"), name=INJECTION),
        lambda: SessionDescription(Origin.of("a"), name=""),
        lambda: SessionDescription(Origin.of("a"), emails=[INJECTION]),
        lambda: SessionDescription(Origin.of("a"), timings=()),
        lambda: SessionDescription.audio("a\n", 1),
        lambda: SessionDescription.audio("a", 1, ["unheard-of"]),
        lambda: SessionDescription.audio("a", 1, [1]),
        lambda: SessionDescription.audio("a", 1, ["a b/8000"]),
    ],
)
def test_values_that_cannot_stand_in_a_description_cannot_be_given(build):
    with pytest.raises(BuildError, match=r"cannot stand|needs a t="):
        build()


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (Origin("-", 0, 0, "a"), "- 0 0 IN IP4 a"),
        (Origin("-", 10**40 - 1, 1, "a"), f"- {10**40 - 1} 1 IN IP4 a"),
        (Connection("224.0.0.1", ttl=0), "IN IP4 224.0.0.1/0"),
        (Connection("224.0.0.1", ttl=255, count=1), "IN IP4 224.0.0.1/255/1"),
        (Connection("ff15::1", "IP6", count=1), "IN IP6 ff15::1/1"),
        (Bandwidth("AS", 0), "AS:0"),
        (Timing(0, 0), "0 0"),
        (Repeat(1, 0, (0,)), "1 0 0"),
        (ZoneAdjustment(0, -3600), "0 -3600"),
        (Format("PCMU", 999_999_999, 999), "PCMU/999999999/999"),
        (MediaDescription("audio", 65535, "RTP/AVP", ("0",)), "audio 65535 RTP/AVP 0"),
        (MediaDescription("audio", 0, "RTP/AVP", ()), "audio 0 RTP/AVP"),
        (MediaDescription("a", 1, "b", ("0",), port_count=65535), "a 1/65535 b 0"),
        (MediaDescription("a", 1, "b", ("0",), port_count=1), "a 1/1 b 0"),
    ],
)
def test_values_at_the_edge_can(value, line):
    assert str(value) == line


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1", 1), ("1s", 1), ("2m", 120), ("2h", 7200), ("2d", 172_800), ("-1h", -3600)],
)
def test_times_may_have_units(text, seconds):
    """RFC 8866 section 5.10."""
    if seconds > 0:
        assert Repeat.read(f"{text} {text} 0") == Repeat(seconds, seconds, (0,))
    assert ZoneAdjustment.read(f"3 {text}") == (ZoneAdjustment(3, seconds),)


def test_attributes_are_found_replaced_and_removed():
    sd = described("a=x:1", "a=flag", "a=x:2")
    assert sd.values("x") == ("1", "2")
    assert sd.value("x") == "1"
    assert sd.has("flag")
    assert sd.value("flag") is None
    assert sd.with_attribute("x", "3").attributes == (Attribute("x", "3"), Attribute("flag"))
    assert sd.with_attribute("y").attributes[-1] == Attribute("y")
    assert sd.without_attribute("x", "flag").attributes == ()


def test_the_session_level_holds_for_streams_that_say_nothing():
    sd = described("a=inactive", "a=ice-ufrag:abcd", "m=audio 9 RTP/AVP 0", "m=audio 9 RTP/AVP 0")
    first, second = sd.media
    assert first.direction is Direction.INACTIVE
    assert first.connection is None
    assert first.connection_or_session == Connection("192.0.2.1")
    assert first.inherited("ice-ufrag") == "abcd"
    assert second.with_direction("sendonly").direction is Direction.SENDONLY
    elsewhere = replace(sd, connection=Connection("192.0.2.9"), attributes=())
    assert elsewhere.media[0].direction is Direction.SENDRECV
    assert elsewhere.media[0].connection_or_session == Connection("192.0.2.9")
    assert sd.media[0].direction is Direction.INACTIVE
    assert sd.direction is Direction.INACTIVE


def test_a_change_of_a_stream_keeps_what_it_inherits():
    sd = described("a=recvonly", "m=audio 9 RTP/AVP 0")
    assert sd.media[0].with_attribute("x").direction is Direction.RECVONLY
    assert sd.media[0].with_attribute("x").connection_or_session == Connection("192.0.2.1")


def test_descriptions_are_values():
    one, two = SessionDescription.parse(WHOLE), SessionDescription.parse(WHOLE)
    assert one == two
    assert hash(one) == hash(two)
    assert one != one.with_attribute("x")


@pytest.mark.parametrize(
    ("data", "expected", "position", "meant"),
    [
        (b"\r\n" + MINIMAL, "not empty", 0, MINIMAL),
        (b"\n\n" + MINIMAL, "not empty", 0, MINIMAL),
        (MINIMAL.replace(b"s=-\r\n", b"s=-\r\n\r\n"), "not empty", 36, MINIMAL),
        (MINIMAL + b"\r\na=x\r\n", "not empty", len(MINIMAL), MINIMAL + b"a=x\r\n"),
        (MINIMAL + b"\r\n\r\n", "not empty", len(MINIMAL), MINIMAL),
        (MINIMAL.rstrip(), "a line end after", len(MINIMAL) - 2, MINIMAL),
        (MINIMAL + b"\0\0", "text without NUL", len(MINIMAL), MINIMAL),
        (
            MINIMAL.replace(b"t=0 0", b"r=7d 1h 0\r\nz=1 1h\r\nt=0 0"),
            "t= before r=",
            len(MINIMAL) - 7,
            MINIMAL.replace(b"t=0 0", b"t=0 0\r\nr=604800 3600 0\r\nz=1 3600"),
        ),
        (
            MINIMAL.replace(b"t=0 0", b"z=1 1h"),
            "t= before z=",
            len(MINIMAL) - 7,
            MINIMAL,
        ),
        (
            MINIMAL + b"m=audio 65536 RTP/AVP 0\r\na=x\r\nm=audio 4000 RTP/AVP 0\r\n",
            "from 0 to 65535",
            len(MINIMAL) + 8,
            MINIMAL + b"m=audio 0 RTP/AVP 0\r\na=x\r\nm=audio 4000 RTP/AVP 0\r\n",
        ),
        (
            MINIMAL + b"m=audio -1/2 RTP/AVP 0\r\n",
            "digits as port",
            len(MINIMAL) + 8,
            MINIMAL + b"m=audio 0/2 RTP/AVP 0\r\n",
        ),
    ],
)
def test_what_is_plain_is_read_and_listed(data, expected, position, meant):
    sd = SessionDescription.parse(data)
    assert sd == SessionDescription.parse(meant)
    assert bytes(sd) == data
    assert sd.findings
    with pytest.raises(ParseError, match=expected) as caught:
        SessionDescription.parse(data, strict=True)
    if "digits" not in expected and "65535" not in expected:
        assert caught.value.position == position
        assert str(caught.value) == str(sd.findings[0])


def test_nothing_is_listed_of_what_is_as_it_should_be():
    assert SessionDescription.parse(WHOLE).findings == ()
    assert SessionDescription.audio("192.0.2.1", 9).findings == ()


def test_how_much_is_listed_is_bounded():
    assert len(SessionDescription.parse(b"\r\n" * 1000 + MINIMAL).findings) == 16


@pytest.mark.parametrize("port", ["65535", "0", "4000"])
def test_a_port_that_is_one_is_no_bad_one(port):
    sd = described(f"m=audio {port} RTP/AVP 0")
    assert sd.media[0].port == int(port)
    assert sd.media[0].bad_port is None
    assert described("m=audio 70000 RTP/AVP 0", "a=x").media[0].bad_port == "70000"


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("IN IP4 192.0.2.1", None),
        ("in ip4 192.0.2.1", None),
        ("IN IP6 2001:db8::1", None),
        ("IN IP4 media.example.com", None),
        ("IN IP4 media.example.com.", None),
        ("IN IP4 localhost", None),
        ("IN IP4 127.0.0.1", None),
        ("IN IP4 0.0.0.0", None),
        ("IN IP6 ::", None),
        ("AF IP4 192.0.2.1", 300),
        ("ATM NSAP 47.0091", 300),
        ("IN IP7 192.0.2.1", 301),
        ("IN IP4 300.1.2.3", 301),
        ("IN IP4 1.2.3", 301),
        ("IN IP4 10.0.0.010", 301),
        ("IN IP4 a..b", 301),
        ("IN IP4 -", None),
        ("IN IP4 .", 301),
        ("IN IP4 x@y", 301),
        ("IN IP4 " + "a" * 64, 301),
        ("IN IP6 fe80::1%eth0", 301),
        ("IN IP6 1::2::3", 301),
        ("IN IP4 224.0.0.1/1", 330),
        ("IN IP6 ff15::101/3", 330),
        ("IN IP6 ::ffff:224.0.0.1", 330),
        ("IN IP4 255.255.255.255", 301),
        ("IN IP4 240.0.0.1", 301),
        ("IN IP4 0.0.0.1", 301),
        ("IN IP6 ::ffff:255.255.255.255", 301),
    ],
)
def test_where_no_media_can_go_is_told(value, code):
    fault = Connection.read(value).fault
    assert (None if fault is None else fault[0]) == code
