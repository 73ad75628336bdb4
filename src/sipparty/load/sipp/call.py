"""One call of a scenario: which command it is at, and what it has of what came.

Laws:

* A command runs when the one before is done; a call waits at `recv`, `recvCmd` and `pause` alone.
* A message is looked for among the commands that may come: the one that the call is at, and those
  behind it as far as optional ones go; then among the optional ones right before. Any other is not
  expected, and ends the call unless the options say otherwise.
* A message that comes again, byte by byte, is answered by what was sent after it the first time.
* A call ends once. After that it has no timer, and sends nothing but such answers.
* A call that goes from command to command without ever waiting is ended too.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sipparty.errors import SIPPartyError, printable
from sipparty.load.sipp.composing import compose
from sipparty.load.sipp.expecting import Sent, find_command, was_expected
from sipparty.load.sipp.leaving import answer, goodbye, ok_to
from sipparty.load.sipp.model import ActionFailed, Command
from sipparty.load.sipp.sending import Sending
from sipparty.load.sipp.template import Template
from sipparty.load.sipp.variables import Variables, number_in

if TYPE_CHECKING:
    from sipparty.load.sipp.model import Program
    from sipparty.load.sipp.options import Options
    from sipparty.load.sipp.player import Player
    from sipparty.load.sipp.received import Received
    from sipparty.sip.flow import Address, Flow

__all__ = ["Call"]

_log = logging.getLogger(__name__)

#: Commands in a row without waiting, before a call is taken to go round in circles.
MAX_STEPS = 10_000
#: Messages of a call whose repetitions are known.
MAX_HEARD = 64
#: The label of what is done about a message that is not expected.
UNEXPECTED = "_unexp.main"
_ANSWERED = ("INFO", "NOTIFY", "OPTIONS", "UPDATE")


class Call:
    """A call.

    Args:
        player: What plays the scenario.
        number: Its number, from 1.
        flow: The flow that it sends by.
        call_id: Its Call-ID.
        incoming: Whether the other side has begun it.

    Attributes:
        index: The number of the command that it is at.
        last: The last message that came and was expected.
        failure: Why it has failed; "" where it has not.
        done: Done when the call is over; its result is `failure`.
    """

    def __init__(
        self, player: Player, number: int, flow: Flow, call_id: str, *, incoming: bool = False
    ) -> None:
        self.player: Player = player
        self.program: Program = player.program
        self.options: Options = player.options
        self.number: int = number
        self.user: int = (number - 1) % player.options.users + 1
        self.flow: Flow = flow
        self.call_id: str = call_id
        self.incoming: bool = incoming
        self.index: int = 0
        self.cseq: int = player.options.base_cseq - 1
        self.last: Received | None = None
        self.last_request_uri: str = ""
        self.peer_tag: str = ""
        self.routes: tuple[str, ...] = ()
        self.next_url: str = ""
        self.failure: str = ""
        self.began: float = player.clock()
        self.done: asyncio.Future[str] = player.engine.loop.create_future()
        #: What a goodbye is made of: the INVITE that was sent, the last response to it, and whether
        #: its ACK was sent.
        self.invite = ""
        self.answered: Received | None = None
        self.acknowledged = False
        #: The last description of the other side's media.
        self.described = ""
        self.challenge: Received | None = None
        self.wanted: list[Mapping[str, Template]] = []
        of_user = player.user_variables.setdefault(self.user, {})
        self.variables = Variables(player.program, player.variables, of_user)
        self._lines: dict[str, int] = {}
        self._sent = Sent()
        self.sending = Sending(self)
        self._waits = False
        self._target = -1
        #: What was heard, each with what was sent after it and the command that took it.
        self._heard: dict[int, tuple[bytes, int]] = {}
        self._newest = 0
        self._timer: asyncio.TimerHandle | None = None
        self._clocks: dict[str, float] = {}
        self._measured: set[str] = set()

    # ---------------------------------------------------------------- what keywords ask for

    @property
    def local(self) -> Address:
        """Our address."""
        return self.flow.local

    @property
    def remote(self) -> Address:
        """The other side's."""
        return self.flow.remote

    @property
    def media(self) -> Address:
        """Where media are received: address and first port."""
        host, port = self.options.media
        return host or self.local[0], port

    def media_port(self, offset: int, *, own: bool = False) -> str:
        """Return a port for media: that of all calls, or one of the call's own."""
        return str(self.player.media_port(self, own) + offset)

    def branch(self, offset: int = 0) -> str:
        """Return the branch of the message that is being sent, or of one before it."""
        return f"z9hG4bK-{self.player.process}-{self.number}-{self.index + offset}"

    def want_credentials(self, parameters: Mapping[str, Template]) -> str:
        """Keep a place for credentials, which are made of the whole message."""
        self.wanted.append(parameters)
        return f"\x00authentication {len(self.wanted) - 1}\x00"

    def field(self, index: int, file: str, row: str | None) -> str:
        """Return a field of a CSV file: of the call's line, or of the row that is given."""
        injection = self.player.injection(file)
        if row is not None:
            line = int(number_in(row))
        elif file in self._lines:
            line = self._lines[file]
        else:
            line = injection.line_for(self.number, self.user, self.player.chance)
            self._lines[file] = line
        return self.player.compiled(injection.field(line, index)).render(self)

    # ---------------------------------------------------------------- what actions ask for

    def jump(self, index: int) -> None:
        """Go on at another command."""
        self._target = index

    def set_destination(self, host: str, port: str) -> None:
        """Send to another address from here on."""
        if not port.isdecimal() or not 0 < int(port) < 65536:
            raise ActionFailed(f"setdest has the port {port[:20]!r}")
        self.flow = self.player.exchange.flow_to(host, int(port))

    def play(self, kind: str, value: str) -> None:
        """Play media to where the last description says."""
        self.player.media_player.play(self, kind, value)

    # ---------------------------------------------------------------- going on

    def start(self) -> None:
        """Begin with the first command."""
        self._guarded(self._run)

    def _guarded(self, work: Any, *args: Any) -> None:
        """Do something that may find that the call has failed."""
        try:
            work(*args)
        except (ActionFailed, SIPPartyError) as error:
            self._give_up(str(error))
        except Exception as error:
            # A defect of ours: it ends this call, and no other.
            _log.exception("%s, call %s failed.", self.program.file, self.number)
            self.finish(f"{type(error).__name__}: {error}")

    def _run(self) -> None:
        """Run commands until one waits."""
        commands = self.program.commands
        for _ in range(MAX_STEPS):
            if self.done.done():
                return
            if self.index >= len(commands):
                self.finish("")
                return
            command = commands[self.index]
            if (
                command.condexec
                and self.variables.is_set(command.condexec) is command.condexec_inverse
            ):
                self.index += 1
                continue
            if getattr(self, f"_do_{command.kind}")(command):
                return
        line = commands[self.index].line
        self._give_up(f"the scenario goes round in circles without waiting, at line {line}")

    def _gone_through(self, command: Command, message: Received | None = None) -> bool:
        """Do what follows a command, and go to the next.

        Returns:
            Whether it has led elsewhere than to the next command.
        """
        row = self.player.statistics.rows[command.number]
        row.messages += 1
        if command.counter:
            self.player.statistics.counters[command.counter] += 1
        if command.start_rtd or command.rtd:
            self._measure(command)
        self._target = -1
        for action in command.actions:
            action(self, message)
        if self._target < 0 and command.next >= 0 and self._branches_off(command):
            self._target = command.next
        branched = self._target >= 0
        self.index = self._target if branched else command.number + 1
        return branched

    def _branches_off(self, command: Command) -> bool:
        if command.test and not self.variables.is_set(command.test):
            return False
        return command.chance >= 1.0 or self.player.chance.random() < command.chance

    def _measure(self, command: Command) -> None:
        now = self.player.clock()
        for name in command.start_rtd:
            self._clocks[name] = now
        for name in command.rtd:
            if name not in self._measured or command.repeat_rtd:
                self._measured.add(name)
                seconds = now - self._clocks.get(name, self.began)
                self.player.measured(self, name, seconds)
                if command.repeat_rtd:
                    self._clocks[name] = now

    # ---------------------------------------------------------------- commands

    def _do_nop(self, command: Command) -> bool:
        self._gone_through(command)
        return False

    def _do_pause(self, command: Command) -> bool:
        assert command.duration is not None
        self._after(command.duration(self), self._pause_over, command)
        return True

    _do_timewait = _do_pause

    def _pause_over(self, command: Command) -> None:
        self._timer = None
        self._gone_through(command)
        self._run()

    def _do_recv(self, command: Command) -> bool:
        if not self._waits:
            self._waits = True
            limit = self._time_limit(command)
            if limit is not None:
                self._after(limit[0], self._timed_out, limit[1])
        return True

    _do_recvCmd = _do_recv  # noqa: N815 - the command's name

    def _time_limit(self, command: Command) -> tuple[float, Command] | None:
        """Return how long one of some messages may take, and which command says so."""
        for one in self.program.commands[command.number :]:
            if one.timeout is not None:
                return one.timeout, one
            if not one.optional:
                break
        timeout = self.options.timeout
        return None if timeout is None else (timeout, command)

    def _timed_out(self, command: Command) -> None:
        self._timer = None
        self.player.statistics.rows[command.number].timeouts += 1
        if command.ontimeout < 0:
            self._give_up(f"no {command.name} came in time")
            return
        self._waits = False
        self.sending.stop()
        self.index = command.ontimeout
        self._run()

    def _do_send(self, command: Command) -> bool:
        if command.method not in ("ACK", "CANCEL") and not command.method[:1].isdigit():
            self.cseq += 1
        text = compose(self, command.message)
        start = text.partition("\r\n")[0]
        method = "" if start.startswith("SIP/2.0") else start.partition(" ")[0]
        if method:
            self._sent.add(text, method, command.start_txn, command.number)
            if method == "INVITE":
                self.invite, self.answered, self.acknowledged = text, None, False
            elif method == "ACK":
                self.acknowledged = True
        data = text.encode("utf-8", "surrogateescape")
        self.sending.send(data, command)
        if self._newest:
            self._heard[self._newest] = (data, self._heard[self._newest][1])
        self._gone_through(command)
        return False

    def _do_sendCmd(self, command: Command) -> bool:
        self.player.tell_twin(compose(self, command.message))
        self._gone_through(command)
        return False

    def _after(self, seconds: float, work: Any, *args: Any) -> None:
        self._timer = self.player.engine.loop.call_later(seconds, self._guarded, work, *args)

    # ---------------------------------------------------------------- receiving

    def receive(self, message: Received, data: bytes, flow: Flow) -> None:
        """Take a message."""
        self._guarded(self._receive, message, data, flow)

    def repeats(self, data: bytes) -> bool:
        """Answer a message that came before as it was answered then; False where it did not."""
        if self.flow.reliable:
            return False
        found = self._heard.get(hash(data))
        if found is None:
            return False
        answered, number = found
        self.player.statistics.rows[number].retransmissions += 1
        self.player.exchange.count_again(sent=False)
        if answered:
            self.player.exchange.send(answered, self.flow)
        return True

    def _receive(self, message: Received, data: bytes, flow: Flow) -> None:
        if self.repeats(data):
            return
        if message.cseq[1] == "INVITE" and message.status:
            self.answered = message
        command = find_command(self.program.commands, self.index, message, self._sent)
        if command is None:
            self._unexpected(message)
            return
        if self.player.loses(command):
            return
        if self.player.exchange.flow is None:
            self.flow = flow  # who waits for calls answers where they come from
        if message.status >= 200 or message.cseq[1] == "INVITE" or message.method:
            self.sending.stop()
        if len(self._heard) < MAX_HEARD:
            self._newest = hash(data)
            self._heard[self._newest] = (b"", command.number)
        self._take(message, command)

    def _take(self, message: Received, command: Command) -> None:
        """Take a message that is expected, and go on."""
        self.last = message
        if message.method:
            self.last_request_uri = message.start_line.split(" ")[1]
        tag = message.to_tag if message.status else message.from_tag
        self.peer_tag = tag or self.peer_tag
        if not command.ignoresdp and (body := message.body)[:3] == "v=0":
            self.described = body
        if command.auth:
            self.challenge = message
        if command.rrs:
            self._keep_routes(message)
        at = self.index
        waits, self._waits = self._waits, False
        branched = self._gone_through(command, message)
        if command.optional and not branched:
            # What must come has not come yet.
            self.index, self._waits = at, waits
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._run()

    def _keep_routes(self, message: Received) -> None:
        """Keep the route set and the target of the dialog (RFC 3261 §12.1)."""
        routes = message.routes
        self.routes = tuple(reversed(routes) if message.status else routes)
        self.next_url = message.target or self.next_url

    def _unexpected(self, message: Received) -> None:
        """Do what the options say about a message that is not expected."""
        player, behaviors = self.player, self.options.default_behaviors
        if was_expected(self.program.commands, self.index, message, self._sent):
            if message.status >= 200 and message.cseq[1] == "INVITE":
                self.sending.send_texts(goodbye(self, acknowledge=True))
            return
        at = min(self.index, len(self.program.commands) - 1)
        command = self.program.commands[at]
        if command.kind == "pause" and self.options.ignore_in_pauses:
            return
        if (self.options.auto_answer and message.method in _ANSWERED) or (
            message.method == "PING" and "pingreply" in behaviors
        ):
            player.statistics.auto_answered += 1
            self.sending.send_texts([ok_to(message)])
            return
        player.statistics.rows[at].unexpected += 1
        if UNEXPECTED in self.program.labels:
            self.last, self._waits = message, False
            if self._timer is not None:
                self._timer.cancel()
            self.sending.stop()
            self.index = self.program.labels[UNEXPECTED]
            self._run()
            return
        if message.method in ("BYE", "CANCEL") and "bye" in behaviors:
            self.sending.send_texts([ok_to(message)])
            self.finish(f"unexpected {message.name}")
        elif "abortunexp" in behaviors and not (message.method == "ACK" and self.incoming):
            # What has to come is what is missed, and not what may come before it.
            needed = next((one for one in self.program.commands[at:] if not one.optional), command)
            where = f"the {needed.name} of line {needed.line}"
            self._give_up(f"unexpected {message.name} in the place of {where}")

    def command_received(self, command: Received) -> None:
        """Take what the twin of a 3PCC pair has sent."""
        commands = self.program.commands
        if self.index >= len(commands) or commands[self.index].kind != "recvCmd":
            self._guarded(self._give_up, "the twin has sent a command that is not expected")
            return
        self.last = command
        self._guarded(self._take, command, commands[self.index])

    # ---------------------------------------------------------------- the end

    def _give_up(self, reason: str) -> None:
        """End the call for a reason, and take leave of the other side."""
        if not self.done.done():
            if "bye" in self.options.default_behaviors:
                self.sending.send_texts(goodbye(self))
            self.finish(reason)

    def needs_flow(self) -> bool:
        """Whether messages are still to come or go."""
        rest = self.program.commands[self.index :]
        return any(command.kind not in ("pause", "timewait", "nop") for command in rest)

    def abandon(self, reason: str) -> None:
        """End the call from outside."""
        self._guarded(self._give_up, reason)

    def late(self, message: Received, data: bytes) -> bool:
        """Take a message after the end; False where it says nothing to it."""
        if self.repeats(data):
            return True
        texts = answer(self, message)
        self.sending.send_texts(texts)
        return bool(texts)

    def finish(self, reason: str) -> None:
        """End the call for a reason why it has failed; "" where it has not."""
        if self.done.done():
            return
        self.failure = reason = printable(reason)  # it may have what came
        self.sending.stop()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        # What is left is for repetitions and late answers.
        self.last = self.answered = self.challenge = None
        self.described = ""
        self.player.ended(self)
        self.done.set_result(reason)
