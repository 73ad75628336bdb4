"""`sipparty answer`: be called; play, record, echo, or refuse."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from sipparty.cli import talk
from sipparty.cli.echo import Echo, Tee
from sipparty.cli.phone import Happenings, Phone, Stopped, interrupts
from sipparty.cli.screen import Screen, safe
from sipparty.errors import ListenError, UnexpectedInput
from sipparty.media import WAVRecorder
from sipparty.sip.events import CallEnded, CallEstablished, CallReceived, MediaEvent

__all__ = ["answer"]


class _Answerer:
    """Takes calls, any number at a time.

    Args:
        screen: Where to say what happens.
        phone: Who is called.
        evidence: What is kept of the wire.
        echo: Whether callers hear themselves.
        record: Where the first call is recorded; later ones get a number.
        duration: Seconds of talk; None for no limit.
        reject: The status to refuse calls with; None to take them.
        once: Whether to come to an end after the first call.
    """

    def __init__(
        self,
        screen: Screen,
        phone: Phone,
        evidence: talk.Evidence,
        *,
        echo: bool,
        record: Path | None,
        duration: float | None,
        reject: int | None,
        once: bool,
    ) -> None:
        self.screen = screen
        self.phone = phone
        self.evidence = evidence
        self.echo = echo
        self.record = record
        self.duration = duration
        self.reject = reject
        self.once = once
        self._numbers: dict[Any, int] = {}
        self._answered_at: dict[Any, float] = {}
        self._deadlines: dict[Any, float] = {}
        self._count = 0

    def run(self) -> bool:
        """Take calls until told to stop; whether all went well."""
        while True:
            happened = self.phone.happenings.get(min(self._deadlines.values(), default=None))
            match happened:
                case None:
                    self._end_those_due()
                case Stopped():
                    self.screen.line("no more calls: hanging up")
                    return True
                case CallReceived(call=dialog):
                    self._take(dialog)
                case CallEstablished(call=dialog):
                    self._answered_at[dialog] = time.time()
                    if self.duration is not None:
                        self._deadlines[dialog] = time.monotonic() + self.duration
                case CallEnded(call=dialog, error=error):
                    self._end(dialog, error)
                    if self.once:
                        return error is None
                case MediaEvent():
                    talk.say_media(self.screen, happened, self._prefix(happened.call))
                case _:
                    pass

    def _prefix(self, dialog: Any) -> str:
        return f"call {self._numbers.get(dialog, 0)}: "

    def _take(self, dialog: Any) -> None:
        self._count += 1
        self._numbers[dialog] = self._count
        prefix = self._prefix(dialog)
        self.screen.line(f"{prefix}from {safe(dialog.remote.uri)}")
        try:
            if self.reject is not None:
                self.screen.line(f"{prefix}rejected with {self.reject}")
                dialog.reject(self.reject)
                return
            dialog.media = self._media()
            dialog.ring()
            dialog.accept()
            self.screen.line(f"{prefix}answered", "green")
        except UnexpectedInput:
            pass  # the caller gave up meanwhile, and that is told next

    def _media(self) -> dict[str, Any]:
        """What is particular to this call."""
        options: dict[str, Any] = {}
        path = self.record
        if path is not None and self._count > 1:
            path = path.with_stem(f"{path.stem}-{self._count}")
        if self.echo:
            options["play"] = echo = Echo()
            options["record"] = echo if path is None else Tee(echo, WAVRecorder(path))
        elif path is not None:
            options["record"] = path
        return options

    def _end_those_due(self) -> None:
        now = time.monotonic()
        for dialog, deadline in list(self._deadlines.items()):
            if deadline <= now:
                del self._deadlines[dialog]
                self.screen.line(f"{self._prefix(dialog)}the time is over: hanging up")
                try:
                    dialog.terminate()
                except UnexpectedInput:
                    pass  # the other side was first

    def _end(self, dialog: Any, error: Exception | None) -> None:
        prefix = self._prefix(dialog)
        talk.summary(self.screen, dialog, prefix)
        self.evidence.note_media(dialog, self._answered_at.pop(dialog, 0.0))
        self._deadlines.pop(dialog, None)
        self._numbers.pop(dialog, None)
        if error is None:
            self.screen.line(f"{prefix}over", "green")
        else:
            self.screen.line(f"{prefix}failed: {safe(error, 400)}", "red")


def answer(
    port: Annotated[
        int, typer.Option(help="UDP port to listen on; 0 for a free one.", min=0, max=65535)
    ] = 5060,
    address: Annotated[str, typer.Option(help="Address to listen on.", metavar="IP")] = "0.0.0.0",  # noqa: S104 - who answers wants to be reached
    aor: Annotated[
        str, typer.Option(help="Who is called: the address of record.", metavar="AOR")
    ] = "sipparty@localhost",
    play: talk.Play = None,
    record: talk.Record = None,
    echo: Annotated[bool, typer.Option("--echo", help="Play back what is heard.")] = False,
    duration: talk.Duration = None,
    codec: talk.Codec = None,
    once: Annotated[bool, typer.Option("--once", help="End after one call.")] = False,
    reject: Annotated[
        int | None,
        typer.Option(help="Refuse calls with this status.", min=300, max=699, metavar="STATUS"),
    ] = None,
    verbose: talk.Trace = False,
    ladder: talk.ShowLadder = False,
    pcap: talk.Pcap = None,
) -> None:
    """Take calls, until Ctrl-C or, with --once, for one call.

    The first call is recorded to FILE, later ones to FILE-2, FILE-3 and so on. Exit code 0 if
    nothing failed, 1 if the one call did or the port is taken, 2 if the options cannot be.
    """
    if echo and play is not None:
        raise typer.BadParameter("--echo and --play are two things to send; choose one.")
    callee = talk.address(aor, "--aor")
    media = talk.media_options(play, record, codec or ())
    media.pop("record", None)
    screen = Screen()
    happenings = Happenings()
    phone = Phone(callee, happenings, media=media)
    fine = True
    with talk.evidence(ladder, pcap, verbose, aor, lambda: phone.engine) as evidence:
        answerer = _Answerer(
            screen,
            phone,
            evidence,
            echo=echo,
            record=record,
            duration=duration,
            reject=reject,
            once=once,
        )
        with interrupts(happenings), phone:
            try:
                phone.listen(port, address=address)
            except ListenError as error:
                screen.error(str(error))
                raise typer.Exit(1) from None
            screen.line(f"listening: call {phone.contact_uri}")
            fine = answerer.run()
        evidence.show(screen)
    raise typer.Exit(0 if fine else 1)
