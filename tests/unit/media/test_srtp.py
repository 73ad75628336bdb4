import random
import sys
from collections import Counter

import pytest

from sipparty.errors import MediaError, UsageError
from sipparty.media.rtp.packet import RTPPacket
from sipparty.media.srtp.transport import (
    MAX_SOURCES,
    OLD_KEYS,
    PATIENCE,
    REASONS,
    SUITES,
    MasterKey,
    SecureTransport,
    available_suites,
    has_srtp,
)
from sipparty.media.transport import MediaTransport

from . import srtp_by_hand as by_hand

HERE = ("192.0.2.1", 4000)
THERE = ("192.0.2.2", 5000)
SSRC = 0xCAFEBABE
REPORT = bytes.fromhex("80c90001cafebabe") + bytes.fromhex("81ca0003cafebabe0103616263000000")

every_suite = pytest.mark.parametrize("suite", SUITES.values(), ids=SUITES)


class Wire:
    """A transport that keeps what is sent, and hands over what a test lets come."""

    def __init__(self):
        self.sent = []
        self.sent_rtcp = []
        self.mux = False
        self.port, self.rtcp_port, self.family = 4000, 4001, 2
        self.hosts = None
        self.max_age = None
        self.closed = 0

    def listen(self, hosts=()):
        self.hosts = tuple(hosts)

    def deliver(self, rtp, rtcp, max_age):
        self.rtp, self.rtcp, self.max_age = rtp, rtcp, max_age

    def send(self, data, address):
        self.sent.append((data, address))

    def send_rtcp(self, data, address):
        self.sent_rtcp.append((data, address))

    def close(self):
        self.closed += 1


class Side:
    """A secure transport on a wire, and what it let through."""

    def __init__(self, outbound, *inbound):
        self.wire = Wire()
        self.transport = SecureTransport(self.wire, outbound, inbound)
        self.heard = []
        self.heard_rtcp = []
        self.transport.deliver(
            lambda data, address, now: self.heard.append((data, address, now)),
            lambda data, address, now: self.heard_rtcp.append((data, address, now)),
            0.4,
        )

    def protected(self, packet):
        self.transport.send(packet, THERE)
        return self.wire.sent[-1][0]

    def protected_rtcp(self, packet):
        self.transport.send_rtcp(packet, THERE)
        return self.wire.sent_rtcp[-1][0]

    def take(self, data, now=0.0):
        """What is let through of a datagram; None for nothing."""
        before = len(self.heard)
        self.wire.rtp(data, THERE, now)
        return self.heard[-1][0] if len(self.heard) > before else None

    def take_rtcp(self, data, now=0.0):
        before = len(self.heard_rtcp)
        self.wire.rtcp(data, THERE, now)
        return self.heard_rtcp[-1][0] if len(self.heard_rtcp) > before else None

    @property
    def counts(self):
        return dict(self.transport.counts)


def master(suite, number=1, **more):
    return MasterKey(suite, random.Random(number).randbytes(suite.size), **more)


def rtp(sequence=1, payload=b"x" * 160, ssrc=SSRC, **more):
    return bytes(RTPPacket(0, sequence, 160 * sequence, ssrc, payload, **more))


def pair(suite=SUITES["AES_CM_128_HMAC_SHA1_80"]):
    a, b = master(suite, 1), master(suite, 2)
    return Side(a, b), Side(b, a)


# What a packet becomes.


def test_the_hand_written_one_derives_keys_as_rfc_3711_b3():
    """RFC 3711 appendix B.3."""
    key, salt, auth = by_hand.session_keys(
        bytes.fromhex("E1F97A0D3E018BE0D64FA32C06DE41390EC675AD498AFEEBB6960B3AABE6"), 16, 14, False
    )
    assert key.hex().upper() == "C61E7A93744F39EE10734AFE3FF7A087"
    assert salt.hex().upper() == "30CBBC08863D8C85D49DB34A9AE1"
    assert auth.hex().upper() == "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"


