"""Session descriptions as text, for probes."""

from __future__ import annotations

__all__ = ["AUDIO", "LIVE", "sdp"]

#: A stream of audio that can be taken.
AUDIO = "m=audio {other} RTP/AVP 0"

#: A stream in an answer that is taken.
LIVE = r"^m=audio [1-9]\d* RTP/AVP "


def sdp(
    *media: str,
    origin: str = "1 1",
    connection: str = "c=IN IP4 127.0.0.1",
    before: str = "",
    time: str = "t=0 0",
    after: str = "",
) -> str:
    """Return a description, of lines that may be left out where they are ""."""
    lines = ["v=0", f"o=peer {origin} IN IP4 127.0.0.1", "s=-", before, connection, time, after]
    return "".join(f"{line}\r\n" for line in (*lines, *media) if line)
