"""Boundaries: where the parts of a multipart body begin and end (RFC 2046 §5.1.1).

Laws:

* A delimiter is a whole line: two hyphens and the boundary between CRLF and CRLF, with white space
  behind them at the most. RFC 2046 would let a mere beginning do, and so tear nested parts whose
  boundary begins with that of the outer ones.
* What is between two delimiters is a part, to the octet. What stands before the first and behind
  the closing one means nothing.
* Without a closing delimiter there are no parts: what came may have been cut off anywhere.
* Time is linear in the body.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

from sipparty.errors import ParseError
from sipparty.late import late_pattern

__all__ = ["choose_boundary", "is_boundary", "join_parts", "occurs", "split_parts"]

#: What may stand in a delimiter line behind the boundary: "--" in the closing one, then
#: `transport-padding`.
_REST = late_pattern(rb"(--)?+[ \t]*+(?:\r\n|\Z)")
_READ = late_pattern(r"[ -~]{0,69}[!-~]")
_WRITTEN = late_pattern(r"[A-Za-z0-9'()+_,\-./:=? ]{0,69}[A-Za-z0-9'()+_,\-./:=?]")

_WHAT = "multipart body"


def is_boundary(text: str, *, strict: bool = True) -> bool:
    """Whether a text can be a boundary: 1 to 70 characters, the last of them no space.

    Args:
        text: The text.
        strict: Take the characters of RFC 2046 alone, as when writing; else any of ASCII that can
            be printed, as when reading.
    """
    return (_WRITTEN if strict else _READ).fullmatch(text) is not None


def split_parts(data: bytes, boundary: str, most: int) -> list[bytes]:
    """Return what stands between the delimiters of a body.

    Args:
        data: The body.
        boundary: The boundary, ASCII.
        most: How many parts there may be.

    Raises:
        ParseError: There is no delimiter, nothing between two, or no closing one; or there are too
            many parts (status 413).
    """
    # The CRLF before a delimiter belongs to it; the first one may have none.
    text = b"\r\n" + data
    delimiter = f"\r\n--{boundary}".encode()
    pieces: list[bytes] = []
    begin = -1
    at = text.find(delimiter)
    while at >= 0:
        after = at + len(delimiter)
        rest = _REST.match(text, after)
        if rest is None:
            at = text.find(delimiter, after)
            continue
        if begin >= 0:
            if len(pieces) == most:
                raise ParseError(data[:200], f"at most {most} parts", None, what=_WHAT, status=413)
            pieces.append(text[begin:at])
        if rest[1]:
            if pieces:
                return pieces
            raise ParseError(
                data, "a part before the closing delimiter", max(at - 2, 0), what=_WHAT
            )
        begin = rest.end()
        at = text.find(delimiter, begin)
    if begin < 0:
        raise ParseError(data, f"a line '--{boundary}'", 0, what=_WHAT)
    raise ParseError(data, f"a line '--{boundary}--' at the end", len(data), what=_WHAT)


def join_parts(pieces: Iterable[bytes], boundary: str) -> bytes:
    """Return the body that `split_parts` would split into these pieces."""
    dash = f"--{boundary}".encode()
    body = b"".join([b"%b\r\n%b\r\n" % (dash, piece) for piece in pieces])
    return body + dash + b"--\r\n"


def occurs(boundary: str, pieces: Iterable[bytes]) -> bool:
    """Whether a boundary is found in a piece with its hyphens, be it within a line or as the
    beginning of another boundary.
    """
    dash = f"--{boundary}".encode()
    return any(dash in piece for piece in pieces)


def choose_boundary(pieces: list[bytes]) -> str:
    """Choose a boundary that occurs in none of the pieces.

    It is made of them all: the same each time, and nobody can write a part that holds it.
    """
    digest = blake2b(digest_size=16)
    for piece in pieces:
        digest.update(b"%d:%b" % (len(piece), piece))
    while occurs(boundary := f"part-{digest.hexdigest()}", pieces):  # pragma: no cover - chance
        digest.update(b"again")
    return boundary
