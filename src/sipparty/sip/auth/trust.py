"""Whose challenges are answered.

An answer lets whoever asked try passwords on it for as long as they please (RFC 7616 §5.7), and
somebody may ask in the name of a server that is not theirs (§5.8). So it matters who is asked, and
who has chosen them.

A request has one of three origins (`Destination.origin`): the program sends it; it is inside a call
that the program began; or inside one that the other side began. And it goes to the party's home
domain (RFC 3261 §6), or elsewhere. The *home domain* is what the program has set up: the proxy,
the domain of the party's own address, and every address that requests which the program sent there
have been answered from.

Laws:

* What is sent at the program's own word, and in its own calls, is answered for where an account
  names the realm; for an account that names none, only in the home domain, or where it does not
  leave this host.
* A realm whose servers are known is theirs: the party's own domain, and what a certain server has
  accepted an account for. In its name nobody else gets an answer, but in the home domain, or where
  the request asks for a host of that name.
* In a call that others began, only an account that names the realm answers, and only in the home
  domain or to a server that has accepted it for a request of the program's own; at that server,
  and for that realm, the account that names none does so too. A challenge of the far end (401) is
  answered only where that is the far end.
* Proofs that name a server of ours, or the realm's, go there: nobody gets one by calling themselves
  so in a Contact (RFC 3261 §12.2.1.1 makes that the Request-URI, which is what is proved).
* A challenge without qop (RFC 2069) has answers that can be looked up in tables made beforehand
  (RFC 7616 §5.10): in calls that others began it gets none.
* What is learnt is bounded: what was used the longest ago is forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import ClassVar, NamedTuple

from sipparty.errors import ParseError
from sipparty.sip.auth.memory import Recent
from sipparty.sip.reach import Scope, scope_of
from sipparty.sip.uri_grammar import split_sip_uri

__all__ = ["CHALLENGES", "Destination", "Origin", "Trust"]

#: The values of `Policy.challenges`, each answering what the one before it does and more.
CHALLENGES = ("own", "home", "chosen", "any")


class Origin(Enum):
    """Who has had a request sent."""

    #: The program, outside of calls.
    PROGRAM = "program"
    #: The program, inside a call that it began.
    OUR_CALL = "our call"
    #: Somebody inside a call that the other side began.
    THEIR_CALL = "their call"


class Destination(NamedTuple):
    """Where a request goes.

    Args:
        address: The numeric address of who gets it.
        host: The host that was asked for: of the first Route, or of the Request-URI; "" where it
            takes a connection that was there already, whoever is at its end.
        uri: The Request-URI.
        origin: Who has it sent.
        routed: Whether the program has named a next hop for it.
        registers: Whether it is a REGISTER: its server is what the program has named, or the host
            of its own address. Nothing follows from that for other requests.
    """

    address: str
    host: str = ""
    uri: str = ""
    origin: Origin = Origin.PROGRAM
    routed: bool = False
    registers: bool = False


class Trust:
    """What one party knows of servers.

    Args:
        home: The hosts of its home domain: of its own address, and its proxy.
        challenges: Which challenges are answered; one of `CHALLENGES`.
        without_qop: Where those without qop are; one of
            `sipparty.sip.policy.CHALLENGES_WITHOUT_QOP`.
    """

    #: Servers remembered at a time, of each kind.
    MAX_SERVERS: ClassVar[int] = 256

    def __init__(
        self, home: Iterable[str] = (), challenges: str = "home", without_qop: str = "own"
    ) -> None:
        self._level = CHALLENGES.index(challenges)
        self._without_qop = without_qop
        #: Without brackets, in lower case; names stand for what is below them too.
        self._home = tuple(host.strip("[]").lower() for host in home if host)
        #: The addresses of the home domain.
        self._addresses: Recent[str, str] = Recent(self.MAX_SERVERS)
        #: What hosts the program has asked for, by the address that answered.
        self._hosts: Recent[str, str] = Recent(self.MAX_SERVERS)
        #: Address and realm of servers that have accepted an account.
        self._accepted: Recent[tuple[str, str], str] = Recent(self.MAX_SERVERS)
        #: The same of those that certainly are servers of the realm, with the host asked for.
        self._certain: Recent[tuple[str, str], str] = Recent(self.MAX_SERVERS)

    # ---------------------------------------------------------------- what is learnt

    def answered(self, destination: Destination) -> None:
        """Take note that what a request was sent to is there."""
        if destination.origin == Origin.PROGRAM:
            address, host = destination.address, destination.host
            self._hosts[address] = host
            if destination.routed or self._is_home_name(host):
                self._addresses[address] = host

    def accepted(self, destination: Destination, realm: str, *, certain: bool = False) -> None:
        """Take note that a server has accepted an account for a request.

        Args:
            destination: Where the request went.
            realm: The realm.
            certain: Whether it is a server of that realm, and nobody who claims so: it has proved
            that it knows the password (RFC 7616 §3.5), or is a registrar of the program's.
        """
        if destination.origin == Origin.PROGRAM:
            key = (destination.address, realm)
            self._accepted[key] = ""
            if certain:
                self._certain[key] = destination.host

    # ---------------------------------------------------------------- what is decided

    def refusal(
        self, destination: Destination, realm: str, *, is_proxy: bool, names_realm: bool
    ) -> str:
        """Return why a challenge gets no answer, as a clause; "" where it does.

        Args:
            destination: Where the request that it answers went.
            realm: Its realm.
            is_proxy: Whether it is a proxy's (407).
            names_realm: Whether the account was given for this realm.
        """
        _, home, chosen, anybody = range(len(CHALLENGES))
        if self._level == anybody:
            return ""
        if self._is_pretence(destination, realm):
            return "who asks is not the server that the request names"
        if destination.origin != Origin.THEIR_CALL:
            if self._level >= chosen or self.is_home(destination):
                return ""
            if scope_of(destination.address) is Scope.HOST:
                return ""  # the answer stays on this host
            if names_realm:
                if self._is_of_realm(destination, realm):
                    return ""
                return "who asks is not a known server of that realm"
            return (
                f"who asks is not one's own server, and the account names no realm: give "
                f"credentials={{{realm[:80]!r}: (user, password)}} to answer it"
            )
        if self._level < home:
            return "the other side began the call"
        accepted = self._has_accepted(destination, realm)
        if not (names_realm or accepted):
            return (
                "the other side began the call, and the account names no realm: give "
                f"credentials={{{realm[:80]!r}: (user, password)}} to answer it there"
            )
        if not (accepted or self.is_home(destination)):
            return "the other side began the call, and who asks is no server of the program's"
        if not is_proxy and not self._is_far_end(destination):
            return "the other side began the call, and who asks may be anybody behind the server"
        return ""

    def takes_no_qop(self, destination: Destination) -> bool:
        """Whether a challenge without qop is answered."""
        if self._without_qop == "own":
            return destination.origin != Origin.THEIR_CALL
        return self._without_qop == "any"

    def reaches(
        self,
        destination: Destination,
        address: str,
        realm: str,
        *,
        is_proxy: bool,
        names_realm: bool,
    ) -> bool:
        """Whether credentials that a server has asked for go unasked with another request.

        Those for a proxy go to that one alone (RFC 3261 §22.3), or to another one in the home
        domain; those for the far end (§22.2) to wherever that has moved.

        Args:
            destination: Where the request goes.
            address: Where the one went that they were asked for.
            realm: The realm.
            is_proxy: Whether a proxy has asked.
            names_realm: Whether the account was given for this realm.
        """
        if self._level == len(CHALLENGES) - 1:
            return True
        if self._is_pretence(destination, realm):
            return False
        moves = names_realm and not is_proxy
        return moves or destination.address == address or self.is_home(destination)

    def is_home(self, destination: Destination) -> bool:
        """Whether a request goes to one's own proxy, or into one's own domain."""
        address, host, _, origin, routed, registers = destination
        if address in self._addresses or address in self._home:
            return True
        # In a call of others a name is theirs; it may be that nobody was asked where it leads.
        return origin != Origin.THEIR_CALL and (
            ((routed or registers) and origin == Origin.PROGRAM) or self._is_home_name(host)
        )

    # ---------------------------------------------------------------- inside

    def _is_home_name(self, host: str) -> bool:
        return any(_is_within(host, domain) for domain in self._home)

    def _has_accepted(self, destination: Destination, realm: str) -> bool:
        return (destination.address, realm) in self._accepted

    def _is_of_realm(self, destination: Destination, realm: str) -> bool:
        """Whether a server may ask in the name of a realm: nobody else is known to."""
        host = destination.host
        if _is_within(host, realm.lower()):
            return True
        known = [(there, name) for (there, its), name in self._certain.items() if its == realm]
        if any(destination.address == there or (name and host == name) for there, name in known):
            return True
        return not known and not self._is_home_name(realm.lower())

    def _is_far_end(self, destination: Destination) -> bool:
        """Whether the Request-URI, the other side's Contact, is where the request goes first."""
        try:
            host = split_sip_uri(destination.uri).host
        except ParseError:
            return False
        return host == destination.address or host in self._addresses or self._is_home_name(host)

    def _is_pretence(self, destination: Destination, realm: str) -> bool:
        """Whether a Request-URI of the other side's names our home domain, or the realm's, and the
        request does not go there.
        """
        if destination.origin == Origin.PROGRAM or self.is_home(destination):
            return False
        try:
            host = split_sip_uri(destination.uri).host
        except ParseError:
            return True
        if host in self._addresses:
            return True
        hosts = (destination.host, self._hosts.get(destination.address, ""))
        return any(
            _is_within(host, domain) and not any(_is_within(own, domain) for own in hosts)
            for domain in (*self._home, realm.lower())
        )


def _is_within(host: str, domain: str) -> bool:
    """Whether a host is a domain, or below it."""
    return host == domain or (host.endswith(f".{domain}") and domain != "")
