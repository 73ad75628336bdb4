"""Media of a scenario: `rtp_stream`, `play_pcap_audio` and its like, and `play_dtmf`.

    rtp_stream="hello.wav,2,0,PCMU/8000"    a file, how often (-1 for ever), payload type, codec:
                                            a WAV file is encoded, any other is sent as it is
    rtp_stream="pause", "resume"            holds what is sent, and goes on with it
    play_pcap_audio="g711a.pcap"            the RTP packets of a capture, as they are, at their pace
    play_dtmf="123#"                        telephone events (RFC 4733), of payload type 101

They go to where the last description of the other side says, from the port that ours says. What
comes is not looked at.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sipparty.concurrency.host import opener
from sipparty.errors import MediaError, ParseError, PortsExhausted, UsageError
from sipparty.transport.addresses import numeric_family

if TYPE_CHECKING:
    from sipparty.concurrency.engine import Engine
    from sipparty.load.sipp.call import Call
    from sipparty.sip.flow import Address

__all__ = ["MediaPlayer"]

#: Seconds of sound in a packet.
PACKET_TIME = 0.02
#: The static payload types that a file is sent with (RFC 3551 §6): the codec, and the bytes of
#: 20 ms of it.
_CODECS = {0: ("PCMU", 160), 8: ("PCMA", 160), 9: ("G722", 160), 18: ("G729", 20)}
_EVENTS = 101
#: Ports that are tried for a socket.
_TRIES = 200

#: A packet, and the seconds from its beginning to that of the next.
_Paced = tuple[bytes, float]

_MEDIA = re.compile(r"^m=(\w+) (\d+)|^c=IN IP[46] ([^\s/]+)", re.MULTILINE)


def _described_place(body: str, kind: str) -> Address | None:
    """Return where a description wants media of a kind; None where it does not say."""
    session, host, port, inside = "", "", 0, ""
    for found in _MEDIA.finditer(body):
        if found[1]:
            if inside == kind:
                break
            inside = found[1]
            if inside == kind:
                port = int(found[2])
        elif not inside:
            session = found[3]
        elif inside == kind:
            host = found[3]
    host = host or session
    if not 0 < port < 65536 or numeric_family(host) is None:
        return None
    return host, port


class _Stream:
    """What is sent to one place, packet by packet."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, sock: socket.socket, place: Address
    ) -> None:
        self._loop = loop
        self._socket = sock
        self._place = place
        self._packets: Iterator[_Paced] = iter(())
        self._timer: asyncio.TimerHandle | None = None
        self._at = 0.0
        self.held = False

    def play(self, packets: Iterator[_Paced]) -> None:
        self.stop()
        self._packets, self._at, self.held = packets, self._loop.time(), False
        self._next()

    def hold(self, held: bool) -> None:
        if held is not self.held:
            self.held = held
            if not held:
                self._at = self._loop.time()
                self._next()

    def _next(self) -> None:
        self._timer = None
        if self.held:
            return
        for data, seconds in self._packets:
            if data:
                with contextlib.suppress(OSError):  # as if the network had lost it
                    self._socket.sendto(data, self._place)
            self._at += seconds
            self._timer = self._loop.call_at(self._at, self._next)
            return

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class MediaPlayer:
    """Plays media for the calls of a scenario.

    Args:
        engine: The engine whose loop and randomness it uses.
    """

    def __init__(self, engine: Engine) -> None:
        self._loop = engine.loop
        self._tokens = engine.core.tokens
        self._shared: dict[Address, socket.socket] = {}
        self._own: dict[Call, socket.socket] = {}
        self._streams: dict[tuple[Call, str], _Stream] = {}
        self._captures: dict[Path, list[_Paced]] = {}

    # ---------------------------------------------------------------- sockets

    def shared_port(self, address: Address) -> int:
        """Return the port of the socket that all calls share: the one that is wanted, or the next
        even one that is free.

        Raises:
            PortsExhausted: None is.
        """
        found = self._shared.get(address)
        if found is None:
            ports = range(address[1], min(address[1] + 2 * _TRIES, 65535), 2)
            found = self._shared[address] = self._bind(address[0], ports)
        port: int = found.getsockname()[1]
        return port

    def own_port(self, call: Call) -> int:
        """Return the port of a call's own socket.

        Raises:
            PortsExhausted: None is free.
        """
        found = self._own.get(call)
        if found is None:
            found = self._own[call] = self._bind(call.media[0], (0,))
        port: int = found.getsockname()[1]
        return port

    def _bind(self, host: str, ports: Any) -> socket.socket:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = opener(self._loop)(family, socket.SOCK_DGRAM)
        sock.setblocking(False)
        for port in ports:
            try:
                sock.bind((host, port))
            except OSError:
                continue
            return sock
        sock.close()
        raise PortsExhausted(f"No port is free for media at {host}.")

    # ---------------------------------------------------------------- playing

    def play(self, call: Call, kind: str, value: str) -> None:
        """Do what an `exec` says.

        Args:
            call: The call.
            kind: The attribute of `exec`.
            value: Its value.

        Raises:
            MediaError: A file cannot be played.
            UsageError: The value cannot be understood, or the other side has not said where to.
        """
        parts = [part.strip() for part in value.split(",")]
        medium = {"play_pcap_image": "image", "play_pcap_video": "video"}.get(kind, "audio")
        stream = self._streams.get((call, medium))
        if kind == "rtp_stream" and parts[0] in ("pause", "resume"):
            if stream is not None:
                stream.hold(parts[0] == "pause")
            return
        place = _described_place(call.described, medium)
        if place is None:
            raise UsageError(f"{kind}: the other side has not said where it wants {medium}.")
        if stream is not None:
            stream.stop()
        sock = self._own.get(call) or self._shared.get(call.media)
        if sock is None:
            self.shared_port(call.media)
            sock = self._shared[call.media]
        stream = self._streams[call, medium] = _Stream(self._loop, sock, place)
        if kind == "play_dtmf":
            stream.play(self._keys(parts[0]))
        elif kind == "rtp_stream":
            stream.play(self._sound(call.player.path(parts[0]), parts[1:]))
        else:
            stream.play(iter(self._capture(call.player.path(parts[0]))))

    def _sender(self, clock_rate: int = 8000) -> Any:
        from sipparty.media.rtp.sender import RTPSender

        number = self._tokens.number
        return RTPSender(number(32), number(16), number(32), clock_rate)

    def _keys(self, keys: str) -> Iterator[_Paced]:
        from sipparty.media.dtmf.keys import plan
        from sipparty.media.dtmf.sending import EventSender

        events, sender = EventSender(_EVENTS), self._sender()
        events.queue(plan(keys))
        while events.busy:
            event = events.next(sender.timestamp, 160, 8000)
            if event is None:
                sender.skip(160, self._loop.time())
                yield b"", PACKET_TIME
            else:
                kind = (event.payload_type, event.timestamp, event.marker)
                yield sender.event(event.payload, 160, kind, self._loop.time()), PACKET_TIME

    def _sound(self, path: Path, rest: list[str]) -> Iterator[_Paced]:
        """Return the packets of a file of sound."""
        rest += ["", "", ""]
        try:
            times, payload_type = int(rest[0] or 1), int(rest[1] or 0)
        except ValueError:
            raise UsageError(
                f"rtp_stream has {','.join(rest[:2])!r}: write FILE,TIMES,PAYLOAD_TYPE, such as"
                " hello.wav,1,0."
            ) from None
        name, size = _CODECS.get(payload_type, ("PCMU", 160))
        try:
            with path.open("rb") as file:
                is_wav = file.read(4) == b"RIFF"
        except OSError as error:
            raise MediaError(f"{path} cannot be read: {error.strerror}.") from None
        repeat = None if times < 0 else max(1, times)
        if is_wav:
            return self._encoded(path, rest[2] or name, payload_type, repeat)
        return self._raw(path.read_bytes(), payload_type, size, repeat)

    def _encoded(
        self, path: Path, codec: str, payload_type: int, repeat: int | None
    ) -> Iterator[_Paced]:
        from sipparty.media.codecs import find_codec
        from sipparty.media.playing.sources import Resampled, WAVSource

        kind = find_codec(codec)
        source = Resampled(WAVSource(path, repeat=repeat), kind.sample_rate)
        encode, sender = kind.make("").encode, self._sender(kind.clock_rate)
        samples = int(kind.sample_rate * PACKET_TIME)
        ticks = int(kind.clock_rate * PACKET_TIME)

        def packets() -> Iterator[_Paced]:
            try:
                while pcm := source.read(samples):
                    payload = encode(pcm.ljust(2 * samples, b"\0"))
                    now = self._loop.time()
                    yield sender.datagram(payload, ticks, payload_type, now), PACKET_TIME
            finally:
                source.close()

        return packets()

    def _raw(
        self, data: bytes, payload_type: int, size: int, repeat: int | None
    ) -> Iterator[_Paced]:
        sender = self._sender()
        while data and repeat != 0:
            for at in range(0, len(data) - size + 1, size):
                payload, now = data[at : at + size], self._loop.time()
                yield sender.datagram(payload, 160, payload_type, now), PACKET_TIME
            if len(data) < size:
                return
            repeat = None if repeat is None else repeat - 1

    def _capture(self, path: Path) -> list[_Paced]:
        found = self._captures.get(path)
        if found is None:
            found = self._captures[path] = _read_capture(path)
        return found

    # ---------------------------------------------------------------- the end

    def forget(self, call: Call) -> None:
        """Stop what is played for a call that is over."""
        for key in [key for key in self._streams if key[0] is call]:
            self._streams.pop(key).stop()
        sock = self._own.pop(call, None)
        if sock is not None:
            sock.close()

    def close(self) -> None:
        """Give everything back."""
        for stream in self._streams.values():
            stream.stop()
        for sock in (*self._shared.values(), *self._own.values()):
            sock.close()
        self._streams.clear()
        self._shared.clear()
        self._own.clear()


def _read_capture(path: Path) -> list[_Paced]:
    """Return the RTP packets of a capture, each with the time to the next.

    Raises:
        MediaError: It cannot be read, or has none.
        UsageError: The library for it is not installed.
    """
    from sipparty.trace.capture import read_datagrams

    try:
        found = [(at, data) for at, data in read_datagrams(path) if data[:1] >= b"\x80"]
    except OSError as error:
        raise MediaError(f"{path} cannot be read: {error.strerror}.") from None
    except ParseError as error:
        raise MediaError(f"{path} is no capture: {error}") from None
    if not found:
        raise MediaError(f"{path} has no RTP packets.")
    gaps = [max(0.0, after[0] - before[0]) for before, after in itertools.pairwise(found)]
    return [(data, gap) for (_, data), gap in zip(found, [*gaps, PACKET_TIME], strict=True)]
