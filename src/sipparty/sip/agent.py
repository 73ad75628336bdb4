"""The user agent (RFC 3261 §6): an address of record, what it can do, and what it does with the
requests that come for it. A `Party` has one; it is the part of the party without I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from sipparty.errors import BuildError, NegotiationError, ParseError
from sipparty.fsm import Portal
from sipparty.sip.admission import Admission, Name
from sipparty.sip.auth import DigestClient, DigestServer
from sipparty.sip.bodies import MULTIPARTS, SDP, is_understood
from sipparty.sip.call_limits import MANY_CALLS
from sipparty.sip.dialog import Dialog, DialogState, Session, SimpleCall
from sipparty.sip.events import Event, RequestReceived
from sipparty.sip.fields import Field, field
from sipparty.sip.flow import Address, Flow, host_port
from sipparty.sip.grammar import check_line, is_token
from sipparty.sip.handle import Handle
from sipparty.sip.incoming_calls import take_invite
from sipparty.sip.message import Message, Request
from sipparty.sip.out_of_dialog import IncomingRequest
from sipparty.sip.redirects import MAX_REDIRECTS
from sipparty.sip.transaction import ServerTransaction
from sipparty.sip.uri_grammar import split_sip_uri
from sipparty.sip.values import DNameURI
from sipparty.vb import ValueBinder

if TYPE_CHECKING:
    from sipparty.sip.identity import PeerInfo, Peers

__all__ = ["MANY_CALLS", "MAX_CONTACTS", "UserAgent"]

#: The option tags that the stack honours by itself (RFC 3261 §19.2).
SUPPORTED: tuple[str, ...] = ("100rel", "norefersub", "nosub", "replaces", "tdialog", "timer")


#: Contact values remembered for each user agent; all are forgotten when there are more.
MAX_CONTACTS = 1024

#: The methods that the RFCs define; any other is one that nobody knows.
_KNOWN_METHODS = (
    *("ACK", "BYE", "CANCEL", "INFO", "INVITE", "MESSAGE", "NOTIFY", "OPTIONS", "PRACK"),
    *("PUBLISH", "REFER", "REGISTER", "SUBSCRIBE", "UPDATE"),
)


def _refuses_sdp(request: Request) -> bool:
    """Whether the Accept of a request leaves session descriptions out (RFC 3261 §20.1). One that is
    malformed is ignored (§8.2).
    """
    try:
        ranges = request["Accept"]
    except ParseError:
        return False
    return not any(one.covers(SDP) for one in ranges)


class UserAgent(ValueBinder):
    """One user of a core.

    Args:
        core: The core.
        uri: The address of record, a `sip:` or `sips:` URI.
        owner: Whose agent it is: the party, as a rule.
        display_name: The name that people see, as it is written in a From header; "" for none.

    Raises:
        ParseError: The uri is none, or the display name is not as a From header has it.
        BuildError: The display name holds a control character.

    Attributes:
        server_dialog: What an INVITE makes; a subclass of `Dialog`.
        open_session: Makes and opens the media of a dialog, or gives what it has, moved to where it
            is for a flow; None for an agent without media.
        offers: Whether media has something to offer. Where not, `open_session` is called where the
            other side offers, and else a call has none.
        auto_answer: Whether a call is answered as it comes.
        rings: Whether an automatic answer is preceded by 180 Ringing.
        accepts: The media types that an INVITE may carry, as its body or in parts of it; multiparts
            always. What else has to be understood is answered 415 (RFC 5621 §8.4).
        message_types: The media types that a MESSAGE may carry, likewise; also ranges, `text/*`.
        messaging: What it has of messages under way; None before the first.
        info: The Info Packages that it takes; None where it knows none.
        max_calls: How many dialogs may be up before further calls are answered 486; None for any.
        max_calls_of_one: How many of them one source may have begun, where there are as many;
            further calls of its are answered 503. None for any.
        patience: Seconds that a call may wait for an answer here, at the most; 180 by default. The
            Expires of its INVITE makes it less, never more (RFC 3261 §13.3.1).
        follow_redirects: How many redirections a request of ours follows; False or 0 for none.
        retry_wait: Seconds that a request of ours waits at the most where a server asks for that
            with 413 or 503 and Retry-After; 0, the default, for not at all.
        trusted_peers, asserted_identity, preferred_identity, privacy, history_info, answer_mode: As
            the settings of a party have them (RFC 3323, 3325, 7044, 5373).
        session_expires, min_se, session_refresher: Likewise (RFC 4028).
        check_offer: Judges the offer of a call that somebody is to decide on, before they are given
            it: raises `NegotiationError` or `ParseError` for one that could not be answered.
            None to find out when the call is accepted.
        media_options: Checks the options of one call's media, and gives them as a dictionary.
        reject_offer: Makes of an offer and an address of ours the answer that takes no stream of
            it; None where there is nobody who can.
        methods: What is done with each method outside of a dialog.
        in_dialog: What is done with each method inside a dialog whose usages do not take it.
        digest: What answers challenges (RFC 3261 §22); None where there are no credentials.
        authenticator: What challenges requests outside of dialogs (§22.2); None where they are
            taken from anybody. ACK and CANCEL are never challenged (§22.1), nor are requests inside
            a dialog.
        portal: Access to the engine's thread, given to each dialog.
        local_address: The numeric address of this host that it sends from, but for answers to what
            came by a socket it listens on; None for the system's choice.
        product: What User-Agent says.
        catch_all: Whether it takes the requests to every user that no other agent there is.
        observed: Whether anybody takes the events of its dialogs; else they are not made.
        dialogs: Its calls, and what else counts as one, that are neither new nor over, in order.
        services: What else lasts at it: registrations, subscriptions, publications. They end when
            it is closed.
        history: What keeps the messages of its calls; None for nothing.
        registration: The `Registration` whose route, flow and Contact its requests take; None while
            it has none that stands.
        instance_id: What names it among all user agents, such as "urn:uuid:..." (RFC 5626 §4.1);
            None where it has no need of that.
    """

    def __init__(self, core: Any, uri: str, owner: Any = None, display_name: str = "") -> None:
        parts = split_sip_uri(uri)
        self.core = core
        self.owner = owner
        self.uri = uri
        self.user = parts.user or ""
        self.host = parts.host
        self.scheme = parts.scheme
        self.contact_user = self.user
        self.address = f"{display_name} <{uri}>" if display_name else f"<{uri}>"
        DNameURI.parse(check_line(self.address, "display name"))
        self.server_dialog: type[Dialog] = SimpleCall
        self.open_session: Callable[[Dialog, Flow], Session | None] | None = None
        self.offers = True
        self.history: Any = None
        self.auto_answer = True
        self.rings = True
        self.accepts: tuple[str, ...] = (SDP,)
        self.max_calls: int | None = None
        self.max_calls_of_one: int | None = None
        self.patience: float = SimpleCall.PATIENCE
        self.follow_redirects: int = MAX_REDIRECTS
        self.retry_wait = 0.0
        self.check_offer: Callable[[bytes, Flow], None] | None = None
        self.media_options: Callable[[Mapping[str, Any]], dict[str, Any]] = dict
        self.reject_offer: Callable[[bytes, str], bytes] | None = None
        self.keep_forks = False
        self.trusted_peers: Peers | None = None
        self.asserted_identity: tuple[str, ...] = ()
        self.privacy: tuple[str, ...] = ()
        self.preferred_identity: str | None = None
        self.history_info = self._answer_mode = False
        self.session_expires: int | None = None
        self.session_refresher: str | None = None
        self.min_se = 90
        self.catch_all = False
        self.observed = True
        self.portal: Portal | None = None
        self.digest: DigestClient | None = None
        self.local_address: str | None = None
        self._admission: Admission | None = None
        #: What it is called besides, in the URIs of credentials.
        self.names: tuple[Name, ...] = ()
        self.dialogs: dict[Dialog, None] = {}
        self.services: dict[Handle, None] = {}
        self.registration: Any = None
        self.instance_id: str | None = None
        #: What its REGISTER requests share, by registrar and reg-id.
        self.register_series: dict[tuple[str, int], Any] = {}
        self.message_types: tuple[str, ...] = ("text/plain", "message/cpim")
        self.messaging: Any = None
        self.info: Any = None
        self.methods: dict[str, Callable[[ServerTransaction], None]] = {
            "INVITE": partial(take_invite, self),
            "OPTIONS": self.answer_options,
            "ACK": lambda _: None,
            "BYE": self._refuse_stray,
            "CANCEL": self._refuse_stray,
            "PRACK": self._refuse_stray,
            "UPDATE": self._refuse_stray,
            "NOTIFY": self._refuse_stray,
            "REFER": lambda transaction: self._take_refer(transaction, None),
        }
        self.in_dialog: dict[str, Callable[[ServerTransaction, DialogState | None], None]] = {
            "REFER": self._take_refer
        }
        self.supported: tuple[str, ...] = SUPPORTED
        #: What others may subscribe to, a `notification.resource.Resources`; None for nothing.
        self.resources: Any = None
        self._reliable_provisionals = "supported"
        self._product = "sipparty"
        #: Gives the address that is advertised in the place of the one that we send from; None for
        #: that itself. Whoever changes what it says calls `moved`.
        self.advertise: Callable[[UserAgent, Flow], Address] | None = None
        self._contacts: dict[tuple[str, Address, bool], str] = {}
        self._sent_by: dict[tuple[str, Address], str] = {}
        self._capabilities: list[Field] | None = None
        core.directory.agents.add(self)

    def __repr__(self) -> str:
        return f"<UserAgent {self.uri}>"

    # ---------------------------------------------------------------- what it says of itself

    def address_on(self, flow: Flow) -> Address:
        """Return our address on a flow as it is advertised, in Via, Contact and descriptions."""
        return flow.local if self.advertise is None else self.advertise(self, flow)

    def moved(self) -> None:
        """Take note that what is advertised may be another from here on."""
        self._contacts.clear()
        self._sent_by.clear()
        if self.registration is not None:
            self.registration.address_changed()

    def support(self, *tags: str) -> None:
        """Say of further option tags that they are supported (RFC 3261 §20.37)."""
        self.supported = tuple(dict.fromkeys((*self.supported, *tags)))
        self._capabilities = None

    def contact_changed(self) -> None:
        """Take note that a registration gives another Contact from here on."""
        self._contacts.clear()

    def sent_by(self, flow: Flow) -> str:
        """Return what a Via of ours says before its parameters (RFC 3261 §18.1.1)."""
        key = (flow.transport, flow.local)
        sent_by = self._sent_by.get(key)
        if sent_by is None:
            if len(self._sent_by) >= MAX_CONTACTS:
                self._sent_by.clear()
            sent_by = f"SIP/2.0/{flow.transport} {host_port(*self.address_on(flow))};"
            self._sent_by[key] = sent_by
        return sent_by

    def contact(self, flow: Flow, secure: bool = False) -> str:
        """Return the Contact value that a peer on this flow can reach us by (§8.1.1.8).

        Args:
            flow: The flow to the peer.
            secure: Whether it has to be a `sips:` URI (§12.1.1), whatever our own address is.
        """
        key = (flow.transport, flow.local, secure)
        contact = self._contacts.get(key)
        if contact is None:
            contact = self.contact_at(self.address_on(flow), flow.transport, secure)
            if self.registration is not None:
                contact = self.registration.route.contact_for(flow, contact, secure)
            if len(self._contacts) >= MAX_CONTACTS:
                # Each connection of ours has a port of its own.
                self._contacts.clear()
            self._contacts[key] = contact
        return contact

    def contact_at(self, address: Address, transport: str, secure: bool = False) -> str:
        """Return the Contact value for an address of ours and a transport."""
        user = f"{self.contact_user}@" if self.contact_user else ""
        scheme = "sips" if secure else self.scheme
        parameter = f";transport={transport.lower()}"
        if transport == "UDP":
            parameter = ""
        elif transport == "WSS":
            # RFC 7118 §5.2: there is no "wss"; it is ws by a sips: URI.
            scheme, parameter = "sips", ";transport=ws"
        return f"<{scheme}:{user}{host_port(*address)}{parameter}>"

    @property
    def capability_fields(self) -> list[Field]:
        """Allow, Supported and User-Agent lines; the same list each time, not to be changed."""
        fields = self._capabilities
        if fields is None:
            fields = [
                field("Allow", ", ".join(self.methods)),
                # §13.2.1, §13.3.1.4: also where it is none, which an empty one says (§20.37).
                field("Supported", ", ".join(self.supported)),
                field("User-Agent", self.product),
            ]
            if self.resources is not None:
                fields.append(field("Allow-Events", self.resources.names))
            self._capabilities = fields
        return fields

    @property
    def answer_mode(self) -> bool:
        """Whether trusted or authenticated callers may have calls answered at once (RFC 5373)."""
        return self._answer_mode

    @answer_mode.setter
    def answer_mode(self, allowed: bool) -> None:
        self._answer_mode = allowed
        tags = [tag for tag in self.supported if tag != "answermode"]
        self.supported = (*tags, "answermode") if allowed else tuple(tags)
        self._capabilities = None

    def peer_info(self, message: Message, flow: Flow, authenticated: bool = False) -> PeerInfo:
        """Return what a message says of its sender."""
        from sipparty.sip import identity

        return identity.peer_info(self, message, flow, authenticated)

    @property
    def product(self) -> str:
        """What User-Agent says."""
        return self._product

    @product.setter
    def product(self, product: str) -> None:
        self._product = product
        self._capabilities = None

    def _set_reliable_provisionals(self, wanted: str) -> None:
        self._reliable_provisionals = wanted
        others = tuple(tag for tag in self.supported if tag != "100rel")
        self.supported = others if wanted == "off" else ("100rel", *others)
        self._capabilities = None

    #: Whether provisional responses are reliable (RFC 3262): "supported", "required" or "off".
    #: It is read for each of them, so that it enters no function of ours.
    reliable_provisionals = property(
        attrgetter("_reliable_provisionals"), _set_reliable_provisionals
    )

    def new_session(self, dialog: Dialog, flow: Flow) -> Session | None:
        """Make and open the media session of a dialog, or give the one that it has, moved to where
        it is for this flow; None for an agent without media.
        """
        return None if self.open_session is None else self.open_session(dialog, flow)

    def refuse_streams(self, offer: bytes, flow: Flow) -> bytes:
        """Return an answer that takes none of an offer's streams; b"" where there can be none."""
        if self.reject_offer is None:
            return b""
        try:
            return self.reject_offer(offer, self.address_on(flow)[0])
        except (NegotiationError, ParseError):
            return b""  # what cannot be read can have no answer

    def handle_method(
        self,
        method: str,
        take: Callable[[ServerTransaction, DialogState | None], None] | None = None,
    ) -> None:
        """Take requests of a method, outside of dialogs and in those whose usages do not take it.

        Args:
            method: The method.
            take: What is done with each, given its dialog or None; by default it becomes a
                `RequestReceived` event.

        Raises:
            BuildError: The method is not a token.
        """
        if not is_token(method):
            raise BuildError(f"{method!r} cannot be a method: expected a token.")
        self.in_dialog[method] = inside = take or self._take_request
        self.methods[method] = lambda transaction: inside(transaction, None)
        self._capabilities = None

    def emit(self, event: Event) -> None:
        """Report an event."""
        self.core.emit(event)

    # ---------------------------------------------------------------- requests in

    def request_received(self, transaction: ServerTransaction) -> None:
        """Take a request outside of a dialog that is for this agent (§8.2).

        Raises:
            ParseError: A header that is needed is missing or wrong; answer with its status.
        """
        # §8.2: first who it is, then what they want.
        if self._admission is None:
            self._serve(transaction)
        else:
            self._admission.admit(transaction, self._serve)

    def _serve(self, transaction: ServerTransaction) -> None:
        handler = self.methods.get(transaction.request._method)
        if handler is None:
            self.refuse_method(transaction)
        elif self.understands(transaction):
            handler(transaction)

    @property
    def admission(self) -> Admission | None:
        """What judges who has sent requests outside of dialogs, and answers those that do not prove
        it, 401 as a rule (§22.2); None where nothing is asked for.
        """
        return self._admission

    @property
    def authenticator(self) -> DigestServer | None:
        """What requests outside of dialogs have to prove themselves to."""
        return None if self._admission is None else self._admission.authenticator

    @authenticator.setter
    def authenticator(self, authenticator: DigestServer | None) -> None:
        self._admission = None if authenticator is None else Admission(self, authenticator)

    def understands(self, transaction: ServerTransaction) -> bool:
        """Whether a request asks for nothing that is not known; else it is answered (§8.2.2.3,
        §8.2.3).

        Raises:
            ParseError: A header that says so is wrong.
        """
        request = transaction.request
        index = request._index or request._make_index()
        if "require" in index:
            unknown = [tag for tag in request.require if tag.lower() not in self.supported]
            if unknown:
                self.refuse(transaction, 420, [("Unsupported", ", ".join(unknown))])
                return False
        if "replaces" in index and (
            request._method != "INVITE" or request.facts.to_tag is not None
        ):
            self.refuse(transaction, 400, [("Warning", '399 sipparty "Replaces begins a call"')])
            return False  # RFC 3891 §3
        if request._method != "INVITE":
            return True
        if request._body and not is_understood(request, self.accepts):
            encoded = request._text("content-encoding") not in (None, "", "identity")
            known = request.is_multipart or request.media_type in self.accepts
            accept = ("Accept-Encoding", "identity") if encoded and known else self._accept
            self.refuse(transaction, 415, [accept])
            return False
        if "accept" in index and _refuses_sdp(request):
            # §20.1: an INVITE that takes no session description can have no answer.
            warning = '399 sipparty "The answer would be application/sdp"'
            self.refuse(transaction, 406, [("Warning", warning)])
            return False
        return True

    @property
    def _accept(self) -> tuple[str, str]:
        return "Accept", ", ".join((*self.accepts, *MULTIPARTS))

    def refuse_method(self, transaction: ServerTransaction) -> None:
        """Answer 405 and say what is allowed (§8.2.1); 501 where nobody knows the method
        (§21.5.2).
        """
        status = 405 if transaction.request.method in _KNOWN_METHODS else 501
        self.refuse(transaction, status, [("Allow", ", ".join(self.methods))])

    def answer_options(self, transaction: ServerTransaction) -> None:
        """Answer OPTIONS with what the agent can do, as it would answer an INVITE (§11.2)."""
        # Within a call an INVITE would change that call, and be welcome.
        busy = self._busy() and transaction.request.facts.to_tag is None
        headers = [
            ("Allow", ", ".join(self.methods)),
            self._accept,
            ("Accept-Encoding", "identity"),
            ("Accept-Language", "en"),
            ("Supported", ", ".join(self.supported)),
            ("Contact", self.contact(transaction.flow)),
        ]
        if self.resources is not None:
            headers.append(("Allow-Events", self.resources.names))
        if busy:
            self.refuse(transaction, 486, headers)
        else:
            transaction.answer(200, None, [field(*header) for header in headers])

    def refuse(
        self,
        transaction: ServerTransaction,
        status: int,
        headers: list[tuple[str, str]] | None = None,
    ) -> None:
        """Answer a request with a failure."""
        self.core.refusals.refuse(transaction, status, None, headers or [])

    def _busy(self) -> bool:
        return self.max_calls is not None and len(self.dialogs) >= self.max_calls

    def _refuse_stray(self, transaction: ServerTransaction) -> None:
        # §15.1.2: a BYE that names no dialog; RFC 6665 §4.1.3: a NOTIFY.
        self.refuse(transaction, 481)

    def _take_request(self, transaction: ServerTransaction, state: DialogState | None) -> None:
        call: Any = None if state is None else state.call
        incoming = IncomingRequest(transaction, self)
        self.emit(RequestReceived(self, incoming, call, made_by=transaction.request))

    def _take_refer(self, transaction: ServerTransaction, state: DialogState | None) -> None:
        from sipparty.sip.dialog.referral import take_refer

        take_refer(self, transaction, state)
