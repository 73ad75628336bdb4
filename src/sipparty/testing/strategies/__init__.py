"""Hypothesis strategies for what SIP is made of: addresses, headers, messages, session
descriptions, RTP and RTCP.

    from hypothesis import given
    from sipparty.testing.strategies import messages, mutated

    @given(messages())
    def test_my_proxy_forwards(data: bytes): ...

    @given(mutated(messages()))
    def test_my_proxy_survives(data: bytes): ...

Laws:

* A strategy gives wire text: `str` for what stands in a line, `bytes` for what travels whole. A
  parser makes the object: `strategies.uris().map(URI.parse)`.
* What a strategy gives is valid, by the RFC named in its docstring, and reaches into the corners of
  the grammar; what is nearly valid comes from `mutated` alone.
* Examples shrink to the shortest and plainest.

    ======================  ====================================================================
    tokens, quoted_strings  RFC 3261 §25.1
    hosts, users, uris      host names, IPv4, IPv6; SIP, SIPS, tel and other URIs
    header_names            known ones in any spelling, and unknown ones
    header_values(name)     a value of that header; `HEADER_VALUES` is the table
    headers                 a name with a value of it
    requests, responses     whole messages; `messages` gives either
    multiparts              RFC 2046 §5.1, each with its Content-Type
    session_descriptions    RFC 8866
    rtp_packets             RFC 3550 §5.1
    rtcp_datagrams          RFC 3550 §6
    mutated(valid)          nearly valid: a few changes to what another strategy gives
    chunkings(whole)        a byte string cut into pieces, as a stream brings it
    ======================  ====================================================================

This module needs Hypothesis, which the extra `sipparty[testing]` brings.
"""

from sipparty.testing.strategies.bodies import multiparts
from sipparty.testing.strategies.changes import chunkings, mutated
from sipparty.testing.strategies.headers import (
    HEADER_VALUES,
    addresses,
    header_names,
    header_values,
    headers,
    vias,
)
from sipparty.testing.strategies.media import rtcp_datagrams, rtp_packets, session_descriptions
from sipparty.testing.strategies.messages import messages, requests, responses
from sipparty.testing.strategies.pieces import hosts, quoted_strings, tokens, uris, users

__all__ = [
    "HEADER_VALUES",
    "addresses",
    "chunkings",
    "header_names",
    "header_values",
    "headers",
    "hosts",
    "messages",
    "multiparts",
    "mutated",
    "quoted_strings",
    "requests",
    "responses",
    "rtcp_datagrams",
    "rtp_packets",
    "session_descriptions",
    "tokens",
    "uris",
    "users",
    "vias",
]
