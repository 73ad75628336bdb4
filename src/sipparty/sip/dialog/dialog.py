"""Dialogs: what every kind has in common (RFC 3261 §12).

A `Dialog` is a state machine whose inputs are the verbs of its user and the messages of its peer. A
kind of dialog is a subclass: its table says what happens, `methods` which requests it takes.

Verbs return at once and return the dialog. To wait for what comes of one:

    dialog.wait(timeout=5)                          in a thread
    await dialog                                    in a coroutine
    dialog.waitForStateCondition(lambda state: state != dialog.States.InitiatingDialog)
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, SupportsBytes

from sipparty.errors import (
    BuildError,
    CallFailed,
    CallRejected,
    CallTimedOut,
    UsageError,
    copy_of,
)
from sipparty.fsm import FSM, Timers, verb
from sipparty.sip.auth import Origin
from sipparty.sip.client_request import ClientRequest
from sipparty.sip.dialog.state import DialogState, remote_target
from sipparty.sip.events import Event
from sipparty.sip.fields import Field
from sipparty.sip.flow import Address, Flow
from sipparty.sip.grammar import is_token
from sipparty.sip.handlers import EventSource
from sipparty.sip.message import Message, Request, Response
from sipparty.sip.out_of_dialog import add_contact
from sipparty.sip.request_user import RequestHost
from sipparty.sip.shares import Share
from sipparty.sip.tokens import Tokens
from sipparty.sip.transaction.server import ServerTransaction
from sipparty.sip.values import CSeq, DNameURI

if TYPE_CHECKING:
    from sipparty.sip.dialog.session import Session

__all__ = ["Dialog", "DialogAgent", "DialogHost", "rejection"]


#: Requests that are verbs of their own, not to be sent by `Dialog.send`.
_OWN_VERBS = ("INVITE", "ACK", "CANCEL", "BYE")


def rejection(response: Response) -> CallRejected:
    """Make the error for a final response that is not a 2xx."""
    # A stranger's text: errors show no control characters, whoever wrote them.
    reason = f" {response.reason}" if response.reason else ""
    return CallRejected(
        f"The other side answered {response.status}{reason}.",
        response.status,
        response.reason,
        response,
    )


class DialogHost(RequestHost, Protocol):
    """What dialogs run in: the core."""

    timers: Timers
    tokens: Tokens
    #: The role of the user agents, and what answers the requests that it does not serve.
    user_agents: Any
    refusals: Any
    #: How many messages came and went, and what was refused, by name.
    counters: dict[str, int]

    def add_dialog(self, dialog: Any) -> None:
        """Have the dialog found by its identity."""

    def remove_dialog(self, dialog: Any) -> None:
        """Have it found no more."""

    def weigh(self, dialog: Any) -> None:
        """Count anew what it keeps."""

    def emit(self, event: Event) -> None:
        """Tell of an event."""


class DialogAgent(Protocol):
    """Whose dialogs they are: a user agent."""

    core: DialogHost
    owner: Any
    #: The From value of a dialog's first request, without a tag.
    address: str
    #: Whether calls are answered as they come.
    auto_answer: bool
    #: Whether the further dialogs of a forked call are kept rather than hung up.
    keep_forks: bool
    #: The media types that an INVITE may carry.
    accepts: tuple[str, ...]
    #: The dialogs that are neither new nor over.
    dialogs: set[Any]
    #: Whether anybody is told of what happens to its dialogs.
    observed: bool
    #: Seconds that a call may wait for an answer here, at the most.
    patience: float

    @property
    def capability_fields(self) -> list[Field]:
        """Allow, Supported and User-Agent lines."""

    def address_on(self, flow: Flow) -> Address:
        """Return our address on a flow as peers are told it."""

    def sent_by(self, flow: Flow) -> str:
        """Return what a Via of ours says before its parameters."""

    def contact(self, flow: Flow, secure: bool = False) -> str:
        """Return the Contact value that peers on this flow can reach us by."""

    def new_session(self, dialog: Any, flow: Flow) -> Session | None:
        """Make and open the media session of a dialog, or give the one that it has, moved to where
        it is for this flow; None for a party without media.
        """

    def refuse_streams(self, offer: bytes, flow: Flow) -> bytes:
        """Return an answer that takes none of an offer's streams; b"" where there can be none."""

    def answer_options(self, transaction: ServerTransaction) -> None:
        """Answer an OPTIONS request."""

    def refuse(
        self,
        transaction: ServerTransaction,
        status: int,
        headers: list[tuple[str, str]] | None = None,
    ) -> None:
        """Answer a request with a failure."""

    def refuse_method(self, transaction: ServerTransaction) -> None:
        """Answer a request whose method is not taken."""

    def understands(self, transaction: ServerTransaction) -> bool:
        """Whether a request asks for nothing that is not known; else it is answered."""


