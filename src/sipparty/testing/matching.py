"""Messages against what is asked of them, by header, session description and body.

    differences(message, headers={"Subject": "lunch"}, sdp={"audio": {"direction": "sendonly"}})

gives a sentence for each thing that is otherwise; none where all is as it should be.

    ==================  ===================================================================
    a header is         where
    ==================  ===================================================================
    text                one of its values is that, as it stands in the message
    `re.compile(...)`   the pattern is found in one of them
    a function          it returns something true for one of them
    `...`               it is there
    None                it is not there
    ==================  ===================================================================

A stream of a session description is None where it is missing or refused, else a mapping that has
some of `codecs` (names, in order; those of telephone events left out), `direction`, `port`,
`address`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from sipparty.errors import SIPPartyError, UsageError
from sipparty.sip.bodies import session_description
from sipparty.sip.message import Message

__all__ = ["Streams", "Wanted", "differences"]

#: What a header, or a body, should be.
Wanted: TypeAlias = "str | re.Pattern[str] | Callable[[str], object] | Any | None"
#: What streams should be, by their kind.
Streams: TypeAlias = Mapping[str, Mapping[str, Any] | None]


def differences(
    message: Message,
    headers: Mapping[str, Wanted] | None = None,
    sdp: Streams | None = None,
    body: Wanted = ...,
) -> list[str]:
    """Return what of a message is not as it should be, a sentence each.

    Args:
        message: The message.
        headers: What headers should be, by name; others do not matter.
        sdp: What the streams of its session description should be, by their kind.
        body: What its body should be as text; `...` for anything.

    Raises:
        UsageError: Something is asked of a stream that streams do not have.
    """
    found = []
    for name, wanted in (headers or {}).items():
        values = [line.strip() for line in message.lines(name)]
        if not _is_met(values, wanted):
            found.append(f"{name} is {_shown(values)}, expected {_wanted(wanted)}")
    if sdp is not None:
        found += _stream_differences(message, sdp)
    if body is not ...:
        text = message.body.decode("utf-8", "backslashreplace")
        if not _is_met([text] if text else [], body):
            found.append(f"the body is {text!r}, expected {_wanted(body)}")
    return found


def _is_met(values: Sequence[str], wanted: Wanted) -> bool:
    if wanted is None or wanted is ...:
        return bool(values) is (wanted is ...)
    if isinstance(wanted, re.Pattern):
        return any(wanted.search(value) for value in values)
    if callable(wanted):
        return any(wanted(value) for value in values)
    return str(wanted) in values


def _shown(values: Sequence[str]) -> str:
    return ", ".join(map(repr, values)) or "missing"


def _wanted(wanted: Wanted) -> str:
    if isinstance(wanted, re.Pattern):
        return f"what has {wanted.pattern!r}"
    return "none" if wanted is None else "one" if wanted is ... else repr(wanted)


def _stream_differences(message: Message, wanted: Streams) -> Iterator[str]:
    from sipparty.sdp import SessionDescription

    try:
        text = session_description(message)
        if not text:
            yield "it has no session description"
            return
        streams = SessionDescription.parse(text).media
    except SIPPartyError as error:
        yield f"its session description cannot be read: {error}"
        return
    for kind, asked in wanted.items():
        stream = next((one for one in streams if one.media == kind and one.port), None)
        if stream is None or asked is None:
            if (stream is None) is not (asked is None):
                yield f"{kind} is {'there' if asked is None else 'missing or refused'}"
            continue
        for name, value in asked.items():
            is_ = _of_stream(stream, name)
            if isinstance(value, list | tuple):
                value = list(value)
            if is_ != value:
                yield f"{kind}: {name} is {is_!r}, expected {value!r}"


def _of_stream(stream: Any, name: str) -> Any:
    if name == "codecs":
        names = [one.encoding for one in stream.media_formats]
        return [one for one in names if one != "telephone-event"]
    if name == "address":
        place = stream.connection_or_session
        return None if place is None else place.address
    if name not in ("direction", "port"):
        raise UsageError(
            f"{name!r} is nothing that a stream has: expected codecs, direction, port or address."
        )
    value = getattr(stream, name)
    return value if isinstance(value, int) else str(value)
