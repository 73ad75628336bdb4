"""Who is writing a message: the status messages of RFC 3994, ours and theirs.

Laws:

* Ours are sent when somebody begins to write, again while they go on, and once more when they stop
  (§3.2); the message itself says so too, without one. Who refuses one gets no more.
* Theirs make a state: active, until a message or an idle status comes, or neither for as long as
  they have said (§3.3).
* How many of either are kept is limited: a peer may claim to be many.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial
from typing import TYPE_CHECKING, Any, Self
from xml.etree.ElementTree import Element, SubElement, TreeBuilder, XMLParser, tostring
from xml.etree.ElementTree import ParseError as XMLError

from sipparty.errors import CallFailed, ParseError, SIPPartyError
from sipparty.fsm import Row, Timer, verb
from sipparty.sip.events import Event
from sipparty.sip.handle import Service
from sipparty.sip.message import Request
from sipparty.sip.messaging import (
    COMPOSING,
    MessageReceived,
    message_in_call,
    messaging_of,
    writer_key,
)
from sipparty.sip.transaction.server import ServerTransaction
from sipparty.sip.values import DNameURI

if TYPE_CHECKING:
    from sipparty.sip.agent import UserAgent
    from sipparty.sip.dialog import SimpleCall

__all__ = [
    "MAX_WRITERS",
    "Composing",
    "ComposingChanged",
    "ComposingEnded",
    "Writer",
    "composing_in_call",
    "notify_composing",
    "read_status",
    "take_composing",
    "write_status",
]

_NAMESPACE = "urn:ietf:params:xml:ns:im-iscomposing"
#: The largest status document that is read, in bytes.
_MAX_SIZE = 8192
#: Seconds that an active status counts where its sender does not say (RFC 3994 §3.3), the least and
#: the most.
_REFRESH, _LEAST_REFRESH, _MOST_REFRESH = 120, 60, 3600
#: Writers that a user agent knows of at a time, and targets that it writes to.
MAX_WRITERS = 256


class ComposingChanged(Event):
    """Somebody has begun to write a message to us, or has stopped.

    Args:
        active: Whether they write now.
        sender: Who.
        content_type: What they write, such as "text/plain"; "" where they do not say.
        request: The message that says so; None where that much time is over.
        call: The call in which it came; None outside of calls.
    """

    active: bool
    sender: DNameURI
    content_type: str
    request: Request | None
    call: SimpleCall | None
    SUBJECT = "call"
    METHOD = "MESSAGE"

    @property
    def topic(self) -> Hashable:
        """The call; outside of calls, who it is."""
        return self.sender.uri_text if self.call is None else id(self.call)

    @classmethod
    def enable(cls, agent: UserAgent) -> None:
        """Have a user agent take status messages."""
        messaging_of(agent).take_status = partial(take_composing, agent)
        if "MESSAGE" not in agent.methods:
            MessageReceived.enable(agent)


# -------------------------------------------------------------------- documents


def write_status(active: bool, content_type: str = "", refresh: int | None = None) -> bytes:
    """Return a status document (RFC 3994 §6).

    Args:
        active: Whether somebody is writing.
        content_type: What.
        refresh: Seconds until they say so again, if they still are; 60 or more.
    """
    root = Element("isComposing", {"xmlns": _NAMESPACE})
    texts = {"state": "active" if active else "idle", "contenttype": content_type}
    if active and refresh is not None:
        texts["refresh"] = str(refresh)
    for name, text in texts.items():
        if text:
            SubElement(root, name).text = text
    document: bytes = tostring(root, "UTF-8", xml_declaration=True)
    return document


class _Builder(TreeBuilder):
    """Takes no document type: its entities could make a little document large."""

    def doctype(self, *_: object) -> None:
        raise XMLError("a document type is not taken")


def read_status(body: bytes) -> tuple[bool, str, int]:
    """Return what a status document says: whether somebody is writing, what, and for how many
    seconds that counts.

    Raises:
        ParseError: It is none.
    """
    what = "isComposing document"
    if len(body) > _MAX_SIZE:
        raise ParseError(body[:80], f"at most {_MAX_SIZE} bytes", None, what=what, status=413)
    parser = XMLParser(target=_Builder())  # noqa: S314 - it takes no document type
    try:
        parser.feed(body)
        root = parser.close()
    except (XMLError, ValueError, LookupError):
        raise ParseError(body[:80], "well-formed XML", None, what=what) from None
    texts = {}
    if root.tag == f"{{{_NAMESPACE}}}isComposing":
        texts = {str(one.tag).rpartition("}")[2]: (one.text or "").strip() for one in root}
    if "state" not in texts:
        raise ParseError(body[:80], "an isComposing element with a state", None, what=what)
    digits = texts.get("refresh", "")
    refresh = int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 6 else _REFRESH
    # §3.3: a state that nobody knows counts as idle.
    kind = texts.get("contenttype", "")[:80]
    return texts["state"] == "active", kind, min(max(refresh, _LEAST_REFRESH), _MOST_REFRESH)


# -------------------------------------------------------------------- sending


class ComposingEnded(Event):
    """We write to somebody no more, as far as they are notified.

    Args:
        composing: The handle of `party.composing` or `call.composing`.
        error: Why they could not be notified; None where they were.
    """

    composing: Composing
    error: CallFailed | None
    SUBJECT = "composing"


#: Sends a status document; what is given with it is called with why it was not delivered, or None.
_Send = Callable[[bytes, Callable[["CallFailed | None"], object]], object]


class Composing(Service):
    """Notifies somebody that we are writing to them; given by `party.composing` and
    `call.composing`, to be called at each key that is pressed. It ends when neither was called for
    `idle_after` seconds, by `stop`, and by the message itself.

    Args:
        agent: Whose it is.
        key: Whom it is for.
        send: Sends a document, and calls what it is given with what came of it.
        content_type: What is written.
    """

    WHAT = "The notice of writing"
    LAST_EVENT = ComposingEnded
    #: Seconds without a key after which nobody is writing any more (RFC 3994 §3.2).
    idle_after = 15.0
    #: Seconds from one notice to the next, as they say themselves.
    refresh = 120

    __slots__ = ("_content_type", "_key", "_pressed", "_send")

    table = (
        Row("Initial", "press", "Active", "_begin"),
        Row("Active", "press", "Active", "_press"),
        Row("Active", "timer_idle", "Active", "_look"),
        Row("Active", "timer_refresh", "Active", "_notify"),
        Row("Active", ("stop", "terminate"), "Terminated", "_notify_idle"),
        # §3.2: the message says by itself that it is written.
        Row("Active", "message_sent", "Terminated"),
        Row("Active", "failed", "Error", "_note_error"),
        Row("Terminated", ("failed", "message_sent"), "Terminated"),
        Row("Error", ("failed", "message_sent", "press"), "Error"),
    )
    timers = (
        Timer("timer_idle", "_until_idle", "Active", repeat=True),
        Timer("timer_refresh", "refresh", "Active", repeat=True),
    )
    final = ("Terminated", "Error")

    def __init__(
        self,
        agent: UserAgent,
        key: Hashable,
        send: _Send,
        content_type: str,
    ) -> None:
        super().__init__(agent)
        self._key = key
        self._send = send
        self._content_type = content_type
        self._pressed = self.core.timers.now

    @property
    def _until_idle(self) -> float:
        return float(self._pressed + self.idle_after - self.core.timers.now)

    @verb
    def stop(self) -> Self:
        """Notify them that nobody is writing any more; does nothing where they know."""
        if self.state == "Active":
            self.hit("stop")
        return self

    def settled(self, state: str) -> bool:
        """Whether it is over in this state."""
        return state in self.final

    # Actions.

    def _begin(self) -> None:
        self.agent.services[self] = None
        self.agent.messaging.composing[self._key] = self
        self._notify()

    def _press(self) -> None:
        self._pressed = self.core.timers.now

    def _look(self) -> None:
        if self._until_idle <= 0:
            self.hit("stop")

    def _notify(self) -> None:
        self._transmit(write_status(True, self._content_type, self.refresh))

    def _notify_idle(self) -> None:
        self._transmit(write_status(False, self._content_type))

    def _transmit(self, document: bytes) -> None:
        try:
            self._send(document, self._notified)
        except SIPPartyError as error:
            self._notified(CallFailed(f"The notice could not be sent: {error}"))

    def _notified(self, error: CallFailed | None) -> None:
        if error is not None:
            self.hear("failed", error)

    def _note_error(self, error: CallFailed) -> None:
        self.last_error = error

    def on_enter_Terminated(self) -> None:
        """Make place for the next one."""
        del self.agent.messaging.composing[self._key]
        self.on_enter_Error()

    def on_enter_Error(self) -> None:
        """Stay known, so that who has refused one gets no other."""
        self.agent.services.pop(self, None)
        if self.agent.observed:
            self._emit(ComposingEnded, self.last_error)


def notify_composing(
    agent: UserAgent,
    key: Hashable,
    send: _Send,
    content_type: str = "text/plain",
) -> Composing:
    """Take note that a key was pressed, of what is being written to somebody."""
    messaging = messaging_of(agent)
    composing = messaging.composing.get(key)
    if composing is None:
        known = messaging.composing
        if len(known) >= MAX_WRITERS:
            for one in [one for one in known.values() if one.state == "Error"]:
                del known[one._key]
        composing = Composing(agent, key, send, content_type)
    composing.hit("press")
    return composing


def composing_in_call(call: SimpleCall, content_type: str) -> Composing:
    """Take note that a key was pressed, of what is being written inside a call."""
    state = call.dialog_state
    if state is None or not call._may_send(state):
        raise call._unexpected("composing")

    def send(document: bytes, when_over: Callable[[CallFailed | None], object]) -> None:
        message_in_call(call, None, document, COMPOSING, (), when_over)

    return notify_composing(call.agent, state.identity, send, content_type)


# -------------------------------------------------------------------- receiving


class Writer(Service):
    """Somebody who writes to us: until they stop, their time is over, or our party is closed.

    Args:
        agent: Whom they write to.
        key: What they are known by.
        sender: Who.
        content_type: What they write.
        call: The call in which they do; None outside of calls.
    """

    WHAT = "The writer"

    __slots__ = ("_about", "_key", "seconds")

    table = (
        Row("Initial", "write", "Active", "_begin"),
        Row("Active", "write", "Active", "_go_on"),
        Row("Active", ("stop", "timer_over", "terminate", "failed"), "Terminated", "_end"),
    )
    timers = (Timer("timer_over", "seconds", "Active"),)
    final = ("Terminated",)

    def __init__(
        self, agent: UserAgent, key: Hashable, sender: DNameURI, content_type: str, call: Any
    ) -> None:
        super().__init__(agent)
        #: For how long the last notice counts.
        self.seconds = 0
        self._key = key
        self._about = sender, content_type, call

    def _begin(self, seconds: int, request: Request) -> None:
        self.seconds = seconds
        self.agent.services[self] = None
        self.agent.messaging.writers[self._key] = self
        self._report(True, request)

    def _go_on(self, seconds: int, request: Request) -> None:
        self.seconds = seconds
        self.rearm("timer_over")

    def _end(self, request: object = None) -> None:
        self.agent.services.pop(self, None)
        del self.agent.messaging.writers[self._key]
        self._report(False, request if isinstance(request, Request) else None)

    def _report(self, active: bool, request: Request | None) -> None:
        sender, kind, call = self._about
        event = ComposingChanged(self.agent, active, sender, kind, request, call, made_by=request)
        self.agent.emit(event)


def take_composing(agent: UserAgent, transaction: ServerTransaction, call: Any) -> None:
    """Take a status message of theirs.

    Raises:
        ParseError: It is none; answer with its status.
    """
    request = transaction.request
    active, kind, seconds = read_status(request.body)
    transaction.answer(200)
    key, sender = writer_key(request, call), request.from_
    assert sender is not None  # or it would have been refused
    writer = agent.messaging.writers.get(key)
    if not active:
        if writer is not None:
            writer.hear("stop", request)
    elif writer is not None:
        writer.hear("write", seconds, request)
    elif len(agent.messaging.writers) < MAX_WRITERS:
        Writer(agent, key, sender, kind, call).hit("write", seconds, request)
