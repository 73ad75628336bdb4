"""Session descriptions (RFC 8866) and their negotiation (RFC 3264), without I/O.

| to | use |
|---|---|
| read, change and write a description | `SessionDescription` |
| describe what one side can do | `MediaCapability`, `Format` |
| make or judge one offer or answer | `make_offer`, `make_answer`, `check_answer`, `reject_all` |
| keep the state of a session's offers and answers | `Negotiation` |
| know what was agreed | `NegotiatedStream` |
"""

from sipparty.sdp.capability import MediaCapability, MediaExtension, SessionExtension
from sipparty.sdp.description import SessionDescription
from sipparty.sdp.fields import (
    Attribute,
    Bandwidth,
    Connection,
    Direction,
    Origin,
    UnknownLine,
)
from sipparty.sdp.formats import STATIC_PAYLOAD_TYPES, Format, FormatLike, RTPMap
from sipparty.sdp.media import MediaDescription, RTCPAddress
from sipparty.sdp.negotiated import (
    NegotiatedFormat,
    NegotiatedStream,
    check_answer,
    is_held,
    negotiated_streams,
)
from sipparty.sdp.negotiation import Negotiation, NegotiationState
from sipparty.sdp.offeranswer import make_answer, make_offer, reject_all
from sipparty.sdp.reader import Limits
from sipparty.sdp.timing import Repeat, Timing, ZoneAdjustment

__all__ = [
    "STATIC_PAYLOAD_TYPES",
    "Attribute",
    "Bandwidth",
    "Connection",
    "Direction",
    "Format",
    "FormatLike",
    "Limits",
    "MediaCapability",
    "MediaDescription",
    "MediaExtension",
    "NegotiatedFormat",
    "NegotiatedStream",
    "Negotiation",
    "NegotiationState",
    "Origin",
    "RTCPAddress",
    "RTPMap",
    "Repeat",
    "SessionDescription",
    "SessionExtension",
    "Timing",
    "UnknownLine",
    "ZoneAdjustment",
    "check_answer",
    "is_held",
    "make_answer",
    "make_offer",
    "negotiated_streams",
    "reject_all",
]
