import io
import ipaddress
import math
import os
import shutil
import struct
import subprocess

import pytest

from sipparty.errors import BuildError
from sipparty.trace import NoteRecord, PcapWriter, Wire, WireRecord, write_pcap
from sipparty.trace.capture_file import CaptureFile

#: The bytes before the first packet.
BEGINNING = 28 + 20
ALICE, BOB = ("10.0.0.1", 5060), ("10.0.0.2", 5060)
OPTIONS = (
    b"OPTIONS sip:bob@biloxi.com SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK1\r\n"
    b"From: <sip:alice@atlanta.com>;tag=1\r\n"
    b"To: <sip:bob@biloxi.com>\r\n"
    b"Call-ID: 1\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
)
OK = OPTIONS.replace(b"OPTIONS sip:bob@biloxi.com SIP/2.0", b"SIP/2.0 200 OK")


def sent(data=OPTIONS, local=ALICE, remote=BOB, transport="UDP", time=1.5):
    return WireRecord(time, "sent", transport, local, remote, data)


def received(data=OPTIONS, local=BOB, remote=ALICE, transport="UDP", time=1.5):
    return WireRecord(time, "received", transport, local, remote, data)


def written(*records):
    """The packets of a capture: (seconds, microseconds, bytes)."""
    file = io.BytesIO()
    write_pcap(file, records)
    frames = CaptureFile(file.getvalue())
    packets = [(*divmod(round(time * 1e6), 1_000_000), data) for time, _, data, _ in frames]
    assert frames.problem == ""
    return packets


def ones_sum(data):
    data += b"\0" * (len(data) % 2)
    return sum(struct.unpack(f"!{len(data) // 2}H", data)) % 0xFFFF


def taken_apart(packet):
    """Source, destination, protocol and payload of an IP packet; checks lengths and checksums."""
    if packet[0] >> 4 == 4:
        assert ones_sum(packet[:20]) == 0
        assert struct.unpack("!H", packet[2:4])[0] == len(packet)
        src, dst, protocol, payload = packet[12:16], packet[16:20], packet[9], packet[20:]
    else:
        assert struct.unpack("!H", packet[4:6])[0] == len(packet) - 40
        src, dst, protocol, payload = packet[8:24], packet[24:40], packet[6], packet[40:]
    assert ones_sum(src + dst + struct.pack("!II", len(payload), protocol) + payload) == 0
    if protocol == 17:
        assert struct.unpack("!H", payload[4:6])[0] == len(payload)
        assert payload[6:8] != b"\0\0"
    return str(ipaddress.ip_address(src)), str(ipaddress.ip_address(dst)), protocol, payload


def test_a_datagram():
    ((seconds, micro, packet),) = written(sent(time=1.5))
    assert (seconds, micro) == (1, 500_000)
    source, destination, protocol, payload = taken_apart(packet)
    assert (source, destination, protocol) == ("10.0.0.1", "10.0.0.2", 17)
    assert struct.unpack("!HH", payload[:4]) == (5060, 5060)
    assert payload[8:] == OPTIONS


def test_a_received_one_goes_the_other_way():
    ((_, _, packet),) = written(received(OK, ALICE, BOB))
    assert taken_apart(packet)[:2] == ("10.0.0.2", "10.0.0.1")


@pytest.mark.parametrize("data", [b"", b"x", b"xy", bytes(65_507)])
def test_lengths_and_checksums_of_any_datagram(data):
    ((_, _, packet),) = written(sent(data))
    assert taken_apart(packet)[3][8:] == data


def test_a_checksum_that_comes_to_zero_is_sent_as_ones():
    # Find the two bytes that make the sum come out so.
    ((_, _, packet),) = written(sent(b"\0\0"))
    filler = struct.unpack("!H", taken_apart(packet)[3][6:8])[0]
    ((_, _, packet),) = written(sent(struct.pack("!H", filler)))
    assert taken_apart(packet)[3][6:8] == b"\xff\xff"


def test_ipv6():
    ((_, _, packet),) = written(sent(local=("fe80::1%eth0", 5060), remote=("2001:db8::2", 5070)))
    source, destination, _, payload = taken_apart(packet)
    assert (source, destination) == ("fe80::1", "2001:db8::2")
    assert struct.unpack("!HH", payload[:4]) == (5060, 5070)


