"""Offers and answers in calls that are changed, that begin without an offer, and that the party
places (RFC 3264 §8, RFC 6337; RFC 3261 §13.2, §14).
"""

from __future__ import annotations

from .message import Message
from .probe import Probe, cases, run
from .sdp import AUDIO, LIVE, sdp
from .stage import Stage
from .steps import Ack, Expect, Keep, Quiet, Reply, Same, Send, Within
from .user import Dial, Does, Stands

END = (Within("BYE"), Expect(200))

HANG_UP = (Does("terminate"), Expect("BYE"), Reply(200, "BYE"))

#: A call with one stream.
UP = (Send("INVITE", body=sdp(AUDIO)), Expect(200, body=(LIVE,)), Ack())


def _origin(message: Message) -> str:
    return next(line for line in message.body.decode().split("\r\n") if line.startswith("o="))


def _version(message: Message) -> int:
    return int(_origin(message).split()[2])


def _next(message: Message) -> int:
    return _version(message) + 1


def _port(message: Message) -> str:
    return message.body.decode().split("m=audio ")[1].split()[0]


CHANGES = (
    Probe(
        "RFC 3264 §8",
        "the same offer again gets the same answer",
        UP,
        Keep("origin", _origin),
        Keep("port", _port),
        Within("INVITE", body=sdp(AUDIO)),
        Expect(200),
        Same("origin", _origin),
        Same("port", _port),
        Ack(),
        END,
        party="audio",
    ),
    Probe(
        "RFC 3264 §8",
        "an answer that differs has the next version",
        UP,
        Keep("version", _next),
        Within("INVITE", body=sdp(AUDIO, "a=sendonly", origin="1 2")),
        Expect(200, body=("^a=recvonly$",)),
        Same("version", _version),
        Ack(),
        END,
        party="audio",
    ),
    Probe(
        "RFC 3264 §8.4",
        "hold and back",
        UP,
        Within("INVITE", body=sdp(AUDIO, "a=sendonly", origin="1 2")),
        Expect(200, body=("^a=recvonly$",)),
        Ack(),
        Within("INVITE", body=sdp(AUDIO, origin="1 3")),
        Expect(200, no_body=("^a=recvonly", "^a=inactive")),
        Ack(),
        END,
        party="audio",
    ),
    Probe(
        "RFC 3264 §8.4",
        "hold by both, and back",
        UP,
        Within("INVITE", body=sdp(AUDIO, "a=inactive", origin="1 2")),
        Expect(200, body=("^a=inactive$",)),
        Ack(),
        Within("INVITE", body=sdp(AUDIO, "a=sendrecv", origin="1 3")),
        Expect(200, no_body=("^a=inactive",)),
        Ack(),
        END,
        party="audio",
    ),
    Probe(
        "RFC 3264 §8.3.2",
        "another format",
        UP,
        Within("INVITE", body=sdp("m=audio {other} RTP/AVP 8", origin="1 2")),
        Expect(200, body=(LIVE + "8$",)),
        Ack(),
        END,
        party="audio",
    ),
    Probe(
        "RFC 3264 §8.3.1",
        "another port and address",
        UP,
        Within(
            "INVITE",
            body=sdp("m=audio 6000 RTP/AVP 0", origin="1 2", connection="c=IN IP4 127.0.0.2"),
        ),
        Expect(200, body=(LIVE + "0$",)),
        Ack(),
        END,
        party="audio",
    ),
    Probe(
        "RFC 3264 §8.1",
        "one more stream",
        UP,
        Within("INVITE", body=sdp(AUDIO, "m=video 6000 RTP/AVP 31", origin="1 2")),
        Expect(200, body=(LIVE + "0$", "^m=video 0 ")),
        Ack(),
        END,
        party="audio",
    ),
    Probe(
        "RFC 3264 §8.2",
        "the stream ends, and the call stays",
        UP,
        Within("INVITE", body=sdp("m=audio 0 RTP/AVP 0", origin="1 2")),
        Expect((200, 488)),
        Ack(),
        Within("OPTIONS"),
        Expect(200),
        END,
        party="audio",
    ),
    Probe(
        "RFC 3264 §8",
        "a stream may not be left out",
        Send("INVITE", body=sdp(AUDIO, "m=video 6000 RTP/AVP 31")),
        Expect(200),
        Ack(),
        Within("INVITE", body=sdp(AUDIO, origin="1 2")),
        Expect(488, {"Warning": "^3"}),
        Ack(),
        Within("OPTIONS"),
        Expect(200),
        END,
        party="audio",
    ),
    Probe(
        "RFC 3261 §14.2",
        "an offer that cannot be taken leaves the call",
        UP,
        Within("INVITE", body=sdp("m=audio {other} RTP/AVP 3", origin="1 2")),
        Expect(488, {"Warning": "^3"}),
        Ack(),
        Within("INVITE", body=sdp(AUDIO, origin="1 3")),
        Expect(200, body=(LIVE + "0$",)),
        Ack(),
        END,
        party="audio",
    ),
    Probe(
        "RFC 3261 §14.2",
        "an offer that is none leaves the call",
        UP,
        Within("INVITE", body="v=what\r\n"),
        Expect((400, 488)),
        Ack(),
        Within("OPTIONS"),
        Expect(200),
        END,
        party="audio",
    ),
    Probe(
        "RFC 3261 §14.2",
        "a change without an offer gets one",
        UP,
        Keep("port", _port),
        Within("INVITE"),
        Expect(200, body=(LIVE + "0",)),
        Same("port", _port),
        Ack(body=sdp(AUDIO, origin="1 2")),
        Quiet(),
        END,
        party="audio",
    ),
    Probe(
        "RFC 3261 §14.2",
        "a change without an offer, and an ACK without an answer",
        UP,
        Within("INVITE"),
        Expect(200, body=(LIVE,)),
        Ack(),
        Expect("BYE"),
        party="audio",
    ),
    Probe(
        "RFC 5407 §3.1.5",
        "an offer before our offer is answered",
        UP,
        Within("INVITE"),
        Expect(200),
        Within("INVITE", body=sdp(AUDIO, origin="1 2")),
        Expect((491, 500)),
        Ack(),
        party="audio",
    ),
)

