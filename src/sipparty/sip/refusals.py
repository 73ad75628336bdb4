"""Refusals: what is said to requests that are not served.

Laws:

* Who is not in a dialog that is here, and has not proved who they are, is answered without state,
  once, and the same each time that the request comes again (RFC 3261 §8.2.7): who sends with a
  false address cannot have others flooded by what is sent again (§26.3.2.4).
* By datagrams such an answer is no more than `refusal_size.MAX_RATIO` times as long as its request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sipparty.errors import NegotiationError, ParseError
from sipparty.sip.dialog.outcomes import warning
from sipparty.sip.fields import NEW_FIELD, parse_line
from sipparty.sip.flow import Flow
from sipparty.sip.grammar import is_token
from sipparty.sip.lenient import with_crlf
from sipparty.sip.message import COPIED, Message, Request, Response
from sipparty.sip.refusal_size import refusal
from sipparty.sip.tokens import Tokens
from sipparty.sip.transaction import Overload, ServerTransaction
from sipparty.sip.validation import blame

__all__ = ["Refusals", "salvage"]


class Refusals:
    """The refusals of a core.

    Args:
        tokens: Where tags come from.
        retry_after: What a 503 says of when to come back, in seconds (RFC 3261 §21.5.4).
        transmit: Called with bytes and a flow to send them by.
        is_here: Whether a request is inside of a dialog that is here.
    """

    def __init__(
        self,
        tokens: Tokens,
        retry_after: int,
        transmit: Callable[[tuple[bytes, Flow]], object],
        is_here: Callable[[Request], bool],
    ) -> None:
        self._tokens = tokens
        self._transmit = transmit
        self._is_here = is_here
        self.overloaded = [("Retry-After", str(retry_after))]

    def refuse(
        self,
        transaction: ServerTransaction,
        status: int,
        reason: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
    ) -> None:
        """Answer a request with a failure, if it has no final answer yet.

        Args:
            transaction: The request's.
            status: From 300 to 699.
            reason: The reason phrase; the registered one by default.
            headers: Further headers.
        """
        if transaction.answered:
            return
        request = transaction.request
        if (
            transaction.authenticated is None
            and transaction.takes("send_once")
            and not self._is_here(request)
        ):
            tag = self.steady_tag(request, transaction.flow.remote[0])
            transaction.respond_once(self.answer(request, status, reason, tag, headers))
        elif transaction.takes("send_failure"):
            transaction.respond(self.answer(request, status, reason, transaction.tag, headers))

    def refuse_for(
        self, transaction: ServerTransaction, error: ParseError | NegotiationError
    ) -> None:
        """Refuse an INVITE with the status of an error, and a Warning that says it in words."""
        reason = blame(error, transaction.request) if isinstance(error, ParseError) else None
        self.refuse(transaction, error.status, reason, [warning(error)])

    def refuse_overload(self, request: Request, overload: Overload) -> None:
        """Answer a request that cannot be taken now, the same each time it comes (§8.2.7)."""
        if request.method == "CANCEL":
            return
        if request.facts.to_tag is not None and not self._is_here(request):
            answer = self.answer(request, 481)  # it is inside of no dialog that is here
        else:
            tag = self.steady_tag(request, overload.flow.remote[0])
            answer = self.answer(request, 503, tag=tag, headers=self.overloaded)
        self._send_small(answer, overload.size, overload.flow)

    def refuse_malformed(
        self, data: bytes, error: ParseError, response_flow: Callable[[Request], Flow]
    ) -> None:
        """Answer what is no message, if enough of a request is there to be answered (RFC 3261 §16.3
        has the reason: the sender stops to send it).

        Args:
            data: The bytes.
            error: What is wrong with them.
            response_flow: Gives the flow of a response; raises `ParseError` where there is none.
        """
        request = salvage(data)
        if request is None or request.method == "ACK":
            return
        try:
            back = response_flow(request)
        except ParseError:
            return
        tag = self.steady_tag(request, back.remote[0])
        self._send_small(self.answer(request, error.status, blame(error), tag), len(data), back)

    def _send_small(self, response: Response, size: int, flow: Flow) -> None:
        data = refusal(response, size, flow.transport)
        if data:
            self._transmit((data, flow))

    def steady_tag(self, request: Request, host: str) -> str:
        """Return the To tag of an answer without state: the same for a request sent again, and
        another for any other (RFC 3261 §8.2.7).

        Args:
            request: The request.
            host: Where the answer goes. It is part of the tag, as what the Via says of it may be
                the sender's invention: who knows the tag receives there.
        """
        texts = [request._text(name) or "" for name in ("via", "from", "call-id")]
        # An ACK has that of its INVITE but for the method (§17.1.1.3).
        return self._tokens.tag_of(host, *texts, str(request.facts.number))

    def answer(
        self,
        request: Request,
        status: int,
        reason: str | None = None,
        tag: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
    ) -> Response:
        """Make a response of the core's own, with a To tag: the one given, or a new one."""
        if request.facts.to_tag is not None:
            tag = None
        elif tag is None:
            tag = self._tokens.tag()
        return request.response(status, reason, headers, to_tag=tag)


def salvage(data: bytes) -> Request | None:
    """Make what can be made of a request that does not parse, to answer it with: lines that are no
    headers are left out, and so is the body.

    Returns:
        A request with Via, From, To, Call-ID and CSeq, without which there is no answer (RFC 3261
        §8.2.6.2); None where the data has not got them, or is a response.
    """
    data = data.lstrip(b"\r\n")
    data = with_crlf(data, Message.MAX_HEAD) or data
    head = data[: Message.MAX_HEAD].partition(b"\r\n\r\n")[0].decode("utf-8", "surrogateescape")
    start, *lines = NEW_FIELD.split(head, Message.MAX_FIELDS + 1)
    method = start.replace("\t", " ").partition(" ")[0]
    if not is_token(method) or start[:4].upper() == "SIP/":
        return None
    fields = []
    for line in lines[: Message.MAX_FIELDS]:
        try:
            key, value = parse_line(line)
        except ParseError:
            continue
        if key in COPIED:
            fields.append((key, value, line))
    request = Request.of(method, "sip:unknown", fields)
    return request if all(request._text(key) for key in COPIED) else None