@pytest.mark.parametrize(
    ("local", "remote", "source", "destination"),
    [
        ("0.0.0.0", "10.0.0.2", "0.0.0.0", "10.0.0.2"),
        ("", "10.0.0.2", "0.0.0.0", "10.0.0.2"),
        ("::", "10.0.0.2", "0.0.0.0", "10.0.0.2"),
        ("10.0.0.1", "::", "10.0.0.1", "0.0.0.0"),
        ("0.0.0.0", "::2", "::", "::2"),
        ("::ffff:10.0.0.1", "10.0.0.2", "10.0.0.1", "10.0.0.2"),
        ("10.0.0.1", "::2", "::ffff:10.0.0.1", "::2"),
    ],
)
def test_mixed_families(local, remote, source, destination):
    ((_, _, packet),) = written(sent(local=(local, 5060), remote=(remote, 5060)))
    assert [ipaddress.ip_address(a) for a in taken_apart(packet)[:2]] == [
        ipaddress.ip_address(a) for a in (source, destination)
    ]


def test_both_reports_of_a_message_are_one_packet():
    assert len(written(sent(), received())) == 1
    assert len(written(sent(), sent(), received())) == 2


def test_records_are_written_in_order_of_time():
    assert [p[0] for p in written(sent(time=3), sent(time=1), sent(time=2))] == [1, 2, 3]


SYN, ACK, PSH = 0x02, 0x10, 0x08


def tcp(*records):
    """Source port, sequence number, acknowledgement, flags and data of each segment."""
    segments = []
    for _, _, packet in written(*records):
        _, _, protocol, payload = taken_apart(packet)
        assert protocol == 6
        source, _, sequence, acknowledged, offset, flags = struct.unpack("!HHIIBB", payload[:14])
        assert offset >> 4 == 5
        segments.append((source, sequence, acknowledged, flags, payload[20:]))
    return segments


def test_a_stream_opens_and_counts_its_bytes():
    client = ("10.0.0.1", 40000)
    assert tcp(
        sent(b"abc", client, BOB, "TCP"),
        received(b"defgh", client, BOB, "TCP"),
        sent(b"ij", client, BOB, "TCP"),
    ) == [
        (40000, 0, 0, SYN, b""),
        (5060, 0, 1, SYN | ACK, b""),
        (40000, 1, 1, ACK, b""),
        (40000, 1, 1, ACK | PSH, b"abc"),
        (5060, 1, 4, ACK | PSH, b"defgh"),
        (40000, 4, 6, ACK | PSH, b"ij"),
    ]


def test_who_speaks_first_opens_the_stream():
    opening = tcp(received(b"x", BOB, ("10.0.0.1", 40000), "TLS"))
    assert [segment[0] for segment in opening] == [40000, 5060, 40000, 40000]


def test_a_long_message_takes_several_segments():
    data = bytes(range(256)) * 20
    segments = tcp(sent(data, transport="TCP"))[3:]
    assert len(segments) == 4
    assert b"".join(segment[4] for segment in segments) == data
    assert [bool(segment[3] & PSH) for segment in segments] == [False, False, False, True]
    at = 1
    for segment in segments:
        assert segment[1] == at
        at += len(segment[4])


def test_streams_are_kept_apart():
    other = ("10.0.0.1", 40001)
    segments = tcp(
        sent(b"abc", ("10.0.0.1", 40000), transport="TCP"), sent(b"d", other, transport="TCP")
    )
    assert [segment[1] for segment in segments if segment[0] == 40001] == [0, 1, 1]


@pytest.mark.parametrize(
    ("record", "named"),
    [
        (sent(local=("biloxi.com", 5060)), "biloxi.com"),
        (sent(remote=("10.0.0.1", 65_536)), "65536"),
        (sent(remote=("10.0.0.1", -1)), "-1"),
        (sent(time=-1.0), "-1.0"),
        (sent(time=2.0**40), "1099511627776.0"),
        (sent(time=math.nan), "nan"),
        (sent(time=math.inf), "inf"),
        (sent(bytes(65_508)), "65508"),
    ],
)
def test_what_cannot_be_written_is_refused_whole(record, named):
    file = io.BytesIO()
    writer = PcapWriter(file)
    with pytest.raises(BuildError, match=named):
        writer(record)
    assert len(file.getvalue()) == BEGINNING


def test_the_largest_ipv6_datagram():
    ends = ("::1", 5060), ("::2", 5060)
    assert len(written(sent(bytes(65_527), *ends))) == 1
    with pytest.raises(BuildError):
        written(sent(bytes(65_528), *ends))