def test_the_hand_written_one_has_the_keystream_of_rfc_3711_b2():
    """RFC 3711 appendix B.2."""
    start = by_hand.counter_start(bytes.fromhex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD"), 0, 0)
    stream = by_hand.keystream(
        bytes.fromhex("2B7E151628AED2A6ABF7158809CF4F3C"), start, 0xFF02 * 16
    ).hex()
    assert stream[:96].upper() == (
        "E03EAD0935C95E80E166B16DD92B4EB4D23513162B02D0F72A43A2FE4A5F97AB"
        "41E95B3BB0A2E8DD477901E4FCA894C0"
    )
    assert stream[0xFEFF * 32 :].upper() == (
        "EC8CDF7398607CB0F2D21675EA9EA1E4362B7C3C6773516318A077D7FC5073AE"
        "6A2CC3787889374FBEB4C81B17BA6C44"
    )


GALLIA = bytes.fromhex("8040f17b8041f8d35501a0b2") + b"Gallia est omnis divisa in partes tres"
NTP = bytes.fromhex(
    "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61"
    "deadbeefdeadbeefdeadbeefdeadbeefdeadbeef"
)


@pytest.mark.parametrize(
    ("size", "packet"),
    [
        (
            16,
            "8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a"
            "51c7d19b36de3adf8833899d7f27beb16a9152cf765ee4390cce",
        ),
        (
            32,
            "8040f17b8041f8d35501a0b232b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a02"
            "76ffae0f1ba63799b87b7aa3db36dfffd6b0f9bb7878d7a76c13",
        ),
    ],
)
def test_the_hand_written_one_has_the_packets_of_rfc_7714_16(size, packet):
    """RFC 7714 sections 16.1.1 and 16.2.1; the keys there are those of the session."""
    keys = bytes(range(size)), b"Quid pro quo", b""
    assert by_hand.seal("GCM", keys, GALLIA).hex() == packet


@pytest.mark.parametrize(
    ("size", "packet"),
    [
        (
            16,
            "81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda"
            "4ce09b4686303ded0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4",
        ),
        (
            32,
            "81c8000d4d617273d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be"
            "8415f658c61de0476f1b6fad1d1eb30c4446839f57ff6f6cb26ac3be800005d4",
        ),
    ],
)
def test_the_hand_written_one_has_the_packets_of_rfc_7714_17(size, packet):
    """RFC 7714 sections 17.1 and 17.2."""
    keys = bytes(range(size)), b"Quid pro quo", b""
    assert by_hand.seal_rtcp("GCM", keys, NTP, 0x5D4).hex() == packet


@every_suite
@pytest.mark.parametrize("payload", [b"", b"y", bytes(range(160)), b"z" * 1200])
def test_rtp_is_protected_as_by_hand(suite, payload):
    side = Side(master(suite, 1), master(suite, 2))
    packet = rtp(0x1234, payload)
    assert side.protected(packet) == by_hand.protect(suite, master(suite, 1).material, packet)


@every_suite
def test_rtp_keeps_its_order_after_the_sequence_number_has_wrapped(suite):
    a, b = Side(master(suite, 1), master(suite, 2)), Side(master(suite, 2), master(suite, 1))
    for sequence, rolled in ((0xFFFE, 0), (0xFFFF, 0), (0, 1), (1, 1)):
        packet = rtp(sequence)
        sealed = a.protected(packet)
        assert sealed == by_hand.protect(suite, master(suite, 1).material, packet, rolled)
        assert b.take(sealed) == packet


@every_suite
def test_rtcp_is_protected_as_by_hand_with_an_index_that_grows(suite):
    side = Side(master(suite, 1), master(suite, 2))
    key = master(suite, 1).material
    for index in (1, 2, 3):
        assert side.protected_rtcp(REPORT) == by_hand.protect_rtcp(suite, key, REPORT, index)


@every_suite
def test_what_was_protected_by_hand_verifies(suite):
    side = Side(master(suite, 2), master(suite, 1))
    key = master(suite, 1).material
    packet = rtp(77)
    assert side.take(by_hand.protect(suite, key, packet)) == packet
    assert side.take_rtcp(by_hand.protect_rtcp(suite, key, REPORT, 9)) == REPORT
    assert side.counts == {}


# What comes.


@every_suite
def test_both_ways(suite):
    a, b = Side(master(suite, 1), master(suite, 2)), Side(master(suite, 2), master(suite, 1))
    for sequence in range(20):
        packet = rtp(sequence, marker=not sequence)
        sealed = a.protected(packet)
        assert packet[12:] not in sealed
        assert b.take(sealed, 3.5) == packet
        assert a.take_rtcp(b.protected_rtcp(REPORT)) == REPORT
    assert b.heard[-1][1:] == (THERE, 3.5)
    assert a.counts == b.counts == {}


def test_csrc_extension_and_padding_stay():
    from sipparty.media.rtp.packet import HeaderExtension

    a, b = pair()
    extension = HeaderExtension(0xBEDE, b"\x10\xff\0\0")
    packet = rtp(5, csrc=(7, 8), extension=extension, padding=4)
    assert b.take(a.protected(packet)) == packet


def test_a_replayed_packet_is_dropped():
    a, b = pair()
    sealed, report = a.protected(rtp()), a.protected_rtcp(REPORT)
    assert b.take(sealed)
    assert b.take_rtcp(report)
    assert b.take(sealed) is None
    assert b.take_rtcp(report) is None
    assert b.counts == {"replayed": 2}


def test_late_packets_are_taken_and_very_late_ones_are_not():
    a, b = pair()
    sealed = [a.protected(rtp(n)) for n in range(300)]
    assert b.take(sealed[299])
    assert b.take(sealed[250])
    assert b.take(sealed[0]) is None
    assert b.counts == {"old": 1}


def test_another_key_is_dropped():
    a, b = pair()
    other = Side(
        master(SUITES["AES_CM_128_HMAC_SHA1_80"], 3), master(*[SUITES["AEAD_AES_128_GCM"]])
    )
    assert b.take(other.protected(rtp())) is None
    assert b.take_rtcp(other.protected_rtcp(REPORT)) is None
    assert b.counts == {"authentication": 2}
    assert b.take(a.protected(rtp())) == rtp()


@every_suite
def test_our_own_packets_that_come_back_are_dropped(suite):
    side = Side(master(suite, 1), master(suite, 2))
    assert side.take(side.protected(rtp())) is None
    assert side.take_rtcp(side.protected_rtcp(REPORT)) is None
    assert side.counts == {"authentication": 2}


@every_suite
def test_plain_packets_are_dropped(suite):
    side = Side(master(suite, 1), master(suite, 2))
    assert side.take(rtp()) is None
    assert side.take_rtcp(REPORT) is None
    assert side.take_rtcp(REPORT[:8]) is None
    assert side.counts == {"authentication": 1, "plain": 2}


@every_suite
def test_every_octet_counts(suite):
    a, b = Side(master(suite, 1), master(suite, 2)), Side(master(suite, 2), master(suite, 1))
    sealed, report = a.protected(rtp(payload=b"ab")), a.protected_rtcp(REPORT)
    for whole, take in ((sealed, b.take), (report, b.take_rtcp)):
        for at in range(len(whole)):
            assert take(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]) is None
            assert take(whole[:at]) is None
        assert take(whole + b"\0") is None
        assert take(whole) is not None
    assert set(b.counts) <= {"authentication", "malformed", "other", "plain"}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\0", "other"),
        (bytes(64), "other"),
        (b"\x7f" + bytes(64), "other"),
        (b"\xc0" + bytes(64), "other"),
        (b"\x80", "malformed"),
        (b"\xbf" + bytes(10), "malformed"),
        (b"\x80\0\0\1" + bytes(2000), "malformed"),
    ],
)
def test_what_is_no_packet_is_dropped(data, reason):
    _, b = pair()
    assert b.take(data) is None
    assert b.take_rtcp(data) is None
    assert b.counts == {reason: 2}


