"""SIP itself (RFC 3261), without I/O: messages and their parts, transactions, dialogs, the core."""

from typing import TYPE_CHECKING

import sipparty.sip.auth  # noqa: F401 - it registers its headers
from sipparty.late import late_names

if TYPE_CHECKING:
    from sipparty.sip.agent import UserAgent
    from sipparty.sip.client_request import ClientRequest
    from sipparty.sip.components import AOR, URI, Host, Parameters
    from sipparty.sip.composing import Composing, ComposingChanged, ComposingEnded
    from sipparty.sip.core import Core, FlowWanted
    from sipparty.sip.dialog import Dialog, DialogState, Session, SimpleCall
    from sipparty.sip.flow import Flow
    from sipparty.sip.headers import HEADERS, Header, Many, register_header
    from sipparty.sip.info import DTMF, InfoReceived
    from sipparty.sip.limits import Limits
    from sipparty.sip.message import Message, Request, Response
    from sipparty.sip.messaging import MessageReceived, MessageSent, SentMessage
    from sipparty.sip.multipart import Entity, Multipart, Part
    from sipparty.sip.out_of_dialog import IncomingRequest
    from sipparty.sip.ping import Ping, PingEnded, TargetDown, TargetUp
    from sipparty.sip.policy import Policy
    from sipparty.sip.routing import NextHop
    from sipparty.sip.sipfrag import parse_sipfrag
    from sipparty.sip.tokens import Tokens
    from sipparty.sip.transaction import Timing
    from sipparty.sip.values import CSeq, DNameURI, HeaderValue, MediaType, Via

__all__ = [
    "AOR",
    "DTMF",
    "HEADERS",
    "URI",
    "CSeq",
    "ClientRequest",
    "Composing",
    "ComposingChanged",
    "ComposingEnded",
    "Core",
    "DNameURI",
    "Dialog",
    "DialogState",
    "Entity",
    "Flow",
    "FlowWanted",
    "Header",
    "HeaderValue",
    "Host",
    "IncomingRequest",
    "InfoReceived",
    "Limits",
    "Many",
    "MediaType",
    "Message",
    "MessageReceived",
    "MessageSent",
    "Multipart",
    "NextHop",
    "Parameters",
    "Part",
    "Ping",
    "PingEnded",
    "Policy",
    "Request",
    "Response",
    "SentMessage",
    "Session",
    "SimpleCall",
    "TargetDown",
    "TargetUp",
    "Timing",
    "Tokens",
    "UserAgent",
    "Via",
    "parse_sipfrag",
    "register_header",
]

if not TYPE_CHECKING:
    __getattr__ = late_names(
        globals(),
        "limits flow tokens components values headers multipart message sipfrag routing policy"
        " transaction.timing wanted client_request out_of_dialog dialog agent core"
        " messaging composing info ping",
    )
