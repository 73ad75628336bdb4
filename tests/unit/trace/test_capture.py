import itertools
import random
import struct

import pytest
from tests.unit.trace.frames import (
    A6,
    B6,
    OPTIONS,
    SYN,
    A,
    B,
    block,
    datagram,
    ethernet,
    interface,
    ip,
    packet,
    pcap,
    rtp,
    section,
    segment,
    tcp,
    udp,
)

from sipparty.errors import ParseError, UsageError
from sipparty.media.rtp.packet import HeaderExtension, RTPPacket
from sipparty.trace import KeyRecord, Ladder, MediaRecord, WireRecord, read_capture
from sipparty.trace.capture_streams import Fragments

LONG = OPTIONS.replace(b"CSeq", b"Subject: " + b"x" * 3000 + b"\r\nCSeq")
VLAN, QINQ = b"\x81\x00\x00\x05", b"\x88\xa8\x00\x07"
NEW = b"SIP/2.0 200 OK\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture
def read(tmp_path):
    def read(data):
        path = tmp_path / "capture"
        path.write_bytes(data)
        return read_capture(path)

    return read


def messages(capture):
    return [one.data for one in capture.records if isinstance(one, WireRecord)]


def test_a_message_says_where_when_and_how_it_went(read):
    assert read(pcap((1.5, datagram()))) == (
        [WireRecord(1.5, "sent", "UDP", A, B, OPTIONS)],
        False,
        [],
    )


@pytest.mark.parametrize(
    ("link", "frame"),
    [
        (1, ethernet(datagram())),
        (1, ethernet(datagram(), VLAN)),
        (1, ethernet(datagram(), QINQ, VLAN)),
        (1, ethernet(datagram()) + bytes(6)),
        (1, ethernet(ip(datagram(), protocol=4))),
        (0, struct.pack("=I", 2) + datagram()),
        (108, struct.pack("!I", 2) + datagram()),
        (9, b"\xff\x03\x00\x21" + datagram()),
        (12, datagram()),
        (101, datagram()),
        (228, datagram()),
        (113, struct.pack("!HHH8sH", 0, 1, 6, b"", 0x0800) + datagram()),
        (276, struct.pack("!HHiHBB8s", 0x0800, 0, 1, 1, 0, 6, b"") + datagram()),
    ],
)
def test_link_layers(read, link, frame):
    assert messages(read(pcap(frame, link=link))) == [OPTIONS]


@pytest.mark.parametrize("link", [1, 101, 229])
def test_ipv6(read, link):
    frame = datagram(source=A6, destination=B6)
    (record,) = read(pcap(ethernet(frame) if link == 1 else frame, link=link)).records
    assert (record.source, record.destination) == (A6, B6)


def test_a_link_layer_that_nobody_reads_is_said(read):
    capture = read(pcap(datagram(), datagram(), link=147))
    assert capture.records == []
    assert capture.remarks == ["2 packets were of the link type 147, which is not read."]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nano", [False, True])
def test_files_of_both_byte_orders_and_accuracies(read, order, nano):
    capture = read(pcap((1.25, datagram()), order=order, nano=nano))
    assert [one.time for one in capture.records] == [1.25]
    ticks = interface(1, order), interface(101, order, struct.pack(order + "HHBxxx", 9, 1, 9))
    seconds = struct.pack(order + "HHBxxxHHq", 9, 1, 0x80 | 10, 14, 8, 100)
    capture = read(
        section(order)
        + b"".join(ticks)
        + block(0x0BAD, b"what nobody knows", order)
        + packet(ethernet(datagram()), 2_500_000, 0, order)
        + packet(datagram(), 2_500_000_000, 1, order)
        + block(3, struct.pack(order + "I", 14 + len(datagram())) + ethernet(datagram()), order)
        + section(order)
        + interface(101, order, seconds)
        + packet(datagram(), 1536, 0, order)
    )
    assert [one.time for one in capture.records] == [2.5, 2.5, 2.5, 101.5]
    assert capture[1:] == (False, [])


@pytest.mark.parametrize("data", [b"", b"\x1f\x8b\x08", b"<html>", b"\xd4\xc3\xb2"])
def test_what_is_no_capture_is_refused(read, data):
    gunzip = "gunzip it first" if data[:1] == b"\x1f" else ""
    with pytest.raises(ParseError, match=f"pcap or pcapng.*{gunzip}"):
        read(data)


