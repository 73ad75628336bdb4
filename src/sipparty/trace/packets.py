"""The RTP and RTCP packets of a line, as they are without SRTP, for who traces them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sipparty.media.rtp.packet import looks_like_rtcp
from sipparty.media.rtp.source import Address
from sipparty.media.transport import LineExtension, MediaTransport, Receive
from sipparty.sdp import NegotiatedStream
from sipparty.trace.wirelog import WireRecord

__all__ = ["PacketRecord", "PacketTap"]

_Keep = Callable[[WireRecord], object]


class PacketRecord(WireRecord):
    """A packet of RTP or RTCP; its transport says which.

    Args:
        call: The Call-ID of the call it belongs to.
    """

    call: str = ""

    @property
    def call_id(self) -> str:
        """The Call-ID of the call it belongs to."""
        return self.call


class PacketTap(LineExtension):
    """Sees the packets of one line; it is the line's `tap`.

    Args:
        host: The address of ours that they go from and come to.
        call: The call.
        keep: Takes each packet, on the thread of the media.
        clock: Gives the time, in seconds since 1970.
    """

    def __init__(self, host: str, call: Any, keep: _Keep, clock: Callable[[], float]) -> None:
        self._host = host
        self._call = call
        self._keep = keep
        self._clock = clock
        self._tapped: _Tapped | None = None

    def wrap(self, transport: MediaTransport, negotiated: NegotiatedStream) -> MediaTransport:
        """Return what shows the packets of a transport; the same one for the same transport."""
        if self._tapped is None or self._tapped._inner is not transport:
            self._tapped = _Tapped(transport, self._report)
        tapped: Any = self._tapped
        return tapped  # type: ignore[no-any-return]

    def _report(self, sent: bool, port: int, data: bytes, address: Address) -> None:
        if data:
            way: Any = "sent" if sent else "received"
            kind = "RTCP" if looks_like_rtcp(data) else "RTP"
            ends = (self._host, port), (str(address[0]), int(address[1]))
            self._keep(PacketRecord(self._clock(), way, kind, *ends, data, self._call.call_id))


class _Tapped:
    """A transport whose packets are shown; all else is that of the one inside."""

    def __init__(
        self, inner: MediaTransport, report: Callable[[bool, int, bytes, Address], None]
    ) -> None:
        self._inner = inner
        self._report = report

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def deliver(self, rtp: Receive, rtcp: Receive, max_age: float) -> None:
        """Give what comes to its receiver, and show it."""

        def shown(receive: Receive, port: int) -> Receive:
            def take(data: bytes, address: Address, now: float) -> None:
                self._report(False, port, data, address)
                receive(data, address, now)

            return take

        inner = self._inner
        inner.deliver(shown(rtp, inner.port), shown(rtcp, inner.rtcp_port), max_age)

    def send(self, data: bytes, address: Address) -> None:
        """Send an RTP packet, and show it."""
        self._inner.send(data, address)
        self._report(True, self._inner.port, data, address)

    def send_rtcp(self, data: bytes, address: Address) -> None:
        """Send an RTCP packet, and show it."""
        inner = self._inner
        inner.send_rtcp(data, address)
        self._report(True, inner.port if inner.mux else inner.rtcp_port, data, address)
