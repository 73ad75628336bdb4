"""INFO: what applications say to each other inside a call, by Info Packages (RFC 6086), and as it
was done before them (RFC 2976).

Laws:

* Each side says with its INVITE, or with its answer to one, which packages it takes (Recv-Info,
  §5.2): a party that says nothing is one that knows no packages.
* None is sent that the other side has not said that it takes; one that we have not said that we
  take is answered 469 (§4.2.2).
* INFO belongs to a call: outside of one it is answered 481.
* A key is taken note of by a call with audio, whether INFO has handlers or not; where it has none,
  a key is answered 200, as is an INFO without a body, and anything else 415.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, SupportsBytes

from sipparty.errors import BuildError, ParseError, UsageError
from sipparty.records import Record
from sipparty.sip.events import RequestReceived
from sipparty.sip.fields import Field, field
from sipparty.sip.grammar import is_token
from sipparty.sip.message import Message
from sipparty.sip.out_of_dialog import IncomingRequest
from sipparty.sip.transaction.server import ServerTransaction
from sipparty.sip.user_headers import given_fields

if TYPE_CHECKING:
    from sipparty.sip.agent import UserAgent
    from sipparty.sip.client_request import ClientRequest
    from sipparty.sip.dialog import DialogState, SimpleCall

__all__ = [
    "DTMF",
    "InfoPackages",
    "InfoReceived",
    "note_packages",
    "read_dtmf",
    "send_info",
    "take_info",
]

#: Packages of a peer that are kept, and the longest name.
_MAX_PACKAGES, _MAX_NAME = 64, 128
#: What stands for each number in a telephone-event (RFC 4733 §3.2); 16 is a hook flash.
_SIGNALS = "0123456789*#ABCD!"
#: The media types of keys.
_KEY_TYPES = ("application/dtmf-relay", "application/dtmf")


class DTMF(Record):
    """A key that was pressed, as INFO says it.

    Args:
        signal: "0" to "9", "*", "#", "A" to "D", or "!" for a hook flash.
        duration: How long, in milliseconds; None where it is not said.
    """

    signal: str
    duration: int | None


class InfoReceived(RequestReceived):
    """The other side of a call sent an INFO. It is answered 200 when the handlers have returned,
    unless one has answered it, by `incoming.respond`.

    Args:
        incoming: The request.
        call: The call.
    """

    METHOD = "INFO"
    DEFAULT = 200

    @property
    def package(self) -> str:
        """The Info Package; "" for an INFO without one (RFC 6086 §2)."""
        return _package_of(self.request)

    @property
    def parameters(self) -> Mapping[str, str | None]:
        """The parameters of the Info Package."""
        value = self.request.get("Info-Package")
        return {} if value is None else dict(value.parameters)

    @property
    def content_type(self) -> str:
        """The media type of the body; "" where there is none."""
        return self.request.media_type

    @property
    def body(self) -> bytes:
        """The body as it came."""
        return self.request.body

    @property
    def dtmf(self) -> DTMF | None:
        """The key that was pressed, of an application/dtmf-relay or application/dtmf; None of what
        is neither, or cannot be read.
        """
        return read_dtmf(self.content_type, self.body)

    @classmethod
    def enable(cls, agent: UserAgent) -> None:
        """Have a user agent take INFO."""
        agent.handle_method("INFO", partial(take_info, agent))


def read_dtmf(content_type: str, body: bytes) -> DTMF | None:
    """Return the key that a body says was pressed; None where it says none.

    Args:
        content_type: "application/dtmf-relay", whose lines are `Signal=5` and `Duration=160`, or
            "application/dtmf", which is the key alone.
        body: The body.
    """
    text = body[:256].decode("ascii", "replace").strip()
    values = {"signal": text}
    if content_type == "application/dtmf-relay":
        pairs = (line.partition("=") for line in text.splitlines())
        values = {name.strip().lower(): value.strip() for name, _, value in pairs}
    elif content_type != "application/dtmf":
        return None
    signal, duration = values.get("signal", "").upper(), values.get("duration", "")
    if signal.isascii() and signal.isdigit() and len(signal) <= 2 and int(signal) < len(_SIGNALS):
        signal = _SIGNALS[int(signal)]
    if len(signal) != 1 or signal not in _SIGNALS:
        return None
    known = duration.isascii() and duration.isdigit() and len(duration) <= 6
    return DTMF(signal, int(duration) if known else None)


# -------------------------------------------------------------------- packages


class InfoPackages:
    """The Info Packages that a user agent takes.

    Args:
        names: Their names.

    Raises:
        BuildError: A name is no token.

    Attributes:
        names: The names.
        recv_info: The header line that says so.
    """

    __slots__ = ("names", "recv_info")

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)
        for name in self.names:
            if not is_token(name):
                raise BuildError(f"{name!r} cannot be an Info Package: expected a token.")
        self.recv_info = field("Recv-Info", ", ".join(self.names))

    def answer(self, call: SimpleCall, invite: Message) -> Sequence[Field]:
        """Take note of what an INVITE of theirs says, and return what its answer says (§5.2.3)."""
        return (self.recv_info,) if note_packages(call, invite) else ()


def note_packages(call: Any, message: Message) -> bool:
    """Take note of which packages the other side takes, where a message says so; return whether."""
    if "recv-info" not in (message._index or message._make_index()):
        return False
    names: list[str] = []
    for line in message.lines("Recv-Info"):
        names += (one.partition(";")[0].strip()[:_MAX_NAME] for one in line.split(","))
    call.info_packages = tuple(name for name in names if name)[:_MAX_PACKAGES]
    return True


def _package_of(request: Message) -> str:
    return (request._text("info-package") or "").partition(";")[0].strip()


# -------------------------------------------------------------------- ours and theirs


def send_info(
    call: SimpleCall,
    package: str | None,
    body: SupportsBytes | str,
    content_type: str | None,
    headers: Mapping[str, Any] | Iterable[tuple[str, Any]],
) -> ClientRequest:
    """Send an INFO; see `SimpleCall.info`."""
    fields = given_fields(headers, "content-type")
    if package is not None:
        if not isinstance(package, str) or not is_token(package):
            raise BuildError(f"{package!r} cannot be an Info Package: expected a token.")
        if call.agent.info is None:
            raise UsageError(
                "Info Packages are agreed on with the INVITE: give the party"
                " info_packages=() before the call (RFC 6086 §5.2)."
            )
        theirs = call.info_packages
        if package not in (theirs or ()):
            takes = f"it takes {', '.join(theirs)}" if theirs else "it takes none"
            raise UsageError(f"The other side has not said that it takes {package!r}: {takes}.")
        fields.append(field("Info-Package", package))
        if body:
            fields.append(field("Content-Disposition", "Info-Package"))  # §4.3.1
    if body and content_type is None and not hasattr(body, "content_type"):
        raise UsageError('The type of the body is not given: content_type="application/json".')
    made = Message([] if content_type is None else [("Content-Type", content_type)], body)
    state = call.dialog_state
    if state is None or not call._may_send(state):
        raise call._unexpected("info")
    return state.send_request(call, "INFO", [*fields, *made._fields], made.body)


def take_info(agent: UserAgent, transaction: ServerTransaction, state: DialogState | None) -> None:
    """Take an INFO of theirs (§4.2.2).

    Raises:
        ParseError: A header that says what it is, is wrong; answer with its status.
    """
    request = transaction.request
    call: Any = None if state is None else state.call
    if call is None:
        agent.refuse(transaction, 481)
        return
    if "info-package" in (request._index or request._make_index()):
        package = _package_of(request)
        if not is_token(package):
            raise ParseError(package, "an Info Package", 0, what="Info-Package")
        ours = agent.info
        if ours is None or package not in ours.names:
            names = "" if ours is None else ", ".join(ours.names)
            agent.refuse(transaction, 469, [("Recv-Info", names)])
            return
    elif _taken_as_key(agent, transaction, call):
        return
    incoming = IncomingRequest(transaction, agent)
    agent.emit(InfoReceived(agent, incoming, call, made_by=transaction.request))


def _taken_as_key(agent: UserAgent, transaction: ServerTransaction, call: Any) -> bool:
    """Take note of a key, where the call does; and answer what no handler will."""
    note: Callable[[DTMF], object] | None = getattr(call, "_note_dtmf", None)
    if note is None:
        return False
    request = transaction.request
    dtmf = read_dtmf(request.media_type, request.body)
    if dtmf is not None:
        note(dtmf)
    sources = (getattr(agent.owner, "_handlers", None), call._handlers)
    if any(InfoReceived in handlers for handlers in sources if handlers):
        return False
    if dtmf is not None or not request.body:
        transaction.answer(200)
    else:
        agent.refuse(transaction, 415, [("Accept", ", ".join(_KEY_TYPES))])
    return True
