"""What comes where SRTP is expected, and the keys in descriptions.

Laws:

* Of what comes to an SRTP transport, only what was protected with the other side's key is passed
  on, once, as it was; all else is counted, one count a datagram.
* An a=crypto line that is read is written and read as the same; one without a fault has keys that
  fit their suite. No refusal shows the text, which may hold a key.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from fuzz.laws import attempt, law, look_at
from sipparty.errors import BuildError
from sipparty.media.srtp.crypto_attribute import CryptoAttribute
from sipparty.media.srtp.sdes import SecurityDescriptions
from sipparty.media.srtp.settings import SRTP
from sipparty.media.srtp.transport import SUITES, MasterKey, SecureTransport
from sipparty.sdp import Attribute, MediaDescription

__all__ = ["CRYPTO_WORDS", "crypto", "crypto_seeds", "packet", "packet_seeds", "read_packet"]

_HERE = ("192.0.2.1", 4000)
_KEYS = {name: MasterKey(one, bytes(range(one.size))) for name, one in SUITES.items()}
_OTHER = {name: MasterKey(one, bytes(range(1, one.size + 1))) for name, one in SUITES.items()}

CRYPTO_WORDS = tuple(
    b"AES_CM_128_HMAC_SHA1_80 AES_CM_128_HMAC_SHA1_32 AEAD_AES_128_GCM AEAD_AES_256_GCM inline: "
    b"|2^20 |2^48 |1:4 |1066:4 ;inline: KDR=1 WSH=64 UNENCRYPTED_SRTP FEC_ORDER=FEC_SRTP FEC_KEY= "
    b"d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj = == 1 01 999999999".split()
)


class _Wire:
    """Carries nothing, and lets come what it is given."""

    port, rtcp_port, family = 4000, 4001, 2
    mux = False

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def listen(self, hosts: Any = ()) -> None:
        pass

    def deliver(self, rtp: Any, rtcp: Any, max_age: float) -> None:
        self.rtp, self.rtcp = rtp, rtcp

    def send(self, data: bytes, address: Any) -> None:
        self.sent.append(data)

    send_rtcp = send

    def close(self) -> None:
        pass


class _End:
    def __init__(self, suite: str) -> None:
        self.wire = _Wire()
        self.heard: list[bytes] = []
        self.transport = SecureTransport(self.wire, _OTHER[suite], [_KEYS[suite]])

        def hear(data: bytes, address: Any, now: float) -> None:
            self.heard.append(data)

        self.transport.deliver(hear, hear, 0.0)

    def take(self, data: bytes, control: bool) -> bytes | None:
        before = sum(self.transport.counts.values())
        self.heard.clear()
        (self.wire.rtcp if control else self.wire.rtp)(data, _HERE, 0.0)
        dropped = sum(self.transport.counts.values()) - before
        # One without octets keeps a NAT open, and is neither.
        law(dropped + len(self.heard) == bool(data), "a datagram is passed on or counted")
        return self.heard[0] if self.heard else None


@cache
def _plain() -> dict[bytes, bytes]:
    """What was protected, by what it became."""
    plain = [
        bytes.fromhex("8000000100000001deadbeef") + b"\xff" * 20,
        bytes.fromhex("9000000200000002deadbeefbede000110aa0000") + b"\xff" * 20,
        bytes.fromhex("8000fffe00000003deadbee0"),
    ]
    reports = [bytes.fromhex("80c90001deadbeef81ca0003deadbeef0103616263000000")] * 2
    found = {}
    for suite in SUITES:
        wire = _Wire()
        sender = SecureTransport(wire, _KEYS[suite], [_OTHER[suite]])
        for packet in plain:
            sender.send(packet, _HERE)
        for report in reports:
            sender.send_rtcp(report, _HERE)
        found.update(zip(wire.sent, [*plain, *reports], strict=True))
    return found


@cache
def _ends() -> tuple[_End, ...]:
    return tuple(map(_End, SUITES))


def packet_seeds() -> tuple[bytes, ...]:
    """What SRTP and SRTCP look like, of every suite, and what is not protected."""
    return (*_plain(), *_plain().values())


def packet(data: bytes) -> bool:
    """Let a datagram come, as RTP and as RTCP, and protected; whether it was passed on by one."""
    passed = _protected(data)
    for end in _ends():
        for control in (False, True):
            plain = end.take(data, control)
            if plain is not None:
                law(_plain().get(data) == plain, "what is passed on was protected so")
                passed = True
    return passed


def _protected(data: bytes) -> bool:
    """Protect a packet, and let that come; whether it was passed on."""
    suite = next(iter(SUITES))
    wire = _Wire()
    SecureTransport(wire, _KEYS[suite], [_OTHER[suite]]).send(data, _HERE)
    if not wire.sent:
        return False
    plain = _End(suite).take(wire.sent[0], False)
    law(plain in (None, data), "what was protected is passed on as it was")
    return plain is not None


def read_packet(data: bytes) -> None:
    """Let a datagram come."""
    _ends()[0].take(data, False)


def crypto_seeds() -> tuple[bytes, ...]:
    """Values of a=crypto."""
    return (
        b"1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20|1:4",
        b"2 AES_CM_128_HMAC_SHA1_32 inline:YUJDZGVmZ2hpSktMbW9QUXJzVHVWd3l6MTIzNDU2|1066:4 WSH=64",
        b"3 F8_128_HMAC_SHA1_80 inline:MTIzNDU2Nzg5QUJDREUwMTIzNDU2Nzg5QUJjZGVm|2^20|1:4;"
        b"inline:QUJjZGVmMTIzNDU2Nzg5QUJDREUwMTIzNDU2Nzg5|2^20|2:4 FEC_ORDER=FEC_SRTP -x",
        b"4 AEAD_AES_128_GCM inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw==",
    )


def crypto(data: bytes) -> bool:
    """Read the value of an a=crypto line, and negotiate by it."""
    text = data.decode("utf-8", "surrogateescape")
    line = attempt(CryptoAttribute.parse, text)
    try:
        attributes = (Attribute("crypto", text),)
    except BuildError:
        attributes = ()
    remote = MediaDescription("audio", 4000, "RTP/SAVP", ("0",), attributes=attributes)
    local = MediaDescription("audio", 5000, "RTP/SAVP", ("0",))
    extension = SecurityDescriptions(SRTP(), lambda bits: 1)
    reason = extension.misfit(remote)
    answer = extension.answer(remote, local)
    law((reason is None) == (answer is not None), "what fits is answered")
    if line is None:
        law(reason is not None, "what is not read is not taken")
        return False
    look_at(line)
    law(CryptoAttribute.parse(str(line)) == line, "what is written is read as the same")
    law((line.fault is None) == (reason is None), "a line without a fault is taken")
    if line.fault is None:
        keys = line.master_keys()
        law(all(len(key.material) == key.suite.size for key in keys), "a key fits its suite")
    return True
