"""The verbs of a party outside of calls: requests of its own, and what is made of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from math import ceil, inf
from typing import TYPE_CHECKING, Any, SupportsBytes

from sipparty.concurrency.waiting import verb
from sipparty.errors import UsageError
from sipparty.party.locating import hop_text, locate
from sipparty.party.notifying import NotificationVerbs
from sipparty.party.settings import Target
from sipparty.sip import ClientRequest, Flow, NextHop, Request
from sipparty.sip.fields import Field, field
from sipparty.sip.out_of_dialog import send_out_of_dialog
from sipparty.sip.routing import route_to
from sipparty.sip.user_headers import given_fields

if TYPE_CHECKING:
    from sipparty.sip import Composing, Ping, SentMessage, SimpleCall
    from sipparty.sip.dialog.transfer import Transfer
    from sipparty.sip.registering import BindingQuery
    from sipparty.sip.registration import Registration

__all__ = ["RequestVerbs"]


class RequestVerbs(NotificationVerbs):
    """What a party asks of others, calls aside; `Party` adds those."""

    @verb
    def send(
        self, request: Request, proxy: str | None = None, *, flow: Flow | None = None
    ) -> ClientRequest:
        """Send a request of its own, outside of any dialog; returns at once.

        Args:
            request: The request. A copy is sent, in which To, From, Call-ID, CSeq, Max-Forwards and
                Contact are filled in where they lack; it is `request` of what is returned.
            proxy: The next hop, as for `invite`.
            flow: A flow that is there already, as for `invite`.

        Raises:
            Incomplete: The uri lacks user or host.
            ParseError: The request-URI or the proxy is no address to send to.
            TypeError: It is no `Request`.
            UsageError: It is an INVITE, ACK or CANCEL, which are a call's.
        """
        if not isinstance(request, Request):
            raise TypeError(f'send() takes a Request("OPTIONS", "sip:bob@b.com"), not {request!r}.')
        if request.method in ("INVITE", "ACK", "CANCEL"):
            # Nobody here would acknowledge a 2xx, and the other side would hang up (§13.3.1.4).
            raise UsageError(f"{request.method} is not sent alone: call with party.invite(target).")
        agent = self._agent_now("send")
        request = request.copy()
        return send_out_of_dialog(agent, request, self._route(request, proxy), flow)

    def _route(self, request: Request, proxy: str | None) -> NextHop:
        """Put the proxy into a request; return where it goes first."""
        proxy = self.proxy if proxy is None else proxy
        if proxy is not None:
            request.add("Route", route_to(proxy), first=True)
        first = request.get("Route")
        return NextHop.of(request.uri_text if first is None else first.uri_text)

    @verb
    def refer(
        self,
        target: Target,
        to: Target | SimpleCall,
        proxy: str | None = None,
        *,
        reports: bool = True,
        headers: Mapping[str, Any] | Iterable[tuple[str, Any]] = (),
        patience: float | None = None,
    ) -> Transfer:
        """Ask somebody to call somebody, by REFER outside of a call (RFC 3515); returns at once.

        Args:
            target: Who is asked.
            to: Who is to be called; or a call of ours, whose other side is, in our place.
            proxy: The next hop, as for `invite`.
            reports: Whether `target` is to report what becomes of it. Without, the handle ends as
                soon as it has agreed to that (RFC 4488).
            headers: Further headers of the REFER.
            patience: Seconds to wait for the outcome; 240 by default.

        Returns:
            A handle to be waited for, as that of `call.transfer`.

        Raises:
            BuildError: A header cannot stand in a message.
            Incomplete: The uri lacks user or host.
            ParseError: An address is none.
            UsageError: A party that is meant does not listen, or the call is over.
        """
        from sipparty.sip.dialog.transfer import Transfer
        from sipparty.sip.dialog.transferring import transfer_target

        agent = self._agent_now("refer")
        uri, hop = locate(target)
        proxy = self.proxy if proxy is None else proxy
        routes = () if proxy is None else (route_to(proxy),)
        return Transfer(agent).begin(
            transfer_target(to),
            reports=reports,
            fields=given_fields(headers),
            patience=patience,
            sent_to=(uri, None if routes else hop, routes),
        )

    def options(self, target: Target, proxy: str | None = None) -> ClientRequest:
        """Ask what somebody can do (RFC 3261 §11); returns at once."""
        uri, hop = locate(target)
        if hop is not None and proxy is None:
            proxy = hop_text(hop)
        request = Request("OPTIONS", uri, [("Accept", "application/sdp")])
        return self.send(request, proxy)

    # ---------------------------------------------------------------- registration

    @verb
    def register(
        self,
        registrar: str | None = None,
        *,
        expires: int = 3600,
        proxy: str | None = None,
        outbound: str | Iterable[str] | None = None,
        contacts: Iterable[str] = (),
        q: float | None = None,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        gruu: str | None = None,
        use_mapped_address: bool = False,
    ) -> Registration:
        """Have a registrar know where the party is reached (RFC 3261 §10.2), and keep it so, until
        `registration.unregister()` or the party is closed; returns at once. A party that is to be
        called listens first.

        It is refreshed in time, formed anew where its flow is lost, and tried again where it
        fails, later and later. What is refused for good ends it in `Error`. While it stands, calls
        and requests of the party take its Service-Route and its flow, where they are given no
        `proxy` or `flow` of their own.

        Args:
            registrar: The registrar, as a host, host:port or URI; by default the host of the
                party's address.
            expires: The seconds that are asked for; the registrar may grant less.
            proxy: The next hop, as for `invite`; the party's own `proxy` by default.
            outbound: The outbound proxy, or several, that flows are formed through as RFC 5626 has
                it: each is registered by a flow of its own. "" is the next hop there is anyway.
                None for a plain registration.
            contacts: Further addresses to register: URIs, or Contact values with parameters, such
                as "<sip:alice@cell.example.com>;q=0.3".
            q: The preference of the party's own address among all, 0.0 to 1.0.
            headers: Further headers of the requests.
            gruu: "public" or "temporary" to have the GRUU of that kind (RFC 5627), if the registrar
                gives one, as the Contact of calls and requests.
            use_mapped_address: Whether the address that the registrar sees the party at is
                registered in the place of its own: behind a NAT, where the registrar does not see
                to that.

        Returns:
            The registration: `registration.wait(timeout)` in a thread, or `await registration`,
            until it stands.

        Raises:
            Incomplete: The uri lacks user or host.
            ParseError: The registrar, a proxy or a contact is no address.
            UsageError: There is a registration at that registrar; or `expires`, `q` or `gruu` is
                none.
        """
        from sipparty.sip.registration import Registration
        from sipparty.sip.user_headers import given_fields

        agent = self._agent_now("register")
        if outbound is None:
            routes = [self._routes(proxy)]
        else:
            hops = [outbound] if isinstance(outbound, str) else outbound
            if not isinstance(hops, Iterable):
                raise TypeError(
                    f'outbound is a list of proxies, ["sip:edge.example.com"], not {outbound!r}.'
                )
            routes = [(route_to(hop),) if hop else self._routes(proxy) for hop in hops]
        return Registration(
            agent,
            registrar,
            expires=expires,
            routes=routes,
            outbound=outbound is not None,
            contacts=contacts,
            q=q,
            headers=given_fields(headers),
            gruu=gruu,
            use_mapped_address=use_mapped_address,
        ).begin()

    @verb
    def fetch_bindings(
        self, registrar: str | None = None, *, proxy: str | None = None
    ) -> BindingQuery:
        """Ask a registrar where the party's address is registered (RFC 3261 §10.2.3); returns at
        once. `query.wait(timeout)`, or `await query`, gives a tuple of `Binding`.

        Args:
            registrar: The registrar, as for `register`.
            proxy: The next hop, as for `register`.

        Raises:
            Incomplete: The uri lacks user or host.
            ParseError: The registrar or the proxy is no address.
        """
        from sipparty.sip.registering import BindingQuery, registrar_uri

        agent = self._agent_now("fetch_bindings")
        return BindingQuery(agent, registrar_uri(agent, registrar), self._routes(proxy))

    @property
    def registration(self) -> Registration | None:
        """The registration that stands, or did and is tried again; None for none."""
        registration: Registration | None = (
            None if self._agent is None else self._agent.registration
        )
        return registration

    @verb
    def ping(
        self,
        target: Target,
        period: float = 30.0,
        proxy: str | None = None,
        *,
        timeout: float = 5.0,
        misses: int = 1,
        up: Collection[int] | None = None,
        flow: Flow | None = None,
    ) -> Ping:
        """Ask again and again whether somebody is there, by OPTIONS; the events are `TargetUp` and
        `TargetDown`. It goes on until its `stop`, or until the party is closed.

        Args:
            target: Who, as for `invite`.
            period: The most seconds between pings, of which 80 to 100 % are waited. For a target
                that is down they are doubled each time, up to 300.
            proxy: The next hop, as for `invite`.
            timeout: Seconds that an answer may take.
            misses: How many in a row have to be lost for a target to be down that was up.
            up: The statuses that count as up, such as `{200}`; None for any answer.
            flow: A flow that is there already, as for `invite`.

        Returns:
            The handle: `state` ("Up", "Down"), `round_trip`, `loss`, `sent`, `received`. To wait
            for it is to wait until it is known whether the target is there.

        Raises:
            Incomplete: The uri lacks user or host.
            ParseError: The target or the proxy is no address to send to.
            TypeError: `up` is no set of statuses.
            UsageError: A number is none above 0.
        """
        from sipparty.sip.ping import Ping

        for name, value in (("period", period), ("timeout", timeout), ("misses", misses)):
            if not (isinstance(value, int | float) and 0 < value < inf):
                raise UsageError(f"{name} is a number above 0: not {value!r}.")
        if not (up is None or (isinstance(up, Collection) and all(isinstance(s, int) for s in up))):
            raise TypeError(f"up is a set of statuses, such as {{200}}, not {up!r}.")
        agent = self._agent_now("ping")
        uri, hop = locate(target)
        if hop is not None and proxy is None:
            proxy = hop_text(hop)

        def send(user: object) -> ClientRequest:
            request = Request("OPTIONS", uri, [("Accept", "application/sdp")])
            return send_out_of_dialog(agent, request, self._route(request, proxy), flow, user)

        self._route(Request("OPTIONS", uri), proxy)  # what is no address is one now, not later
        ping = Ping(agent, uri, send, period, timeout, misses, up)
        ping.hit("begin")
        return ping

    @verb
    def message(
        self,
        target: Target,
        text: str | None = None,
        proxy: str | None = None,
        *,
        body: SupportsBytes | str = b"",
        content_type: str | None = None,
        expires: float | None = None,
        headers: Mapping[str, Any] | Iterable[tuple[str, Any]] = (),
        flow: Flow | None = None,
    ) -> SentMessage:
        """Send an instant message (RFC 3428); returns at once.

            party.message("bob@biloxi.com", "Lunch?").wait()

        One to the same target is sent when the one before it is answered (§8). What is larger than
        1300 bytes goes by TCP.

        Args:
            target: Who it is for, as for `invite`.
            text: The text.
            proxy: The next hop, as for `invite`.
            body: What is sent in the place of text: bytes, or a `Multipart`.
            content_type: The media type of the body; of text, "text/plain" by default.
            expires: Seconds that the message is of any use, sent as Expires with Date (§4).
            headers: Further headers.
            flow: A flow that is there already, as for `invite`.

        Returns:
            The message. To wait for it is to wait for its final response: what was not delivered
            raises `CallFailed`.

        Raises:
            Incomplete: The uri lacks user or host.
            ParseError: The target or the proxy is no address to send to.
            UsageError: There is nothing to be sent, its type is not given, `expires` is no number
                of seconds, or 64 messages to the target wait already.
        """
        from sipparty.sip.messaging import content_of

        fields, octets = content_of(text, body, content_type)
        lines = given_fields(headers, "content-type")
        if expires is not None:
            lines += _validity(expires)
        return self._message(target, [*lines, *fields], octets, proxy, flow)

    def _message(
        self,
        target: Target,
        fields: Iterable[Field],
        body: bytes,
        proxy: str | None,
        flow: Flow | None = None,
        when_over: Any = None,
    ) -> SentMessage:
        from sipparty.sip.messaging import SentMessage

        agent = self._agent_now("message")
        uri, hop = locate(target)
        if hop is not None and proxy is None:
            proxy = hop_text(hop)
        request = Request.of("MESSAGE", uri, list(fields), body)
        message = SentMessage(agent, uri, when_over=when_over)
        message.send_to(request, self._route(request, proxy), flow)
        return message

    @verb
    def composing(
        self, target: Target, proxy: str | None = None, *, content_type: str = "text/plain"
    ) -> Composing:
        """Notify somebody that a message to them is being written (RFC 3994): call it at each key
        that is pressed. A notice is sent when that begins, and one when nobody has called for 15
        seconds; the message itself ends it as well. Who refuses a notice gets no more.

        Args:
            target: Who the message will be for, as for `message`.
            proxy: The next hop, as for `message`.
            content_type: What is being written.

        Returns:
            The handle, the same one until it is over; its `stop` says that nobody is writing.

        Raises:
            Incomplete, ParseError: As for `message`.
        """
        from sipparty.sip.composing import notify_composing

        def send(document: bytes, when_over: Any) -> None:
            fields = [field("Content-Type", "application/im-iscomposing+xml")]
            self._message(target, fields, document, proxy, None, when_over)

        return notify_composing(self._agent_now("composing"), locate(target)[0], send, content_type)


def _validity(expires: float) -> list[Field]:
    """Return what says until when a message is of use (RFC 3428 §4)."""
    from datetime import UTC, datetime

    from sipparty.sip.typed import Date

    if not (isinstance(expires, int | float) and 0 < expires < 2**32):
        raise UsageError(f"expires is in seconds, above 0 and below 2**32: not {expires!r}.")
    now = str(Date.of(datetime.now(UTC)))
    return [field("Expires", str(ceil(expires))), field("Date", now)]
