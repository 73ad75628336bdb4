"""What happens in a call: the table of `SimpleCall`, whose methods its actions are."""

from __future__ import annotations

from sipparty.fsm import Row, Timer

__all__ = ["OVER", "ROWS", "TIMERS"]

#: The states that a call ends in.
OVER = ("Terminated", "Error")

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
    "media_failed",
)

#: The rows.
ROWS = (
    # The side that calls.
    Row("Initial", "invite", "InitiatingDialog", "_start"),
    Row("Initial", "forked", "InDialog", "_become_fork"),
    Row("InitiatingDialog", "provisional", "InitiatingDialog", "_note_progress"),
    Row("InitiatingDialog", "success", "InDialog", "_establish"),
    Row("InitiatingDialog", "unusable", "Error", "_note_error", "acknowledge_and_hang_up"),
    Row("InitiatingDialog", "failed", "Error", "_note_error"),
    # The side that is called.
    Row("Initial", "receive_invite", "InitiatingDialog", "_receive"),
    Row("InitiatingDialog", "ring", "InitiatingDialog", "_send_progress"),
    Row("InitiatingDialog", "timer_ringing", "InitiatingDialog", "_send_progress"),
    Row("InitiatingDialog", "accept", "InDialog", "_send_acceptance"),
    Row("InitiatingDialog", "reject", "Terminated", "_send_rejection"),
    Row("InitiatingDialog", "media_failed", "Error", "_note_error", "_refuse_media"),
    Row("InitiatingDialog", "cancel_received", "Terminated", "_send_487"),
    Row("InDialog", "unacknowledged", "TerminatingDialog", "_note_error", "_hang_up"),
    # Both.
    Row("InitiatingDialog", "bye_received", "Terminated", "_end_by_bye"),
    Row("InitiatingDialog", "timer_expires", "Error", "_give_up"),
    Row("InitiatingDialog", "terminate", "TerminatingDialog", "_end_early"),
    Row("InDialog", "terminate", "TerminatingDialog", "_hang_up"),
    Row("InDialog", "media_failed", "TerminatingDialog", "_note_error", "_hang_up"),
    # RFC 5057 §5: the other side knows no such call, or is gone.
    Row("InitiatingDialog", "peer_lost", "InitiatingDialog"),
    Row("InDialog", "peer_lost", "TerminatingDialog", "_note_error", "_hang_up"),
    Row("TerminatingDialog", ("peer_lost", "media_failed"), "TerminatingDialog"),
    Row(("InitiatingDialog", "InDialog"), "given_up", "Error", "_note_error"),
    Row("TerminatingDialog", "given_up", "Terminated"),
    Row("InDialog", "bye_received", "Terminated"),
    Row("TerminatingDialog", "provisional", "TerminatingDialog"),
    Row("TerminatingDialog", "success", "TerminatingDialog", "acknowledge_and_hang_up"),
    Row("TerminatingDialog", ("failed", "ended", "timer_cancel"), "Terminated"),
    Row("TerminatingDialog", "bye_received", "Terminated"),
    Row("TerminatingDialog", "unacknowledged", "TerminatingDialog", "_hang_up_after_all"),
    Row("TerminatingDialog", "ended_in_error", "Error"),
    Row("TerminatingDialog", "hang_up_failed", "Error", "_note_error"),
    # What still comes in after the end.
    *(Row(state, "success", state, "acknowledge_and_hang_up") for state in OVER),
    *(Row(state, _LATE, state) for state in OVER),
)

#: The timers.
TIMERS = (
    Timer("timer_expires", "patience", "InitiatingDialog"),
    Timer("timer_ringing", "ringing_interval", "InitiatingDialog", repeat=True),
    Timer("timer_cancel", "cancel_patience", "TerminatingDialog"),
)