class Dialog(EventSource, FSM, abstract=True):
    """A relation between two user agents, in one of the states of `States`.

    Args:
        agent: The user agent whose dialog it is.

    Attributes:
        state: The current state's name, one of `States`.
        role: "caller" or "callee".
        last_error: Why the dialog is in its `Error` state; None elsewhere.
        authenticated: The user who proved by Digest to be the caller (RFC 3261 §22); None where
            nobody was asked to.
        bytes_held: The bytes that it keeps of what its peer sent, as the core counts them.
        share: That of the source that began it; None for one of ours.
        half_open: Whether it counts as one that nobody has acknowledged yet.
    """

    __slots__ = (
        "__dict__",
        "agent",
        "authenticated",
        "bytes_held",
        "core",
        "dialog_state",
        "endpoint",
        "flow_contact",
        "half_open",
        "last_error",
        "role",
        "session",
        "share",
        "silent",
    )

    #: The requests taken inside the dialog: the method, and the name of what handles it. A handler
    #: is called with the server transaction and answers it.
    methods: ClassVar[dict[str, str]] = {}

    def __init__(self, agent: DialogAgent) -> None:
        super().__init__(scheduler=agent.core.timers)
        self.agent = agent
        self.core = agent.core
        self.role = ""
        self.dialog_state: DialogState | None = None
        self.session: Session | None = None
        self.endpoint: Hashable = None
        self.flow_contact = ""
        self.bytes_held = 0
        self.share: Share | None = None
        self.half_open = False
        self.last_error: CallFailed | None = None
        self.authenticated: str | None = None
        #: Whether nobody has been told of it yet, so that nobody is told of its end either.
        self.silent = False

    # ---------------------------------------------------------------- what a user reads

    @property
    def party(self) -> Any:
        """The party whose dialog it is."""
        return self.agent.owner

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
    def remote_target(self) -> str:
        """The URI that requests go to, the other side's Contact; "" before it is known."""
        return "" if self.dialog_state is None else self.dialog_state.remote_target

    def __str__(self) -> str:
        return f"{self.name} ({self.role or 'new'}, {self.state})"

    # ---------------------------------------------------------------- waiting for an outcome

    def settled(self, state: str) -> bool:
        """Whether no verb is under way in this state; what `wait` waits for."""
        return state not in ("Initial", "InitiatingDialog", "TerminatingDialog")

    def wait(self, timeout: float | None = None) -> Self:
        """Block until the verb under way has its outcome, and return the dialog.

        Args:
            timeout: Seconds; None for as long as it takes.

        Raises:
            CallFailed: The dialog ended in `Error`; this is its `last_error`.
            Timeout: The time ran out; the verb goes on.
            WouldDeadlock: Called on the engine's own thread.
        """
        self.waitForStateCondition(self.settled, timeout)
        return self._outcome()

    def __await__(self) -> Generator[Any, None, Self]:
        """Wait as `wait` does, in a coroutine."""
        yield from self.stateCondition(self.settled).__await__()
        return self._outcome()

    def _outcome(self) -> Self:
        if self.state == "Error" and self.last_error is not None:
            raise copy_of(self.last_error)
        return self

    @property
    def is_unproven(self) -> bool:
        """Whether a peer began it of whom nothing shows yet that it receives what it is sent."""
        return self.half_open and self.share is not None and not self.share.proofs

    # ---------------------------------------------------------------- requests out

    @verb
    def send(
        self,
        method: str,
        headers: Mapping[str, Any] | Iterable[tuple[str, Any]] = (),
        body: SupportsBytes | str = b"",
    ) -> ClientRequest:
        """Send a request of any method inside the dialog (RFC 3261 §12.2.1); returns at once.

        Wait for its response. If that is 481 or 408, or if none comes in time, the dialog is
        over there, and the call ends here as well (§12.2.1.2).

        Args:
            method: The method, such as "INFO" or one of your own.
            headers: Further headers.
            body: The body; its Content-Type stands in `headers`, but for a `Multipart`.

        Raises:
            UnexpectedInput: The dialog is not established, or not any more.
            UsageError: The method is one that verbs of their own send.
            BuildError: The method or a header cannot stand in a message.
        """
        if method in _OWN_VERBS:
            raise UsageError(f"{method} is not sent alone: it belongs to the verbs of a call.")
        if not is_token(method):
            raise BuildError(f"{method!r} cannot be a method: expected a token.")
        data = self.dialog_state
        if data is None or self.state != "InDialog":
            raise self._unexpected(method)
        extra = Message(headers, body)
        sender = _UsersRequest(self, method, extra._fields, extra.body)
        client_request = self._client_request(sender, data)
        client_request.portal = self.portal
        client_request.start()
        return client_request

    @property
    def request_origin(self) -> Origin:
        """Who has begun what its requests are in: it decides whose challenges are answered."""
        return Origin.THEIR_CALL if self.role == "callee" else Origin.OUR_CALL

    def _send_request(
        self,
        method: str,
        extra: list[Field] | None = None,
        body: bytes = b"",
    ) -> ClientRequest:
        """Send a request inside the dialog."""
        assert self.dialog_state is not None
        sender = _DialogRequest(self, method, extra or [], body)
        client_request = self._client_request(sender, self.dialog_state)
        client_request.start()
        return client_request

    def _client_request(self, sender: _DialogRequest, data: DialogState) -> ClientRequest:
        return ClientRequest(
            *(self.core, sender, data.next_hop(), self.endpoint, self.agent, self.request_origin)
        )

    def response_received(self, client_request: ClientRequest, response: Response) -> None:
        """Take a response to a request inside the dialog."""
        raise NotImplementedError

    def request_failed(self, client_request: ClientRequest, error: CallFailed) -> None:
        """Take note that a request inside the dialog will have no response."""
        raise NotImplementedError

    def request_redirected(self, client_request: ClientRequest) -> None:
        """Take note that the request goes to another target."""

    def request_over(self, client_request: ClientRequest) -> None:
        """Take note that nothing more can come of a request inside the dialog."""

    # ---------------------------------------------------------------- requests in

    def request_received(self, transaction: ServerTransaction) -> None:
        """Take a request inside the dialog (RFC 3261 §12.2.2).

        Raises:
            ParseError: A header that is needed is wrong; the core answers with its status.
        """
        request = transaction.request
        data = self.dialog_state
        assert data is not None
        data.proven = True  # it knows our tag, which was told to that address alone
        number = CSeq.parse(request._text("cseq") or "").number
        if data.remote_seq >= 0 and number < data.remote_seq:
            # §12.2.2: out of order. A request sent again never comes here.
            transaction.respond(request.response(500, "CSeq Out Of Order"))
            return
        data.remote_seq = number
        handler = self.methods.get(request.method)
        if handler is None:
            self.agent.refuse_method(transaction)
        elif self.agent.understands(transaction):
            getattr(self, handler)(transaction)

    def ack_received(self, ack: Request) -> None:
        """Take an ACK for a 2xx of ours."""

    def prepare(self) -> bool:
        """Make what the answer to the request that began the dialog needs, before anybody is told
        of it.

        Returns:
            Whether it can be taken; else it has been refused.
        """
        return True

    def give_up(self, error: CallFailed) -> None:
        """End the dialog at once, whatever is under way in it: nothing can be sent any more."""
        self.hear("failed", error)

    def abandon(self, error: Exception) -> None:
        """End the dialog because of a defect: taking its first request has raised."""
        self.core.remove_dialog(self)

    def _emit(self, event: Callable[..., Event], *values: Any) -> None:
        """Emit an event of a kind about this call."""
        self.core.emit(event(self.agent, self, *values))

    def _handlers_changed(self) -> None:
        self.agent.observed = True

    def _new_target(self, message: Request | Response) -> str:
        """Return the remote target that a target refresh gives (§12.2.1.2, §12.2.2).

        Raises:
            ParseError: The Contact is nothing that requests could be sent to.
        """
        assert self.dialog_state is not None
        target = remote_target(message, required=False) or self.dialog_state.remote_target
        self.dialog_state.check_target(target)
        return target


