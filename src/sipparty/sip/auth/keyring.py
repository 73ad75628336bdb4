"""What a client answers challenges with: accounts, and which challenges are good enough.

Laws:

* No account is used for a realm that it was not given for; the default is for all others.
* Of the challenges of one realm the topmost one is chosen whose algorithm is allowed (RFC 8760
  §2.4), MD5 only where no better one is on offer; and never MD5 where better that we could use was
  offered before, whether by 401 or 407, unless `downgrade` allows it: by the same server for the
  realm, to the same request, or anywhere by who was certainly a server of the realm. Anybody may
  claim a realm, so that what others offer in its name holds for themselves alone; nor does it hold
  where a certain server has taken MD5.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from sipparty.errors import BuildError
from sipparty.sip.auth.digest import Account, Algorithm, find_algorithm, known_algorithms
from sipparty.sip.auth.sessions import Sessions
from sipparty.sip.auth.trust import Destination, Trust
from sipparty.sip.auth.values import Challenge

__all__ = ["AccountLike", "Choice", "Keyring", "Offer"]

#: An account, or a user and a password.
AccountLike = Account | tuple[str, str]
#: A challenge that can be answered, by which algorithm, with which qop.
Choice = tuple[Challenge, Algorithm, str]


@dataclass(slots=True, eq=False)
class Offer:
    """What can be answered in one realm.

    Args:
        account: The account.
        names_realm: Whether it was given for this realm.
        usable: The challenges that it can answer; not empty.
    """

    account: Account
    names_realm: bool
    usable: list[Choice]


class Keyring:
    """The accounts of a `DigestClient`, and its choices; the arguments are the client's."""

    def __init__(
        self,
        accounts: Mapping[str, AccountLike] | Callable[[str], AccountLike | None] | None,
        *,
        tokens: Callable[[], str],
        default: AccountLike | None,
        algorithms: Iterable[str],
        downgrade: bool,
        qop: Iterable[str],
        trust: Trust,
        max_sessions: int,
        max_answers: int,
    ) -> None:
        self._find: Callable[[str], AccountLike | None]
        self._find = accounts if callable(accounts) else dict(accounts or {}).get
        self._default = default
        self._allowed = frozenset(row.name for row in known_algorithms(algorithms))
        self._downgrade = downgrade
        self._qop = tuple(qop)
        if not self._qop or not set(self._qop) <= {"auth", "auth-int"}:
            raise BuildError(f"qop {self._qop!r} is not one or both of 'auth' and 'auth-int'.")
        self.tokens = tokens
        self.trust = trust
        self.sessions = Sessions(max_sessions)
        self.max_answers = max_answers
        self._max_realms = max_sessions
        #: The realms that have offered better than MD5, by the address of the server; "" for any
        #: server. An ordered set.
        self._strong: OrderedDict[tuple[str, str], None] = OrderedDict()
        #: Where MD5 was taken by a certain server of the realm.
        self._weak: OrderedDict[tuple[str, str], None] = OrderedDict()

    def offer(
        self, realm: str, is_proxy: bool, challenges: list[Challenge], destination: Destination
    ) -> Offer | str:
        """Return which challenges of one realm can be answered; a clause that says why none is."""
        shown = f"realm {realm[:80]!r}"
        found = self._find(realm)
        names_realm = found is not None
        found = self._default if found is None else found
        if found is None:
            return f"no account for {shown}"
        account = Account(*found) if isinstance(found, tuple) else found
        refusal = self.trust.refusal(destination, realm, is_proxy=is_proxy, names_realm=names_realm)
        if refusal:
            return f"in {shown} {refusal}"
        usable, refusals = self._sift(challenges, account, destination)
        if not usable:
            return f"in {shown} {', '.join(dict.fromkeys(refusals[:5]))}"
        return Offer(account, names_realm, usable)

    def note(self, realm: str, offer: Offer, address: str) -> bool:
        """Return whether a realm offers better than MD5, and remember that of the server."""
        if all(row.weak for _, row, _ in offer.usable):
            return False
        if (address, realm) not in self._weak:
            self._remember(self._strong, (address, realm))
        return True

    def taken(self, realm: str, address: str, *, weak: bool) -> None:
        """Remember what a certain server of a realm has taken: MD5, or better."""
        if weak:
            self._remember(self._weak, (address, realm))
            self._strong.pop((address, realm), None)
        else:
            self._remember(self._strong, ("", realm))
            self._weak.pop((address, realm), None)

    def _remember(self, table: OrderedDict[tuple[str, str], None], key: tuple[str, str]) -> None:
        table[key] = None
        table.move_to_end(key)
        if len(table) > self._max_realms:
            table.popitem(last=False)

    def choose(self, realm: str, offer: Offer, address: str, *, strong: bool) -> list[Choice]:
        """Return the challenges to answer; none where better was offered before.

        Args:
            realm: The realm.
            offer: What can be answered in it.
            address: The server's.
            strong: Whether the same request was offered better before.
        """
        best = [choice for choice in offer.usable if not choice[1].weak]
        strong = strong or (address, realm) in self._strong or ("", realm) in self._strong
        if not best and (not strong or self._downgrade):
            best = offer.usable
        # The topmost (RFC 8760 §2.4), and its like from other branches of a fork.
        return [choice for choice in best if choice[1] == best[0][1]]

    def _sift(
        self, challenges: list[Challenge], account: Account, destination: Destination
    ) -> tuple[list[Choice], list[str]]:
        """Return the challenges of one realm that can be answered, and why others cannot."""
        refusals: list[str] = []
        usable: list[Choice] = []
        for challenge in challenges:
            row = find_algorithm(challenge.algorithm)
            if row is None:
                refusals.append(f"the algorithm {challenge.algorithm[:40]!r} is not known")
                continue
            qop = self._choose_qop(challenge, row)
            if row.name not in self._allowed:
                refusals.append(f"{row.name} is not allowed")
            elif not account.serves(row):
                refusals.append(f"no {row.base} hash of the password is at hand")
            elif qop is None:
                refusals.append(f"qop {', '.join(challenge.qop)[:40]!r} is not known")
            elif not qop and not self.trust.takes_no_qop(destination):
                refusals.append("a challenge without qop is not answered there")
            else:
                usable.append((challenge, row, qop))
        return usable, refusals

    def _choose_qop(self, challenge: Challenge, algorithm: Algorithm) -> str | None:
        offered = challenge.qop
        if not offered:
            # RFC 2069 knows none; a -sess algorithm needs a cnonce, hence a qop (RFC 3261 §22.4
            # item 8), and "auth" is its default (RFC 8760 §2.6 item 8).
            return "auth" if algorithm.session else ""
        return next((qop for qop in self._qop if qop in offered), None)