def test_several_sources_have_one_key():
    a, b = pair()
    for ssrc in range(1, 9):
        assert b.take(a.protected(rtp(9, ssrc=ssrc))) == rtp(9, ssrc=ssrc)
    assert b.counts == {}


def test_there_are_only_so_many_sources():
    a, b = pair()
    for ssrc in range(MAX_SOURCES):
        assert b.take(a.protected(rtp(ssrc=ssrc)))
    assert b.take(a.protected(rtp(ssrc=MAX_SOURCES))) is None
    assert b.counts == {"sources": 1}
    assert b.take(a.protected(rtp(2, ssrc=5))) == rtp(2, ssrc=5)


def test_sources_that_do_not_verify_take_no_place():
    a, b = pair()
    for ssrc in range(2 * MAX_SOURCES):
        assert b.take(rtp(ssrc=ssrc)) is None
    assert b.take(a.protected(rtp(ssrc=1)))
    assert b.counts == {"authentication": 2 * MAX_SOURCES}


def test_a_key_is_used_for_so_many_packets_of_either_kind():
    suite = SUITES["AES_CM_128_HMAC_SHA1_80"]
    a = Side(master(suite, 1), master(suite, 2))
    b = Side(master(suite, 2), master(suite, 1, lifetime=3))
    taken = [b.take(a.protected(rtp(n))) is not None for n in range(5)]
    assert taken == [True, True, True, False, False]
    taken = [b.take_rtcp(a.protected_rtcp(REPORT)) is not None for n in range(5)]
    assert taken == [True, True, True, False, False]
    assert b.counts == {"lifetime": 4}


