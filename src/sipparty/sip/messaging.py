"""Instant messages: MESSAGE, ours and theirs, outside of calls and inside them (RFC 3428).

Laws:

* A MESSAGE makes no dialog, and none has a Contact (§3, §4, §7).
* One at a time: a message to a URI, or inside a call, is sent when the one before it has its final
  response (§8). Those that wait are limited, and so is how long one waits.
* What is too large for UDP goes by TCP or not at all (§8).
* Each of ours ends: delivered, or with an error that says why not.
"""

from __future__ import annotations

import codecs
from collections import deque
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, SupportsBytes

from sipparty.errors import (
    CallFailed,
    CallTimedOut,
    MessageTooLarge,
    SIPPartyError,
    UsageError,
)
from sipparty.fsm import Row, Timer
from sipparty.sip.bodies import MULTIPARTS, is_understood
from sipparty.sip.client_request import ClientRequest
from sipparty.sip.dialog.outcomes import rejection
from sipparty.sip.events import Event, RequestReceived
from sipparty.sip.fields import Field
from sipparty.sip.flow import Flow
from sipparty.sip.handle import Service
from sipparty.sip.message import Message, Request, Response
from sipparty.sip.multipart import Multipart
from sipparty.sip.out_of_dialog import IncomingRequest, send_out_of_dialog
from sipparty.sip.routing import NextHop
from sipparty.sip.transaction.server import ServerTransaction
from sipparty.sip.user_headers import given_fields
from sipparty.sip.values import DNameURI

if TYPE_CHECKING:
    from sipparty.sip.agent import UserAgent
    from sipparty.sip.composing import Composing, Writer
    from sipparty.sip.dialog import Dialog, DialogState

__all__ = [
    "COMPOSING",
    "MessageReceived",
    "MessageSent",
    "Messaging",
    "SentMessage",
    "content_of",
    "message_in_call",
    "messaging_of",
    "take_message",
    "writer_key",
]

#: The media type of what says that somebody is writing (RFC 3994 §6).
COMPOSING = "application/im-iscomposing+xml"

_OVER = ("Terminated", "Error")


class Messaging:
    """What a user agent has of messages under way.

    Attributes:
        queues: By target, the messages to it: one under way, and those behind it.
        composing: By target, who is notified that we are writing.
        writers: Who is writing to us.
        take_status: Takes a notice that somebody is writing; None where nobody here wants to know.
    """

    __slots__ = ("composing", "queues", "take_status", "writers")

    def __init__(self) -> None:
        self.queues: dict[Hashable, deque[SentMessage]] = {}
        self.composing: dict[Hashable, Composing] = {}
        self.writers: dict[Hashable, Writer] = {}
        self.take_status: Callable[[ServerTransaction, Any], None] | None = None


def messaging_of(agent: UserAgent) -> Messaging:
    """Return what a user agent has of messages; it is made with the first."""
    if agent.messaging is None:
        agent.messaging = Messaging()
    made: Messaging = agent.messaging
    return made