class _DialogRequest:
    """One request inside a dialog, from being made to its outcome."""

    __slots__ = ("body", "dialog", "extra", "method")

    def __init__(self, dialog: Dialog, method: str, extra: list[Field], body: bytes) -> None:
        self.dialog = dialog
        self.method = method
        self.extra = extra
        self.body = body

    def build_request(self, client_request: ClientRequest, flow: Flow) -> Request:
        data = self.dialog.dialog_state
        assert data is not None
        return data.request(self.method, self.extra, self.body, client_request.number)

    def response_received(self, client_request: ClientRequest, response: Response) -> None:
        self.dialog.response_received(client_request, response)

    def request_failed(self, client_request: ClientRequest, error: CallFailed) -> None:
        self.dialog.request_failed(client_request, error)

    def request_redirected(self, client_request: ClientRequest) -> None:
        pass  # what is in a dialog stays there

    def request_over(self, client_request: ClientRequest) -> None:
        self.dialog.request_over(client_request)


class _UsersRequest(_DialogRequest):
    """A request that a user sends inside a dialog, which ends with some of its outcomes."""

    __slots__ = ()

    def build_request(self, client_request: ClientRequest, flow: Flow) -> Request:
        request = super().build_request(client_request, flow)
        add_contact(request, self.dialog.agent, flow)
        return request

    def response_received(self, client_request: ClientRequest, response: Response) -> None:
        if response.status in (408, 481):
            self.dialog.hear("peer_lost", rejection(response))

    def request_failed(self, client_request: ClientRequest, error: CallFailed) -> None:
        if isinstance(error, CallTimedOut):
            self.dialog.hear("peer_lost", error)

    def request_over(self, client_request: ClientRequest) -> None:
        pass
