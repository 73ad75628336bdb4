"""SimpleCall: one call, from INVITE to BYE, for the side that calls and the side that is called.

What happens in a call is the table of `SimpleCall`. An INVITE of ours is a `ClientInvite`, one of
theirs a `ServerInvite`; offers and answers are an `OfferAnswer`. The laws behind it:

* A call that nobody wants any more is ended on the wire, whatever crosses on the network: a 2xx
  that comes after a CANCEL, or after we gave up, is acknowledged and followed by BYE (RFC 3261
  §9.1).
* A 2xx is acknowledged each time it comes (§13.2.2.4), and sent until it is acknowledged
  (§13.3.1.4). The side that was called sends no BYE before it has the ACK (§15).
* Ringing and early media stay inside `InitiatingDialog`; `progress` distinguishes them.
* A call that fails ends in `Error` and says why in `last_error`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Generic, Self, SupportsBytes, Unpack

from sipparty.errors import UsageError
from sipparty.fsm import Row, Timer, verb
from sipparty.sip.dialog import record
from sipparty.sip.dialog.invite_usage import InviteUsage
from sipparty.sip.dialog.modification import Modification
from sipparty.sip.dialog.record import Cause, Reason, Step
from sipparty.sip.dialog.session import SessionT
from sipparty.sip.flow import Flow
from sipparty.sip.multipart import Part
from sipparty.sip.routing import NextHop
from sipparty.sip.user_headers import given_fields

if TYPE_CHECKING:
    from sipparty.sip.client_request import ClientRequest
    from sipparty.sip.composing import Composing
    from sipparty.sip.dialog.early import EarlyDialog
    from sipparty.sip.dialog.transfer import Transfer
    from sipparty.sip.dialog.transferring import TransferOptions
    from sipparty.sip.messaging import SentMessage

__all__ = ["SimpleCall"]

#: The states that a call ends in.
_OVER = ("Terminated", "Error")

#: What may still come in after the end, and changes nothing any more.
_LATE = (
    *("provisional", "failed", "ended", "ended_in_error", "hang_up_failed", "bye_received"),
    *("unacknowledged", "peer_lost", "given_up", "media_failed"),
)


class SimpleCall(InviteUsage, Generic[SessionT]):
    """A call; made by `party.invite` or, for the side that is called, by the stack."""

    session: SessionT | None
    #: The Info Packages that the other side takes (RFC 6086 §5.2); None where it does not say.
    info_packages: tuple[str, ...] | None = None

    __slots__ = ()

    table = (
        # The side that calls.
        Row("Initial", "invite", "InitiatingDialog", "_start"),
        Row("Initial", "forked", "InDialog", "_become_fork"),
        Row("InitiatingDialog", "provisional", "InitiatingDialog", "_note_progress"),
        Row("InitiatingDialog", "success", "InDialog", "_establish"),
        Row("InitiatingDialog", "unusable", "Error", "_note_error", "acknowledge_and_hang_up"),
        Row("InitiatingDialog", "early_unusable", "Error", "_note_error", "_end_early"),
        Row("InitiatingDialog", "failed", "Error", "_note_error"),
        # The side that is called.
        Row("Initial", "receive_invite", "InitiatingDialog", "_receive"),
        Row("InitiatingDialog", ("ring", "timer_ringing"), "InitiatingDialog", "_send_progress"),
        Row("InitiatingDialog", "ready", "InitiatingDialog", "_accept_when_ready"),
        Row("InitiatingDialog", "accept", "InDialog", "_send_acceptance"),
        Row("InitiatingDialog", "reject", "Terminated", "_send_rejection"),
        Row("InitiatingDialog", "media_failed", "Error", "_note_error", "_refuse_media"),
        Row("InitiatingDialog", "cancel_received", "Terminated", "_send_487"),
        Row("InitiatingDialog", "unacknowledged", "Error", "_note_error", "_refuse_media"),
        Row("InDialog", "unacknowledged", "TerminatingDialog", "_note_error", "_hang_up"),
        # Both.
        Row("InitiatingDialog", "bye_received", "Terminated", "_end_by_bye"),
        Row("InitiatingDialog", "timer_expires", "Error", "_give_up"),
        Row("InitiatingDialog", "terminate", "TerminatingDialog", "_end_early"),
        Row("InDialog", "terminate", "TerminatingDialog", "_hang_up"),
        Row("InDialog", "media_failed", "TerminatingDialog", "_note_error", "_hang_up"),
        Row("InDialog", "early_unusable", "TerminatingDialog", "_note_error", "_hang_up"),
        # RFC 5057 §5: the other side knows no such call, or is gone.
        Row("InitiatingDialog", "peer_lost", "InitiatingDialog"),
        Row("InDialog", "peer_lost", "TerminatingDialog", "_note_error", "_hang_up"),
        Row("TerminatingDialog", ("provisional", "peer_lost", "media_failed"), "TerminatingDialog"),
        Row(("Initial", "InitiatingDialog", "InDialog"), "given_up", "Error", "_note_error"),
        Row(("InDialog", "TerminatingDialog"), "bye_received", "Terminated"),
        Row("TerminatingDialog", "success", "TerminatingDialog", "acknowledge_and_hang_up"),
        Row("TerminatingDialog", ("failed", "ended", "timer_cancel", "given_up"), "Terminated"),
        Row("TerminatingDialog", "unacknowledged", "TerminatingDialog", "_hang_up_after_all"),
        Row("TerminatingDialog", "ended_in_error", "Error"),
        Row("TerminatingDialog", "hang_up_failed", "Error", "_note_error"),
        # What still comes in after the end.
        *(Row(state, "success", state, "acknowledge_and_hang_up") for state in _OVER),
        *(Row(state, _LATE, state) for state in _OVER),
    )
    timers = (
        Timer("timer_expires", "patience", "InitiatingDialog"),
        Timer("timer_ringing", "ringing_interval", "InitiatingDialog", repeat=True),
        Timer("timer_cancel", "cancel_patience", "TerminatingDialog"),
    )
    final = _OVER

    # ---------------------------------------------------------------- verbs

    @verb
    def invite(
        self,
        uri: str,
        *,
        next_hop: NextHop | None = None,
        routes: tuple[str, ...] = (),
        expires: float | None = None,
        late_offer: bool = False,
        headers: Iterable[tuple[str, str]] = (),
        parts: Iterable[Part] = (),
        flow: Flow | None = None,
        redirects: int | None = None,
        replaces: SimpleCall | str | None = None,
    ) -> Self:
        """Call somebody. `party.invite` does it with less to give.

        Args:
            uri: The request-URI.
            next_hop: Where the INVITE goes first; by default what routes or URI say.
            routes: A preloaded route set (RFC 3261 §8.1.2).
            expires: Seconds after which the call is given up if nobody answers; sent as Expires.
            late_offer: Send no offer; the 2xx brings one and the ACK our answer (§13.2.1).
            headers: Further headers.
            parts: What the body holds beside the offer; it is multipart/mixed then (RFC 5621).
            flow: A flow to the next hop that is there already, to be taken where it can be.
            redirects: How many redirections are followed; None for the agent's `follow_redirects`.
            replaces: The call of ours with that side that this one takes the place of (RFC 3891);
                or the text of the Replaces header.

        Raises:
            BuildError: A header cannot stand in a message.
            ParseError: The request-URI or a route is no address to send to.
            UnexpectedInput: The call was made before.
            UsageError: `expires` is no number of seconds that can be sent.
        """
        if expires is not None and not (isinstance(expires, int | float) and 0 <= expires < 2**32):
            raise UsageError(f"expires is in seconds, from 0 to below 2**32: not {expires!r}.")
        if replaces is not None:
            from sipparty.sip.dialog.replaces import replaces_headers

            headers = (*headers, *replaces_headers(replaces))
        body = headers, tuple(parts)
        self.hit("invite", uri, next_hop, routes, expires, late_offer, *body, flow, redirects)
        return self

    @verb
    def ring(
        self,
        status: int = 180,
        reason: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
        media: bool = False,
        reliable: bool | None = None,
    ) -> Self:
        """Report progress to the caller, with a provisional status from 101 to 199.

        Does nothing where the caller has given up meanwhile; `state` says so.

        Args:
            status: The status code; 183 for early media, as a rule.
            reason: The reason phrase; the registered one by default.
            headers: Further headers.
            media: Whether media begins now, in both directions, before the call is answered: the
                response carries the answer to the offer, as the 200 will again. Nothing is sent to
                a host that the signalling does not come from before the caller has shown that it
                is there.
            reliable: Whether it is sent until the caller acknowledges it with a PRACK (RFC 3262).
                None for as the party's `reliable_provisionals` says; a caller that requires it has
                it always. One that is not acknowledged within 32 s ends the call.

        Raises:
            UnexpectedInput: The call is not one to answer, or is answered already.
            UsageError: The status is no provisional one; or it is to be reliable, and the caller or
                the party does not support that.
        """
        if status not in range(101, 200):
            raise UsageError(f"{status!r} is not a provisional status: expected 101 to 199.")
        if self._is_answerable("ring"):
            if reliable:
                self._invited.check_reliable()
            given = given_fields(headers) if headers else ()
            ringing = status, reason, given, media, reliable
            if media and self._invited.body is None:
                self._invited.ringing = ringing
                self.prepare()
            else:
                self.hit("ring", *ringing)
        return self

    @verb
    def accept(
        self, headers: Iterable[tuple[str, str]] = (), media: Mapping[str, Any] | None = None
    ) -> Self:
        """Answer the call with 200; where the media session takes its time for the answer, then.

        A call whose media cannot be agreed on is answered with 488 and ends in `Error`. Does
        nothing where the caller has given up meanwhile; `state` says so.

        Args:
            headers: Further headers.
            media: Options of the call's media session, beside those of the party.

        Raises:
            UnexpectedInput: The call is not one to answer, or is answered already.
            UsageError: The media of the call is open already.
        """
        if self._is_answerable("accept"):
            invited = self._invited
            if invited.accepting:
                raise self._unexpected("accept")
            if media is not None:
                if self.session is not None:
                    raise UsageError(
                        "The media of this call is open already: its options come too late."
                    )
                self.media = self.agent.media_options(media)
            if headers:
                invited.fields = given_fields(headers)
            invited.accepting = True
            if invited.body is None:
                self.prepare()
            elif invited.responses is None or self.may_accept:
                self.hit("accept")
        return self

    @verb
    def reject(
        self,
        status: int = 486,
        reason: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
        *,
        retry_after: int | None = None,
    ) -> Self:
        """Refuse the call with a final status from 300 to 699; 486 Busy Here by default.

        Does nothing where the caller has given up meanwhile; `state` says so.

        Args:
            status: The status code; 302 with a Contact in `headers` sends the caller elsewhere.
            reason: The reason phrase; the registered one by default.
            headers: Further headers; `("Reason", str(Reason("Q.850", 17, "User busy")))` says why.
            retry_after: Seconds after which the caller may try again (RFC 3261 §20.33).

        Raises:
            UnexpectedInput: The call is not one to answer, or is answered already.
        """
        if status not in range(300, 700):
            raise UsageError(f"{status!r} does not refuse a call: expected 300 to 699.")
        later = [] if retry_after is None else [("Retry-After", str(retry_after))]
        given = given_fields(headers, "contact") + given_fields(later)
        if self._is_answerable("reject"):
            self._stated = Cause(status, reason or "", f"The call was refused with {status}.")
            self.hit("reject", status, reason, given)
        return self

    @verb
    def redirect(
        self,
        *targets: Any,
        status: int = 302,
        reason: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
        diversion: str | None = None,
    ) -> Self:
        """Send the caller elsewhere (RFC 3261 §8.3): `call.redirect("carol@biloxi.com")`; does
        nothing where the caller has given up meanwhile.

        Args:
            targets: Addresses, parties that listen, or pairs of one and its q, from 0 to 1.
            status: 300, 301, 302, 305 or 380.
            reason: As for `reject`.
            headers: Likewise.
            diversion: Why the call is diverted: "no-answer", or another of RFC 5806.

        Raises:
            UnexpectedInput: The call is not one to answer, or is answered already.
            UsageError: There is no target; or a q, the status or the diversion is none.
        """
        from sipparty.sip.diversion import read_targets, redirection_headers

        chosen = read_targets(targets, status)
        if self._is_answerable("reject"):
            given = redirection_headers(self, chosen, diversion)
            self.reject(status, reason, [*given, *headers])
        return self

    @verb
    def terminate(
        self, headers: Iterable[tuple[str, str]] = (), reason: str | Reason | None = None
    ) -> Self:
        """End the call: cancel or refuse it before it is answered, hang up after.

        Args:
            headers: Further headers of the BYE, the CANCEL or the refusal.
            reason: Why, in words or as `Reason("Q.850", 16)`; sent as Reason (RFC 3326) there.

        Raises:
            UnexpectedInput: The call is over, or being ended.
        """
        if headers or reason is not None:
            self._hang_up_fields = given_fields(headers) + record.reason_fields(reason)
        self.hit("terminate")
        return self

    @verb
    def add_headers(
        self, method: str, headers: Mapping[str, Any] | Iterable[tuple[str, Any]]
    ) -> Self:
        """Have each "ACK", or each "PRACK", of this call say more from now on.

        Raises:
            BuildError: A header cannot stand in a message, or is the stack's to write.
            UsageError: It is another method.
        """
        if method not in ("ACK", "PRACK"):
            raise UsageError(f"Headers are added to ACK and PRACK, not {method!r}: see its verb.")
        self.more_fields = {**self.more_fields, method: given_fields(headers)}
        return self

    # ---------------------------------------------------------------- changes inside the call

    @verb
    def hold(
        self,
        direction: str = "sendonly",
        *,
        method: str | None = None,
        by_address: bool = False,
        headers: Iterable[tuple[str, str]] = (),
    ) -> Modification:
        """Put the other side on hold (RFC 3264 §8.4): it sends nothing until `resume`.

        Args:
            direction: What we do meanwhile: "sendonly" sends, such as music; "inactive" does not.
            method: What asks for it: "INVITE" or "UPDATE" (RFC 3311). None for an UPDATE before
                the call is answered, which reliable provisional responses with media allow, and
                else a re-INVITE. Where the other side takes no UPDATE, a re-INVITE follows.
            by_address: Hold by the address 0.0.0.0 and without a direction, for a peer that knows
                RFC 2543 alone; over IPv4.
            headers: Further headers of that request.

        Returns:
            A handle to be waited for: `call.hold().wait(timeout)`, or `await call.hold()`. Where it
            fails, the call goes on as it was.

        Raises:
            UnexpectedInput: The call is not established yet, nor its first offer answered by a
                reliable provisional response.
            UsageError: The call has no media; the direction is neither, or there is no such method.
        """
        if direction not in ("sendonly", "inactive"):
            raise UsageError(f'A hold is "sendonly" or "inactive", not {direction!r}.')
        how: Any = {"method": method, "by_address": by_address, "headers": headers}
        return self._modify(direction, True, **how)

    @verb
    def resume(
        self, *, method: str | None = None, headers: Iterable[tuple[str, str]] = ()
    ) -> Modification:
        """End the hold; as `hold`."""
        return self._modify("sendrecv", False, method=method, headers=headers)

    @verb
    def update_media(
        self,
        /,
        *,
        method: str | None = None,
        late_offer: bool = False,
        headers: Iterable[tuple[str, str]] = (),
        **settings: object,
    ) -> Modification:
        """Offer other media; as `hold`.

        Args:
            method: As for `hold`; or "PRACK", in a call of ours that is not answered yet: the PRACK
                for the provisional response that brings the answer has the offer (RFC 3262 §5).
                Where none comes, it is a re-INVITE.
            late_offer: Have the other side make the offer, by a re-INVITE without one.
            headers: Further headers of the request, but not of a PRACK.
            settings: What is changed, as the `update` of the media session takes it: for audio
                `codecs`, `ptime`, `direction`. Without any the offer is made anew.

        Raises:
            UsageError: The call has no media, or its session no such setting.
        """
        how: Any = {"method": method, "late_offer": late_offer, "headers": headers}
        return self._modify(None, None, settings, **how)

    # ---------------------------------------------------------------- messages

    @verb
    def message(
        self,
        text: str | None = None,
        *,
        body: SupportsBytes | str = b"",
        content_type: str | None = None,
        headers: Mapping[str, Any] | Iterable[tuple[str, Any]] = (),
    ) -> SentMessage:
        """Send an instant message inside the call (RFC 3428 §4); as `party.message`."""
        from sipparty.sip.messaging import message_in_call

        return message_in_call(self, text, body, content_type, headers)

    @verb
    def composing(self, content_type: str = "text/plain") -> Composing:
        """Notify the other side that a message is being written; as `party.composing`."""
        from sipparty.sip.composing import composing_in_call

        return composing_in_call(self, content_type)

    @verb
    def info(
        self,
        package: str | None = None,
        body: SupportsBytes | str = b"",
        content_type: str | None = None,
        headers: Mapping[str, Any] | Iterable[tuple[str, Any]] = (),
    ) -> ClientRequest:
        """Send an INFO inside the call (RFC 6086), of an Info Package that is in `info_packages`,
        or of none.

        Raises:
            UsageError: The other side has not said that it takes the package, or the party has no
                `info_packages`; or the type of the body is not given.
        """
        from sipparty.sip.info import send_info

        return send_info(self, package, body, content_type, headers)

    @verb
    def transfer(self, target: Any, /, **options: Unpack[TransferOptions]) -> Transfer:
        """Have the other side call somebody in our place (RFC 5589): an address, or a party that
        listens; or connect it with that of another call of ours. As `transfer_call`.
        """
        from sipparty.sip.dialog.transferring import transfer_call

        return transfer_call(self, target, **options)

    # ---------------------------------------------------------------- what a user reads

    def __dir__(self) -> list[str]:
        """What is of use to a user, and what a subclass adds; the rest is the stack's."""
        kinds = type(self).__mro__
        added = (vars(kind) for kind in kinds[: kinds.index(SimpleCall)])
        names = {*record.FOR_USERS, *self.__dict__, *(name for one in added for name in one)}
        return sorted(name for name in names if name[0] != "_")

    @property
    def early(self) -> tuple[EarlyDialog, ...]:
        """The early dialogs of a call of ours: several, where a proxy has several phones ring."""
        from sipparty.sip.dialog.early import early_dialogs

        return early_dialogs(self)

    @property
    def steps(self) -> tuple[Step, ...]:
        """What has happened so far: the state's changes, and what came in each state, in order; the
        first `MAX_STEPS`.
        """
        return record.steps_of(self._steps)

    @property
    def duration(self) -> float:
        """Seconds that the call was established, or has been so far; 0.0 before."""
        loop = getattr(self.portal, "loop", None)
        return record.duration(self.steps, self.core.timers.now if loop is None else loop.time())

    @property
    def ended_by(self) -> str | None:
        """Who has ended the call: "local", "remote", "timeout" where nobody answered, "network"
        where the other side could not be reached; None before.
        """
        return record.ended_by(self.steps, self.last_error)

    @property
    def cause(self) -> Cause | None:
        """Why the call has ended, as status, reason phrase and a sentence; None before."""
        by = self.ended_by
        return None if by is None else record.cause_of(by, self._stated, self.last_error)

    @property
    def answered_elsewhere(self) -> bool:
        """Whether it is no missed call: its CANCEL says cause 200 (RFC 3326 §3.1)."""
        cancelled = any(step.what == "cancel_received" for step in self.steps)
        return cancelled and self._stated is not None and self._stated.status == 200