# Key identifiers.


#: Octets after an identifier in SRTP and SRTCP (RFC 3711 section 3.1, RFC 7714 sections 8.3, 9.2).
AFTER = {
    "AEAD_AES_256_GCM": (0, 0),
    "AEAD_AES_128_GCM": (0, 0),
    "AES_CM_128_HMAC_SHA1_80": (10, 10),
    "AES_CM_128_HMAC_SHA1_32": (4, 10),
}


def with_mki(sealed, tag, mki):
    at = len(sealed) - tag
    return sealed[:at] + mki + sealed[at:]


@every_suite
def test_keys_are_told_apart_by_their_identifiers(suite):
    after = AFTER[suite.name]
    one, two = master(suite, 1, mki=b"\0\1"), master(suite, 2, mki=b"\0\2")
    side = Side(master(suite, 3), one, two)
    for number, key in enumerate((one, two)):
        sealed = by_hand.protect(suite, key.material, rtp(number))
        assert side.take(with_mki(sealed, after[0], key.mki)) == rtp(number)
        sealed = by_hand.protect_rtcp(suite, key.material, REPORT, 5)
        assert side.take_rtcp(with_mki(sealed, after[1], key.mki)) == REPORT
    assert side.counts == {}
    sealed = by_hand.protect(suite, one.material, rtp(3))
    assert side.take(with_mki(sealed, after[0], b"\0\3")) is None
    assert side.counts == {"identifier": 1}
    assert side.take(b"\x80") is None
    assert side.counts == {"identifier": 1, "malformed": 1}


@pytest.mark.parametrize(
    "keys",
    [
        (),
        (master(SUITES["AEAD_AES_128_GCM"], 1), master(SUITES["AEAD_AES_128_GCM"], 2)),
        (
            master(SUITES["AEAD_AES_128_GCM"], 1, mki=b"1"),
            master(SUITES["AEAD_AES_128_GCM"], 2, mki=b"12"),
        ),
        (
            master(SUITES["AEAD_AES_128_GCM"], 1, mki=b"1"),
            master(SUITES["AEAD_AES_256_GCM"], 2, mki=b"2"),
        ),
    ],
)
def test_keys_that_do_not_fit_one_another(keys):
    with pytest.raises(UsageError, match="Inbound keys"):
        SecureTransport(Wire(), master(SUITES["AEAD_AES_128_GCM"]), keys)


def test_a_key_of_another_length():
    with pytest.raises(UsageError, match="30 octets of key and salt, not 3"):
        MasterKey(SUITES["AES_CM_128_HMAC_SHA1_80"], b"abc")


def test_a_key_does_not_show():
    assert "secret" not in repr(MasterKey(SUITES["AEAD_AES_128_GCM"], b"secret".ljust(28)))


# Other keys.

A1, A2, B1, B2 = (master(SUITES["AES_CM_128_HMAC_SHA1_80"], n) for n in (11, 12, 21, 22))


def test_the_old_key_serves_until_the_new_one_does():
    a, b = Side(A1, B1), Side(B1, A1)
    old = [a.protected(rtp(n)) for n in range(5)]
    b.take(old[0])
    b.transport.rekey(B1, [A2])
    assert b.take(old[1], 100.5) == rtp(1)
    a.transport.rekey(A2, [B1])
    assert b.take(a.protected(rtp(6)), 101.0) == rtp(6)
    assert b.take(old[2], 101.0) is None
    assert b.counts == {"authentication": 1}


