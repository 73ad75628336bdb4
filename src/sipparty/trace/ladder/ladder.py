"""The ladder: what takes records and draws them.

    >>> wire.add(ladder := Ladder(names={"10.0.0.1": "alice", "10.0.0.2": "bob"}))
    >>> print(ladder)
                 alice                                bob
          0.0 ms    |------- INVITE (CSeq 1, SDP) ----->|
          1.3 ms    |<-- 180 Ringing (CSeq 1 INVITE) ---|

What is drawn, and in what order, is the layout's (`sipparty.trace.ladder.layout`), and is the same
in each drawing. Times are counted from the first record drawn. A drawing is made when it is asked
for: it costs nothing to collect.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping

from sipparty.trace.ladder.layout import Layout, lay_out
from sipparty.trace.records import TraceRecord

__all__ = ["Ladder"]

#: How many rows a notebook shows of a longer ladder.
_IN_NOTEBOOK = 300


class Ladder:
    """A drawing of what a trace has; also a tap for `Wire.add` that collects messages.

    Args:
        records: Records to begin with, in any order; more come by calling the ladder with one.
        names: What endpoints are called: by (host, port), by "host:port", or by host for all ports
            of it. Endpoints of one name share a column.
        call_id: Draw this call alone; None draws all.
        limit: How many records are kept, the latest; bounds the memory that a long run takes.
    """

    def __init__(
        self,
        records: Iterable[TraceRecord] = (),
        *,
        names: Mapping[tuple[str, int] | str, str] | None = None,
        call_id: str | None = None,
        limit: int = 100_000,
    ) -> None:
        self.names: dict[tuple[str, int] | str, str] = dict(names or {})
        self.call_id = call_id
        self._records: deque[TraceRecord] = deque(records, maxlen=limit)

    def __call__(self, record: TraceRecord) -> None:
        """Take one more record."""
        self._records.append(record)

    def __iter__(self) -> Iterator[TraceRecord]:
        """The records that were taken, those of other calls too, in the order they came."""
        return iter(self._records.copy())

    def __len__(self) -> int:
        """How many records were taken."""
        return len(self._records)

    @property
    def calls(self) -> list[str]:
        """The Call-IDs in the records, in order of their first record."""
        return list(self._by_call())

    def only(self, call_id: str) -> Ladder:
        """Return a ladder of the records so far that draws one call alone."""
        return self._of(self, call_id)

    def each(self) -> list[Ladder]:
        """Return a ladder for each call, in order of their first record."""
        return [self._of(records, call) for call, records in self._by_call().items()]

    def text(self, *, unicode: bool = False, width: int | None = 80, color: bool = False) -> str:
        """Draw with characters.

        Args:
            unicode: Use line-drawing characters and real arrows, not ASCII.
            width: The longest line, in characters, at least 20; None for what the labels take.
                Where there is no space for lifelines, a line names its ends by their numbers.
            color: Colour the calls, by a terminal's escapes. It is the caller who knows whether
                there is a terminal, and whether NO_COLOR is set.

        Returns:
            Lines without a newline at the end. With several calls in it, labels begin with the
            call's number, and the last lines say which Call-ID that is.
        """
        from sipparty.trace.ladder.text import text

        return text(self.layout(), unicode=unicode, width=width, color=color)

    def __str__(self) -> str:
        return self.text()

    def mermaid(self) -> str:
        """Draw as a Mermaid `sequenceDiagram`, which web pages and notebooks turn into a picture.

        Media, and what happened at one end, are notes.
        """
        from sipparty.trace.ladder.mermaid import mermaid

        return mermaid(self.layout())

    def svg(self, *, width: int | None = 120, limit: int | None = None) -> str:
        """Draw as a picture, light or dark as its reader has it.

        Args:
            width: The greatest width, in characters of its labels; None for what they take. With
                more columns than that has space for, it is wider all the same.
            limit: How many rows are drawn at most; None for all.

        Returns:
            An SVG element, that may stand in a file or in an HTML page.
        """
        from sipparty.trace.ladder.svg import svg

        return svg(self.layout(), width=width, limit=limit)

    def html(self, *, title: str = "Call ladder", masked: bool = True, remark: str = "") -> str:
        """Draw as one page that needs nothing else: messages can be read, searched and filtered.

        Args:
            title: The page's title.
            masked: Whether secrets in the messages are shown as ``***``.
            remark: What its reader is to know of the records, such as that a capture was cut short.

        Returns:
            An HTML document.
        """
        from sipparty.trace.ladder.html import html

        return html(self.layout(), title=title, masked=masked, remark=remark)

    def _repr_html_(self) -> str:
        """Draw for a notebook."""
        return self.svg(limit=_IN_NOTEBOOK)

    def __repr__(self) -> str:
        return f"<Ladder of {len(self)} records>"

    def layout(self) -> Layout:
        """Return what is drawn."""
        return lay_out(self, self.names, self.call_id)

    def _of(self, records: Iterable[TraceRecord], call_id: str) -> Ladder:
        return Ladder(records, names=self.names, call_id=call_id, limit=max(1, len(self)))

    def _by_call(self) -> dict[str, list[TraceRecord]]:
        found: dict[str, list[TraceRecord]] = {}
        for record in sorted(self, key=lambda record: record.time):
            if record.call_id:
                found.setdefault(record.call_id, []).append(record)
        return found
