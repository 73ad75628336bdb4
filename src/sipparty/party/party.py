"""Party: somebody who makes and takes calls. The top of sipparty.

    alice = SingleRTPSessionSimplenParty("alice@atlanta.com")
    call = alice.invite("bob@biloxi.com", proxy="10.0.0.2")
    call.wait()
    call.terminate()

Verbs return at once. A party works from a script, a REPL or a notebook, where its engine runs on a
thread, and in asyncio: inside `async with Party(...) as alice` it uses the running loop.

A kind of party is a subclass that says which dialogs it takes part in (`ClientDialog`,
`ServerDialog`) and which media it offers (`MediaSession`).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, ClassVar, Self

from sipparty.concurrency.dispatch import Dispatcher
from sipparty.concurrency.engine import Engine
from sipparty.deepclass import Attribute
from sipparty.errors import Incomplete, UsageError
from sipparty.fsm import verb
from sipparty.party.listening import STANDARD_PORT, ListeningParty
from sipparty.party.media import bound_calls, check_offer, open_session, reject_offer
from sipparty.party.settings import Checked, media_types, name_to_show, next_hop_or_none
from sipparty.sip import (
    AOR,
    URI,
    ClientRequest,
    Dialog,
    Flow,
    NextHop,
    Part,
    Request,
    Session,
    SimpleCall,
)
from sipparty.sip.admission import password_guard, read_name
from sipparty.sip.agent import UserAgent
from sipparty.sip.auth import DigestClient, DigestServer, Trust
from sipparty.sip.flow import host_port
from sipparty.sip.grammar import check_line, quote
from sipparty.sip.out_of_dialog import send_out_of_dialog
from sipparty.sip.routing import as_request_uri, route_to
from sipparty.vb import Delegate

__all__ = ["STANDARD_PORT", "Credentials", "Party", "Target"]

#: Whom to call: another party, or an address with or without its scheme.
Target = "Party | URI | AOR | str | bytes"

#: What opens doors: user and password, for one's own servers, by realm, or by asking a function.
Credentials = "tuple[str, str] | Mapping[str, tuple[str, str]] | Callable[[str], Any]"


class Party(ListeningParty):
    """Somebody who makes and takes calls (RFC 3261's user agent).

    Where it listens, what it sends from and which flows it keeps open is in `ListeningParty`.

    Args:
        uri: The address of record, with or without its scheme, as text or as an object; it may be
            left out and set later, or given in parts (`aor="bob@biloxi.com"`).
        engine: The engine to run on; by default that of `async with`, else the shared one on its
            thread.
        proxy: The outbound proxy of every request: a host, host:port or URI.
        credentials: What answers challenges (RFC 3261 §22): user and password for one's own
            servers, those of the party's domain and its proxy; a mapping of realms to such pairs;
            or a function that gives a pair for a realm, or None. `Policy.challenges` says whose
            are answered.
        display_name: The name that people see; "" for none.
        media: Options for each media session, such as `{"record": "call.wav"}`.
        local_address: The address of this host to send from, media too; see `local_address`.
        attributes: Further attributes, by name or by path (`aor__username="bob"`).

    Raises:
        ParseError: The address is none.
    """

    __hash__ = object.__hash__  # type: ignore[assignment]  # a party is itself, whatever it is called
    __eq__ = object.__eq__

    display_name = Checked(name_to_show, 'The name that people see; "" for none.')
    proxy = Checked(next_hop_or_none, "The outbound proxy of every request; None for none.")

    uri = Attribute(URI)
    aor = Delegate[AOR]("uri.aor")
    username = Delegate[str]("uri.username")
    host = Delegate[Any]("uri.host")
    address = Delegate[str]("uri.address")
    port = Delegate["int | None"]("uri.port")

    #: What `invite` makes.
    ClientDialog: ClassVar[type[Dialog]] = SimpleCall
    #: What an INVITE to this party makes.
    ServerDialog: ClassVar[type[Dialog]] = SimpleCall
    #: What the dialogs of this party carry; None for no media at all.
    MediaSession: ClassVar[Callable[..., Any] | None] = None
    #: Seconds that `close` gives calls to end.
    FAREWELL: ClassVar[float] = 2.0

    def __init__(
        self,
        uri: URI | AOR | str | bytes | None = None,
        *,
        engine: Engine | None = None,
        proxy: str | None = None,
        credentials: tuple[str, str] | Mapping[str, Any] | Callable[[str], Any] | None = None,
        display_name: str = "",
        media: Mapping[str, Any] | None = None,
        local_address: str | None = None,
        **attributes: Any,
    ) -> None:
        if uri is not None:
            attributes["uri"] = URI.from_user_text(uri)
        super().__init__(**attributes)
        self._engine = engine
        self._agent: UserAgent | None = None
        #: The agent, and those of addresses of record before, while their dialogs are up.
        self._agents: list[UserAgent] = []
        self._settings: dict[str, Any] = {}
        self._closed = False
        self._credentials = credentials
        if isinstance(credentials, tuple):
            check_line(str(credentials[0]), "user name")
        self.proxy = proxy
        self.local_address = local_address
        self.display_name = display_name
        self.media = dict(media or {})
        # Found here and now, where that takes an import: not on the engine's thread, in a call.
        self._session_kind = self.MediaSession

    # ---------------------------------------------------------------- engine and agent

    @property
    def engine(self) -> Engine:
        """The engine that the party runs on; chosen when it is first needed."""
        if self._engine is None or self._engine.closed:
            self._engine = Engine.shared()
        return self._engine

    @property
    def portal(self) -> Engine:
        """The way to the engine's thread, for verbs."""
        return self.engine

    def _agent_now(self, to_do: str) -> UserAgent:
        """Return the user agent, made of the URI as it is now."""
        if self._closed:
            raise UsageError(f"{type(self).__name__} instance can't {to_do} as it was closed")
        uri = self.uri
        if uri is None or not uri.username or not uri.address:
            raise Incomplete(f"Party instance can't {to_do} as it has an incomplete uri")
        agent = self._agent
        if agent is None or agent.uri != str(uri) or agent.core is not self.engine.core:
            if self.listening:
                raise UsageError(
                    f"The uri was changed to {uri} while listening as another: stop_listen() first."
                )
            if agent is not None and agent.core is self.engine.core:
                self.engine.hub.leave(agent, later=True)
            agent = self._agent = self._make_agent(str(uri))
            self._agents = [*(former for former in self._agents if former.dialogs), agent]
        return agent

    def _make_agent(self, uri: str) -> UserAgent:
        name = quote(self.display_name) if self.display_name else ""
        agent = UserAgent(self.engine.core, uri, self, name)
        agent.server_dialog = self.ServerDialog
        agent.portal = self.engine
        agent.observed = self.observed
        agent.digest = self._make_digest(agent)
        self.engine.hub.sources.send_from(agent, self.local_address)
        descriptors = getattr(self._session_kind, "descriptors", 0)
        if self._session_kind is not None:
            agent.open_session = self._open_session
            agent.check_offer = partial(check_offer, self.check_offer, descriptors)
        agent.reject_offer = partial(reject_offer, agent)
        for setting, value in self._settings.items():
            setattr(agent, setting, value)
        if "max_calls" not in self._settings:
            bound_calls(agent, descriptors)
        if self._decided_by_handler() and "auto_answer" not in self._settings:
            agent.auto_answer = False
        for method in self._methods:
            agent.handle_method(method)
        return agent

    def _make_digest(self, agent: UserAgent) -> DigestClient | None:
        """Return what answers challenges, from the credentials given."""
        given, policy = self._credentials, agent.core.policy
        if given is None:
            return None
        home = [agent.host]
        if self.proxy is not None:
            home.append(NextHop.of(route_to(self.proxy)[1:-1]).place)
        by_realm, one = (None, given) if isinstance(given, tuple) else (given, None)
        return DigestClient(
            by_realm,
            default=one,
            tokens=agent.core.tokens.tag,
            algorithms=policy.algorithms,
            trust=Trust(home, policy.challenges, policy.challenges_without_qop),
        )

    def _open_session(self, dialog: Dialog, flow: Flow) -> Session:
        make = partial(self.make_session, dialog)
        return open_session(self.engine, make, dialog, flow, self.media_addresses(flow))

    def make_session(self, dialog: Dialog) -> Any:
        """Make the media session of a dialog; override it to choose per call.

        It is opened, at the local address that the peer is reached from, by its `open`; where peers
        are told another address, that is its `advertised` before.
        """
        assert self._session_kind is not None
        options = {**self.media, **getattr(dialog, "media", {})}
        session = self._session_kind(**options)
        session.portal = self.engine
        return session

    def check_offer(self, offer: bytes) -> None:
        """Judge the offer of a call before anybody is told of it; override it to judge otherwise.

        What no session of this party could answer is refused with 488 or 400, and nobody hears of
        the call. By default `MediaSession.check_offer` says so, given the party's own `media`
        options; where `make_session` is one's own, only what is no session description is refused.

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

    def configure(
        self,
        *,
        auto_answer: bool | None = None,
        rings: bool | None = None,
        max_calls: int | None = None,
        patience: float | None = None,
        keep_forks: bool | None = None,
        accepts: Iterable[str] | None = None,
        guard: DigestServer | Mapping[str, str] | None = None,
        guard_algorithms: Iterable[str] = ("MD5", "SHA-256"),
        names: Iterable[str] | None = None,
    ) -> Self:
        """Change how the party takes calls; None leaves a setting as it is.

        Args:
            auto_answer: Answer calls as they come. True by default, until a handler for
                `CallReceived` is there to decide.
            rings: Whether an automatic answer is preceded by 180 Ringing; True by default.
            max_calls: Calls beyond so many at a time are answered 486 Busy Here. By default any
                number without media, and with it as many as half of the process's file descriptors
                are enough for, of which one source has no more than `Limits.max_share`.
            patience: Seconds that a call may wait for an answer here, at the most; then it is
                answered 480 Temporarily Unavailable. 180 by default. The Expires of an INVITE makes
                it less, never more (RFC 3261 §13.3.1).
            keep_forks: Whether further answers to a forked call are kept; False by default.
            accepts: The media types that a call may bring, as body or part; what else has to be
                understood is answered 415 (RFC 5621 §8.4). ("application/sdp",) by default.
            guard: Who may call, as passwords by user for the realm of the party's host, or as a
                `DigestServer`, for requests outside of dialogs (RFC 3261 §22.2).
            guard_algorithms: What a guard of passwords offers, in order; ("MD5", "SHA-256").
            names: Further hosts and addresses that a guard takes credentials for.

        Raises:
            Incomplete: Passwords are given, and the uri lacks the host that names their realm.
            UsageError: The patience is not above 0.
            ParseError: A name is no host and no address.
        """
        if patience is not None and not 0 < patience < float("inf"):
            raise UsageError(f"The patience is in seconds, above 0: not {patience!r}.")
        if isinstance(guard, Mapping):
            guard = self._make_guard(dict(guard), guard_algorithms)
        given = {
            "auto_answer": auto_answer,
            "rings": rings,
            "max_calls": max_calls,
            "patience": patience,
            "keep_forks": keep_forks,
            "accepts": None if accepts is None else media_types(accepts),
            "guard": guard,
            "names": None if names is None else tuple(read_name(name) for name in names),
        }
        for setting, value in given.items():
            if value is not None:
                self._settings[setting] = value
                if setting == "max_calls" and self._agent is not None:
                    self._agent.max_calls_of_one = None
                if self._agent is not None:
                    setattr(self._agent, setting, value)
        return self

    def _make_guard(self, passwords: Mapping[str, str], algorithms: Iterable[str]) -> DigestServer:
        if self.uri is None or not self.host:
            raise Incomplete("Party instance can't guard as it has an incomplete uri")
        return password_guard(str(self.host), passwords, algorithms, os.urandom)

    # ---------------------------------------------------------------- calling

    @verb
    def invite(
        self,
        target: Party | URI | AOR | str | bytes,
        proxy: str | None = None,
        *,
        expires: float | None = None,
        late_offer: bool = False,
        headers: Iterable[tuple[str, str]] | Mapping[str, str] = (),
        parts: Iterable[Part] = (),
        media: Mapping[str, Any] | None = None,
        dialog: type[Dialog] | None = None,
        redirects: int | None = None,
        flow: Flow | None = None,
    ) -> Any:
        """Call somebody; returns the dialog at once.

        Args:
            target: Whom: an address with or without its scheme, or a party that listens, which is
                then called where it listens.
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
            flow: A way to the target that is there already, such as the `flow` of a call or request
                of its own: the only one to a browser, or to a phone behind a NAT (RFC 7118 §5). It
                is taken whatever the target's address is, while it stands; but not for a sips URI
                unless it is secure.

        Raises:
            Incomplete: The uri lacks user or host.
            ParseError: The target or the proxy is no address.
            UsageError: The party called does not listen.
        """
        agent = self._agent_now("invite")
        uri, next_hop = self._locate(target)
        proxy = self.proxy if proxy is None else proxy
        routes = () if proxy is None else (route_to(proxy),)
        call: Any = (dialog or self.ClientDialog)(agent)
        call.portal = self.engine
        if media:
            call.media = dict(media)
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
        )
        return call

    def _locate(self, target: Party | URI | AOR | str | bytes) -> tuple[str, NextHop | None]:
        """Return a request-URI, and where to send it if that is not what the URI says."""
        if not isinstance(target, Party):
            return as_request_uri(str(URI.from_user_text(target))), None
        contact = target.contact_uri
        if contact is None or target.uri is None:
            raise UsageError("The party to call does not listen.")
        return str(target.uri), NextHop.of(str(contact))

    @verb
    def send(
        self, request: Request, proxy: str | None = None, *, flow: Flow | None = None
    ) -> ClientRequest:
        """Send a request of its own, outside of any dialog; returns at once.

        Args:
            request: The request. A copy is sent, in which To, From, Call-ID, CSeq, Max-Forwards and
                Contact are filled in where they lack; it is `request` of what is returned.
            proxy: The next hop, as for `invite`.
            flow: A way that is there already, as for `invite`.

        Raises:
            Incomplete: The uri lacks user or host.
            ParseError: The request-URI or the proxy is no address to send to.
        """
        agent = self._agent_now("send")
        proxy = self.proxy if proxy is None else proxy
        request = request.copy()
        if proxy is not None:
            request.add("Route", route_to(proxy), first=True)
        first = request.get("Route")
        hop = NextHop.of(request.uri_text if first is None else first.uri_text)
        return send_out_of_dialog(agent, request, hop, flow)

    def options(
        self, target: Party | URI | AOR | str | bytes, proxy: str | None = None
    ) -> ClientRequest:
        """Ask what somebody can do (RFC 3261 §11); returns at once."""
        uri, hop = self._locate(target)
        if hop is not None and proxy is None:
            scheme = "sips" if hop.secure else "sip"
            transport = "" if hop.transport is None else f";transport={hop.transport.lower()}"
            proxy = f"{scheme}:{host_port(hop.host, hop.port)}{transport}"
        request = Request("OPTIONS", uri, [("Accept", "application/sdp")])
        return self.send(request, proxy)

    # ---------------------------------------------------------------- handlers

    def _watches(self) -> None:
        for agent in self._agents:
            agent.observed = True

    def _decides(self) -> None:
        if self._agent is not None and "auto_answer" not in self._settings:
            self._agent.auto_answer = False

    def _takes(self, method: str) -> None:
        if self._agent is not None:
            self.engine.run(self._agent.handle_method, method)

    def _dispatcher(self) -> Dispatcher | None:
        engine = self._engine
        return None if engine is None or engine.closed else engine.dispatcher

    # ---------------------------------------------------------------- the end

    @property
    def calls(self) -> list[Dialog]:
        """The dialogs that are neither new nor over."""
        return [dialog for agent in self._agents for dialog in list(agent.dialogs)]

    def close(self) -> None:
        """End every call, then give everything back; may be called more than once.

        Waits up to `FAREWELL` seconds for the calls to end.

        Raises:
            Timeout: Something keeps the engine's loop from running.
            WouldDeadlock: Called on the engine's own thread; use `aclose` there.
        """
        engine = self._engine
        if engine is None or engine.closed or self._closed:
            self._closed = True
            return
        engine.run_coroutine(self._aclose, self.FAREWELL + 2.0)

    async def aclose(self) -> None:
        """Do what `close` does, in a coroutine."""
        engine = self._engine
        if engine is None or engine.loop is asyncio.get_running_loop():
            await self._aclose()
        else:
            # The engine's loop is on another thread.
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._aclose(), engine.loop))

    async def _aclose(self) -> None:
        engine = self._engine
        if not self._closed and engine is not None and not engine.closed:
            self._closed = True  # so that no call begins meanwhile
            await engine.hang_up(self._agents, self.FAREWELL)
            for agent in self._agents:
                engine.hub.leave(agent)
        self._closed = True
        self._endpoints = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        if self._engine is None or self._engine.closed:
            self._engine = Engine.current()
        self._engine.join()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
        assert self._engine is not None
        await self._engine.part()
