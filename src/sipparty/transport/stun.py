"""STUN Binding (RFC 8489), as far as SIP's ports speak it (RFC 5626 §8).

Laws:

* Messages are made and read by the library "aioice", without its I/O. It is imported when the first
  message is there to be read or made; without it what comes is dropped, and nothing is sent.
* What cannot be read is dropped: nobody can make this raise.
* Only Binding is spoken. A request is answered with XOR-MAPPED-ADDRESS, which is no longer than
  the address takes: nothing is gained by forging where a request came from.
"""

from __future__ import annotations

import functools
import importlib
import struct
from typing import Any, NamedTuple

from sipparty.sip.flow import Address

__all__ = ["Answer", "answer_to", "binding_request", "is_available", "read_answer"]

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


def answer_to(data: bytes, remote: Address) -> bytes | None:
    """Return the response to a Binding request; None where it is none, or cannot be read.

    Args:
        data: What came.
        remote: Where it came from.
    """
    stun, request = _library(), _read(data)
    if request is None or request.message_class != stun.Class.REQUEST:
        return None
    response = stun.Message(
        stun.Method.BINDING,
        stun.Class.RESPONSE,
        request.transaction_id,
        {"XOR-MAPPED-ADDRESS": (remote[0], remote[1])},
    )
    return bytes(response)


def read_answer(data: bytes) -> Answer | None:
    """Read a response to a Binding request; None where it is none, or cannot be read."""
    stun, message = _library(), _read(data)
    if message is None:
        return None
    if message.message_class == stun.Class.ERROR:
        return Answer(message.transaction_id, None)
    if message.message_class != stun.Class.RESPONSE:
        return None
    # A server of RFC 3489 says it openly.
    given = message.attributes
    mapped = given.get("XOR-MAPPED-ADDRESS") or given.get("MAPPED-ADDRESS")
    return None if mapped is None else Answer(message.transaction_id, (mapped[0], mapped[1]))
