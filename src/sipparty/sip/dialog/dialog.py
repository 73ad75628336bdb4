"""Usages of dialogs (RFC 5057): what every kind has in common.

A `Dialog` is what a user holds: a state machine whose inputs are the verbs of its user and the
messages of its peer. It belongs to a dialog of RFC 3261, its `dialog_state`. A kind of usage is a
subclass: its table says what happens, `methods` which requests it takes. `SimpleCall` is the one
for INVITE.

Verbs return at once and return the usage, a `Handle` to wait for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Generic, SupportsBytes, TypeVar

from sipparty.errors import BuildError, CallFailed, TableError, UsageError
from sipparty.fsm import verb
from sipparty.sip.client_request import ClientRequest
from sipparty.sip.dialog.record import shown
from sipparty.sip.dialog.state import DialogState
from sipparty.sip.events import CallEnded, Event
from sipparty.sip.grammar import is_token
from sipparty.sip.handle import Handle
from sipparty.sip.message import Message, Request, Response
from sipparty.sip.shares import Share
from sipparty.sip.transaction.server import ServerTransaction
from sipparty.sip.values import DNameURI

if TYPE_CHECKING:
    from sipparty.sip.agent import UserAgent
    from sipparty.sip.dialog.session import Session
    from sipparty.sip.diversion import Diversion, HistoryEntry
    from sipparty.sip.identity import PeerInfo
    from sipparty.sip.typed import AddressReference
    from sipparty.trace.wirelog import WireRecord

__all__ = ["Dialog", "Said"]

#: Requests that are verbs of their own, not to be sent by `Dialog.send`.
_OWN_VERBS = ("INVITE", "ACK", "CANCEL", "BYE")


T = TypeVar("T")


class Said(Generic[T]):
    """An attribute of a call that its `peer_info` has.

    Args:
        default: Its value where there is none.
    """

    def __init__(self, default: T) -> None:
        self._default = default

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, call: Any, owner: type) -> T:
        info = None if call is None else call.peer_info
        found: T = self._default if info is None else getattr(info, self._name)
        return found


class Dialog(Handle, abstract=True):
    """A usage of a dialog, in one of the states of `States`.

    Args:
        agent: The user agent whose usage it is.

    Attributes:
        state: The current state's name, one of `States`.
        dialog_state: The dialog that it belongs to; None before there is one.
        role: "caller" or "callee".
        last_error: Why it is in its `Error` state; None elsewhere.
        authenticated: The user who proved by Digest to be the caller (RFC 3261 §22); None where
            nobody was asked to.
    """

    __slots__ = (*("authenticated", "dialog_state", "role", "session", "silent"),)

    LAST_EVENT: ClassVar[type[Event] | None] = CallEnded
    #: The requests taken inside the dialog: the method, and the name of what handles it; a handler
    #: is called with the server transaction and answers it. Those of the bases are added; None
    #: takes an inherited one away.
    methods: ClassVar[Mapping[str, str | None]] = {}
    #: The methods that the usage cannot do without: it is over where one is refused for good.
    essential: ClassVar[frozenset[str]] = frozenset()

    #: The usage whose place this one takes, once it is established (RFC 3891); None for none.
    replaces: Dialog | None = None
    #: What follows it from state to state, by its `call_moved(usage, input, state)`.
    followers: tuple[Any, ...] = ()
    #: What the other side says of itself; None for nothing.
    peer_info: PeerInfo | None = None
    #: Who it is, as a trusted peer asserts it (RFC 3325); None where none does.
    identity: Said[DNameURI | None] = Said(None)
    #: Who has diverted the call here, the most recent first (RFC 5806).
    diversions: Said[tuple[Diversion, ...]] = Said(())
    #: The requests that have led here (RFC 7044).
    history_info: Said[tuple[HistoryEntry, ...]] = Said(())
    #: How the call is to ring (RFC 3261 §20.4).
    alert_info: Said[tuple[AddressReference, ...]] = Said(())
    #: What a call of ours asks to be kept private (RFC 3323 §4.2); empty for what its agent does.
    privacy: tuple[str, ...] = ()

    _own_methods: ClassVar[Mapping[str, str | None]] = {}

    def __init_subclass__(cls, *, abstract: bool = False, **kwargs: Any) -> None:
        super().__init_subclass__(abstract=abstract, **kwargs)
        cls._own_methods = cls.__dict__.get("methods", {})
        merged: dict[str, str | None] = {}
        for base in reversed(cls.__mro__):
            merged |= base.__dict__.get("_own_methods", {})
        cls.methods = {method: name for method, name in merged.items() if name is not None}
        for method, name in cls.methods.items():
            if not abstract and not callable(getattr(cls, str(name), None)):
                raise TableError(
                    f"The methods of {cls.__name__!r} are wrong: {method} is handled by {name!r},"
                    " and the class has no method of that name."
                )

    def __init__(self, agent: UserAgent) -> None:
        super().__init__(scheduler=agent.core.timers)
        self.agent = agent
        self.core = agent.core
        self.role = ""
        self.dialog_state: DialogState | None = None
        self.session: Session | None = None
        self.last_error: CallFailed | None = None
        self.authenticated: str | None = None
        #: Whether no event was made of it yet, so that none is made of its end either.
        self.silent = False

    # ---------------------------------------------------------------- what a user reads

    @property
    def call_id(self) -> str:
        """The Call-ID; "" before the dialog has one."""
        return "" if self.dialog_state is None else self.dialog_state.call_id

    @property
    def local(self) -> DNameURI | None:
        """Our name, address and tag."""
        return None if self.dialog_state is None else DNameURI.parse(self.dialog_state.local)

    @property
    def remote(self) -> DNameURI | None:
        """Their name, address and (once known) tag."""
        return None if self.dialog_state is None else DNameURI.parse(self.dialog_state.remote)

    @property
    def remote_display(self) -> str:
        """The name of the other side to be shown to people: what a trusted peer asserts, else what
        the other side says; "Anonymous" where it asks for privacy (RFC 3323); "" before a call.
        """
        remote = self.remote
        return "" if remote is None else shown(remote, self.peer_info)

    @property
    def remote_target(self) -> str:
        """The URI that requests go to, the other side's Contact; "" before it is known."""
        return "" if self.dialog_state is None else self.dialog_state.remote_target

    @property
    def bytes_held(self) -> int:
        """The bytes that are kept of what the other side sent."""
        return 0 if self.dialog_state is None else self.dialog_state.bytes_held

    @property
    def weight(self) -> int:
        """The bytes that the usage itself keeps of that: those of its media."""
        said = 0 if self.peer_info is None else self.peer_info.size
        return said + getattr(self.session, "size", 0)

    @property
    def share(self) -> Share | None:
        """That of the source that began the dialog; None for one of ours."""
        return None if self.dialog_state is None else self.dialog_state.share

    @property
    def is_unproven(self) -> bool:
        """Whether a peer began it that has not shown yet that it receives what it is sent."""
        return self.dialog_state is not None and self.dialog_state.is_unproven

    def __str__(self) -> str:
        return f"{self.name} ({self.role or 'new'}, {self.state})"

    @property
    def messages(self) -> list[WireRecord]:
        """The messages of the call, each once and in order; `Ladder(call.messages)` draws them.

        Raises:
            UsageError: The party keeps none: set its `history` before the call.
        """
        history = self.agent.history
        if history is None:
            raise UsageError("No messages are kept: give the party history=True before the call.")
        kept: list[WireRecord] = history.of(self.call_id)
        return kept

    # ---------------------------------------------------------------- the dialog it belongs to

    def join(self, state: DialogState) -> None:
        """Join a dialog, beside the usages that it has already."""
        self.dialog_state = state
        state.join(self)
        self.agent.dialogs[self] = None

    def leave(self) -> None:
        """Be over, and with the last usage the dialog too."""
        self.agent.dialogs.pop(self, None)
        if self.dialog_state is not None:
            self.dialog_state.leave(self)

    # ---------------------------------------------------------------- requests out

    @verb
    def send(
        self,
        method: str,
        headers: Mapping[str, Any] | Iterable[tuple[str, Any]] = (),
        body: SupportsBytes | str = b"",
    ) -> ClientRequest:
        """Send a request of any method inside the dialog (RFC 3261 §12.2.1), an early one too;
        returns at once.

        Wait for its response. What that ends, be it the usage or the dialog, is over here as
        well (RFC 5057 §5): 481 and 408 the usage, as does the lack of one.

        Args:
            method: The method, such as "INFO" or one of your own.
            headers: Further headers.
            body: The body; its Content-Type stands in `headers`, but for a `Multipart`.

        Raises:
            UnexpectedInput: There is no dialog to send in, or not any more.
            UsageError: The method is one that verbs of their own send.
            BuildError: The method or a header cannot stand in a message.
        """
        if method in _OWN_VERBS:
            raise UsageError(f"{method} is not sent alone: it belongs to the verbs of a call.")
        if not isinstance(method, str) or not is_token(method):
            raise BuildError(f"{method!r} cannot be a method: expected a token.")
        state = self.dialog_state
        if state is None or not self._may_send(state):
            raise self._unexpected(method)
        extra = Message(headers, body)
        return state.send_request(self, method, extra._fields, extra.body)

    def _may_send(self, state: DialogState) -> bool:
        """Whether a user's requests can be sent in the dialog now."""
        return self in state.usages

    def response_received(self, client_request: ClientRequest, response: Response) -> None:
        """Take a response to a request that the usage sent."""

    def request_failed(self, client_request: ClientRequest, error: CallFailed) -> None:
        """Take note that a request that it sent will have no response."""

    def request_over(self, client_request: ClientRequest) -> None:
        """Take note that nothing more can come of it."""

    # ---------------------------------------------------------------- requests in

    def owns(self, request: Request) -> bool:
        """Whether a request inside the dialog is for this usage. By default its method decides; a
        usage of which a dialog may have several looks at more, such as Event (RFC 6665 §4.5.2).
        """
        return request.method in self.methods

    def request_received(self, transaction: ServerTransaction, state: DialogState) -> None:
        """Take a request that it owns.

        Raises:
            ParseError: A header that is needed is wrong; the core answers with its status.
        """
        getattr(self, self.methods[transaction.request.method])(transaction)  # type: ignore[arg-type]

    def ack_received(self, ack: Request) -> None:
        """Take an ACK for a 2xx of ours."""

    def peer_proven(self) -> None:
        """Take note that the peer has shown that it receives what it is sent."""

    def prepare(self) -> bool:
        """Make what the answer to the request that began the dialog needs, before any event is made
        of it.

        Returns:
            Whether it can be taken; else it has been refused.
        """
        return True

    def peer_lost(self, error: CallFailed) -> None:
        """Take note that a response has ended the usage, or its dialog."""
        self.hear("peer_lost", error)

    def abandon(self, error: Exception) -> None:
        """End the usage because of a defect: taking its first request has raised."""
        self.leave()
