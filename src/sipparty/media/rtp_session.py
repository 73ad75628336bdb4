"""The session of a call with audio over RTP: the lines of one description, and the offers and
answers about them.

Laws:

* A description has an m= line for each `Line`, in order; what else the other side offers is
  refused. Each line has its own ports, stream, player and listeners; the verbs of the session are
  those of its first line.
* Lines are bound to ports from `open` on, and they are read from the first offer or answer on.
  Packets are sent, played and recorded from `start` to `stop`; what came just before the start is
  heard then.
* While we may send, a packet leaves every `ptime`, silence where nothing is played: so that NATs
  stay open and the other side hears that we are there. On hold an empty datagram keeps them open,
  and the source waits.
* `play` and `record` check at once and return at once; `stop` may be called at any time. Those and
  no other methods may be called on other threads than the engine's, through `portal`.
* After `stop` there is no socket, no timer, no open file; the recording is finished, and what was
  still to be played of the other side is in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from sipparty.concurrency.host import random_bits
from sipparty.errors import UsageError
from sipparty.fsm import verb
from sipparty.media.clock import Clock, MediaClock
from sipparty.media.codecs import CodecType
from sipparty.media.events import MediaStarted
from sipparty.media.line import Line, known_of
from sipparty.media.loops import MediaLoop
from sipparty.media.negotiated import AudioPreferences, further_line
from sipparty.media.playing.playback import OwnThread, Playback
from sipparty.media.quality.quality import Quality
from sipparty.media.quality.statistics import MediaStatistics
from sipparty.media.recording.recording import Recording
from sipparty.media.recording.sinks import SinkLike
from sipparty.media.session import MediaSession
from sipparty.media.settings import check_bounds, check_dscp, check_score, check_seconds
from sipparty.media.srtp.settings import SRTP
from sipparty.media.transport import LineExtension
from sipparty.sdp import (
    MediaCapability,
    NegotiatedStream,
    Negotiation,
    NegotiationState,
    SessionDescription,
    SessionExtension,
)
from sipparty.sdp.offeranswer import assign_capabilities, read_offer

if TYPE_CHECKING:
    from sipparty.media.playing.playable import Playable

__all__ = ["RTPSession"]

#: The bytes of a line with its ports and its buffer, about.
_SIZE = 18_432
#: Bytes that are kept for each m= line, beside the peer's text.
_LINE = 512


class RTPSession(MediaSession):
    """One line of audio, or several.

    Args:
        codecs: Names of registered codecs, or `CodecType`s, the preferred one first.
        play: What to play from the start on; see `play`.
        record: Where to record from the start on; see `record`. A list of several, or one.
        tts: Makes speech of text, for `say`: a function, plain or async, that gives what to play.
        hold_music: What the other side hears while we hold it (`call.hold`); None for nothing.
        ptime: Milliseconds of audio in a packet, 10 to 150; the other side may ask for others.
        port_range: First and last UDP port to use; None for any the system has free.
        dscp: Code point of what is sent (DSCP), 0 to 63; 46 is Expedited Forwarding, for voice.
        direction: "sendrecv", "sendonly", "recvonly" or "inactive".
        public_address: The address to put in descriptions, where that is not the one that is bound.
        symmetric: Whether media may go to where it comes from, rather than to where it was asked
            for (RFC 4961): as long as none comes from there; see `latch_within`.
        latch_within: Seconds from an agreement in which it may go to a host that was not asked for,
            and is not where the signalling comes from, because media comes from there.
        rtcp_mux: Whether RTCP may share the port of RTP (RFC 5761).
        dtmf: Whether digits may come and go as telephone events (RFC 4733).
        inband_dtmf: Whether digits are looked for in the audio too, as tones (ITU-T Q.23).
        comfort_noise: Whether comfort noise may come in pauses (RFC 3389).
        silence_after: Seconds of nothing after which `RemoteFellSilent` is reported.
        min_delay, max_delay: Least and most delay of the playout buffer, in seconds.
        mos_limit: The mean opinion score below which `QualityChanged` is reported; None for none.
        rtcp_xr: Whether to ask the other side for reports of how we are heard (RFC 3611).
        accept_echo: Whether to hear our own packets when they come back; see `AudioStream`.
        srtp: Whether media is secure: "refused", "accepted" where the other side asks for it,
            "offered", "required" or "best-effort"; or an `SRTP`, which says more of it.
        more_lines: Further m= lines of audio: for each, what differs of `AudioPreferences`.
        clock: What ticks the session; None for the clock of its loop.
        tokens: Gives a random number of so many bits; None for the chance of the loop's host.

    Raises:
        MediaError: A file cannot be played or recorded to, or SRTP lacks its library.
        UsageError: An option is out of its range, or a codec is not known or not installed.
    """

    def __init__(
        self,
        *,
        codecs: Sequence[str | CodecType] = ("PCMU", "PCMA"),
        play: Playable = None,
        record: SinkLike | Sequence[SinkLike] = None,
        tts: Callable[[str], Playable] | None = None,
        hold_music: Playable = None,
        ptime: float = 20,
        port_range: tuple[int, int] | None = None,
        dscp: int = 46,
        direction: str = "sendrecv",
        public_address: str | None = None,
        symmetric: bool = True,
        latch_within: float = 10.0,
        rtcp_mux: bool = False,
        dtmf: bool = True,
        inband_dtmf: bool = False,
        comfort_noise: bool = False,
        silence_after: float = 10.0,
        min_delay: float = 0.04,
        max_delay: float = 0.4,
        mos_limit: float | None = None,
        rtcp_xr: bool = False,
        accept_echo: bool = False,
        srtp: str | SRTP = "accepted",
        more_lines: Iterable[Mapping[str, Any]] = (),
        clock: Clock | None = None,
        tokens: Callable[[int], int] | None = None,
    ) -> None:
        super().__init__()
        check_seconds("latch_within", latch_within, zero=True)
        check_seconds("silence_after", silence_after)
        check_score("mos_limit", mos_limit)
        if port_range is not None or (min_delay, max_delay) != (0.04, 0.4):
            check_bounds(min_delay, max_delay, port_range)
        if tts is not None and not callable(tts):
            raise UsageError(f"tts={tts!r} is no function.")
        offered = (codecs, ptime, direction, rtcp_mux, dtmf, comfort_noise, srtp, rtcp_xr)
        first = AudioPreferences(*offered)
        #: What its streams have in common; once the session is open, a name too.
        self._of_streams: dict[str, Any] = {
            "symmetric": symmetric,
            "latch": latch_within,
            "silence_after": silence_after,
            "min_delay": min_delay,
            "max_delay": max_delay,
            "mos_limit": mos_limit,
            "accept_echo": accept_echo,
        }
        self._port_range = port_range
        self._dscp = check_dscp(dscp)
        self._public_address = public_address
        self._clock_option = clock
        self._given_tokens = tokens
        self._negotiation: Negotiation | None = None
        # Ours, as it was when it was made, for each answer that it may have.
        self._offered: Negotiation | None = None
        self._started = self._stopped = False
        self.lines = tuple(
            Line(
                wanted,
                lambda event: self.emit(event),
                self._timed_out,
                max_delay=max_delay,
                tokens=lambda bits: self._tokens(bits),
                options=self._of_streams,
            )
            for wanted in (first, *(further_line(first, each) for each in more_lines))
        )
        if inband_dtmf:
            self.line.find_tones()
        self._tts = tts
        self.hold_music: Playable = hold_music
        self.line.recorder.record_all(record)
        if play is not None:
            self.line.player.play(play)

    @property
    def line(self) -> Line:
        """The first line."""
        return self.lines[0]

    # ---------------------------------------------------------------- to be overridden

    def line_extensions(self, line: Line) -> Sequence[LineExtension]:
        """Return what takes part in the description of a line, and may wrap its transport; asked
        once a line, when it is bound. Nothing by itself.
        """
        return ()

    def session_extensions(self) -> Sequence[SessionExtension]:
        """Return what takes part in the session level of descriptions; asked when the session is
        opened. Nothing by itself.
        """
        return ()

    # ---------------------------------------------------------------- what the call asks

    @classmethod
    def check_offer(cls, offer: bytes, **options: Any) -> None:
        """Judge an offer by the codecs of a session; see `MediaSession.check_offer`."""
        codecs = options.get("codecs", AudioPreferences.codecs)
        srtp = SRTP.of(options.get("srtp", "accepted"))
        extensions: list[LineExtension] = []
        if srtp.matters(offer):
            from sipparty.media.srtp.sdes import SecurityDescriptions

            extensions.append(SecurityDescriptions(srtp, random_bits(None)))
        capability = AudioPreferences(codecs).capability(extensions=extensions)
        assign_capabilities(read_offer(offer), [capability])

    def open(self, loop: asyncio.AbstractEventLoop, local_address: str) -> None:
        """Bind an even port and the next for RTP and RTCP of each line; see `MediaSession.open`."""
        if self._negotiation is not None or self._stopped:
            raise UsageError("A media session is opened once, and not after it was stopped.")
        self.portal = self.portal or OwnThread()
        if self.media_loop is None:
            self.media_loop = MediaLoop(loop, self.portal)
        self._tokens = self._given_tokens or random_bits(loop)
        self._of_streams["cname"] = f"{self._tokens(96):024x}"  # RFC 3550 section 6.5.1
        for line in self.lines:
            line.player.loop = line.recorder.loop = loop
            if self.call is not None:
                line.player.name = line.recorder.name = self.call.name
        self._bind(local_address)

    def move(self, local_address: str) -> bool:
        """Bind other ports, where the session has not begun; what is to be played stays."""
        if self._negotiation is None or self._started:
            return False
        self._negotiation = self._offered = None
        self._bind(local_address)
        return True

    def _bind(self, local_address: str) -> None:
        assert self.media_loop is not None
        clock = self._clock_option or MediaClock.of(self.media_loop.loop)
        reaches = None if self.call is None else partial(self.call.reaches, local_address)
        address = self._public_address or self.advertised or local_address
        try:
            for line in self.lines:
                line.bind(self.media_loop, clock, local_address, self._port_range, self._dscp)
                line.extensions = line.extensions or tuple(self.line_extensions(line))
                line.secure(self.call)
            self._negotiation = Negotiation(
                self._capabilities(),
                address,
                self._tokens(62),
                reaches=reaches,
                extensions=self.session_extensions(),
            )
        except BaseException:
            for line in self.lines:
                line.unbind()
            raise

    def _capabilities(self) -> list[MediaCapability]:
        return [line.capability() for line in self.lines]

    @property
    def local_port(self) -> int | None:
        """The port of RTP of the first line; None while no socket is open."""
        return self.line.port

    def offer(self, direction: str | None = None) -> bytes:
        """An offer of the stream, the first or another one; see `Session.offer`."""
        negotiation = self._opened()
        if negotiation.state is not NegotiationState.STABLE:
            negotiation.rollback()
        offer = negotiation.offer(direction)
        self._offered = negotiation.fork()
        for line in self.lines:
            line.fallback = line.settled
        for media, slot in zip(offer.media, negotiation.slots, strict=True):
            if slot is not None and self._started:
                self.lines[slot].expect(media)
        self._listen()
        return bytes(offer)

    def answer(self, offer: bytes) -> bytes:
        """Our answer to an offer; see `Session.answer`."""
        negotiation = self._opened()
        added = [line.secure(self.call, offer) for line in self.lines]
        if any(added):
            negotiation.capabilities = self._capabilities()
        negotiation.receive_offer(read_offer(offer))
        try:
            answer = bytes(negotiation.answer())
        except BaseException:
            negotiation.rollback()
            raise
        self._offered = None
        for line in self.lines:
            line.settled = line.wanted
        self._listen()
        return answer

    def accept(self, answer: bytes) -> None:
        """Take an answer to our last offer, the first or another one; see `Session.accept`.

        Raises:
            UsageError: There is no offer of ours.
        """
        self._opened()
        if self._offered is None:
            raise UsageError("There is no offer of ours to be answered.")
        negotiation = self._offered.fork()
        negotiation.receive_answer(SessionDescription.parse(answer))
        self._negotiation = negotiation
        for line in self.lines:
            line.settled = line.wanted

    def check_update(self, **settings: Any) -> None:
        """Judge settings as `update` does, and change nothing; asked by `call.update_media`."""
        known = [one.name for one in fields(AudioPreferences)]
        for name in settings.keys() - known:
            which = f"it has {', '.join(known)}"
            raise UsageError(f"{type(self).__name__} has no setting {name}; {which}.")
        for line in self.lines:
            replace(line.wanted, **settings)

    def update(self, **settings: Any) -> None:
        """Change what the next offer asks for, on every line: `codecs`, `ptime`, `direction`,
        `rtcp_mux`, `srtp`, as the session was made with.

        Raises:
            UsageError: There is no such setting, or not with this value.
        """
        self.check_update(**settings)
        for line in self.lines:
            line.wanted = replace(line.wanted, **settings)
            line.secure(self.call)
        self._opened().capabilities = self._capabilities()

    def rollback(self) -> None:
        """Forget our last offer, see `Session.rollback`; nothing where the peer's came after it."""
        if self._offered is not None:
            self._negotiation, self._offered = self._offered, None
            self._negotiation.rollback()
            for line in self.lines:
                line.settled = line.fallback
            if self._started and not self._stopped and self._negotiation.negotiated:
                self._apply(early=False)
        if self._negotiation is not None:
            for line in self.lines:
                line.wanted = line.settled
            self._negotiation.capabilities = self._capabilities()

    @property
    def size(self) -> int:  # type: ignore[override]
        """The bytes that it keeps: what it is made of, and what the peer sent."""
        own = _SIZE * len(self.lines)
        negotiation = self._negotiation
        if negotiation is None:
            return own
        return own + negotiation.size + _LINE * len(negotiation.slots)

    def start(self, early: bool = False) -> None:
        """Send and receive from now on, as was agreed; again, as was agreed anew."""
        if not self._opened().negotiated:
            raise UsageError("A media session starts when an offer was answered, not before.")
        self._apply(early)
        if not self._started:
            self._started = True
            if not any(line.negotiated for line in self.lines):
                self.emit(MediaStarted("", None))

    @verb
    def stop(self) -> None:
        """Send an RTCP BYE, finish the recording, close everything. On any thread."""
        if self._stopped:
            return
        self._stopped = True
        for line in self.lines:
            line.stop()
        self.call = None

    # ---------------------------------------------------------------- what the user asks

    def play(self, what: Playable, **options: Any) -> Playback:
        """Play something to the other side, from the next packet on, instead of what is played;
        see `Player.play` for what, the options, and the errors. On any thread.

        Before the start it waits for it; on hold, for the end of the hold.

        Returns:
            A handle: `handle.wait(timeout)` in a thread or `await handle` waits for the end.
        """
        return self.line.player.play(what, **options)

    def say(self, text: str, **options: Any) -> Playback:
        """Play what the session's `tts` makes of a text; as `play` does.

        Raises:
            UsageError: The session has no `tts`.
        """
        from sipparty.media.playing.playable import Speech

        return self.play(Speech(self._tts, text), **options)

    def record(self, what: SinkLike = None, **options: Any) -> Recording:
        """Record what is heard from now on, beside what is recorded already; see `Recorder.record`
        for where to, the options, and the errors. On any thread.

        It begins with what is heard first, and keeps the call's time, pauses and losses included.

        Returns:
            A handle: `handle.wait(timeout)` in a thread or `await handle` waits for the end.
        """
        return self.line.recorder.record(what, **options)

    def stop_playing(self) -> None:
        """Play nothing more, of what is queued either; silence is sent. On any thread."""
        self.line.player.end("stopped")

    def stop_recording(self) -> None:
        """Finish the recordings: they are complete after it, or, on a loop, when awaited."""
        self.line.recorder.finish()

    @property
    def recording(self) -> Recording | None:
        """What is recorded, or was last; None before the first."""
        return self.line.recorder.last

    @property
    def played(self) -> Playback | None:
        """What is played, or was last; None before the first."""
        return self.line.player.playback

    @property
    def statistics(self) -> MediaStatistics:
        """What is counted of the first line's stream; after the stop, of all of it."""
        return self.line.statistics

    @property
    def quality(self) -> Quality:
        """How the first line sounds, and at the end, how it did; see `Quality`."""
        return self.line.quality

    @property
    def negotiated(self) -> NegotiatedStream | None:
        """What was agreed on for the first line and is in effect; None where nothing is."""
        return self.line.negotiated

    @property
    def security(self) -> str:
        """The name of the SRTP suite that protects what the first line sends; "" for none."""
        return self.line.security

    @property
    def security_counts(self) -> Mapping[str, int]:
        """How many packets of the first line SRTP has dropped, by its `REASONS`."""
        return self.line.security_counts

    @verb
    def renew_keys(self) -> None:
        """Have our next description, as `call.update_media()` sends one, bring new keys."""
        for line in self.lines:
            for one in line.extensions:
                one.renew()

    # ---------------------------------------------------------------- how it is done

    def _listen(self) -> None:
        if self._started:
            return
        negotiation, call = self._opened(), self.call
        for line, stream in self._agreed(negotiation):
            known = [] if stream is None else [stream.remote_address]
            line.listen(known if call is None else [call.signalling, *known])

    def _agreed(self, negotiation: Negotiation) -> Iterable[tuple[Line, NegotiatedStream | None]]:
        """Each line, and what was agreed on for it."""
        agreed = {negotiation.slots[one.index]: one for one in negotiation.streams}
        return [(line, agreed.get(index)) for index, line in enumerate(self.lines)]

    def _apply(self, early: bool) -> None:
        """Bring the lines to what was negotiated."""
        negotiation, call = self._opened(), self.call
        confirmed = not early or call is None or call.proven
        options = {} if call is None else known_of(call)
        capabilities = negotiation.capabilities
        for (line, stream), capability in zip(self._agreed(negotiation), capabilities, strict=True):
            extensions = [one for one in capability.extensions if isinstance(one, LineExtension)]
            line.apply(stream, extensions, confirmed, options)

    def _timed_out(self, seconds: float) -> None:
        if self.call is not None:
            self.call.media_timed_out(seconds)

    def _opened(self) -> Negotiation:
        if self._negotiation is None or self._stopped:
            raise UsageError("The media session is not open.")
        return self._negotiation
