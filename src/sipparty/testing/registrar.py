"""A registrar for tests: the role of RFC 3261 §10.3, small, and as obedient as it is asked to be.

    registrar = Registrar(core, "biloxi.com", {"bob": "zanzibar"})
    network.attach(core, ("10.0.0.5", 5060), endpoint="registrar")
    ...                                             # somebody registers
    registrar.contacts("sip:bob@biloxi.com")        # where bob is reached, the preferred one first

It knows Digest (§22), Path (RFC 3327), Service-Route (RFC 3608), outbound (RFC 5626 §6) and GRUUs
(RFC 5627 §5). What a test needs of a registrar that misbehaves is an attribute: `silent`, `script`,
`restart()`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from sipparty.records import Record
from sipparty.sip.auth import Authenticated, DigestServer
from sipparty.sip.bindings import read_number
from sipparty.sip.fields import Field, field
from sipparty.sip.flow import Flow
from sipparty.sip.grammar import split_list
from sipparty.sip.message import Request, Response
from sipparty.sip.transaction import ServerTransaction
from sipparty.sip.uri_grammar import split_sip_uri
from sipparty.sip.uri_parameters import unescape
from sipparty.sip.values import DNameURI

__all__ = ["RegisteredContact", "Registrar"]


class RegisteredContact(Record):
    """One binding (RFC 3261 §10.3).

    Args:
        value: The Contact value as it was registered, without its `expires`.
        expires_at: When it ends, in seconds of the core's clock.
        call_id: The Call-ID of the request that made or refreshed it.
        number: Its CSeq number.
        flow: The flow that it came by (RFC 5626 §6).
        path: The Path values (RFC 3327 §5.3): the Route of requests to it, in this order.
    """

    value: DNameURI
    expires_at: float
    call_id: str
    number: int
    flow: Flow
    path: tuple[str, ...]

    @property
    def uri(self) -> str:
        """The URI that requests for it have as Request-URI."""
        return self.value.uri_text

    @property
    def instance(self) -> str | None:
        """The instance ID, without quotes and angle brackets; None where it has none."""
        text = self.value.parameter("+sip.instance")
        return text.strip("<>") if text else None

    @property
    def reg_id(self) -> str | None:
        """The reg-id, as text; None where it has none, or no instance ID to go with it."""
        return self.value.parameter("reg-id") if self.instance else None

    @property
    def preference(self) -> float:
        """Its q; 1.0 where it has none."""
        try:
            return float(self.value.parameter("q") or 1.0)
        except ValueError:
            return 0.0


class Registrar:
    """A registrar, as a role of a core; it takes REGISTER requests for its domain.

    Args:
        core: The core; this becomes the first of its roles.
        domain: The host of the Request-URIs that it serves, which is its realm as well.
        accounts: Passwords by user; None to ask for none.
        least: The shortest time, in seconds: what asks for less gets 423.
        most: The longest, which is what it grants who asks for more.
        default: What it grants who says nothing.
        service_route: What 2xx responses say in Service-Route.
        outbound: Whether it knows RFC 5626.
        flow_timer: What it says in Flow-Timer; None for nothing.
        gruu: Whether it gives GRUUs.

    Attributes:
        received: The requests that it got, copies and those without credentials too.
        script: What the next requests are answered with, in the place of what is right: pairs of a
            status and headers, `(503, [("Retry-After", "20")])`. None lets one pass.
        silent: Whether it answers nothing at all.
        address: What leads to it, for a party's `proxy`: its domain, unless who made it says more.
    """

    def __init__(
        self,
        core: Any,
        domain: str,
        accounts: Mapping[str, str] | None = None,
        *,
        least: int = 0,
        most: int = 7200,
        default: int = 3600,
        service_route: Iterable[str] = (),
        outbound: bool = False,
        flow_timer: int | None = None,
        gruu: bool = False,
    ) -> None:
        self.core = core
        self.domain = domain
        self.accounts = accounts
        self.least = least
        self.most = most
        self.default = default
        self.service_route = tuple(service_route)
        self.outbound = outbound
        self.flow_timer = flow_timer
        self.gruu = gruu
        self.silent = False
        self.address = domain
        self.received: list[Request] = []
        self.script: deque[tuple[int, Iterable[tuple[str, str]]] | None] = deque()
        self._bindings: dict[str, list[RegisteredContact]] = {}
        self._temporary = 0
        self.restart()
        core.roles.insert(0, self)

    def restart(self) -> None:
        """Forget every binding and nonce, as a registrar without a database does that is started
        again.
        """
        self._bindings.clear()
        self._server = None
        if self.accounts is not None:
            tokens, accounts = self.core.tokens, self.accounts
            self._server = DigestServer(
                self.domain,
                lambda user, _: accounts.get(user),
                secret=bytes.fromhex(tokens.hexadecimal(32)),
                tokens=tokens.tag,
            )

    def contacts(self, address: str) -> list[RegisteredContact]:
        """Return the bindings of an address of record that have not expired, those with the highest
        q first, and of these the latest.
        """
        return self._kept(_canonical(address))

    def _kept(self, address: str) -> list[RegisteredContact]:
        now = self.core.timers.now
        kept = [one for one in self._bindings.get(address, []) if one.expires_at > now]
        return sorted(
            kept, key=lambda one: (one.preference, one.expires_at, one.number), reverse=True
        )

    # ---------------------------------------------------------------- a role

    def request(self, transaction: ServerTransaction) -> bool:
        """Take a REGISTER for the domain."""
        request = transaction.request
        if request.method != "REGISTER" or split_sip_uri(request.uri_text).host != self.domain:
            return False
        self.received.append(request.copy())
        if self.silent:
            transaction.release()
            return True
        wanted = self.script.popleft() if self.script else None
        if wanted is not None:
            self._answer(transaction, *wanted)
        elif self._is_admitted(transaction):
            self._register(transaction)
        return True

    def ack(self, request: Request, flow: Flow) -> bool:
        """Leave it to others."""
        return False

    def cancel(self, transaction: ServerTransaction, invite: ServerTransaction | None) -> bool:
        """Leave it to others."""
        return False

    def stray_response(self, response: Response, flow: Flow) -> bool:
        """Leave it to others."""
        return False

    # ---------------------------------------------------------------- RFC 3261 §10.3

    def _answer(
        self, transaction: ServerTransaction, status: int, headers: Iterable[tuple[str, str]] = ()
    ) -> None:
        transaction.answer(status, None, [field(*header) for header in headers])

    def _is_admitted(self, transaction: ServerTransaction) -> bool:
        """Steps 3 and 4: who it is, and whether the address of record is theirs."""
        request, server = transaction.request, self._server
        if server is None:
            return True
        now = self.core.timers.now
        source = transaction.flow.remote[0]
        verdict = server.verify(request.lines("Authorization"), "REGISTER", now=now, source=source)
        if not isinstance(verdict, Authenticated):
            self._answer(transaction, verdict.status, verdict.headers)
            return False
        if unescape(split_sip_uri(_to(request)).user or "") != verdict.username:
            self._answer(transaction, 403)
            return False
        transaction.extra = (field(*server.authentication_info(verdict, now)),)
        return True

    def _register(self, transaction: ServerTransaction) -> None:
        request = transaction.request
        address = _canonical(_to(request))
        if not address.endswith(f"@{self.domain}"):
            self._answer(transaction, 404)
            return
        path = _values(request, "Path")
        supported = {tag.lower() for tag in request.get("Supported", ())}
        if path and "path" not in supported:  # RFC 3327 §5.3
            self._answer(transaction, 420, [("Unsupported", "path")])
            return
        given = [DNameURI.parse(text) for text in _values(request, "Contact")]
        refusal = self._refusal(request, given, path, supported)
        if refusal is not None:
            self._answer(transaction, *refusal)
            return
        kept = self._updated(transaction, address, given, path)
        if kept is None:
            self._answer(transaction, 500, [("Retry-After", "0")])  # out of order
            return
        self._bindings[address] = kept
        fields = self._contact_fields(address, "gruu" in supported)
        fields += [field("Path", text) for text in path]
        fields += [field("Service-Route", text) for text in self.service_route]
        if self._is_outbound(given, supported):
            fields.append(field("Require", "outbound"))
            if self.flow_timer is not None:
                fields.append(field("Flow-Timer", str(self.flow_timer)))
        transaction.answer(200, None, fields)

    def _is_outbound(self, given: list[DNameURI], supported: set[str]) -> bool:
        named = any(one.parameter("reg-id") and one.parameter("+sip.instance") for one in given)
        return self.outbound and "outbound" in supported and named

    def _refusal(
        self, request: Request, given: list[DNameURI], path: list[str], supported: set[str]
    ) -> tuple[int, list[tuple[str, str]]] | None:
        """Return what an invalid request is answered with; None where there is nothing wrong."""
        if any(one.is_wildcard for one in given):
            if len(given) > 1 or request.get("Expires") != 0:
                return 400, []
            return None
        times = [self._asked(request, one) for one in given]
        if any(0 < time < min(self.least, 3600) for time in times):
            return 423, [("Min-Expires", str(self.least))]
        if self._is_outbound(given, supported):
            direct = len(_values(request, "Via")) == 1
            ob = path and ";ob" in DNameURI.parse(path[0]).uri_text
            if not direct and not ob:  # RFC 5626 §6
                return 439, []
            if len([time for time in times if time]) > 1:
                return 400, []
        return None

    def _asked(self, request: Request, contact: DNameURI) -> int:
        text = contact.parameter("expires")
        if text is not None:
            found = read_number(text, 10)
            return 3600 if found is None else found  # §10.2: what is malformed
        expires = request.get("Expires")
        return self.default if expires is None else int(expires)

    def _updated(
        self,
        transaction: ServerTransaction,
        address: str,
        given: list[DNameURI],
        path: list[str],
    ) -> list[RegisteredContact] | None:
        """Return the bindings as a request makes them; None where it comes out of order."""
        request, now = transaction.request, self.core.timers.now
        call_id, number = request.facts.call_id or "", request.facts.number
        kept = self._kept(address)
        for contact in given:
            seconds = 0 if contact.is_wildcard else min(self._asked(request, contact), self.most)
            value = DNameURI.parse(str(contact))
            value.parameters.pop("expires", None)
            made = RegisteredContact(
                value, now + seconds, call_id, number, transaction.flow, tuple(path)
            )
            same = [one for one in kept if contact.is_wildcard or self._is_same(one, made)]
            if any(one.call_id == call_id and one.number >= number for one in same):
                return None
            kept = [one for one in kept if one not in same]
            if seconds:
                kept.append(made)
        return kept

    def _is_same(self, one: RegisteredContact, other: RegisteredContact) -> bool:
        """Whether two bindings are one: by instance and reg-id (RFC 5626 §6), else by URI."""
        if self.outbound and one.reg_id and other.reg_id:
            return (one.instance, one.reg_id) == (other.instance, other.reg_id)
        return one.value.uri.equivalent(other.value.uri)

    def _contact_fields(self, address: str, gruu: bool) -> list[Field]:
        fields = []
        for one in self._kept(address):
            value = DNameURI.parse(str(one.value))
            value.parameters["expires"] = int(one.expires_at - self.core.timers.now)
            if self.gruu and gruu and one.instance:
                self._temporary += 1
                public = f"sip:{address};gr={one.instance}"
                value.parameters.add("pub-gruu", public, quoted=True)
                temporary = f"sip:tgruu.{self._temporary}@{self.domain};gr"
                value.parameters.add("temp-gruu", temporary, quoted=True)
            fields.append(field("Contact", str(value)))
        return fields


def _to(request: Request) -> str:
    """Return the address of record (§10.3 step 5)."""
    return DNameURI.parse(request._text("to") or "").uri_text


def _canonical(address: str) -> str:
    """Return an address of record without what is no part of its identity (§10.3 step 5)."""
    parts = split_sip_uri(address)
    return f"{unescape(parts.user or '')}@{parts.host}"


def _values(request: Request, name: str) -> list[str]:
    """Return the values of a header, each alone."""
    return [value for line in request.lines(name) for value in split_list(line, name)]
