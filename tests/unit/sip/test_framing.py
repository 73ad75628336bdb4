"""Streams: whole, byte by byte, at every split, and full of garbage."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipparty.errors import ParseError
from sipparty.sip.framing import (
    FramingError,
    FramingFailed,
    Ping,
    Pong,
    StreamFramer,
)
from sipparty.sip.limits import Limits

SMALL = Limits(max_head=200, max_body=50, max_skip=100)


def message(body=b"", length="Content-Length", extra=b"", value=None):
    value = str(len(body)).encode() if value is None else value
    return b"OPTIONS sip:b SIP/2.0\r\n%s%s: %s\r\n\r\n%s" % (extra, length.encode(), value, body)


def told(events):
    """Events as values that compare: an error by its text and status."""
    return [
        (str(event.error), event.error.status, event.head, event.fatal)
        if isinstance(event, FramingFailed)
        else event
        for event in events
    ]


def whole(stream, limits=None):
    return StreamFramer(limits).feed(stream)


def piecewise(stream, cuts, limits=None):
    framer, events, last = StreamFramer(limits), [], 0
    for cut in [*cuts, len(stream)]:
        events += framer.feed(stream[last:cut])
        last = cut
    return events


def failure(stream, limits=None):
    (event,) = whole(stream, limits)
    assert isinstance(event, FramingFailed)
    assert isinstance(event.error, ParseError)
    return event


def test_messages_follow_each_other():
    one, two, three = message(b"v=0\r\n"), message(), message(b"\r\n\r\nINVITE")
    framer = StreamFramer()
    assert framer.feed(one + two + three) == [bytes(data) for data in (one, two, three)]
    assert framer.idle
    assert framer.pending == 0


@pytest.mark.parametrize(
    "name",
    ["Content-Length", "content-length", "CONTENT-LENGTH", "l", "L", "Content-Length ", "l \t "],
)
@pytest.mark.parametrize("value", [b"5", b" 5 ", b"\r\n 5", b"\r\n\t\r\n  5\t", b"00005"])
def test_every_spelling_of_the_length(name, value):
    stream = message(b"12345", length=name, value=value)
    assert whole(stream + message()) == [bytes(stream), bytes(message())]


def test_only_a_header_line_counts():
    extra = b"X: y\r\n Content-Length: 7\r\nX-l: 8\r\nSubject: l: 9\r\nContent-Lengths: 3\r\n"
    stream = message(b"12345", extra=extra)
    assert whole(stream) == [bytes(stream)]


def test_a_length_said_twice():
    stream = message(b"12345", extra=b"l: 05\r\n")
    assert whole(stream) == [bytes(stream)]
    event = failure(message(b"12345", extra=b"l: 4\r\n"))
    assert (event.error.status, event.fatal) == (400, True)
    assert "one Content-Length, not 4 and 5" in str(event.error)


@pytest.mark.parametrize(
    "value", [b"-1", b"-999", b"five", b"", b"5, 5", b"5 5", b"0x5", b"+5", b"\xff"]
)
def test_a_length_that_is_none(value):
    stream = message(value=value)
    event = failure(stream)
    assert (event.error.status, event.fatal, event.head) == (400, True, stream)
    assert "digits as Content-Length" in str(event.error)


def test_a_length_is_needed():
    stream = b"OPTIONS sip:b SIP/2.0\r\nVia: x\r\n\r\n"
    event = failure(stream + message())
    assert (event.error.status, event.fatal, event.head) == (400, True, stream)
    assert "expected a Content-Length header" in str(event.error)


def test_a_head_has_its_limit():
    def head(size):
        data = message(extra=b"X: \r\n")
        return data.replace(b"X: ", b"X: " + b"y" * (size + 4 - len(data)))

    assert whole(head(200), SMALL) == [bytes(head(200))]
    event = failure(head(201) + message(), SMALL)
    assert (event.error.status, event.fatal, event.head) == (513, True, head(201)[:200])
    endless = StreamFramer(SMALL)
    assert told(endless.feed(b"a" * 203)) == []
    assert endless.feed(b"a")[0].error.status == 513
    assert endless.broken
    assert endless.pending == 0


def test_a_large_body_is_passed_over():
    framer = StreamFramer(SMALL)
    large, good = message(b"x" * 51), message(b"y" * 50)
    for stream in (large + good, large[:-20], large[-20:] + good):
        events = framer.feed(stream)
        if stream != large[-20:] + good:
            assert (events[0].error.status, events[0].fatal) == (413, False)
            assert events[0].head == large[:-51]
        if stream != large[:-20]:
            assert events[-1] == bytes(good)
        else:
            assert not framer.idle
            assert framer.pending == 0
    assert framer.idle


@pytest.mark.parametrize("value", [b"101", b"9" * 15, b"9" * 150])
def test_a_huge_body_ends_the_stream(value):
    event = failure(message(value=value), SMALL)
    assert (event.error.status, event.fatal) == (413, True)


def test_what_is_held_in_all_has_its_limit():
    limits = Limits(max_pending=len(message(b"1234567890")))
    assert whole(message(b"1234567890")[:-1], limits) == []
    event = failure(message(b"12345678901"), limits)
    assert (event.error.status, event.fatal) == (413, False)
    head_only = message()
    assert whole(head_only, Limits(max_pending=len(head_only))) == [bytes(head_only)]
    assert failure(head_only, Limits(max_pending=len(head_only) - 1)).error.status == 513


def test_pings_and_pongs():
    framer = StreamFramer()
    assert framer.feed(b"\r\n") == []
    assert framer.feed(b"\r\n") == [Ping()]
    assert framer.feed(b"\r\n\r\n\r") == [Ping()]
    assert framer.pending == 1
    assert framer.feed(b"\n") == []
    # A message between two of them keeps them apart.
    assert framer.feed(message() + b"\r\n") == [bytes(message())]
    assert framer.idle
    assert framer.feed(b"\r\n") == [Ping()]


@pytest.mark.parametrize(
    "stream",
    [b"\x16\x03\x01\x02\x00", b"\n\0", b"\rX", b" OPTIONS", b"\0\0", "é".encode(), b":x\r\n"],
)
def test_what_cannot_begin_a_message(stream):
    for events in (whole(stream), piecewise(stream, range(1, len(stream)))):
        (event,) = events
        assert (event.error.status, event.fatal, event.head) == (400, True, b"")
        assert "expected a start line" in str(event.error)


def test_nothing_is_told_after_a_fatal_failure():
    framer = StreamFramer()
    assert len(framer.feed(b"\0" + message())) == 1
    assert framer.feed(message()) == []
    assert framer.broken
    assert not framer.idle
    assert framer.pending == 0


def test_any_kind_of_buffer_is_taken():
    for kind in (bytes, bytearray, memoryview):
        framer = StreamFramer(SMALL)
        assert framer.feed(kind(message(b"abc"))) == [bytes(message(b"abc"))]
        framer.feed(message(b"x" * 60)[:-10])
        assert framer.feed(kind(b"x" * 10 + message())) == [bytes(message())]


STREAMS = [
    message(b"12345") + b"\r\n\r\n" + message() + b"\r\n" + message(b"\r\n\r\n"),
    message(b"x" * 51) + message(b"x" * 50) + message(value=b"x"),
    b"\r\n\r\n\r\n" + message(b"1", extra=b"l: 1\r\n") + b"\0",
    b"OPTIONS sip:b SIP/2.0\r\nX: " + b"y" * 300 + b"\r\n\r\n",
    message(extra=b"X: " + b"y" * 400 + b"\r\n"),
    message(b"x" * 99)[:-1],
    b"REGISTER\r\n\r\n",
]


@pytest.mark.parametrize("stream", STREAMS)
def test_every_split_gives_the_same_events(stream):
    expected = told(whole(stream, SMALL))
    assert expected or stream == STREAMS[5]
    assert told(piecewise(stream, range(1, len(stream)), SMALL)) == expected
    for cut in range(len(stream)):
        assert told(piecewise(stream, [cut], SMALL)) == expected


PIECES = st.sampled_from(
    [
        message(), message(b"12345"), message(b"x" * 60), message(value=b"-1"),
        message(value=b"200"), b"\r\n", b"\r\n\r\n", b"\r", b"\n", b"l: 3\r\n",
        b"Content-Length:\r\n 2\r\n", b"ACK sip:a SIP/2.0\r\n", b"X" * 90, b"\0", b":",
    ]
)  # fmt: skip


@given(st.lists(PIECES | st.binary(max_size=20), max_size=8).map(b"".join), st.data())
def test_any_split_of_anything_gives_the_same_events(stream, data):
    expected = whole(stream, SMALL)
    for event in expected:
        if isinstance(event, bytes):
            assert event in stream
    assert not any(getattr(event, "fatal", False) for event in expected[:-1])
    assert all(isinstance(e, bytes | Ping | Pong | FramingFailed) for e in expected)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    assert told(piecewise(stream, cuts, SMALL)) == told(expected)
    assert told(piecewise(stream, range(1, len(stream)), SMALL)) == told(expected)


def test_errors_are_parse_errors():
    error = failure(b"\0").error
    assert isinstance(error, FramingError)
    assert "is not a valid stream of SIP messages" in str(error)


def lines_run(feed):
    """How many lines of the framer run: work, counted and not timed."""
    count = 0

    def trace(frame, event, _):
        nonlocal count
        if not frame.f_code.co_filename.endswith("framing.py"):
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        feed()
    finally:
        sys.settrace(before)
    return count


class Counted(bytearray):
    """A buffer that counts the bytes that searches look at."""

    searched = 0

    def find(self, sub, start=0, stop=None):
        stop = len(self) if stop is None else min(stop, len(self))
        self.searched += max(0, stop - start)
        return super().find(sub, start, stop)


@pytest.mark.parametrize("size", [1000, 8000])
def test_byte_by_byte_is_linear(size):
    stream = message(b"z" * size, extra=b"X: " + b"\r" * size + b"\r\n")
    framer = StreamFramer()
    framer._buffer = Counted()

    def feed():
        for at in range(len(stream)):
            framer.feed(stream[at : at + 1])

    assert lines_run(feed) < 60 * len(stream)
    assert framer._buffer.searched <= 5 * len(stream)
    assert framer.pending == 0


def test_each_ping_of_ours_has_its_pong():
    framer = StreamFramer()
    for _ in range(3):
        framer.expect_pong()
        assert framer.feed(b"\r\n") == [Pong()]


def test_their_pings_are_told_between_our_own():
    framer = StreamFramer()
    framer.expect_pong()
    assert framer.feed(b"\r\n\r\n") == [Ping()]  # theirs comes before the pong
    assert framer.feed(b"\r\n") == [Pong()]
    assert Ping() in framer.feed(b"\r\n\r\n")
    framer.expect_pong()
    assert framer.feed(message() + b"\r\n") == [bytes(message()), Pong()]


@pytest.mark.parametrize(
    ("crlfs", "events"),
    [
        (1, [Pong()]),
        (2, [Ping()]),
        (3, [Pong(), Ping()]),
        (4, [Ping(), Ping()]),
        (5, [Pong(), Ping(), Ping()]),
    ],
)
@pytest.mark.parametrize("before", [b"", b"\r\n"])
def test_an_odd_number_has_the_pong_that_is_awaited(crlfs, events, before):
    framer = StreamFramer()
    framer.feed(before)
    framer.expect_pong()
    assert framer.feed(b"\r\n" * crlfs + message()) == [*events, bytes(message())]
    # One that has come is awaited no more, one that has not still is.
    assert framer.feed(b"\r\n") == ([] if Pong() in events else [Pong()])


def test_a_pong_that_does_not_come_is_awaited_no_longer():
    framer = StreamFramer()
    framer.expect_pong()
    framer.expect_pong(False)
    assert framer.feed(b"\r\n") == []
    assert framer.feed(b"\r\n") == [Ping()]


@given(st.integers(1, 8), st.data())
def test_however_pings_are_cut_there_are_as_many(crlfs, data):
    stream = b"\r\n" * crlfs + message()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    counts = []
    for pieces in (cuts, []):
        framer, events, last = StreamFramer(), [], 0
        framer.expect_pong()
        for cut in [*pieces, len(stream)]:
            events += framer.feed(stream[last:cut])
            last = cut
        counts.append(events.count(Ping()))
        assert events.count(Pong()) <= 1
        assert events[-1] == bytes(message())
    assert counts == [crlfs // 2] * 2


# -------------------------------------------------------------------- bare line feeds


@pytest.mark.parametrize(
    "one",
    [
        b"OPTIONS sip:b SIP/2.0\nContent-Length: 2\n\nab",
        b"OPTIONS sip:b SIP/2.0\nl:\n 2\n\nab",
        b"OPTIONS sip:b SIP/2.0\r\nContent-Length: 2\n\r\nab",
        b"OPTIONS sip:b SIP/2.0\nContent-Length: 2\r\n\nab",
        b"OPTIONS sip:b SIP/2.0\nX: y\nl : 4\n\n\n\n\r\n",
    ],
)
def test_heads_whose_lines_end_in_a_line_feed_are_found(one):
    stream = one + b"\n" + one + b"\n\r\n\n" + message() + one
    expected = [bytes(one), bytes(one), bytes(message()), bytes(one)]
    assert whole(stream) == expected
    for cuts in (range(1, len(stream)), range(3, len(stream), 5)):
        assert list(piecewise(stream, cuts)) == expected


def test_a_head_ends_where_its_first_empty_line_does():
    one = b"OPTIONS sip:b SIP/2.0\nContent-Length: 4\n\n\r\n\r\n"
    assert whole(one) == [bytes(one)]
    other = b"OPTIONS sip:b SIP/2.0\r\nContent-Length: 2\r\n\r\n\n\n"
    assert whole(other) == [bytes(other)]


def test_line_feeds_do_not_make_a_length_of_a_body():
    events = whole(b"OPTIONS sip:b SIP/2.0\nX: y\n\nContent-Length: 2\n\n")
    assert isinstance(events[0], FramingFailed)
