"""Calls as blocks and loops: `with party.call(...)`, `for call in party.incoming()`.

Laws:

* A call that a block made is over, or being hung up, when the block is left, however that is.
* What a block raises comes out of it. Where it raises nothing, and the call has failed meanwhile,
  that does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, TypedDict, TypeVar

from sipparty.concurrency.streams import Feed, Stream
from sipparty.concurrency.waiting import Portal
from sipparty.errors import Timeout, UsageError
from sipparty.sip import Dialog, Flow, Part, SimpleCall
from sipparty.sip.events import CallReceived
from sipparty.trace import Echoes, Recorder, Wire, WireRecord, summarise

__all__ = ["CallBlock", "History", "InviteOptions", "stream_of_calls"]

CallT = TypeVar("CallT", bound=Dialog)


class InviteOptions(TypedDict, total=False):
    """The options of `Party.invite` that `Party.call` takes too."""

    expires: float | None
    late_offer: bool
    headers: Iterable[tuple[str, str]] | Mapping[str, str]
    parts: Iterable[Part]
    media: Mapping[str, Any] | None
    redirects: int | None
    flow: Flow | None
    replaces: SimpleCall | str | None
    privacy: str | Iterable[str]


class CallBlock(Generic[CallT]):
    """A call for the length of a `with` or an `async with` block; `Party.call` makes it.

    Args:
        invite: Makes the call.
        portal: Says which thread may not block, as `with` does.
        timeout: Seconds to wait for an answer; None for as long as it takes.
        close_timeout: Seconds to wait, at the end, for the other side to confirm it.
    """

    def __init__(
        self,
        invite: Callable[[], CallT],
        portal: Portal,
        timeout: float | None,
        close_timeout: float,
    ) -> None:
        self._invite = invite
        self._portal = portal
        self._timeout = timeout
        self._close_timeout = close_timeout
        self._call: CallT | None = None

    def __repr__(self) -> str:
        return (
            "<a call to be made by `with` or `async with`>"
            if self._call is None
            else f"<{self._call!r} in a block>"
        )

    def __enter__(self) -> CallT:
        self._portal.check_may_block()
        self._call = call = self._invite()
        try:
            return call.wait(self._timeout)
        except BaseException as error:
            self.__exit__(error)
            raise self._unanswered(error) from None

    def __exit__(self, *raised: object) -> None:
        call = self._begin_end()
        try:
            call.waitForStateCondition(self._is_over, self._close_timeout)
        except Timeout:
            pass  # it goes on being ended
        if self._failed and not any(raised):
            call.wait(0)

    async def __aenter__(self) -> CallT:
        self._call = call = self._invite()
        try:
            await call.stateCondition(call.settled, self._timeout)
            return await call
        except BaseException as error:
            await self.__aexit__(error)
            raise self._unanswered(error) from None

    async def __aexit__(self, *raised: object) -> None:
        call = self._begin_end()
        try:
            await call.stateCondition(self._is_over, self._close_timeout)
        except Timeout:
            pass
        if self._failed and not any(raised):
            await call

    def _begin_end(self) -> CallT:
        """Have the call ended, where it is not."""
        call = self._call
        assert call is not None
        self._failed = call.state == "Error"
        try:
            self._portal.run(_terminate, call)
        except UsageError:
            pass  # the engine was closed, and the call with it
        return call

    def _is_over(self, state: str) -> bool:
        return state in ("Terminated", "Error")

    def _unanswered(self, error: BaseException) -> BaseException:
        if not isinstance(error, Timeout):
            return error
        return Timeout(f"The call was not answered within {self._timeout:g} seconds: it was ended.")


def _terminate(call: Dialog) -> None:
    if call.takes("terminate"):
        call.hit("terminate")


def stream_of_calls(party: Any) -> Stream[Any]:
    """Return the calls to a party from now on, for its user to decide on."""
    engine = party.engine
    stream: Stream[Any] = Stream(engine, engine.core.limits.max_events)
    feed = Feed(stream, lambda event: event.call)

    def close(left: list[SimpleCall]) -> None:
        party.off(CallReceived, feed)
        for call in left:
            if not engine.closed and call.takes("reject"):
                call.reject(480)

    stream.on_close = close
    party.on(CallReceived, feed)
    party._streams.add(stream)
    engine.streams.add(stream)
    if party._closed or engine.closed:  # perhaps meanwhile, by another thread
        stream.end()
    return stream


class History(Recorder):
    """Keeps the latest messages of an engine, for those of its calls.

    Args:
        wire: The engine's wire, which it is a tap on until `end`.
    """

    #: How many bytes it keeps at the most: peers say how long a message is.
    MAX_BYTES = 32 << 20

    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self._wire = wire
        self._bytes = 0
        wire.add(self)

    def __call__(self, record: WireRecord) -> None:
        """Keep one record, and let the oldest go where that is too much."""
        records = self._records
        if len(records) == records.maxlen:
            self._bytes -= len(records.popleft().data)
        records.append(record)
        self._bytes += len(record.data)
        while self._bytes > self.MAX_BYTES:
            self._bytes -= len(records.popleft().data)

    def end(self) -> None:
        """Take no more."""
        self._wire.remove(self)

    def of(self, call_id: str) -> list[WireRecord]:
        """Return the messages of a call, each once and in order."""
        echoes = Echoes()
        found = []
        # To look for bytes costs a hundredth of reading a message. What is not ASCII may be written
        # in several ways.
        some = call_id.partition(" ")[0].encode() if call_id.isascii() else b""
        for record in self:
            summary = summarise(record.data) if some in record.data else None
            if summary is not None and summary.call_id == call_id and not echoes.is_echo(record):
                found.append(record)
        return found
