"""RTP of calls: what is sent and when, what is heard, and what is not (RFC 3550, RFC 3551, RFC 3264
§5 and §8, RFC 4961).
"""

from __future__ import annotations

from dataclasses import dataclass

from .probe import Probe, Scene, Step, cases, run
from .rtp import Counts, Forget, HearsRTP, Ports, SaysRTP, rtp
from .sdp import sdp
from .stage import Stage
from .steps import Ack, Expect, Later, Reply, Send, Within
from .user import Dial, Does, Stands

OFFER = sdp("m=audio {kept.rtp} RTP/AVP 0 8")

END = (Within("BYE"), Expect(200))


def _up(offer: str = OFFER) -> tuple[Step, ...]:
    """A call with media."""
    return (Ports(), Send("INVITE", body=offer), Expect(200), Ack())


def _change(body: str) -> tuple[Step, ...]:
    return (Within("INVITE", body=body), Expect(200), Ack(), Forget())


def _ten(start: int = 100, **changes: object) -> tuple[bytes, ...]:
    return tuple(rtp(start + n, **changes) for n in range(10))  # type: ignore[arg-type]


UP = _up()


@dataclass(frozen=True)
class Collides(Step):
    """The peer sends under the SSRC that the party has."""

    def play(self, scene: Scene) -> None:
        """Send it."""
        SaysRTP(tuple(rtp(n, ssrc=scene.kept["ssrc"]) for n in range(3))).play(scene)


SENDING = (
    Probe(
        "RFC 3550 §5.1",
        "a packet every 20 ms, from the start, in order",
        UP,
        Later(0.2),
        HearsRTP((9, 11), marker=True),
        Later(0.2),
        HearsRTP(10, goes_on=True),
        END,
    ),
    Probe(
        "RFC 3261 §13.2.1",
        "none after the end",
        UP,
        Later(0.1),
        END,
        Forget(),
        Later(1),
        HearsRTP(0),
    ),
    Probe(
        "RFC 3264 §6.1",
        "of the format that was answered",
        _up(sdp("m=audio {kept.rtp} RTP/AVP 8")),
        Later(0.2),
        HearsRTP((9, 11), kind=8),
        END,
    ),
    Probe(
        "RFC 3264 §6.1",
        "by the number that they have for it",
        _up(sdp("m=audio {kept.rtp} RTP/AVP 100", "a=rtpmap:100 PCMU/8000")),
        Later(0.2),
        HearsRTP((9, 11), kind=100),
        END,
    ),
    Probe(
        "RFC 8866 §6.4",
        "of the length that is asked for",
        _up(sdp("m=audio {kept.rtp} RTP/AVP 0", "a=ptime:40")),
        Later(0.4),
        HearsRTP((9, 11), ticks=320),
        END,
    ),
    Probe(
        "RFC 3264 §5.1",
        "none to who only sends",
        _up(sdp("m=audio {kept.rtp} RTP/AVP 0", "a=sendonly")),
        Later(1),
        HearsRTP(0),
        END,
    ),
    Probe(
        "RFC 3264 §5.1",
        "some to who only receives",
        _up(sdp("m=audio {kept.rtp} RTP/AVP 0", "a=recvonly")),
        Later(0.2),
        HearsRTP((9, 11)),
        END,
    ),
    Probe(
        "RFC 3264 §5.1",
        "none where it is inactive",
        _up(sdp("m=audio {kept.rtp} RTP/AVP 0", "a=inactive")),
        Later(1),
        HearsRTP(0),
        END,
    ),
    Probe(
        "RFC 3264 §8.4",
        "none to 0.0.0.0",
        _up(sdp("m=audio {kept.rtp} RTP/AVP 0", connection="c=IN IP4 0.0.0.0")),
        Later(1),
        HearsRTP(0),
        END,
    ),
    Probe(
        "RFC 3264 §8.4",
        "none on hold; and then it goes on, with the marker",
        UP,
        Later(0.2),
        HearsRTP((9, 11)),
        _change(sdp("m=audio {kept.rtp} RTP/AVP 0 8", "a=sendonly", origin="1 2")),
        Later(1),
        HearsRTP(0),
        _change(sdp("m=audio {kept.rtp} RTP/AVP 0 8", origin="1 3")),
        Later(0.2),
        HearsRTP((9, 11), marker=True, goes_on=True),
        END,
    ),
    Probe(
        "RFC 3264 §8.3.1",
        "to the new port, once there is one",
        UP,
        Later(0.2),
        Forget(),
        _change(sdp("m=audio {kept.rtp2} RTP/AVP 0 8", origin="1 2")),
        Later(0.2),
        HearsRTP(0),
        HearsRTP((9, 11), at="rtp2"),
        END,
    ),
    Probe(
        "RFC 3264 §8.3.1",
        "to the new port, though the old one still sends",
        UP,
        SaysRTP(_ten()),
        _change(sdp("m=audio {kept.rtp2} RTP/AVP 0 8", origin="1 2")),
        SaysRTP(_ten(110)),
        HearsRTP(0),
        HearsRTP((9, 11), at="rtp2"),
        END,
    ),
    Probe(
        "RFC 3264 §8.3.2",
        "of the new format, once there is one",
        UP,
        Later(0.2),
        _change(sdp("m=audio {kept.rtp} RTP/AVP 8", origin="1 2")),
        Later(0.2),
        HearsRTP((9, 11), kind=8),
        END,
    ),
    Probe(
        "RFC 3261 §13.2.1",
        "from the answer in a provisional response on",
        Ports(),
        Dial(),
        Expect("INVITE"),
        Reply(183, body=OFFER),
        Later(0.2),
        HearsRTP((9, 11)),
        Reply(486),
        Expect("ACK"),
        Forget(),
        Later(0.5),
        HearsRTP(0),
        party="manual audio",
    ),
    Probe(
        "RFC 3264 §7",
        "where we answer that we take it",
        Ports(),
        Dial(),
        Expect("INVITE"),
        Later(0.1),
        HearsRTP(0),
        Reply(200, body=OFFER),
        Expect("ACK"),
        Later(0.2),
        HearsRTP((9, 11), marker=True),
        Does("terminate"),
        Expect("BYE"),
        Reply(200, "BYE"),
        party="manual audio",
    ),
)


