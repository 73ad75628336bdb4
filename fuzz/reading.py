"""Reading everything of what a handler is given, as a curious program would.

Laws:

* A value that was given is read from all sides: every property of it, and of what that gives, its
  `str`, `repr` and `hash`.
* A message that a party took reads without an exception; but a header that `findings` names may
  refuse to be read, by a `ParseError`.

What breaks them raises out of these functions.
"""

from __future__ import annotations

import functools
from typing import Any

from sipparty.errors import ParseError, UsageError
from sipparty.sip import Message
from sipparty.sip.events import Event
from sipparty.sip.validation import findings

__all__ = ["read_call", "read_message", "read_value"]

#: Properties that are no headers, and the headers that are to blame where they refuse.
_BLAME = {
    "uri": {"request-uri"},
    "media_type": {"content-type"},
    "parts": {"content-type", "content-disposition", "content-transfer-encoding"},
    "is_multipart": {"content-type"},
    "content": {"content-transfer-encoding"},
}
#: How deep values are followed: an address has a URI, and that has a host.
_DEPTH = 3


@functools.cache
def _properties(kind: type) -> tuple[str, ...]:
    """The public attributes of a class that are computed or kept in slots."""
    found = ((name, getattr(kind, name, None)) for name in dir(kind) if not name.startswith("_"))
    return tuple(name for name, it in found if hasattr(it, "__get__") and not callable(it))


def read_value(value: Any, depth: int = _DEPTH) -> None:
    """Read a value, and what its properties give."""
    if value is None or isinstance(value, bytes | str | int | float):
        return
    if isinstance(value, list | tuple):
        for item in value[:8]:
            read_value(item, depth)
        return
    str(value)
    repr(value)
    if type(value).__hash__ is not None and not isinstance(value, Event):
        hash(value)  # events hold messages, which have no hash
    if hasattr(value, "items"):
        dict(value)
    if depth and type(value).__module__.startswith("sipparty"):
        for name in _properties(type(value)):
            read_value(getattr(value, name), depth - 1)


def read_message(message: Message) -> None:
    """Read a message, header by header and property by property."""
    blamed = {found.header.lower() for found in findings(message)}
    str(message)
    repr(message)
    bytes(message)
    for name in message:
        message.lines(name)
        try:
            for value in message.all(name):
                read_value(value)
            message.get(name)
        except ParseError:
            if name.lower() not in blamed:
                raise
    for name in _properties(type(message)):
        try:
            read_value(getattr(message, name))
        except ParseError:
            if blamed.isdisjoint(_BLAME.get(name, {name.replace("_", "-")})):
                raise


def read_call(call: Any) -> None:
    """Read a call: who takes part in it, how it stands, and its media."""
    for name in ("local", "remote", "remote_target", "call_id", "state", "progress", "role"):
        read_value(getattr(call, name, None))
    str(call)
    repr(call)
    str(call.last_error)
    for name in _properties(type(call)):
        try:
            value = getattr(call, name, None)
        except UsageError:
            continue  # `messages` of a party that keeps none
        if isinstance(value, Message):
            read_message(value)
        else:
            read_value(value, 1)
    session = call.session
    if session is not None:
        for name in ("statistics", "negotiated", "played", "local_port"):
            read_value(getattr(session, name, None), 1)