class MessageReceived(RequestReceived):
    """Somebody sent an instant message. It is answered 200 when the handlers have returned, unless
    one has answered it, by `reject` or `respond`.

    Args:
        incoming: The request.
        call: The call in which it came; None outside of calls.
    """

    METHOD = "MESSAGE"
    DEFAULT = 200

    @property
    def text(self) -> str:
        """The text; of a multipart, its first text/plain part; "" where there is none."""
        request = self.request
        part = request.find_part("text/plain") if request.is_multipart else request
        if part is None or not part.media_type.startswith("text/"):
            # A body without a Content-Type is text here: nothing else can be meant.
            return "" if request.content_type is not None else _decoded(request.body, "")
        charset = part.content_type.parameter("charset") if part.content_type else None
        return _decoded(part.content, charset or "")

    @property
    def content_type(self) -> str:
        """The media type, such as "text/plain"; "" where the message does not say."""
        return self.request.media_type

    @property
    def body(self) -> bytes:
        """The body as it came."""
        return self.request.body

    @property
    def sender(self) -> DNameURI:
        """Who it says that it is from: name and address of From."""
        sender = self.request.from_
        assert sender is not None  # or it would have been refused
        return sender

    def is_expired(self, now: float) -> bool:
        """Whether its time is over (§7).

        Args:
            now: The time, in seconds since 1970, as `time.time()` gives it.
        """
        expires, date = self.request.expires, self.request.get("Date")
        return bool(expires is not None and date and date.time.timestamp() + expires <= now)

    def respond(
        self,
        status: int = 200,
        reason: str | None = None,
        headers: Mapping[str, Any] | Iterable[tuple[str, Any]] = (),
    ) -> None:
        """Answer it; 202 says that it is passed on and not delivered yet (§7).

        Raises:
            UnexpectedInput: It was answered before.
            BuildError: A value cannot stand in a message.
        """
        self.incoming.respond(status, reason, headers)

    def reject(self, status: int = 603, reason: str | None = None) -> None:
        """Refuse it: 6xx where it was delivered and is not wanted, else 4xx or 5xx (§7).

        Raises:
            UnexpectedInput: It was answered before.
            UsageError: That status refuses nothing.
        """
        if status not in range(300, 700):
            raise UsageError(f"{status!r} does not refuse a message: expected 300 to 699.")
        self.respond(status, reason)

    @classmethod
    def enable(cls, agent: UserAgent) -> None:
        """Have a user agent take messages."""
        messaging_of(agent)
        agent.handle_method("MESSAGE", partial(take_message, agent))


#: Codecs of Python's that are no charsets of text; some raise whatever is asked of them, or take a
#: time that is not linear.
_NO_CHARSETS = frozenset({"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"})


def _decoded(body: bytes, charset: str) -> str:
    try:
        if codecs.lookup(charset or "utf-8").name.replace("_", "-") not in _NO_CHARSETS:
            return body.decode(charset or "utf-8", "replace")
    except (LookupError, ValueError):
        pass  # nobody here knows that charset
    return body.decode("utf-8", "replace")


class MessageSent(Event):
    """A message of ours has its outcome.

    Args:
        message: The message; `message.response` is the answer.
        error: Why it was not delivered; None where it was.
    """

    message: SentMessage
    error: CallFailed | None
    SUBJECT = "message"


# -------------------------------------------------------------------- sending


def content_of(
    text: str | None, body: SupportsBytes | str, content_type: str | None
) -> tuple[list[Field], bytes]:
    """Return the header lines and the body of a message.

    Raises:
        BuildError: The type cannot stand in a message.
        UsageError: There is nothing to be sent, or more than one thing, or nobody knows of what
            type it is.
    """
    if text is not None:
        if not isinstance(text, str):
            raise TypeError(f"The text of a message is a str, not {text!r}: see body.")
        if body:
            raise UsageError("A message has a text or a body, not both: parts go in a Multipart.")
        body = text
        if content_type is None:
            # RFC 2046 §4.1.2: what says nothing is US-ASCII.
            content_type = "text/plain" if text.isascii() else "text/plain;charset=UTF-8"
    elif not body:
        raise UsageError('There is nothing to be sent: message(target, "Hello").')
    elif content_type is None and not isinstance(body, Multipart):
        raise UsageError('The type of the body is not given: content_type="application/json".')
    made = Message([] if content_type is None else [("Content-Type", content_type)], body)
    return made._fields, made.body


