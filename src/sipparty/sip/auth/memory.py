"""What is remembered, and no more than so much: `Recent`, and the authentication sessions of a
client (RFC 7616 §3.6), which are the nonces it was given and how often it has used each.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import TypeVar

from sipparty.sip.auth.digest import Account, Algorithm
from sipparty.sip.auth.values import Challenge

__all__ = ["Place", "Recent", "Session", "Sessions"]

_K = TypeVar("_K")
_V = TypeVar("_V")

#: What asks: whether it is a proxy, and its realm.
Place = tuple[bool, str]


class Session:
    """One authentication session: a challenge, and how often it was answered.

    Attributes:
        address: The address of who has asked.
        names_realm: Whether the account was given for this realm.
    """

    __slots__ = (
        *("account", "address", "algorithm", "challenge", "cnonce", "count", "names_realm"),
        *("nonce", "qop"),
    )

    def __init__(
        self,
        challenge: Challenge,
        account: Account,
        algorithm: Algorithm,
        qop: str,
        nonce: str,
        cnonce: str,
        address: str = "",
        names_realm: bool = True,
    ) -> None:
        self.challenge = challenge
        self.account = account
        self.algorithm = algorithm
        self.qop = qop
        self.nonce = nonce
        self.cnonce = cnonce
        self.address = address
        self.names_realm = names_realm
        self.count = 0


class Recent(OrderedDict[_K, _V]):
    """A dictionary of so many entries: beyond it, what was set the longest ago is forgotten."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def __setitem__(self, key: _K, value: _V) -> None:
        super().__setitem__(key, value)
        self.move_to_end(key)
        if len(self) > self.most:
            self.popitem(last=False)


class Sessions:
    """Sessions by scope and place; several in one place where a request was forked. They are found
    by the scope they belong to, at once, however many scopes there are; beyond the limit, those of
    the scope unused the longest are forgotten.

    Args:
        limit: How many places are remembered at the most.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._scopes: OrderedDict[Hashable, OrderedDict[Place, list[Session]]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        """Return how many places are remembered."""
        return self._count

    def of(self, scope: Hashable) -> list[tuple[Place, list[Session]]]:
        """Return the sessions of a scope, those added last at the end."""
        places = self._scopes.get(scope)
        return [] if places is None else list(places.items())

    def add(self, scope: Hashable, place: Place, group: list[Session]) -> None:
        """Remember the sessions of a place, instead of those before."""
        self.drop(scope, place)
        places = self._scopes.setdefault(scope, OrderedDict())
        places[place] = group
        self._scopes.move_to_end(scope)
        self._count += 1
        while self._count > self._limit:
            oldest = next(iter(self._scopes))
            self.drop(oldest, next(iter(self._scopes[oldest])))

    def drop(self, scope: Hashable, place: Place, group: list[Session] | None = None) -> None:
        """Forget the sessions of a place; if a group is given, unless others are there by now."""
        places = self._scopes.get(scope)
        if places is None or place not in places:
            return
        if group is not None and places[place] is not group:
            return
        del places[place]
        self._count -= 1
        if not places:
            del self._scopes[scope]

    def forget(self, scope: Hashable) -> None:
        """Forget all of a scope."""
        self._count -= len(self._scopes.pop(scope, ()))
