"""Plays a scenario: its sockets, its calls by Call-ID, and what they share.

Laws:

* All of it runs on the engine's loop.
* A message belongs to the call of its Call-ID. One for a call that is over is answered as it was
  before; one for no call begins one, where calls are waited for and it is a request.
* What a scenario file needs of others, CSV and media files and their fields, is missed at `start`.
* Calls that others begin are bounded (`Limits.max_dialogs`); beyond it their messages are counted
  as out of a call, and not answered.
* `stop` ends what is under way, and gives back every socket.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sipparty.concurrency.host import wall_clock
from sipparty.errors import ParseError, UsageError, printable
from sipparty.load.sipp.call import Call
from sipparty.load.sipp.document import ScenarioError
from sipparty.load.sipp.exchange import Exchange
from sipparty.load.sipp.injection import InjectionFile
from sipparty.load.sipp.keywords import render_of
from sipparty.load.sipp.model import Command, Program
from sipparty.load.sipp.options import Options
from sipparty.load.sipp.received import Received
from sipparty.load.sipp.statistics import ScenarioStatistics
from sipparty.load.sipp.template import Template, TemplateError, compile_template

if TYPE_CHECKING:
    from sipparty.concurrency.engine import Engine
    from sipparty.load.sipp.rtp import MediaPlayer
    from sipparty.load.sipp.twin import Twin
    from sipparty.sip.flow import Address, Flow

__all__ = ["Player"]

_log = logging.getLogger(__name__)


class Player:
    """Plays one scenario.

    Args:
        engine: The engine whose loop and wire it uses.
        program: The scenario.
        options: How it is played.
        remote: Who is called: host and port; None to wait for calls.
        folder: Where files that the scenario names are.
        arrived: Called with each call that others begin.

    Attributes:
        statistics: What its calls have counted.
        exchange: Its sockets.
        calls: The calls under way, by Call-ID.
        variables: The global variables.
        user_variables: Those of each user.
        chance: What is drawn from.
        ending: Whether no more calls are to begin: a scenario may say so.
        process: The number of this process, for Call-IDs and branches.
    """

    def __init__(
        self,
        engine: Engine,
        program: Program,
        options: Options | None = None,
        remote: Address | None = None,
        *,
        folder: Path | None = None,
        arrived: Callable[[Call], None] | None = None,
    ) -> None:
        self.engine = engine
        self.program = program
        self.options = options = options or Options()
        self.remote = remote
        self.folder = folder or Path()
        self.process = os.getpid()
        self.statistics = ScenarioStatistics(program)
        self.exchange = Exchange(engine, self._take, self._lost)
        self.calls: dict[str, Call] = {}
        self.variables: dict[str, Any] = dict(options.variables)
        self.user_variables: dict[int, dict[str, Any]] = {}
        self.chance = random.Random(options.seed)
        self.clock: Callable[[], float] = engine.loop.time
        self.wall_clock: Callable[[], float] = wall_clock(engine.loop)
        self.ending = False
        self.measured: Callable[[Call, str, float], None] = self._measured
        #: The most calls that are kept which others began, and the most that are over.
        self._most = engine.core.limits.max_dialogs
        self._coming: asyncio.Queue[Call] = asyncio.Queue(self._most)
        self._arrived = arrived or self._queue
        self._number = 0
        self._injections: dict[str, InjectionFile] = {}
        self._fields: dict[str, Template] = {}
        self._over: dict[str, Call] = {}
        self._forget: deque[tuple[float, str]] = deque()
        self._twin: Twin | None = None
        self._media: MediaPlayer | None = None

    # ---------------------------------------------------------------- the beginning and the end

    async def start(self) -> None:
        """Read what belongs to the scenario, and open its sockets.

        Raises:
            ListenError: An address cannot be had.
            ScenarioError: A file or a field is missing.
            TransportError: The other side cannot be reached.
            UsageError: Nobody is called by a scenario that calls, or it has a twin and nobody
                says where.
        """
        program, options = self.program, self.options
        #: The second half of a pair makes calls too: one for each first command.
        begins = not program.answers
        if begins and self.remote is None:
            raise UsageError(f"{program.file} makes calls: say whom to call.")
        self._read_files()
        remote = self.remote if begins else None
        await self.exchange.open(options.transport, options.local, remote)
        try:
            if program.has_twin:
                await self._find_twin()
            self._set_up()
        except BaseException:
            await self.stop()
            raise

    @property
    def waits(self) -> bool:
        """Whether its calls are begun by others."""
        return not self.program.calls

    def _read_files(self) -> None:
        for path in self.options.injections:
            file = InjectionFile.read(path)
            self._injections[file.name] = file
            self._injections.setdefault("", file)
        for (name, index), line in self.program.fields.items():
            if name not in self._injections:
                raise ScenarioError(
                    self.program.file,
                    line,
                    f"[field{index}] is of the CSV file {name!r}, which is not given as an option"
                    " (injections)."
                    if name
                    else f"[field{index}] needs a CSV file: give one as an option (injections).",
                )
            file = self._injections[name]
            for row in range(len(file.rows)):
                self.compiled(file.field(row, index))
        for path_name, line in self.program.paths:
            if not self.path(path_name).is_file():
                raise ScenarioError(
                    self.program.file, line, f"the file {path_name!r} is not in {self.folder}."
                )

    def path(self, name: str) -> Path:
        """Return a file that the scenario names; relative ones are beside the scenario."""
        path = self.folder / name
        return path if path.exists() else self.folder / Path(name).name

    async def _find_twin(self) -> None:
        if self.options.twin is None:
            raise UsageError(
                f"{self.program.file} is one half of a pair: say where the other one is (twin)."
            )
        from sipparty.load.sipp.twin import Twin

        first = next(c for c in self.program.commands if c.kind in ("sendCmd", "recvCmd"))
        self._twin = Twin(self.command_received)
        if first.kind == "sendCmd":
            await self._twin.connect(*self.options.twin)
        else:
            await self._twin.listen(*self.options.twin)

    def _set_up(self) -> None:
        """Do what `<init>` says, which no call does."""
        if self.program.setup:
            nobody = Call(self, 0, None, "")  # type: ignore[arg-type]  # nothing is sent
            for action in self.program.setup:
                action(nobody, None)

    def end(self, *, now: bool = False) -> None:
        """Begin no more calls; with `now`, end those under way."""
        self.ending = True
        if now:
            for call in list(self.calls.values()):
                call.abandon("the scenario has stopped the run")

    async def stop(self) -> None:
        """End what is under way, and give back every socket; may be called more than once."""
        self.ending = True
        for call in list(self.calls.values()):
            call.abandon("the run was stopped")
        if self._twin is not None:
            await self._twin.close()
        if self._media is not None:
            self._media.close()
        self.exchange.close()
        self._over.clear()
        self._forget.clear()

    # ---------------------------------------------------------------- calls

    async def play(self, calls: int = 1, *, rate: float | None = None) -> ScenarioStatistics:
        """Make so many calls, or wait for so many, and return when they are over.

        Args:
            calls: How many.
            rate: Calls a second; None for one after the other.
        """
        began, under_way = self.clock(), []
        for number in range(calls):
            if self.ending:
                break
            if self.waits:
                under_way.append(await self._coming.get())
                continue
            under_way.append(self.begin())
            if rate is None:
                await under_way[-1].done
            else:
                await asyncio.sleep(max(0.0, began + (number + 1) / rate - self.clock()))
        for call in under_way:
            await call.done
        return self.statistics

    async def __aenter__(self) -> Player:
        """Start."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop."""
        await self.stop()

    def begin(self, number: int | None = None) -> Call:
        """Begin a call, as `prepare` and `launch` do."""
        call = self.prepare(number)
        self.launch(call)
        return call

    def prepare(self, number: int | None = None) -> Call:
        """Make a call that `launch` begins.

        Args:
            number: Its number, from 1; by default the next.

        Raises:
            UsageError: Calls are waited for.
        """
        flow = self.exchange.flow
        if flow is None:
            raise UsageError(f"{self.program.file} waits for calls, and makes none.")
        number = self._next(number)
        host = self.exchange.address[0]
        words = {"u": str(number), "p": str(self.process), "s": host, "%": "%"}
        template = self.options.call_id
        parts = template.split("%")
        text, at = parts[0], 1
        while at < len(parts):
            if not parts[at] and at + 1 < len(parts):
                text, at = text + "%" + parts[at + 1], at + 2
                continue
            text, at = text + words.get(parts[at][:1], "%" + parts[at][:1]) + parts[at][1:], at + 1
        return Call(self, number, flow, text)

    def _next(self, number: int | None) -> int:
        self._number = self._number + 1 if number is None else number
        return self._number

    def launch(self, call: Call) -> None:
        """Begin a call."""
        self.calls[call.call_id] = call
        self.statistics.began(incoming=call.incoming)
        call.start()

    def ended(self, call: Call) -> None:
        """Take note that a call is over; called by it."""
        now = self.clock()
        if self.calls.pop(call.call_id, None) is None:
            return
        self.statistics.ended(now - call.began, call.failure or None)
        if self._media is not None:
            self._media.forget(call)
        self._over[call.call_id] = call
        self._forget.append((now + self.options.dead_call_wait, call.call_id))
        while self._forget and (self._forget[0][0] <= now or len(self._forget) > self._most):
            self._over.pop(self._forget.popleft()[1], None)

    def _measured(self, call: Call, name: str, seconds: float) -> None:
        self.statistics.response_time(name, seconds)

    # ---------------------------------------------------------------- what comes

    def _take(self, data: bytes, flow: Flow) -> None:
        if not data.strip():
            return  # a keep-alive
        try:
            message = Received(data)
        except ParseError:
            self.exchange.malformed += 1
            return
        call_id = message.call_id.rpartition("///")[2]
        call = self.calls.get(call_id)
        if call is not None:
            call.receive(message, data, flow)
            return
        over = self._over.get(call_id)
        if over is not None:
            if not over.late(message, data):
                self.statistics.dead_call += 1
        elif message.method not in ("", "ACK") and self._takes_calls():
            call = self._incoming(flow, call_id)
            call.receive(message, data, flow)
        else:
            self.statistics.out_of_call += 1

    def _takes_calls(self) -> bool:
        return self.exchange.flow is None and not self.ending and len(self.calls) < self._most

    def _queue(self, call: Call) -> None:
        if not self._coming.full():
            self._coming.put_nowait(call)

    def _incoming(self, flow: Flow, call_id: str) -> Call:
        call = Call(self, self._next(None), flow, call_id, incoming=True)
        self.launch(call)
        self._arrived(call)
        return call

    def _lost(self, flow: Flow, reason: str) -> None:
        for call in [call for call in self.calls.values() if call.flow is flow]:
            where = f"{flow.remote[0]} port {flow.remote[1]}"
            call.finish(f"{where} cannot be reached: {reason}" if call.needs_flow() else "")

    def command_received(self, text: str) -> None:
        """Take what the twin has sent: it is for the call of its Call-ID, or begins one."""
        command = Received.command(text)
        call = self.calls.get(command.call_id)
        flow = self.exchange.flow
        if call is None and flow is not None and not self.program.calls and not self.ending:
            call = Call(self, self._next(None), flow, command.call_id, incoming=True)
            self.launch(call)
            self._arrived(call)
        if call is None:
            self.statistics.out_of_call += 1
        else:
            call.command_received(command)

    # ---------------------------------------------------------------- what calls ask for

    def tell_twin(self, text: str) -> None:
        """Send a command to the twin."""
        assert self._twin is not None
        self._twin.send(text)

    def loses(self, command: Command) -> bool:
        """Whether a message of a command is lost on purpose; counts it then."""
        lost = self.options.lost if command.lost is None else command.lost
        if not lost or self.chance.random() * 100 >= lost:
            return False
        self.statistics.rows[command.number].lost += 1
        return True

    def injection(self, name: str) -> InjectionFile:
        """Return a CSV file by its name; "" for the first.

        Raises:
            UsageError: There is none.
        """
        found = self._injections.get(name) or self._injections.get(Path(name).name)
        if found is None:
            raise UsageError(f"The CSV file {name!r} is not given as an option (injections).")
        return found

    def compiled(self, text: str) -> Template:
        """Return a field of a CSV file as a template; it may hold keywords."""
        found = self._fields.get(text)
        if found is None:
            try:
                found = compile_template(text, lambda one: render_of(one, self.options.keys))
            except TemplateError as error:
                raise UsageError(f"A CSV file has {text[:60]!r}: {error}.") from None
            if len(self._fields) > 100_000:
                self._fields.clear()
            self._fields[text] = found
        return found

    def log(self, call: Call, text: str, level: int) -> None:
        """Log what a scenario says."""
        _log.log(level, "%s, call %s: %s", self.program.file, call.number, printable(text))

    @property
    def media_player(self) -> MediaPlayer:
        """What plays media, made when it is first needed."""
        if self._media is None:
            from sipparty.load.sipp.rtp import MediaPlayer

            self._media = MediaPlayer(self.engine)
        return self._media

    def media_port(self, call: Call, own: bool) -> int:
        """Return the port for media of a call: with `own`, that of a socket which is its alone.

        Raises:
            PortsExhausted: None is free.
        """
        if own:
            return self.media_player.own_port(call)
        if self.program.plays:
            return self.media_player.shared_port(call.media)
        return call.media[1]
