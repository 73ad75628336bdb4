"""The session of a call with one audio stream over RTP: sockets, clock, offer and answer around the
`AudioStream` that does the work.

Laws:

* The description is bound to ports from `open` on, and they are read from the first offer or answer
  on. Packets are sent, played and recorded from `start` to `stop`; what came just before the start
  is heard then.
* While we may send, a packet leaves every `ptime`, silence where nothing is played: so that NATs
  stay open and the other side hears that we are there. On hold nothing is sent, and the source
  waits.
* `play` and `record` check at once and return at once; `stop` may be called at any time. Those and
  no other methods may be called on other threads than the engine's, through `portal`.
* After `stop` there is no socket, no timer, no open file; the recording is finished, and what was
  still to be played of the other side is in it.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from functools import partial
from typing import Any

from sipparty.errors import UsageError
from sipparty.fsm import verb
from sipparty.media.audio_stream import AudioStream
from sipparty.media.clock import Clock, MediaClock
from sipparty.media.events import MediaStarted, MediaTimedOut
from sipparty.media.negotiated import AudioPreferences, settings_of
from sipparty.media.playback import OwnThread, Playback
from sipparty.media.player import Player
from sipparty.media.ports import UDPTransport
from sipparty.media.rtp import looks_like_rtcp
from sipparty.media.rtp_source import Address
from sipparty.media.session import MediaSession
from sipparty.media.settings import check_seconds
from sipparty.media.sinks import Sink, SinkLike, as_sink
from sipparty.media.sources import Source, SourceLike, as_source
from sipparty.media.statistics import MediaStatistics
from sipparty.sdp import NegotiatedStream, Negotiation, NegotiationState, SessionDescription
from sipparty.sdp.offeranswer import assign_capabilities, read_offer

__all__ = ["RTPSession"]

#: The bytes of a session with its ports and its buffer, about.
_SIZE = 18_432
#: Bytes that are kept for each m= line, beside the peer's text.
_LINE = 512
#: Frames of a stall that are played, for the recording's time, at most.
_MAX_PLAYED = 250


class RTPSession(MediaSession):
    """One audio stream.

    Args:
        codecs: Names of registered codecs, the preferred one first.
        play: What to play from the start on: a `Source`, or the path of a WAV file.
        record: Where to record from the start on: a `Sink`, or the path of a WAV file.
        ptime: Milliseconds of audio in a packet, 10 to 150; the other side may ask for others.
        port_range: First and last UDP port to use; None for any the system has free.
        direction: "sendrecv", "sendonly", "recvonly" or "inactive".
        public_address: The address to put in descriptions, where that is not the one that is bound.
        symmetric: Whether media may go to where it comes from, rather than to where it was asked
            for (RFC 4961): as long as none comes from there; see `latch_within`.
        latch_within: Seconds from an agreement in which it may go to a host that was not asked for,
            and is not where the signalling comes from, because media comes from there.
        rtcp_mux: Whether RTCP may share the port of RTP (RFC 5761).
        silence_after: Seconds of nothing after which `RemoteFellSilent` is reported.
        min_delay: Least delay of the playout buffer, in seconds.
        max_delay: Most delay of the playout buffer, in seconds.
        accept_echo: Whether to hear our own packets when they come back; see `AudioStream`.
        clock: What ticks the session; None for the clock of its loop.
        tokens: Gives a random number of so many bits.

    Raises:
        MediaError: A file cannot be played or recorded to.
        UsageError: An option is out of its range, or a codec is not known.
    """

    def __init__(
        self,
        *,
        codecs: Sequence[str] = ("PCMU", "PCMA"),
        play: SourceLike | None = None,
        record: SinkLike | None = None,
        ptime: float = 20,
        port_range: tuple[int, int] | None = None,
        direction: str = "sendrecv",
        public_address: str | None = None,
        symmetric: bool = True,
        latch_within: float = 10.0,
        rtcp_mux: bool = False,
        silence_after: float = 10.0,
        min_delay: float = 0.04,
        max_delay: float = 0.4,
        accept_echo: bool = False,
        clock: Clock | None = None,
        tokens: Callable[[int], int] = secrets.randbits,
    ) -> None:
        super().__init__()
        check_seconds("latch_within", latch_within, zero=True)
        check_seconds("silence_after", silence_after)
        self._fallback = self._settled = self._wanted = AudioPreferences(
            codecs, ptime, direction, rtcp_mux
        )
        self._port_range = port_range
        self._public_address = public_address
        self._max_delay = max_delay
        self._stream_options: dict[str, Any] = {
            "symmetric": symmetric,
            "latch": latch_within,
            "silence_after": silence_after,
            "min_delay": min_delay,
            "max_delay": max_delay,
            "accept_echo": accept_echo,
        }
        self._clock_option = clock
        self._tokens = tokens
        self._clock: Clock | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ports: UDPTransport | None = None
        self._negotiation: Negotiation | None = None
        # Ours, as it was when it was made, for each answer that it may have.
        self._offered: Negotiation | None = None
        self._stream: AudioStream | None = None
        self._negotiated: NegotiatedStream | None = None
        self._statistics = MediaStatistics()
        self._started = False
        self._hearing = False
        self._stopped = False
        self._player = Player(lambda event: self.emit(event))
        self._player.waiting = None if record is None else as_sink(record)
        if play is not None:
            self._player.play(self._playback(as_source(play)))

    # What the call asks.

    @classmethod
    def check_offer(cls, offer: bytes, **options: Any) -> None:
        """Judge an offer by the codecs of a session; see `MediaSession.check_offer`."""
        codecs = options.get("codecs", AudioPreferences.codecs)
        assign_capabilities(read_offer(offer), [AudioPreferences(codecs).capability()])

    def open(self, loop: asyncio.AbstractEventLoop, local_address: str) -> None:
        """Bind an even port for RTP and the next for RTCP; see `MediaSession.open`."""
        if self._negotiation is not None or self._stopped:
            raise UsageError("A media session is opened once, and not after it was stopped.")
        self._clock = self._clock_option or MediaClock.of(loop)
        self.portal = self.portal or OwnThread()
        if self.played is not None:
            self.played.portal = self.portal
        self._loop = loop
        self._bind(local_address)

    def move(self, local_address: str) -> bool:
        """Bind other ports, where the session has not begun; what is to be played stays."""
        if self._ports is None or self._started:
            return False
        self._ports.close()
        self._ports = self._negotiation = self._offered = None
        self._bind(local_address)
        return True

    def _bind(self, local_address: str) -> None:
        assert self._loop is not None
        assert self._clock is not None
        start = self._tokens(16)
        ports = UDPTransport(self._loop, local_address, self._port_range, start, self._clock.time)
        reaches = None if self.call is None else partial(self.call.reaches, local_address)
        address = self._public_address or self.advertised or local_address
        try:
            capability = self._wanted.capability(ports.port)
            self._negotiation = Negotiation(
                [capability], address, self._tokens(62), reaches=reaches
            )
        except BaseException:
            ports.close()
            raise
        self._ports = ports

    @property
    def local_port(self) -> int | None:
        """The port of RTP; None while no socket is open."""
        return None if self._ports is None else self._ports.port

    def offer(self, direction: str | None = None) -> bytes:
        """An offer of the stream, the first or another one; see `Session.offer`."""
        negotiation = self._opened()
        if negotiation.state is not NegotiationState.STABLE:
            negotiation.rollback()
        offer = bytes(negotiation.offer(direction))
        self._offered = negotiation.fork()
        self._fallback = self._settled
        self._listen()
        return offer

    def answer(self, offer: bytes) -> bytes:
        """Our answer to an offer; see `Session.answer`."""
        negotiation = self._opened()
        negotiation.receive_offer(read_offer(offer))
        try:
            answer = bytes(negotiation.answer())
        except BaseException:
            negotiation.rollback()
            raise
        self._offered = None
        self._settled = self._wanted
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
        self._settled = self._wanted

    def check_update(self, **settings: Any) -> None:
        """Judge settings as `update` does, and change nothing; asked by `call.update_media`."""
        known = [one.name for one in fields(self._wanted)]
        for name in settings.keys() - known:
            which = f"it has {', '.join(known)}"
            raise UsageError(f"{type(self).__name__} has no setting {name}; {which}.")
        replace(self._wanted, **settings)

    def update(self, **settings: Any) -> None:
        """Change what the next offer asks for: `codecs`, `ptime`, `direction`, `rtcp_mux`, as the
        session was made with.

        Raises:
            UsageError: There is no such setting, or not with this value.
        """
        self.check_update(**settings)
        wanted = replace(self._wanted, **settings)
        self._opened().capabilities = [wanted.capability(self.local_port or 0)]
        self._wanted = wanted

    def rollback(self) -> None:
        """Forget our last offer, see `Session.rollback`; nothing where the peer's came after it."""
        if self._offered is not None:
            self._negotiation, self._offered = self._offered, None
            self._negotiation.rollback()
            self._settled = self._fallback
            if self._started and not self._stopped and self._negotiation.negotiated:
                self._apply(early=False)
        if self._wanted is not self._settled and self._negotiation is not None:
            self._wanted = self._settled
            self._negotiation.capabilities = [self._wanted.capability(self.local_port or 0)]

    @property
    def size(self) -> int:  # type: ignore[override]
        """The bytes that it keeps: what it is made of, and what the peer sent."""
        negotiation = self._negotiation
        if negotiation is None:
            return _SIZE
        return _SIZE + negotiation.size + _LINE * len(negotiation.slots)

    def start(self, early: bool = False) -> None:
        """Send and receive from now on, as was agreed; again, as was agreed anew."""
        if not self._opened().negotiated:
            raise UsageError("A media session starts when an offer was answered, not before.")
        self._apply(early)
        if not self._started:
            self._started = True
            stream = self._stream
            codec = "" if stream is None else stream.settings.codec.name
            self.emit(MediaStarted(codec, None if stream is None else stream.destination))
        if self._stream is not None and self._ports is not None and not self._hearing:
            # The stream hears what comes, and what came just before there was one.
            self._hearing = True
            self._ports.deliver(self._receive_rtp, self._receive_rtcp, self._max_delay)

    @verb
    def stop(self) -> None:
        """Send an RTCP BYE, finish the recording, close everything. On any thread."""
        if self._stopped:
            return
        self._stopped = True
        if self._clock is not None:
            self._clock.remove(self)
        stream, self._stream = self._stream, None
        if stream is not None:
            self._statistics = stream.statistics
            self._player.hear(stream.drain(), stream.settings.codec.sample_rate)
            assert self._clock is not None
            goodbye = stream.goodbye(self._clock.time())
            if goodbye is not None:
                self._send_rtcp(goodbye, stream.rtcp_destination)
        if self._ports is not None:
            self._ports.close()
        self._ports = None
        self._player.end("stopped")
        self._player.close_sink()
        self.call = None

    # What the user asks.

    def play(self, what: SourceLike) -> Playback:
        """Play something to the other side, from the next packet on, instead of what is played.

        Before the start it waits for it; on hold, for the end of the hold. On any thread.

        Args:
            what: A `Source`, which is closed at its end; or the path of a WAV file.

        Returns:
            A handle: `handle.wait(timeout)` in a thread or `await handle` waits for the end.

        Raises:
            MediaError: The file cannot be read, or is no WAV file.
            UsageError: It can not be played, or the session was stopped.
        """
        playback = self._playback(as_source(what))
        self._play(playback)
        return playback

    @verb
    def _play(self, playback: Playback) -> None:
        self._check_running()
        self._player.play(playback)

    def record(self, what: SinkLike) -> Sink:
        """Record what is heard from now on, instead of to where it was recorded.

        The recording begins with the first that is heard, and from then on keeps the time of the
        call: pauses and losses are in it. On any thread.

        Args:
            what: A `Sink`, which is closed at the end; or the path of a WAV file.

        Returns:
            The sink.

        Raises:
            MediaError: The file cannot be made.
            UsageError: It is no sink, or the session was stopped.
        """
        sink = as_sink(what)
        self._record(sink)
        return sink

    @verb
    def _record(self, sink: Sink) -> None:
        self._check_running()
        if self._stream is None:
            self._player.waiting = sink
        else:
            self._player.record(sink, self._stream.settings.codec.sample_rate)

    @verb
    def stop_playing(self) -> None:
        """Play nothing more; silence is sent. On any thread."""
        self._player.end("stopped")

    @verb
    def stop_recording(self) -> None:
        """Finish the recording, if there is one. On any thread."""
        self._player.waiting = None
        self._player.close_sink()

    @property
    def played(self) -> Playback | None:
        """What is played, or was last; None before the first."""
        return self._player.playback

    @property
    def statistics(self) -> MediaStatistics:
        """What is counted of the stream; after the stop, of all of it."""
        stream = self._stream
        return self._statistics if stream is None else stream.statistics

    @property
    def negotiated(self) -> NegotiatedStream | None:
        """What was agreed on and is in effect; None before the start, and without a stream."""
        return self._negotiated

    # How it is done.

    def tick(self, now: float, skipped: int) -> None:
        """Play, send and report one frame; for the clock."""
        stream = self._stream
        if stream is None:
            return
        settings = stream.settings
        rate = settings.codec.sample_rate
        for _ in range(min(skipped, _MAX_PLAYED) + 1):
            pcm = stream.play_frame(now)
            if pcm is not None and self._player.sink is not None:
                self._player.hear(pcm, rate)
        frame = None
        destination = stream.destination
        if settings.sends and destination is not None:
            frame = self._player.next_frame(settings.samples, rate)
        if self._stream is not stream:  # a handler of events stopped the session
            return
        data = stream.send_frame(frame, now, skipped)
        if data is not None and destination is not None and self._ports is not None:
            self._ports.send(data, destination)
        for report in stream.reports(now):
            self._send_rtcp(report, stream.rtcp_destination)
        self._emit_of(stream)

    def _receive_rtp(self, data: bytes, address: Address, now: float) -> None:
        stream = self._stream
        if stream is None:
            return
        if looks_like_rtcp(data):
            stream.receive_rtcp(data, address, now)
        else:
            stream.receive_rtp(data, address, now)
        self._emit_of(stream)

    def _receive_rtcp(self, data: bytes, address: Address, now: float) -> None:
        stream = self._stream
        if stream is not None:
            stream.receive_rtcp(data, address, now)
            self._emit_of(stream)

    def _emit_of(self, stream: AudioStream) -> None:
        while stream.events:
            event = stream.events.popleft()
            self.emit(event)
            if isinstance(event, MediaTimedOut) and self.call is not None:
                self.call.media_timed_out(event.seconds)

    def _send_rtcp(self, data: bytes, destination: Address | None) -> None:
        ports = self._ports
        if ports is not None and destination is not None:
            ports.send_rtcp(data, destination)

    def _listen(self) -> None:
        if self._started or self._ports is None:
            return
        known = [stream.remote_address for stream in self._opened().streams[:1]]
        self._ports.listen(known if self.call is None else [self.call.signalling, *known])

    def _apply(self, early: bool) -> None:
        """Bring the stream to what was negotiated."""
        clock, call = self._clock, self.call
        assert clock is not None
        assert self._ports is not None
        streams = self._opened().streams
        self._negotiated = streams[0] if streams else None
        confirmed = not early or call is None or call.proven
        if self._negotiated is None:
            clock.remove(self)
            return
        self._ports.mux = self._negotiated.rtcp_mux
        settings = settings_of(self._negotiated, self._settled, self._ports.family)
        now = clock.time()
        if self._stream is not None:
            self._stream.apply(settings, now, confirmed)
        else:
            options = self._stream_options
            if call is not None:
                options = options | {
                    "signalling": call.signalling,
                    "unproven": call.policy.unproven_media,
                    "unproven_hosts": call.unproven_hosts,
                    "behind_nat": call.behind_nat,
                    "silent": call.policy.silent_media,
                    "confirmed": confirmed,
                }
            epoch = time.time() - now
            self._stream = AudioStream(settings, now, self._tokens, epoch=epoch, **options)
            self._player.begin(settings.codec.sample_rate)
        clock.add(self, settings.ptime / 1000)

    def _opened(self) -> Negotiation:
        if self._negotiation is None or self._stopped:
            raise UsageError("The media session is not open.")
        return self._negotiation

    def _check_running(self) -> None:
        if self._stopped:
            raise UsageError("The media session was stopped.")

    def _playback(self, source: Source) -> Playback:
        return Playback(source, self._stop_playback, self.portal)

    @verb
    def _stop_playback(self, playback: Playback) -> None:
        if self._player.playback is playback:
            self._player.end("stopped")
