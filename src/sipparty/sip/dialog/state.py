"""What makes a dialog (RFC 3261 §12): its identity, its sequence numbers, its route set and its
remote target, and the requests that follow from them.
"""

from __future__ import annotations

from sipparty.errors import ParseError
from sipparty.sip.fields import Field, field
from sipparty.sip.flow import Flow
from sipparty.sip.grammar import address_tag, split_list
from sipparty.sip.lenient import is_untidy, tidied
from sipparty.sip.message import Message, Request, Response
from sipparty.sip.routing import NextHop, as_request_uri, is_loose, is_secure
from sipparty.sip.uri_grammar import split_sip_uri
from sipparty.sip.validation import is_rfc2543
from sipparty.sip.values import CSeq, DNameURI

__all__ = ["DialogState", "record_route", "remote_target"]

_MAX_FORWARDS = field("Max-Forwards", "70")


class DialogState:
    """The state of a dialog, as text: requests are made of it, none of it is looked into.

    Args:
        call_id: The Call-ID.
        local: Our From or To value, with our tag.
        remote: Theirs, with their tag once it is known.
        local_tag: Our tag.
        remote_tag: Their tag; "" until it is known, or where an old peer gives none (§12.1.1).
        local_seq: The CSeq number of our last request.
        remote_seq: That of theirs; -1 before the first.
        remote_target: The URI that requests go to.
        route_set: Route values in the order they are to be written.
        secure: Whether it was made by a request to a `sips:` URI: it goes by secure transports
            alone then, over each hop (§12.1.1, RFC 5630 §3.1).

    Attributes:
        way: The way that our own INVITE went; None before, and where it was theirs.
        back: The way to the peer who named the remote target and the route set; None where nobody
            but the program has.
        proven: Whether that peer has shown that it receives what goes that way. Until then nothing
            is sent anywhere else at its word.
    """

    __slots__ = (
        "back",
        "call_id",
        "local",
        "local_seq",
        "local_tag",
        "proven",
        "remote",
        "remote_seq",
        "remote_tag",
        "remote_target",
        "route_set",
        "secure",
        "way",
    )

    def __init__(
        self,
        call_id: str,
        local: str,
        local_tag: str,
        remote: str,
        remote_tag: str = "",
        local_seq: int = 0,
        remote_seq: int = -1,
        remote_target: str = "",
        route_set: tuple[str, ...] = (),
        secure: bool = False,
    ) -> None:
        self.secure = secure
        self.call_id = call_id
        self.local = local
        self.local_tag = local_tag
        self.remote = remote
        self.remote_tag = remote_tag
        self.local_seq = local_seq
        self.remote_seq = remote_seq
        self.remote_target = remote_target
        self.route_set = route_set
        self.way: Flow | None = None
        self.back: Flow | None = None
        self.proven = True

    @classmethod
    def of_request(cls, request: Request, local_tag: str, local_seq: int) -> DialogState:
        """Make the state of the side that is called (RFC 3261 §12.1.1).

        Raises:
            ParseError: From, To, Call-ID, CSeq or Contact is missing or wrong; or it is to a
                `sips:` URI, and Contact or a Record-Route is not one (RFC 5630 §5.1.2).
        """
        # What came is read as it is; what is sent on is written as it should be.
        to, remote = _required(request, "to"), _required(request, "from")
        if is_untidy(to) or is_untidy(remote):
            to, remote = tidied(to), tidied(remote)
        made = cls(
            call_id=_required(request, "call-id"),
            local=f"{to};tag={local_tag}",
            local_tag=local_tag,
            remote=remote,
            remote_tag=address_tag(remote) or "",
            local_seq=local_seq,
            remote_seq=CSeq.parse(_required(request, "cseq")).number,
            # RFC 2543 asked for no Contact: From says where its calls come from (RFC 4475 §3.4.1).
            remote_target=remote_target(request, required=not is_rfc2543(request))
            or as_request_uri(DNameURI.parse(remote).uri_text),
            route_set=record_route(request),
            secure=is_secure(request._uri_text),
        )
        if made.secure:
            made._check_security()
        return made

    def _check_security(self) -> None:
        """Check that all ways of a secure dialog are.

        Raises:
            ParseError: The remote target or a route is no `sips:` URI.
        """
        self.check_target(self.remote_target)
        for route in self.route_set:
            uri = DNameURI.parse(route).uri_text
            if not is_secure(uri):
                raise ParseError(uri, "a sips: URI, as the call is to one", 0, what="Record-Route")

    def check_target(self, uri: str) -> None:
        """Check that a URI may be the remote target.

        Raises:
            ParseError: It is no `sips:` URI, and the dialog is secure (RFC 5630 §5.1.1.2).
        """
        if self.secure and not is_secure(uri):
            raise ParseError(uri, "a sips: URI, as the call is to one", 0, what="Contact")

    @property
    def wants_secure_contact(self) -> bool:
        """Whether the Contact that answers the request has to be a `sips:` URI: where the
        request-URI is, or the first Record-Route, or without one the Contact (§12.1.1).
        """
        if self.secure or not self.route_set:
            return self.secure or is_secure(self.remote_target)
        return is_secure(DNameURI.parse(self.route_set[0]).uri_text)

    def established_by(self, response: Response) -> DialogState:
        """Return the state of the side that called, from a response to its INVITE (§12.1.2).

        Raises:
            ParseError: To, Contact or a Record-Route is wrong; or the INVITE was to a `sips:` URI,
                and they are not.
        """
        remote = _required(response, "to")
        if is_untidy(remote):
            remote = tidied(remote)
        routes = record_route(response)
        for route in routes:
            NextHop.of(DNameURI.parse(route).uri_text)
        made = DialogState(
            call_id=self.call_id,
            local=self.local,
            local_tag=self.local_tag,
            remote=remote,
            remote_tag=address_tag(remote) or "",
            local_seq=self.local_seq,
            remote_target=remote_target(response, required=False) or self.remote_target,
            route_set=routes[::-1],
            secure=self.secure,
        )
        made.back = self.way
        if made.secure:
            made._check_security()
        return made

    @property
    def identity(self) -> tuple[str, str, str]:
        """Call-ID, local tag and remote tag (§12)."""
        return (self.call_id, self.local_tag, self.remote_tag)

    @property
    def size(self) -> int:
        """How much text it is, in characters."""
        texts = (self.call_id, self.local, self.remote, self.remote_target, *self.route_set)
        return sum(map(len, texts))

    def next_hop(self) -> NextHop:
        """Return where the next request goes first (§12.2.1.1).

        Raises:
            ParseError: The route or the target is no SIP URI.
        """
        back, routes = self.back, self.route_set
        uri = DNameURI.parse(routes[0]).uri_text if routes else self.remote_target
        hop = NextHop.of(uri, back)
        if self.secure:
            hop = hop.secured()
        if self.proven or back is None:
            return hop
        host, port = back.remote[0], back.remote[1]
        return hop._replace(host=host, port=port, transport=back.transport, maddr=None)

    def next_number(self) -> int:
        """Count one request more, and return its sequence number (§12.2.1.1)."""
        self.local_seq += 1
        return self.local_seq

    def request(
        self, method: str, extra: list[Field], body: bytes = b"", number: int | None = None
    ) -> Request:
        """Make a request in the dialog (§12.2.1.1).

        Args:
            method: The method; the sequence number goes up for all but ACK and CANCEL.
            extra: Further header lines.
            body: The body.
            number: The sequence number of the request that an ACK is for, or that this one takes
                the place of; None for the next.
        """
        if number is None:
            number = self.next_number()
        target = self.remote_target
        routes = self.route_set
        if routes and not is_loose(routes[0]):
            # A strict router takes its own URI as the target, ours comes last (§12.2.1.1).
            target = as_request_uri(DNameURI.parse(routes[0]).uri_text)
            routes = (*routes[1:], f"<{self.remote_target}>")
        fields = [field("Route", route) for route in routes]
        fields += (
            _MAX_FORWARDS,
            ("from", self.local, f"From: {self.local}"),
            ("to", self.remote, f"To: {self.remote}"),
            ("call-id", self.call_id, f"Call-ID: {self.call_id}"),
            field("CSeq", f"{number} {method}"),
        )
        fields += extra
        return Request.of(method, target, fields, body)


