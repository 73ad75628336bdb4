"""Offers in calls that the party takes: what is answered, and what is refused (RFC 3264, RFC 8866;
RFC 3261 §13.3).
"""

from __future__ import annotations

from .message import Message
from .probe import Probe, Scene, cases, run
from .sdp import AUDIO, LIVE, sdp
from .stage import Stage
from .steps import Ack, Expect, Quiet, Send, Within

END = (Within("BYE"), Expect(200))


def _no_live(scene: Scene, message: Message) -> str:
    live = message.status == 200 and b"m=audio 0 " not in message.body
    return "there is a live stream" if live else ""


def _taken(clause: str, what: str, body: str, *answer: str, no: tuple[str, ...] = ()) -> Probe:
    """An offer that is taken, and patterns of the answer."""
    steps = (Send("INVITE", body=body), Expect(200, body=answer, no_body=no), Ack(), END)
    return Probe(clause, what, *steps, party="audio")


def _refused(clause: str, what: str, body: str, status: object = 488) -> Probe:
    """An offer that is not taken."""
    steps = (Send("INVITE", body=body), Expect(status), Ack(), Quiet())
    return Probe(clause, what, *steps, party="audio")


OFFERS = (
    _taken("RFC 3264 §6", "one stream", sdp(AUDIO), LIVE + "0$", r"^c=IN IP4 127\.0\.0\.1$"),
    _taken(
        "RFC 3264 §6.1",
        "the first of ours that is theirs",
        sdp("m=audio {other} RTP/AVP 96 8", "a=rtpmap:96 opus/48000/2"),
        LIVE + "8$",
    ),
    _taken(
        "RFC 3264 §6.1",
        "a format by its name, whatever its number",
        sdp("m=audio {other} RTP/AVP 97", "a=rtpmap:97 PCMU/8000"),
        LIVE + "97$",
        "^a=rtpmap:97 PCMU/8000",
    ),
    _taken(
        "RFC 8866 §6.6",
        "names of formats without case",
        sdp("m=audio {other} RTP/AVP 97", "a=rtpmap:97 pcmu/8000/1"),
        LIVE + "97$",
    ),
    _taken(
        "RFC 3551 §6",
        "a static number that has no rtpmap",
        sdp("m=audio {other} RTP/AVP 8"),
        LIVE + "8$",
    ),
    _refused(
        "RFC 3551 §6",
        "a static number that was given another meaning",
        sdp("m=audio {other} RTP/AVP 0", "a=rtpmap:0 EVS/16000"),
    ),
    _refused(
        "RFC 3264 §6",
        "no format of ours",
        sdp("m=audio {other} RTP/AVP 96 3", "a=rtpmap:96 opus/48000/2"),
    ),
    _refused(
        "RFC 3551 §6", "a dynamic number without a meaning", sdp("m=audio {other} RTP/AVP 99")
    ),
    _refused(
        "RFC 3264 §6",
        "no stream of ours",
        sdp("m=video {other} RTP/AVP 96", "a=rtpmap:96 VP8/90000"),
    ),
    _refused("RFC 3264 §6", "a transport that is not ours", sdp("m=audio {other} RTP/SAVP 0")),
    _refused("RFC 3264 §6", "a transport that nobody knows", sdp("m=audio {other} XYZ/ABC 0")),
    _taken(
        "RFC 3264 §6",
        "video beside it is refused with port 0",
        sdp(AUDIO, "m=video 6000 RTP/AVP 31"),
        LIVE + "0$",
        r"^m=video 0 RTP/AVP ",
    ),
    _taken(
        "RFC 3264 §6",
        "video before it",
        sdp("m=video 6000 RTP/AVP 31", AUDIO),
        r"^m=video 0 RTP/AVP ",
        LIVE + "0$",
    ),
    _taken(
        "RFC 3264 §6",
        "a second stream of audio is refused with port 0",
        sdp(AUDIO, "m=audio 6000 RTP/AVP 0"),
        LIVE + "0$",
        r"^m=audio 0 RTP/AVP",
    ),
    _taken(
        "RFC 3264 §6",
        "a stream of another transport beside it",
        sdp("m=audio 6000 UDP/TLS/RTP/SAVPF 0", "a=setup:actpass", AUDIO),
        r"^m=audio 0 UDP/TLS/RTP/SAVPF",
        LIVE + "0$",
    ),
    _taken(
        "RFC 4568 §7.1.2",
        "the secure one of two streams is taken",
        sdp(
            "m=audio 6000 RTP/SAVP 0",
            "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz",
            AUDIO,
        ),
        r"^m=audio [1-9]\d* RTP/SAVP 0$",
        r"^a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:",
        r"^m=audio 0 RTP/AVP",
    ),
    _taken(
        "RFC 3264 §6",
        "application, text, message and image beside it",
        sdp(
            "m=application 6000 UDP/DTLS/SCTP webrtc-datachannel",
            "m=text 6002 RTP/AVP 98",
            "a=rtpmap:98 t140/1000",
            "m=message 6004 TCP/MSRP *",
            "m=image 6006 udptl t38",
            AUDIO,
        ),
        r"^m=application 0 ",
        r"^m=text 0 ",
        r"^m=message 0 ",
        r"^m=image 0 ",
        LIVE,
    ),
    _taken(
        "RFC 3264 §6",
        "a kind of media that nobody knows",
        sdp("m=smell 6000 RTP/AVP 99", AUDIO),
        r"^m=smell 0 ",
        LIVE,
    ),
    _taken(
        "RFC 3264 §5.1",
        "a stream that is refused beforehand",
        sdp("m=audio 0 RTP/AVP 8", AUDIO),
        r"^m=audio 0 RTP/AVP",
        LIVE,
    ),
    _taken("RFC 3264 §6.1", "sendonly", sdp(AUDIO, "a=sendonly"), "^a=recvonly$"),
    _taken("RFC 3264 §6.1", "recvonly", sdp(AUDIO, "a=recvonly"), "^a=sendonly$"),
    _taken("RFC 3264 §6.1", "inactive", sdp(AUDIO, "a=inactive"), "^a=inactive$"),
    _taken(
        "RFC 3264 §6.1",
        "a direction for all streams",
        sdp(AUDIO, after="a=sendonly"),
        "^a=recvonly$",
    ),
    _taken(
        "RFC 8866 §6.7",
        "a stream's direction before that of all",
        sdp(AUDIO, "a=sendrecv", after="a=inactive"),
        LIVE,
        no=("^a=inactive",),
    ),
    _taken(
        "RFC 3264 §8.4",
        "hold by the address 0.0.0.0",
        sdp(AUDIO, connection="c=IN IP4 0.0.0.0"),
        LIVE,
    ),
    _taken(
        "RFC 8866 §5.7",
        "an address for the stream",
        sdp(AUDIO, "c=IN IP4 127.0.0.1", connection=""),
        LIVE,
    ),
    _taken(
        "RFC 8866 §5.7",
        "a stream's address before that of all",
        sdp(AUDIO, "c=IN IP4 127.0.0.1", connection="c=IN IP4 192.0.2.1"),
        LIVE,
    ),
    _taken(
        "RFC 3264 §6",
        "the time of the offer",
        sdp(AUDIO, time="t=2873397496 2873404696"),
        "^t=2873397496 2873404696$",
    ),
    _taken(
        "RFC 8866 §5.8",
        "bandwidths, of known kinds and others",
        sdp(AUDIO, "b=TIAS:64000", "b=X-YZ:12", time="b=CT:128\r\nb=AS:99\r\nt=0 0"),
        LIVE,
    ),
    _taken(
        "RFC 8866 §5",
        "lines that are for people",
        sdp(
            AUDIO,
            "i=One stream",
            before="i=A call\r\nu=http://example.com/\r\n"
            "e=peer@example.com (P. Eer)\r\np=+1 617 555-6011",
        ),
        LIVE,
    ),
    _taken(
        "RFC 8866 §5.13",
        "attributes that nobody knows",
        sdp(AUDIO, "a=x-what:ever", "a=rtcp-fb:* nack", after="a=x-flag\r\na=tool:\u00e9"),
        LIVE,
    ),
    _taken("RFC 8866 §6.4", "ptime and maxptime", sdp(AUDIO, "a=ptime:30", "a=maxptime:60"), LIVE),
    _taken("RFC 3605 §2.1", "a port for RTCP", sdp(AUDIO, "a=rtcp:53020 IN IP4 127.0.0.1"), LIVE),
    _taken(
        "RFC 5761 §5.1.1",
        "rtcp-mux is not taken where it is not wanted",
        sdp(AUDIO, "a=rtcp-mux"),
        LIVE,
        no=("^a=rtcp-mux",),
    ),
    _taken(
        "RFC 5888 §9.1",
        "groups that are not understood",
        sdp(
            "m=audio {other} RTP/AVP 0",
            "a=mid:1",
            "m=video 6000 RTP/AVP 31",
            "a=mid:2",
            after="a=group:LS 1 2",
        ),
        LIVE,
    ),
    _taken(
        "RFC 9143 §7.3.1", "a bundle of one", sdp(AUDIO, "a=mid:0", after="a=group:BUNDLE 0"), LIVE
    ),
    _taken(
        "RFC 4568 §5.1.2",
        "keys for a stream in the clear",
        sdp(
            AUDIO,
            "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz",
        ),
        LIVE,
        no=("^a=crypto",),
    ),
    _taken(
        "RFC 5939 §3",
        "capabilities that are not understood",
        sdp(AUDIO, "a=tcap:1 RTP/SAVP", "a=pcfg:1 t=1"),
        LIVE,
        no=("^a=acfg",),
    ),
    _taken(
        "RFC 8839 §5",
        "candidates that are not understood",
        sdp(
            AUDIO,
            "a=candidate:1 1 UDP 2130706431 127.0.0.1 5000 typ host",
            after="a=ice-ufrag:8hhY\r\na=ice-pwd:asd88fgpdd777uzjYhagZg",
        ),
        LIVE,
        no=("^a=ice", "^a=candidate"),
    ),
    _taken(
        "RFC 4733 §2.4.1",
        "telephone events beside it",
        sdp(
            "m=audio {other} RTP/AVP 0 101", "a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-15"
        ),
        LIVE + "0",
    ),
    _taken("RFC 3551 §4.1", "comfort noise beside it", sdp("m=audio {other} RTP/AVP 0 13"), LIVE),
    _taken("RFC 8866 §5", "lines that end in LF alone", sdp(AUDIO).replace("\r\n", "\n"), LIVE),
    _taken(
        "RFC 8866 §5.2",
        "numbers of the origin as large as they get",
        sdp(AUDIO, origin="9223372036854775807 9223372036854775806"),
        LIVE,
    ),
    _taken(
        "RFC 8866 §5.3", "a session name in UTF-8", sdp(AUDIO).replace("s=-", "s=Gespräch"), LIVE
    ),
    _taken(
        "RFC 8866 §5.9",
        "repeats of the time",
        sdp(AUDIO, time="t=3034423619 3042462419\r\nr=604800 3600 0 90000"),
        LIVE,
    ),
    _refused("RFC 8866 §5", "what is no description", "hello\r\n", (400, 488)),
    _refused("RFC 8866 §5.1", "another version", sdp(AUDIO).replace("v=0", "v=1"), (400, 488)),
    _refused("RFC 8866 §5.2", "no origin", "v=0\r\ns=-\r\nt=0 0\r\n", (400, 488)),
    _refused(
        "RFC 8866 §5.2",
        "an origin that is none",
        sdp(AUDIO).replace("o=peer 1 1 IN IP4 127.0.0.1", "o=peer"),
        (400, 488),
    ),
    _refused("RFC 8866 §5.7", "no address at all", sdp(AUDIO, connection=""), (400, 488)),
    _refused("RFC 8866 §5.14", "a port that is none", sdp("m=audio many RTP/AVP 0"), (400, 488)),
    _refused(
        "RFC 8866 §5.14", "a stream without formats", sdp("m=audio {other} RTP/AVP"), (400, 488)
    ),
    _refused(
        "RFC 8866 §5",
        "lines out of order",
        sdp(AUDIO).replace("v=0\r\n", "") + "v=0\r\n",
        (400, 488),
    ),
    Probe(
        "RFC 3264 §5",
        "no streams at all",
        Send("INVITE", body=sdp()),
        Expect((200, 488)),
        Ack(),
        party="audio",
    ),
    Probe(
        "RFC 3264 §6",
        "nothing but a stream that is refused beforehand",
        Send("INVITE", body=sdp("m=audio 0 RTP/AVP 0")),
        Expect((200, 488)),
        Ack(),
        party="audio",
    ),
    Probe(
        "RFC 3261 §13.2.1",
        "a party without media refuses each stream",
        Send("INVITE", body=sdp(AUDIO, "m=video 6000 RTP/AVP 31")),
        Expect(200, body=(r"^m=audio 0 RTP/AVP", r"^m=video 0 RTP/AVP")),
        Ack(),
        END,
    ),
    Probe(
        "RFC 5621 §3",
        "an offer among other parts",
        Send(
            "INVITE",
            {"Content-Type": "multipart/mixed;boundary=xyz"},
            "--xyz\r\nContent-Type: application/sdp\r\n\r\n" + sdp(AUDIO) + "\r\n--xyz\r\n"
            "Content-Type: text/plain\r\nContent-Disposition: render;handling=optional\r\n\r\n"
            "hello\r\n--xyz--\r\n",
        ),
        Expect(200, body=(LIVE + "0$",)),
        Ack(),
        END,
        party="audio",
    ),
    _taken("RFC 8866 §5", "blank lines at the end", sdp(AUDIO) + "\r\n\r\n", LIVE),
    _taken("RFC 8866 §5.11", "z= without r=", sdp(AUDIO, time="t=0 0\r\nz=2882844526 -1h"), LIVE),
    _taken(
        "RFC 8866 §5.7",
        "an address of another kind beside a stream that is right",
        sdp(AUDIO, "m=audio 6000 RTP/AVP 0", "c=IN IP7 xyz"),
        LIVE,
        "^m=audio 0 ",
    ),
    Probe(
        "RFC 3261 §8.2.3",
        "no ringing for what cannot be taken",
        Send("INVITE", body=sdp("m=video 6000 RTP/AVP 31")),
        Expect(488, of="INVITE"),
        Ack(),
        party="manual audio",
    ),
    Probe(
        "RFC 3261 §8.2.3",
        "no ringing for a body that is none",
        Send("INVITE", body="what?"),
        Expect((400, 488), of="INVITE"),
        Ack(),
        party="manual audio",
    ),
    Probe(
        "RFC 3261 §21.4.26",
        "488 says why, of formats",
        Send("INVITE", body=sdp("m=audio {other} RTP/AVP 3")),
        Expect(488, {"Warning": '^3[09][0-9] [^ ]+ ".+"'}),
        Ack(),
        party="audio",
    ),
    Probe(
        "RFC 3261 §21.4.26",
        "488 says why, of media",
        Send("INVITE", body=sdp("m=video {other} RTP/AVP 31")),
        Expect(488, {"Warning": '^3[09][0-9] [^ ]+ ".+"'}),
        Ack(),
        party="audio",
    ),
    Probe(
        "RFC 3261 §21.4.1",
        "400 says why, of a body",
        Send("INVITE", body="what?"),
        Expect((400, 488), {"Warning": '^3[0-9][0-9] [^ ]+ ".+"'}),
        Ack(),
        party="audio",
    ),
    _taken("RFC 8866 §5", "a blank line before the first one", "\r\n" + sdp(AUDIO), LIVE),
    _taken("RFC 8866 §5", "blank lines between lines", sdp(AUDIO).replace("s=-", "\r\ns=-"), LIVE),
    _taken("RFC 8866 §5.11", "z= before t=", sdp(AUDIO, before="z=0 0"), LIVE),
    _taken(
        "RFC 8866 §5.14",
        "a port out of range beside a stream that is right",
        sdp(AUDIO, "m=audio 70000 RTP/AVP 0"),
        LIVE,
        "^m=audio 0 ",
    ),
    Probe(
        "RFC 8866 §5.7",
        "an address type that nobody knows",
        Send("INVITE", body=sdp(AUDIO, connection="c=IN IP7 xyz")),
        Expect((200, 400, 488), check=_no_live),
        Ack(),
        party="audio",
    ),
    Probe(
        "RFC 8866 §5.7",
        "a network type that nobody knows",
        Send("INVITE", body=sdp(AUDIO, connection="c=AF IP4 127.0.0.1")),
        Expect((200, 400, 488), check=_no_live),
        Ack(),
        party="audio",
    ),
)


@cases(OFFERS)
def test_offers(stage: Stage, probe: Probe, transport: str) -> None:
    """Each probe of the tables, by each of its transports."""
    run(stage, probe, transport)
