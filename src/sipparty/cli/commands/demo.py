"""`sipparty demo`: Alice calls Bob on this machine, and each hears what the other said.

What it shows: two parties, real sockets on the loopback interface, SIP and RTP as they go over any
network. Alice plays a clip, Bob records it and plays his recording back, Alice records that, and
they hang up. Then the ladder of the call, packets in each direction, and the two recordings laid
over what was sent. It succeeds only if both are the same sample for sample.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from sipparty.cli.compare import Verdict, after_codec, compare, trim
from sipparty.cli.echo import Tee
from sipparty.cli.exits import Exit, exit_of
from sipparty.cli.melody import RATE, melody
from sipparty.cli.output import Output, safe
from sipparty.cli.phone import draw
from sipparty.errors import CallFailed, MediaError, SIPPartyError
from sipparty.media import MediaStatistics, MemorySink, WAVRecorder, WAVSource
from sipparty.parties import AudioParty
from sipparty.trace import Ladder, Trace, WireRecord

__all__ = ["demo"]

#: Seconds that anything but the clip itself may take.
_PATIENCE = 10.0
#: Seconds that the end of a clip may take to be heard.
_IN_TRANSIT = 2.0
#: Seconds that a packet waits before it is played: more than a call needs, so that this machine may
#: be busy otherwise meanwhile.
_DELAY = 0.2
#: Seconds of sending that may be missing at the two ends of a call before it is worth a word.
_SLACK = 0.1


class _Listener(Tee):
    """Records to a file, and notices when all that is to be heard was.

    Args:
        path: The file.
        expected: What is to be heard, without silence around it.
    """

    def __init__(self, path: Path, expected: bytes) -> None:
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
        self._complete.wait(_IN_TRANSIT)


class _Demo:
    """The demo, step by step.

    Args:
        out: Where to print what happens.
        codec: The codec of the call.
    """

    def __init__(self, out: Output, codec: str) -> None:
        self.out = out
        self.codec = codec
        media = {"codecs": (codec,), "min_delay": _DELAY, "max_delay": 5 * _DELAY}
        kind = AudioParty
        self.alice = kind("alice@atlanta.com", media=media, display_name="Alice")
        self.bob = kind("bob@biloxi.com", media=media, display_name="Bob")
        self.trace = Trace(self.alice, self.bob, states=False)
        self.duration = 0.0

    def perform(self, clip: Path, folder: Path) -> bool:
        """Do all of it; whether each heard what the other sent."""
        out, bob = self.out, self.bob
        files = folder / "heard-by-bob.wav", folder / "heard-by-alice.wav"
        bob.listen(0, address="127.0.0.1")
        incoming = bob.incoming()
        out.event("listening", f"Bob listens at {bob.contact_uri}")
        out.event("calling", f"Alice calls {bob.uri}")
        call: Any = self.alice.invite(bob, expires=_PATIENCE)
        answered: Any = incoming.next(_PATIENCE)
        self.calls = call, answered
        out.event("ringing", f"Bob's phone rings: {safe(answered.remote.uri)}")
        answered.ring()
        answered.accept()
        call.wait(_PATIENCE)
        began = time.time()
        out.event("answered", "Bob answered: the call is up", "green")
        there = self._play("Alice", "Bob", call, answered, clip, files[0])
        back = self._play("Bob", "Alice", answered, call, files[0], files[1])
        self.duration = time.time() - began
        out.event("hangup", "Alice hangs up")
        call.terminate().wait(_PATIENCE)
        answered.wait(_PATIENCE)
        out.event("ended", "Bob has heard it: the call is over", "green")
        self._report()
        same = [self._judge("Bob", "Alice", there), self._judge("Alice", "Bob", back)]
        out.title(f"The recordings, in {folder}")
        what = "what Alice played", "what Bob heard, and played back", "what Alice heard"
        names = [path.name if path.parent == folder else str(path) for path in (clip, *files)]
        out.pairs(zip(names, what, strict=True))
        return all(same)

    def _play(
        self, speaker: str, listener: str, speaking: Any, listening: Any, clip: Path, to: Path
    ) -> Verdict:
        """One plays a file, the other records it."""
        source = WAVSource(clip)
        expected = trim(after_codec(source, self.codec))
        heard_by = _Listener(to, expected)
        listening.session.record(heard_by)
        self.out.event("playing", f"{speaker} plays {clip.name}, {source.duration:.1f} s")
        if speaking.session.play(clip).wait(source.duration + _PATIENCE) == "stopped":
            raise CallFailed("The call ended too early.")
        heard_by.wait()
        listening.session.stop_recording()
        heard = WAVSource(to)
        self.out.event("recorded", f"{listener} recorded {to.name}, {heard.duration:.1f} s")
        return compare(expected, heard.read(round(heard.duration * heard.rate)), heard.rate)

    def ladder(self) -> Ladder:
        """The messages so far, which say who is who."""
        ladder = self.trace.ladder()
        port = self.bob.contact_uri.port if self.bob.contact_uri else None
        for record in ladder:
            if isinstance(record, WireRecord):
                for address in (record.source, record.destination):
                    ladder.names[address] = "Bob" if address[1] == port else "Alice"
        return ladder

    def _report(self) -> None:
        """Print the ladder, and packets in each direction."""
        out = self.out
        out.title("The call, message by message")
        draw(self.ladder(), out)
        out.title("Its RTP packets")
        alice, bob = [call.session.statistics for call in self.calls]
        _print_media(out, [("Alice to Bob", alice, bob), ("Bob to Alice", bob, alice)])
        sent = alice.packets_sent * (self.calls[0].session.negotiated.ptime or 20) / 1000
        if self.duration - sent > _SLACK:
            # A sender that comes too late leaves time out, it does not burst: pauses are heard.
            out.text(
                f"In {self.duration:.1f} s of the call only {sent:.1f} s were sent: this machine"
                " was too busy to send in time.",
                "yellow",
            )
        out.text()

    def _judge(self, listener: str, speaker: str, verdict: Verdict) -> bool:
        text, style = f"NOT what {speaker} sent: {verdict.reason}.", "red"
        if verdict.same:
            text = f"what {speaker} sent: {verdict.samples} samples of {self.codec}, all the same."
            style = "green"
        self.out.text(f"What {listener} heard is {text}", style)
        self.out.event("compared", listener=listener, same=verdict.same, reason=verdict.reason)
        return verdict.same

    def __enter__(self) -> _Demo:
        self.trace.start()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.alice.close()
        finally:
            self.bob.close()
            self.trace.stop()


def _write_clip(path: Path) -> None:
    recorder = WAVRecorder(path)
    recorder.start(RATE)
    recorder.write(melody())
    recorder.close()


def _print_media(out: Output, rows: Iterable[tuple[str, MediaStatistics, MediaStatistics]]) -> None:
    """Print packets by direction: what it is called, how its sender fared, and its receiver."""
    # Both count what the network did; the sender's count is known for our own end only.
    out.table(
        ("", "sent", "received", "lost", "late", "jitter ms"),
        [
            (
                name,
                sender.packets_sent,
                receiver.packets_received,
                receiver.lost,
                receiver.late,
                round(receiver.jitter * 1000, 1),
            )
            for name, sender, receiver in rows
        ],
    )


def demo(
    output: Output,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Folder for the recordings, made where it is not there.",
            show_default="a temporary one",
            metavar="FOLDER",
        ),
    ] = None,
    play: Annotated[
        Path | None,
        typer.Option(help="WAV file that Alice plays.", show_default="a tune", metavar="FILE"),
    ] = None,
    codec: Annotated[
        str, typer.Option(help="Codec of the call: PCMU or PCMA.", metavar="NAME")
    ] = "PCMU",
) -> Exit:
    """Alice calls Bob on this machine: no server, no network, nothing to set up.

    She plays a clip, he records it and plays his recording back, she records that, and they hang
    up. Exit code 0 only if each heard what the other sent, sample for sample.
    """
    try:
        if folder is None:
            folder = Path(tempfile.mkdtemp(prefix="sipparty-demo-"))
        folder.mkdir(parents=True, exist_ok=True)
        if play is None:
            play = folder / "tune.wav"
            _write_clip(play)
        after_codec(WAVSource(play), codec)
        steps = _Demo(output, codec)
    except OSError as error:
        raise typer.BadParameter(f"{folder}: {error.strerror}", param_hint="--out") from None
    except (MediaError, SIPPartyError) as error:
        raise typer.BadParameter(str(error)) from None
    output.text("Alice calls Bob, on this machine alone.", "bold")
    output.text()
    code = Exit.FAILED
    with steps:
        try:
            code = Exit.DONE if steps.perform(play, folder) else Exit.FAILED
        except KeyboardInterrupt:
            output.error("Interrupted: they hang up.")
            code = Exit.INTERRUPTED
        except SIPPartyError as error:
            output.error(f"The call failed: {error}", error=type(error).__name__)
            output.title("The call, message by message")
            draw(steps.ladder(), output)
            code = exit_of(error)
    output.result(exit=int(code), folder=str(folder))
    return code
