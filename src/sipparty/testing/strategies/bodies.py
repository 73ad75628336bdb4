"""Bodies of several parts (RFC 2046 §5.1)."""

from __future__ import annotations

from functools import cache

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from sipparty.testing.strategies.headers import header_values
from sipparty.testing.strategies.media import session_descriptions
from sipparty.testing.strategies.pieces import tokens

__all__ = ["multiparts"]

_SUBTYPES = ("mixed", "Mixed", "alternative", "related", "x-any")
_PADDING = st.sampled_from(["", "", " ", "\t "])


@cache
def _lines() -> SearchStrategy[list[str]]:
    """Headers of a part that say nothing of how its body is written."""
    one = st.one_of(
        header_values("content-disposition").map("Content-Disposition: {}".format),
        st.builds("Content-ID: <{}@{}>".format, tokens(6), tokens(6)),
        st.sampled_from(["content-language:en", "Content-Transfer-Encoding: binary", "X-Any:"]),
    )
    return st.lists(one, max_size=2)


@st.composite
def _parts(draw: st.DrawFn, depth: int) -> bytes:
    kinds = ["", "text/plain", "application/sdp", "application/octet-stream"]
    kind = draw(st.sampled_from([*kinds, "multipart"] if depth else kinds))
    if kind == "multipart":
        kind, body = draw(multiparts(depth - 1))
    elif kind == "application/sdp":
        body = draw(session_descriptions())
    else:
        body = draw(
            st.one_of(st.binary(max_size=12), st.sampled_from([b"\r\n", b"--\r\n--", b"-"]))
        )
    lines = [f"Content-Type: {kind}"] if kind else []
    lines += draw(_lines())
    return "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n" + body


@cache
def multiparts(depth: int = 1) -> SearchStrategy[tuple[str, bytes]]:
    """Multipart bodies, nested ones too, each with the Content-Type that goes with it: `(value,
    body)` (RFC 2046 §5.1.1).

    Args:
        depth: How many multiparts may be within one another, besides the outermost.
    """
    return _multiparts(depth)


@st.composite
def _multiparts(draw: st.DrawFn, depth: int) -> tuple[str, bytes]:
    parts = draw(st.lists(_parts(depth), min_size=1, max_size=3))
    before = draw(st.sampled_from([b"", b"", b"\r\n", b"Use another reader.\r\n"]))
    after = draw(st.sampled_from([b"", b"\r\n", b"\r\n\r\n--\r\nThe end."]))
    boundary = draw(st.from_regex(r"[A-Za-z0-9'()+_,\-./:=?]{1,9}", fullmatch=True))
    while any(f"--{boundary}".encode() in piece for piece in (*parts, before, after)):
        boundary += "="
    subtype = draw(st.sampled_from(_SUBTYPES))
    dash = f"--{boundary}"
    body = before
    for part in parts:
        body += f"{dash}{draw(_PADDING)}\r\n".encode() + part + b"\r\n"
    body += f"{dash}--{draw(_PADDING)}".encode() + after
    return f'multipart/{subtype};boundary="{boundary}"', body
