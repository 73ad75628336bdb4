"""The probe of bodies of several parts: an input is a part with its headers, as it stands between
two delimiters, so that it brings the boundaries with it; and it is a fragment of a message.
"""

from __future__ import annotations

from fuzz.laws import attempt, law
from sipparty.errors import BuildError
from sipparty.sip import Multipart, Part, parse_sipfrag
from sipparty.sip.bodies import _taken, is_understood, session_description

__all__ = ["WORDS", "probe", "read"]

WORDS = tuple(
    b"Content-Type:|c:|multipart/mixed;boundary=x|multipart/alternative|/related;start=|message/sip"
    b"|;boundary=|application/sdp|text/plain|Content-Disposition:|session|icon|by-reference"
    b"|;handling=optional|;handling=required|Content-ID: <x@y>|Content-Encoding: gzip"
    b"|Content-Transfer-Encoding:|base64|quoted-printable|Content-Length: 2|SIP/2.0 100 Trying"
    b"|\r\n--x\r\n|\r\n--x--\r\n|\r\n--y\r\n|\r\n--y--|--|\r\n\r\n".split(b"|")
)

_TYPES = ("application/sdp", "text/plain")

#: What a part says of itself.
_PROPERTIES = (
    *("media_type", "is_multipart", "disposition", "handling", "content_id", "content", "parts"),
    *("content_type", "content_length"),
)


def _look(part: Part) -> None:
    """Look at a part from all sides, and at those within it."""
    wire = bytes(part)
    repr(part)
    for name in _PROPERTIES:
        attempt(getattr, part, name)
    attempt(lambda: part.find_part("application/sdp", disposition="session"))
    attempt(lambda: part.find_part(content_id="x@y"))
    understood = attempt(is_understood, part, _TYPES)
    taken = attempt(session_description, part, _TYPES)
    law(understood or not taken, "what is not understood describes nothing")
    # The short forms of both are for bodies of one kind; the general one is for all.
    closely = attempt(lambda: _taken(part, _TYPES) is not None or part.handling == "optional")
    law(closely is None or understood == closely, "both forms of judging a body agree")
    found = attempt(session_description, part)
    found_closely = attempt(lambda: part.find_part("application/sdp", disposition="session"))
    if found is not None and found_closely is not None:
        content = attempt(lambda: found_closely.content)
        law(content is None or found == content, "both forms of finding a description agree")
    law(bytes(part) == wire, "looking changes nothing")
    law(Part.parse(wire) == part, "a part is read again as it was")
    if attempt(lambda: part.is_multipart):
        for one in attempt(lambda: part.parts) or ():
            law(bytes(one) in part.body, "a part is a piece of the body")
            _look(one)


def probe(data: bytes) -> bool:
    """Read an input, and say whether it is a multipart body."""
    attempt(parse_sipfrag, data)
    part = attempt(Part.parse, data)
    if part is None:
        return False
    law(bytes(part) == data, "an untouched part is written back as it came")
    _look(part)
    body = attempt(Multipart.of, part)
    if body is None:
        return False
    law(bytes(body) == part.body, "an untouched body is written back as it came")
    before = [bytes(one) for one in body.parts]
    repr((body, body.root))
    if len(before) < Multipart.MAX_PARTS:
        body.parts = (*body.parts, Part("text/plain", "more"))
        again = Multipart.parse(bytes(body), body.content_type)
        law([bytes(one) for one in again.parts[:-1]] == before, "a part can be added")
        try:
            part.body = body
        except BuildError:  # a NUL in the Content-Type, which is read and not written
            return True
        law(Multipart.of(part).parts == again.parts, "a body can be set")
    return True


def read(data: bytes) -> None:
    """Read an input as a user agent does a body."""
    part = attempt(Part.parse, data)
    if part is not None and attempt(is_understood, part, _TYPES):
        attempt(session_description, part, _TYPES)