def test_a_path_is_whole_after_each_record_and_closed(tmp_path):
    path = tmp_path / "call.pcap"
    wire = Wire(taps=())
    with PcapWriter(path) as writer, wire.tapped(writer):
        assert path.stat().st_size == BEGINNING
        wire.sent(OPTIONS, ALICE, BOB, "UDP", 1.0)
        (frame,) = CaptureFile(path.read_bytes())
        assert frame.data[28:] == OPTIONS
    with pytest.raises(ValueError, match="closed"):
        writer(sent())


def test_a_file_of_the_callers_stays_open():
    file = io.BytesIO()
    with PcapWriter(file):
        pass
    assert not file.closed


@pytest.fixture
def tshark():
    path = shutil.which("tshark")
    if path is None:
        reason = "tshark is not installed"
        if os.environ.get("SIPPARTY_REQUIRE_PEERS") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return path


def decoded(tshark, path, *options):
    fields = ["frame.protocols", "sip.Method", "sip.Status-Code", "_ws.malformed", "_ws.expert"]
    command = [tshark, "-n", "-r", str(path), "-T", "fields", "-E", "separator=|"]
    checks = ["ip.check_checksum", "udp.check_checksum", "tcp.check_checksum"]
    for check in checks:
        command += ["-o", f"{check}:TRUE"]
    for field in fields:
        command += ["-e", field]
    run = subprocess.run([*command, *options], capture_output=True, text=True, check=True)
    return [line.split("|") for line in run.stdout.splitlines()]


def test_tshark_reads_it(tshark, tmp_path):
    path = tmp_path / "call.pcap"
    client, client6 = ("10.0.0.1", 40000), ("::1", 40000)
    long = OPTIONS.replace(b"Max", b"Subject: " + b"x" * 4000 + b"\r\nMax")
    write_pcap(
        path,
        [
            sent(time=1.0),
            received(OK, ALICE, BOB, time=1.1),
            sent(OPTIONS, ("::1", 5060), ("::2", 5060), time=1.2),
            sent(OPTIONS, client, BOB, "TCP", time=1.3),
            received(OK, client, BOB, "TCP", time=1.4),
            sent(long, client, BOB, "TCP", time=1.5),
            sent(OPTIONS, client6, ("::2", 5060), "TCP", time=1.6),
        ],
    )
    lines = decoded(tshark, path)
    messages = [(method, status) for _, method, status, _, _ in lines if method or status]
    assert messages == [
        ("OPTIONS", ""),
        ("", "200"),
        ("OPTIONS", ""),
        ("OPTIONS", ""),
        ("", "200"),
        ("OPTIONS", ""),
        ("OPTIONS", ""),
    ]
    assert not any(malformed for _, _, _, malformed, _ in lines)
    bad = "_ws.expert.severity >= warning || ip.checksum.status == 0 || udp.checksum.status == 0"
    assert decoded(tshark, path, "-Y", f"{bad} || tcp.checksum.status == 0") == []


def test_tshark_reads_what_went_by_tls(tshark, tmp_path):
    path = tmp_path / "call.pcap"
    write_pcap(path, [sent(OPTIONS, ("10.0.0.1", 40000), ("10.0.0.2", 5061), "TLS")])
    lines = decoded(tshark, path, "-d", "tcp.port==5061,sip")
    assert [method for _, method, _, _, _ in lines if method] == ["OPTIONS"]


def test_what_is_no_message_is_a_comment(tshark, tmp_path):
    path = tmp_path / "call.pcapng"
    ends = ("10.0.0.1", 4000), ("10.0.0.2", 4002)
    write_pcap(
        path,
        [
            NoteRecord(0.5, "1", "before"),
            sent(time=1.0),
            received(time=1.05),
            NoteRecord(1.1, "1", "after \x1b[31m\n"),
            NoteRecord(1.2, "other", "of no message"),
            WireRecord(1.3, "sent", "RTP", *ends, b"\x80" + bytes(171)),
            WireRecord(1.3, "received", "RTP", *ends[::-1], b"\x80" + bytes(171)),
            NoteRecord(1.4, "", "of anything"),
            received(OK, ALICE, BOB, time=1.5),
        ],
    )
    fields = ["-T", "fields", "-E", "separator=|", "-e", "frame.comment", "-e", "sip.Method"]
    command = [tshark, "-n", "-r", str(path), *fields]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == [
        r"before,after \x1b[31m\n,of anything|OPTIONS",
        "|",
        "|",
    ]
