"""A second of a voice-like sound in the frames of a codec, for `media_load.py --payloads`: JSON.

python media_payloads.py OPUS
"""

from __future__ import annotations

import array
import json
import math
import sys

from sipparty.media import find_codec


def main() -> None:
    """Print them."""
    kind = find_codec(sys.argv[1])
    rate = kind.sample_rate
    codec = kind.make("")
    tones = [150.0 * n for n in range(1, 12)]
    samples = array.array("h", [])
    for n in range(rate):
        loud = 2000 * (1 + math.sin(n * 2 * math.pi * 4 / rate))
        sound = sum(
            math.sin(n * 2 * math.pi * tone / rate) / (1 + k) for k, tone in enumerate(tones)
        )
        samples.append(round(loud * sound))
    pcm = samples.tobytes()
    size = 2 * rate // 50
    print(json.dumps([codec.encode(pcm[at : at + size]).hex() for at in range(0, len(pcm), size)]))


if __name__ == "__main__":
    main()
