"""Extended reports (RFC 3611): written to the octet, and read as written."""

import random

import pytest

from sipparty.errors import BuildError, ParseError
from sipparty.media.rtp.rtcp import ReceiverReport, SourceDescription, build_compound, parse_rtcp
from sipparty.media.rtp.rtcp_xr import (
    ExtendedReport,
    LastReferences,
    OtherBlock,
    Reference,
    ReferenceTime,
    VoIPMetrics,
    asked_for,
)

METRICS = VoIPMetrics(
    0x01020304,
    *(0.0625, 0.03125, 0.5, 0.015625),
    *(0.120, 2.5, 0.080, 0.045),
    *(-18, -60, 55, 16, 88, None, 4.2, 4.1, 0b10110000),
    *(0.04, 0.06, 0.4),
)
#: By section 4.7: block type 7, 8 words; the shares in 256ths, the times in ms, tenths of a score.
OCTETS = (
    "0700 0008 01020304 10 08 80 04 0078 09c4 0050 002dee c4 37 10 58 7f 2a 29 b0 00 0028 003c 0190"
)


def read(data):
    (packet,) = parse_rtcp(data, compound=False)
    return ExtendedReport.read(packet)


def test_metrics_are_written_to_the_octet():
    wire = bytes(ExtendedReport(7, (METRICS,)))
    assert wire.hex() == ("80cf000a 00000007" + OCTETS).replace(" ", "")
    assert read(wire) == ExtendedReport(7, (METRICS,))


def test_other_blocks_are_written_and_read():
    report = ExtendedReport(
        9,
        (
            ReferenceTime(0x0102030405060708),
            LastReferences((Reference(1, 2, 3), Reference(4))),
            OtherBlock(1, 5, b"abcdefgh"),
            OtherBlock(200, 0, b""),
        ),
    )
    wire = bytes(report)
    assert read(wire) == report
    assert wire[8:20].hex() == "040000020102030405060708"
    assert wire[20:24].hex() == "05000006"


def test_it_goes_in_a_compound_packet():
    data = build_compound(
        [ReceiverReport(7), SourceDescription.cname(7, "x"), ExtendedReport(7, (METRICS,))]
    )
    assert ExtendedReport.read(parse_rtcp(data)[2]).blocks == (METRICS,)


def test_what_does_not_fit_is_cut_to_its_field():
    block = VoIPMetrics(1, loss=2.0, discarded=-1.0, burst_duration=100.0, r_factor=None)
    (found,) = read(bytes(ExtendedReport(1, (block,)))).blocks
    assert (found.loss, found.discarded, found.burst_duration) == (255 / 256, 0, 65.535)
    assert (found.r_factor, found.mos_lq, found.signal_level) == (None, None, None)


def test_what_cannot_be_written_is_refused():
    with pytest.raises(BuildError, match="multiple of 4"):
        bytes(ExtendedReport(1, (OtherBlock(1, 0, b"abc"),)))
    with pytest.raises(BuildError, match="does not fit"):
        bytes(ExtendedReport(1, (VoIPMetrics(1 << 40),)))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("", "an extended report with an SSRC"),
        ("00000001 0700", None),
        ("00000001 07000009" + "00" * 32, "a block of 9 words"),
        ("00000001 07000007" + "00" * 28, "32 octets in a block of type 7"),
        ("00000001 04000001 00000000", "8 octets in a block of type 4"),
        ("00000001 05000004" + "00" * 16, "12 octets in a block of type 5"),
    ],
)
def test_what_is_none_is_refused_with_its_place(body, expected):
    from sipparty.media.rtp.rtcp import UnknownRTCP

    packet = UnknownRTCP(207, 0, bytes.fromhex(body.replace(" ", "")))
    with pytest.raises(ParseError, match=expected):
        ExtendedReport.read(packet)


def test_any_octets_are_read_or_refused():
    chance = random.Random(3611)
    whole = bytes(ExtendedReport(7, (METRICS, ReferenceTime(1), LastReferences((Reference(1),)))))
    done = 0
    for _ in range(5000):
        data = bytearray(whole)
        for _ in range(chance.randrange(1, 5)):
            data[chance.randrange(4, len(data))] = chance.randrange(256)
        try:
            report = read(bytes(data))
        except ParseError:
            continue
        done += 1
        assert read(bytes(report)).ssrc == report.ssrc
    assert done > 1000


def test_what_is_asked_for_is_read_from_the_description():
    assert asked_for("voip-metrics rcvr-rtt=all:10000") == {"voip-metrics", "rcvr-rtt"}
    assert asked_for("VoIP-Metrics") == {"voip-metrics"}
    assert asked_for(None) == asked_for("") == frozenset()
