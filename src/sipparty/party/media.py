"""A call and its media: opening a session for a call, what the session sees of the call, and how
many of them there may be.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, cast

from sipparty.concurrency.engine import Engine
from sipparty.errors import CallFailed, NegotiationError
from sipparty.sip import Dialog, Flow, Session
from sipparty.sip.agent import UserAgent
from sipparty.sip.events import MediaEvent
from sipparty.sip.policy import Policy
from sipparty.sip.reach import Scope, scope_of
from sipparty.sip.transports import SECURE_TRANSPORTS
from sipparty.sip.unproven import UnprovenHosts

__all__ = ["CallMedia", "check_offer", "open_session", "reject_offer"]


class CallMedia:
    """What a session may know of its call, and may ask of it; see `sipparty.sip.dialog.session`.

    Args:
        engine: The engine of the call.
        dialog: The call.
        flow: The flow to its peer.
        place: The address that media is bound to, and what descriptions name in its place.
    """

    __slots__ = ("_dialog", "_engine", "encrypted", "place", "signalling")

    def __init__(
        self, engine: Engine, dialog: Dialog, flow: Flow, place: tuple[str, str | None]
    ) -> None:
        self._engine = engine
        self._dialog = dialog
        self.place = place
        self.signalling = flow.remote[0]
        self.encrypted = flow.transport in SECURE_TRANSPORTS

    @property
    def policy(self) -> Policy:
        """What is done at the word of a peer."""
        return self._engine.core.policy

    @property
    def unproven_hosts(self) -> UnprovenHosts:
        """The hosts that calls of this engine have sent to, and nothing has come from."""
        return self._engine.unproven_hosts

    def behind_nat(self, address: str) -> bool:
        """Whether an address that the peer names is in a private network, and its signalling comes
        from the Internet: its media will come from somewhere else.
        """
        return scope_of(address) is Scope.PRIVATE and scope_of(self.signalling) is Scope.INTERNET

    def reaches(self, local: str, address: str) -> bool:
        """Whether the peer may have media sent to an address; a name is not sent to."""
        return _reaches(self.signalling, local, address)

    @property
    def proven(self) -> bool:
        """Whether the peer has shown that it receives where the signalling comes from."""
        state = self._dialog.dialog_state
        return state is None or state.proven

    def emit(self, event: MediaEvent) -> None:
        """Hand an event to the call's handlers, where there are any."""
        call: Any = self._dialog
        watch = self._engine.core.watch
        if watch is not None and not event.FOR_CALL:
            watch(event.replace(agent=call.agent, call=call))
        if event.FOR_CALL and hasattr(call, "_note_media"):
            event = event.replace(agent=call.agent, call=call)
            self._engine.post(call._note_media, event)
        elif call.agent.observed:
            event = event.replace(agent=call.agent, call=call)
            self._engine.post(self._engine.core.emit, event)

    @property
    def name(self) -> str:
        """The call, as logs name it."""
        return self._dialog.name

    def media_timed_out(self, seconds: float) -> None:
        """End the call; one that is not answered yet has its own patience."""
        if self._dialog.state != "InDialog":
            return
        message = f"The other side has sent no media, and no report of it, for {seconds:.0f} s."
        self._engine.post(self._dialog.hear, "media_failed", CallFailed(message))


def _reaches(peer: str, local: str, address: str) -> bool:
    there = scope_of(address)
    return there not in (Scope.HOST, Scope.LINK) or scope_of(peer) <= there or peer == local


def check_offer(check: Callable[[bytes], None], each: int, offer: bytes, flow: Flow) -> None:
    """Judge an offer before any handler hears of its call.

    Args:
        check: Judges it by what a session could do.
        each: How many descriptors a session takes; one that takes none sends nothing.
        offer: The offer.
        flow: The flow it came by.

    Raises:
        NegotiationError: Nothing in it could be agreed on, or media could go nowhere by it.
        ParseError: It is no session description.
    """
    check(offer)
    if not each:
        return
    # Descriptions are loaded where there is media, or a call that brings some.
    from sipparty.sdp.negotiated import unreachable
    from sipparty.sdp.offeranswer import read_offer

    reaches = partial(_reaches, flow.remote[0], flow.local[0])
    places = [one.connection_or_session for one in read_offer(offer).media if one.port]
    faults = [unreachable(place, reaches) for place in places if place is not None]
    if faults and all(faults):
        code, reason = faults[0] or (399, "")
        raise NegotiationError(f"No media could be sent to the other side: {reason}.", warning=code)


def open_session(
    engine: Engine,
    make: Callable[[], Any],
    dialog: Dialog,
    flow: Flow,
    place: tuple[str, str | None],
) -> Session:
    """Return the media session of a call, open: a new one, or the one that it has, moved to where
    it is for this flow.

    Args:
        engine: The engine of the call.
        make: Makes a session.
        dialog: The call.
        flow: The flow to its peer.
        place: The address to bind, and what descriptions name in its place.
    """
    address, advertised = place
    session: Any = dialog.session
    if session is not None:
        former = getattr(session, "call", None)
        if former is not None:
            session.call = CallMedia(engine, dialog, flow, place)
            if former.place == place:
                return cast(Session, session)
        session.advertised = advertised
        if hasattr(session, "move") and session.move(address):
            return cast(Session, session)
    session = make()
    if advertised is not None:
        session.advertised = advertised
    if getattr(session, "descriptors", 0):
        session.call = CallMedia(engine, dialog, flow, place)
        if engine.media_threads is not None:
            session.media_loop = engine.media_threads.take()
    session.open(engine.loop, address)
    if engine.core.watch is not None:
        from sipparty.media.events import SessionOpened

        engine.core.watch(SessionOpened(session, agent=dialog.agent, call=cast(Any, dialog)))
    return cast(Session, session)


def reject_offer(agent: UserAgent, offer: bytes, address: str) -> bytes:
    """Make the answer that takes no stream of an offer."""
    from sipparty.sdp import SessionDescription, reject_all

    description = SessionDescription.parse(offer)
    return bytes(reject_all(description, address, agent.core.tokens.number(62)))