def _with(**changes: object) -> tuple[bytes, ...]:
    return (*_ten(), *_ten(110, **changes), *_ten(120))


#: Ten packets, ten of another kind, ten more; and how many of them are heard.
HEARD: tuple[tuple[str, str, tuple[bytes, ...], int], ...] = (
    ("RFC 3550 §5.1", "packets of a format that was agreed", _ten(), 10),
    ("RFC 3264 §5.1", "of the other format that was agreed", _ten(kind=8), 10),
    (
        "RFC 3264 §5.1",
        "of one and the other in turn",
        tuple(rtp(100 + n, kind=8 * (n % 2)) for n in range(10)),
        10,
    ),
    ("RFC 3550 §5.1", "with contributors", _with(first=0x83, more=b"abcdefghijkl"), 30),
    ("RFC 3550 §5.3.1", "with an extension", _with(first=0x90, more=b"\xbe\xde\0\x02abcdefgh"), 30),
    ("RFC 3550 §5.3.1", "with an empty extension", _with(first=0x90, more=b"\xbe\xde\0\0"), 30),
    ("RFC 3550 §5.1", "with padding", _with(first=0xA0, payload=b"\xff" * 160 + b"\0\0\0\x04"), 30),
    (
        "RFC 3550 §5.1",
        "with contributors, an extension and padding",
        _with(first=0xB1, more=b"abcd\xbe\xde\0\x01efgh", payload=b"\xff" * 157 + b"\0\0\x03"),
        30,
    ),
    ("RFC 3550 §5.1", "with the marker", _with(marker=True), 30),
    ("RFC 3551 §4.2", "of other lengths", _with(payload=b"\xff" * 80), 30),
    ("RFC 3550 §5.1", "across the end of the numbers", _ten(65531), 10),
    (
        "RFC 3550 §5.1",
        "across the end of the timestamps",
        tuple(rtp(100 + n, timestamp=2**32 - 800 + 160 * n) for n in range(10)),
        10,
    ),
    (
        "RFC 3550 §A.1",
        "out of order",
        tuple(rtp(100 + n) for n in (0, 1, 3, 2, 5, 4, 6, 8, 7, 9)),
        10,
    ),
)

#: Packets among others that are not heard.
UNHEARD: tuple[tuple[str, str, tuple[bytes, ...]], ...] = (
    ("RFC 3550 §A.1", "of another version", _ten(first=0x00)),
    ("RFC 3550 §A.1", "of yet another version", _ten(first=0xC0)),
    (
        "RFC 3550 §A.1",
        "with padding that is longer than they are",
        _ten(first=0xA0, payload=b"\xff\xff\xff\xff"),
    ),
    (
        "RFC 3550 §A.1",
        "with no padding, though they say so",
        _ten(first=0xA0, payload=b"\xff" * 159 + b"\0"),
    ),
    (
        "RFC 3550 §A.1",
        "with an extension that is longer than they are",
        _ten(first=0x90, more=b"\xbe\xde\xff\xff"),
    ),
    ("RFC 3550 §A.1", "with more contributors than they hold", _ten(first=0x8F, payload=b"abcd")),
    ("RFC 3550 §A.1", "that are cut off", tuple(one[:11] for one in _ten())),
    ("RFC 768", "that are empty", (b"",) * 10),
    ("RFC 3261 §18", "that are SIP", (b"OPTIONS sip:bob@biloxi.com SIP/2.0\r\n\r\n",) * 10),
    ("RFC 8489 §5", "that are STUN", (b"\0\x01\0\0\x21\x12\xa4\x42" + bytes(12),) * 10),
    ("RFC 3550 §A.1", "of another source, once", (rtp(7, ssrc=0xBAD),)),
)

