"""How well a stream is heard.

statistics   what is counted
burst        bursts and gaps of loss (RFC 3611)
emodel       MOS from loss, delay and codec (ITU-T G.107)
quality      `Quality`, and the watch that reports when it falls
"""

__all__: list[str] = []
