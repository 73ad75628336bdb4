"""What happens in a core, as small values named in the past tense.

The engine hands each to the handlers of the party that it is for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sipparty.records import Record, field

if TYPE_CHECKING:
    from collections.abc import Hashable

    from sipparty.errors import CallFailed
    from sipparty.sip.agent import UserAgent
    from sipparty.sip.dialog.call import SimpleCall
    from sipparty.sip.dialog.record import Cause
    from sipparty.sip.flow import Flow
    from sipparty.sip.message import Message, Request, Response
    from sipparty.sip.out_of_dialog import IncomingRequest

__all__ = [
    "AttackDetected",
    "CallEnded",
    "CallEstablished",
    "CallEvent",
    "CallForked",
    "CallHeld",
    "CallProgressed",
    "CallReceived",
    "CallRedirected",
    "CallResumed",
    "Event",
    "FlowConfirmed",
    "FlowLost",
    "MediaChanged",
    "MediaEvent",
    "RequestReceived",
]


class Event(Record):
    """Something happened.

    Args:
        agent: The user agent it happened to; its `owner` is the party.
        made_by: The request or the response that made it; None where the program or a timer did.
    """

    agent: UserAgent
    made_by: Message | None = field(default=None, kw_only=True, repr=False)
    #: The attribute that has the handle it is about, whose own handlers take it too; "" for none.
    SUBJECT: ClassVar[str] = ""
    #: The method whose requests make it, where user agents take those for its sake alone.
    METHOD: ClassVar[str] = ""

    @classmethod
    def enable(cls, agent: UserAgent) -> None:
        """Have a user agent take the requests that make it."""

    @property
    def request(self) -> Request | None:
        """The request that made it; None where none did."""
        from sipparty.sip.message import Request

        return self.made_by if isinstance(self.made_by, Request) else None

    @property
    def response(self) -> Response | None:
        """The response that made it; None where none did."""
        from sipparty.sip.message import Response

        return self.made_by if isinstance(self.made_by, Response) else None

    @property
    def topic(self) -> Hashable:
        """What handlers of this event must keep the order of: its subject, as a rule; None for one
        that stands alone.
        """
        subject = getattr(self, self.SUBJECT, None)
        return None if subject is None else id(subject)

    @property
    def merge_key(self) -> Hashable | None:
        """What a later event of the kind and topic has to share, to stand for this one where both
        wait for a handler; None for one that nothing stands for.
        """
        return None


class CallEvent(Event):
    """Something happened to a call.

    Args:
        agent: The user agent whose call it is.
        call: The call.
    """

    call: SimpleCall
    SUBJECT = "call"


class CallReceived(CallEvent):
    """Somebody calls. Decide with `call.ring()`, `call.accept()` or `call.reject(status)`.

    Args:
        request: The INVITE, to be looked at: its headers, and what `request.parts` it has.
        flow: The flow that it came by; `invite(flow=...)` calls back by it.
    """

    request: Request
    flow: Flow


class CallProgressed(CallEvent):
    """A call of ours got a provisional response, such as 180 Ringing.

    Where handlers take longer than responses come, the last of each status is what waits.

    Args:
        response: The response.
    """

    response: Response

    @property
    def reliable(self) -> bool:
        """Whether it was sent reliably, and acknowledged with a PRACK (RFC 3262)."""
        return "RSeq" in self.response and "Require" in self.response

    @property
    def merge_key(self) -> Hashable | None:
        """The status."""
        return self.response.status


class CallEstablished(CallEvent):
    """A call is up: ours was answered, or our answer was acknowledged."""


class CallHeld(CallEvent):
    """One side of a call has put the other on hold.

    Args:
        by: "local" where it is we, "remote" where it is the other side.
    """

    by: str


class CallResumed(CallEvent):
    """A hold is over.

    Args:
        by: Whose it was, as in `CallHeld`.
    """

    by: str


class MediaChanged(CallEvent):
    """Other media was agreed on in a call, at the request of either side; `call.session` has it."""


class CallForked(CallEvent):
    """A call of ours was answered once more, by another branch of a fork (RFC 3261 §13.2.2.4).

    Args:
        fork: The further call. It is hung up at once, unless the agent's `keep_forks` is set.
    """

    fork: SimpleCall


class CallRedirected(CallEvent):
    """A call of ours was sent elsewhere, and goes there (RFC 3261 §8.1.3.4).

    Args:
        target: The URI that is called now.
    """

    target: str


class MediaEvent(CallEvent):
    """Something happened in the media of a call; the kinds are in `sipparty.media`.

    Args:
        agent: The user agent that has the call; None where there is no call, only a session.
        call: The call; likewise.
    """

    agent: UserAgent = field(default=None, kw_only=True)
    call: SimpleCall = field(default=None, kw_only=True)
    #: Whether the call takes note of it, before handlers do, by `_note_media`, where it has that.
    FOR_CALL: ClassVar[bool] = False


class CallEnded(CallEvent):
    """A call is over.

    Args:
        error: Why it failed; None where it ended as calls should.
    """

    error: CallFailed | None

    @property
    def cause(self) -> Cause | None:
        """Why, as `call.cause` has it."""
        return self.call.cause


class RequestReceived(Event):
    """A request came that no part of the stack answers.

    Args:
        incoming: The request, to be answered with `incoming.respond(status)`.
        call: The call in which it came; None outside of calls.
    """

    incoming: IncomingRequest
    call: SimpleCall | None = None
    SUBJECT = "call"
    #: What it is answered where its handlers return without doing so; 0 where they have to.
    DEFAULT: ClassVar[int] = 0

    @property
    def request(self) -> Request:
        """The request itself."""
        return self.incoming.request


class AttackDetected(Event):
    """A source does what looks like an attack. Reported when that begins, and each time the count
    has doubled since.

    Args:
        agent: The user agent that it is aimed at; None where it is none in particular: every party
            of the engine is handed the event then.
        kind: "guessing" (wrong credentials), "relay" (right ones that were made for another server,
            which has passed our challenge on), "malformed" (what is no message, or cannot be
            processed) or "flood" (beyond what one source may have us hold).
        source: The address that it comes from.
        transport: The transport that it comes by.
        proven: Whether the source has shown that it receives at that address. The address of a
            datagram may be forged: block no source that is not proven.
        count: How many such messages came from there.
    """

    agent: UserAgent | None  # type: ignore[assignment]
    kind: str
    source: str
    transport: str
    proven: bool
    count: int

    @property
    def topic(self) -> Hashable:
        """The source."""
        return self.source


class FlowConfirmed(Event):
    """A flow that is kept open was answered: for the first time, or again after it was lost.

    Args:
        target: Where it leads, as host and port.
        mapped: Our address and port as the other side sees them; None where it does not say so.
    """

    target: str
    mapped: tuple[str, int] | None

    @property
    def topic(self) -> Hashable:
        """The target."""
        return self.target


class FlowLost(Event):
    """A flow that is kept open has failed, or could not be had. It is looked for anew.

    Args:
        target: Where it leads, as host and port.
        reason: Why, as a clause or a sentence.
    """

    target: str
    reason: str

    @property
    def topic(self) -> Hashable:
        """The target."""
        return self.target