def _required(message: Message, key: str) -> str:
    text = message._text(key)
    if not text:
        raise ParseError(str(message)[:80], f"a {key.title()} header", None, what="SIP message")
    return text


def record_route(message: Message) -> tuple[str, ...]:
    """Return the Record-Route values of a message in order (§12.1)."""
    if message._text("record-route") is None:
        return ()
    return tuple(
        tidied(element)
        for line in message.lines("Record-Route")
        for element in split_list(line, "Record-Route")
    )


def remote_target(message: Message, *, required: bool) -> str:
    """Return the URI of the Contact as requests can be sent to it (§12.1.1, §12.2); "" where there
    is none and none is required.

    Raises:
        ParseError: The Contact is missing, or is no address that requests can be sent to.
    """
    text = message._text("contact")
    if text is None:
        if required:
            raise ParseError(str(message)[:80], "a Contact header", None, what="SIP request")
        return ""
    elements = split_list(text, "Contact")
    if not elements:
        raise ParseError(text, "an address", 0, what="Contact")
    uri = DNameURI.parse(elements[0]).uri_text
    # §8.1.1.8: a SIP or SIPS URI.
    if not split_sip_uri(uri).host:
        raise ParseError(uri, "a sip: or sips: URI", 0, what="Contact")
    return as_request_uri(uri) if "?" in uri or ";" in uri else uri
