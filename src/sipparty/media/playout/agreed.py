"""The playout buffer that an agreement asks for, and what it understands besides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sipparty.media.codecs import Decoder
from sipparty.media.playout.jitter import JitterBuffer
from sipparty.media.quality.burst import BurstMeter
from sipparty.media.settings import ReceivedFormat, StreamSettings

__all__ = ["agreed_buffer", "expecting", "goes_on"]


def agreed_buffer(
    settings: StreamSettings, delays: tuple[float, float], bursts: BurstMeter
) -> tuple[dict[int, Decoder], JitterBuffer]:
    """A buffer for what may come, and its decoders, to which others may be added.

    Args:
        settings: What was agreed on.
        delays: Its least and its most delay, in seconds.
        bursts: Takes what is lost and what is discarded.
    """
    decoders = {kind: one.decoder() for kind, one in settings.receive.items()}
    if settings.cn_receive:
        from sipparty.media.playout.comfort_noise import ComfortNoise

        for kind, clock_rate in settings.cn_receive.items():
            decoders[kind] = Decoder(ComfortNoise(), clock_rate, clock_rate)
    buffer = JitterBuffer(
        decoders,
        settings.ptime,
        min_delay=delays[0],
        max_delay=delays[1],
        on_lost=bursts.lost,
        on_discarded=bursts.discarded,
    )
    return decoders, buffer


def goes_on(settings: StreamSettings, before: StreamSettings) -> bool:
    """Whether each payload type means what it did before, as RFC 3264 section 8.3.2 wants it: then
    the buffer goes on, and what is on its way by the old agreement is understood.
    """
    return (
        settings.cn_receive == before.cn_receive
        and settings.dtmf_receive.keys().isdisjoint(before.receive)
        and all(before.receive.get(kind, one) == one for kind, one in settings.receive.items())
    )


def expecting(
    settings: StreamSettings,
    receive: Mapping[int, ReceivedFormat],
    decoders: dict[int, Decoder],
) -> StreamSettings:
    """Settings with formats that may come besides; what was agreed on comes first.

    Args:
        settings: What was agreed on.
        receive: The formats, by payload type.
        decoders: Of the buffer; those that it lacks are added.
    """
    taken = {**settings.receive, **settings.cn_receive, **settings.dtmf_receive}
    new = {kind: one for kind, one in receive.items() if kind not in taken}
    if new:
        settings = replace(settings, receive={**settings.receive, **new})
    for kind, one in settings.receive.items():
        if kind not in decoders:
            decoders[kind] = one.decoder()
    return settings
