"""What strangers may put into a capture takes time in proportion to its size: each test here has so
many pieces that it would take minutes, did a piece take time in proportion to those before it.
"""

import pytest

from sipparty.trace.capture_streams import Fragments, Stream

FIRST = b"OPTIONS sip:bob@biloxi.com SIP/2.0\r\n"
MESSAGE = FIRST + b"Call-ID: 1\r\nContent-Length: 0\r\n\r\n"
MANY = 40_000


def messages(stream, segments):
    found = [one for at, data in segments for one in stream.add(at % 2**32, False, data)]
    return found + list(stream.finish())


@pytest.mark.parametrize("step", [1, -1])
def test_segments_that_never_fit(step):
    behind = [(5000 + 2 * n, b"x") for n in range(MANY)][::step]
    stream = Stream()
    assert messages(stream, [(1000, FIRST), *behind]) == []
    assert stream.gaps == 1  # what is behind it is not known to be SIP


def test_segments_that_wait_while_others_come():
    waiting = [(1_000_000 + 2 * n, b"x") for n in range(MANY)]
    coming = [(1000 + n, MESSAGE[n : n + 1]) for n in range(len(MESSAGE))]
    assert messages(Stream(), [coming[0], *waiting, *coming[1:]]) == [MESSAGE]


def test_a_line_without_an_end():
    stream = Stream()
    pieces = [(1000 + len(MESSAGE) + 8 * n, b"INVITE s") for n in range(MANY)]
    assert messages(stream, [(1000, MESSAGE), (0, b""), *pieces]) == [MESSAGE]


def test_fragments_again_and_again():
    fragments = Fragments()
    for _ in range(3):
        assert not any(fragments.add("key", 8 * n, True, bytes(8)) for n in range(8000))
    whole = fragments.add("key", 64_000, False, b"end")
    assert whole == bytes(64_000) + b"end"
    assert fragments.lost == 0


def test_fragments_that_overlap_are_no_datagram():
    fragments = Fragments()
    assert fragments.add("key", 0, True, bytes(16)) is None
    assert fragments.add("key", 8, True, bytes(16)) is None
    assert fragments.add("key", 24, False, bytes(8)) is None
    assert fragments.lost == 1
    fragments.finish()
    assert fragments.lost == 1
