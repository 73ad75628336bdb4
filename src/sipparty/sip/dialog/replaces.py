"""Replaces (RFC 3891): an INVITE whose call takes the place of another, as in an attended transfer,
or where a call is picked up at another phone.

Laws:

* The call that is replaced is as it was until the new one is acknowledged: whatever goes wrong
  before leaves it alone (§3).
* The new call is accepted as it comes: the other one was accepted already, or is ours.
* Who may replace a call is said by `Policy.replaces`; nobody learns anything of calls by asking.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Self

from sipparty.errors import ParseError, UsageError
from sipparty.sip.dialog.dialog import Dialog
from sipparty.sip.dialog.state import DialogState
from sipparty.sip.events import CallEvent
from sipparty.sip.grammar import split_at_semicolons
from sipparty.sip.message import Request
from sipparty.sip.transaction.server import ServerTransaction
from sipparty.sip.typed import WordValue
from sipparty.sip.uri_grammar import split_sip_uri
from sipparty.sip.values import DNameURI

if TYPE_CHECKING:
    from sipparty.sip.dialog.call import SimpleCall

__all__ = ["CallReplaced", "Replaces", "call_to_replace", "replace", "replaces_headers"]


class CallReplaced(CallEvent):
    """Another call took the place of a call, as an INVITE with Replaces asked for (RFC 3891). The
    call is hung up, or cancelled where it was not answered yet.

    Args:
        by: The call that has taken its place; it is established.
    """

    by: SimpleCall


class Replaces(NamedTuple):
    """The value of a Replaces header: the dialog to replace, as the side that is asked has it.

    Args:
        call_id: Its Call-ID.
        to_tag: The tag of the side that is asked.
        from_tag: The tag of the side that is replaced.
        early_only: Whether it is to be replaced only if nobody has answered yet.
    """

    call_id: str
    to_tag: str
    from_tag: str
    early_only: bool = False

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a value.

        Raises:
            ParseError: It is none, or has not exactly one tag of each kind (§6.1).
        """
        value = WordValue.parse(text)
        names = [
            part.partition("=")[0].strip().lower()
            for part in split_at_semicolons(text, "Replaces value")[1:]
        ]
        tags = [value.parameter(name) or "" for name in ("to-tag", "from-tag")]
        if not all(tags) or names.count("to-tag") + names.count("from-tag") != 2:
            expected = "one to-tag and one from-tag"
            raise ParseError(text, expected, None, what="Replaces value")
        return cls(value.value, tags[0], tags[1], "early-only" in names)

    @classmethod
    def of_call(cls, call: Any) -> Self:
        """Make the value that asks the other side of a call of ours to have it replaced. One that
        is not answered yet is replaced only as long as it is not (§7.1).

        Raises:
            UsageError: It cannot be: it is over, or it is ours and not answered yet (§4).
        """
        state = call.dialog_state
        if state is None or call.state not in ("InitiatingDialog", "InDialog"):
            raise UsageError("The call is over, or not begun: there is nothing to replace.")
        early = call.state == "InitiatingDialog"
        if early and call.role == "caller":
            raise UsageError(
                "The call is not answered yet, and only who has placed a call can have it replaced"
                " before: wait for the answer first."
            )
        return cls(state.call_id, state.remote_tag or "0", state.local_tag, early)

    def __str__(self) -> str:
        flag = ";early-only" if self.early_only else ""
        return f"{self.call_id};to-tag={self.to_tag};from-tag={self.from_tag}{flag}"


def replaces_headers(what: Any) -> list[tuple[str, str]]:
    """Return the headers of an INVITE that is to replace a call: who cannot do it shall not ring as
    for another call (§6.2).

    Args:
        what: The call of ours that is replaced; or a `Replaces` value, or its text.

    Raises:
        ParseError: The text is none.
        UsageError: The call cannot be replaced now.
    """
    if isinstance(what, Dialog):
        value = Replaces.of_call(what)
    elif isinstance(what, str):
        value = Replaces.parse(what)
    elif isinstance(what, Replaces):
        value = what
    else:
        raise UsageError(f"replaces is a call, or the text of a Replaces header, not {what!r}.")
    return [("Replaces", str(value)), ("Require", "replaces")]


