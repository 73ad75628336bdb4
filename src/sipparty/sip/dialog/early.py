"""The early dialogs of a call of ours (RFC 3261 §12.1), and early media in them.

Laws:

* Each branch of a fork makes one of its own, and may answer the one offer. The session is with the
  first whose answer came for certain; the answers of others are kept (RFC 6337 §3.1.1).
* The 2xx decides. Where it is of another one, its answer takes the place of the first; where media
  was changed meanwhile, a re-INVITE asks anew.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from sipparty.errors import CallFailed
from sipparty.sip.dialog.outcomes import log_media_fault
from sipparty.sip.message import Response

if TYPE_CHECKING:
    from sipparty.sip.dialog.invite_client import ClientInvite
    from sipparty.sip.dialog.invite_usage import InviteUsage

__all__ = ["EarlyDialog", "agree", "agree_anew", "early_dialogs", "start_early"]


class EarlyDialog(NamedTuple):
    """What a call of ours has in one of its early dialogs.

    Attributes:
        tag: The other side's tag, by which it differs from those of other branches.
        status: The status of the last provisional response.
        response: That response.
        media: "agreed" where the media of the call is agreed on with it for certain, "preview"
            where it is by an unreliable response, "answered" where it has answered the offer and
            another one has the media; "" for none.
    """

    tag: str
    status: int
    response: Response
    media: str


def early_dialogs(call: InviteUsage) -> tuple[EarlyDialog, ...]:
    """Return the early dialogs of a call of ours, in the order in which they came; none once the
    call is answered, or over.
    """
    invite: ClientInvite | None = call._invite
    if invite is None or call.state != "InitiatingDialog":
        return ()
    offers = call.offer_answer
    previewed = None if offers is None else offers.previewed

    def media(tag: str) -> str:
        if tag == invite.agreed:
            return "agreed"
        if tag in invite.answers:
            return "answered"
        return "preview" if tag == previewed and invite.agreed is None else ""

    return tuple(
        EarlyDialog(tag, response.status, response, media(tag))
        for tag, response in invite.responses.items()
    )


def start_early(call: InviteUsage) -> None:
    """Let early media flow in a call of ours."""
    try:
        if call.session is not None:
            call.session.start(early=True)
    except Exception as error:
        log_media_fault(call.name, "The early media could not be started", error)


def agree(
    invite: ClientInvite, tag: str, answer: bytes, failed: Callable[[Exception], object]
) -> None:
    """Take the answer that a reliable provisional response brings: the exchange is complete."""
    call, offers = invite.call, invite.call.offer_answer
    assert offers is not None
    invite.agreed = tag

    def done() -> None:
        start_early(call)
        call.proceed()

    if offers.previewed == tag:
        offers.exchanges += 1
        offers.hit("receive_answer")
        done()
    else:
        offers.take_answer(answer, done, failed)


def agree_anew(
    invite: ClientInvite,
    body: bytes,
    done: Callable[..., object],
    failed: Callable[[Exception], object],
) -> None:
    """Agree on media with a fork by its 2xx, where another one had the session before.

    Args:
        invite: The INVITE.
        body: The session description that the fork has sent; b"" for none.
        done: Called when there is media, or will be.
        failed: Called with what the session raised instead.
    """
    call, offers = invite.call, invite.call.offer_answer
    assert offers is not None
    for change in call._modifications:
        if change.state != "Waiting":
            change.hear("failed", CallFailed("Another fork has answered the call."))
    invite.agreed = None
    if offers.exchanges == 1 and invite.offer and body:
        offers.hit("reopen")
        offers.take_answer(body, done, failed)
    elif body and not invite.offer and offers.may_offer:
        offers.make_answer(body, done, failed)
    else:
        # What was agreed on since is not this fork's: it is asked anew.
        done()
        if call.state == "InDialog":
            call._modify()
