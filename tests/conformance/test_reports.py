"""RTCP of calls: when reports come and what they say, and what is done at those of others (RFC 3550
§6, RFC 3605).
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from .probe import Probe, Scene, Step, cases, run
from .rtp import Counts, HearsRTCP, HearsRTP, Ports, SaysRTCP, SaysRTP, compound, rtp
from .sdp import sdp
from .stage import Stage
from .steps import Ack, Expect, Later, Quiet, Send, Within

OFFER = sdp("m=audio {kept.rtp} RTP/AVP 0 8")

END = (Within("BYE"), Expect(200))


def _up(offer: str = OFFER) -> tuple[Step, ...]:
    """A call with media."""
    return (Ports(), Send("INVITE", body=offer), Expect(200), Ack())


def _ten(start: int = 100, **changes: object) -> tuple[bytes, ...]:
    return tuple(rtp(start + n, **changes) for n in range(10))  # type: ignore[arg-type]


UP = _up()

#: A sender report of our source, about nobody; a source description; a goodbye.
SR = (200, 0, struct.pack("!IQIII", 0x5EED, 1 << 32, 16000, 10, 1600))

RR = (201, 0, struct.pack("!I", 0x5EED))

SDES = (202, 1, struct.pack("!I", 0x5EED) + b"\x01\x04peer\0\0")

BYE = (203, 1, struct.pack("!I", 0x5EED))


def _counts(scene: Scene, packets: list[tuple[int, int, bytes]]) -> str:
    """A sender report says how much was sent (RFC 3550 §6.4.1)."""
    kind, _, rest = packets[0]
    if kind != 200:
        return f"{kind} is no sender report"
    ssrc, _, _, sent, octets = struct.unpack_from("!IQIII", rest)
    if ssrc != scene.kept["ssrc"]:
        return "it is of another SSRC than RTP is"
    return "" if octets == sent * 160 and sent > 40 else f"{sent} packets, {octets} octets"


def _reports(lost: int, highest: int) -> Callable[[Scene, list[tuple[int, int, bytes]]], str]:
    """A report has a block about our source (RFC 3550 §6.4.1)."""

    def check(scene: Scene, packets: list[tuple[int, int, bytes]]) -> str:
        kind, count, rest = packets[0]
        if count != 1:
            return f"there are {count} blocks"
        at = 24 if kind == 200 else 4
        ssrc, said, number = struct.unpack_from("!III", rest, at)
        if ssrc != 0x5EED:
            return f"it is about {ssrc:#x}"
        if said & 0xFFFFFF != lost or number & 0xFFFF != highest:
            return f"{said & 0xFFFFFF} lost, {number & 0xFFFF} the highest"
        return ""

    return check


REPORTS = (
    Probe(
        "RFC 3550 §6.2",
        "the first report comes after 1 to 3.1 s, to the next port",
        UP,
        Later(1),
        HearsRTCP(0),
        HearsRTP((48, 52)),
        Later(2.2),
        HearsRTCP(1, kinds=(200, 202), check=_counts),
        END,
    ),
    Probe(
        "RFC 3550 §6.2",
        "further ones come every 2 to 6.3 s",
        UP,
        Later(3.2),
        HearsRTCP(1),
        Later(30),
        HearsRTCP((4, 13)),
        END,
    ),
    Probe(
        "RFC 3605 §2.1",
        "reports go where a=rtcp says",
        _up(sdp("m=audio {kept.rtp} RTP/AVP 0", "a=rtcp:{kept.rtcp2}")),
        Later(3.2),
        HearsRTCP(1, at="rtcp2"),
        HearsRTCP(0),
        END,
    ),
    Probe(
        "RFC 3264 §5.1",
        "who only hears reports as a receiver",
        _up(sdp("m=audio {kept.rtp} RTP/AVP 0", "a=sendonly", "a=rtcp:{kept.rtcp}")),
        Later(3.2),
        HearsRTCP(1, kinds=(201, 202)),
        END,
    ),
    Probe(
        "RFC 3264 §5.1",
        "reports go on where nothing else does",
        _up(sdp("m=audio {kept.rtp} RTP/AVP 0", "a=inactive", "a=rtcp:{kept.rtcp}")),
        Later(3.2),
        HearsRTCP(1, kinds=(201, 202)),
        END,
    ),
    Probe(
        "RFC 3550 §6.4.1",
        "a report is about what is heard",
        _up(sdp("m=audio {kept.rtp} RTP/AVP 0", "a=rtcp:{kept.rtcp}")),
        SaysRTP(_ten()),
        SaysRTP(_ten(112)),
        Later(3.2),
        HearsRTCP(1, check=_reports(2, 121)),
        END,
    ),
    Probe(
        "RFC 3550 §6.3.7",
        "a goodbye at the end, behind a report",
        _up(sdp("m=audio {kept.rtp} RTP/AVP 0", "a=rtcp:{kept.rtcp}")),
        Later(0.2),
        END,
        HearsRTCP(1, kinds=(200, 202, 203)),
    ),
    Probe(
        "RFC 3550 §6.3.7",
        "no goodbye of who was never heard",
        _up(sdp("m=audio {kept.rtp} RTP/AVP 0", "a=inactive", "a=rtcp:{kept.rtcp}")),
        END,
        HearsRTCP(0),
    ),
    *(
        Probe(
            "RFC 3550 §A.2",
            f"RTCP {what} harms nothing",
            UP,
            SaysRTP(_ten()),
            SaysRTCP(data),
            SaysRTP(_ten(110)),
            Counts({"packets_received": 20, "lost": 0}),
            END,
        )
        for what, data in (
            ("of a report and a name", compound(SR, SDES)),
            ("of a receiver's report", compound(RR, SDES)),
            ("that begins with no report", compound(SDES, SR)),
            ("of a report alone", compound(RR)),
            ("that is cut off", compound(SR, SDES)[:-3]),
            ("of another version", b"\0" + compound(SR)[1:]),
            ("that says more blocks than it has", compound((201, 31, RR[2]), SDES)),
            ("of a kind that nobody knows", compound(RR, (250, 3, b"what?!!!"))),
            (
                "that is feedback",
                compound(
                    RR,
                    (205, 1, struct.pack("!II", 1, 2)),
                    (206, 15, struct.pack("!II", 1, 2) + b"REMB"),
                ),
            ),
            ("that is of the application", compound(RR, (204, 0, b"\0\0\0\x01nameabcd"))),
            ("that is empty", b""),
            ("with a goodbye of a stranger", compound(RR, (203, 1, struct.pack("!I", 0xBAD)))),
            ("with a goodbye in the middle", compound(SR, BYE, SDES)),
            (
                "of a name without an end",
                compound(RR, (202, 1, struct.pack("!I", 1) + b"\x01\xffxx")),
            ),
        )
    ),
    Probe(
        "RFC 3550 §6.6",
        "a goodbye of ours ends no call",
        UP,
        SaysRTP(_ten()),
        SaysRTCP(compound(SR, SDES, BYE)),
        Later(0.2),
        Quiet(),
        Within("OPTIONS"),
        Expect(200),
        END,
    ),
    Probe(
        "RFC 3550 §6.6",
        "and who says goodbye may come back",
        UP,
        SaysRTP(_ten()),
        SaysRTCP(compound(SR, SDES, BYE)),
        SaysRTP(_ten(110)),
        Counts({"packets_received": 20}),
        END,
    ),
    Probe(
        "RFC 3550 §6.4.1",
        "our report about the party is taken",
        UP,
        Later(0.1),
        HearsRTP((4, 6)),
        SaysRTCP(
            lambda ssrc: compound(
                (201, 1, struct.pack("!IIIIIII", 0x5EED, ssrc, 0x40000003, 5, 16, 0, 0)), SDES
            )
        ),
        Quiet(),
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
        for one in (*REPORTS,)
    ]
)
def test_reports(stage: Stage, probe: Probe, transport: str) -> None:
    """Each probe of the tables; the signalling goes by UDP."""
    run(stage, probe, transport)
