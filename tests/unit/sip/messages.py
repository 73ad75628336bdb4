"""Messages that several tests read."""

from __future__ import annotations

__all__ = ["INVITE", "with_lines"]

INVITE = (
    b"INVITE sip:bob@biloxi.com SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bK776asdhds\r\n"
    b"v: SIP/2.0/UDP\r\n bigbox.atlanta.com;branch=z9hG4bKnashds8\r\n"
    b"Record-Route: <sip:bigbox.atlanta.com;lr>\r\n"
    b"Max-Forwards: 70\r\n"
    b"TO: Bob <sip:bob@biloxi.com>\r\n"
    b"From: Alice <sip:alice@atlanta.com>;tag=1928301774\r\n"
    b"Call-ID: a84b4c76e66710@pc33.atlanta.com\r\n"
    b"CSeq: 314159 INVITE\r\n"
    b"Timestamp: 54.2\r\n"
    b"Contact: <sip:alice@pc33.atlanta.com>\r\n"
    b"X-Odd\t:  caf\xe9 \r\n"
    b"l: 4\r\n\r\nbody"
)


def with_lines(*lines: bytes, start: bytes = b"OPTIONS sip:b SIP/2.0", body: bytes = b"") -> bytes:
    """A message of header lines."""
    return b"\r\n".join([start, *lines, b"", body])
