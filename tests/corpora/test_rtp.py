"""RTP and RTCP packets that nobody in this project wrote."""

import os
from pathlib import Path

import pytest

from sipparty.errors import ParseError
from sipparty.media.rtp.packet import RTPPacket
from sipparty.media.rtp.rtcp import (
    Goodbye,
    PayloadFeedback,
    ReceiverReport,
    SenderReport,
    SourceDescription,
    TransportFeedback,
    parse_rtcp,
)

ROOT = Path(__file__).parents[2]
CORPORA = Path(os.environ.get("SIPPARTY_CORPORA", ROOT.parent / "shared" / "corpora"))
VECTORS = sorted((CORPORA / "vectors" / "rtp").glob("*.bin"))
REFUSED = [path for path in VECTORS if "invalid" in path.name or "truncated" in path.name]

pytestmark = pytest.mark.skipif(not VECTORS, reason=f"no RTP vectors in {CORPORA}")


def read(path):
    data = path.read_bytes()
    if path.name.startswith("rtcp"):
        return data, b"".join(map(bytes, parse_rtcp(data, compound=False)))
    return data, bytes(RTPPacket.parse(data))


@pytest.mark.parametrize("path", sorted(set(VECTORS) - set(REFUSED)), ids=lambda path: path.name)
def test_read_and_written_back(path):
    data, again = read(path)
    assert again == data


@pytest.mark.parametrize("path", REFUSED, ids=lambda path: path.name)
def test_refused(path):
    with pytest.raises(ParseError):
        read(path)


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.name)
def test_cut_short_anywhere_only_parse_errors_come_out(path):
    data = path.read_bytes()
    for end in range(len(data)):
        for parse in (RTPPacket.parse, parse_rtcp):
            try:
                parse(data[:end])
            except ParseError:
                pass


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("rtcp_sr.bin", SenderReport),
        ("rtcp_rr.bin", ReceiverReport),
        ("rtcp_sdes.bin", SourceDescription),
        ("rtcp_bye.bin", Goodbye),
        ("rtcp_rtpfb.bin", TransportFeedback),
        ("rtcp_psfb_pli.bin", PayloadFeedback),
    ],
)
def test_what_they_are(name, kind):
    (packet,) = parse_rtcp((CORPORA / "vectors" / "rtp" / name).read_bytes(), compound=False)
    assert type(packet) is kind


def test_the_parts_of_a_sender_report():
    (report,) = parse_rtcp((CORPORA / "vectors" / "rtp" / "rtcp_sr.bin").read_bytes())
    assert isinstance(report, SenderReport)
    assert (report.packet_count, report.octet_count) == (269, 13557)
    assert report.reports[0].highest_sequence == 246
    assert report.reports[0].jitter == 127


def test_the_parts_of_a_packet():
    packet = RTPPacket.parse((CORPORA / "vectors" / "rtp" / "rtp_with_csrc.bin").read_bytes())
    assert packet.csrc == (0xABCDEF01, 0xDEADBEEF)
    assert len(packet.payload) == 160
