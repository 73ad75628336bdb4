"""Small refusals: by datagrams, at most so many bytes out for each byte in (RFC 3261 §26.3.2.4).

The address that a datagram comes from may be another's, who gets the answer. So an answer to who
has shown nothing yet is not much larger than what it answers, or is none at all.
"""

from __future__ import annotations

from sipparty.sip.message import Response
from sipparty.sip.transports import RELIABLE_TRANSPORTS

__all__ = ["MAX_RATIO", "refusal"]

#: Bytes of a refusal for each byte of its request.
MAX_RATIO = 2

#: What a response has to have (RFC 3261 §8.2.6.2), and what makes use of a refusal.
_CHALLENGES = ("www-authenticate", "proxy-authenticate")
_BARE = frozenset(("via", "from", "to", "call-id", "cseq", "content-length", "retry-after"))
_NEEDED = _BARE.union(
    ("allow", "accept", "accept-encoding", "unsupported", "min-expires", *_CHALLENGES)
)


def refusal(response: Response, size: int, transport: str) -> bytes:
    """Return a refusal as it is to be sent; b"" where there is to be none.

    Args:
        response: The refusal, complete. It is cut down where it has to be: first what is of no use
            goes, then all challenges but one, then all that it could do without.
        size: How long its request was, in bytes.
        transport: How it goes.
    """
    data = bytes(response)
    if transport in RELIABLE_TRANSPORTS or len(data) <= size * MAX_RATIO:
        return data
    challenged = False
    fields = []
    for line in response._fields:
        if line[0] not in _NEEDED or (line[0] in _CHALLENGES and challenged):
            continue
        challenged = challenged or line[0] in _CHALLENGES
        fields.append(line)
    data = bytes(Response.of(response.status, response.reason, fields))
    if len(data) > size * MAX_RATIO and not challenged:
        fields = [line for line in fields if line[0] in _BARE]
        data = bytes(Response.of(response.status, response.reason, fields))
    return data if len(data) <= size * MAX_RATIO else b""