# ---------------------------------------------------------------- being asked


def call_to_replace(agent: Any, transaction: ServerTransaction) -> Dialog | None:
    """Return the call that an INVITE with Replaces is to take the place of; None where there is
    none, and the INVITE was refused (§3).
    """
    request = transaction.request
    try:
        if len(request.lines("Replaces")) > 1 or "Join" in request:
            raise ParseError(
                request._text("replaces") or "", "one Replaces, without Join", what="Replaces"
            )
        wanted = Replaces.parse(request._text("replaces") or "")
    except ParseError as error:
        agent.core.refusals.refuse_for(transaction, error)
        return None
    found = _find(agent, transaction, wanted)
    if isinstance(found, int):
        agent.refuse(transaction, found)
        return None
    return found


def _find(agent: Any, transaction: ServerTransaction, wanted: Replaces) -> Dialog | int:
    """Return the call, or the status that refuses the INVITE."""
    state = _match(agent.core, wanted)
    if state is None:
        # One that has just ended is not to ring anew; who names another knows nothing.
        return 603 if hash(wanted[:3]) in agent.core.ended else 481
    call = next((one for one in state.usages if "INVITE" in one.methods), None)
    if call is None or not _is_of(call.agent, agent):
        return 481
    if not _is_authorised(agent, transaction, call):
        return 403
    if call.state not in ("InitiatingDialog", "InDialog"):
        return 603
    if state.early and call.role == "callee":
        return 481
    if not state.early and wanted.early_only:
        return 486
    if any(getattr(one, "replaces", None) is call for one in call.agent.dialogs):
        return 491  # somebody else is taking its place
    return call


def _match(core: Any, wanted: Replaces) -> DialogState | None:
    # §6.1: of an RFC 2543 peer, no tag is written as zero.
    tags = (wanted.from_tag, "") if wanted.from_tag == "0" else (wanted.from_tag,)
    found = (core.dialogs.get((wanted.call_id, wanted.to_tag, tag)) for tag in tags)
    return next((state for state in found if state is not None), None)


def _is_of(one: Any, agent: Any) -> bool:
    """Whether an agent is another, or a former one of the same party."""
    return one is agent or (one.owner is not None and one.owner is agent.owner)


def _is_authorised(agent: Any, transaction: ServerTransaction, call: Dialog) -> bool:
    """Whether who sent the INVITE may replace the other side of a call (§3, §8)."""
    rule, user = agent.core.policy.replaces, transaction.authenticated
    if rule in ("any", "never"):
        return bool(rule == "any")
    remote = _address(call.dialog_state.remote if call.dialog_state is not None else "")
    if user is not None and user == (call.authenticated or remote[0]):
        return True
    if rule == "same":
        return False
    # Where nobody is asked who they are, knowing Call-ID and tags has to do: those of ours are
    # known to the other side alone, and to whom it has given them.
    return agent.admission is None or _referrer(transaction.request) == remote


def _referrer(request: Request) -> tuple[str, str]:
    return _address(request._text("referred-by") or "")


def _address(text: str) -> tuple[str, str]:
    """Return user and host of an address; ("", "") for none, which equals no call's."""
    try:
        parts = split_sip_uri(DNameURI.parse(text).uri_text)
    except ParseError:
        return "", ""
    return parts.user or "", parts.host


def replace(new: Any) -> None:
    """Have a call that is established take the place of the one that it replaces."""
    old, new.silent = new.replaces, False
    if old.agent.observed:
        old._emit(CallReplaced, new)
    if old.takes("terminate"):
        old.hit("terminate")
