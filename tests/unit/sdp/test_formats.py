"""`Format`: short ways to write one, what matches, payload types."""

from __future__ import annotations

import pytest

from sipparty.errors import BuildError
from sipparty.sdp import STATIC_PAYLOAD_TYPES, Format
from sipparty.sdp.formats import assign_payload_types, parse_fmtp


@pytest.mark.parametrize(
    ("short", "format_"),
    [
        ("PCMU", Format("PCMU", 8000)),
        ("pcma", Format("PCMA", 8000)),
        ("opus", Format("opus", 48000, 2)),
        ("L16", Format("L16", 44100, 2)),
        ("L16/16000", Format("L16", 16000)),
        ("L16/44100/2", Format("L16", 44100, 2)),
        ("t38/0", Format("t38", 0)),
        (8, Format("PCMA", 8000, 1, 8)),
        (Format("X", 1), Format("X", 1)),
    ],
)
def test_short_ways_to_write_a_format(short, format_):
    assert Format.of(short) == format_


@pytest.mark.parametrize("short", ["", "unheard-of", "a b/8000", "a/b", "PCMU/8000/2/2", 96, -1])
def test_what_names_no_format(short):
    with pytest.raises(BuildError):
        Format.of(short)


def test_matching_is_by_name_rate_and_channels():
    assert Format("pcmu", 8000, 1, 0).matches(Format("PCMU", 8000, 1, 110, "x=1"))
    assert not Format("L16", 44100, 2).matches(Format("L16", 44100))
    assert not Format("L16", 44100).matches(Format("L16", 8000))
    assert not Format("PCMA", 8000).matches(Format("PCMU", 8000))


@pytest.mark.parametrize(
    ("encoding", "one", "other", "match"),
    [
        ("H264", None, "packetization-mode=0", True),
        ("H264", None, "packetization-mode=1", False),
        ("h264", "profile-level-id=42e01f", "packetization-mode=0;profile-level-id=42E00a", True),
        ("H264", "profile-level-id=42e01f", "profile-level-id=640c1f", False),
        ("AMR", "octet-align=1", "octet-align=1; mode-set=7", True),
        ("AMR", "octet-align=1", None, False),
        ("iLBC", "mode=20", "mode=30", True),
    ],
)
def test_parameters_that_choose_a_configuration_must_be_alike(encoding, one, other, match):
    first, second = Format(encoding, 8000, fmtp=one), Format(encoding, 8000, fmtp=other)
    assert first.matches(second) is second.matches(first) is match


def test_fmtp_parameters():
    assert parse_fmtp(" A=1; b=x=y;c ;; a=2") == {"a": "1", "b": "x=y", "c": ""}
    assert parse_fmtp(None) == {}


def numbers(formats, history=()):
    return [one.payload_type for one in assign_payload_types(map(Format.of, formats), history)]


def test_static_types_keep_their_numbers_and_others_get_dynamic_ones():
    assert numbers(["opus", "PCMU", "telephone-event", "G722"]) == [96, 0, 97, 9]


def test_a_wish_is_granted_before_others_choose():
    assert numbers(["opus", Format("iLBC", 8000, 1, 96), "AMR"]) == [97, 96, 98]


def test_two_of_one_kind_have_two_numbers():
    assert numbers(["PCMU", "PCMU"]) == [0, 96]


def test_a_number_keeps_its_meaning():
    history = [Format("iLBC", 8000, 1, 97), Format("telephone-event", 8000, 1, 96)]
    assert numbers(["opus", "telephone-event", "iLBC"], history) == [98, 96, 97]
    assert numbers([Format("opus", 48000, 2, 97)], history) == [98]


def test_dynamic_numbers_run_over_into_unassigned_ones_and_out():
    assert numbers([f"x{n}/8000" for n in range(33)])[-1] == 35
    with pytest.raises(BuildError, match="payload types"):
        numbers([f"x{n}/8000" for n in range(62)])


def test_the_static_table():
    assert len(STATIC_PAYLOAD_TYPES) == 24
    assert str(STATIC_PAYLOAD_TYPES[10]) == "L16/44100/2"
    assert str(STATIC_PAYLOAD_TYPES[9]) == "G722/8000"


#: RFC 3551 section 6, tables 4 and 5.
STATIC = """
0 PCMU/8000
3 GSM/8000
4 G723/8000
5 DVI4/8000
6 DVI4/16000
7 LPC/8000
8 PCMA/8000
9 G722/8000
10 L16/44100/2
11 L16/44100
12 QCELP/8000
13 CN/8000
14 MPA/90000
15 G728/8000
16 DVI4/11025
17 DVI4/22050
18 G729/8000
25 CelB/90000
26 JPEG/90000
28 nv/90000
31 H261/90000
32 MPV/90000
33 MP2T/90000
34 H263/90000
"""


def test_static_payload_types_are_those_of_the_rfc():
    stated = dict(line.split() for line in STATIC.strip().splitlines())
    assert {str(number): str(one) for number, one in STATIC_PAYLOAD_TYPES.items()} == stated
    for number, text in stated.items():
        assert Format.of(int(number)).payload_type == int(number)
        assert str(Format.of(int(number))) == text


@pytest.mark.parametrize(
    "text",
    [
        "telephone-event/8000",
        "opus/48000/2",
        "iLBC/8000",
        "AMR/8000",
        "AMR-WB/16000",
        "H264/90000",
        "VP8/90000",
        "VP9/90000",
        "L16/44100/2",
        "DVI4/8000",
    ],
)
def test_common_formats_are_known_by_name(text):
    assert str(Format.of(text.partition("/")[0])) == text


def test_dynamic_payload_types_are_given_from_96_on_and_stay_clear_of_rtcp():
    """RFC 3551 section 3, RFC 5761 section 4."""
    wanted = [Format(f"X{n}", 8000) for n in range(61)]
    given = [one.payload_type for one in assign_payload_types(wanted)]
    assert given == [*range(96, 128), *range(35, 64)]
    with pytest.raises(BuildError, match="62 formats are more"):
        assign_payload_types([*wanted, Format("X61", 8000)])
