"""Inputs that are nearly right: seeds, changed a little, by chance that can be repeated.

Laws:

* A `Mutator` draws from the `random.Random` it is given and from nothing else: the same seed and
  the same starting inputs give the same inputs, on any machine.
* No input is longer than `max_size`.
* Most inputs have one or two changes, so that they get past the first check of a parser; a few have
  many.

What a change may be is the table `CHANGES`; each takes the mutator and the input.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

__all__ = ["CHANGES", "Mutator"]

#: Octets that mean something in SIP, SDP or UTF-8, or are at the edge of a range.
_TELLING = (
    b"\r\n\t \0\"\\<>()[]{},;:=?&@%/*+-.'_~!0919azAZ"
    b"\x7f\x80\x85\xa0\xc0\xc2\xe2\xed\xef\xf4\xff\x01\x0b\x0c\x1c\x1f"
)
#: Numbers at the edges of what a field can hold.
_NUMBERS = (
    b"0", b"00", b"1", b"-1", b"+1", b"127", b"128", b"255", b"256", b"65535", b"65536",
    b"2147483647", b"2147483648", b"4294967295", b"4294967296", b"9999999999", b"1e9", b"0x10",
    b"18446744073709551616", b"1" * 40, b"9" * 5000, "\N{ARABIC-INDIC DIGIT ONE}".encode(), b"\xb2",
)  # fmt: skip
#: Pieces that open, close, end or hide something.
_PIECES = (
    b"\r\n", b"\r\n\r\n", b"\n", b"\r", b"\r\n ", b"\r\n\t", b" ", b"\t", b'"', b'\\"', b"\\",
    b"<", b">", b"<>", b"%", b"%00", b"%0d%0a", b"%zz", b"%C3%BC", b",", b",,", b";", b";;", b";=",
    b"=", b"?", b"&", b"@", b"@@", b":", b"::", b":::", b"[", b"]", b"[::1]", b"[::ffff:1.2.3.4]",
    b"*", b"..", b"sip:", b"sips:", b"tel:", b"SIP/2.0", b"sip/2.0", b";lr", b";tag=",
    b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\x80", b"\xe2\x80\xa8",
    "\N{LATIN SMALL LETTER LONG S}".encode(), "\N{KELVIN SIGN}".encode(),
    "\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}".encode(), b"\0",
)  # fmt: skip


class Mutator:
    """Makes inputs of inputs.

    Args:
        chance: Where every choice comes from.
        seeds: The inputs to start from; at least one.
        words: Pieces that the parser in question knows: keywords, names, delimiters.
        max_size: The longest input to make, in bytes.
    """

    #: The most inputs that `keep` adds to the seeds.
    MAX_KEPT = 256

    def __init__(
        self,
        chance: random.Random,
        seeds: Sequence[bytes],
        words: Sequence[bytes] = (),
        max_size: int = 65_536,
    ) -> None:
        if not seeds:
            raise ValueError("a mutator needs at least one seed")
        self._random = chance.random
        self.pool = [seed[:max_size] for seed in seeds]
        self._kept = len(self.pool) + self.MAX_KEPT
        self.words = (*_PIECES, *words)
        self.max_size = max_size

    def below(self, limit: int) -> int:
        """Return a number from 0 to `limit` - 1."""
        return int(self._random() * limit)

    def choose(self, items: Sequence[bytes]) -> bytes:
        """Return one of the items."""
        return items[int(self._random() * len(items))]

    def span(self, data: bytes) -> tuple[int, int]:
        """Return the start and end of a stretch of the input, a short one more often than not."""
        size = len(data)
        start = self.below(size + 1)
        longest = 8 if self._random() < 0.6 else size
        return start, min(size, start + 1 + self.below(longest + 1))

    def make(self) -> bytes:
        """Return the next input."""
        data = self.choose(self.pool)
        changes = 1
        while changes < 16 and self._random() < 0.4:
            changes += 1
        for _ in range(changes):
            data = CHANGES[int(self._random() * len(CHANGES))](self, data)
            if len(data) > self.max_size:
                data = data[: self.max_size]
        return data

    def keep(self, data: bytes) -> None:
        """Take an input that got far among those to start from, now and then."""
        if len(self.pool) < self._kept and len(data) <= 4096 and self._random() < 0.02:
            self.pool.append(data)


def _flip(m: Mutator, data: bytes) -> bytes:
    if not data:
        return data
    at = m.below(len(data))
    return data[:at] + bytes((data[at] ^ 1 << m.below(8),)) + data[at + 1 :]


def _set(m: Mutator, data: bytes) -> bytes:
    at = m.below(len(data) + 1)
    octet = _TELLING[m.below(len(_TELLING))] if m.below(4) else m.below(256)
    return data[:at] + bytes((octet,)) + data[at + 1 :]


def _insert_octet(m: Mutator, data: bytes) -> bytes:
    at = m.below(len(data) + 1)
    octet = _TELLING[m.below(len(_TELLING))] if m.below(4) else m.below(256)
    return data[:at] + bytes((octet,)) + data[at:]


def _insert_word(m: Mutator, data: bytes) -> bytes:
    at = m.below(len(data) + 1)
    return data[:at] + m.choose(m.words) + data[at:]


def _replace_by_word(m: Mutator, data: bytes) -> bytes:
    start, end = m.span(data)
    return data[:start] + m.choose(m.words) + data[end:]


def _delete(m: Mutator, data: bytes) -> bytes:
    start, end = m.span(data)
    return data[:start] + data[end:]


def _truncate(m: Mutator, data: bytes) -> bytes:
    return data[: m.below(len(data) + 1)]


def _double(m: Mutator, data: bytes) -> bytes:
    start, end = m.span(data)
    return data[:end] + data[start:end] + data[end:]


def _repeat(m: Mutator, data: bytes) -> bytes:
    """Say a stretch again and again: what is worse than linear shows so."""
    start, end = m.span(data)
    times = 1 + m.below(64 if m.below(50) else 4096)
    return data[:end] + data[start:end] * times + data[end:]


def _move(m: Mutator, data: bytes) -> bytes:
    start, end = m.span(data)
    piece, rest = data[start:end], data[:start] + data[end:]
    at = m.below(len(rest) + 1)
    return rest[:at] + piece + rest[at:]


def _splice(m: Mutator, data: bytes) -> bytes:
    other = m.choose(m.pool)
    start, end = m.span(other)
    at = m.below(len(data) + 1)
    if m.below(2):
        return data[:at] + other[start:]
    return data[:at] + other[start:end] + data[at:]


def _number(m: Mutator, data: bytes) -> bytes:
    """Put another number in the place of one."""
    start = m.below(len(data) + 1)
    while start < len(data) and not 48 <= data[start] <= 57:
        start += 1
    end = start
    while end < len(data) and 48 <= data[end] <= 57:
        end += 1
    return data[:start] + m.choose(_NUMBERS) + data[end:]


def _case(m: Mutator, data: bytes) -> bytes:
    start, end = m.span(data)
    return data[:start] + data[start:end].swapcase() + data[end:]


def _lines(m: Mutator, data: bytes) -> bytes:
    """Lose, double, fold, empty or exchange a line."""
    lines = data.split(b"\r\n")
    at, other = m.below(len(lines)), m.below(len(lines))
    what = m.below(5)
    if what == 0:
        del lines[at]
    elif what == 1:
        lines.insert(other, lines[at])
    elif what == 2:
        lines[at] = b" " + lines[at]
    elif what == 3:
        lines[at] = lines[at].partition(b":")[0] + b":"
    else:
        lines[at], lines[other] = lines[other], lines[at]
    return b"\r\n".join(lines)


#: The changes, each as likely as another; what is there twice is twice as likely.
CHANGES: tuple[Callable[[Mutator, bytes], bytes], ...] = (
    _flip,
    _set,
    _set,
    _insert_octet,
    _insert_word,
    _insert_word,
    _replace_by_word,
    _delete,
    _truncate,
    _double,
    _repeat,
    _move,
    _splice,
    _number,
    _case,
    _lines,
)
