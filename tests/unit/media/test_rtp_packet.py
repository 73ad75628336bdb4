import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipparty.errors import BuildError, ParseError
from sipparty.media.rtp.packet import (
    HeaderExtension,
    RTPPacket,
    looks_like_rtcp,
    sequence_difference,
    timestamp_difference,
)

words = st.integers(0, 0xFFFFFFFF)
packets = st.builds(
    RTPPacket,
    st.integers(0, 127),
    st.integers(0, 0xFFFF),
    words,
    words,
    st.binary(max_size=64),
    marker=st.booleans(),
    csrc=st.lists(words, max_size=15).map(tuple),
    extension=st.none()
    | st.builds(
        HeaderExtension,
        st.integers(0, 0xFFFF),
        st.integers(0, 5).flatmap(lambda n: st.binary(min_size=4 * n, max_size=4 * n)),
    ),
    padding=st.integers(0, 255),
)


def test_the_header_has_the_fields_where_the_rfc_has_them():
    packet = RTPPacket(8, 0x1234, 0x01020304, 0xAABBCCDD, b"\xff\xfe", marker=True)
    assert bytes(packet) == bytes.fromhex("80 88 1234 01020304 aabbccdd fffe")


def test_csrc_extension_and_padding():
    data = bytes.fromhex(
        "b2 00 0001 00000002 00000003 0000000a 0000000b bede 0001 10aa0000 ff 000003"
    )
    packet = RTPPacket.parse(data)
    assert packet.csrc == (10, 11)
    assert packet.extension == HeaderExtension(0xBEDE, b"\x10\xaa\x00\x00")
    assert packet.payload == b"\xff"
    assert packet.padding == b"\x00\x00\x03"
    assert bytes(packet) == data


@given(packets)
def test_what_is_written_is_read(packet):
    again = RTPPacket.parse(bytes(packet))
    assert again == packet
    assert bytes(again) == bytes(packet)


@given(st.binary(max_size=80))
def test_arbitrary_bytes_are_read_or_refused(data):
    try:
        packet = RTPPacket.parse(data)
    except ParseError:
        return
    assert bytes(packet) == data


@given(st.integers(0, 63), st.binary(min_size=11, max_size=60))
def test_every_combination_of_flags_is_read_or_refused(flags, rest):
    data = bytes((0x80 | flags,)) + rest
    try:
        packet = RTPPacket.parse(data)
    except ParseError:
        return
    assert bytes(packet) == data


@pytest.mark.parametrize(
    ("data", "expected", "position"),
    [
        ("", "a header of 12 octets", 0),
        ("80" + "00" * 10, "a header of 12 octets, not 11", 11),
        ("40" + "00" * 11, "version 2, not 1", 0),
        ("82" + "00" * 15, "2 contributing sources", 12),
        ("90" + "00" * 13, "a header extension", 12),
        ("90" + "00" * 11 + "bede0002" + "00" * 4, "a header extension of 2 words", 16),
        ("a0" + "00" * 11, "padding", 11),
        ("a0" + "00" * 11 + "ff00", "padding of 1 to 2 octets, not 0", 13),
        ("a0" + "00" * 11 + "ff03", "padding of 1 to 2 octets, not 3", 13),
    ],
)
def test_what_is_refused_says_why_and_where(data, expected, position):
    with pytest.raises(ParseError) as caught:
        RTPPacket.parse(bytes.fromhex(data))
    assert caught.value.expected.startswith(expected)
    assert caught.value.position == position
    assert "RTP packet" in str(caught.value)


def test_all_of_a_packet_may_be_padding():
    packet = RTPPacket.parse(bytes.fromhex("a0" + "00" * 11 + "000003"))
    assert packet.payload == b""
    assert len(packet.padding) == 3


@pytest.mark.parametrize(
    "packet",
    [
        RTPPacket(128, 0, 0, 0),
        RTPPacket(-1, 0, 0, 0),
        RTPPacket(0, 65536, 0, 0),
        RTPPacket(0, 0, -1, 0),
        RTPPacket(0, 0, 0, 1 << 32),
        RTPPacket(0, 0, 0, 0, csrc=tuple(range(16))),
        RTPPacket(0, 0, 0, 0, csrc=(-1,)),
        RTPPacket(0, 0, 0, 0, extension=HeaderExtension(0, b"abc")),
        RTPPacket(0, 0, 0, 0, extension=HeaderExtension(1 << 16, b"")),
        RTPPacket(0, 0, 0, 0, padding=b"\x00\x03"),
    ],
    ids=repr,
)
def test_what_no_packet_can_hold_is_not_built(packet):
    with pytest.raises(BuildError):
        bytes(packet)


def test_too_much_padding_is_not_built():
    with pytest.raises(BuildError):
        RTPPacket(0, 0, 0, 0, padding=256)


def test_differences_go_across_the_wrap():
    assert sequence_difference(2, 65534) == 4
    assert sequence_difference(65534, 2) == -4
    assert timestamp_difference(5, 0xFFFFFFFB) == 10
    assert timestamp_difference(0xFFFFFFFB, 5) == -10


def test_rtcp_is_told_apart_on_a_shared_port():
    assert looks_like_rtcp(bytes.fromhex("80c80000"))
    assert not looks_like_rtcp(bytes(RTPPacket(0, 0, 0, 0, marker=True)))
    assert not looks_like_rtcp(b"\x80")
    # RFC 5761 section 4: from 192 to 223.
    found = [octet for octet in range(256) if looks_like_rtcp(bytes((0x80, octet)))]
    assert found == list(range(192, 224))


def test_packets_compare_by_what_they_hold_and_cannot_be_keys():
    assert RTPPacket(0, 1, 2, 3) == RTPPacket(0, 1, 2, 3)
    assert RTPPacket(0, 1, 2, 3) != RTPPacket(0, 1, 2, 4)
    assert RTPPacket(0, 1, 2, 3) != "packet"
    with pytest.raises(TypeError):
        hash(RTPPacket(0, 1, 2, 3))
