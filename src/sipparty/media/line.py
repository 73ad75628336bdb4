"""One m= line of a session with audio in it: its transport, its stream, what it sends and who
listens.

Laws:

* A line has two threads. Its session's, the engine's, is where it is described and agreed on; that
  of its media loop is where packets go and audio flows. They are one where the engine has no loops
  of media of its own. What the session asks of the other is posted, in order, and not waited for.
* What happens on the tick is moving frames: from `input` to the packet that is sent, from the
  packets that came to `listeners`. None of them blocks or calls a user's code.
* What happens is handed over at `_EVENT_RATE` at most, on the average: packets can have something
  happen each, and each event is work for the engine and for handlers.
* Packets are read from the first offer or answer on, sent and heard from the first agreement that
  is started to `stop`. After it there is no socket, no timer and no open file.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from sipparty.concurrency.host import wall_clock
from sipparty.concurrency.waiting import Portal
from sipparty.media.audio_stream import AudioStream
from sipparty.media.clock import Clock
from sipparty.media.events import MediaStarted, MediaTimedOut, SecurityChanged
from sipparty.media.frames import AudioFrame, AudioInput, Listener
from sipparty.media.loops import MediaLoop
from sipparty.media.negotiated import AudioPreferences, offered_formats, settings_of
from sipparty.media.pcm import silence
from sipparty.media.playing.player import Player
from sipparty.media.ports import UDPTransport
from sipparty.media.quality.quality import Quality
from sipparty.media.quality.statistics import MediaStatistics
from sipparty.media.recording.recorder import Recorder
from sipparty.media.rtp.packet import looks_like_rtcp
from sipparty.media.rtp.source import Address
from sipparty.media.settings import ReceivedFormat, StreamSettings
from sipparty.media.srtp.settings import SRTP
from sipparty.media.transport import LineExtension, MediaTransport
from sipparty.sdp import MediaCapability, MediaDescription, NegotiatedStream
from sipparty.sip.dialog.session import MediaUser
from sipparty.sip.events import MediaEvent

if TYPE_CHECKING:
    from sipparty.media.dtmf.line_keys import ToneInput
    from sipparty.media.srtp.sdes import SecurityDescriptions

__all__ = ["Line", "known_of"]

_log = logging.getLogger(__name__)

#: Frames of a stall that are played, for the recording's time, at most.
_MAX_PLAYED: Final = 250
#: Codecs that take next to no time, and the weight of a line with another: about that of Opus.
_LIGHT: Final = frozenset(("PCMU", "PCMA", "L16"))
_HEAVY: Final = 8
#: Events a second that are handed over, and how many at once.
_EVENT_RATE: Final = 200.0
_MOST_EVENTS: Final = 256.0
#: Taken while listeners come and go; reentrant, as one that nobody holds goes anywhere.
_changing: Final = threading.RLock()


class Line:
    """One m= line.

    Args:
        wanted: What is asked for.
        emit: Takes the events; called on the line's own thread.
        timed_out: Called with the seconds after which nothing was heard for too long.
        max_delay: Most delay of the playout buffer, in seconds.
        tokens: Gives a random number of so many bits.
        options: Further ones for the `AudioStream`.

    Attributes:
        wanted: What the next offer asks for.
        settled: What was asked for when it was last agreed on.
        fallback: What is asked for again when the open offer is refused.
        extensions: What takes part in the description of the line, and may wrap its transport.
        transport: What carries its packets; None while no socket is open.
        negotiated: What was agreed on and is in effect; None before, and where it was refused.
        stream: The stream; None before there is one.
        input: What gives it the audio to send; the player, unless something else is set.
        tones: What sends keys as tones, among its inputs; None before the first.
        tap: What sees its packets as they are without SRTP, where something does; else None.
        player: Plays to the other side what `play` was given.
        recorder: Records what is heard, and what is sent.
        media_loop: Where it runs; None before it is bound.
        security: The name of the suite that protects what is sent; "" where nothing does.
        security_counts: Packets that were dropped, by reason.
    """

    def __init__(
        self,
        wanted: AudioPreferences,
        emit: Callable[[MediaEvent], object],
        timed_out: Callable[[float], object],
        *,
        max_delay: float,
        tokens: Callable[[int], int],
        options: Mapping[str, Any],
    ) -> None:
        self.wanted = self.settled = self.fallback = wanted
        self.extensions: Sequence[LineExtension] = ()
        self.transport: MediaTransport | None = None
        self.negotiated: NegotiatedStream | None = None
        self.stream: AudioStream | None = None
        self.media_loop: MediaLoop | None = None
        self.security = ""
        self.security_counts: Mapping[str, int] = {}
        self._reported = ""
        self._security: SecurityDescriptions | None = None
        self.listeners: tuple[Listener, ...] = ()
        self.sent_listeners: tuple[Listener, ...] = ()
        self._emit = emit
        self._timed_out = timed_out
        self._max_delay = max_delay
        self._tokens = tokens
        self._options = options
        self._clock: Clock | None = None
        self._udp: UDPTransport | None = None
        # What hears the packets that come, for deliveries to be made again by another transport.
        self._heard_by: MediaTransport | None = None
        self._statistics = MediaStatistics()
        self._quality = Quality()
        self._started = self._stopped = False
        # Since when the line is refused, and the frames that were not sent since.
        self._silent_since: float | None = None
        self._missed = 0
        # Frames that were played and sent so far: their numbers, and seconds of media time.
        self._played = self._sent = 0
        self._played_time = self._sent_time = 0.0
        # Events that may be handed over now, and when that was counted.
        self._events_left, self._counted_at = _MOST_EVENTS, 0.0
        self.player = Player(self.emit)
        self.input: AudioInput = self.player
        self.tones: ToneInput | None = None
        self.tap: LineExtension | None = None
        self.recorder = Recorder(self, self.emit)

    # ---------------------------------------------------------------- described and agreed on

    @property
    def portal(self) -> Portal | None:
        """Access to the line's thread; None before it is bound."""
        return None if self.media_loop is None else self.media_loop.portal

    def bind(
        self,
        media_loop: MediaLoop,
        clock: Clock,
        local_address: str,
        port_range: tuple[int, int] | None,
        dscp: int,
    ) -> None:
        """Bind an even port for RTP and the next for RTCP, instead of those that were bound.

        Raises:
            ListenError: There are none to be had.
        """
        self.unbind()
        self.media_loop, self._clock = media_loop, clock
        self.player.portal = self.recorder.portal = media_loop.portal
        start = self._tokens(16)
        self._udp = UDPTransport(
            media_loop.loop, local_address, port_range, start, clock.time, dscp
        )
        self.transport = self._udp

    def unbind(self) -> None:
        """Close what is bound."""
        transport, self.transport, self._udp = self.transport, None, None
        if transport is not None:
            self._post(transport.close)

    @property
    def port(self) -> int | None:
        """The port of RTP; None while no socket is open."""
        return None if self.transport is None else self.transport.port

    def secure(self, call: MediaUser | None, offer: bytes | None = None) -> bool:
        """Have keys negotiated, where that is wanted and they are not yet; whether that is new.

        Args:
            call: Whose media it is; None where that is not known.
            offer: What the other side offers; None where it does not yet.
        """
        srtp = SRTP.of(self.wanted.srtp)
        if self._security is not None or not srtp.matters(offer):
            return False
        from sipparty.media.srtp.sdes import SecurityDescriptions

        encrypted = None if call is None else call.encrypted
        self._security = SecurityDescriptions(srtp, self._tokens, encrypted)
        self.extensions = (self._security, *self.extensions)
        return True

    def capability(self) -> MediaCapability:
        """What can be done on this line, where it is bound."""
        if self._security is not None:
            self._security.srtp = SRTP.of(self.wanted.srtp)
        return self.wanted.capability(self.port or 0, self.extensions)

    def listen(self, hosts: Iterable[str]) -> None:
        """Read what comes from now on, and keep the last of it for the start."""
        if not self._started and self.transport is not None:
            self._post(self.transport.listen, tuple(hosts))

    def expect(self, offered: MediaDescription) -> None:
        """Understand what may come by an offer of ours, before it is answered (RFC 3264 section
        5.1).
        """
        self._post(self._expect, offered_formats(offered, self.wanted))

    def apply(
        self,
        negotiated: NegotiatedStream | None,
        extensions: Iterable[LineExtension],
        confirmed: bool,
        options: Mapping[str, Any],
    ) -> None:
        """Bring the line to what was agreed on.

        Args:
            negotiated: What was agreed on; None where the line was refused.
            extensions: Those of its capability, with what they have agreed on.
            confirmed: Whether the other side has shown that it receives.
            options: What the call knows of the other side, for a stream that is new.

        Raises:
            NegotiationError: None of the formats is audio of one of our codecs.
        """
        assert self._udp is not None
        self.negotiated = negotiated
        if negotiated is None:
            self._post(self._silence)
            return
        settings = settings_of(negotiated, self.settled, self._udp.family)
        transport: MediaTransport = self._udp
        for extension in extensions:
            transport = extension.wrap(transport, negotiated)
        transport.mux = negotiated.rtcp_mux
        self.transport = transport
        self.security = getattr(transport, "suite", "")
        self.security_counts = getattr(transport, "counts", self.security_counts)
        if self.tap is not None:
            self.transport = self.tap.wrap(transport, negotiated)
        self._post(self._flow, settings, confirmed, {**self._options, **options})

    def stop(self) -> None:
        """Send an RTCP BYE, finish what is played and recorded, close everything."""
        self._post(self._stop)

    # ---------------------------------------------------------------- heard and reported

    def add_listener(self, listener: Listener, *, sent: bool = False) -> None:
        """Give a listener each frame that is heard, or that is sent, from now on; on any thread.
        One that has a method `line_ended` has it called at the end of the line.
        """
        with _changing:
            if sent:
                self.sent_listeners = (*self.sent_listeners, listener)
            elif listener not in self.listeners:
                self.listeners = (*self.listeners, listener)

    def find_tones(self) -> None:
        """Look for keys in what is heard, as tones, from now on; on any thread."""
        from sipparty.media.dtmf.line_keys import ToneListener

        self.add_listener(ToneListener(self.emit))

    def remove_listener(self, listener: Listener) -> None:
        """Give it none any more; on any thread."""
        with _changing:
            self.listeners = tuple(one for one in self.listeners if one is not listener)
            self.sent_listeners = tuple(one for one in self.sent_listeners if one is not listener)

    @property
    def started(self) -> bool:
        """Whether packets have flowed, or do."""
        return self._started

    @property
    def statistics(self) -> MediaStatistics:
        """What is counted of the stream; after the stop, of all of it."""
        stream = self.stream
        return self._statistics if stream is None else stream.statistics

    @property
    def quality(self) -> Quality:
        """How the stream sounds; after the stop, how it did."""
        stream = self.stream
        if stream is None:
            return self._quality
        underruns = getattr(self.player.playback, "underruns", 0)
        return stream.quality(self._played).with_line(self.security_counts, underruns)

    def emit(self, event: MediaEvent) -> None:
        """Hand an event over."""
        self._emit(event)

    # ---------------------------------------------------------------- on the line's thread

    def _post(self, function: Callable[..., object], *args: Any) -> None:
        if self.media_loop is None:
            function(*args)
        else:
            self.media_loop.post(function, *args)

    def _expect(self, receive: dict[int, ReceivedFormat]) -> None:
        if self.stream is not None:
            self.stream.expect(receive)

    def _silence(self) -> None:
        assert self._clock is not None
        self._clock.remove(self)
        self._silent_since = self._clock.time()

    def _flow(self, settings: StreamSettings, confirmed: bool, options: dict[str, Any]) -> None:
        """Send and receive as was agreed on."""
        clock, transport = self._clock, self.transport
        media_loop = self.media_loop
        if self._stopped or clock is None or transport is None or media_loop is None:
            return
        now = clock.time()
        if self.stream is not None:
            self.stream.apply(settings, now, confirmed)
        else:
            epoch = wall_clock(media_loop.loop)() - now
            self.stream = AudioStream(
                settings, now, self._tokens, epoch=epoch, confirmed=confirmed, **options
            )
            self.recorder.begin(settings.codec.sample_rate)
            self.player.begin(settings.codec.sample_rate)
        if self._silent_since is not None:
            # Time went on while the line was refused: so do its timestamps (RFC 3550 section 5.1).
            self._missed = round((now - self._silent_since) * 1000 / settings.ptime)
            self._silent_since = None
        clock.add(self, settings.ptime / 1000)
        before, self._reported = self._reported, self.security
        if not self._started:
            self._started = True
            self.emit(MediaStarted(settings.codec.name, self.stream.destination, self.security))
        elif before != self.security:
            self.emit(SecurityChanged(self.security))
        if self._heard_by is not transport:
            # The stream hears what comes, and what came just before there was one.
            self._heard_by = transport
            transport.deliver(self._receive_rtp, self._receive_rtcp, self._max_delay)

    def _stop(self) -> None:
        if self._stopped:
            return
        self._stopped = True
        if self._clock is not None:
            self._clock.remove(self)
        self._quality = self.quality
        stream, self.stream = self.stream, None
        if stream is not None:
            self._statistics = stream.statistics
            self._hear(stream.drain(), stream)
            assert self._clock is not None
            goodbye = stream.goodbye(self._clock.time())
            if goodbye is not None:
                self._send_rtcp(goodbye, stream.rtcp_destination)
        if self.transport is not None:
            self.transport.close()
        self.transport = self._udp = None
        self.player.close()
        self.recorder.close()
        with _changing:
            ended = [*self.listeners, *self.sent_listeners]
            self.listeners = self.sent_listeners = ()
        for listener in ended:
            if hasattr(listener, "line_ended"):
                listener.line_ended()

    @property
    def weight(self) -> int:
        """How long it takes beside a line of G.711; for the clock."""
        stream = self.stream
        return 1 if stream is None or stream.settings.codec.name in _LIGHT else _HEAVY

    def send_due(self, now: float, skipped: int) -> None:
        """Send and report one frame; for the clock."""
        stream = self.stream
        if stream is None:
            return
        frame = None
        destination = stream.destination
        settings = stream.settings
        if settings.sends and destination is not None:
            rate = settings.codec.sample_rate
            frame = self.input.next_frame(stream.samples, rate)
            if self.sent_listeners:
                self._report_sent(silence(stream.samples) if frame is None else frame, rate)
            self._sent += 1
            self._sent_time += settings.ptime / 1000
        transport = self.transport
        if self.stream is not stream or transport is None:
            return  # a handler of events stopped the session
        data = stream.send_frame(frame, now, skipped + self._missed)
        self._missed = 0
        if data is not None and destination is not None:
            transport.send(data, destination)
        if now >= stream.reports_at:
            for report in stream.reports(now):
                self._send_rtcp(report, stream.rtcp_destination)
        if stream.events:
            self._emit_of(stream)

    def play_due(self, now: float, skipped: int) -> None:
        """Play one frame, and those that were left out; for the clock."""
        stream = self.stream
        if stream is None:
            return
        for _ in range(min(skipped, _MAX_PLAYED) + 1):
            pcm = stream.play_frame(now)
            if pcm is not None:
                self._hear(pcm, stream)
        if stream.events:
            self._emit_of(stream)

    def _hear(self, pcm: bytes, stream: AudioStream) -> None:
        """Give the listeners what is heard."""
        if self.listeners and pcm:
            frame = AudioFrame(
                pcm, stream.heard_rate, self._played_time, self._played, stream.heard_concealed
            )
            for listener in self.listeners:
                try:
                    listener.hear(frame)
                except Exception:
                    self._drop_listener(listener)
        self._played += 1
        self._played_time += stream.settings.ptime / 1000

    def _report_sent(self, pcm: bytes, rate: int) -> None:
        frame = AudioFrame(pcm, rate, self._sent_time, self._sent)
        for listener in self.sent_listeners:
            try:
                listener.hear(frame)
            except Exception:
                self._drop_listener(listener)

    def _drop_listener(self, listener: Listener) -> None:
        """Go on without one that is broken."""
        _log.exception("%r raised, and is given no more frames.", listener)
        self.remove_listener(listener)

    def _receive_rtp(self, data: bytes, address: Address, now: float) -> None:
        stream = self.stream
        if stream is None:
            return
        if looks_like_rtcp(data):
            stream.receive_rtcp(data, address, now)
        else:
            stream.receive_rtp(data, address, now)
        if stream.events:
            self._emit_of(stream)

    def _receive_rtcp(self, data: bytes, address: Address, now: float) -> None:
        stream = self.stream
        if stream is not None:
            stream.receive_rtcp(data, address, now)
            if stream.events:
                self._emit_of(stream)

    def _emit_of(self, stream: AudioStream) -> None:
        assert self._clock is not None
        now = self._clock.time()
        left = self._events_left + (now - self._counted_at) * _EVENT_RATE
        self._events_left, self._counted_at = min(left, _MOST_EVENTS), now
        while stream.events:
            event = stream.events.popleft()
            if self._events_left >= 1:
                self._events_left -= 1
                self.emit(event)
            if isinstance(event, MediaTimedOut):
                self._timed_out(event.seconds)

    def _send_rtcp(self, data: bytes, destination: Address | None) -> None:
        if self.transport is not None and destination is not None:
            self.transport.send_rtcp(data, destination)


def known_of(call: MediaUser) -> dict[str, Any]:
    """Return what a call knows of its other side, as options for a stream."""
    return {
        "signalling": call.signalling,
        "unproven": call.policy.unproven_media,
        "unproven_hosts": call.unproven_hosts,
        "behind_nat": call.behind_nat,
        "silent": call.policy.silent_media,
    }
