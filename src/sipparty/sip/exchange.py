"""One request outside of any dialog and its response: OPTIONS, MESSAGE, a method of your own.

`Exchange` is the asking side: a state machine and a handle to wait on. `IncomingRequest` is the
answering side.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable, Iterable, Mapping
from typing import Any, ClassVar, SupportsBytes

from sipparty.errors import CallFailed, copy_of
from sipparty.fsm import FSM, Row, verb
from sipparty.sip.auth import Origin
from sipparty.sip.flow import Flow
from sipparty.sip.message import Request, Response
from sipparty.sip.outgoing import OutgoingRequest
from sipparty.sip.routing import NextHop, as_request_uri
from sipparty.sip.transaction.server import ServerTransaction
from sipparty.sip.values import CSeq

__all__ = ["Exchange", "IncomingRequest"]

#: Requests that have no Contact (RFC 3261 §20 Table 2, RFC 3428 §4, RFC 3903, RFC 6086).
_NO_CONTACT = frozenset({"BYE", "CANCEL", "INFO", "MESSAGE", "PUBLISH"})


class Exchange(FSM):
    """A request sent alone.

    Made by `party.send`. Wait for the final response with `exchange.wait(timeout)` in a thread, or
    `await exchange` in a coroutine.

    Args:
        agent: The user agent it is sent for.
        request: The request. What it lacks of From, Call-ID, CSeq, Max-Forwards and Contact is
            filled in; Via is not its own.
        next_hop: Where it goes first.
        next_number: Gives the next CSeq number of the dialog that it is sent in; None outside of
            dialogs.

    Attributes:
        response: The final response; None before it.
        provisional: The last of the provisional responses, `KEPT` at the most.
        error: Why there is no response; None while there may be one.
    """

    __slots__ = (
        "_built",
        "_next_hop",
        "_next_number",
        "_outgoing",
        "agent",
        "error",
        "provisional",
        "request",
        "response",
    )

    table = (
        Row("Initial", "send", "Waiting", "_send"),
        Row("Waiting", "provisional", "Waiting", "_note_provisional"),
        Row("Waiting", "final", "Answered", "_note_final"),
        Row("Waiting", "failed", "Failed", "_note_error"),
        Row("Waiting", "cancel", "Waiting", "_cancel"),
    )
    final = ("Answered", "Failed")

    #: Provisional responses that are kept: a peer may send them without end.
    KEPT: ClassVar[int] = 8

    @property
    def origin(self) -> Origin:
        """Who has it sent, for `OutgoingRequest`."""
        return Origin.PROGRAM

    def __init__(
        self,
        agent: Any,
        request: Request,
        next_hop: NextHop,
        next_number: Callable[[], int] | None = None,
    ) -> None:
        super().__init__(scheduler=agent.core.timers)
        self._next_number = next_number
        self.agent = agent
        self.request = request
        self._next_hop = next_hop
        self._outgoing: OutgoingRequest | None = None
        self._built = False
        self.response: Response | None = None
        self.provisional: list[Response] = []
        self.error: CallFailed | None = None

    @verb
    def send(self, endpoint: Hashable = None) -> Exchange:
        """Send the request; `party.send` does it."""
        self.hit("send", endpoint)
        return self

    @verb
    def cancel(self) -> Exchange:
        """Cancel the request (RFC 3261 §9.1): only an INVITE is changed by it."""
        self.hit("cancel")
        return self

    def settled(self, state: str) -> bool:
        """Whether the exchange is over in this state."""
        return state in ("Answered", "Failed")

    def wait(self, timeout: float | None = None) -> Response:
        """Block until the final response and return it, whatever its status.

        Args:
            timeout: Seconds; None for as long as the transaction takes.

        Raises:
            CallFailed: No response came, or the request could not be sent.
            Timeout: The time ran out; the exchange goes on.
            WouldDeadlock: Called on the engine's own thread.
        """
        self.waitForStateCondition(self.settled, timeout)
        return self._outcome()

    def __await__(self) -> Generator[Any, None, Response]:
        """Wait as `wait` does, in a coroutine."""
        yield from self.stateCondition(self.settled).__await__()
        return self._outcome()

    def _outcome(self) -> Response:
        if self.response is None:
            assert self.error is not None
            raise copy_of(self.error)
        return self.response

    # ---------------------------------------------------------------- actions

    def _send(self, endpoint: Hashable) -> None:
        core, origin = self.agent.core, self.origin
        outgoing = OutgoingRequest(core, self, self._next_hop, endpoint, self.agent, origin)
        self._outgoing = outgoing
        outgoing.start()

    def _cancel(self) -> None:
        if self._outgoing is not None:
            self._outgoing.cancel()

    def _note_provisional(self, response: Response) -> None:
        self.provisional.append(response)
        del self.provisional[: -self.KEPT]

    def _note_final(self, response: Response) -> None:
        self.response = response

    def _note_error(self, error: CallFailed) -> None:
        self.error = error

    # ---------------------------------------------------------------- a request's user

    def build_request(self, outgoing: OutgoingRequest, flow: Flow) -> Request:
        """Fill in what the request lacks (RFC 3261 §8.1.1), and return a copy to be sent."""
        request, agent = self.request, self.agent
        tokens = agent.core.tokens
        if "Via" in request:
            del request["Via"]  # it was sent before; responses to two would go astray
        if not self._built:
            self._built = True
            defaults = (
                ("Max-Forwards", "70"),
                ("From", f"{agent.address};tag={tokens.tag()}"),
                ("To", f"<{request.uri_text}>"),
                ("Call-ID", tokens.call_id()),
                ("CSeq", f"{tokens.number(24)} {request.method}"),
            )
            for name, value in defaults:
                if name not in request:
                    request.add(name, value)
        elif outgoing.number is None and request.cseq is not None:
            following = self._next_number
            number = request.cseq.number + 1 if following is None else following()
            request["CSeq"] = CSeq(number, request.method)
        bytes(request)
        uri = as_request_uri(request.uri_text)
        sent = Request.of(request.method, uri, list(request._fields), request.body)
        if "Contact" not in sent and request.method not in _NO_CONTACT:
            sent.add("Contact", agent.contact(flow))
        return sent

    def response_received(self, outgoing: OutgoingRequest, response: Response) -> None:
        """Take a response."""
        self.hear("provisional" if response.status < 200 else "final", response)

    def request_failed(self, outgoing: OutgoingRequest, error: CallFailed) -> None:
        """Take note that there will be none."""
        self.hear("failed", error)

    def request_over(self, outgoing: OutgoingRequest) -> None:
        """Let the transaction go."""
        self._outgoing = None


class IncomingRequest:
    """A request that a handler has to answer.

    Args:
        transaction: Its server transaction.
        agent: The user agent it is for.

    Attributes:
        request: The request.
        authenticated: The user who proved by Digest to have sent it; None where nobody was asked
            to.
        flow: The way that it came; `party.invite(flow=...)` calls back by it.
    """

    __slots__ = ("agent", "authenticated", "flow", "portal", "request", "transaction")

    def __init__(self, transaction: ServerTransaction, agent: Any) -> None:
        self.transaction = transaction
        self.request = transaction.request
        self.authenticated = transaction.authenticated
        self.flow = transaction.flow
        self.agent = agent
        self.portal = agent.portal

    @verb
    def respond(
        self,
        status: int,
        reason: str | None = None,
        headers: Mapping[str, Any] | Iterable[tuple[str, Any]] = (),
        body: SupportsBytes | str = b"",
    ) -> None:
        """Answer the request.

        Args:
            status: The status code, 100 to 699.
            reason: The reason phrase; the registered one by default.
            headers: Further headers.
            body: The body; its Content-Type stands in `headers`, but for a `Multipart`.

        Raises:
            UnexpectedInput: It was answered with a final status before.
            BuildError: A value cannot stand in a message.
        """
        tag = None
        if status > 100 and self.request.to is not None and self.request.to.tag is None:
            tag = self.agent.core.tokens.tag()
        self.transaction.respond(self.request.response(status, reason, headers, body, to_tag=tag))
