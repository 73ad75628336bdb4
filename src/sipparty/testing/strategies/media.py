"""Session descriptions (RFC 8866), RTP and RTCP (RFC 3550)."""

from __future__ import annotations

import struct
from functools import cache

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from sipparty.testing.strategies.pieces import numbers, tokens

__all__ = ["rtcp_datagrams", "rtp_packets", "session_descriptions"]


@cache
def _text(min_size: int) -> SearchStrategy[str]:
    legal = st.characters(codec="utf-8", exclude_characters="\0\r\n")
    return st.text(legal, min_size=min_size, max_size=9)


@cache
def _sdp_address() -> SearchStrategy[str]:
    return st.one_of(
        st.ip_addresses(v=4).map("IN IP4 {}".format), st.ip_addresses(v=6).map("IN IP6 {}".format)
    )


@st.composite
def session_descriptions(draw: st.DrawFn) -> bytes:
    """Session descriptions, every line where it has to be (RFC 8866 §5)."""
    text, number = _text(1), numbers(2**63 - 1)
    lines = ["v=0", f"o=- {draw(number)} {draw(number)} {draw(_sdp_address())}", f"s={draw(text)}"]
    for letter in "iuep":
        lines += [f"{letter}={one}" for one in draw(st.lists(text, max_size=1))]
    lines.append(f"c={draw(_sdp_address())}")
    lines += [f"b={one}" for one in draw(st.lists(st.sampled_from(["AS:64", "CT:1"]), max_size=2))]
    lines.append(draw(st.sampled_from(["t=0 0", "t=3034423619 0\r\nr=7d 1h 0 25h\r\nz=1 -1h"])))
    lines += draw(_attribute_lines(("a=sendonly", "a=inactive", "a=tool:x")))
    for _ in range(draw(st.integers(0, 3))):
        lines += draw(_stream_lines())
    return "".join(f"{line}\r\n" for line in lines).encode()


@cache
def _attribute_lines(known: tuple[str, ...]) -> SearchStrategy[list[str]]:
    name = tokens(6).map(lambda text: text.replace("'", "-"))
    other = st.builds("a=x-{}:{}".format, name, _text(0))
    return st.lists(st.one_of(st.sampled_from(known), other), max_size=3)


@st.composite
def _stream_lines(draw: st.DrawFn) -> list[str]:
    media = draw(st.sampled_from(["audio", "video", "text", "application"]))
    proto = draw(st.sampled_from(["RTP/AVP", "RTP/SAVP", "UDP/TLS/RTP/SAVPF"]))
    types = draw(st.lists(st.sampled_from([0, 3, 8, 9, 18, 96, 97, 101]), min_size=1, unique=True))
    lines = [f"m={media} {draw(st.integers(0, 65535))} {proto} {' '.join(map(str, types))}"]
    if draw(st.booleans()):
        lines.append(f"c={draw(_sdp_address())}")
    encodings = st.sampled_from(["opus/48000/2", "telephone-event/8000", "L16/16000", "H264/90000"])
    lines += [f"a=rtpmap:{number} {draw(encodings)}" for number in types if number >= 96]
    known = ("a=ptime:20", "a=maxptime:40", "a=recvonly", "a=rtcp-mux", "a=rtcp:9", "a=fmtp:0 x=1")
    return lines + draw(_attribute_lines(known))


_WORDS = st.integers(0, 2**32 - 1)


@st.composite
def rtp_packets(draw: st.DrawFn) -> bytes:
    """RTP packets, with contributing sources, header extension and padding (RFC 3550 §5.1)."""
    sources = draw(st.lists(_WORDS, max_size=3))
    extension = draw(st.none() | st.lists(_WORDS, max_size=2))
    padding = draw(st.integers(0, 8))
    first = 0x80 | len(sources) | (0x10 if extension is not None else 0) | (0x20 if padding else 0)
    second = draw(st.integers(0, 127)) | draw(st.sampled_from([0, 0x80]))
    sequence = draw(st.integers(0, 65535))
    packet = struct.pack("!BBHII", first, second, sequence, draw(_WORDS), draw(_WORDS))
    packet += struct.pack(f"!{len(sources)}I", *sources)
    if extension is not None:
        packet += struct.pack(f"!HH{len(extension)}I", 0xBEDE, len(extension), *extension)
    packet += draw(st.binary(max_size=20))
    return packet + (bytes(padding - 1) + bytes((padding,)) if padding else b"")


def _rtcp(count: int, kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    return struct.pack("!BBH", 0x80 | count, kind, len(body) // 4) + body


@st.composite
def rtcp_datagrams(draw: st.DrawFn) -> bytes:
    """Compound RTCP packets: a report, the CNAME, and what may follow (RFC 3550 §6.1)."""
    ssrc = struct.pack("!I", draw(_WORDS))
    blocks = draw(st.lists(st.binary(min_size=24, max_size=24), max_size=2))
    report = b"".join(blocks)
    if draw(st.booleans()):
        sender = draw(st.binary(min_size=20, max_size=20))
        datagram = _rtcp(len(blocks), 200, ssrc + sender + report)
    else:
        datagram = _rtcp(len(blocks), 201, ssrc + report)
    name = draw(st.text(st.characters(codec="utf-8"), max_size=12)).encode()
    items = ssrc + bytes((1, len(name))) + name
    # One null octet ends the list, more fill the word (§6.5).
    datagram += _rtcp(1, 202, items + bytes(4 - len(items) % 4))
    words = st.lists(_WORDS, max_size=2).map(lambda it: struct.pack(f"!{len(it)}I", *it))
    for kind in draw(st.lists(st.sampled_from([203, 204, 205, 206, 207]), max_size=2)):
        if kind == 203:
            reason = draw(st.binary(max_size=6))
            datagram += _rtcp(1, 203, ssrc + bytes((len(reason),)) + reason)
        else:
            datagram += _rtcp(draw(st.integers(0, 31)), kind, ssrc + b"name" + draw(words))
    return datagram
