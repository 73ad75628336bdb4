"""Whole SIP messages (RFC 3261 §7)."""

from __future__ import annotations

from functools import cache

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from sipparty.testing.strategies.bodies import multiparts
from sipparty.testing.strategies.headers import (
    METHODS,
    addresses,
    call_ids,
    contacts,
    other_headers,
    vias,
)
from sipparty.testing.strategies.media import session_descriptions
from sipparty.testing.strategies.pieces import numbers, tokens, uris, words

__all__ = ["messages", "requests", "responses"]

_Lines = list[tuple[str, str]]

#: Headers that say how the message is to be read, or may be there once: a message has its own.
_FRAMES = frozenset({"content-length", "content-type", "content-encoding", "contact", "via"})
_FRAMES |= {"from", "to", "call-id", "cseq", "max-forwards"}


def _message(start: str, lines: _Lines, body: bytes) -> bytes:
    head = "".join(f"{name}: {value}\r\n" for name, value in lines)
    return f"{start}\r\n{head}\r\n".encode() + body


def _line(name: str, values: SearchStrategy[str]) -> SearchStrategy[tuple[str, str]]:
    return st.tuples(st.just(name), values)


@cache
def _frames() -> SearchStrategy[list[_Lines]]:
    """What every message must have, in groups, but for CSeq (RFC 3261 §8.1.1)."""
    one = {
        "From": addresses(tag=True),
        "To": addresses(tag=None),
        "Call-ID": call_ids(),
        "Max-Forwards": numbers(255),
    }
    groups = [st.lists(_line(name, one[name]), min_size=1, max_size=1) for name in one]
    vias_ = st.lists(_line("Via", vias()), min_size=1, max_size=2)
    contact = st.lists(_line("Contact", contacts()), max_size=1)
    others = st.lists(other_headers(_FRAMES), max_size=3, unique_by=lambda line: line[0].lower())
    return st.tuples(vias_, *groups, contact, others).map(list).flatmap(st.permutations)


@cache
def _bodies() -> SearchStrategy[tuple[str, bytes]]:
    """Bodies, each with its Content-Type."""
    return st.one_of(
        st.just(("", b"")),
        st.tuples(st.just("application/octet-stream"), st.binary(min_size=1, max_size=20)),
        st.tuples(st.just("application/sdp"), session_descriptions()),
        multiparts(),
    )


def _made(
    start: str, groups: list[_Lines], sequence: str, length: str, content: tuple[str, bytes]
) -> bytes:
    method, _, rest = start.partition(" ")
    if method == "SIP/2.0":
        method, _, rest = rest.partition(" ")
        start = f"SIP/2.0 {rest}"
    lines = [line for group in groups for line in group]
    lines.append(("CSeq", f"{sequence} {method}"))
    kind, body = content
    if kind:
        lines.append(("Content-Type", kind))
    lines.append((length, str(len(body))))
    return _message(start, lines, body)


def _messages(start: SearchStrategy[str]) -> SearchStrategy[bytes]:
    length = st.sampled_from(["Content-Length", "l"])
    return st.builds(_made, start, _frames(), numbers(2**31 - 1), length, _bodies())


@cache
def requests(method: str | None = None) -> SearchStrategy[bytes]:
    """Whole requests with what every request must have (RFC 3261 §7.1, §8.1.1).

    Args:
        method: The method; None for any, unknown ones too.
    """
    methods = st.just(method) if method else st.one_of(st.sampled_from(METHODS), tokens(8))
    start = st.builds("{} {} SIP/2.0".format, methods, uris(with_headers=False))
    return _messages(start)


@cache
def responses(status: int | None = None) -> SearchStrategy[bytes]:
    """Whole responses (RFC 3261 §7.2, §8.2.6).

    Args:
        status: The status code; None for any from 100 to 699.
    """
    statuses = st.just(status) if status else st.integers(100, 699)
    # The method of the request, which only CSeq shows, goes along in the start line.
    start = st.builds("SIP/2.0 {} {} {}".format, st.sampled_from(METHODS), statuses, words())
    return _messages(start)


@cache
def messages() -> SearchStrategy[bytes]:
    """Whole messages: requests and responses."""
    return st.one_of(requests(), responses())