HEARING = (
    *(
        Probe(
            clause,
            f"heard are packets {what}",
            UP,
            SaysRTP(packets),
            Counts({"packets_received": number, "lost": 0}),
            END,
        )
        for clause, what, packets, number in HEARD
    ),
    *(
        Probe(
            clause,
            f"not heard are packets {what}",
            UP,
            SaysRTP(_ten()),
            SaysRTP(packets),
            # What has no octets keeps the binding of a NAT open, and is not counted.
            Counts({"packets_received": 10, "ignored": sum(map(bool, packets))}),
            SaysRTP(_ten(110)),
            Counts({"packets_received": 20, "lost": 0}),
            END,
        )
        for clause, what, packets in UNHEARD
    ),
    *(
        Probe(
            "RFC 3550 §5.1",
            f"not heard are packets of {what}",
            UP,
            SaysRTP((*_ten(), *_ten(110, kind=kind), *_ten(120))),
            # They are none that are lost, either.
            Counts({"ignored": 10, "lost": 0}),
            END,
        )
        for what, kind in (("a format that was not agreed", 3), ("no format at all", 127))
    ),
    Probe(
        "RFC 3550 §A.3",
        "what does not come is lost",
        UP,
        SaysRTP(_ten()),
        SaysRTP(_ten(115)),
        Counts({"packets_received": 20, "lost": 5}),
        END,
    ),
    Probe(
        "RFC 3550 §A.3",
        "what comes twice is counted twice",
        UP,
        SaysRTP(_ten()),
        SaysRTP(_ten()[5:]),
        Counts({"packets_received": 15, "lost": -5}),
        END,
    ),
    Probe(
        "RFC 3550 §8",
        "another source that takes over is heard",
        UP,
        SaysRTP(_ten()),
        Later(1),
        SaysRTP(_ten(40000, ssrc=0xF00D)),
        Counts({"packets_received": 20, "lost": 0}),
        END,
    ),
    Probe(
        "RFC 3550 §A.1",
        "numbers that begin anew are a restart, and no loss",
        UP,
        SaysRTP(_ten()),
        SaysRTP(_ten(30000)),
        Counts({"lost": 0}),
        END,
    ),
    Probe(
        "RFC 3264 §5.1",
        "what comes before the answer harms nothing",
        Ports(),
        Dial(),
        Expect("INVITE"),
        SaysRTP(_ten()),
        Reply(200, body=OFFER),
        Expect("ACK"),
        Stands("InDialog"),
        SaysRTP(_ten(110)),
        Does("terminate"),
        Expect("BYE"),
        Reply(200, "BYE"),
        party="manual audio",
    ),
    Probe(
        "RFC 3264 §8.4",
        "what still comes on hold is no loss",
        UP,
        SaysRTP(_ten()),
        _change(sdp("m=audio {kept.rtp} RTP/AVP 0 8", "a=inactive", origin="1 2")),
        SaysRTP(_ten(110)),
        _change(sdp("m=audio {kept.rtp} RTP/AVP 0 8", origin="1 3")),
        SaysRTP(_ten(120)),
        Counts({"lost": 0}),
        END,
    ),
    Probe(
        "RFC 4733 §2",
        "telephone events are no loss",
        _up(sdp("m=audio {kept.rtp} RTP/AVP 0 101", "a=rtpmap:101 telephone-event/8000")),
        SaysRTP(
            (*_ten(), *_ten(110, kind=101, timestamp=17600, payload=b"\x01\x0a\0\xa0"), *_ten(120))
        ),
        Counts({"lost": 0}),
        END,
    ),
    Probe(
        "RFC 3551 §4.1",
        "comfort noise is no loss",
        _up(sdp("m=audio {kept.rtp} RTP/AVP 0 13")),
        SaysRTP((*_ten(), *_ten(110, kind=13, payload=b"\x40"), *_ten(120))),
        Counts({"lost": 0}),
        END,
    ),
    Probe(
        "RFC 3550 §8.2",
        "a source with its own SSRC has the party take another",
        UP,
        Later(0.1),
        HearsRTP((4, 6)),
        Collides(),
        Forget(),
        Later(0.2),
        HearsRTP((9, 11), goes_on=False),
        END,
    ),
)


@cases(
    [
        Probe(
            one.clause,
            one.what,
            *one.steps,
            party="audio" if one.party == "plain" else one.party,
            by="udp",
        )
        for one in (*SENDING, *HEARING)
    ]
)
def test_media(stage: Stage, probe: Probe, transport: str) -> None:
    """Each probe of the tables; the signalling goes by UDP."""
    run(stage, probe, transport)
