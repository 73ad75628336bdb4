"""What a tester has a user agent do that it would not do: send what it should not, leave out what
it should, wait too long.

    with tamper(call, lambda message: DROP if is_request(message, "ACK") else None):
        ...

Laws:

* All of it is one mechanism, `tamper`: a function that is given each message as it is about to be
  sent, and says what is sent in its place. The others are such functions with a name.
* What a message says of itself is what counts: the stack knows nothing of it. A retransmission is
  a message like any other.
* Where nobody tampers it costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final, Self, TypeAlias

from sipparty.errors import ParseError, UsageError
from sipparty.sip.agent import UserAgent
from sipparty.sip.client_request import ClientRequest
from sipparty.sip.core import Core
from sipparty.sip.dialog import Dialog
from sipparty.sip.flow import Flow
from sipparty.sip.message import Message, Request, Response
from sipparty.sip.routing import NextHop, route_to
from sipparty.sip.values import CSeq

__all__ = [
    "DROP",
    "Tampering",
    "answer_nothing",
    "is_request",
    "repeat",
    "send_raw",
    "shift_cseq",
    "tamper",
    "withhold_ack",
    "write_tags",
]

#: What is sent in the place of a message that is not to be sent.
DROP: Final[tuple[()]] = ()

#: What is sent in a message's place: a message, or bytes that may be none; several of them; or a
#: pair of seconds and one of them, to be sent later. None is the message, as it is by now.
Instead: TypeAlias = "Message | bytes | tuple[float, Message | bytes] | Iterable[Any] | None"


class _Filter:
    """Stands between a core and what sends for it, while anybody tampers."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.tamperings: list[Tampering] = []
        #: What was held back, and is sent now.
        self._due: list[tuple[bytes, Flow]] = []
        self._held: dict[str, tuple[bytes, Flow]] = {}
        self._number = 0

    def __call__(self) -> list[tuple[bytes, Flow]]:
        due, self._due = self._due, []
        sent: list[tuple[bytes, Flow]] = []
        for data, flow in Core.transmits(self._core):
            if (data, flow) in due:
                due.remove((data, flow))
                sent.append((data, flow))
            else:
                sent += [(one, flow) for one in self._pass(data, flow)]
        return sent

    def _pass(self, data: bytes, flow: Flow) -> list[bytes]:
        """Return what is sent in the place of a message."""
        left = [data]
        for tampering in self.tamperings:
            left = [one for each in left for one in self._given(tampering.instead(each), flow)]
        return left

    def _given(self, given: Any, flow: Flow) -> list[bytes]:
        if isinstance(given, Message | bytes):
            return [bytes(given)]
        if isinstance(given, tuple) and given and isinstance(given[0], int | float):
            self._number += 1
            self._held[f"send {self._number}"] = (bytes(given[1]), flow)
            self._core.timers.arm(given[0], self, f"send {self._number}")
            return []
        return [one for each in given for one in self._given(each, flow)]

    def _fire(self, input: str, /) -> None:
        held = self._held.pop(input)
        self._due.append(held)
        self._core.transmit(held)


class Tampering:
    """A filter of what is sent; made by `tamper`. It ends by `stop`, or with its `with` block.

    Attributes:
        seen: How many messages it was given.
    """

    def __init__(
        self,
        core: Core,
        portal: Any,
        applies: Callable[[Message], bool],
        function: Callable[[Message], Instead],
    ) -> None:
        self.seen = 0
        self._error: Exception | None = None
        self._core = core
        self._portal = portal
        self._applies = applies
        self._function = function
        _run(portal, self._start)

    def _start(self) -> None:
        filter = vars(self._core).get("transmits")
        if filter is None:
            filter = self._core.transmits = _Filter(self._core)  # type: ignore[method-assign]
        filter.tamperings.append(self)

    def stop(self) -> None:
        """Let everything pass from here on; may be called more than once.

        Raises:
            Exception: What the function has raised; the message was sent as it was.
        """
        _run(self._portal, self._stop)
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _stop(self) -> None:
        filter = vars(self._core).get("transmits")
        if filter is not None and self in filter.tamperings:
            filter.tamperings.remove(self)
            if not filter.tamperings:
                del self._core.transmits

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def instead(self, data: bytes) -> Instead:
        """Return what is sent in the place of a message."""
        try:
            message = Message.parse(data)
        except ParseError:
            return data  # what was sent raw
        if not self._applies(message):
            return data
        self.seen += 1
        try:
            given = self._function(message)
        except Exception as error:
            # What else is sent now is not the function's; who made it gets the error.
            self._error = self._error or error
            return data
        return message if given is None else given


def _run(portal: Any, function: Callable[[], object]) -> None:
    if portal is None:
        function()
    else:
        portal.run(function)


def tamper(what: Any, function: Callable[[Message], Instead]) -> Tampering:
    """Have a function say what is sent in the place of each message.

    Args:
        what: Whose messages: those of our side of a call; those of a party, or a user agent, by
            their own address in From or To; or all that an engine, or a core, sends.
        function: Takes the message, which it may change, and returns what is sent: None for that
            message, `DROP` for nothing, another one, bytes, several of these, or a pair of seconds
            and one of them, to be sent later. It runs on the engine's thread.

    Raises:
        TypeError: It is none of these.
        UsageError: The party has no user agent yet: it has neither listened nor called.
    """
    if not callable(function):
        raise TypeError(f"tamper() takes a function of a message, not {function!r}.")
    if isinstance(what, Dialog):
        return Tampering(what.core, what.portal, partial(_is_of, what), function)
    if isinstance(what, Core):
        return Tampering(what, None, lambda message: True, function)
    if isinstance(getattr(what, "core", None), Core) and not isinstance(what, UserAgent):
        return Tampering(what.core, what, lambda message: True, function)
    agent = _agent_of(what)
    return Tampering(agent.core, agent.portal, _own(agent), function)