class SentMessage(Service):
    """An instant message of ours; made by `party.message` and `call.message`. To wait for it is to
    wait for its final response: what was not delivered raises, and says why.

    Args:
        agent: Whose it is.
        key: What it is sent to: of one target one message is under way at a time.
        patience: Seconds that it waits at the most for those before it.
        when_over: Takes its error, or None, when it has its outcome, where it is a notice that
            somebody is writing; None for a message.

    Attributes:
        response: The final response: 200 says that it was delivered, 202 that it will be passed on
            (RFC 3428 §4). None before there is one.
        request: The request as it was sent; None before.
    """

    WHAT = "The message"
    LAST_EVENT = MessageSent
    #: Messages of one target that wait at the most.
    MAX_WAITING = 64

    __slots__ = (
        "_client_request",
        "_key",
        "_send_it",
        "_when_over",
        "patience",
        "request",
        "response",
    )

    table = (
        Row("Initial", "wait", "Waiting"),
        Row("Waiting", "send", "Sent", "_send"),
        Row("Sent", "delivered", "Terminated"),
        Row("Waiting", "timer_late", "Error", "_be_late"),
        Row("Waiting", "terminate", "Error", "_take_back"),
        Row("Sent", "terminate", "Sent", "_end_attempts"),
        Row(("Waiting", "Sent"), "failed", "Error", "_note_error"),
        *(Row(state, ("delivered", "failed"), state) for state in _OVER),
    )
    timers = (Timer("timer_late", "patience", "Waiting"),)
    final = _OVER

    def __init__(
        self,
        agent: UserAgent,
        key: Hashable,
        patience: float = 180.0,
        when_over: Callable[[CallFailed | None], object] | None = None,
    ) -> None:
        self.patience = patience
        super().__init__(agent)
        messaging_of(agent)
        self.request: Request | None = None
        self.response: Response | None = None
        self._when_over = when_over
        self._key = key
        self._send_it: Callable[[], ClientRequest] | None = None
        self._client_request: ClientRequest | None = None

    def settled(self, state: str) -> bool:
        """Whether it has its outcome in this state."""
        return state in _OVER

    # How it goes.

    def send_to(self, request: Request, hop: NextHop, flow: Flow | None = None) -> None:
        """Send it outside of calls, when its turn comes.

        Raises:
            UsageError: Too many wait for the same target.
        """
        self._queue(partial(send_out_of_dialog, self.agent, request, hop, flow, self))

    def send_within(
        self, call: Dialog, state: DialogState, fields: list[Field], body: bytes
    ) -> None:
        """Send it inside a call, when its turn comes.

        Raises:
            UsageError: Too many wait in the call.
        """
        self._queue(partial(state.send_request, call, "MESSAGE", fields, body, self))

    def _queue(self, send: Callable[[], ClientRequest]) -> None:
        agent = self.agent
        writing = None if self._when_over else agent.messaging.composing.get(self._key)
        if writing is not None:
            writing.hear("message_sent")
        queue = agent.messaging.queues.setdefault(self._key, deque())
        if len(queue) >= self.MAX_WAITING:
            raise UsageError(f"{len(queue)} messages wait for that target already.")
        self._send_it = send
        queue.append(self)
        agent.services[self] = None
        self.hit("wait")
        if queue[0] is self:
            self.hit("send")

    def _send(self) -> None:
        assert self._send_it is not None
        try:
            self._client_request = self._send_it()
        except SIPPartyError as error:
            failure = CallFailed(f"The message could not be sent: {error}")
            failure.__cause__ = error
            self.hear("failed", failure)

    def _end_attempts(self) -> None:
        """Do not wait for the time that a server has asked for with Retry-After."""
        request = self._client_request
        if request is not None and request._timer is not None:
            request.cancel()

    def _be_late(self) -> None:
        message = f"The message was not sent within {self.patience:g} s: others are before it."
        self.last_error = CallTimedOut(message, 408, "Request Timeout")

    def _take_back(self) -> None:
        self.last_error = CallFailed("The message was withdrawn before it was sent.", 487)

    def _note_error(self, error: CallFailed) -> None:
        self.last_error = error

    # The request's user.

    def request_built(self, client_request: ClientRequest, request: Request, flow: Flow) -> None:
        """Refuse to send by UDP what is too large for it on the way (§8).

        Raises:
            MessageTooLarge: It is, and there is no other way.
        """
        last = client_request._reliable or client_request.next_hop.transport is not None
        size = len(bytes(request)) + 100  # its Via
        if flow.transport == "UDP" and last and size > client_request.MAX_UDP:
            raise MessageTooLarge(
                f"about {size} bytes are more than a MESSAGE by UDP may have"
                f" ({client_request.MAX_UDP}, RFC 3428 §8), and there is no way by TCP."
            )

    def response_received(self, client_request: ClientRequest, response: Response) -> None:
        """Take a response."""
        if response.status < 200:
            return
        self.response, self.request = response, client_request.request
        if response.status < 300:
            self.hear("delivered")
        else:
            self.hear("failed", rejection(response))

    def request_failed(self, client_request: ClientRequest, error: CallFailed) -> None:
        """Take note that there will be none."""
        self.request = client_request.request
        self.hear("failed", error)

    def request_over(self, client_request: ClientRequest) -> None:
        """Take note that nothing more can come."""

    # The end.

    def on_enter_Terminated(self) -> None:
        """Let the next one be sent."""
        agent, queue = self.agent, self.agent.messaging.queues[self._key]
        self._send_it = self._client_request = None
        queue.remove(self)
        agent.services.pop(self, None)
        if self._when_over is not None:
            self._when_over(self.last_error)
        elif agent.observed:
            self._emit(MessageSent, self.last_error)
        if not queue:
            del agent.messaging.queues[self._key]
        elif queue[0].state == "Waiting":
            queue[0].hear("send")

    def on_enter_Error(self) -> None:
        """Let the next one be sent."""
        self.on_enter_Terminated()