@pytest.mark.parametrize(
    "whole",
    [
        pcap(datagram(), datagram(NEW), datagram()),
        section() + interface() + b"".join(packet(datagram(), at) for at in (1, 2, 3)),
    ],
)
def test_a_file_that_is_cut_short_gives_all_up_to_there_and_says_so(read, whole):
    before = 0
    ends = []
    for size in range(4, len(whole)):
        capture = read(whole[:size])
        count = len(capture.records)
        assert before <= count <= 3
        assert bool(capture.remarks) == capture.truncated
        if not capture.truncated:
            ends.append(count)
        before = count
    assert ends == sorted(ends)
    assert ends[-1] == 2
    assert read(whole[:-1]).remarks[0].startswith("The file is cut short, or damaged, at byte")


@pytest.mark.parametrize("length", [0, 5, 1 << 31])
def test_lengths_that_cannot_be(read, length):
    capture = read(section() + interface() + packet(datagram(), 1) + struct.pack("<II", 6, length))
    assert (len(capture.records), capture.truncated) == (1, True)


def test_packets_that_were_captured_in_part_are_counted(read):
    frame = datagram()
    data = pcap() + struct.pack("<IIII", 1, 0, 60, len(frame)) + frame[:60]
    assert read(data).remarks == ["1 packet was captured in part only (see -s of tcpdump)."]


@pytest.mark.parametrize("ends", [(A, B), (A6, B6)])
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_fragments_are_put_together_in_any_order(read, ends, order):
    whole = udp(LONG, *ends)
    pieces = [
        ip(whole[at : at + 1200], *ends, number=9, offset=at, more=at + 1200 < len(whole))
        for at in range(0, len(whole), 1200)
    ]
    capture = read(pcap(*[pieces[at] for at in order], ip(udp(NEW, *ends), *ends)))
    assert messages(capture) == [LONG, NEW]


def test_a_fragment_that_is_missing_is_said(read):
    whole = udp(LONG)
    capture = read(pcap(ip(whole[:1200], number=9, more=True)))
    assert capture.remarks == ["Of 1 datagrams some fragments are missing."]


def test_a_segment_in_fragments_is_read(read):
    whole = tcp(OPTIONS, 1)
    pieces = [ip(whole[:64], protocol=6, more=True), ip(whole[64:], protocol=6, offset=64)]
    capture = read(pcap(*pieces))
    assert [(one.transport, one.data) for one in capture.records] == [("TCP", OPTIONS)]
    assert capture.remarks == []


def test_fragments_that_contradict_each_other_and_too_many_are_lost():
    fragments = Fragments()
    assert fragments.add("key", 0, True, b"x" * 16) is None
    assert fragments.add("key", 8, False, b"x" * 8) is None
    assert fragments.lost == 1
    for number in range(1026):
        fragments.add(number, 0, True, b"x" * 8)
    assert fragments.lost == 3
    fragments.finish()
    assert fragments.lost == 1027


# Streams.

STREAM = LONG + NEW + OPTIONS
CUTS = [0, 700, 1400, 2800, len(LONG) + 10, len(STREAM)]
PIECES = [(low, STREAM[low:high]) for low, high in itertools.pairwise(CUTS)]


def frames_of(pieces, start=0xFFFFFF00):
    """Segments; their numbers come by zero."""
    return [segment(data, (start + 1 + at) % (1 << 32)) for at, data in pieces]


def test_a_stream_is_cut_into_messages(read):
    capture = read(pcap(segment(b"", 0xFFFFFF00, SYN), *frames_of(PIECES)))
    assert messages(capture) == [LONG, NEW, OPTIONS]
    assert {one.transport for one in capture.records} == {"TCP"}
    assert capture.remarks == []


@pytest.mark.parametrize("order", list(itertools.permutations(range(5)))[::7])
def test_segments_come_in_any_order_and_twice(read, order):
    pieces = [PIECES[at] for at in order]
    capture = read(pcap(segment(b"", 0xFFFFFF00, SYN), *frames_of([*pieces, *pieces[:2]])))
    assert messages(capture) == [LONG, NEW, OPTIONS]


def test_segments_may_overlap(read):
    again = [(700, STREAM[700:2000]), (1400, STREAM[1400:3000]), (2800, STREAM[2800:])]
    for pieces in ([PIECES[0], *again], [PIECES[0], *reversed(again)]):
        capture = read(pcap(segment(b"", 0xFFFFFF00, SYN), *frames_of(pieces)))
        assert messages(capture) == [LONG, NEW, OPTIONS]


