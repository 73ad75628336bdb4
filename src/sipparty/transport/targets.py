"""Which addresses a SIP URI leads to, decided without I/O (RFC 3263, RFC 2782, RFC 7984).

`locate` is a generator: it yields batches of DNS questions, is sent their answers, and returns the
targets in the order in which they are to be tried.

    machine = locate(NextHop("biloxi.com"), transports=("UDP", "TCP"), random=random.random)
    questions = next(machine)              # a tuple of Question
    questions = machine.send(answers)      # a tuple of Answer, one each, in the same order
    ...StopIteration.value                 # a list of Target; or ResolveError is raised

The rules (RFC 3263 §4.1, §4.2), with the first row that fits deciding:

    the URI has                transport                       port, address
    -------------------------  ------------------------------  ---------------------------------
    a numeric host             its own; else UDP, TLS (sips)   its own or the transport's default
    a port                     its own; else UDP, TLS (sips)   its port; A, AAAA
    a transport                its own                         SRV; without records as the next row
    neither, NAPTR records     theirs of the lowest order      SRV of the replacement
    neither, SRV records       all we have that they have      SRV of each
    neither, no records        UDP, TLS (sips)                 the default port; A, AAAA

Laws:

* A `sips:` URI leads to secure transports only.
* `maddr` stands for the host in finding addresses; the host's name stays what a certificate has to
  be for (RFC 5922 §4).
* Records of the DNS are untrusted data: their number is bounded by `MAX_TARGETS`, what does not
  fit is passed over.
* Chance is an argument, as time is.
"""

from __future__ import annotations

import enum
import ipaddress
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import NamedTuple

from sipparty.errors import TransportError
from sipparty.sip.routing import NextHop
from sipparty.sip.transports import TRANSPORTS

__all__ = [
    "MAX_TARGETS",
    "NAPTR",
    "SRV",
    "Answer",
    "Machine",
    "Question",
    "RecordType",
    "ResolveError",
    "Target",
    "locate",
    "order_srv",
]

#: The most targets that one destination leads to, and the most hosts looked up for it.
MAX_TARGETS = 32


class ResolveError(TransportError):
    """No target was found for a destination; the message says what was asked and what came."""


#: What a URI without a word on transport stands for: sip, sips (RFC 3263 §4.1).
_DEFAULT = {False: "UDP", True: "TLS"}


class RecordType(enum.Enum):
    """What the DNS is asked for."""

    A = "A"
    AAAA = "AAAA"
    SRV = "SRV"
    NAPTR = "NAPTR"


class Question(NamedTuple):
    """One question to the DNS.

    Args:
        name: The domain name, absolute, without the final dot.
        type: The kind of record.
    """

    name: str
    type: RecordType


class SRV(NamedTuple):
    """A service record (RFC 2782).

    Args:
        priority: Lower ones are tried first.
        weight: Its share among those of its priority.
        port: The port.
        target: The host, without the final dot; "" where the service is decidedly not available.
    """

    priority: int
    weight: int
    port: int
    target: str


class NAPTR(NamedTuple):
    """A naming authority pointer (RFC 3403 §4.1).

    Args:
        order: Only the lowest that fits counts.
        preference: Lower ones are tried first, within an order.
        flags: "s" where the replacement is the name of SRV records.
        service: Such as "SIP+D2U".
        regexp: "" in SIP's use.
        replacement: A domain name, without the final dot.
    """

    order: int
    preference: int
    flags: str
    service: str
    regexp: str
    replacement: str


class Answer(NamedTuple):
    """What the DNS said.

    Args:
        records: `SRV` or `NAPTR` values, or addresses as text; empty where there are none.
        failure: Why it could not be found out whether there are any, as a clause; "" where it
        could.
    """

    records: tuple[SRV | NAPTR | str, ...] = ()
    failure: str = ""


class Target(NamedTuple):
    """Where to send a request.

    Args:
        transport: As a Via header spells it.
        address: A numeric IP address, without brackets.
        port: The port.
        server_name: The name that a certificate has to be for (RFC 5922 §4): the host of the URI,
        whatever the DNS made of it.
    """

    transport: str
    address: str
    port: int
    server_name: str


class _Site(NamedTuple):
    """A host that has yet to be looked up."""

    transport: str
    host: str
    port: int


#: What `locate` is.
Machine = Generator[tuple[Question, ...], tuple[Answer, ...], list[Target]]


