"""Session descriptions explained, line by line (RFC 8866)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sipparty.errors import ParseError
from sipparty.explain.lines import Explanation, Fault, Line
from sipparty.sdp import STATIC_PAYLOAD_TYPES, SessionDescription

__all__ = ["explain_description"]

#: What a line says, and the section of RFC 8866 that defines it.
_LINES: Final = {
    "v": ("The version of SDP.", "5.1"),
    "o": ("Who made the description, and which version of it this is.", "5.2"),
    "s": ("The name of the session.", "5.3"),
    "i": ("A title, for people.", "5.4"),
    "u": ("A page about the session.", "5.5"),
    "e": ("A mail address of who is responsible.", "5.6"),
    "p": ("A telephone number of who is responsible.", "5.6"),
    "c": ("The address where media is received.", "5.7"),
    "b": ("The bandwidth that is wanted.", "5.8"),
    "t": ("When the session takes place.", "5.9"),
    "r": ("When the session takes place again.", "5.10"),
    "z": ("Changes between summer and winter time.", "5.11"),
    "k": ("A key, in clear: obsolete.", "5.12"),
    "m": (
        "A stream of media: its kind, its port, its protocol, its formats by preference.",
        "5.14",
    ),
}

#: What an attribute says, and where it is defined.
_ATTRIBUTES: Final = {
    "rtpmap": ("What a payload type stands for.", "RFC 8866 §6.6"),
    "fmtp": ("Parameters of a format.", "RFC 8866 §6.15"),
    "ptime": ("The milliseconds of media that a packet should hold.", "RFC 8866 §6.4"),
    "maxptime": ("The most milliseconds of media that a packet may hold.", "RFC 8866 §6.5"),
    "sendrecv": ("Media flows both ways.", "RFC 8866 §6.7.2"),
    "sendonly": (
        "The sender of this only sends media, as one who holds a call.",
        "RFC 8866 §6.7.3",
    ),
    "recvonly": ("The sender of this only receives media.", "RFC 8866 §6.7.1"),
    "inactive": ("No media flows.", "RFC 8866 §6.7.4"),
    "rtcp": ("Where RTCP is received.", "RFC 3605 §2.1"),
    "rtcp-mux": ("RTP and RTCP share a port.", "RFC 5761 §5.1.1"),
    "rtcp-fb": ("Feedback that may be sent by RTCP.", "RFC 4585 §4.2"),
    "rtcp-xr": ("Extended reports that may be sent by RTCP.", "RFC 3611 §5.1"),
    "crypto": ("A suite and a key for SRTP.", "RFC 4568 §9.1"),
    "fingerprint": ("The digest of the certificate used in DTLS.", "RFC 8122 §5"),
    "setup": ("Who opens the connection.", "RFC 4145 §4"),
    "connection": ("Whether a new connection is made.", "RFC 4145 §5"),
    "mid": ("A name of the stream.", "RFC 5888 §4"),
    "group": ("Streams that belong together.", "RFC 5888 §5"),
    "ssrc": ("A source of RTP in the stream.", "RFC 5576 §4.1"),
    "candidate": ("An address to be tried by ICE.", "RFC 8839 §5.1"),
    "ice-ufrag": ("The user name of ICE checks.", "RFC 8839 §5.4"),
    "ice-pwd": ("The password of ICE checks.", "RFC 8839 §5.4"),
    "ice-options": ("Extensions of ICE.", "RFC 8839 §5.6"),
    "ice-lite": ("The sender answers ICE checks, and makes none.", "RFC 8839 §5.3"),
    "extmap": ("A header extension of RTP packets.", "RFC 8285 §5"),
    "label": ("A label of the stream.", "RFC 4574 §4"),
    "content": ("What the stream shows.", "RFC 4796 §5"),
    "msid": ("The media stream of a web page that this belongs to.", "RFC 8830 §2"),
    "curr": ("How far a precondition is met.", "RFC 3312 §4"),
    "des": ("What a precondition asks for.", "RFC 3312 §4"),
    "conf": ("When the other side is to report on a precondition.", "RFC 3312 §4"),
    "framerate": ("Pictures a second.", "RFC 8866 §6.13"),
    "tool": ("The software that made the description.", "RFC 8866 §6.3"),
    "rtcp-mux-only": ("RTCP has no port of its own, and is never to have one.", "RFC 8858 §3"),
    "rtcp-rsize": ("RTCP packets may be short: without a report first.", "RFC 5506 §5"),
    "ssrc-group": ("Sources of RTP that belong together.", "RFC 5576 §4.2"),
    "bundle-only": ("The stream is wanted in the bundle, or not at all.", "RFC 9143 §6"),
    "imageattr": ("The sizes of pictures that are sent or received.", "RFC 6236 §3"),
    "rid": ("A name of one version of a stream, and its limits.", "RFC 8851 §4"),
    "simulcast": ("Versions of a stream that are sent at a time.", "RFC 8853 §5"),
    "extmap-allow-mixed": ("Short and long header extensions may be mixed.", "RFC 8285 §6"),
    "end-of-candidates": ("No more ICE candidates follow.", "RFC 8840 §8"),
    "remote-candidates": ("The candidates of the other side that ICE has chosen.", "RFC 8839 §5.2"),
    "ice-mismatch": ("ICE is not used, as an address was changed on the way.", "RFC 8839 §5.3"),
    "ice-pacing": ("The milliseconds from one ICE check to the next.", "RFC 8839 §5.5"),
    "tls-id": ("A name of the DTLS association: a new one where it changes.", "RFC 8842 §4"),
    "sctp-port": ("The SCTP port of data channels.", "RFC 8841 §5"),
    "max-message-size": ("The largest message of a data channel, in bytes.", "RFC 8841 §6"),
    "key-mgmt": ("A message of a key management protocol, such as MIKEY.", "RFC 4567 §3.1"),
    "zrtp-hash": ("The digest of the ZRTP Hello.", "RFC 6189 §8"),
    "path": ("The MSRP URI where messages are received.", "RFC 4975 §8.2"),
    "accept-types": ("The kinds of MSRP messages that are taken.", "RFC 4975 §8.6"),
    "accept-wrapped-types": ("Those taken inside of others.", "RFC 4975 §8.6"),
    "acap": ("An attribute that could be used.", "RFC 5939 §3.4.1"),
    "tcap": ("Protocols that could be used.", "RFC 5939 §3.4.2"),
    "pcfg": ("A configuration that could be used, of such parts.", "RFC 5939 §3.5.1"),
    "acfg": ("The configuration that is used.", "RFC 5939 §3.5.2"),
    "record": ("Whether the session is being recorded.", "RFC 7866 §7.1.2"),
    "recordpref": ("Whether the sender would like to be recorded.", "RFC 7866 §7.1.3"),
    "orient": ("How a shared screen is turned.", "RFC 8866 §6.8"),
    "type": ("The kind of conference.", "RFC 8866 §6.9"),
    "sdplang": ("The language of the texts in the description.", "RFC 8866 §6.11"),
    "quality": ("How good pictures should be, from 0 to 10.", "RFC 8866 §6.14"),
    "source-filter": ("The senders whose media is wanted.", "RFC 4570 §3"),
    "charset": ("The character set of texts.", "RFC 8866 §6.10"),
    "lang": ("The language of the media.", "RFC 8866 §6.12"),
}

_TRANSPORTS: Final = {
    "RTP/AVP": "RTP (RFC 3551)",
    "RTP/AVPF": "RTP with early feedback (RFC 4585)",
    "RTP/SAVP": "SRTP (RFC 3711)",
    "RTP/SAVPF": "SRTP with early feedback (RFC 5124)",
    "UDP/TLS/RTP/SAVP": "SRTP keyed by DTLS (RFC 5764)",
    "UDP/TLS/RTP/SAVPF": "SRTP keyed by DTLS, with early feedback (RFC 5764)",
    "UDPTL": "fax by UDPTL (T.38)",
    "TCP/MSRP": "messages by MSRP (RFC 4975)",
    "TCP/TLS/MSRP": "messages by MSRP over TLS (RFC 4975)",
    "UDP/DTLS/SCTP": "data channels, by SCTP over DTLS (RFC 8841)",
    "TCP/DTLS/SCTP": "data channels, by SCTP over DTLS (RFC 8841)",
}


def _origin(value: str) -> list[str]:
    words = value.split()
    if len(words) != 6:
        return []
    return [f"session {words[1]}, version {words[2]}", f"made at {words[5]} by {words[0]}"]


def _connection(value: str) -> list[str]:
    words = value.split()
    if len(words) != 3:
        return []
    found = [f"received at {words[2]} ({words[1]})"]
    if words[2] in ("0.0.0.0", "::"):  # noqa: S104 - an address that is explained
        found.append("an old way to put a call on hold (RFC 3264 §8.4)")
    return found


def _time(value: str) -> list[str]:
    return ["without a beginning or an end"] if value.split() == ["0", "0"] else []


def _bandwidth(value: str) -> list[str]:
    kind, _, number = value.partition(":")
    units = {"AS": "kilobits a second, headers included", "CT": "kilobits a second for all streams"}
    units |= {"TIAS": "bits a second, without headers (RFC 3890)"}
    units |= {"RS": "bits a second of RTCP for senders (RFC 3556)"}
    units |= {"RR": "bits a second of RTCP for receivers (RFC 3556)"}
    return [f"{number} {units[kind]}"] if kind in units else []


def _stream(value: str) -> list[str]:
    words = value.split()
    if len(words) < 4:
        return []
    kind, port, proto, *formats = words
    found = [f"{kind} at port {port}" if port != "0" else f"{kind}, refused or ended: port 0"]
    found.append(_TRANSPORTS.get(proto.upper(), proto))
    names = []
    for each in formats:
        fixed = STATIC_PAYLOAD_TYPES.get(int(each)) if each.isdecimal() and len(each) < 4 else None
        names.append(f"{each} {fixed.encoding}" if fixed is not None else each)
    return [*found, f"formats: {', '.join(names)}"]


_SETUPS: Final = {
    "active": "the sender of this opens it",
    "passive": "the other side opens it",
    "actpass": "the other side chooses who opens it",
    "holdconn": "nobody opens it for now",
}

_DETAILS: Final[dict[str, Callable[[str], list[str]]]] = {
    "o": _origin,
    "c": _connection,
    "t": _time,
    "b": _bandwidth,
    "m": _stream,
}


def explain_description(data: bytes, *, first: int = 1) -> Explanation:
    """Explain a session description.

    Args:
        data: The description, well-formed or not.
        first: The number of its first line.

    Returns:
        The explanation. What `SessionDescription.parse` refuses is a severe fault; what its
        `strict` refuses alone is a fault that is not.
    """
    rows = data.decode("utf-8", "replace").split("\n")
    if rows and not rows[-1]:
        rows.pop()
    starts, start = [], 0
    for raw in data.split(b"\n"):
        starts.append(start)
        start += len(raw) + 1
    faults: dict[int, list[Fault]] = {}
    for error, severe in _errors(data):
        at = len(data) if error.position is None else error.position
        index = max((i for i, begin in enumerate(starts[: len(rows)]) if begin <= at), default=0)
        column = None
        if error.position is not None:
            column = len(data[starts[index] : at].decode("utf-8", "replace"))
        faults.setdefault(index, []).append(Fault(f"expected {error.expected}", column, severe))
    lines = []
    for index, row in enumerate(rows):
        text = row.removesuffix("\r")
        if text or index in faults:
            found = tuple(faults.get(index, ()))
            lines.append(_line(first + index, text)._replace(faults=found))
    if not rows and faults:
        lines.append(Line(0, "", faults=tuple(faults[0])))
    return Explanation("a session description", tuple(lines))


def _errors(data: bytes) -> list[tuple[ParseError, bool]]:
    """What is wrong: what makes the description none, else what is let pass."""
    try:
        found = SessionDescription.parse(data)
    except ParseError as error:
        return [(error, True)]
    return [(error, False) for error in found.findings]


def _line(number: int, text: str) -> Line:
    letter, equals, value = text.partition("=")
    if not equals or len(letter) != 1:
        return Line(number, text)
    if letter == "a":
        name, _, rest = value.partition(":")
        meaning, source = _ATTRIBUTES.get(name.strip(), ("An attribute.", "RFC 8866 §5.13"))
        words = rest.split(None, 1)
        details: tuple[str, ...] = ()
        if name == "rtpmap" and len(words) == 2:
            encoding, _, rate = words[1].partition("/")
            rate, _, channels = rate.partition("/")
            several = f", {channels} channels" if channels else ""
            details = (f"{words[0]} is {encoding} at {rate.strip()} Hz{several}",)
        elif name == "setup" and rest.strip() in _SETUPS:
            details = (_SETUPS[rest.strip()],)
        return Line(number, text, meaning, source, details)
    meaning, section = _LINES.get(letter, ("", ""))
    explain = _DETAILS.get(letter)
    source = f"RFC 8866 §{section}" if section else ""
    return Line(number, text, meaning, source, tuple(explain(value) if explain else ()))