def test_a_stream_is_joined_where_the_next_message_begins(read):
    assert messages(read(pcap(*frames_of(PIECES[1:])))) == [NEW, OPTIONS]


def test_what_follows_a_segment_that_is_missing_is_found(read):
    begin = segment(b"", 0xFFFFFF00, SYN)
    capture = read(pcap(begin, *frames_of([PIECES[0], *PIECES[2:]])))
    assert messages(capture) == [NEW, OPTIONS]
    assert capture.remarks == [
        "Segments of streams are missing in 1 places: messages there are lost."
    ]
    far = [(at, OPTIONS) for at in range(10_000, 10_000 + 3000 * len(OPTIONS), len(OPTIONS))]
    assert len(messages(read(pcap(begin, *frames_of([PIECES[0], *far]))))) == 3000


def test_ports_are_used_again(read):
    first = [segment(b"", 5, SYN), segment(OPTIONS[:50], 6)]
    second = [segment(b"", 9000, SYN), segment(NEW, 9001)]
    assert messages(read(pcap(*first, *second))) == [NEW]


def test_streams_of_others_are_left_alone(read):
    noise = random.Random(1).randbytes(1400)
    capture = read(pcap(*frames_of([(at * 1400, noise) for at in range(200)])))
    assert capture == ([], False, [])


def test_what_is_no_sip_is_no_message(read):
    assert read(
        pcap(*map(datagram, (b"", b"\r\n\r\n", b"x" * 100, b"GET / HTTP/1.1\r\n\r\n")))
    ) == (
        [],
        False,
        [],
    )
    assert len(read(pcap(datagram(b"\r\nSIP/2.0 200 \r\n\r\n"))).records) == 1


# Media.


def described(first, host, port, profile="RTP/AVP", formats="0 101"):
    body = (
        f"v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
        f"m=audio {port} {profile} {formats}\r\na=rtpmap:101 telephone-event/8000\r\n"
        "m=video 9 RTP/AVP 34\r\n"
    )
    head = f"{first}\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nContent-Type: application/sdp\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()


INVITE = described("INVITE sip:bob@biloxi.com SIP/2.0", "10.0.0.1", 4000)
ANSWER = described("SIP/2.0 200 OK", "10.0.0.2", 6000)
MA, MB = ("10.0.0.1", 4000), ("10.0.0.2", 6000)


def press(key, timestamp, first, volume=10):
    """The packets of a press of 100 ms."""
    steps = [(1, 0, 320), (0, 0, 640), *[(0, 1, 800)] * 3]
    return [
        rtp(first + at, 101, struct.pack("!BBH", key, end << 7 | volume, d), bool(mark), timestamp)
        for at, (mark, end, d) in enumerate(steps)
    ]


def call_with(there, back, invite=INVITE, answer=ANSWER):
    """A call whose media takes 20 ms a packet."""
    frames = [(1.0, datagram(invite)), (1.1, datagram(answer, B, A))]
    for source, destination, data in ((MA, MB, there), (MB, MA, back)):
        frames += [
            (2.0 + at * 0.02, datagram(one, source, destination)) for at, one in enumerate(data)
        ]
    return pcap(*sorted(frames))


def test_media_is_summed_up_by_the_descriptions_of_its_call(read):
    there = [rtp(at % 65536) for at in range(65500, 65600)]
    back = [rtp(at) for at in range(90) if at not in (10, 11)]
    capture = read(call_with(there, back))
    (media,) = [one for one in capture.records if isinstance(one, MediaRecord)]
    assert media == MediaRecord(media.time, A, B, 100, 88, 2, "PCMU", media.duration, "c")
    assert (media.time, media.duration) == (pytest.approx(3.98), pytest.approx(1.98))
    drawn = Ladder(capture.records, names={"10.0.0.1": "alice"}).text(width=None)
    assert "RTP PCMU: 100 sent, 88 received, 2 lost, 2.0 s" in drawn
    assert drawn.splitlines()[0].split() == ["alice", "10.0.0.2:5061"]


