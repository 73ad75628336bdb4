"""A back-to-back user agent as a kind of party (RFC 7092): it takes calls, and makes one for each.

    class Office(B2BUA):
        def route(self, call, request):
            return "sip:bob@10.0.0.2"

    with Office("pbx@example.com") as office:
        office.listen()

What goes between the two is decided by methods to override: `route`, `passed_headers`,
`change_description`.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ClassVar, cast

from sipparty.b2bua.bridge import Bridge, Leg
from sipparty.b2bua.relay import RelayedSession
from sipparty.errors import SIPPartyError
from sipparty.media import RTPSession
from sipparty.party import Party
from sipparty.party.settings import Target
from sipparty.sip import Dialog, Message, Request
from sipparty.sip.bodies import session_description
from sipparty.sip.dialog.referral import TransferRequested
from sipparty.sip.events import CallReceived
from sipparty.sip.headers import header_name
from sipparty.sip.user_headers import given_fields

__all__ = ["B2BUA", "AudioB2BUA"]


class B2BUA(Party[Leg, Any]):
    """A party that makes a call for each that it gets, and joins the two. Media goes past it, from
    one side to the other; the descriptions are passed on.

    It takes the calls to every user of its address (`catch_all`).

    Attributes:
        bridges: The calls that are joined now.
        placed: The Call-IDs of the calls that were made and are not over.
    """

    ClientDialog = Leg
    ServerDialog = Leg
    MediaSession: ClassVar[Callable[..., Any] | None] = RelayedSession
    catch_all = True

    #: The headers that are passed on, in lower case.
    PASSED: ClassVar[frozenset[str]] = frozenset(
        (
            *("alert-info", "call-info", "diversion", "error-info", "history-info", "organization"),
            *("p-asserted-identity", "priority", "privacy", "reason", "reply-to", "retry-after"),
            *("subject", "user-to-user", "warning"),
        )
    )
    #: Whether descriptions are passed on, so that media goes past it.
    relays: ClassVar[bool] = True

    def __init__(self, *args: Any, **settings: Any) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self.placed: set[str] = set()
        super().__init__(*args, **settings)
        self.on(CallReceived, self._take)
        self.on(TransferRequested, self._transfer)

    # ---------------------------------------------------------------- to be overridden

    def route(self, call: Leg, request: Request) -> Target | Awaitable[Target | None] | None:
        """Return who is to be called for a call; may be `async def`. There is no default.

        Args:
            call: The call that has come; it may be refused with `call.reject(status)`.
            request: Its INVITE.

        Returns:
            An address or a party, as `invite` takes it; None for nobody: the call is answered 404,
            if it was not answered here.
        """
        raise NotImplementedError(f"{type(self).__name__} has to say where calls go: def route.")

    def transfer_target(
        self, leg: Leg, event: TransferRequested
    ) -> Target | Awaitable[Target | None] | None:
        """Return who is to be called where a side asks for a transfer by REFER; may be `async def`.
        A transfer between two calls that are both here is done without asking.

        Args:
            leg: The leg whose other side asks: that of whoever is to be transferred is `leg.other`.
            event: What it asks for: `event.target` is who is named, `event.referred_by` who asks.

        Returns:
            An address or a party, such as `event.target`; None, the default, for nobody: it is
            declined. Who may have which calls placed is for you to say.
        """
        return None

    def passed_headers(self, message: Message, leg: Leg) -> list[tuple[str, str]]:
        """Return the headers of a message that go on to a leg: those in `PASSED` that can be read;
        an identity where a trusted peer asserts it, and does not ask to keep it private (RFC 3325
        §5).

        Args:
            message: The INVITE, a response to it, or a BYE or CANCEL, of the other leg.
            leg: Where they go; for an INVITE the leg that it has come by.
        """
        source = leg if leg.other is None else leg.other
        info, passed = source.peer_info, self.PASSED
        if info is None or not info.trusted or "id" in info.privacy:
            passed -= {"p-asserted-identity"}
        # By the names that the RFCs give them: not all who should do ignore the case.
        fields = [(header_name(key), text) for key, text, _ in message._fields if key in passed]
        return [one for one in fields if _is_readable(one)]

    def change_description(self, description: bytes, leg: Leg) -> bytes:
        """Return the session description that a leg is given, in place of the other side's."""
        return description

    # ---------------------------------------------------------------- joining

    @property
    def bridges(self) -> list[Bridge]:
        """The calls that are joined now."""
        legs = (call for call in self.calls if isinstance(call, Leg))
        return [leg.bridge for leg in legs if leg.bridge is not None and leg.bridge.incoming is leg]

    async def _take(self, event: CallReceived) -> None:
        incoming, request = cast(Leg, event.call), event.request
        hops = _hops_left(request) - 1
        if incoming.call_id in self.placed:
            incoming.reject(482)  # it is a call of ours that has come back
            return
        if hops < 0:
            incoming.reject(483)
            return
        target = self.route(incoming, request)
        if inspect.isawaitable(target):
            target = await target
        if incoming.state != "InitiatingDialog":
            return
        if target is None:
            incoming.reject(404)
            return
        offer = session_description(request, incoming.agent.accepts) if request.body else b""

        def leg(agent: Any) -> Leg:
            outgoing = Leg(agent)
            outgoing.max_forwards = hops
            outgoing.to_offer = offer or None
            Bridge(self, incoming, outgoing)
            return outgoing

        headers = self.passed_headers(request, incoming)
        outgoing = self.invite(target, dialog=cast(Any, leg), headers=headers)
        assert outgoing.bridge is not None
        self.placed.add(outgoing.call_id)
        outgoing.bridge.watch()

    async def _transfer(self, event: TransferRequested) -> None:
        from sipparty.b2bua.transferring import perform

        await perform(self, event)

    def make_session(self, dialog: Dialog) -> Any:
        """Make the session of a leg."""
        if self.relays:
            session = RelayedSession(dialog)
            session.portal = self.engine
            return session
        return super().make_session(dialog)

    def run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine beside the calls, on the engine's loop, whose thread this is."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class AudioB2BUA(B2BUA):
    """A B2BUA that media goes through: each side has a session with it, of its own codec, and hears
    what the other says.
    """

    MediaSession = RTPSession
    relays = False


def _is_readable(header: tuple[str, str]) -> bool:
    try:
        return bool(given_fields([header]))
    except (SIPPartyError, ValueError):
        return False  # a side may send anything, and no leg is left alone for it


def _hops_left(request: Request) -> int:
    """Return what Max-Forwards allows still; 70 where nothing readable says so."""
    text = (request._text("max-forwards") or "").strip()
    return int(text[:4]) if text.isdecimal() else 70
