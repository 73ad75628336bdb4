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