def locate(
    destination: NextHop,
    *,
    transports: Sequence[str],
    random: Callable[[], float],
    families: Sequence[RecordType] = (RecordType.AAAA, RecordType.A),
    reliable: bool = False,
) -> Machine:
    """Find the targets of a destination (RFC 3263 §4; §5 for responses, with the Via header's
    sent-by and transport as the destination).

    Args:
        destination: Where to.
        transports: Those that we have, the preferred one first.
        random: Gives numbers from 0 up to, not including, 1.
        families: Which kinds of address we can send to, the preferred one first.
        reliable: Whether the request is too large for UDP (RFC 3261 §18.1.1): targets of other
        transports come first, UDP's stay as the fallback.

    Raises:
        ResolveError: There is no target.
    """
    return _Locator(destination, transports, random, families, reliable).run()


class _Locator:
    """One run of `locate`."""

    def __init__(
        self,
        destination: NextHop,
        transports: Sequence[str],
        random: Callable[[], float],
        families: Sequence[RecordType],
        reliable: bool,
    ) -> None:
        offered = [name for name in transports if name in TRANSPORTS]
        if destination.secure:  # RFC 3261 §26.2.2
            offered = [name for name in offered if TRANSPORTS[name].secure == name]
        self.destination = destination
        self.offered = offered
        self.random = random
        self.families = families
        self.reliable = reliable
        self.failures: list[str] = []

    def run(self) -> Machine:
        destination = self.destination
        target = destination.place.strip("[]").rstrip(".")
        named = None if destination.transport is None else self._named(destination.transport)
        if not target:
            raise ResolveError(f"{destination} names no host.")
        numeric, port = _numeric(target), destination.port
        if numeric is not None or port is not None:
            sites = [
                _Site(name, numeric or target, TRANSPORTS[name].port if port is None else port)
                for name in self._plain(named)
            ]
        else:
            sites = yield from self._services(target, named)
        targets = yield from self._addresses(sites[:MAX_TARGETS])
        if not targets and numeric is not None:
            raise ResolveError(f"{destination} has an address of a kind that we cannot send to.")
        if not targets:
            why = "; ".join(dict.fromkeys(self.failures))
            why = why or "no such name, or no address of a kind we can use"
            raise ResolveError(f"No target found for {destination}: {why}.")
        if self.reliable:
            targets.sort(key=lambda found: not TRANSPORTS[found.transport].reliable)
        return targets[:MAX_TARGETS]

    def _named(self, transport: str) -> str:
        """Return the transport that the URI asks for (RFC 3263 §4.1, first paragraph)."""
        name: str | None = transport.upper()
        if self.destination.secure and name in TRANSPORTS:
            name = TRANSPORTS[name].secure
        if name is None or name not in self.offered:
            raise ResolveError(
                f"{self.destination} asks for a transport that is not at hand: we have "
                f"{', '.join(self.offered) or 'none'} for it."
            )
        return name

    def _plain(self, named: str | None) -> list[str]:
        """Return the transports to use where the DNS is not asked for them (RFC 3263 §4.1)."""
        offered = self.offered
        default = named or _DEFAULT[self.destination.secure]
        if self.reliable and default == "UDP" and "TCP" in offered:  # RFC 3261 §18.1.1
            return ["TCP", "UDP"] if "UDP" in offered else ["TCP"]
        if default in offered:
            return [default]
        if not offered:
            raise ResolveError(f"No transport is at hand for {self.destination}.")
        # What is not secure is what a sip: URI asks for; else whatever we have.
        return [next((name for name in offered if TRANSPORTS[name].secure != name), offered[0])]

    def _services(
        self, domain: str, named: str | None
    ) -> Generator[tuple[Question, ...], tuple[Answer, ...], list[_Site]]:
        """Find the hosts of a domain by NAPTR and SRV (RFC 3263 §4.1, §4.2)."""
        offered = self.offered
        services: list[tuple[str, str]] = []
        names: list[str] = []
        if named is None:
            (answer,) = yield (Question(domain, RecordType.NAPTR),)
            if answer.failure:
                self.failures.append(answer.failure)
            found = [record for record in answer.records if isinstance(record, NAPTR)]
            services = _order_naptr(found, offered, self.reliable)
            names = [name for name, _ in services]
        names = names or self._plain(named)
        if not services:
            asked = names
            if named is None:
                # "_sip" for SIP URIs, "_sips" for SIPS URIs; TLS for SIP only if we have nothing
                # else.
                asked = [name for name in offered if TRANSPORTS[name].secure != name] or offered
            services = [(name, f"{TRANSPORTS[name].prefix}.{domain}") for name in asked]
        answers = yield tuple(Question(name, RecordType.SRV) for _, name in services)
        sites: list[_Site] = []
        refused = False
        for (transport, name), answer in zip(services, answers, strict=True):
            if answer.failure:
                self.failures.append(answer.failure)
            records = [record for record in answer.records if isinstance(record, SRV)]
            for record in order_srv(records, self.random):
                if record.target:
                    sites.append(_Site(transport, record.target, record.port))
                else:  # RFC 2782: a target of "." says that there is no such service
                    refused = True
                    self.failures.append(f"{name} says that the service is not available")
        if sites or refused:
            return sites
        return [_Site(name, domain, TRANSPORTS[name].port) for name in dict.fromkeys(names)]

    def _addresses(
        self, sites: list[_Site]
    ) -> Generator[tuple[Question, ...], tuple[Answer, ...], list[Target]]:
        """Look up the addresses of hosts: all at once, each host asked for once."""
        families = self.families
        hosts = dict.fromkeys(site.host for site in sites if _numeric(site.host) is None)
        questions = tuple(Question(host, family) for host in hosts for family in families)
        answers: tuple[Answer, ...] = ()
        if questions:
            answers = yield questions
        found: dict[str, list[list[str]]] = {}
        for question, answer in zip(questions, answers, strict=True):
            if answer.failure:
                self.failures.append(answer.failure)
            found.setdefault(question.name, []).append(
                [record for record in answer.records if isinstance(record, str)]
            )
        server_name = self.destination.host.strip("[]").rstrip(".")
        targets: list[Target] = []
        for site in sites:
            address = _numeric(site.host)
            if address is None:
                addresses = _interleave(found.get(site.host, []))
            else:
                family = RecordType.AAAA if ":" in address else RecordType.A
                addresses = [address] if family in families else []
            targets += [Target(site.transport, each, site.port, server_name) for each in addresses]
        return list(dict.fromkeys(targets))


