"""The targets that redirections name, and in which order they are tried (RFC 3261 §8.1.3.4).

Laws:

* Each target is tried once, so two servers that name each other make no loop.
* A call to a `sips:` URI goes to `sips:` URIs alone (RFC 5630 §3.3).
* A target that the server may not name (`Policy.named_targets`) is left out, and so is one whose
  validity has run out.
* Redirections that are followed, and targets, have limits.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from sipparty.errors import ParseError
from sipparty.sip.flow import Flow
from sipparty.sip.grammar import split_list
from sipparty.sip.message import Response
from sipparty.sip.retries import Retry
from sipparty.sip.routing import NextHop, as_request_uri, is_secure
from sipparty.sip.uri_grammar import split_sip_uri
from sipparty.sip.values import DNameURI

__all__ = ["MAX_REDIRECTS", "Redirects"]

#: Redirections that one request follows by default (RFC 3261 §8.1.3.4).
MAX_REDIRECTS = 5


class Redirects:
    """The target set of one request.

    Args:
        uri: Its Request-URI.
        most: How many redirections are followed.
        routed: Whether it goes by a route, whatever its target.
    """

    #: Targets remembered of one request.
    MAX_TARGETS = 16

    __slots__ = ("_left", "_routed", "_secure", "_targets", "_tried")

    def __init__(self, uri: str, most: int, routed: bool) -> None:
        self._left = most
        self._routed = routed
        self._secure = is_secure(uri)
        self._tried = {_identity(uri)}
        #: What is yet to be tried, in order: until when, the URI, and where it goes first.
        self._targets: list[tuple[float, str, NextHop]] = []

    def add(
        self, response: Response, flow: Flow, now: float, may: Callable[[str, str], bool]
    ) -> None:
        """Put the Contacts of a redirection in front, those of the highest q first.

        Args:
            response: The redirection.
            flow: The flow to the server that has sent it.
            now: The time, in seconds.
            may: Whether an address may be named by another one.
        """
        if self._left <= 0:
            return
        self._left -= 1
        found: list[tuple[float, float, str, NextHop]] = []
        for line in response.lines("Contact"):
            for element in _elements(line)[: self.MAX_TARGETS]:
                try:
                    contact = DNameURI.parse(element)
                    uri = as_request_uri(contact.uri_text)
                    hop = NextHop.of(uri, flow)
                    identity = _identity(uri)
                except ParseError:
                    continue
                expires = contact.parameter("expires") or response._text("expires") or ""
                valid = float(expires) if expires.isdecimal() else inf
                if (
                    identity not in self._tried
                    and len(self._tried) <= self.MAX_TARGETS
                    and hop.secure >= self._secure
                    and valid > 0
                    and (self._routed or not hop.is_numeric or may(hop.place, flow.remote[0]))
                ):
                    self._tried.add(identity)
                    found.append((-_quality(contact), now + valid, uri, hop))
        found.sort(key=lambda target: target[0])
        self._targets[:0] = [target[1:] for target in found]

    def next(self, now: float) -> Retry | None:
        """Return the next target; None where none is left."""
        while self._targets:
            until, uri, hop = self._targets.pop(0)
            if now <= until:
                return Retry(target=uri, next_hop=None if self._routed else hop)
        return None


def _elements(line: str) -> list[str]:
    try:
        return split_list(line, "Contact")
    except ParseError:
        return []


def _identity(uri: str) -> tuple[object, ...]:
    """What two URIs that are one target have in common."""
    parts = split_sip_uri(uri)
    return parts.scheme, parts.user, parts.host, parts.port, parts.parameters.lower()


def _quality(contact: DNameURI) -> float:
    try:
        return min(float(contact.parameter("q") or 1.0), 1.0)
    except ValueError:
        return 1.0