LATE = (
    Probe(
        "RFC 3261 §13.2.1",
        "a call without an offer gets one",
        Send("INVITE"),
        Expect(200, {"Content-Type": "^application/sdp$"}, body=(LIVE,)),
        Ack(body=sdp(AUDIO)),
        Quiet(),
        END,
        party="audio",
    ),
    Probe(
        "RFC 3261 §13.2.1",
        "an ACK without an answer ends the call",
        Send("INVITE"),
        Expect(200, body=(LIVE,)),
        Ack(),
        Expect("BYE"),
        Reply(200, "BYE"),
        party="audio",
    ),
    Probe(
        "RFC 3261 §13.2.1",
        "an answer that is none ends the call",
        Send("INVITE"),
        Expect(200, body=(LIVE,)),
        Ack(body="what?"),
        Expect("BYE"),
        Reply(200, "BYE"),
        party="audio",
    ),
    Probe(
        "RFC 3264 §6",
        "an answer of no format of ours ends the call",
        Send("INVITE"),
        Expect(200, body=(LIVE,)),
        Ack(body=sdp("m=audio {other} RTP/AVP 96", "a=rtpmap:96 opus/48000/2")),
        Expect("BYE"),
        Reply(200, "BYE"),
        party="audio",
    ),
    Probe(
        "RFC 3264 §6",
        "an answer with more streams ends the call",
        Send("INVITE"),
        Expect(200, body=(LIVE,)),
        Ack(body=sdp(AUDIO, AUDIO)),
        Expect("BYE"),
        Reply(200, "BYE"),
        party="audio",
    ),
    Probe(
        "RFC 3261 §13.2.2.4",
        "our late answer stands in the ACK",
        Dial(options={"late_offer": True}),
        Expect("INVITE", {"Content-Type": None}),
        Reply(200, body=sdp("m=video 6000 RTP/AVP 31", "m=audio {other} RTP/AVP 8 0")),
        Expect(
            "ACK",
            {"Content-Type": "^application/sdp$"},
            body=(r"^m=video 0 RTP/AVP 31$", LIVE + "[80]"),
        ),
        Stands("InDialog"),
        HANG_UP,
        party="manual audio",
    ),
    Probe(
        "RFC 3261 §13.2.2.4",
        "an ACK that is sent again has its answer",
        Dial(options={"late_offer": True}),
        Expect("INVITE"),
        Reply(200, body=sdp(AUDIO)),
        Expect("ACK", body=(LIVE,)),
        Keep("ack", lambda one: one.data),
        Reply(200, body=sdp(AUDIO)),
        Expect("ACK"),
        Same("ack", lambda one: one.data),
        HANG_UP,
        party="manual audio",
    ),
    Probe(
        "RFC 3261 §13.2.2.4",
        "no late offer at all ends the call",
        Dial(options={"late_offer": True}),
        Expect("INVITE"),
        Reply(200),
        Expect("ACK"),
        Expect("BYE"),
        Reply(200, "BYE"),
        Stands("Error"),
        party="manual audio",
    ),
    Probe(
        "RFC 3261 §13.2.2.4",
        "a late offer that does not fit is answered, and ended",
        Dial(options={"late_offer": True}),
        Expect("INVITE"),
        Reply(200, body=sdp("m=video 6000 RTP/AVP 31")),
        Expect("ACK", {"Content-Type": "application/sdp"}, body=("^m=video 0 ",)),
        Expect("BYE"),
        Reply(200, "BYE"),
        Stands("Error"),
        party="manual audio",
    ),
    Probe(
        "RFC 3261 §13.2.2.4",
        "a late offer of another transport is answered, and ended",
        Dial(options={"late_offer": True}),
        Expect("INVITE"),
        Reply(200, body=sdp("m=audio 6000 RTP/SAVP 0")),
        Expect("ACK", {"Content-Type": "application/sdp"}, body=("^m=audio 0 RTP/SAVP",)),
        Expect("BYE"),
        Reply(200, "BYE"),
        Stands("Error"),
        party="manual audio",
    ),
)

