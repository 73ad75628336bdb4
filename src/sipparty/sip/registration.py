"""Registration (RFC 3261 §10.2), by one flow or several (RFC 5626): what `party.register` returns.

    registration = party.register()
    registration.wait(timeout=10)                     it is Registered
    registration.bindings, registration.remaining     who is where, and for how long
    registration.unregister()

Laws:

* It stands as long as one of its flows does. Each flow has a machine of its own
  (`RegistrationFlow`), which refreshes, backs off and forms the flow anew.
* An attempt that fails leaves it in Retrying, and it goes on by itself; what is refused for good,
  by each flow, ends it in Error.
* While it stands, requests of its user agent outside of dialogs take its route, its flow and its
  Contact, where the program names no route of its own (RFC 3608 §6.1, RFC 5626 §4.3).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar, Self

from sipparty.errors import CallFailed, UsageError, copy_of
from sipparty.fsm import Row, Timer, verb
from sipparty.sip.bindings import Binding, bindings_of, values_of
from sipparty.sip.events import Event
from sipparty.sip.fields import Field
from sipparty.sip.flow import Address, Flow
from sipparty.sip.handle import Service
from sipparty.sip.message import Response
from sipparty.sip.outbound import RegisteredRoute, make_instance, service_route_of
from sipparty.sip.registering import BindingQuery, contact_value, registrar_uri
from sipparty.sip.registration_flow import RegistrationFlow
from sipparty.sip.routing import is_secure
from sipparty.sip.values import DNameURI

if TYPE_CHECKING:
    from sipparty.sip.agent import UserAgent

__all__ = [
    "Registered",
    "Registration",
    "RegistrationDelayed",
    "RegistrationEvent",
    "RegistrationFailed",
    "RegistrationLost",
    "RegistrationOver",
    "RegistrationRefreshed",
    "Unregistered",
]


class RegistrationEvent(Event):
    """Something happened to a registration.

    Args:
        agent: The user agent whose registration it is.
        registration: The registration.
    """

    registration: Registration
    SUBJECT = "registration"


class Registered(RegistrationEvent):
    """A registration stands: for the first time, or again after it was lost."""


class RegistrationRefreshed(RegistrationEvent):
    """A registration that stands was refreshed, or got another flow."""


class RegistrationLost(RegistrationEvent):
    """A registration does not stand any more, as far as is known; it is tried anew.

    Args:
        error: Why.
        seconds: After how long it is tried; 0.0 for at once.
    """

    error: CallFailed
    seconds: float


class RegistrationDelayed(RegistrationEvent):
    """An attempt has failed, and there is another one.

    Args:
        error: Why.
        seconds: After how long; 0.0 for at once.
    """

    error: CallFailed
    seconds: float


class RegistrationOver(RegistrationEvent):
    """A registration is over, one way or the other: what its last event is."""


class RegistrationFailed(RegistrationOver):
    """A registration was refused for good, or given up.

    Args:
        error: Why.
    """

    error: CallFailed


class Unregistered(RegistrationOver):
    """A registration has ended as it was asked to.

    Args:
        error: Why the registrar has not confirmed that; None where it has.
    """

    error: CallFailed | None


_OPEN = ("Initial", "Registering", "Registered", "Retrying")


class Registration(Service):
    """A registration of a user agent at a registrar; made by `party.register()`, which describes
    the arguments.

    Its states: `Registering` until the first outcome, `Registered` while it stands, `Retrying`
    while an attempt after a failure is waited for or under way, `Unregistering`, and in the end
    `Terminated` or `Error`.

    Attributes:
        registrar: The registrar's URI.
        expires: The seconds that are asked for.
        flows: Its flows, in order of reg-id.
        route: The way that requests of its user agent take while it stands.
        gruu: Which GRUU is the Contact of these: "public", "temporary", or None for neither.
        last_error: Why it is in `Retrying` or in `Error`; None elsewhere.
    """

    WHAT = "The registration"
    LAST_EVENT = RegistrationOver

    table = (
        Row("Initial", "begin", "Registering", "_start"),
        Row(("Registering", "Retrying"), "registered", "Registered", "_report_registered"),
        Row("Registered", "registered", "Registered", "_report_refreshed"),
        Row("Registered", "delayed", "Retrying", "_report_lost"),
        Row(("Registering", "Retrying"), "delayed", "Retrying", "_report_delayed"),
        Row(("Registering", "Registered", "Retrying"), "over", "Error", "_fail"),
        Row("Initial", "terminate", "Terminated"),
        Row(("Registering", "Registered", "Retrying"), "terminate", "Unregistering", "_end_flows"),
        Row("Unregistering", ("over", "timer_expires"), "Terminated", "_report_over"),
        Row("Unregistering", ("registered", "delayed"), "Unregistering"),
        Row(("Registering", "Registered", "Retrying", "Unregistering"), "failed", "Error", "_fail"),
    )
    timers = (Timer("timer_expires", "PATIENCE", "Unregistering"),)
    final = ("Terminated", "Error")

    registrar: str

    #: Seconds that ending may take: a little more than its flows take.
    PATIENCE: ClassVar[float] = 2 * RegistrationFlow.PATIENCE + 1.0

    def __init__(
        self,
        agent: UserAgent,
        registrar: str | None = None,
        *,
        expires: int = 3600,
        routes: Sequence[Sequence[str]] = ((),),
        outbound: bool = False,
        contacts: Iterable[str] = (),
        q: float | None = None,
        headers: Sequence[Field] = (),
        gruu: str | None = None,
        use_mapped_address: bool = False,
    ) -> None:
        uri = registrar_uri(agent, registrar)
        others = (one for one in agent.services if isinstance(one, Registration))
        former = next((one for one in others if one.registrar == uri), None)
        if former is not None:
            raise UsageError(
                f"{agent.user}@{agent.host} has a registration at {uri} already, in the state"
                f" {former.state}: refresh() it, or unregister() it first."
            )
        if not isinstance(expires, int) or isinstance(expires, bool) or not 0 < expires < 2**32:
            raise UsageError(f"expires is a number of seconds, 1 to 2**32 - 1, not {expires!r}.")
        if q is not None and not 0 <= q <= 1:
            raise UsageError(f"q is from 0.0 to 1.0 (RFC 3261 §20.10), not {q!r}.")
        if not routes:
            raise UsageError('There is no outbound proxy: outbound=["sip:edge.example.com"].')
        if isinstance(contacts, str):
            raise TypeError(f"contacts is a list of addresses, [{contacts!r}], not one.")
        if gruu not in (None, "public", "temporary"):
            raise UsageError(f'gruu is "public", "temporary" or None, not {gruu!r}.')
        super().__init__(agent)
        self.registrar = uri
        self.expires = expires
        self.headers = headers
        self.removes_all = False
        self._refreshing = False
        self._further = tuple(contact_value(str(one)) for one in contacts)
        self._q = q
        self.gruu = gruu
        self.route = RegisteredRoute(self)
        self._mapped = use_mapped_address
        self._instance = agent.instance_id
        if self._instance is None and (outbound or gruu is not None):
            self._instance = agent.instance_id = make_instance(agent)
        self.flows = [
            RegistrationFlow(self, uri, tuple(route), number if outbound else 0)
            for number, route in enumerate(routes, 1)
        ]
        #: The flow that the registrar has answered by last.
        self._answered: RegistrationFlow | None = None

    # ---------------------------------------------------------------- verbs

    def begin(self) -> Self:
        """Send the first request; called once, by whoever made it."""
        self.hit("begin")
        return self

    @verb
    def refresh(self, expires: int | None = None) -> Self:
        """Register again now, whether it stands or the next attempt is waited for; returns at
        once. `registration.refresh().wait()` waits for the outcome.

        Args:
            expires: The seconds to ask for from now on; None for as before.

        Raises:
            UnexpectedInput: It is over, or is being ended.
        """
        if self.state not in ("Registering", "Registered", "Retrying"):
            raise self._unexpected("refresh")
        if expires is not None:
            if not isinstance(expires, int) or not 0 < expires < 2**32:
                raise UsageError(f"expires is a number of seconds, not {expires!r}.")
            self.expires = expires
        self._refreshing = True
        for flow in self.flows:
            flow.hear("start")
        return self

    @verb
    def unregister(self, *, everything: bool = False) -> Self:
        """Remove the binding, and end the registration; returns at once.

        Args:
            everything: Whether every binding of the address of record is removed, those of other
                user agents too (`Contact: *`, RFC 3261 §10.2.2).

        Raises:
            UnexpectedInput: It is over, or is being ended.
        """
        if not self.takes("terminate"):
            raise self._unexpected("terminate")
        self.removes_all = everything
        self.hit("terminate")
        return self

    @verb
    def fetch(self) -> BindingQuery:
        """Ask the registrar who is registered for the address of record (§10.2.3); returns at
        once. `query.wait()`, or `await query`, gives a tuple of `Binding`.
        """
        return BindingQuery(self.agent, self.registrar, self._live_or_first().routes)

    # ---------------------------------------------------------------- what a user reads

    def settled(self, state: str) -> bool:
        """Whether the first attempt, a refresh that was asked for, or the end, has its outcome."""
        if self._refreshing and state not in self.final:
            return False
        return state not in ("Initial", "Registering", "Unregistering")

    def _outcome(self) -> Self:
        if self.state == "Retrying" and self.last_error is not None:
            raise copy_of(self.last_error)
        return super()._outcome()

    @property
    def expires_at(self) -> float | None:
        """When the last of its flows expires unless it is refreshed, in seconds of the engine's
        clock; None while it does not stand.
        """
        return max(
            (one.expires_at for one in self.flows if one.expires_at is not None), default=None
        )

    @property
    def remaining(self) -> float:
        """For how many seconds it stands if it is not refreshed; 0.0 while it does not."""
        until = self.expires_at
        if until is None:
            return 0.0
        loop = getattr(self.portal, "loop", None)
        now = self.core.timers.now if loop is None else loop.time()
        return max(0.0, until - float(now))

    @property
    def response(self) -> Response | None:
        """The 2xx that it stands by; None while it does not."""
        live = self.live
        return None if live is None else live.response

    @property
    def bindings(self) -> tuple[Binding, ...]:
        """All bindings of the address of record, as the registrar said last; those of other user
        agents too. Empty while it does not stand.
        """
        latest = self._answered
        said = self.response if latest is None or latest.response is None else latest.response
        return () if self.response is None or said is None else bindings_of(said)

    @property
    def contact(self) -> str:
        """The Contact value that is registered; "" before it is."""
        return self._live_or_first().contact

    @property
    def path(self) -> tuple[str, ...]:
        """The proxies that requests to it pass (RFC 3327 §5.1), as values of Path."""
        return () if self.response is None else values_of(self.response, "Path")

    @property
    def service_route(self) -> tuple[str, ...]:
        """The Route that its requests take (RFC 3608 §6.1), as values of Service-Route."""
        return () if self.response is None else service_route_of(self.response)

    @property
    def public_gruu(self) -> str | None:
        """The public GRUU (RFC 5627); None where the registrar gives none."""
        return self._of_binding("public_gruu")

    @property
    def temporary_gruu(self) -> str | None:
        """The latest temporary GRUU; None where the registrar gives none."""
        return self._of_binding("temporary_gruu")

    @property
    def mapped_address(self) -> Address | None:
        """Our address as the other side of the flow sees it (RFC 3581): that of a NAT, where one is
        in between. None before the first response.
        """
        return self._live_or_first().mapped_address

    @property
    def live(self) -> RegistrationFlow | None:
        """The first flow that stands; None while none does."""
        return next((one for one in self.flows if one.stands and one.response), None)

    def _of_binding(self, name: str) -> str | None:
        live = self.live
        binding = None if live is None else live.binding
        return None if binding is None else getattr(binding, name)

    def _live_or_first(self) -> RegistrationFlow:
        return self.live or self.flows[0]

    # ---------------------------------------------------------------- what its flows ask

    def has_other(self, flow: RegistrationFlow) -> bool:
        """Whether another flow than one stands."""
        return any(one.stands for one in self.flows if one is not flow)

    def chance(self) -> float:
        """Return a number from 0 up to 1."""
        return float(self.core.tokens.number(16) / 0x10000)

    def receives_by(self, flow: Flow) -> bool:
        """Whether the agent still receives what comes by a flow."""
        return not flow.closed and self.agent in self.core.directory.agents_at(flow)

    def contact_on(self, registering: RegistrationFlow, flow: Flow | None = None) -> str:
        """Return the Contact value of our own that is registered by a flow, without parameters."""
        agent = self.agent
        flow = flow or registering.flow
        assert flow is not None
        address = agent.address_on(flow)
        if self._mapped and registering.mapped_address is not None:
            address = registering.mapped_address
        return agent.contact_at(address, flow.transport, is_secure(agent.uri))

    def contacts_of(self, contact: str, reg_id: int, *, removed: bool = False) -> tuple[str, ...]:
        """Return the Contact values of a request: our own with its parameters, and the others;
        those of a removal have no time of their own.
        """
        parameters = "" if self._q is None else f";q={self._q:g}"
        if self._instance is not None:
            parameters += f';+sip.instance="<{self._instance}>"'  # RFC 5626 §4.1
            parameters += f";reg-id={reg_id}" if reg_id else ""
        further = [DNameURI.parse(text) for text in self._further]
        for value in further if removed else ():
            value.parameters.pop("expires", None)
        return (contact + parameters, *map(str, further))

    def flow_changed(self, flow: RegistrationFlow) -> None:
        """Take note of what a flow has come to."""
        agent = self.agent
        if self not in agent.services:
            return
        if agent.registration is self:
            agent.contact_changed()
        if all(one.state == "Over" for one in self.flows):
            self.hear("over", flow.error)
        elif flow.state == "Registered":
            self._answered = flow
            self.hear("registered")
        elif flow.error is not None and not flow.stands and not self.has_other(flow):
            waits = [one.delay for one in self.flows if one.state == "BackingOff"]
            now = flow.state == "Sending" or not waits
            self.hear("delayed", flow.error, 0.0 if now else min(waits))
        asking = any(one.is_asking for one in self.flows)
        if self._refreshing and not (asking and (flow.is_asking or flow.state != "Registered")):
            # The outcome of a refresh that was asked for: of one flow that is good, or of all.
            self._refreshing = False
            self._notify()

    def flow_lost(self, flow: Flow, reason: str) -> None:
        """Take note that a flow does not carry any more, as a keep-alive says."""
        for one in self.flows:
            one.flow_lost(flow, reason)

    def address_changed(self) -> None:
        """Register again where the agent is reached at another address, or by another socket."""
        for one in self.flows:
            if one.state == "Registered" and one.flow is not None:
                gone = not self.receives_by(one.flow) and self.core.directory.endpoints(self.agent)
                if gone or self.contact_on(one) != one.contact:
                    one.hear("moved")

    # ---------------------------------------------------------------- actions

    def _start(self) -> None:
        self.agent.services[self] = None
        for flow in self.flows:
            flow.hit("start")

    def _report_registered(self) -> None:
        self.last_error = None
        agent = self.agent
        if agent.registration is None:
            agent.registration = self
        agent.contact_changed()
        # RFC 3327 §5.1, RFC 5626 §4.3, RFC 5627 §4.4: from here on all requests say so.
        outbound = any(one.outbound for one in self.flows)
        agent.support("path", *["outbound"] * outbound, *["gruu"] * (self.gruu is not None))
        self._emit(Registered)

    def _report_refreshed(self) -> None:
        self._emit(RegistrationRefreshed)

    def _report_lost(self, error: CallFailed, seconds: float) -> None:
        self.last_error = error
        self._emit(RegistrationLost, error, seconds)

    def _report_delayed(self, error: CallFailed, seconds: float) -> None:
        self.last_error = error
        self._emit(RegistrationDelayed, error, seconds)

    def _end_flows(self) -> None:
        for flow in self.flows:
            flow.hear("withdraw")

    def _fail(self, error: CallFailed) -> None:
        self.last_error = error
        self._leave()
        self._emit(RegistrationFailed, error)

    def _report_over(self, *_: object) -> None:
        self.last_error = None
        self._leave()
        self._emit(Unregistered, next((one.unremoved for one in self.flows if one.unremoved), None))

    def _leave(self) -> None:
        agent = self.agent
        agent.services.pop(self, None)
        for flow in self.flows:
            flow.hear("drop")
        if agent.registration is self:
            others = (one for one in agent.services if isinstance(one, Registration))
            agent.registration = next((one for one in others if one.live), None)
            agent.contact_changed()