def message_in_call(
    call: Dialog,
    text: str | None,
    body: SupportsBytes | str,
    content_type: str | None,
    headers: Mapping[str, Any] | Iterable[tuple[str, Any]],
    when_over: Callable[[CallFailed | None], object] | None = None,
) -> SentMessage:
    """Send a message inside a call; see `SimpleCall.message`."""
    state = call.dialog_state
    fields, octets = content_of(text, body, content_type)
    fields = [*given_fields(headers, "content-type"), *fields]
    if state is None or not call._may_send(state):
        raise call._unexpected("message")
    sent = SentMessage(call.agent, state.identity, when_over=when_over)
    sent.send_within(call, state, fields, octets)
    return sent


# -------------------------------------------------------------------- receiving


def writer_key(request: Request, call: Dialog | None) -> Hashable:
    """Return what who sends a message is known by as its writer."""
    sender = request.from_
    return None if call is None else id(call), "" if sender is None else sender.uri_text


class _Types:
    """Media types, some of them ranges such as `text/*`."""

    def __init__(self, types: Collection[str]) -> None:
        self._types = types

    def __contains__(self, kind: object) -> bool:
        main = str(kind).partition("/")[0]
        return kind in self._types or f"{main}/*" in self._types or "*/*" in self._types


def take_message(
    agent: UserAgent, transaction: ServerTransaction, state: DialogState | None
) -> None:
    """Take a MESSAGE of theirs (§7).

    Raises:
        ParseError: A header that says what it is, is wrong; answer with its status.
    """
    request = transaction.request
    call: Any = None if state is None else state.call
    messaging = messaging_of(agent)
    if messaging.take_status is not None and request.media_type == COMPOSING:
        messaging.take_status(transaction, call)
        return
    types: Any = _Types(agent.message_types)
    if request._body and request.content_type is not None and not is_understood(request, types):
        accepted = [*agent.message_types, *MULTIPARTS]
        if messaging.take_status is not None:
            accepted.append(COMPOSING)
        headers = [("Accept", ", ".join(accepted)), ("Accept-Encoding", "identity")]
        agent.refuse(transaction, 415, headers)
        return
    writer = messaging.writers.get(writer_key(request, call)) if messaging.writers else None
    if writer is not None:
        writer.hear("stop", request)  # RFC 3994 §3.3: who was writing it has written it
    incoming = IncomingRequest(transaction, agent)
    agent.emit(MessageReceived(agent, incoming, call, made_by=request))
