"""`MediaDescription`: what the attributes of a stream say."""

from __future__ import annotations

import pytest

from sipparty.sdp import (
    Attribute,
    Connection,
    Direction,
    Format,
    MediaDescription,
    RTCPAddress,
    RTPMap,
)


def stream(formats: str, *attributes: str, proto: str = "RTP/AVP", port: int = 49170):
    pairs = (text.partition(":") for text in attributes)
    made = tuple(Attribute(name, value if colon else None) for name, colon, value in pairs)
    return MediaDescription("audio", port, proto, tuple(formats.split()), attributes=made)


def test_rtpmap_has_static_payload_types_too():
    one = stream("0 18 97 98", "rtpmap:97 opus/48000/2", "rtpmap:110 PCMA/8000")
    assert one.rtpmap == {
        0: RTPMap("PCMU", 8000),
        18: RTPMap("G729", 8000),
        97: RTPMap("opus", 48000, 2),
        110: RTPMap("PCMA", 8000),
    }


def test_an_rtpmap_of_a_static_type_goes_before_the_table():
    assert stream("0", "rtpmap:0 L16/8000").rtpmap[0] == RTPMap("L16", 8000)


@pytest.mark.parametrize(
    "value", ["", "97", "97 iLBC", "97 iLBC/x", "128 iLBC/8000", "97 iLBC/8000/0", "x iLBC/8000"]
)
def test_a_malformed_rtpmap_says_nothing(value):
    one = stream("97", f"rtpmap:{value}")
    assert one.rtpmap == {}
    assert one.media_formats == ()


def test_media_formats_are_in_the_order_of_the_line():
    one = stream("97 0 300 x", "rtpmap:97 iLBC/8000", "fmtp:97 mode=20", "fmtp:0")
    assert one.media_formats == (
        Format("iLBC", 8000, 1, 97, "mode=20"),
        Format("PCMU", 8000, 1, 0),
    )
    assert one.fmtp == {97: "mode=20"}


def test_formats_that_are_not_rtp_are_names():
    one = stream("t38", "rtpmap:0 PCMU/8000", proto="udptl")
    assert one.media_formats == (Format("t38", 0),)
    assert one.rtpmap == {}


@pytest.mark.parametrize(
    ("value", "milliseconds"),
    [("20", 20), ("0.125", 0.125), ("0", None), ("-20", None), ("x", None), ("", None)],
)
def test_ptime(value, milliseconds):
    assert stream("0", f"ptime:{value}", f"maxptime:{value}").ptime == milliseconds
    assert stream("0", f"maxptime:{value}").maxptime == milliseconds


def test_what_is_not_said_is_none():
    one = stream("0")
    assert one.ptime is one.maxptime is one.mid is one.rtcp is None
    assert one.rtcp_mux is False
    assert one.direction is Direction.SENDRECV
    assert one.connection_or_session is None


def test_mid_and_rtcp_mux():
    one = stream("0", "mid:a1", "rtcp-mux")
    assert one.mid == "a1"
    assert one.rtcp_mux is True


@pytest.mark.parametrize(
    ("value", "rtcp", "port"),
    [
        ("53020", RTCPAddress(53020), 53020),
        ("53020 IN IP4 126.16.64.4", RTCPAddress(53020, Connection("126.16.64.4")), 53020),
        ("53020 IN IP6 2001:db8::1", RTCPAddress(53020, Connection("2001:db8::1", "IP6")), 53020),
        ("0", None, 49171),
        ("65536", None, 49171),
        ("x", None, 49171),
        ("", None, 49171),
        ("9 IN", None, 49171),
    ],
)
def test_rtcp(value, rtcp, port):
    one = stream("0", f"rtcp:{value}")
    assert one.rtcp == rtcp
    assert one.rtcp_port == port
    if rtcp is not None:
        assert str(rtcp) == value


def test_rtcp_is_one_port_up_where_there_is_one():
    assert stream("0").rtcp_port == 49171
    assert stream("0", port=65535).rtcp_port == 0
    assert stream("0", port=0).rtcp_port == 0


def test_a_direction_replaces_the_others():
    one = stream("0", "sendonly", "x", "inactive").with_direction(Direction.RECVONLY)
    assert one.attributes == (Attribute("x"), Attribute("recvonly"))


def test_only_a_bare_attribute_is_a_direction():
    assert stream("0", "sendonly:x").direction is Direction.SENDRECV


@pytest.mark.parametrize("direction", Direction)
def test_directions_reverse_and_restrict(direction):
    assert direction.reversed.reversed is direction
    assert direction.reversed.sends is direction.receives
    assert direction.restricted(Direction.SENDRECV) is direction
    assert direction.restricted(Direction.INACTIVE) is Direction.INACTIVE
    assert Direction.of(direction.sends, direction.receives) is direction


def test_connections_know_their_kind():
    assert Connection("0.0.0.0").is_unspecified
    assert Connection("0::0", "IP6").is_unspecified
    assert not Connection("192.0.2.1").is_unspecified
    assert Connection("233.252.0.1", ttl=127).is_multicast
    assert Connection("ff15::1", "IP6").is_multicast
    assert not Connection("host.example.com").is_multicast


@pytest.mark.parametrize(
    ("value", "connection"),
    [
        ("IN IP4 233.252.0.1/127", Connection("233.252.0.1", ttl=127)),
        ("IN IP4 233.252.0.1/127/3", Connection("233.252.0.1", ttl=127, count=3)),
        ("IN IP6 ff15::101/3", Connection("ff15::101", "IP6", count=3)),
        ("IN IP6 ff15::101", Connection("ff15::101", "IP6")),
        ("ATM NSAP 47.0091", Connection("47.0091", "NSAP", "ATM")),
    ],
)
def test_connections_are_read_and_written(value, connection):
    assert Connection.read(value) == connection
    assert str(connection) == value
