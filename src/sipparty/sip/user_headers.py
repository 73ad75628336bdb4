"""The headers that a program gives with a verb, such as `invite(headers=...)`.

Laws:

* What the stack writes for a request to work is not taken, and the error says what to give instead.
* What is given once stands once: it takes the place of what the stack would have said there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sipparty.errors import BuildError
from sipparty.sip.fields import Field
from sipparty.sip.headers import header_key
from sipparty.sip.message import Message

__all__ = ["KEPT", "given_fields", "replaced"]

#: The headers of an INVITE that its call keeps: what they say of who calls, and of how it came.
KEPT: Final = frozenset(
    {
        *("p-asserted-identity", "privacy", "diversion", "history-info", "alert-info"),
        *("call-info", "answer-mode", "priv-answer-mode"),
    }
)

#: The headers that are the stack's: what to give instead, or whose they are.
_OWN: Final = {
    "via": "the transport writes it",
    "from": "it is the party's uri and display_name",
    "to": "it is the target",
    "call-id": "each call has one of its own",
    "cseq": "it counts the requests of a call",
    "max-forwards": "it is 70 at first",
    "content-length": "it is that of the body",
    "record-route": "proxies write it",
    "contact": "it is where the party is reached: listen(advertise=...) changes it",
    "content-type": "it is that of the offer: parts=[...] sends more beside it",
}


def given_fields(headers: Mapping[str, Any] | Iterable[tuple[str, Any]], *may: str) -> list[Field]:
    """Return the lines of the headers that a program gives.

    Args:
        headers: The headers, by name or as pairs.
        may: Which of the stack's may be given here, in lower case.

    Raises:
        BuildError: One is the stack's to write, or cannot stand in a message.
        TypeError: They are neither.
    """
    given = headers.items() if isinstance(headers, Mapping) else headers
    pairs = list(given) if isinstance(given, Iterable) else [given]
    for pair in pairs:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise TypeError(f'headers are {{"Subject": "lunch"}} or such pairs, not {headers!r}.')
        name = pair[0]
        key = header_key(name) if isinstance(name, str) else ""
        if key in _OWN and key not in may:
            raise BuildError(f"{name} cannot be given as a header: {_OWN[key]}.")
    return Message(pairs)._fields


def replaced(fields: list[Field], given: Sequence[Field]) -> list[Field]:
    """Return header lines with those given in the place of theirs of the same name."""
    if not given:
        return fields
    names = {key for key, _, _ in given}
    return [*(line for line in fields if line[0] not in names), *given]
