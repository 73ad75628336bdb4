"""Values of headers that are unlike all others: Date, Timestamp, Warning, RAck, User-Agent.

They are their text, as those of `sipparty.sip.typed` are, whose laws hold here too.

    class             written as                        as in
    Date              Sat, 13 Nov 2010 23:29:00 GMT     Date
    Timestamp         seconds [delay]                   Timestamp
    WarningValue      code agent "text"                 Warning
    RAck              number number method              RAck
    ProductList       product *(product / (comment))    User-Agent, Server
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import NamedTuple, Self

from sipparty.errors import BuildError, ParseError
from sipparty.sip.grammar import TOKEN_CHARS, check_line, quote, unquote
from sipparty.sip.typed import QUOTED, TextValue, comment_end

__all__ = ["Date", "Product", "ProductList", "RAck", "Timestamp", "WarningValue"]

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DATE = re.compile(
    rf"({'|'.join(_DAYS)}), ([0-9]{{2}}) ({'|'.join(_MONTHS)}) ([0-9]{{4}}) "
    r"([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT"
)


class Date(TextValue):
    """A date and time, always GMT (RFC 3261 §20.17): `Sat, 13 Nov 2010 23:29:00 GMT`.

    A wrong day of the week is let pass; it says nothing that the date does not.

    Attributes:
        time: The same, aware of being UTC.
    """

    __slots__ = ("time",)

    time: datetime

    WHAT = "date"

    def _read(self) -> None:
        found = _DATE.fullmatch(self.strip())
        if found is None:
            raise self._fail("a date such as 'Sat, 13 Nov 2010 23:29:00 GMT'")
        _, day, month, year, hour, minute, second = found.groups()
        try:
            self.time = datetime(
                int(year),
                _MONTHS.index(month) + 1,
                int(day),
                int(hour),
                int(minute),
                min(int(second), 59) if second == "60" else int(second),  # a leap second
                tzinfo=UTC,
            )
        except ValueError:
            raise self._fail("a day and a time that exist") from None

    @classmethod
    def of(cls, time: datetime) -> Self:
        """Make a value from a time, which has to know its zone.

        Raises:
            BuildError: It does not.
        """
        if time.tzinfo is None:
            raise BuildError(f"{time!r} cannot be a Date: expected a time that knows its zone.")
        at = time.astimezone(UTC)
        day, month = _DAYS[at.weekday()], _MONTHS[at.month - 1]
        return cls(f"{day}, {at.day:02} {month} {at.year:04} {at:%H:%M:%S} GMT")


_FRACTION = r"(?:\.[0-9]{0,20}+)?+"
_TIMESTAMP = re.compile(
    rf"[ \t]*+([0-9]{{1,20}}+{_FRACTION})(?:[ \t]++([0-9]{{0,20}}+{_FRACTION}))?+[ \t]*+"
)


class Timestamp(TextValue):
    """When a request was sent, and how long its answer took to make (RFC 3261 §20.38).

    Attributes:
        sent: The sender's time in seconds; of any clock.
        delay: Seconds between receiving and answering; 0.0 where none is given.
    """

    __slots__ = ("delay", "sent")

    sent: float
    delay: float

    WHAT = "timestamp"

    def _read(self) -> None:
        found = _TIMESTAMP.fullmatch(self)
        if found is None:
            raise self._fail("seconds, and a delay in seconds where there is one")
        sent, delay = found.groups()
        self.sent = float(sent)
        self.delay = 0.0 if delay in (None, "", ".") else float(delay)


_WARNING = re.compile(rf"[ \t]*+([1-9][0-9]{{2}})[ \t]++([^\s\",]++)[ \t]++({QUOTED})[ \t]*+", re.S)


class WarningValue(TextValue):
    """What is amiss, for people and machines (RFC 3261 §20.43): `399 biloxi.com "No more lines"`.

    Attributes:
        code: Three digits, 300 to 399 where SIP defines them.
        agent: Who warns: a host and port, or a made-up name.
        text: The words, unquoted.
    """

    __slots__ = ("agent", "code", "text")

    code: int
    agent: str
    text: str

    WHAT = "warning"

    def _read(self) -> None:
        found = _WARNING.fullmatch(self)
        if found is None:
            raise self._fail('three digits, a name and a text in quotes: 399 biloxi.com "text"')
        code, self.agent, text = found.groups()
        self.code, self.text = int(code), unquote(text)

    @classmethod
    def of(cls, code: int, agent: str, text: str) -> Self:
        """Make a value from its parts.

        Raises:
            BuildError: A part cannot stand where it is.
        """
        try:
            return cls(f"{code} {check_line(agent)} {quote(check_line(text))}")
        except ParseError as error:
            raise BuildError(str(error)) from error


_RACK = re.compile(
    rf"[ \t]*+([0-9]{{1,10}}+)[ \t]++([0-9]{{1,10}}+)[ \t]++([{TOKEN_CHARS}]++)[ \t]*+"
)


class RAck(TextValue):
    """Which provisional response a PRACK acknowledges (RFC 3262 §7.2): `776656 1 INVITE`.

    Attributes:
        rseq: The response's RSeq.
        cseq: The number of its CSeq.
        method: The method of its CSeq.
    """

    __slots__ = ("cseq", "method", "rseq")

    rseq: int
    cseq: int
    method: str

    WHAT = "RAck"

    def _read(self) -> None:
        found = _RACK.fullmatch(self)
        if found is None:
            raise self._fail("two numbers and a method")
        self.rseq, self.cseq = int(found.group(1)), int(found.group(2))
        self.method = found.group(3)
        if self.rseq >= 1 << 32 or self.cseq >= 1 << 31:
            raise self._fail("an RSeq below 2**32 and a CSeq below 2**31")


class Product(NamedTuple):
    """A piece of software.

    Args:
        name: "sipparty".
        version: "1.0", or "".
        comment: What stands in parentheses after it, or "".
    """

    name: str
    version: str = ""
    comment: str = ""


_PRODUCT = re.compile(r"[^\s(]++")


class ProductList(TextValue):
    """Which software speaks: User-Agent and Server (RFC 3261 §20.35, §20.41).

    Any text is taken: it is made for people, and devices write what they like into it.
    """

    __slots__ = ()

    WHAT = "list of products"

    @property
    def products(self) -> tuple[Product, ...]:
        """The products named, as far as they can be made out."""
        products: list[Product] = []
        at = 0
        end = len(self)
        while at < end:
            if self[at] == "(":
                stop = comment_end(self, at)
                stop = end if stop < 0 else stop
                comment = self[at + 1 : stop - 1]
                if products and not products[-1].comment:
                    products[-1] = products[-1]._replace(comment=comment)
                else:
                    products.append(Product("", "", comment))
                at = stop
                continue
            found = _PRODUCT.match(self, at)
            if found is None:
                at += 1
                continue
            name, _, version = found.group().partition("/")
            products.append(Product(name, version))
            at = found.end()
        return tuple(products)
