"""What the network and its hosts make of what was valid: nearly the same, and in pieces."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

__all__ = ["chunkings", "mutated"]

#: What a change puts in: pieces that open, close, end or hide something.
_PIECES = (
    b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\r\n ", b" ", b"\t", b'"', b"\\", b"<", b">", b"%", b",",
    b";", b"=", b"?", b"&", b"@", b":", b"[", b"]", b"%00", b"\0", b"\xff", b"\xc3", b"-1",
)  # fmt: skip


def mutated(valid: SearchStrategy[bytes], max_changes: int = 4) -> SearchStrategy[bytes]:
    """What is nearly valid: a few changes to what another strategy gives.

    A change takes a stretch out, says it again, or puts something else in its place.

    Args:
        valid: Gives what is changed.
        max_changes: The most changes; there is one at least.
    """
    return _mutated(valid, max_changes)


@st.composite
def _mutated(draw: st.DrawFn, valid: SearchStrategy[bytes], max_changes: int) -> bytes:
    data = draw(valid)
    for _ in range(draw(st.integers(1, max_changes))):
        start = draw(st.integers(0, len(data)))
        longest = draw(st.sampled_from([1, 4, 64]))
        end = draw(st.integers(start, min(len(data), start + longest)))
        piece = draw(st.one_of(st.sampled_from(_PIECES), st.binary(max_size=3)))
        new = draw(st.sampled_from([b"", piece, data[start:end] * 2, data[start:end].swapcase()]))
        data = data[:start] + new + data[end:]
    return data


def chunkings(whole: bytes, max_cuts: int = 8) -> SearchStrategy[list[bytes]]:
    """The pieces that a stream may bring a byte string in; joined, they are the whole.

    Args:
        whole: The byte string.
        max_cuts: The most places where it is cut. Some pieces may be empty.
    """

    def cut(places: list[int]) -> list[bytes]:
        cuts = [0, *sorted(places), len(whole)]
        return [whole[start:end] for start, end in pairwise(cuts)]

    return st.lists(st.integers(0, len(whole)), max_size=max_cuts).map(cut)
