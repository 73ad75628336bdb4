"""The one tree of errors.

    SIPPartyError
    ├── UsageError                    ours: the program asked for what cannot be
    │   ├── Incomplete                an object lacks what the verb needs
    │   ├── UnexpectedInput           a state machine got an input that its state does not take
    │   ├── TableError                a state machine's table is wrong, as its class is made
    │   ├── AlreadyListening          listen() while listening
    │   ├── WouldDeadlock             a blocking wait on the engine's own thread
    │   └── BuildError (ValueError)   a message cannot be built from this value
    ├── ParseError (ValueError)       theirs: text from a user or the wire is not what it should be
    ├── NegotiationError              theirs or ours: an offer or an answer that does not fit
    ├── MediaError                    a source, a sink or a codec cannot do what was asked of it
    ├── Timeout (TimeoutError)        a wait ran out
    ├── TransportError                bytes could not be moved
    │   ├── ListenError               an address could not be bound
    │   │   └── PortsExhausted        no port or file descriptor is left for it
    │   └── MessageTooLarge           a message does not fit the transport
    └── CallFailed                    a call ended in `Error`; `dialog.last_error` is one of these
        ├── CallRejected              the other side answered with 3xx to 6xx
        ├── CallTimedOut              no answer came in time
        └── CallUnreachable           the transport failed

Errors whose cause is a message from the wire carry `status`, the SIP status code to answer with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from sipparty.sip.message import Response

__all__ = [
    "AlreadyListening",
    "BuildError",
    "CallFailed",
    "CallRejected",
    "CallTimedOut",
    "CallUnreachable",
    "Incomplete",
    "ListenError",
    "MediaError",
    "MessageTooLarge",
    "NegotiationError",
    "ParseError",
    "PortsExhausted",
    "SIPPartyError",
    "TableError",
    "Timeout",
    "TransportError",
    "UnexpectedInput",
    "UsageError",
    "WouldDeadlock",
    "copy_of",
    "printable",
]

_E = TypeVar("_E", bound=BaseException)


def printable(text: str) -> str:
    r"""Return text that is safe to show: what cannot be printed is escaped, as `\x1b` and the like.

    Besides controls these are marks that turn writing around, line ends, and octets that are not
    UTF-8. What came from the wire can so neither move a terminal's cursor nor forge a log line.
    """
    if text.isprintable():
        return text
    return "".join([char if char.isprintable() else repr(char)[1:-1] for char in text])


class SIPPartyError(Exception):
    """The root of every error that sipparty raises on purpose.

    Its text can be shown as it is, whatever of a message it quotes.
    """

    def __str__(self) -> str:
        return printable(super().__str__())


class UsageError(SIPPartyError):
    """The program asked for something that cannot be; nothing was changed."""


class Incomplete(UsageError):
    """An object does not hold enough to do what was asked of it."""


class UnexpectedInput(UsageError):
    """A state machine was given an input that its current state does not take."""


class TableError(UsageError):
    """A state machine's table contradicts itself; the class was not made."""


class AlreadyListening(UsageError):
    """`listen()` was called on a party that listens; `stop_listen()` comes first."""


class WouldDeadlock(UsageError):
    """A blocking wait was made on the engine's own thread, which has to run for the wait to end."""


class BuildError(UsageError, ValueError):
    """A message or a part of one cannot be built from the value given."""


class ParseError(SIPPartyError, ValueError):
    """Text is not what it should be.

    Args:
        text: The whole text that was being parsed.
        expected: What should have stood there, as a noun phrase.
        position: Offset into `text`, in characters (bytes for bytes input), where it failed; None
        where no one place is
            to blame.
        what: The kind of value being parsed, such as "URI".
        status: The SIP status code to answer with where the text came in a request.
    """

    #: The longest excerpt of the text that the message shows, in characters.
    EXCERPT = 80

    def __init__(
        self,
        text: str | bytes,
        expected: str,
        position: int | None = None,
        *,
        what: str = "text",
        status: int = 400,
    ) -> None:
        self.text = text
        self.expected = expected
        self.position = position
        self.what = what
        self.status = status
        super().__init__(text, expected, position)

    def __str__(self) -> str:
        start = 0
        if self.position is not None and len(self.text) > self.EXCERPT:
            start = max(0, min(self.position - self.EXCERPT // 2, len(self.text) - self.EXCERPT))
        excerpt = self.text[start : start + self.EXCERPT]
        shown = repr(excerpt.decode("utf-8", "replace") if isinstance(excerpt, bytes) else excerpt)
        if start:
            shown = "..." + shown
        if len(self.text) > start + self.EXCERPT:
            shown += "..."
        place = "" if self.position is None else f" at position {self.position}"
        text = f"{shown} is not a valid {self.what}: expected {self.expected}{place}."
        return printable(text)


class NegotiationError(SIPPartyError):
    """Two session descriptions have nothing in common, or an answer does not answer its offer (RFC
    3264).

    Args:
        message: A sentence that says what could not be agreed on.
        status: The SIP status code to answer an offer in a request with; 488 Not Acceptable Here by
        default.
        warning: The code of the Warning that goes with it (RFC 3261 §20.43); 399, Miscellaneous, by
        default.
    """

    def __init__(self, message: str, status: int = 488, warning: int = 399) -> None:
        super().__init__(message)
        self.status = status
        self.warning = warning


class MediaError(SIPPartyError):
    """A source, a sink or a codec cannot do what was asked of it; the message names which."""


class Timeout(SIPPartyError, TimeoutError):
    """A wait ended before what it waited for; what was waited for goes on."""


class TransportError(SIPPartyError):
    """Bytes could not be moved to or from the network."""


class ListenError(TransportError):
    """An address could not be bound; the message names it and the system's reason."""


class PortsExhausted(ListenError):
    """Nothing is left to bind: no free port of those that may be used, or no file descriptor that
    is not kept for others. It may be tried again; a call whose media meets it is answered 503.
    """


class MessageTooLarge(TransportError):
    """A message does not fit the transport it has to go by."""


class CallFailed(SIPPartyError):
    """Why a call is in its `Error` state.

    Args:
        message: The reason in words.
        status: The SIP status code, where one was received or stands for the failure (408, 503);
        else None.
        reason: The reason phrase that goes with it; "" where there is none.
        response: The response that failed the call; None where none came.
    """

    def __init__(
        self,
        message: str,
        status: int | None = None,
        reason: str = "",
        response: Response | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.response = response


class CallRejected(CallFailed):
    """The other side answered with a final response of 3xx to 6xx.

    Attributes:
        retry_after: Seconds after which it may be tried again, as the response says (RFC 3261
            §20.33); None where it says nothing.
    """

    retry_after: float | None = None


class CallTimedOut(CallFailed):
    """No final answer, or no acknowledgement of ours, came in time."""


class CallUnreachable(CallFailed):
    """The transport failed: nothing listens there, or no route leads there."""


def copy_of(error: _E) -> _E:
    """Return an error that says the same, to be raised in the place of one that is kept.

    An error that is raised takes on the traceback and the context of where that is done: one that
    several threads raise, or one does again and again, would gather them all.

    Args:
        error: The error; its class, arguments, attributes and cause are taken over.
    """
    made = type(error).__new__(type(error), *error.args)
    made.__dict__.update(error.__dict__)
    made.__cause__ = error.__cause__
    return made
