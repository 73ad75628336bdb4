"""The early dialogs of a call of ours (RFC 3261 §12.1), and early media in them.

Laws:

* Each branch of a fork makes one of its own, and may answer the one offer. The session is with the
  first whose answer came for certain; the answers of others are kept (RFC 6337 §3.1.1).
* The 2xx decides. Where it is of another one, its answer takes the place of the first; where media
  was changed meanwhile, a re-INVITE asks anew.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from sipparty.errors import CallFailed, ParseError
from sipparty.sip.bodies import session_description
from sipparty.sip.dialog.acknowledgement import Acknowledgement
from sipparty.sip.dialog.outcomes import log_media_fault, media_failure
from sipparty.sip.dialog.session_timer import take_2xx
from sipparty.sip.dialog.state import DialogState
from sipparty.sip.events import CallForked
from sipparty.sip.lenient import tidied
from sipparty.sip.message import Response
from sipparty.sip.values import DNameURI

if TYPE_CHECKING:
    from sipparty.sip.dialog.invite_client import ClientInvite
    from sipparty.sip.dialog.invite_usage import InviteUsage

__all__ = [
    "EarlyDialog",
    "agree",
    "agree_anew",
    "early_dialogs",
    "start_early",
    "take_fork",
    "take_unusable",
]


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


def _unusable_dialog(invite: ClientInvite, response: Response) -> DialogState:
    """Make the dialog of a 2xx whose Contact or Record-Route cannot be used: what is sent in it
    goes the way of the INVITE.

    Raises:
        ParseError: Not even To can be read.
    """
    template = invite.template
    remote = tidied(response._text("to") or "")
    DNameURI.parse(remote)
    made = template.with_remote(remote)
    made.endpoint, made.early = invite.request.flow, False
    made.invite_flow = made.back = invite.request.flow
    return made


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


def take_unusable(invite: ClientInvite, response: Response, wrong: ParseError) -> None:
    """Acknowledge a 2xx that makes no dialog, along the way of its INVITE, and hang up there: else
    the other side would send it for 32 s (RFC 3261 §13.3.1.4).
    """
    call = invite.call
    failure = CallFailed(f"The answer cannot be used: {wrong}", response=response)
    try:
        state = _unusable_dialog(invite, response)
    except ParseError:
        call.hear("failed", failure)
        return
    number = invite.request.number or 0
    ack = invite.acks[state.remote_tag] = Acknowledgement(call, state, invite.request, number)
    invite.refuse_offer(ack, response)
    if invite.early:
        invite.leave_early(state)
    if call.state == "InitiatingDialog":
        call.hear("unusable", failure, state)
    else:
        call.hear("success", state)


# -------------------------------------------------------------------- further answers


def take_fork(invite: ClientInvite, response: Response, state: DialogState) -> None:
    """Take the 2xx of another branch: a call of its own, which is hung up unless it is wanted."""
    call: Any = invite.call
    if len(invite.acks) > call.MAX_FORKS:
        return
    state.leave(call)
    fork = type(call)(call.agent)
    fork.portal = call.portal
    call.forks += (fork,)
    number = invite.request.number or 0
    ack = invite.acks[state.remote_tag] = Acknowledgement(fork, state, invite.request, number)

    def begin() -> None:
        fork.silent = False
        fork.hear("forked", state, invite)
        take_2xx(fork, invite.request, response)
        call._emit(CallForked, fork)

    if call.state == "InDialog" and call.agent.keep_forks:
        fork.media = {**getattr(call, "media", {})}
        fork.media.pop("record", None)  # one file is one call's
        _agree_with_fork(invite, fork, ack, response, begin)
    else:
        invite.refuse_offer(ack, response)
        begin()
        fork.hit("terminate")


def _agree_with_fork(
    invite: ClientInvite,
    fork: InviteUsage,
    ack: Acknowledgement,
    response: Response,
    begin: Callable[[], object],
) -> None:
    """Agree on the media of a fork that is kept, in a session of its own. Where the 2xx brings an
    offer, the ACK has the answer; where it answers ours, whose ports the first call has, a
    re-INVITE moves it to ports of its own.
    """
    agent, flow = fork.agent, invite.request.flow
    fork.silent = True  # until it begins

    def failed(error: Exception) -> None:
        invite.refuse_offer(ack, response)
        begin()
        what = "The media of a fork could not be agreed on"
        fork.hear("media_failed", media_failure(fork.name, what, error))

    def answered(answer: bytes) -> None:
        ack.body = answer
        begin()
        fork.media_agreed(True)

    try:
        body = session_description(response)
        offers = None
        if flow is not None and agent.offers and (invite.offer or body):
            offers = fork.use_session(agent.new_session(fork, flow))
    except Exception as error:
        failed(error)
        return
    if offers is not None and body and not invite.offer:
        offers.make_answer(body, answered, failed)
        return
    invite.refuse_offer(ack, response)
    begin()
    if offers is not None and fork.state == "InDialog":
        fork._modify()
