"""Asking name servers: one `Question` in, one `Answer` with its lifetime out.

Laws:

* Whatever comes back is an `Answer`: a name that does not exist, a server that is silent or says
  no, a name that cannot be asked. Nothing is raised.
* dnspython is imported when the first question is asked.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import logging
import socket
import threading
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol

from sipparty.transport.targets import NAPTR, SRV, Answer, Question, RecordType

__all__ = ["Answered", "DNSLookup", "Lookup", "SystemLookup", "default_lookup"]

_log = logging.getLogger("sipparty.transport.resolver")


class Answered(NamedTuple):
    """An answer and how long it is good.

    Args:
        answer: What was said.
        ttl: In seconds; None where nothing says.
    """

    answer: Answer
    ttl: float | None = None


class Lookup(Protocol):
    """What a resolver asks."""

    async def __call__(self, question: Question) -> Answered:
        """Answer a question; raise nothing."""


class DNSLookup:
    """Asks DNS servers, with dnspython; a truncated answer is asked for again over TCP.

    Args:
        nameservers: Their numeric addresses, each alone or with a port; None for the system's
        (`/etc/resolv.conf`).
        timeout: How long one server may take, in seconds, before the next is asked.
        lifetime: How long all of them together may take, in seconds.
    """

    def __init__(
        self,
        nameservers: Iterable[str | tuple[str, int]] | None = None,
        *,
        timeout: float = 1.5,
        lifetime: float = 4.0,
    ) -> None:
        self._nameservers = None if nameservers is None else list(nameservers)
        self._timeout = timeout
        self._lifetime = lifetime
        self._resolver: Any = None

    def _make(self) -> Any:
        resolver = importlib.import_module("dns.asyncresolver").Resolver(
            configure=self._nameservers is None
        )
        if self._nameservers is not None:
            server = importlib.import_module("dns.nameserver").Do53Nameserver
            resolver.nameservers = [
                server(*((each, 53) if isinstance(each, str) else each))
                for each in self._nameservers
            ]
        resolver.timeout = self._timeout
        resolver.lifetime = self._lifetime
        resolver.retry_servfail = False
        return resolver

    async def __call__(self, question: Question) -> Answered:
        """Answer a question."""
        try:
            errors = importlib.import_module("dns.exception")
            dns_resolver = importlib.import_module("dns.resolver")
        except OSError as error:
            # No file descriptor to read it with, as a rule.
            return Answered(Answer((), _failure(question, error)))
        try:
            if self._resolver is None:
                self._resolver = self._make()
            # An absolute name: no search list makes another one of it.
            name = importlib.import_module("dns.name").from_text(question.name + ".")
            found = await self._resolver.resolve(
                name, question.type.value, raise_on_no_answer=False, search=False
            )
        except dns_resolver.NXDOMAIN as error:
            return Answered(Answer(), _negative_ttl(error))
        except (errors.DNSException, OSError, ValueError) as error:
            # ValueError: UnicodeError of a name that cannot be written in the DNS.
            return Answered(Answer((), _failure(question, error)))
        ttl = float(found.chaining_result.minimum_ttl)
        read = _READERS[question.type]
        return Answered(Answer(tuple(read(record) for record in found.rrset or ())), ttl)


def _failure(question: Question, error: Exception) -> str:
    """Say in a clause why a question has no answer."""
    reasons = {
        "LifetimeTimeout": "no name server answered in time",
        "NoNameservers": "no name server gave an answer",
        "NoResolverConfiguration": "no name server is configured",
    }
    kind = type(error).__name__
    reason = reasons.get(kind, f"{kind}: {error}"[:200])
    return f"{question.type.value} of {question.name[:80]!r}: {reason}"


def _negative_ttl(error: Any) -> float | None:
    """Return how long the news that there is no such name is good (RFC 2308 §5)."""
    try:
        ttls = [response.resolve_chaining().minimum_ttl for response in error.responses().values()]
    except Exception:  # an odd response: dnspython's errors, imported only when needed
        return None
    return min((float(ttl) for ttl in ttls), default=None)


def _text(name: Any) -> str:
    return str(name).rstrip(".")


def _octets(data: bytes) -> str:
    return data.decode("ascii", "replace")


#: How each kind of dnspython's records is read.
_READERS: dict[RecordType, Callable[[Any], SRV | NAPTR | str]] = {
    RecordType.A: lambda record: str(record.address),
    RecordType.AAAA: lambda record: str(record.address),
    RecordType.SRV: lambda record: SRV(
        record.priority, record.weight, record.port, _text(record.target)
    ),
    RecordType.NAPTR: lambda record: NAPTR(
        record.order,
        record.preference,
        _octets(record.flags),
        _octets(record.service),
        _octets(record.regexp),
        _text(record.replacement),
    ),
}

_FAMILIES = {RecordType.A: socket.AF_INET, RecordType.AAAA: socket.AF_INET6}
#: That there is no such name, or no address of this kind; not every system has the second.
_NO_SUCH_NAME = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}


class SystemLookup:
    """Asks the system's resolver, which knows addresses only: for want of dnspython.

    Each question has a thread of its own: no exit of the program waits for it.
    """

    async def __call__(self, question: Question) -> Answered:
        """Answer a question; there are no SRV and NAPTR records here."""
        family = _FAMILIES.get(question.type)
        if family is None:
            return Answered(Answer())
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answered] = loop.create_future()

        def give(answered: Answered) -> None:
            if not future.done():
                future.set_result(answered)

        def ask() -> None:
            answered = _ask_system(question, family)
            try:
                loop.call_soon_threadsafe(give, answered)
            except RuntimeError:
                pass  # the loop was closed, and nobody waits

        try:
            threading.Thread(target=ask, name="sipparty-resolver", daemon=True).start()
        except RuntimeError as error:
            return Answered(Answer((), _failure(question, error)))
        return await future


def _ask_system(question: Question, family: socket.AddressFamily) -> Answered:
    try:
        found = socket.getaddrinfo(question.name, None, family=family, type=socket.SOCK_DGRAM)
    except socket.gaierror as error:
        if error.errno in _NO_SUCH_NAME:
            return Answered(Answer())
        reason = f"{question.type.value} of {question.name[:80]!r}: {error.strerror}"
        return Answered(Answer((), reason))
    except (OSError, ValueError) as error:
        return Answered(Answer((), _failure(question, error)))
    return Answered(Answer(tuple(dict.fromkeys(str(entry[4][0]) for entry in found))))


def default_lookup() -> Lookup:
    """Return a lookup in the DNS, or in the system's resolver where dnspython is not installed."""
    if importlib.util.find_spec("dns") is not None:
        return DNSLookup()
    _log.warning(
        "dnspython is not installed: domains are found by their addresses alone, without NAPTR and "
        "SRV records. Install it to find next hops as RFC 3263 says."
    )
    return SystemLookup()
