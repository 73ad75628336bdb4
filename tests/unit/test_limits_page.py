"""The page of limits says what the code does."""

import re
from pathlib import Path

import pytest

from sipparty import sdp, sip
from sipparty.sip import grammar, multipart, redirects
from sipparty.transport import stream, stream_listener, udp

PAGE = Path(__file__).parents[2] / "docs" / "topics" / "limits.md"

#: What the first part of each name stands for.
OWNERS = {
    "Message": sip.Message,
    "grammar": grammar,
    "Multipart": multipart.Multipart,
    "Part": multipart.Part,
    "sdp": sdp,
    "Limits": sip.Limits(),
    "ClientRequest": sip.ClientRequest,
    "Redirects": redirects.Redirects,
    "UDPEndpoint": udp.UDPEndpoint,
    "Connection": stream.Connection,
    "StreamListener": stream_listener.StreamListener,
}

ROWS = re.findall(r"^\| `([\w.]+)` \| ([0-9,]+) ", PAGE.read_text(), re.M)


@pytest.mark.parametrize(("name", "stated"), ROWS)
def test_a_limit_is_what_the_page_says(name, stated):
    first, *rest = name.split(".")
    value = OWNERS[first]
    for part in rest:
        value = getattr(value, part)
        if isinstance(value, type):
            value = value()
    assert value == int(stated.replace(",", ""))


def test_every_limit_of_an_engine_is_on_the_page():
    names = {name.partition(".")[2] for name, _ in ROWS if name.startswith("Limits.")}
    # `max_pending` is none by default, and `retry_after` limits nothing.
    assert names == set(sip.Limits.__slots__) - {"max_pending", "retry_after"}
