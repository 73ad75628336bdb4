"""How a call sounds, by calculation: the E-model (ITU-T G.107) for a connection over packets.

    R   = 93.2 - Id - Ie,eff + A                                     (clause 7.1)
    Id  = 25 ((1 + X^6)^(1/6) - 3 (1 + (X/3)^6)^(1/6) + 2),          (clause 7.4)
          X = log2(Ta / 100 ms);  0 up to 100 ms
    Ie,eff = Ie + (95 - Ie) Ppl / (Ppl / BurstR + Bpl)               (clause 7.5)
    MOS = 1 + 0.035 R + R (R - 60) (100 - R) 7e-6                    (annex B); 1 to 4.5

93.2 is what the default values of noise and loudness leave (clause 7.7: the most that G.711 can
have). Echo is taken as cancelled, so that of the impairments of delay the one without echo, Idd,
stays. Ta is the delay from mouth to ear, Ppl the share of packets that were not played, in percent,
BurstR how much longer losses are than they would be at random.

What a codec does is in two numbers (ITU-T G.113 appendix I):

    codec            Ie   Bpl     measured with
    PCMU, PCMA        0   25.1    concealment, as there is here
    PCMU, PCMA        0    4.3    silence in place of what was lost

For others that are here there are no such numbers on this scale, which ends at telephone band; L16,
G.722 and Opus are taken as G.711 with concealment, so that R says what the network did to them.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

__all__ = [
    "BEST_R",
    "G711_SILENCE",
    "Impairment",
    "delay_impairment",
    "impairment",
    "mos",
    "r_factor",
]

#: R where nothing impairs it but the telephone's band.
BEST_R: Final = 93.2
#: The most that loss can take, beside what the codec has taken.
_LOST: Final = 95.0


class Impairment(NamedTuple):
    """What a codec does to speech (ITU-T G.113).

    Args:
        ie: The equipment impairment factor: what it takes of R without loss.
        bpl: The packet-loss robustness factor: the higher, the less a loss takes.
    """

    ie: float = 0.0
    bpl: float = 25.1


#: G.711 where silence is played in place of what was lost.
G711_SILENCE: Final = Impairment(0.0, 4.3)
_USUAL: Final = Impairment()


def impairment(codec: str) -> Impairment:
    """What a codec does to speech, by its encoding name; see the module."""
    return _USUAL


def delay_impairment(delay: float) -> float:
    """What a delay takes of R.

    Args:
        delay: From mouth to ear, in seconds.
    """
    if delay <= 0.1:
        return 0.0
    x = math.log2(delay / 0.1)
    return 25 * (math.pow(1 + x**6, 1 / 6) - 3 * math.pow(1 + (x / 3) ** 6, 1 / 6) + 2.0)


def r_factor(
    loss: float = 0.0,
    delay: float = 0.0,
    *,
    codec: Impairment = _USUAL,
    burst_ratio: float = 1.0,
    advantage: float = 0.0,
) -> float:
    """The transmission rating factor R, 0 to 100.

    Args:
        loss: The share of packets that were not played: lost, or too late; 0 to 1.
        delay: From mouth to ear, in seconds.
        codec: What the codec does.
        burst_ratio: The mean length of losses, over what it would be at random; at least 1 counts.
        advantage: What users put up with for an advantage of access (A), 0 to 20.
    """
    percent = 100 * min(max(loss, 0.0), 1.0)
    lost = percent / (percent / max(burst_ratio, 1.0) + codec.bpl)
    rating = BEST_R - delay_impairment(delay) - codec.ie - (_LOST - codec.ie) * lost + advantage
    return min(max(rating, 0.0), 100.0)


def mos(rating: float) -> float:
    """The mean opinion score that is expected of an R, 1 to 4.5."""
    if rating <= 0:
        return 1.0
    if rating >= 100:
        return 4.5
    score = 1 + 0.035 * rating + rating * (rating - 60) * (100 - rating) * 7e-6
    return max(score, 1.0)  # it falls below 1 between 0 and 6.5
