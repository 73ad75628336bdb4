"""STUN Binding (RFC 8489), as far as SIP's ports use it (RFC 5626 §8).

Laws:

* Messages are made and read by the library "aioice", without its I/O. It is imported when the first
  message is there to be read or made; without it what comes is dropped, and nothing is sent.
* What cannot be read is dropped: nobody can make this raise.
* Only Binding is spoken. A request is answered with XOR-MAPPED-ADDRESS, which is no longer than
  the address takes: nothing is gained by forging where a request came from.
* Who sends an attribute that has to be understood, and is not, means something else by its message:
  such a request is refused with 420, without a phrase so that this is short too, and such a
  response is dropped (RFC 8489 §6.3). The library gives no attribute that it does not know, so
  their types are read here.
"""

from __future__ import annotations

import functools
import importlib
import struct
from typing import Any, NamedTuple

from sipparty.sip.flow import Address

__all__ = ["Answer", "answer_to", "binding_request", "is_available", "read_answer"]

#: Types below this have to be understood (RFC 8489 §14).
_OPTIONAL = 0x8000
_HEADER_LENGTH = 20
_UNKNOWN_ATTRIBUTES = 0x000A
#: MESSAGE-INTEGRITY and MESSAGE-INTEGRITY-SHA256: what stands after them is not looked at (§14.5).
_INTEGRITY = frozenset({0x0008, 0x001C})
#: What is understood, or known to change nothing where nobody asks for credentials (§18.3.1); among
#: them SOURCE-ADDRESS, CHANGED-ADDRESS and REFLECTED-FROM, which servers of RFC 3489 send.
_UNDERSTOOD = _INTEGRITY | {
    *(0x0001, 0x0004, 0x0005, 0x0006, 0x0009, _UNKNOWN_ATTRIBUTES, 0x000B),
    *(0x0014, 0x0015, 0x001D, 0x001E, 0x0020),
}

#: What the library raises on what is no message.
_WRONG = (ValueError, IndexError, OverflowError, struct.error)


class Answer(NamedTuple):
    """What a server answered to a Binding request.

    Args:
        transaction: The identifier of the request, 12 bytes.
        mapped: Where the request came from, as the server saw it; None in an error response.
    """

    transaction: bytes
    mapped: Address | None


@functools.cache
def _library() -> Any:
    """Return the library's module; None where it is not installed."""
    try:
        return importlib.import_module("aioice.stun")
    except ImportError:
        return None


def is_available() -> bool:
    """Whether the library is installed (the extra `nat`)."""
    return _library() is not None


def binding_request(transaction: bytes) -> bytes:
    """Make a Binding request without attributes.

    Args:
        transaction: Its identifier, 12 random bytes.
    """
    stun = _library()
    return bytes(stun.Message(stun.Method.BINDING, stun.Class.REQUEST, transaction))


def _read(data: bytes) -> Any:
    stun = _library()
    if stun is None:
        return None
    try:
        message = stun.parse_message(data)
    except _WRONG:
        return None
    return message if message.message_method == stun.Method.BINDING else None


def _not_understood(data: bytes) -> list[int]:
    """Return the types of a message's attributes that have to be understood and are not."""
    found: dict[int, None] = {}
    at = _HEADER_LENGTH
    while at + 4 <= len(data):
        kind, length = struct.unpack_from("!HH", data, at)
        if kind < _OPTIONAL and kind not in _UNDERSTOOD:
            found[kind] = None
        if kind in _INTEGRITY:
            break
        at += 4 + length + -length % 4
    return list(found)


def _refusal(transaction: bytes, unknown: list[int]) -> bytes:
    """Return the response 420 to a Binding request (§6.3.1)."""
    stun = _library()
    code = {"ERROR-CODE": (420, "")}
    message = bytearray(
        bytes(stun.Message(stun.Method.BINDING, stun.Class.ERROR, transaction, code))
    )
    # The library cannot write this one.
    length = 2 * len(unknown)
    message += struct.pack(f"!HH{len(unknown)}H", _UNKNOWN_ATTRIBUTES, length, *unknown)
    message += bytes(-length % 4)
    struct.pack_into("!H", message, 2, len(message) - _HEADER_LENGTH)
    return bytes(message)


def answer_to(data: bytes, remote: Address) -> bytes | None:
    """Return the response to a Binding request; None where it is none, or cannot be read.

    Args:
        data: What came.
        remote: Where it came from.
    """
    stun, request = _library(), _read(data)
    if request is None or request.message_class != stun.Class.REQUEST:
        return None
    unknown = _not_understood(data)
    if unknown:
        return _refusal(request.transaction_id, unknown)
    response = stun.Message(
        stun.Method.BINDING,
        stun.Class.RESPONSE,
        request.transaction_id,
        {"XOR-MAPPED-ADDRESS": (remote[0], remote[1])},
    )
    return bytes(response)


def read_answer(data: bytes) -> Answer | None:
    """Read a response to a Binding request; None where it is none, or cannot be read, or has an
    attribute that would have to be understood.
    """
    stun, message = _library(), _read(data)
    if message is None or _not_understood(data):
        return None  # RFC 8489 §6.3.3, §6.3.4
    if message.message_class == stun.Class.ERROR:
        return Answer(message.transaction_id, None)
    if message.message_class != stun.Class.RESPONSE:
        return None
    # A server of RFC 3489 says it openly.
    given = message.attributes
    mapped = given.get("XOR-MAPPED-ADDRESS") or given.get("MAPPED-ADDRESS")
    return None if mapped is None else Answer(message.transaction_id, (mapped[0], mapped[1]))