CALLING = (
    Probe(
        "RFC 3264 §5",
        "what is offered",
        Dial(),
        Expect(
            "INVITE",
            {"Content-Type": "^application/sdp$"},
            body=(LIVE + "0 8", r"^o=\S+ \d+ \d+ IN IP4 127\.0\.0\.1$", "^t=0 0$"),
        ),
        Reply(200, body=sdp(AUDIO)),
        Expect("ACK", {"Content-Type": None}),
        Stands("InDialog"),
        HANG_UP,
        party="manual audio",
    ),
    Probe(
        "RFC 3264 §7",
        "an answer of the second format",
        Dial(),
        Expect("INVITE"),
        Reply(200, body=sdp("m=audio {other} RTP/AVP 8")),
        Expect("ACK"),
        Stands("InDialog"),
        HANG_UP,
        party="manual audio",
    ),
    *(
        Probe(
            "RFC 3261 §13.2.2.4",
            f"{what} ends the call, after the ACK",
            Dial(),
            Expect("INVITE"),
            Reply(200, body=body),
            Expect("ACK"),
            Expect("BYE"),
            Reply(200, "BYE"),
            Stands("Error", "media"),
            party="manual audio",
        )
        for what, body in (
            ("no answer", ""),
            ("an answer that is none", "what?"),
            ("an answer of no format of ours", sdp("m=audio {other} RTP/AVP 3")),
            ("an answer with more streams", sdp(AUDIO, AUDIO)),
            ("an answer without streams", sdp()),
            ("an answer of other media", sdp("m=video {other} RTP/AVP 31")),
        )
    ),
    Probe(
        "RFC 3264 §6",
        "an answer that refuses the stream",
        Dial(),
        Expect("INVITE"),
        Reply(200, body=sdp("m=audio 0 RTP/AVP 0")),
        Expect("ACK"),
        party="manual audio",
    ),
    Probe(
        "RFC 3261 §13.2.1",
        "an answer in a provisional response is the answer",
        Dial(),
        Expect("INVITE"),
        Reply(183, body=sdp(AUDIO)),
        Stands("InitiatingDialog"),
        Reply(200),
        Expect("ACK"),
        Stands("InDialog"),
        HANG_UP,
        party="manual audio",
    ),
    Probe(
        "RFC 3261 §13.2.1",
        "an answer in a provisional response, and again",
        Dial(),
        Expect("INVITE"),
        Reply(183, body=sdp(AUDIO)),
        Reply(200, body=sdp(AUDIO)),
        Expect("ACK"),
        Stands("InDialog"),
        HANG_UP,
        party="manual audio",
    ),
    Probe(
        "RFC 6337 §3.1.1",
        "each fork has an answer of its own",
        Dial(),
        Expect("INVITE"),
        Reply(183, tag="a", body=sdp(AUDIO)),
        Reply(200, tag="b", body=sdp("m=audio {other} RTP/AVP 8")),
        Expect("ACK", {"To": "tag=b$"}),
        Stands("InDialog"),
        HANG_UP,
        party="manual audio",
    ),
    Probe(
        "RFC 3261 §13.2.2.1",
        "a provisional answer that is none is left to the 2xx",
        Dial(),
        Expect("INVITE"),
        Reply(183, body="what?"),
        Reply(200, body=sdp(AUDIO)),
        Expect("ACK"),
        Stands("InDialog"),
        HANG_UP,
        party="manual audio",
    ),
    Probe(
        "RFC 3264 §8",
        "we change the call that we placed",
        Dial(),
        Expect("INVITE"),
        Reply(200, body=sdp(AUDIO)),
        Expect("ACK"),
        Within("INVITE", body=sdp(AUDIO, "a=sendonly", origin="1 2")),
        Expect(200, body=("^a=recvonly$",)),
        Ack(),
        HANG_UP,
        party="manual audio",
    ),
)


@cases(CHANGES, LATE, CALLING)
def test_descriptions(stage: Stage, probe: Probe, transport: str) -> None:
    """Each probe of the tables, by each of its transports."""
    run(stage, probe, transport)
