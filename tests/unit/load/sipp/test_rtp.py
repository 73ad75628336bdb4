"""Media of scenarios, in virtual time."""

import asyncio
import socket
import struct
import wave
from itertools import pairwise

import pytest

from sipparty.load.sipp.rtp import _described_place
from sipparty.media.rtp.packet import RTPPacket

from .conftest import UAS, ack, bye, invite, recv, reply, scenario

SDP = """
    Content-Type: application/sdp
    Content-Length: [len]

    v=0
    o=- 1 1 IN IP4 [local_ip]
    s=-
    c=IN IP4 10.0.0.2
    t=0 0
    m=audio 7000 RTP/AVP 0
"""
CALLED = scenario(
    recv("INVITE"),
    reply(200, tag=";tag=b").replace("    Content-Length: 0\n", SDP.lstrip("\n")),
    recv("ACK"),
    recv("BYE"),
    reply(200),
)


def plays(*values, wait=500):
    actions = [
        f"<nop><action><exec {value}/></action></nop><pause milliseconds='{wait}'/>"
        for value in values
    ]
    return scenario(invite(), recv(200), ack(), *actions, bye(), recv(200))


@pytest.fixture
def heard(stage):
    """Play a caller; return the packets that the called gets, with their times."""

    def play(caller, **options):
        packets = []

        async def main():
            loop = asyncio.get_running_loop()
            sock = stage.engines[1].host.loop.open_socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.bind(("10.0.0.2", 7000))
            loop.add_reader(
                sock,
                lambda: packets.append((loop.time(), RTPPacket.parse(sock.recvfrom(2000)[0]))),
            )
            try:
                async with stage.called(CALLED) as bob, stage.caller(caller, **options) as alice:
                    waiting = asyncio.ensure_future(bob.play(1))
                    await alice.play(1)
                    await waiting
                    return alice
            finally:
                loop.remove_reader(sock)
                sock.close()

        player = stage.network.run(main())
        return player, packets

    return play


def write_wav(path, samples=800):
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(struct.pack(f"<{samples}h", *([1000] * samples)))


def test_a_wav_file_is_encoded(heard, tmp_path):
    write_wav(tmp_path / "hello.wav")
    player, packets = heard(plays('rtp_stream="hello.wav,2,8,PCMA/8000"'))
    assert player.statistics.succeeded == 1, player.statistics.failures
    assert len(packets) == 10
    assert {packet.payload_type for _, packet in packets} == {8}
    assert {len(packet.payload) for _, packet in packets} == {160}
    times = [round(b[0] - a[0], 3) for a, b in pairwise(packets)]
    assert set(times) == {0.02}


def test_any_other_file_is_sent_as_it_is(heard, tmp_path):
    (tmp_path / "raw.g729").write_bytes(bytes(range(60)))
    _, packets = heard(plays('rtp_stream="raw.g729,1,18"'))
    assert [packet.payload[0] for _, packet in packets] == [0, 20, 40]


def test_it_is_held_and_goes_on(heard, tmp_path):
    write_wav(tmp_path / "long.wav", 16000)
    _, packets = heard(
        plays('rtp_stream="long.wav,-1,0"', 'rtp_stream="pause"', 'rtp_stream="resume"')
    )
    gaps = [b[0] - a[0] for a, b in pairwise(packets)]
    assert round(max(gaps), 1) == 0.5
    numbers = [packet.sequence for _, packet in packets]
    assert (numbers[-1] - numbers[0]) % 65536 == len(numbers) - 1


def test_keys_are_telephone_events(heard):
    _, packets = heard(plays('play_dtmf="1#"'))
    assert {packet.payload_type for _, packet in packets} == {101}
    assert [packet.payload[0] for _, packet in packets if packet.marker] == [1, 11]


def test_a_capture_keeps_its_pace(heard, tmp_path):
    dpkt = pytest.importorskip("dpkt")
    with (tmp_path / "sound.pcap").open("wb") as file:
        writer = dpkt.pcap.Writer(file)
        for number in range(4):
            packet = RTPPacket(payload_type=0, sequence=number, timestamp=160 * number, ssrc=7)
            udp = dpkt.udp.UDP(sport=1, dport=2, data=bytes(packet))
            udp.ulen = len(udp)
            ip = dpkt.ip.IP(src=b"\x0a\0\0\1", dst=b"\x0a\0\0\2", p=17, data=udp)
            ip.len = len(ip)
            writer.writepkt(dpkt.ethernet.Ethernet(data=ip), 100 + 0.03 * number)
    _, packets = heard(plays('play_pcap_audio="sound.pcap"'))
    assert [packet.sequence for _, packet in packets] == [0, 1, 2, 3]
    assert round(packets[1][0] - packets[0][0], 3) == 0.03


@pytest.mark.parametrize(
    ("value", "data", "words"),
    [
        ('play_pcap_audio="x.pcap"', b"no capture", "is no capture"),
        ('play_dtmf="z"', b"", "is no key"),
        ('rtp_stream="x.pcap,often"', b"", "write FILE,TIMES,PAYLOAD_TYPE"),
        ('rtp_stream="x.pcap,1,0,MP3"', b"RIFFxxxx", "No codec 'MP3'"),
        ('play_pcap_video="x.pcap"', b"", "has not said where it wants video"),
    ],
)
def test_what_cannot_be_played_fails_the_call(heard, tmp_path, value, data, words):
    (tmp_path / "x.pcap").write_bytes(data)
    player, packets = heard(plays(value))
    ((reason, _),) = player.statistics.failures.items()
    assert words in reason
    assert packets == []


def test_a_missing_file_is_missed_before_the_first_call(stage):
    with pytest.raises(Exception, match=r"scenario0.xml, line \d+: the file 'gone.wav' is not in"):
        stage.play(plays('rtp_stream="gone.wav"'), UAS)


def test_ports_are_those_that_are_said(heard, stage, tmp_path):
    write_wav(tmp_path / "hello.wav")
    own = plays('rtp_stream="hello.wav"').replace(b"[media_port]", b"[auto_media_port]")
    heard(own)
    port = int(stage.messages("INVITE")[0].split("m=audio ")[1].split()[0])
    assert port != 6000


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ("v=0\r\nc=IN IP4 1.2.3.4\r\nm=audio 7 x\r\n", ("1.2.3.4", 7)),
        (
            "v=0\r\nc=IN IP4 1.2.3.4\r\nm=video 5 x\r\nm=audio 7 x\r\nc=IN IP4 9.9.9.9/3",
            ("9.9.9.9", 7),
        ),
        ("v=0\r\nc=IN IP6 ::1\r\nm=audio 7 x\r\nm=video 8\r\nc=IN IP4 9.9.9.9", ("::1", 7)),
        ("v=0\r\nm=audio 7 x\r\n", None),
        ("v=0\r\nc=IN IP4 a.b\r\nm=audio 7 x\r\n", None),
        ("v=0\r\nc=IN IP4 1.2.3.4\r\nm=audio 0 x\r\n", None),
        ("", None),
    ],
)
def test_where_a_description_wants_it(body, place):
    assert _described_place(body, "audio") == place