def test_keys_that_change_while_nothing_flows_do_not_pile_up():
    a, b = Side(A1, B1), Side(B1, A1)
    suite = SUITES["AES_CM_128_HMAC_SHA1_80"]
    for n in range(30, 200):
        b.transport.rekey(B1, [master(suite, n)])
    b.transport.rekey(B1, [A2])
    assert len(b.transport._changes) <= 4
    a.transport.rekey(A2, [B1])
    assert b.take(a.protected(rtp(1)), 100.0) == rtp(1)


def test_the_old_key_serves_for_a_time():
    a, b = Side(A1, B1), Side(B1, A1)
    b.transport.rekey(B1, [A2])
    assert b.take(a.protected(rtp(0)), 100.0) == rtp(0)
    assert b.take(a.protected(rtp(1)), 100.0 + OLD_KEYS) == rtp(1)
    assert b.take(a.protected(rtp(2)), 100.1 + OLD_KEYS) is None
    assert b.counts == {"authentication": 1}


def test_what_was_replayed_under_the_old_key_is_counted_as_that():
    a, b = Side(A1, B1), Side(B1, A1)
    sealed = a.protected(rtp())
    b.take(sealed)
    b.transport.rekey(B1, [A2])
    assert b.take(sealed, 100.0) is None
    assert b.counts == {"replayed": 1}


def test_another_suite():
    gcm = master(SUITES["AEAD_AES_256_GCM"], 5)
    a, b = Side(A1, B1), Side(B1, A1)
    assert a.transport.suite == "AES_CM_128_HMAC_SHA1_80"
    a.transport.rekey(gcm, [B1])
    b.transport.rekey(B1, [gcm])
    assert a.transport.suite == "AEAD_AES_256_GCM"
    assert b.take(a.protected(rtp())) == rtp()


def test_who_has_answered_waits_for_the_new_key_of_the_other_side():
    a, b = Side(A1, B1), Side(B1, A1)
    b.transport.rekey(B2, [A2], answered=True)
    assert a.take(b.protected(rtp(1))) == rtp(1)
    assert b.take(a.protected(rtp(1)), 1.0) == rtp(1)
    assert a.take(b.protected(rtp(2))) == rtp(2)
    a.transport.rekey(A2, [B2])
    assert a.take(b.protected(rtp(3))) == rtp(3)
    assert b.take(a.protected(rtp(2)), 1.1) == rtp(2)
    assert b.protected(rtp(4)) == by_hand.protect(B2.suite, B2.material, rtp(4))
    assert a.counts == b.counts == {}


def test_who_has_answered_waits_so_long():
    _, b = Side(A1, B1), Side(B1, A1)
    b.transport.rekey(B2, [A2], answered=True)
    for number in range(PATIENCE + 2):
        key = B1 if number < PATIENCE else B2
        assert b.protected(rtp(number)) == by_hand.protect(key.suite, key.material, rtp(number))


def test_who_has_answered_to_the_same_key_does_not_wait():
    _, b = Side(A1, B1), Side(B1, A1)
    b.transport.rekey(B2, [A1], answered=True)
    assert b.protected(rtp()) == by_hand.protect(B2.suite, B2.material, rtp())


def test_rtcp_has_the_new_key_at_once():
    a, b = Side(A1, B1), Side(B1, A2)
    a.transport.rekey(A2, [B1])
    assert b.take_rtcp(a.protected_rtcp(REPORT)) == REPORT


def test_keys_that_stay_are_not_begun_anew():
    a, b = Side(A1, B1), Side(B1, A1)
    for sequence in (0xFFFF, 0):
        sealed = a.protected(rtp(sequence))
        b.take(sealed)
    a.transport.rekey(A1, [B1])
    b.transport.rekey(B1, [A1])
    assert b.take(sealed, 1.0) is None
    assert b.counts == {"replayed": 1}
    sealed = a.protected(rtp(1))
    assert sealed == by_hand.protect(A1.suite, A1.material, rtp(1), roc=1)
    assert b.take(sealed) == rtp(1)


