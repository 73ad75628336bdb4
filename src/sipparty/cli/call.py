"""`sipparty call`: call somebody, play, record, hang up."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from sipparty.cli import talk
from sipparty.cli.phone import Happenings, Phone, Stopped, interrupts
from sipparty.cli.screen import Screen, safe
from sipparty.errors import SIPPartyError, UnexpectedInput
from sipparty.media import PlaybackEnded
from sipparty.sip import URI
from sipparty.sip.events import CallEnded, CallEstablished, CallProgressed, MediaEvent
from sipparty.sip.routing import route_to

__all__ = ["call"]

#: Who calls where nobody says (RFC 3261 §8.1.1.3 and RFC 3323 have this for the anonymous).
_ANONYMOUS = "anonymous@anonymous.invalid"


class _Caller:
    """One call of ours, from the queue's events to an exit code.

    Args:
        screen: Where to say what happens.
        phone: Who calls.
        duration: Seconds of talk; None for no limit.
        until_played: Whether to hang up at the end of the clip.
    """

    def __init__(
        self, screen: Screen, phone: Phone, duration: float | None, until_played: bool
    ) -> None:
        self.screen = screen
        self.phone = phone
        self.duration = duration
        self.until_played = until_played
        self.dialog: Any = None
        self.answered_at = 0.0
        self.error: Exception | None = None
        self._deadline: float | None = None
        self._ending = False

    def run(self, target: str, expires: float | None) -> None:
        """Call, and see the call to its end."""
        self.screen.line(f"calling {safe(target)}")
        self.dialog = self.phone.invite(target, expires=expires)
        while True:
            happened = self.phone.happenings.get(self._deadline)
            match happened:
                case None:
                    self._hang_up("the time is over: hanging up")
                case Stopped():
                    self._hang_up("hanging up" if self.answered_at else "giving up")
                case CallProgressed(response=response):
                    self.screen.line(safe(f"{response.status} {response.reason}"))
                case CallEstablished():
                    self.answered_at = time.time()
                    self.screen.line("answered", "green")
                    if self.duration is not None:
                        self._deadline = time.monotonic() + self.duration
                case CallEnded(error=error):
                    self.error = error
                    return
                case MediaEvent():
                    talk.say_media(self.screen, happened)
                    if isinstance(happened, PlaybackEnded) and self.until_played:
                        self._hang_up("hanging up")
                case _:
                    pass

    def _hang_up(self, why: str) -> None:
        self._deadline = None
        if self._ending:
            return
        try:
            self.dialog.terminate()
        except UnexpectedInput:
            return  # it is over already, and that is told next
        self._ending = True
        self.screen.line(why)


def call(
    target: Annotated[str, typer.Argument(help="Whom to call: sip:user@host[:port].")],
    play: talk.Play = None,
    record: talk.Record = None,
    proxy: Annotated[
        str | None, typer.Option(help="Next hop: a host, host:port or URI.", metavar="HOST")
    ] = None,
    duration: talk.Duration = None,
    from_: Annotated[
        str, typer.Option("--from", help="Who calls: the address of record.", metavar="AOR")
    ] = _ANONYMOUS,
    codec: talk.Codec = None,
    expires: Annotated[
        float | None,
        typer.Option(help="Give up after so many seconds.", min=1, metavar="SECONDS"),
    ] = None,
    verbose: talk.Trace = False,
    ladder: talk.ShowLadder = False,
    pcap: talk.Pcap = None,
) -> None:
    """Call somebody.

    Hangs up at the end of the clip, or after --duration where that is given; else when the other
    side does, or on Ctrl-C. Exit code 0 if the call was answered and ended as calls do, 1 if it
    failed, 2 if the options cannot be.
    """
    whom = talk.check(lambda: str(URI.from_user_text(target)), "TARGET")
    caller_uri = talk.address(from_, "--from")
    if proxy is not None:
        talk.check(lambda: route_to(proxy), "--proxy")
    media = talk.media_options(play, record, codec or ())
    screen = Screen()
    happenings = Happenings()
    phone = Phone(caller_uri, happenings, proxy=proxy, media=media)
    caller = _Caller(screen, phone, duration, play is not None and duration is None)
    with talk.evidence(ladder, pcap, verbose, from_, lambda: phone.engine) as evidence:
        with interrupts(happenings), phone:
            try:
                caller.run(whom, expires)
            except SIPPartyError as error:
                caller.error = error
        if caller.dialog is not None:
            talk.summary(screen, caller.dialog)
            evidence.note_media(caller.dialog, caller.answered_at)
        evidence.show(screen)
    if caller.error is not None:
        screen.error(f"The call failed: {safe(caller.error, 400)}")
        raise typer.Exit(1)
    if not caller.answered_at:
        screen.error("The call was not answered.")
        raise typer.Exit(1)
    screen.line("the call is over", "green")
