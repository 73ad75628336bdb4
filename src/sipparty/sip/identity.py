"""Who a caller is, and who may know (RFC 3323, 3325); how a caller wants to be answered (RFC 5373).

Laws:

* What is asserted of a caller counts where it comes from a trusted peer, and nowhere else (RFC 3325
  §8). A peer is trusted by its address; a name is that of a next hop, and is never resolved.
* Our own identity is asserted towards trusted peers alone, and so is the one that we prefer (§6).
* Who asks for privacy calls as `"Anonymous" <sip:anonymous@anonymous.invalid>` (RFC 3323 §4.1.1.3).
* No caller has a call answered without the person who is called, but where the setting
  `answer_mode` lets those do it who are trusted or have authenticated themselves (RFC 5373 §7.4).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from sipparty.errors import ParseError, UsageError
from sipparty.sip.components import URI
from sipparty.sip.dialog.record import is_hidden
from sipparty.sip.dialog.session_timer import invite_fields
from sipparty.sip.diversion import Diversion, History, HistoryEntry, read_diversions, read_history
from sipparty.sip.fields import Field, field
from sipparty.sip.flow import Flow
from sipparty.sip.grammar import check_line
from sipparty.sip.message import Message
from sipparty.sip.typed import AddressReference
from sipparty.sip.user_headers import KEPT
from sipparty.sip.values import DNameURI

if TYPE_CHECKING:
    from sipparty.sip.agent import UserAgent
    from sipparty.sip.client_request import ClientRequest
    from sipparty.sip.dialog.invite_client import ClientInvite
    from sipparty.sip.dialog.invite_usage import InviteUsage

__all__ = [
    "ANONYMOUS",
    "PRIVACY",
    "PeerInfo",
    "Peers",
    "anonymous_contact",
    "answer_fields",
    "answer_mode",
    "checked_identities",
    "checked_privacy",
    "identity_fields",
    "peer_info",
    "said_of_us",
]

#: The From of a caller who is not to be known (RFC 3323 §4.1.1.3).
ANONYMOUS: Final = '"Anonymous" <sip:anonymous@anonymous.invalid>'
#: What may be asked for in Privacy (RFC 3323 §4.2, RFC 3325 §9.3, RFC 7044 §10.1).
PRIVACY: Final = ("header", "session", "user", "none", "critical", "id", "history")
#: Characters that are kept of the headers of a call that say such things; beyond it of none.
MAX_KEPT: Final = 8192


class Peers:
    """The peers that are trusted.

    Args:
        names: Addresses, networks such as "10.0.0.0/8", and names of next hops.

    Raises:
        UsageError: One is none of them.
    """

    __slots__ = ("_hosts", "_networks")

    def __init__(self, names: Iterable[str]) -> None:
        self._networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
        self._hosts: set[str] = set()
        for name in names:
            try:
                self._networks.append(ipaddress.ip_network(name.strip("[]"), strict=False))
            except ValueError:
                if "/" in name or not name.strip() or " " in name:
                    raise UsageError(
                        f"{name!r} is no peer: expected an address, a network or a host name."
                    ) from None
                self._hosts.add(name.lower().rstrip("."))

    def has(self, host: str) -> bool:
        """Whether a host, an address or a name, is one of them."""
        try:
            address = ipaddress.ip_address(host.strip("[]").partition("%")[0])
        except ValueError:
            return host.lower().rstrip(".") in self._hosts
        mapped = getattr(address, "ipv4_mapped", None)
        address = mapped or address
        return any(address in network for network in self._networks)


class PeerInfo:
    """What the other side says of itself: of who calls and how the call came, in an INVITE or a
    request outside of dialogs; of who has answered, in the 2xx to an INVITE of ours.

    Args:
        message: The message; its headers about that are kept, up to `MAX_KEPT` characters.
        trusted: Whether it came from a trusted peer.
        authenticated: Whether its sender has authenticated itself.

    Attributes:
        answered: "Auto" or "Manual": how the call is answered whose caller asked for one of them
            (RFC 5373 §5); "" where that is not said.
        size: How many characters are kept.
    """

    __slots__ = ("_message", "answered", "authenticated", "size", "trusted")

    def __init__(self, message: Message, trusted: bool, authenticated: bool = False) -> None:
        kept = [line for line in message._fields if line[0] in KEPT]
        self.size = sum(len(line[2]) for line in kept)
        if self.size > MAX_KEPT:
            kept, self.size = [], 0
        self._message = Message()
        self._message._fields = kept
        self._message._index = None
        self.trusted = trusted
        self.authenticated = authenticated
        self.answered = ""

    @property
    def identity(self) -> DNameURI | None:
        """Who the caller is, as a trusted peer asserts it (RFC 3325 §9.1): the SIP URI where there
        are several; None where none does.
        """
        found = self._all("P-Asserted-Identity") if self.trusted else ()
        found = tuple(one for one in found if _is_address(one))
        sip = (one for one in found if one.parts.host)
        return next(sip, found[0] if found else None)

    @property
    def privacy(self) -> tuple[str, ...]:
        """What the caller asks to be kept private (RFC 3323 §4.2), in lower case."""
        text = self._message._text("privacy") or ""
        return tuple(one.strip().lower() for one in text.split(";") if one.strip())[:8]

    @property
    def diversions(self) -> tuple[Diversion, ...]:
        """Who has diverted the call, the most recent first (RFC 5806)."""
        return read_diversions(self._message)

    @property
    def history_info(self) -> tuple[HistoryEntry, ...]:
        """The requests that have led here (RFC 7044)."""
        return read_history(self._message)

    @property
    def alert_info(self) -> tuple[AddressReference, ...]:
        """How the call is to ring (RFC 3261 §20.4)."""
        return self._all("Alert-Info")

    @property
    def call_info(self) -> tuple[AddressReference, ...]:
        """What there is to be known of the caller, such as a picture (RFC 3261 §20.9)."""
        return self._all("Call-Info")

    def _all(self, name: str) -> tuple[Any, ...]:
        try:
            return tuple(self._message.all(name))[:16]
        except ParseError:
            return ()

    def answer_mode(self) -> tuple[str, bool, str]:
        """Return how the call is to be answered (RFC 5373 §4): "auto", "manual" or ""; whether it
        is to be refused where it cannot be; and the header that says so, "" for an old one.
        """
        for name in ("Priv-Answer-Mode", "Answer-Mode"):
            text = (self._message._text(name.lower()) or "").lower()
            mode, *parameters = (one.strip() for one in text.split(";"))
            if mode in ("auto", "manual"):
                return mode, "require" in parameters, name
        old = (
            *((one, "answer-after", "0") for one in self.call_info),
            *((one, "info", "alert-autoanswer") for one in self.alert_info),
        )
        for one, parameter, value in old:
            if (one.parameter(parameter) or "").lower() == value:
                return "auto", False, ""
        return "", False, ""


def _is_address(value: DNameURI) -> bool:
    try:
        return bool(value.parts)
    except ParseError:
        return False


def peer_info(
    agent: UserAgent, message: Message, flow: Flow, authenticated: bool = False
) -> PeerInfo:
    """Return what a message says of its sender."""
    peers = agent.trusted_peers
    return PeerInfo(message, peers is not None and peers.has(flow.remote[0]), authenticated)


# -------------------------------------------------------------------- what is said of us


def anonymous_contact(contact: str) -> str:
    """Return a Contact without our user (RFC 3323 §4.1); a GRUU stays as it is."""
    head, at, rest = contact.partition("@")
    scheme, colon, _ = head.partition(":")
    return contact if not at or ";gr" in rest else scheme + colon + rest


def identity_fields(
    agent: UserAgent, privacy: tuple[str, ...], flow: Flow, next_hop: str = ""
) -> list[Field]:
    """Return what an INVITE or MESSAGE of ours says of who we are.

    Args:
        agent: The user agent.
        privacy: What is to be kept private.
        flow: What it leaves by.
        next_hop: The host that it goes to, as it was named.
    """
    fields = [field("Privacy", ";".join(privacy))] if privacy else []
    peers = agent.trusted_peers
    if peers is not None and (peers.has(flow.remote[0]) or peers.has(next_hop)):
        # RFC 3325 §6: it is sent to nobody else; a trusted peer removes it where privacy asks so.
        fields += [field("P-Asserted-Identity", one) for one in agent.asserted_identity]
        if agent.preferred_identity is not None and not agent.asserted_identity:
            fields.append(field("P-Preferred-Identity", agent.preferred_identity))
    return fields


def said_of_us(invite: ClientInvite, client_request: ClientRequest, flow: Flow) -> list[Field]:
    """Return what an INVITE of ours says of who calls, of how it came to its target, and of the
    session timer it asks for. From and Contact are made anonymous where that is asked for.
    """
    call, template = invite.call, invite.template
    agent = call.agent
    privacy = call.privacy or agent.privacy
    if is_hidden(privacy):
        template.local = f"{ANONYMOUS};tag={template.local_tag}"
        template.contact = anonymous_contact(template.contact)
    fields = identity_fields(agent, privacy, flow, client_request.next_hop.host)
    fields += invite_fields(agent)
    if agent.history_info:
        if invite.history is None:
            invite.history = History()
        fields += invite.history.fields(client_request, template.remote_target)
    return fields


def _texts(value: str | Iterable[str], what: str, example: str) -> tuple[str, ...]:
    """Return texts, given as one or several."""
    given = (value,) if isinstance(value, str) else value
    texts = tuple(given) if isinstance(given, Iterable) else (None,)
    if not all(isinstance(one, str) for one in texts):
        raise TypeError(f"{what} is text, such as {example}, or several, not {value!r}.")
    return texts


def checked_privacy(value: str | Iterable[str]) -> tuple[str, ...]:
    """Return what Privacy is to say, for one word or several.

    Raises:
        UsageError: One is not in `PRIVACY`, or "none" is not alone.
    """
    words = _texts(value, "privacy", '"id"')
    for word in words:
        if word not in PRIVACY:
            raise UsageError(f"privacy is of {', '.join(PRIVACY)}: not {word!r}.")
    if "none" in words and len(words) > 1:
        raise UsageError('privacy="none" stands alone (RFC 3323 §4.2).')
    return words


def checked_identities(value: str | Iterable[str]) -> tuple[str, ...]:
    """Return values of P-Asserted-Identity or P-Preferred-Identity, for one address or two.

    Raises:
        ParseError: One is no address.
        UsageError: There is more than one SIP URI, or more than one of another scheme (RFC 3325
            §9.1).
    """
    texts = _texts(value, "An identity", '"sip:alice@atlanta.com"')
    found = [
        DNameURI.parse(check_line(one, "identity"))
        if "<" in one
        else DNameURI(URI.from_user_text(one))
        for one in texts
    ]
    kinds = [bool(one.parts.host) for one in found]
    if not found or len(set(kinds)) < len(kinds):
        raise UsageError("An identity is one SIP URI, one tel URI, or one of each (RFC 3325 §9.1).")
    return tuple(map(str, found))


# -------------------------------------------------------------------- answer mode


def answer_mode(agent: UserAgent, caller: PeerInfo) -> tuple[bool, int, str]:
    """Return how a call is answered whose caller may ask for a mode (RFC 5373 §4.5.1).

    Returns:
        Whether it is answered automatically; the status to refuse it with, or 0; and its reason
        phrase.
    """
    mode, required, _ = caller.answer_mode()
    at_once = agent.auto_answer
    if mode == "manual" and at_once and required:
        return False, 403, "Manual Answer Forbidden"
    if mode == "auto" and not at_once:
        at_once = caller.trusted or caller.authenticated
        if required and not at_once:
            return False, 403, "Automatic Answer Forbidden"
    caller.answered = "Auto" if at_once else "Manual"
    return at_once, 0, ""


def answer_fields(call: InviteUsage) -> list[Field]:
    """Return what the 2xx to an INVITE says of how it was answered (RFC 5373 §5), and of how it
    came here (RFC 7044 §9.4).
    """
    caller = call.peer_info
    assert caller is not None
    fields = []
    name = caller.answer_mode()[2]
    if caller.answered and name:
        fields.append(field(name, caller.answered))
    if call.agent.history_info:
        fields += [field("History-Info", str(one)) for one in caller.history_info]
    return fields
