"""SimpleCall: one call, from INVITE to BYE, for the side that calls and the side that is called.

What happens in a call is the table of `SimpleCall`; what the rows do stands in `caller`, `callee`
and `usage`. The laws behind it:

* A call that nobody wants any more is ended on the wire, whatever crosses on the way: a 2xx that
  comes after a CANCEL, or after we gave up, is acknowledged and followed by BYE (RFC 3261 §9.1).
* A 2xx is acknowledged each time it comes (§13.2.2.4), and sent until it is acknowledged
  (§13.3.1.4). The side that was called sends no BYE before it has the ACK (§15).
* Ringing and early media stay inside `InitiatingDialog`; `progress` tells them apart.
* A call that fails ends in `Error` and says why in `last_error`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from sipparty.errors import CallTimedOut, UsageError
from sipparty.fsm import Row, Timer, verb
from sipparty.sip.dialog.callee import CalledSide
from sipparty.sip.dialog.caller import CallingSide
from sipparty.sip.flow import Flow
from sipparty.sip.multipart import Part
from sipparty.sip.routing import NextHop

__all__ = ["SimpleCall"]

_OVER = ("Terminated", "Error")

#: What may still come in after the end, and changes nothing any more.
_LATE = (
    "provisional",
    "failed",
    "ended",
    "ended_in_error",
    "hang_up_failed",
    "bye_received",
    "unacknowledged",
    "peer_lost",
    "given_up",
)


class SimpleCall(CallingSide, CalledSide):
    """A call.

    Made by `party.invite` or, for the side that is called, by the stack. Its verbs are `ring`,
    `accept` and `reject` for the side that is called, and `terminate` for both.
    """

    __slots__ = ()

    table = (
        # The side that calls.
        Row("Initial", "invite", "InitiatingDialog", "_start"),
        Row("Initial", "forked", "InDialog", "_establish_fork"),
        Row("InitiatingDialog", "provisional", "InitiatingDialog", "_note_progress"),
        Row("InitiatingDialog", "success", "InDialog", "_establish"),
        Row("InitiatingDialog", "unusable", "Error", "_note_error", "_acknowledge_and_hang_up"),
        Row("InitiatingDialog", "failed", "Error", "_note_error"),
        # The side that is called.
        Row("Initial", "receive_invite", "InitiatingDialog", "_receive"),
        Row("InitiatingDialog", "ring", "InitiatingDialog", "_send_progress"),
        Row("InitiatingDialog", "timer_ringing", "InitiatingDialog", "_send_progress_again"),
        Row("InitiatingDialog", "accept", "InDialog", "_send_acceptance"),
        Row("InitiatingDialog", "reject", "Terminated", "_send_rejection"),
        Row("InitiatingDialog", "media_failed", "Error", "_note_error", "_refuse_media"),
        Row("InitiatingDialog", ("cancel_received", "bye_received"), "Terminated", "_send_487"),
        Row("InDialog", "unacknowledged", "TerminatingDialog", "_note_error", "_hang_up"),
        # Both.
        Row("InitiatingDialog", "timer_expires", "Error", "_give_up"),
        Row("InitiatingDialog", "terminate", "TerminatingDialog", "_end_early"),
        Row("InDialog", "terminate", "TerminatingDialog", "_hang_up"),
        Row("InDialog", "media_failed", "TerminatingDialog", "_note_error", "_hang_up"),
        # RFC 3261 §12.2.1.2: the other side knows no such dialog, or is gone.
        Row("InDialog", "peer_lost", "TerminatingDialog", "_note_error", "_hang_up"),
        Row("TerminatingDialog", "peer_lost", "TerminatingDialog"),
        Row(("InitiatingDialog", "InDialog"), "given_up", "Error", "_note_error"),
        Row("TerminatingDialog", "given_up", "Terminated"),
        Row("InDialog", "bye_received", "Terminated"),
        Row("InDialog", "success_again", "InDialog", "_acknowledge_again"),
        Row("TerminatingDialog", "success_again", "TerminatingDialog", "_acknowledge_again"),
        Row("TerminatingDialog", "provisional", "TerminatingDialog"),
        Row("TerminatingDialog", "success", "TerminatingDialog", "_acknowledge_and_hang_up"),
        Row("TerminatingDialog", ("failed", "ended", "timer_cancel"), "Terminated"),
        Row("TerminatingDialog", "bye_received", "Terminated"),
        Row("TerminatingDialog", "unacknowledged", "TerminatingDialog", "_hang_up_after_all"),
        Row("TerminatingDialog", "ended_in_error", "Error"),
        Row("TerminatingDialog", "hang_up_failed", "Error", "_note_error"),
        # What still comes in after the end.
        *(Row(state, "success", state, "_acknowledge_and_hang_up") for state in _OVER),
        *(Row(state, "success_again", state, "_acknowledge_again") for state in _OVER),
        *(Row(state, _LATE, state) for state in _OVER),
    )
    timers = (
        Timer("timer_expires", "patience", "InitiatingDialog"),
        Timer("timer_ringing", "ringing_interval", "InitiatingDialog", repeat=True),
        Timer("timer_cancel", "cancel_patience", "TerminatingDialog"),
    )
    final = _OVER

    methods = {"BYE": "_take_bye", "INVITE": "_take_reinvite", "OPTIONS": "_take_options"}

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
    ) -> Self:
        """Call somebody. `party.invite` is the comfortable way.

        Args:
            uri: The request-URI.
            next_hop: Where the INVITE goes first; by default what routes or URI say.
            routes: A preloaded route set (RFC 3261 §8.1.2).
            expires: Seconds after which the call is given up if nobody answers; sent as Expires.
            late_offer: Send no offer; the 2xx brings one and the ACK our answer (§13.2.1).
            headers: Further headers.
            parts: What the body holds beside the offer; it is multipart/mixed then (RFC 5621).
            flow: A way to the next hop that is there already, to be taken where it can be.
            redirects: How many redirections are followed; None for the agent's `follow_redirects`.

        Raises:
            BuildError: A header cannot stand in a message.
            ParseError: The request-URI or a route is no address to send to.
            UnexpectedInput: The call was made before.
            UsageError: `expires` is no number of seconds that can be sent.
        """
        if expires is not None and not 0 <= expires < 2**32:
            raise UsageError(f"expires is in seconds, from 0 to below 2**32: not {expires!r}.")
        more = headers, tuple(parts), flow
        self.hit("invite", uri, next_hop, routes, expires, late_offer, *more)
        if self._outgoing is not None:
            self._outgoing.redirects = redirects
        return self

    @verb
    def ring(self, status: int = 180, reason: str | None = None) -> Self:
        """Tell the caller of progress, with a provisional status from 101 to 199.

        Does nothing where the caller has given up meanwhile; `state` says so.

        Raises:
            UnexpectedInput: The call is not one to answer, or is answered already.
        """
        if not 101 <= status <= 199:
            raise UsageError(f"{status} is not a provisional status: expected 101 to 199.")
        if self._is_answerable("ring"):
            self.hit("ring", status, reason)
        return self

    @verb
    def accept(self) -> Self:
        """Answer the call with 200.

        A call whose media cannot be agreed on is answered with 488 and ends in `Error`. Does
        nothing where the caller has given up meanwhile; `state` says so.

        Raises:
            UnexpectedInput: The call is not one to answer, or is answered already.
        """
        if self._is_answerable("accept") and (self._prepared is not None or self.prepare()):
            assert self._prepared is not None
            body, offered = self._prepared
            self._prepared = None
            self.hit("accept", body, offered)
        return self

    @verb
    def reject(
        self,
        status: int = 486,
        reason: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
    ) -> Self:
        """Refuse the call with a final status from 300 to 699; 486 Busy Here by default.

        Does nothing where the caller has given up meanwhile; `state` says so.

        Args:
            status: The status code; 302 with a Contact in `headers` sends the caller elsewhere.
            reason: The reason phrase; the registered one by default.
            headers: Further headers.

        Raises:
            UnexpectedInput: The call is not one to answer, or is answered already.
        """
        if not 300 <= status <= 699:
            raise UsageError(f"{status} does not refuse a call: expected 300 to 699.")
        if self._is_answerable("reject"):
            self.hit("reject", status, reason, headers)
        return self

    @verb
    def terminate(self) -> Self:
        """End the call: cancel or refuse it before it is answered, hang up after.

        Raises:
            UnexpectedInput: The call is over, or being ended.
        """
        self.hit("terminate")
        return self

    def _is_answerable(self, input: str) -> bool:
        """Whether it is a call to answer, and not answered yet; False where the other side has
        ended it, which who decides on it cannot have known: losing that race is no error.

        Raises:
            UnexpectedInput: It is not.
        """
        if self._incoming is not None and self.takes(input):
            return True
        if self.role == "callee" and self._ended_by_peer:
            return False
        raise self._unexpected(input)

    # ---------------------------------------------------------------- ending before an answer

    def _end_early(self) -> None:
        if self._outgoing is not None:
            self._outgoing.cancel()
        else:
            self._send_rejection(603, None)
            self.hit("ended")

    def _give_up(self) -> None:
        if self._outgoing is not None:
            self._outgoing.cancel()
            message = f"Nobody answered within {self._patience:g} s."
        else:
            # RFC 3261 §13.3.1: an invitation that ran out is answered with 487.
            self._send_rejection(487 if self._states_expiry else 480, None)
            self._ended_by_peer = True
            message = f"The call was not answered here within {self._patience:g} s."
        self.last_error = CallTimedOut(message, 408, "Request Timeout")
