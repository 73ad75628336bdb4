"""`sipparty demo`: Alice calls Bob on this machine, and each hears what the other said.

What it shows: two parties, real sockets on the loopback interface, SIP and RTP as they go over any
network. Alice plays a clip, Bob records it and plays his recording back, Alice records that, and
they hang up. Then the evidence: the ladder of the call, packets each way, and the two recordings
laid over what was sent. It succeeds only if both are the same sample for sample.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from sipparty.cli.compare import Verdict, after_codec, compare, trim
from sipparty.cli.echo import Tee
from sipparty.cli.melody import RATE, melody
from sipparty.cli.phone import Happened, Happenings, Phone, Stopped, interrupts
from sipparty.cli.screen import Screen, safe
from sipparty.errors import CallFailed, MediaError, SIPPartyError, Timeout
from sipparty.media import MediaStarted, MemorySink, WAVRecorder, WAVSource
from sipparty.sip.events import CallEnded, CallEstablished, CallProgressed, CallReceived
from sipparty.trace import Ladder, MediaRecord

__all__ = ["demo"]

#: Seconds that anything but the clip itself may take.
_PATIENCE = 10.0
#: Seconds that the end of a clip may take from one ear to the other.
_ON_ITS_WAY = 2.0
#: Seconds that a packet waits before it is played: more than a call needs, so that this machine may
#: be busy with other things meanwhile.
_DELAY = 0.2

#: Seconds of sending that may be missing at the two ends of a call before it is worth a word.
_SLACK = 0.1

K = TypeVar("K")


class _Interrupted(Exception):
    """The user does not want to see the end."""


class _Ear(Tee):
    """Records to a file, and notices when all that is to be heard was.

    Args:
        path: The file.
        expected: What is to be heard, without silence around it.
    """

    def __init__(self, path: Path, expected: bytes) -> None:
        self.path = path
        self._memory = MemorySink()
        self._expected = expected
        self._complete = threading.Event()
        super().__init__(WAVRecorder(path), self._memory)

    def write(self, pcm: bytes, /) -> None:
        """Take audio."""
        super().write(pcm)
        if not self._complete.is_set() and self._expected in self._memory.pcm:
            self._complete.set()

    def wait(self) -> None:
        """Wait until it was heard; not for long where it was not."""
        self._complete.wait(_ON_ITS_WAY)


class _Stage:
    """The demo, act by act.

    Args:
        screen: Where to say what happens.
        codec: The codec of the call.
    """

    def __init__(self, screen: Screen, codec: str) -> None:
        self.screen = screen
        self.codec = codec
        self.happenings = Happenings()
        media = {"codecs": (codec,), "min_delay": _DELAY, "max_delay": 5 * _DELAY}
        self.alice = Phone("alice@atlanta.com", self.happenings, media=media, display_name="Alice")
        self.bob = Phone("bob@biloxi.com", self.happenings, media=media, display_name="Bob")
        self.ladder = Ladder()
        self.alices: Any = None
        self.bobs: Any = None
        self.answered_at = 0.0
        self.duration = 0.0

    def until(self, kind: type[K], condition: Callable[[K], bool] = lambda _: True) -> K:
        """Wait for something to happen, and pass over the rest.

        Raises:
            Timeout: It did not.
            CallFailed: The call failed instead.
        """
        deadline = time.monotonic() + _PATIENCE
        while (happened := self.happenings.get(deadline)) is not None:
            if isinstance(happened, Stopped):
                raise _Interrupted
            if isinstance(happened, CallEnded) and happened.error is not None:
                raise happened.error
            self._comment(happened)
            if isinstance(happened, kind) and condition(happened):
                return happened
        raise Timeout(f"{kind.__name__} was waited for, and did not happen in {_PATIENCE:g} s.")

    def _comment(self, happened: Happened) -> None:
        match happened:
            case CallProgressed(response=response):
                text = safe(f"{response.status} {response.reason}")
                self.screen.line(f"Alice is told: {text}")
            case CallEstablished(agent=agent) if agent.owner is self.alice:
                self.screen.line("Bob answered: the call is up", "green")
            case MediaStarted(codec=codec, remote=remote, call=call) if call.role == "caller":
                where = f" to {remote[0]} port {remote[1]}" if remote else ""
                self.screen.line(f"Alice sends {codec}{where}")
            case _:
                pass

    def connect(self) -> None:
        """Alice calls, Bob answers."""
        screen, bob = self.screen, self.bob
        bob.engine.wire.add(self.ladder)
        bob.listen(0, address="127.0.0.1")
        screen.line(f"Bob listens at {bob.contact_uri}")
        screen.line(f"Alice calls {bob.uri}")
        self.alices = self.alice.invite(bob, expires=_PATIENCE)
        self.bobs = self.until(CallReceived).call
        caller = safe(self.bobs.remote.uri)
        self.bobs.ring()
        screen.line(f"Bob's phone rings: {caller}")
        self.bobs.accept()
        self.until(CallEstablished, lambda event: event.agent.owner is self.alice)
        self.answered_at = time.time()

    def play(self, names: tuple[str, str], calls: tuple[Any, Any], clip: Path, to: Path) -> Verdict:
        """One plays a file, the other records it.

        Args:
            names: Who plays, and who listens.
            calls: Their ends of the call.
            clip: What is played.
            to: Where it is recorded.
        """
        source = WAVSource(clip)
        expected = trim(after_codec(source, self.codec))
        ear = _Ear(to, expected)
        calls[1].session.record(ear)
        self.screen.line(f"{names[0]} plays {clip}, {source.duration:.1f} s")
        self._follow(calls[0].session.play(clip), source.duration + _PATIENCE)
        ear.wait()
        calls[1].session.stop_recording()
        heard = WAVSource(to)
        self.screen.line(f"{names[1]} recorded {to}, {heard.duration:.1f} s")
        return compare(expected, heard.read(round(heard.duration * heard.rate)), heard.rate)

    def _follow(self, playback: Any, patience: float) -> None:
        """Wait for the end of a playback, and for Ctrl-C."""
        deadline = time.monotonic() + patience
        while not playback.done:
            happened = self.happenings.get(min(deadline, time.monotonic() + 0.1))
            if isinstance(happened, Stopped):
                raise _Interrupted
            if isinstance(happened, CallEnded):
                raise happened.error or CallFailed("The call ended too early.")
            if time.monotonic() >= deadline:
                raise Timeout(
                    f"{playback.source!r} was still playing after {patience:.0f} s: this machine"
                    " is too busy to send in time."
                )
        playback.wait(0)

    def hang_up(self) -> None:
        """Alice hangs up; media is summed up as it was then."""
        self._add_media()
        self.screen.line("Alice hangs up")
        self.alices.terminate().wait(_PATIENCE)
        self.bobs.wait(_PATIENCE)
        self.screen.line("Bob has heard it: the call is over", "green")

    def _add_media(self) -> None:
        """Give the ladder its names and its line for RTP."""
        port = self.bob.contact_uri.port if self.bob.contact_uri else None
        for record in self.ladder:
            if not isinstance(record, MediaRecord):
                for address in (record.source, record.destination):
                    self.ladder.names[address] = "Bob" if address[1] == port else "Alice"
        first = next(record for record in self.ladder if not isinstance(record, MediaRecord))
        now = time.time()
        self.duration = now - self.answered_at
        stats = self.alices.session.statistics
        self.ladder(
            MediaRecord(
                now,
                first.source,
                first.destination,
                stats.packets_sent,
                stats.packets_received,
                max(0, stats.lost),
                self.codec,
                self.duration,
                self.alices.call_id,
            )
        )

    def report(self) -> None:
        """Print the ladder, and packets each way."""
        screen = self.screen
        screen.title("The call, message by message")
        screen.ladder(self.ladder)
        screen.title("Its RTP packets")
        alice, bob = self.alices.session.statistics, self.bobs.session.statistics
        screen.media([("Alice to Bob", alice, bob), ("Bob to Alice", bob, alice)])
        negotiated = self.alices.session.negotiated
        sent = alice.packets_sent * (negotiated.ptime or 20) / 1000
        if self.duration - sent > _SLACK:
            # A sender that comes too late leaves time out, it does not burst: pauses are heard.
            screen.text(
                f"In {self.duration:.1f} s of the call only {sent:.1f} s were sent: this machine"
                " was too busy to send in time.",
                "yellow",
            )

    def close(self) -> None:
        """Give everything back."""
        try:
            self.alice.close()
        finally:
            self.bob.close()
            self.bob.engine.wire.remove(self.ladder)


def _write_clip(path: Path) -> None:
    recorder = WAVRecorder(path)
    recorder.start(RATE)
    recorder.write(melody())
    recorder.close()


def _verdict(screen: Screen, listener: str, speaker: str, verdict: Verdict, codec: str) -> bool:
    if verdict.same:
        screen.text(
            f"What {listener} heard is what {speaker} sent: {verdict.samples} samples of {codec},"
            " every one the same.",
            "green",
        )
    else:
        screen.text(f"What {listener} heard is NOT what {speaker} sent: {verdict.reason}.", "red")
    return verdict.same


def _perform(stage: _Stage, clip: Path, folder: Path) -> bool:
    """Play the demo to its end; whether each heard what the other sent."""
    screen = stage.screen
    at_bob, at_alice = folder / "heard-by-bob.wav", folder / "heard-by-alice.wav"
    stage.connect()
    alice, bob = stage.alices, stage.bobs
    there = stage.play(("Alice", "Bob"), (alice, bob), clip, at_bob)
    back = stage.play(("Bob", "Alice"), (bob, alice), at_bob, at_alice)
    stage.hang_up()
    stage.report()
    same = _verdict(screen, "Bob", "Alice", there, stage.codec)
    same = _verdict(screen, "Alice", "Bob", back, stage.codec) and same
    screen.title("The recordings")
    screen.pairs(
        (
            (str(clip), "what Alice played"),
            (str(at_bob), "what Bob heard, and played back"),
            (str(at_alice), "what Alice heard"),
        )
    )
    return same


def demo(
    out: Annotated[
        Path, typer.Option(help="Folder for the recordings; made where it is not there.")
    ] = Path("demo-call"),
    play: Annotated[
        Path | None,
        typer.Option(help="WAV file that Alice plays, instead of a tune.", show_default="a tune"),
    ] = None,
    codec: Annotated[
        str, typer.Option(help="Codec of the call: PCMU or PCMA.", metavar="NAME")
    ] = "PCMU",
) -> None:
    """Alice calls Bob on this machine: no server, no network, nothing to set up.

    She plays a clip, he records it and plays his recording back, she records that, and they hang
    up. Exit code 0 only if each heard what the other sent, sample for sample.
    """
    screen = Screen()
    try:
        out.mkdir(parents=True, exist_ok=True)
        if play is None:
            play = out / "tune.wav"
            _write_clip(play)
        stage = _Stage(screen, codec)
        after_codec(WAVSource(play), codec)
    except OSError as error:
        raise typer.BadParameter(f"{out}: {error.strerror}", param_hint="--out") from None
    except (MediaError, SIPPartyError) as error:
        raise typer.BadParameter(str(error)) from None
    screen.text("Alice calls Bob, on this machine alone.", "bold")
    screen.blank()
    same = False
    with interrupts(stage.happenings):
        try:
            same = _perform(stage, play, out)
        except _Interrupted:
            screen.error("Interrupted: they hang up.")
        except SIPPartyError as error:
            screen.error(f"The call failed: {error}")
            screen.title("The call, message by message")
            screen.ladder(stage.ladder)
        finally:
            stage.close()
    raise typer.Exit(0 if same else 1)
