"""Frames and capture files made by hand, for the tests of what reads them."""

import ipaddress
import struct

OPTIONS = (
    b"OPTIONS sip:bob@biloxi.com SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK1\r\n"
    b"Call-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)
A, B = ("10.0.0.1", 5060), ("10.0.0.2", 5061)
A6, B6 = ("2001:db8::1", 5060), ("2001:db8::2", 5061)
SYN, ACK, PSH = 0x02, 0x10, 0x08


def udp(data=OPTIONS, source=A, destination=B):
    return struct.pack("!HHHH", source[1], destination[1], 8 + len(data), 0) + data


def tcp(data, sequence, flags=ACK | PSH, source=A, destination=B):
    head = struct.pack("!HHIIBB", source[1], destination[1], sequence, 0, 5 << 4, flags)
    return head + struct.pack("!HHH", 1000, 0, 0) + data


def ip(payload, source=A, destination=B, protocol=17, number=1, offset=0, more=False):
    src, dst = (ipaddress.ip_address(one[0]).packed for one in (source, destination))
    if len(src) == 4:
        place = offset // 8 | (0x2000 if more else 0)
        begin = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), number, place, 64, protocol, 0)
        return begin + src + dst + payload
    if offset or more:
        part = struct.pack("!BBHI", protocol, 0, offset | more, number)
        payload, protocol = part + payload, 44
    return struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64) + src + dst + payload


def datagram(data=OPTIONS, source=A, destination=B):
    return ip(udp(data, source, destination), source, destination)


def segment(data, sequence, flags=ACK | PSH, source=A, destination=B):
    return ip(tcp(data, sequence, flags, source, destination), source, destination, 6)


def ethernet(packet, *tags):
    kind = 0x86DD if packet[0] >> 4 == 6 else 0x0800
    return bytes(12) + b"".join(tags) + struct.pack("!H", kind) + packet


def pcap(*frames, link=101, order="<", nano=False, start=1.0):
    """A file of frames that are a second apart; a frame may be given as (time, frame)."""
    magic = 0xA1B23C4D if nano else 0xA1B2C3D4
    made = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, link)
    for number, frame in enumerate(frames):
        time, frame = frame if isinstance(frame, tuple) else (start + number, frame)
        fraction = round(time % 1 * (1e9 if nano else 1e6))
        made += struct.pack(order + "IIII", int(time), fraction, len(frame), len(frame)) + frame
    return made


def block(kind, body, order="<"):
    body += b"\0" * (-len(body) % 4)
    length = struct.pack(order + "I", 12 + len(body))
    return struct.pack(order + "I", kind) + length + body + length


def section(order="<"):
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(link=101, order="<", options=b"", snap=0):
    return block(1, struct.pack(order + "HHI", link, 0, snap) + options, order)


def packet(frame, ticks, number=0, order="<"):
    head = struct.pack(order + "IIIII", number, ticks >> 32, ticks & 0xFFFFFFFF, *[len(frame)] * 2)
    return block(6, head + frame, order)


def rtp(number, kind=0, payload=b"\xff" * 160, marker=False, timestamp=None, ssrc=7):
    timestamp = number * 160 if timestamp is None else timestamp
    return struct.pack("!BBHII", 0x80, kind | marker << 7, number, timestamp, ssrc) + payload