def test_keys_are_found(read):
    there = [rtp(0), *press(5, 160, 1), rtp(6), *press(11, 5000, 7), rtp(12)]
    capture = read(call_with(there, []))
    keys = [one for one in capture.records if isinstance(one, KeyRecord)]
    assert [(one.key, one.direction, one.local, one.remote) for one in keys] == [
        ("5", "sent", A, B),
        ("#", "sent", A, B),
    ]
    assert keys[0].duration == pytest.approx(0.1)
    assert keys[0].time == pytest.approx(2.02)
    assert {one.call_id for one in keys} == {"c"}


def test_keys_in_packets_with_all_that_a_header_may_have_are_found(read):
    there = []
    for one in map(RTPPacket.parse, press(5, 160, 1)):
        one.csrc, one.padding = (1, 2), b"\0\0\0\4"
        one.extension = HeaderExtension(0xBEDE, b"\x10\xff\0\0")
        there.append(bytes(one))
    capture = read(call_with(there, []))
    (key,) = [one for one in capture.records if isinstance(one, KeyRecord)]
    assert (key.key, key.duration) == ("5", pytest.approx(0.1))


@pytest.mark.parametrize("back", [False, True])
def test_a_key_that_is_held_at_the_end_is_found(read, back):
    held = press(1, 0, 0)[:2]
    capture = read(call_with([rtp(1)], held) if back else call_with(held, []))
    (key,) = [one for one in capture.records if isinstance(one, KeyRecord)]
    assert (key.key, key.local, key.remote) == ("1", *((B, A) if back else (A, B)))


def test_keys_of_encrypted_media_are_not_guessed(read):
    secret = [
        described(first, host, port, "RTP/SAVP")
        for first, host, port in (
            ("INVITE sip:bob@biloxi.com SIP/2.0", *MA),
            ("SIP/2.0 200 OK", *MB),
        )
    ]
    capture = read(call_with(press(5, 160, 1), [], *secret))
    assert [type(one) for one in capture.records][2:] == [MediaRecord]


def test_another_source_begins_its_own_count(read):
    capture = read(call_with([rtp(5), rtp(6), rtp(900, ssrc=8), rtp(902, ssrc=8)], []))
    (media,) = [one for one in capture.records if isinstance(one, MediaRecord)]
    assert (media.sent, media.received, media.lost) == (4, 0, 1)


def test_media_of_a_proxied_call_is_of_the_ends(read):
    proxy = ("10.0.0.9", 5060)
    frames = [
        datagram(INVITE, A, proxy),
        datagram(INVITE, proxy, B),
        datagram(ANSWER, B, proxy),
        datagram(ANSWER, proxy, A),
        datagram(rtp(1), MA, MB),
    ]
    media = read(pcap(*frames)).records[-1]
    assert (media.local, media.remote) == (A, B)


def test_packets_that_nobody_has_described_are_no_media(read):
    assert len(read(pcap(datagram(rtp(1), MA, MB))).records) == 0
    bad = INVITE.replace(b"m=audio 4000", b"m=audio 99999").replace(b"101 tel", b"999 tel")
    assert len(read(call_with([rtp(1)], [], bad, NEW)).records) == 2


# Anything.


def test_an_any_interface_has_what_goes_to_itself_once(read):
    frame = struct.pack("!HHH8sH", 4, 1, 6, b"", 0x0800) + datagram()
    other = struct.pack("!HHH8sH", 0, 1, 6, b"", 0x0800) + datagram()
    capture = read(pcap((1.0, frame), (1.0001, other), (1.5, frame), (1.5001, other), link=113))
    assert [one.time for one in capture.records] == [1.0, 1.5]


@pytest.mark.parametrize("seed", range(4))
def test_nothing_raises(read, seed):
    chance = random.Random(seed)
    whole = call_with([rtp(0), *press(5, 160, 1)], [rtp(3)])
    ng = (
        section()
        + interface(1)
        + b"".join(
            packet(ethernet(one), at)
            for at, one in enumerate(
                [datagram(), *frames_of(PIECES), datagram(source=A6, destination=B6)]
            )
        )
    )
    for _ in range(60):
        data = bytearray(chance.choice((whole, ng)))
        for _ in range(chance.randint(1, 30)):
            data[chance.randrange(24, len(data))] = chance.randrange(256)
        capture = read(bytes(data[: chance.randint(24, len(data))]))
        str(Ladder(capture.records))


def test_without_dpkt_the_error_says_what_to_install(read, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "dpkt", None)
    with pytest.raises(UsageError, match=r"pip install 'sipparty\[cli\]'"):
        read(pcap())