def _numeric(host: str) -> str | None:
    """Return the address that a text is, in its shortest form; None for a name."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return None


def _order_naptr(
    records: Iterable[NAPTR], offered: list[str], reliable: bool
) -> list[tuple[str, str]]:
    """Return transport and SRV name of the records that count, in order (RFC 3263 §4.1).

    A SIP URI may lead to TLS, if the domain would have it so; a SIPS URI offers nothing else.
    """
    by_service = {TRANSPORTS[name].service: name for name in offered}
    usable = sorted(
        (
            record
            for record in records
            if record.flags.lower() == "s"
            and not record.regexp
            and record.replacement
            and record.service.upper() in by_service
        ),
        key=lambda record: (record.order, record.preference),
    )
    found = [
        (record.order, by_service[record.service.upper()], record.replacement) for record in usable
    ]
    groups = [found]
    if reliable:  # RFC 3261 §18.1.1 mandates it over what the domain prefers
        groups = [
            [each for each in found if TRANSPORTS[each[1]].reliable],
            [each for each in found if not TRANSPORTS[each[1]].reliable],
        ]
    # RFC 3403 §4.1: once a record fits, those of another order do not count.
    return [
        (name, replacement)
        for group in groups
        for order, name, replacement in group
        if order == group[0][0]
    ][:MAX_TARGETS]


def order_srv(records: Iterable[SRV], random: Callable[[], float]) -> list[SRV]:
    """Put service records in the order in which they are to be tried (RFC 2782, "Usage rules").

    By priority; within one, each next record is drawn with a chance in proportion to its weight.

    Args:
        records: In any order.
        random: Gives numbers from 0 up to, not including, 1.
    """
    ordered: list[SRV] = []
    # The order before the draw is fixed, so that chance alone decides. Those of no weight stand
    # first, which gives them a small chance.
    rest = sorted(records, key=lambda record: (record.priority, record.weight, record))
    rest = rest[: MAX_TARGETS * 2]
    while rest:
        group = [record for record in rest if record.priority == rest[0].priority]
        del rest[: len(group)]
        while group:
            total = sum(record.weight for record in group)
            at = 0
            if not total:  # nobody has a weight: all are alike
                ordered.append(group.pop(min(int(random() * len(group)), len(group) - 1)))
                continue
            drawn = int(random() * (total + 1))
            for at, record in enumerate(group):  # noqa: B007 - the position is what is wanted
                drawn -= record.weight
                if drawn <= 0:
                    break
            ordered.append(group.pop(at))
    return ordered


def _interleave(lists: list[list[str]]) -> list[str]:
    """Take turns, so that a family that leads nowhere costs one try and not all (RFC 7984, RFC 8305
    §4).
    """
    longest = max((len(each) for each in lists), default=0)
    return [each[at] for at in range(longest) for each in lists if at < len(each)]