def test_keys_that_come_back_are_not_begun_anew():
    """An early answer, another one, and the first again."""
    a, b = Side(A1, B1), Side(B1, A1)
    for sequence in (0xFFFF, 0):
        sealed = a.protected(rtp(sequence))
        b.take(sealed)
    for key in (A2, A1):
        a.transport.rekey(key, [B1])
        b.transport.rekey(B1, [key])
    assert b.take(sealed, 1.0) is None
    assert b.counts == {"replayed": 1}
    assert a.protected(rtp(1)) == by_hand.protect(A1.suite, A1.material, rtp(1), roc=1)
    assert b.take(a.protected(rtp(2)), 1000.0) == rtp(2)


def test_keys_without_end_take_no_memory_without_end():
    _, b = pair()
    for number in range(100, 200):
        key = master(SUITES["AES_CM_128_HMAC_SHA1_80"], number)
        b.transport.rekey(key, [key])
        b.protected(rtp(number))
    assert len(b.transport._kept) < 6
    assert len(b.transport._old) < 6


def test_wrong_keys_change_nothing():
    a, b = Side(A1, B1), Side(B1, A1)
    with pytest.raises(UsageError):
        b.transport.rekey(B2, [])
    assert b.protected(rtp()) == by_hand.protect(B1.suite, B1.material, rtp())
    assert b.take(a.protected(rtp()), 1.0) == rtp()


# What is sent, and the transport below.


def test_what_cannot_be_protected_is_not_sent():
    a, _ = pair()
    for data in (b"\x80\0\0\1", rtp(9, b"x" * 1400), "text"):
        a.transport.send(data, THERE)
        a.transport.send_rtcp(data, THERE)
    packet = rtp()
    a.transport.send(packet, THERE)
    a.transport.send(packet, THERE)  # a second one of this index
    assert a.counts == {"unsent": 7}
    assert len(a.wire.sent) == 1
    assert not a.wire.sent_rtcp
    assert a.wire.sent[0][1] == THERE


def test_any_bytes_are_sent():
    a, b = pair()
    for number, kind in enumerate((bytes, bytearray, memoryview)):
        assert b.take(a.protected(kind(rtp(number)))) == rtp(number)
        assert b.take_rtcp(a.protected_rtcp(kind(REPORT))) == REPORT


def test_rtcp_on_the_port_of_rtp_is_known_by_its_type():
    a, b = pair()
    a.transport.mux = b.transport.mux = True
    assert b.wire.mux
    assert b.take(a.protected_rtcp(REPORT)) == REPORT
    assert b.take(a.protected(rtp())) == rtp()
    assert b.counts == {}


def test_the_rest_is_the_transport_below():
    side, _ = pair()
    transport: MediaTransport = side.transport
    assert (transport.port, transport.rtcp_port, transport.family) == (4000, 4001, 2)
    assert not transport.mux
    transport.listen(["192.0.2.2"])
    assert side.wire.hosts == ("192.0.2.2",)
    assert side.wire.max_age == 0.4


def test_nothing_is_received_after_the_end():
    a, b = pair()
    b.transport.close()
    b.transport.close()
    assert b.wire.closed == 2
    assert b.take(a.protected(rtp())) is None
    assert b.take_rtcp(a.protected_rtcp(REPORT)) is None


def test_nothing_comes_before_there_is_a_receiver():
    side = SecureTransport(Wire(), A1, [B1])
    side._take_rtp(b"\0", THERE, 0.0)
    assert side.counts == Counter(other=1)


def test_every_reason_is_described():
    assert all(REASONS.values())


# The library.


def test_without_the_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "pylibsrtp", None)
    assert not has_srtp()
    with pytest.raises(MediaError, match=r"pip install sipparty\[media\]"):
        SecureTransport(Wire(), A1, [B1])
    with pytest.raises(MediaError, match="pylibsrtp"):
        available_suites()


def test_suites_are_found_by_name():
    assert has_srtp()
    assert [suite.name for suite in available_suites()] == list(SUITES)
    assert available_suites("AEAD_AES_128_GCM") == (SUITES["AEAD_AES_128_GCM"],)
    with pytest.raises(UsageError, match=r"no suite 'F8_128_HMAC_SHA1_80'; there are AEAD_AES_256"):
        available_suites(["F8_128_HMAC_SHA1_80"])


def test_no_state_is_made_before_the_first_packet():
    side = Side(A1, B1)
    assert side.transport._sending._session is None
    side.protected(rtp())
    assert side.transport._sending._session is not None
