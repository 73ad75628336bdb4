"""What a response asks of a request that is sent again."""

from __future__ import annotations

from sipparty.sip.message import Response

__all__ = ["retry_after"]


def retry_after(response: Response) -> float | None:
    """Return the seconds of a Retry-After (RFC 3261 §20.33); None where there is none to read."""
    text = (response._text("retry-after") or "").strip()
    digits = text[: len(text) - len(text.lstrip("0123456789"))]
    return float(digits[:9]) if digits else None
