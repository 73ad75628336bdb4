"""Party: somebody who makes and takes calls. The top of sipparty.

    alice = AudioParty("alice@atlanta.com")
    call = alice.invite("bob@biloxi.com", proxy="10.0.0.2")
    call.wait()
    call.terminate()

Verbs return at once. A party works from a script, a REPL or a notebook, where its engine runs on a
thread, and in asyncio: inside `async with Party(...) as alice` it uses the running loop.

A kind of party is a subclass that says which dialogs it takes part in (`ClientDialog`,
`ServerDialog`) and which media it offers (`MediaSession`).

The engine, with asyncio and the transports, is loaded when a party first needs it.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NoReturn, Self

from sipparty.concurrency.waiting import verb
from sipparty.errors import Incomplete, UsageError
from sipparty.party import setting as checks
from sipparty.party.locating import locate
from sipparty.party.requests import RequestVerbs
from sipparty.party.setting import media_options
from sipparty.party.settings import Target
from sipparty.sip import (
    AOR,
    URI,
    Dialog,
    Flow,
    Part,
    Session,
    SimpleCall,
)
from sipparty.sip.flow import host_port
from sipparty.sip.routing import route_to

if TYPE_CHECKING:
    from typing import Unpack

    from typing_extensions import TypeVar

    from sipparty.concurrency.engine import Engine
    from sipparty.concurrency.streams import Stream
    from sipparty.load import LoadOptions, LoadResult, Source
    from sipparty.party.calls import CallBlock, InviteOptions
    from sipparty.party.settings import Settings
    from sipparty.sip.agent import UserAgent
    from sipparty.trace import Trace
    from sipparty.transport import KeepAlive

    CallT = TypeVar("CallT", bound=Dialog, default=SimpleCall)
    SessionT = TypeVar("SessionT", default=Session)
else:
    from typing import TypeVar

    CallT, SessionT = TypeVar("CallT"), TypeVar("SessionT")

__all__ = ["STANDARD_PORT", "Party"]

#: The port that a transport has by itself: 5060, or 5061 for TLS.
STANDARD_PORT = -1


class Party(RequestVerbs, Generic[CallT, SessionT]):
    """Somebody who makes and takes calls (RFC 3261's user agent).

    The settings below may be given to the constructor, to `configure`, set as attributes, or given
    a default by a subclass (`max_calls = 20`). None, or `del`, returns one to its default. What is
    set takes effect for calls and requests from then on.

    Args:
        uri: The address of record, with or without its scheme, as text or as an object; it may be
            left out and set later, or given in parts (`aor="bob@biloxi.com"`). It cannot change
            while the party listens.
        engine: The engine to run on; by default that of `async with`, else the shared one on its
            thread.
        attributes: Settings, and other attributes by name or by path (`aor__username="bob"`).

    Raises:
        ParseError: The address is none.
        TypeError: There is no such setting, or its value is of the wrong kind.
    """

    __hash__ = object.__hash__  # type: ignore[assignment]  # a party is itself, whatever it is called
    __eq__ = object.__eq__

    #: What `invite` makes.
    ClientDialog: ClassVar[type[Dialog]] = SimpleCall
    #: What an INVITE to this party makes.
    ServerDialog: ClassVar[type[Dialog]] = SimpleCall
    #: What the dialogs of this party carry; None for no media at all.
    MediaSession: ClassVar[Callable[..., Any] | None] = None

    def __init__(
        self,
        uri: URI | AOR | str | bytes | None = None,
        *,
        engine: Engine | None = None,
        **attributes: Unpack[Settings],
    ) -> None:
        self._engine = engine
        self._agent = None
        self._agents = []
        self._endpoints = []
        self._methods = {}
        self._closed = False
        self._streams = weakref.WeakSet()
        # Found here and now, where that takes an import: not on the engine's thread, in a call.
        self._session_kind = self.MediaSession
        given: dict[str, Any] = {**attributes}
        if uri is not None:
            given["uri"] = URI.from_user_text(uri)
        super().__init__(**given)

    def __repr__(self) -> str:
        where = "".join(f", listens at {host_port(*one.address)}" for one in self._endpoints)
        return f"<{type(self).__name__} {self.uri or 'without an address'}{where}>"

    def __reduce_ex__(self, _: object) -> NoReturn:
        kind = type(self).__name__
        raise TypeError(f"{kind}: no party is copied or pickled: make another, {kind}(party.uri).")

    # ---------------------------------------------------------------- engine and agent

    def _agent_now(self, to_do: str) -> UserAgent:
        """Return the user agent, made of the URI as it is now."""
        if self._closed:
            raise UsageError(f"{type(self).__name__} instance can't {to_do} as it was closed")
        uri, agent = self.uri, self._agent
        try:
            text = "" if uri is None else str(uri)
        except Incomplete:
            text = ""
        if agent is None or agent.uri != text or agent.core is not self.engine.core:
            if uri is None or not text or not uri.username or not uri.address:
                lacks = "" if uri is None else ": it has no user, as in alice@atlanta.com"
                raise Incomplete(f"Party instance can't {to_do} as it has an incomplete uri{lacks}")
            if agent is not None and agent.core is self.engine.core:
                self.engine.hub.leave(agent, later=True)
            from sipparty.party.agent import make_agent

            agent = make_agent(self, text)
            self._agents = [
                *(former for former in self._agents if former.dialogs or former.services),
                agent,
            ]
        return agent

    @property
    def _listens_as(self) -> object:
        return ...

    @_listens_as.setter
    def _listens_as(self, _: object) -> None:
        if self.listening and self._agent is not None and str(self.uri) != self._agent.uri:
            raise UsageError(
                f"The uri cannot change to {self.uri} while the party listens as"
                f" {self._agent.uri}: stop_listen() first."
            )

    # ---------------------------------------------------------------- media

    def make_session(self, dialog: Dialog) -> SessionT:
        """Make the media session of a dialog; override it to choose per call.

        It is opened, at the local address that the peer is reached from, by its `open`; where peers
        are given another address, that is its `advertised` before.
        """
        assert self._session_kind is not None
        options = {**self.media, **getattr(dialog, "media", {})}
        session = self._session_kind(**options)
        session.portal = self.engine
        return session  # type: ignore[no-any-return]

    @property
    def _offers(self) -> bool:
        """Whether media has something to offer; what one's own `make_session` gives may have."""
        own = type(self).make_session is not Party.make_session
        return own or bool(getattr(self._session_kind, "offers", True))

    def check_offer(self, offer: bytes) -> None:
        """Judge the offer of a call before any handler hears of it; override it to judge otherwise.

        What no session of this party could answer is refused with 488 or 400, and nobody is
        notified of the call. By default `MediaSession.check_offer` says so, given the party's own
        `media` options; where `make_session` is one's own, only what is no session description is
        refused.

        Raises:
            NegotiationError: Nothing in the offer could be agreed on.
            ParseError: It is no session description.
        """
        check = getattr(self._session_kind, "check_offer", None)
        if check is not None and type(self).make_session is Party.make_session:
            check(offer, **{**self.media, **getattr(self.ServerDialog, "media", {})})
        else:
            from sipparty.sdp import SessionDescription

            SessionDescription.parse(offer)

    # ---------------------------------------------------------------- listening

    def listen(
        self,
        port: int | None = STANDARD_PORT,
        *,
        address: str | Iterable[str] | None = None,
        port_filter: Callable[[int], bool] | None = None,
        transport: str | Iterable[str] = "UDP",
        advertise: str | Iterable[str] | None = None,
    ) -> Self:
        """Take calls; the sockets are bound when this returns, all of them or none.

        Parties that listen at one address and port share its socket, distinguished by their
        address of record.

        Args:
            port: The port; None for a free one; by default the transport's own: 5060, 5061 for TLS.
            address: The numeric address to bind, or several: "0.0.0.0" is every IPv4 address of the
                host, and "::" every IPv6 one. By default `local_address`, else "0.0.0.0".
            port_filter: Which ports will do, where `port` is None: called with each port there is,
                on the caller's thread.
            transport: "UDP", "TCP", "TLS", "WS" or "WSS", or several of them.
            advertise: What Via, Contact and session descriptions name in the place of what
                is bound: the outside of a NAT, as an address or a host name, with a port or
                without, such as "203.0.113.7" or "[2001:db8::1]:5070". Of several, each serves the
                addresses of its family; a name serves those that are left. Without a port it is the
                one that is bound. Requests by a transport that is not listened on name the port
                that they are sent from, which what is advertised does not lead to; their media is
                advertised all the same.

        Raises:
            Incomplete: The uri lacks user or host.
            AlreadyListening: `stop_listen` comes first.
            ListenError: The port is taken by another program, or is not allowed.
            ParseError: What is advertised is no host and port.
            TLSError: TLS or WSS is asked for, and the engine has no certificate that can be used.
            TypeError: The port is no number.
            UsageError: An address is advertised that is of no family that is listened on; or who
                shares the socket advertises another.
        """
        from sipparty.party.listening import listen

        listen(self, port, address, port_filter, transport, advertise)
        return self

    @verb
    def stop_listen(self) -> Self:
        """Take no more calls; those under way go on.

        Raises:
            UsageError: The party does not listen.
        """
        endpoints, agent = self._endpoints, self._agent
        if not self.listening or agent is None:
            raise UsageError("The party does not listen.")
        self._endpoints = []
        # Requests of calls under way still come by these sockets: they go with the last of them.
        for endpoint in endpoints:
            self.engine.hub.listeners.release_later(agent, endpoint)
        return self

    unlisten = stop_listen

    @property
    def listening(self) -> bool:
        """Whether the party takes calls."""
        # An endpoint is closed under the party where its engine is.
        return any(not endpoint.closed for endpoint in self._endpoints)

    @property
    def contact_uri(self) -> URI | None:
        """Where the party can be reached from this host; None while it does not listen.

        A party that listens on every address is reached at the loopback one; one that listens on
        several transports or addresses, by the first. What Contact says to a peer is what the
        party advertises, else the address that this host is reached by from there.
        """
        if self._agent is None or not self.listening:
            return None
        from sipparty.party.listening import contact_of

        return contact_of(self.engine, self._agent, self._endpoints[0])

    @verb
    def keep_alive(
        self,
        target: URI | str | None = None,
        interval: float | None = None,
        *,
        stun: bool | None = None,
    ) -> KeepAlive:
        """Keep the flow to a next hop open, through NATs and firewalls (RFC 5626 §4.4).

        Pings are sent from where requests are: over UDP they are STUN Binding requests (RFC 8489),
        so the next hop should be known to take them (§8); where it answers none, empty lines. Over
        connections they are empty lines. A flow that fails is looked for anew. The events are
        `FlowConfirmed` and `FlowLost`. A party that is to be called by that flow listens first.

        Args:
            target: The next hop: a host, host:port or URI; by default the party's `proxy`, else
                where it has registered.
            interval: The most seconds between pings, of which 80 to 100 % are waited; by default 24
                to 29 s over UDP, 95 to 120 s over connections.
            stun: Whether pings over UDP are STUN requests; by default, if the extra `nat` is
                installed. Say False where the next hop is known not to take them.

        Returns:
            The machine that does it; one for each next hop: another call takes its place.

        Raises:
            Incomplete: The uri lacks user or host.
            ParseError: The target is no address.
            UsageError: There is no target; the interval is not above 0; or STUN is asked for, and
                the extra `nat` is not installed.
        """
        from sipparty.party.listening import keep_alive

        return keep_alive(self, self._agent_now("keep_alive"), target, interval, stun)

    @verb
    def stop_keep_alive(self) -> Self:
        """Keep no more flows open; those that are there stay until something ends them."""
        if self._agent is not None:
            self.engine.hub.keepalives.stop(self._agent)
        return self

    # ---------------------------------------------------------------- calling

    @verb
    def invite(
        self,
        target: Target,
        proxy: str | None = None,
        *,
        expires: float | None = None,
        late_offer: bool = False,
        headers: Iterable[tuple[str, str]] | Mapping[str, str] = (),
        parts: Iterable[Part] = (),
        media: Mapping[str, Any] | None = None,
        dialog: type[CallT] | None = None,
        redirects: int | None = None,
        flow: Flow | None = None,
        replaces: SimpleCall | str | None = None,
        privacy: str | Iterable[str] = (),
    ) -> CallT:
        """Call somebody; returns the dialog at once.

        Args:
            target: Who to call: an address with or without its scheme, or a party that listens,
                which is then called where it listens.
            proxy: The next hop: a host, host:port or URI; a loose route (RFC 3261 §8.1.2). The
                party's own `proxy` by default.
            expires: Seconds after which an unanswered call is given up, sent as Expires; by default
                nothing is sent, and the call is given up after 180 s.
            late_offer: Send no offer, answer the one that the 200 brings.
            headers: Further headers of the INVITE.
            parts: What its body holds beside the offer: `Part("application/pidf+xml", where)`. The
                body is multipart/mixed then (RFC 5621).
            media: Options for the media session of this call, over the party's own.
            dialog: The class of the dialog; `ClientDialog` by default.
            redirects: How many redirections (300, 301, 302) the call follows, 0 for none; None for
                as the party's `follow_redirects` says.
            flow: A flow to the target that is there already, such as the `flow` of a call or
                request of its own: the only one to a browser, or to a phone behind a NAT (RFC 7118
                §5). It is taken whatever the target's address is, while it stands; but not for a
                sips URI unless it is secure.
            replaces: The call that this one takes the place of at the target: a call of this party
                with it, or the text of a Replaces header (RFC 3891). Who cannot do so refuses the
                call.
            privacy: What is to be kept private, as the party's `privacy` says it; "none" where that
                is not to be for this call.

        Raises:
            Incomplete: The uri lacks user or host.
            ParseError: The target or the proxy is no address.
            UsageError: The party called does not listen; or the call cannot be replaced, as it is
                over, or is ours and not answered yet.
        """
        agent = self._agent_now("invite")
        uri, next_hop = locate(target)
        proxy = self.proxy if proxy is None else proxy
        routes = () if proxy is None else (route_to(proxy),)
        call: Any = (dialog or self.ClientDialog)(agent)
        call.portal = self.engine
        if media:
            call.media = media_options(self, "media", media)
        if privacy:
            call.privacy = checks.privacy(self, "privacy", privacy)
        call.invite(
            uri,
            next_hop=None if routes else next_hop,
            routes=routes,
            expires=expires,
            late_offer=late_offer,
            headers=headers.items() if isinstance(headers, Mapping) else headers,
            parts=parts,
            # The hub takes a flow that it is given whole; an endpoint alone is but a proposal.
            flow=flow,
            redirects=redirects,
            replaces=replaces,
        )
        made: CallT = call
        return made

    def call(
        self,
        target: Target,
        proxy: str | None = None,
        *,
        timeout: float | None = None,
        dialog: type[CallT] | None = None,
        **options: Unpack[InviteOptions],
    ) -> CallBlock[CallT]:
        """Call somebody for a `with` or `async with` block, which begins when the call is answered;
        the call is hung up when it ends, however that is.

            with party.call("bob@biloxi.com") as call:
                call.session.play("hello.wav").wait()

        Args:
            target: Who to call, as for `invite`.
            proxy: The next hop, as for `invite`.
            timeout: Seconds to wait for an answer; None for as long as it takes.
            dialog: The class of the dialog, as for `invite`.
            options: The other options of `invite`.

        Raises:
            CallFailed: By `with`: the call failed; at its end: it failed meanwhile.
            Timeout: By `with`: nobody answered in time, and the call was cancelled.
            WouldDeadlock: By `with` on the engine's own thread: use `async with` there.
        """
        from sipparty.party.calls import CallBlock

        invite = partial(self.invite, target, proxy, dialog=dialog, **options)
        return CallBlock(invite, self.engine, timeout, self.CLOSE_TIMEOUT)

    def incoming(self) -> Stream[CallT]:
        """Return the calls to this party from now on, to loop over: `for call in party.incoming()`
        in a thread, `async for` in a coroutine. They wait for `ring`, `accept` or `reject`.

        The loop ends when the party, or its engine, is closed. Calls that nobody has taken from it
        are rejected when the stream is closed, by its `close`, by leaving its `with` block or by
        letting it go.
        """
        from sipparty.party.calls import stream_of_calls

        return stream_of_calls(self)

    def trace(self, **options: Any) -> Trace:
        """Return a recorder of what the party's engine does: `with party.trace() as trace:`.

        Args:
            options: As for `sipparty.trace.Trace`, such as `rtp=True`.
        """
        from sipparty.trace import Trace

        return Trace(self, **options)

    async def load(
        self, scenario: Source, target: str = "", **options: Unpack[LoadOptions]
    ) -> LoadResult:
        """Make many calls, and return what came of them; as `sipparty.load.run_load` does, but on
        the engine of this party.
        """
        from sipparty.load.load import load_by

        return await load_by(self, scenario, target, options)

    @property
    def calls(self) -> list[CallT]:
        """The calls that are neither new nor over."""
        return [dialog for agent in self._agents for dialog in list(agent.dialogs)]  # type: ignore[misc]

    def _handlers_changed(self) -> None:
        for agent in self._agents:
            agent.observed = agent.observed or self.observed
        current = self._agent
        if current is not None:
            self._follow("auto_answer", anew=True)
            for method in self._methods.keys() - current.methods.keys():
                self.engine.run(current.handle_method, method)
            for kind in self._handlers or ():
                if kind.METHOD:
                    self.engine.run(kind.enable, current)
