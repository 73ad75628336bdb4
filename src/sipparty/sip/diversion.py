"""How a call came here: Diversion (RFC 5806) and History-Info (RFC 7044), read and written.

    call.diversions                                  who has diverted it, the most recent first
    call.history_info                                where it has been, in the order of the indexes
    call.redirect("carol@biloxi.com", diversion="no-answer")

Laws:

* What a peer says is bounded (`MAX_ENTRIES`); an entry that cannot be read is left out.
* An entry of ours has no `rc` or `mp` but what the redirection's Contact has (RFC 7044 §10.4).
* Nothing is written but where the setting `history_info` asks for it, or a verb does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from sipparty.errors import CallFailed, ParseError, UsageError
from sipparty.records import Record
from sipparty.sip.components import URI
from sipparty.sip.dialog.record import Reason
from sipparty.sip.fields import Field, field
from sipparty.sip.grammar import split_list
from sipparty.sip.message import Message, Request, Response
from sipparty.sip.routing import as_request_uri
from sipparty.sip.status import reason_phrase
from sipparty.sip.typed import TokenValue
from sipparty.sip.uri_grammar import split_sip_uri
from sipparty.sip.uri_parameters import escape, unescape
from sipparty.sip.values import DNameURI

if TYPE_CHECKING:
    from sipparty.sip.client_request import ClientRequest
    from sipparty.sip.dialog.invite_usage import InviteUsage

__all__ = [
    "REASONS",
    "Diversion",
    "History",
    "HistoryEntry",
    "diversion_field",
    "read_diversions",
    "read_history",
    "read_targets",
    "redirection_headers",
]

#: Entries that are read of one message, and passed on.
MAX_ENTRIES: Final = 32
#: Why a call is diverted (RFC 5806).
REASONS: Final = (
    *("unknown", "user-busy", "no-answer", "unavailable", "unconditional", "time-of-day"),
    *("do-not-disturb", "deflection", "follow-me", "out-of-service", "away"),
)
#: How a target was found (RFC 7044 §10.4).
_KINDS = ("rc", "mp", "np")


class Diversion(Record):
    """Who has diverted a call (RFC 5806).

    Args:
        address: Who.
        reason: Why: one of `REASONS`, or another; "unknown" where nothing is said.
        counter: How often.
        privacy: Who may be shown the address: "full", "name", "uri" or "off"; "" for nothing said.
        screen: Whether the address was verified: "yes" or "no"; "" for nothing said.
    """

    address: DNameURI
    reason: str = "unknown"
    counter: int = 1
    privacy: str = ""
    screen: str = ""


class HistoryEntry(Record):
    """One request of those that have led here (RFC 7044 §5).

    Args:
        uri: The Request-URI, without the headers of the entry.
        index: Its place in the tree of requests, such as "1.2".
        kind: How it was found from the one that `of` names: "rc" (another address of the same
            user), "mp" (another user), "np" (the same Request-URI); "" where nothing is said.
        of: The index of the request that was retargeted.
        reason: The final response to it; None where there was none.
        private: Whether it is not to be shown (`Privacy=history`).
    """

    uri: str
    index: str
    kind: str = ""
    of: str = ""
    reason: Reason | None = None
    private: bool = False

    def __str__(self) -> str:
        headers = []
        if self.reason is not None:
            headers.append(f"Reason={escape(str(self.reason), 'header')}")
        if self.private:
            headers.append("Privacy=history")
        joint = "&" if "?" in self.uri else "?"
        uri = self.uri + (joint + "&".join(headers) if headers else "")
        found = f";{self.kind}={self.of}" if self.kind else ""
        return f"<{uri}>;index={self.index}{found}"


# -------------------------------------------------------------------- reading


def _addresses(message: Message, name: str) -> list[DNameURI]:
    found: list[DNameURI] = []
    for line in message.lines(name):
        try:
            elements = split_list(line, name)
        except ParseError:
            continue
        for element in elements[: MAX_ENTRIES - len(found)]:
            try:
                address = DNameURI.parse(element)
                _ = address.parts
            except ParseError:
                continue
            found.append(address)
    return found


def read_diversions(message: Message) -> tuple[Diversion, ...]:
    """Return who has diverted a call, the most recent first."""
    return tuple(
        Diversion(
            address=one,
            reason=(one.parameter("reason") or "unknown").lower(),
            counter=_number(one.parameter("counter")),
            privacy=(one.parameter("privacy") or "").lower(),
            screen=(one.parameter("screen") or "").lower(),
        )
        for one in _addresses(message, "Diversion")
    )


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 4 else 1


def read_history(message: Message) -> tuple[HistoryEntry, ...]:
    """Return the requests that have led to a message, in the order that they stand in."""
    return tuple(map(_entry, _addresses(message, "History-Info")))


def _entry(address: DNameURI) -> HistoryEntry:
    uri, _, headers = address.uri_text.partition("?")
    reason, private = None, False
    for pair in headers.split("&"):
        name, _, value = pair.partition("=")
        if name.lower() == "reason":
            try:
                reason = Reason.parse(TokenValue.parse(unescape(value)))
            except ParseError:
                reason = None
        elif name.lower() == "privacy":
            private = "history" in unescape(value).lower()
    kind = next((one for one in _KINDS if address.parameter(one)), "")
    of = address.parameter(kind) or "" if kind else ""
    return HistoryEntry(uri, address.parameter("index") or "", kind, of, reason, private)


# -------------------------------------------------------------------- asking: what an INVITE says


class History:
    """The History-Info of an INVITE of ours, from one target to the next (RFC 7044 §6.1)."""

    __slots__ = ("_diversions", "_found", "entries")

    def __init__(self) -> None:
        self.entries: list[HistoryEntry] = []
        #: How the Contacts of redirections say that they were found, by URI.
        self._found: dict[str, tuple[str, str]] = {}
        self._diversions: list[Field] = []

    def fields(self, client_request: ClientRequest, uri: str) -> list[Field]:
        """Return the headers of the INVITE that is sent to a URI now."""
        if not self.entries:
            self.entries.append(HistoryEntry(uri, "1"))
        elif self.entries[-1].uri != uri and len(self.entries) < MAX_ENTRIES:
            self._go_on(client_request._failure, uri)
        fields = [field("History-Info", str(one)) for one in self.entries]
        return [*fields, *self._diversions, field("Supported", "histinfo")]

    def _go_on(self, failure: Response | CallFailed | None, uri: str) -> None:
        """Go to another target, after a failure at the last (§9.3, §10.2, §10.3 rule 4)."""
        last, status = self.entries[-1], getattr(failure, "status", None) or 408
        if isinstance(failure, Response) and status // 100 == 3:
            self._note(failure)
        reason = Reason("SIP", status, reason_phrase(status))
        self.entries[-1] = last.replace(reason=None if last.uri[:4] == "tel:" else reason)
        kind, of = self._found.get(uri, ("", ""))
        self.entries.append(HistoryEntry(uri, str(int(last.index) + 1), kind, of))

    def _note(self, response: Response) -> None:
        """Take what a redirection says of its targets, and who has diverted the call."""
        for contact in _addresses(response, "Contact"):
            kind = next((one for one in _KINDS[:2] if contact.parameter(one)), "")
            if kind:
                uri = as_request_uri(contact.uri_text)
                self._found[uri] = kind, contact.parameter(kind) or ""
        said = [field("Diversion", str(one)) for one in _addresses(response, "Diversion")]
        if said:
            # A server writes its own on top of those that it was sent.
            self._diversions = said


# -------------------------------------------------------------------- answering: redirections


def read_targets(targets: Iterable[Any], status: int) -> list[tuple[str, float | None]]:
    """Return the URIs and q values of what a call is redirected to with a status.

    Raises:
        ParseError: A target is no address.
        UsageError: There is no target, or a q is none; or the status redirects nobody.
    """
    if status not in (300, 301, 302, 305, 380):
        raise UsageError(f"{status!r} redirects nobody: expected 300, 301, 302, 305 or 380.")
    found: list[tuple[str, float | None]] = []
    for target in targets:
        given, q = target if isinstance(target, tuple) else (target, None)
        if hasattr(given, "contact_uri"):
            given = str(given.contact_uri or "")
            if not given:
                raise UsageError("The party to redirect to does not listen: listen() comes first.")
        if q is not None and not (isinstance(q, int | float) and 0 <= q <= 1):
            raise UsageError(f"q is from 0 to 1, not {q!r} (RFC 3261 §20.10).")
        found.append((str(URI.from_user_text(given)), q))
    if not found:
        raise UsageError('redirect() takes one target at least: redirect("carol@biloxi.com").')
    return found


def diversion_field(address: str, reason: str) -> tuple[str, str]:
    """Return the Diversion header of who diverts a call (RFC 5806).

    Args:
        address: Who, as `<sip:bob@biloxi.com>`.
        reason: Why, one of `REASONS`.

    Raises:
        UsageError: The reason is none of them.
    """
    if reason not in REASONS:
        raise UsageError(f"A call is diverted for {', '.join(REASONS)}: not {reason!r}.")
    return "Diversion", f"{address};reason={reason};counter=1"


def redirection_headers(
    call: InviteUsage, targets: Iterable[tuple[str, float | None]], reason: str | None
) -> list[tuple[str, str]]:
    """Return the headers of a 3xx (RFC 3261 §8.3, RFC 7044 §8).

    Args:
        call: The call, which is not answered yet.
        targets: Where to call, as `read_targets` gives it.
        reason: Why the call is diverted, one of `REASONS`; None to say nothing.

    Raises:
        UsageError: The reason is none.
    """
    agent, request = call.agent, call._invited.transaction.request
    entries: Sequence[HistoryEntry] = ()
    kind = ""
    asked = "history-info" in (request._index or ()) or "histinfo" in _supported(request)
    if agent.history_info and asked:
        entries = _cache(request)
        kind = f";{{}}={entries[-1].index}"
    own = split_sip_uri(request.uri_text).user
    headers = []
    for uri, q in targets:
        quality = "" if q is None else f";q={q:.3g}"
        same = own is not None and split_sip_uri(uri).user == own
        headers.append(("Contact", f"<{uri}>{quality}{kind.format('rc' if same else 'mp')}"))
    if reason is not None:
        headers.append(diversion_field(agent.address, reason))
        headers += [("Diversion", str(one)) for one in _addresses(request, "Diversion")]
    return headers + [("History-Info", str(one)) for one in entries]


def _supported(request: Request) -> str:
    return ",".join(request.lines("Supported")).lower()


def _cache(request: Request) -> list[HistoryEntry]:
    """Return the entries of a request, with the one that its sender has left out (§9.1)."""
    entries = list(read_history(request))
    uri = request.uri_text
    if not entries:
        return [HistoryEntry(uri, "1")]
    if entries[-1].uri != uri:
        entries.append(HistoryEntry(uri, f"{entries[-1].index}.0"))  # §10.3 rule 6
    return entries
