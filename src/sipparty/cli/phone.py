"""What the commands telephone with: a party on an engine of its own, whose events come in a stream.

Laws:

* Everything that happens goes into one stream. The command's own thread takes from it, decides and
  prints; so what is printed is in order, and nothing needs a lock.
* Ctrl-C and SIGTERM go there too: the first has what is under way ended politely, a second ends the
  program.
* However a command ends, its sockets are given back, what is registered is removed, and the trace
  that was asked for is there.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any, TypeVar

from sipparty.cli.accounts import Account
from sipparty.cli.options import (
    ANONYMOUS,
    TraceOptions,
    check,
    make_engine,
    party_options,
    reached_by,
)
from sipparty.cli.output import Output, safe
from sipparty.concurrency.engine import Engine
from sipparty.concurrency.streams import Feed, Stream
from sipparty.errors import Timeout, copy_of
from sipparty.parties import AudioParty, NoMediaSimpleCallsParty
from sipparty.party import Party
from sipparty.sip.events import Event
from sipparty.sip.registration import Registered, RegistrationDelayed, RegistrationFailed
from sipparty.trace import LOGGER, Ladder, Trace, WireRecord

PhoneT = TypeVar("PhoneT", bound="Phone")
EventT = TypeVar("EventT", bound=Event)

__all__ = [
    "AudioPhone",
    "Phone",
    "PlainPhone",
    "Stopped",
    "Traces",
    "draw",
    "open_phone",
    "registrar_of",
]

#: Seconds that a registration may take that a command begins with.
_PATIENCE = 40.0


@dataclass(frozen=True, slots=True)
class Stopped:
    """The user wants the command to end."""


class Phone(Party[Any, Any]):
    """A party whose events go into a stream, and that leaves all decisions to who reads it.

    Args:
        address: The address of record.
        options: Those of `Party`.
    """

    def __init__(self, address: str, **options: Any) -> None:
        super().__init__(address, **options)
        self.happened: Stream[Event | Stopped] = Stream(limit=100_000)
        #: Whether the user wants the command to end.
        self.stopping = False
        self.configure(auto_answer=False)
        self.on(Event, Feed(self.happened, lambda event: event))

    def until(self, *kinds: type[EventT], timeout: float | None = None) -> EventT:
        """Wait for an event of these kinds; others are passed over.

        Args:
            kinds: The kinds.
            timeout: Seconds; None for as long as it takes.

        Raises:
            KeyboardInterrupt: The user wants the command to end.
            Timeout: The time ran out.
        """
        end = None if timeout is None else monotonic() + timeout
        while True:
            event = self._next(end)
            if isinstance(event, kinds):
                return event
            if isinstance(event, Stopped):
                raise KeyboardInterrupt

    def events(self, duration: float | None = None) -> Iterator[Any]:
        """Yield what happens, until the time is over or the user wants the command to end.

        Args:
            duration: Seconds; None for no end.
        """
        end = None if duration is None else monotonic() + duration
        while True:
            try:
                event = self._next(end)
            except Timeout:
                return
            if isinstance(event, Stopped):
                return
            yield event

    def _next(self, end: float | None) -> Event | Stopped:
        return self.happened.next(None if end is None else max(0.0, end - monotonic()))

    @contextmanager
    def interruptible(self) -> Generator[None, None, None]:
        """Have Ctrl-C and SIGTERM put `Stopped` into the stream, once; then they raise
        `KeyboardInterrupt`, and nothing is waited for any more.
        """

        def stop(*_: object) -> None:
            for kind in before:
                signal.signal(kind, end)
            self.stopping = True
            # On the engine's thread: what is interrupted here may hold the lock of the stream.
            self.engine.loop.call_soon_threadsafe(self.happened.put, Stopped())

        def end(*_: object) -> None:
            Party.CLOSE_TIMEOUT = Engine.CLOSE_TIMEOUT = 0.0
            raise KeyboardInterrupt

        kinds = (signal.SIGINT, signal.SIGTERM)
        before = {kind: signal.signal(kind, stop) for kind in kinds}
        try:
            yield
        finally:
            for kind, handler in before.items():
                signal.signal(kind, handler)


class PlainPhone(Phone, NoMediaSimpleCallsParty):
    """A phone without audio."""


class AudioPhone(Phone, AudioParty):
    """A phone with one audio stream."""


@contextmanager
def open_phone(
    kind: type[PhoneT],
    account: Account,
    address: str,
    trace: TraceOptions,
    output: Output,
    *,
    register: bool = False,
    listen: dict[str, Any] | None = None,
    **options: Any,
) -> Generator[PhoneT, None, None]:
    """Have a phone for a block, on an engine of its own; it is closed in the end, and the ladder is
    drawn.

    Args:
        kind: Which kind of phone.
        account: Who it is for.
        address: The address of record.
        trace: What is wanted of the messages.
        output: Where what happens is printed.
        register: Whether the address is registered for the length of the block.
        listen: The arguments of `Party.listen`; None not to listen, unless that is needed to be
            called by those that it is registered with.
        options: Settings of the party.

    Raises:
        CallFailed: The registration was refused, or nobody answered it.
        ListenError: A port is taken.
        UsageError: What the account asks for cannot be.
    """
    options = {**party_options(account), **options}
    with make_engine(account) as engine, Traces(engine, address, trace, output):
        phone = kind(address, engine=engine, **options)
        with phone.interruptible(), phone:
            if listen is not None:
                phone.listen(**listen)
            elif register and account.transport in ("", "udp"):
                phone.listen(None)
            if register:
                _register(phone, account, output)
            yield phone


def _register(phone: Phone, account: Account, output: Output) -> None:
    with output.status("registering"):
        registration = phone.register(
            registrar_of(account), expires=account.expires, headers=dict(account.headers)
        )
        event = phone.until(Registered, RegistrationDelayed, RegistrationFailed, timeout=_PATIENCE)
    if not isinstance(event, Registered):
        raise copy_of(event.error)  # type: ignore[attr-defined]
    contact = str(registration.contact)
    output.event("registered", f"registered: {safe(contact)}", contact=contact)


def registrar_of(account: Account) -> str | None:
    """Return what `Party.register` takes as registrar; None where its default is right."""
    if account.proxy or not (account.registrar or account.transport):
        return account.registrar or None
    host = account.registrar or account.address.rpartition("@")[2]
    uri = host if host.startswith(("sip:", "sips:")) else f"sip:{host}"
    return reached_by(uri, account.transport)


class Traces:
    """What the options ask for of the messages, for the length of a `with` block.

    Args:
        engine: Whose they are.
        us: What the ladder calls our end.
        options: What is wanted.
        output: Where the ladder is drawn in the end.

    Raises:
        BadParameter: A trace or a capture cannot be written there.
    """

    def __init__(self, engine: Engine, us: str, options: TraceOptions, output: Output) -> None:
        self._files = options.trace or []
        self._us = "sipparty" if us == ANONYMOUS else us
        self._drawn = options.ladder
        self._output = output
        self._stack = ExitStack()
        capture = any(path.suffix.lower() == ".pcapng" for path in self._files)
        self._trace = Trace(engine, states=bool(self._files), rtp=capture)
        for path in self._files:
            # Now and not after the call: what cannot be written is said before it.
            check(lambda path=path: self._trace.save(path), "--trace")  # type: ignore[misc]
        if self._files or self._drawn:
            self._stack.enter_context(self._trace)
        if options.verbose:
            logger, handler = logging.getLogger(LOGGER), logging.StreamHandler()
            handler.setFormatter(logging.Formatter("%(message)s\n"))
            self._stack.callback(logger.setLevel, logger.level)
            self._stack.callback(logger.removeHandler, handler)
            logger.addHandler(handler)
            logger.setLevel(logging.INFO)

    def __enter__(self) -> Traces:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        for path in self._files:
            self._trace.save(path)
            self._output.event("saved", f"the trace is in {path}", path=str(path))
        if self._drawn and len(self._trace):
            ladder = self._trace.ladder()
            for record in ladder:
                if isinstance(record, WireRecord):
                    ladder.names[record.local] = self._us
            self._output.title("The messages")
            draw(ladder, self._output)


def draw(ladder: Ladder, output: Output) -> None:
    """Print a ladder, as wide as the terminal is."""
    output.ansi(ladder.text(unicode=output.unicode, width=output.width or 80, color=output.color))