def _agent_of(what: Any) -> Any:
    if isinstance(what, UserAgent):
        return what
    if not hasattr(what, "_agent"):
        raise TypeError(
            f"That is a call, a party, a user agent, an engine or a core: not {what!r}."
        )
    if what._agent is None:
        raise UsageError("The party has no user agent yet: it has neither listened nor called.")
    return what._agent


def _own(agent: Any) -> Callable[[Message], bool]:
    """Return what says whether a message is a user agent's."""

    def applies(message: Message) -> bool:
        ours = message.from_ if isinstance(message, Request) else message.to
        return ours is not None and (ours.username or "", ours.address) == (agent.user, agent.host)

    return applies


def _is_of(call: Dialog, message: Message) -> bool:
    """Whether a message is one that our side of a call sends."""
    state = call.dialog_state
    if state is None or message._text("call-id") != state.call_id:
        return False
    ours = message.from_ if isinstance(message, Request) else message.to
    tag = None if ours is None else ours.tag
    # A 100 has no tag of ours.
    return tag == state.local_tag or (tag is None and isinstance(message, Response))


def is_request(message: Message, *methods: str) -> bool:
    """Whether a message is a request, of one of some methods where those are given."""
    return isinstance(message, Request) and (not methods or message.method in methods)


# -------------------------------------------------------------------- what testers do


def withhold_ack(what: Any) -> Tampering:
    """Send no ACK: the other side sends its 2xx again and again, and hangs up (RFC 3261 §13.3.1.4).

    Args:
        what: Whose ACKs, as for `tamper`.
    """
    return tamper(what, lambda message: DROP if is_request(message, "ACK") else None)


def answer_nothing(what: Any, requests: int = 1) -> Tampering:
    """Answer the next requests with silence, and all of their copies; those after them as ever.

    Args:
        what: Who is silent, as for `tamper`.
        requests: How many requests.
    """
    if not isinstance(requests, int):
        raise TypeError(f"requests is a whole number, not {requests!r}.")
    silent: set[tuple[str, str]] = set()

    def drop(message: Message) -> Instead:
        if not isinstance(message, Response) or message.via is None or message.cseq is None:
            return None
        key = (message.via.branch or "", message.cseq.method)
        if key not in silent and len(silent) < requests:
            silent.add(key)
        return DROP if key in silent else None

    return tamper(what, drop)


def shift_cseq(what: Any, by: int, *methods: str) -> Tampering:
    """Send requests with a CSeq number that is not the next.

    Args:
        what: Whose requests, as for `tamper`.
        by: What is added to the number.
        methods: Of which methods; of any, where none is given.
    """
    if not isinstance(by, int):
        raise TypeError(f"by is a whole number, not {by!r}.")

    def shift(message: Message) -> Instead:
        if is_request(message, *methods):
            assert message.cseq is not None
            message["CSeq"] = CSeq(message.cseq.number + by, message.cseq.method)
        return None

    return tamper(what, shift)


def write_tags(
    what: Any, *methods: str, from_tag: str | None = None, to_tag: str | None = None
) -> Tampering:
    """Send requests with other tags.

    Args:
        what: Whose requests, as for `tamper`.
        methods: Of which methods; of any, where none is given.
        from_tag: The tag of From; None for as it is.
        to_tag: The tag of To; None for as it is.
    """

    def write(message: Message) -> Instead:
        if is_request(message, *methods):
            for value, tag in ((message.from_, from_tag), (message.to, to_tag)):
                if value is not None and tag is not None:
                    value.tag = tag
        return None

    return tamper(what, write)


def repeat(request: ClientRequest, times: int = 1) -> None:
    """Send a request again, as it was sent last: the same transaction, for who receives it.

    Args:
        request: The request.
        times: How often.

    Raises:
        UsageError: It was not sent yet, or is no longer kept, as an INVITE that was answered.
    """
    if not isinstance(request, ClientRequest):
        raise TypeError(f"What is repeated is a request, as send() gives, not {request!r}.")
    if request.request is None or request.flow is None:
        raise UsageError("There is nothing to repeat: it was not sent yet, or is no longer kept.")
    data, flow, host = bytes(request.request), request.flow, request.host

    def send() -> None:
        for _ in range(times):
            host.transactions.transmit((data, flow))

    _run(request.portal, send)


class _RawData:
    """Bytes that wait for a flow."""

    def __init__(self, core: Any, data: bytes) -> None:
        self._core = core
        self._data = data

    def flow_found(self, flow: Flow) -> None:
        self._core.transmit((self._data, flow))

    def flow_failed(self, reason: str) -> None:
        pass  # nobody waits for what comes of it


def send_raw(sender: Any, data: bytes | Message, target: str) -> None:
    """Send bytes as they are, whatever they are; nobody waits for an answer.

    Args:
        sender: The party, or the user agent, that sends them from where it sends what it should.
        data: The bytes, or a message.
        target: Where to: a host, host:port or URI, as "sip:10.0.0.2:5070;transport=tcp".

    Raises:
        ParseError: The target is no address.
        UsageError: The party has no user agent yet: it has neither listened nor called.
    """
    if isinstance(data, str):
        raise TypeError(f"What is sent is bytes or a message, not {data!r}: encode() it.")
    agent = _agent_of(sender)
    hop = NextHop.of(route_to(target)[1:-1])
    raw = _RawData(agent.core, bytes(data))
    _run(agent.portal, partial(agent.core.locate, hop, None, agent, raw))
