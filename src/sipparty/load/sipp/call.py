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
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sipparty.errors import SIPPartyError
from sipparty.load.sipp.credentials import credentials_line
from sipparty.load.sipp.keywords import AUTHENTICATION, LENGTH, number_text
from sipparty.load.sipp.leaving import answer, goodbye, ok_to
from sipparty.load.sipp.model import ActionFailed, Command
from sipparty.load.sipp.template import Template
from sipparty.sip.grammar import split_address, split_list

if TYPE_CHECKING:
    from sipparty.load.sipp.model import Program
    from sipparty.load.sipp.options import Options
    from sipparty.load.sipp.player import Player
    from sipparty.load.sipp.received import Received
    from sipparty.sip.flow import Address, Flow

__all__ = ["Call"]

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
        self.cseq: int = player.options.base_cseq
        self.last: Received | None = None
        self.last_request_uri: str = ""
        self.peer_tag: str = ""
        self.routes: tuple[str, ...] = ()
        self.next_url: str = ""
        self.failure: str = ""
        self.began: float = player.clock()
        self.done: asyncio.Future[str] = player.engine.loop.create_future()
        #: The INVITE that was sent, and the last final response to it: what a goodbye is made of.
        self.invite = ""
        self.answered: Received | None = None
        #: The last description of the other side's media.
        self.described = ""
        self._challenge: Received | None = None
        self._wanted: list[Mapping[str, Template]] = []
        self._variables: dict[str, Any] = {}
        self._lines: dict[str, int] = {}
        self._branches: dict[str, str] = {}
        self._methods: set[str] = set()
        self._transactions: dict[str, tuple[int, str]] = {}
        self._waits = False
        self._target = -1
        #: What was heard, each with what was sent after it and the command that took it.
        self._heard: dict[int, tuple[bytes, int]] = {}
        self._newest = 0
        self._timer: asyncio.TimerHandle | None = None
        self._retransmission: asyncio.TimerHandle | None = None
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
        command = self.program.commands[min(self.index, len(self.program.commands) - 1)]
        if command.ack_txn and command.ack_txn in self._branches:
            return self._branches[command.ack_txn]
        branch = f"z9hG4bK-{self.player.process}-{self.number}-{self.index + offset}"
        if command.start_txn:
            self._branches[command.start_txn] = branch
        return branch

    def want_credentials(self, parameters: Mapping[str, Template]) -> str:
        """Keep a place for credentials, which are made of the whole message."""
        self._wanted.append(parameters)
        return f"\x00authentication {len(self._wanted) - 1}\x00"

    def field(self, index: int, file: str, row: str | None) -> str:
        """Return a field of a CSV file: of the call's line, or of the row that is given."""
        injection = self.player.injection(file)
        if row is not None:
            line = int(_number(row))
        elif file in self._lines:
            line = self._lines[file]
        else:
            line = injection.line_for(self.number, self.user, self.player.chance)
            self._lines[file] = line
        return self.player.compiled(injection.field(line, index)).render(self)

    # ---------------------------------------------------------------- variables

    def _scope(self, name: str) -> dict[str, Any]:
        if name in self.program.global_variables:
            return self.player.variables
        if name in self.program.user_variables:
            return self.player.user_variables.setdefault(self.user, {})
        return self._variables

    def get(self, name: str) -> Any:
        """Return what a variable has: a text, a number, or None."""
        return self._scope(name).get(name)

    def set(self, name: str, value: str | float | None) -> None:
        """Give a variable a value."""
        self._scope(name)[name] = value

    def number_of(self, name: str) -> float:
        """Return a variable as a number; 0.0 where it is none."""
        value = self.get(name)
        return _number(value) if isinstance(value, str) else float(value or 0.0)

    def text_of(self, name: str) -> str:
        """Return a variable as a text; "" where it has nothing."""
        value = self.get(name)
        return value if isinstance(value, str) else "" if value is None else number_text(value)

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
        except ActionFailed as error:
            self._give_up(str(error))
        except SIPPartyError as error:
            self._give_up(str(error))

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
            if command.condexec and bool(self.get(command.condexec)) is command.condexec_inverse:
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
        if command.test and not self.get(command.test):
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

    def _do_timewait(self, command: Command) -> bool:
        self._gone_through(command)
        assert command.duration is not None
        self.finish("", command.duration(self))
        return True

    def _do_pause(self, command: Command) -> bool:
        assert command.duration is not None
        self._after(command.duration(self), self._pause_over, command)
        return True

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
        self._stop_retransmission()
        self.index = command.ontimeout
        self._run()

    def _do_send(self, command: Command) -> bool:
        if command.method not in ("ACK", "CANCEL") and not command.method[:1].isdigit():
            self.cseq += 1
        text = self._message(command.message)
        start = text.partition("\r\n")[0]
        method = "" if start.startswith("SIP/2.0") else start.partition(" ")[0]
        if method:
            self._methods.add(method)
            if method == "INVITE":
                self.invite, self.answered = text, None
            if command.start_txn:
                self._transactions[command.start_txn] = (self.cseq, method)
        data = text.encode("utf-8", "surrogateescape")
        self._stop_retransmission()
        self._transmit(data, command)
        if self._newest:
            self._heard[self._newest] = (data, self._heard[self._newest][1])
        if command.retrans and self.options.retransmit and not self.flow.reliable:
            self._retransmit_after(command.retrans, data, command, 0)
        self._gone_through(command)
        return False

    def _do_sendCmd(self, command: Command) -> bool:
        self.player.tell_twin(self._message(command.message))
        self._gone_through(command)
        return False

    # ---------------------------------------------------------------- sending

    def _message(self, template: Template) -> str:
        """Return a message: its keywords, then its length and credentials."""
        self._wanted.clear()
        text = template.render(self)
        head, gap, body = text.partition("\r\n\r\n")
        if gap and "\r\n\r\n" in template.source:
            body += "\r\n"
        if LENGTH in head or self._wanted:
            octets = body.encode("utf-8", "surrogateescape")
            head = head.replace(LENGTH, str(len(octets)))
            if self._wanted:
                head = self._with_credentials(head, octets)
        return f"{head}\r\n\r\n{body}"

    def _with_credentials(self, head: str, body: bytes) -> str:
        method, _, rest = head.partition(" ")
        uri = self.options.auth_uri or rest.partition(" ")[0]
        lines = []
        for line in head.split("\r\n"):
            found = AUTHENTICATION.search(line)
            if found is None:
                lines.append(line)
                continue
            given = self._wanted[int(found[1])]
            name, word = (given[key].render(self) if key in given else "" for key in _ACCOUNT)
            name = name or self.options.user or self.options.service
            word = word or self.options.password
            if self._challenge is None:
                raise ActionFailed(
                    'no challenge came for [authentication]: write auth="true" in the <recv> of'
                    " the 401 or 407"
                )
            made = credentials_line(self._challenge, name, word, method, uri, body)
            if made is None:
                raise ActionFailed("the challenge has no Digest that can be answered")
            lines.append(line[: found.start()] + made + line[found.end() :])
        return "\r\n".join(lines)

    def _transmit(self, data: bytes, command: Command) -> None:
        lost = self.options.lost if command.lost is None else command.lost
        if lost and self.player.chance.random() * 100 < lost:
            self.player.statistics.rows[command.number].lost += 1
            return
        self.player.exchange.send(data, self.flow)

    def _retransmit_after(self, delay: float, data: bytes, command: Command, times: int) -> None:
        self._retransmission = self.player.engine.loop.call_later(
            delay, self._retransmit, delay, data, command, times
        )

    def _retransmit(self, delay: float, data: bytes, command: Command, times: int) -> None:
        self._retransmission = None
        invites = command.method == "INVITE"
        options, row = self.options, self.player.statistics.rows[command.number]
        most = options.max_invite_retransmissions if invites else options.max_retransmissions
        if times >= most:
            row.timeouts += 1
            self._guarded(self._give_up, f"{command.name} was sent {times + 1} times in vain")
            return
        row.retransmissions += 1
        self.player.exchange.count("retransmitted")
        self._transmit(data, command)
        # RFC 3261 §17.1.1.2 doubles without an end for an INVITE, §17.1.2.2 up to T2 for others.
        delay = 2 * delay if invites else min(2 * delay, options.t2)
        self._retransmit_after(delay, data, command, times + 1)

    def _stop_retransmission(self) -> None:
        if self._retransmission is not None:
            self._retransmission.cancel()
            self._retransmission = None

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
        self.player.exchange.count("repetitions")
        if answered:
            self.player.exchange.send(answered, self.flow)
        return True

    def _receive(self, message: Received, data: bytes, flow: Flow) -> None:
        if self.repeats(data):
            return
        if message.cseq[1] == "INVITE" and message.status >= 200:
            self.answered = message
        command = self._find(message)
        if command is None:
            self._unexpected(message)
            return
        lost = self.options.lost if command.lost is None else command.lost
        if lost and self.player.chance.random() * 100 < lost:
            self.player.statistics.rows[command.number].lost += 1
            return
        self.flow = flow
        if message.status >= 200 or message.cseq[1] == "INVITE" or message.method:
            self._stop_retransmission()
        if len(self._heard) < MAX_HEARD:
            self._newest = hash(data)
            self._heard[self._newest] = (b"", command.number)
        self._take(message, command)

    def _find(self, message: Received) -> Command | None:
        """Return the command that a message is for."""
        commands = self.program.commands
        for command in commands[self.index :]:
            if self._matches(command, message):
                return command
            if not command.optional:
                break
        contiguous = True
        for command in reversed(commands[: self.index]):
            contiguous = contiguous and bool(command.optional)
            if (contiguous or command.optional == "global") and self._matches(command, message):
                return command
        return None

    def _matches(self, command: Command, message: Received) -> bool:
        if command.kind != "recv" or command.response is not bool(message.status):
            return False
        if message.status and message.cseq[1] not in self._methods:
            return False
        if command.response_txn:
            begun = self._transactions.get(command.response_txn)
            if begun is not None and begun[1] != message.cseq[1]:
                return False
        expected = command.expects
        if isinstance(expected, str):
            return expected == message.name
        return expected.search(message.name) is not None

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
            self._challenge = message
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
        routes = [one for line in message.values("Record-Route") for one in split_list(line)]
        self.routes = tuple(reversed(routes) if message.status else routes)
        for value in message.values("Contact")[:1]:
            self.next_url = split_address(split_list(value)[0], "Contact")[1]

    def _unexpected(self, message: Received) -> None:
        """Do what the options say about a message that is not expected."""
        player, behaviors = self.player, self.options.default_behaviors
        if self._is_late(message):
            return
        at = min(self.index, len(self.program.commands) - 1)
        command = self.program.commands[at]
        if command.kind == "pause" and self.options.ignore_in_pauses:
            return
        if (self.options.auto_answer and message.method in _ANSWERED) or (
            message.method == "PING" and "pingreply" in behaviors
        ):
            player.statistics.auto_answered += 1
            self._send_text(ok_to(message))
            return
        player.statistics.rows[at].unexpected += 1
        if UNEXPECTED in self.program.labels:
            self.last, self._waits = message, False
            if self._timer is not None:
                self._timer.cancel()
            self._stop_retransmission()
            self.index = self.program.labels[UNEXPECTED]
            self._run()
            return
        if message.method in ("BYE", "CANCEL") and "bye" in behaviors:
            self._send_text(ok_to(message))
            self.finish(f"unexpected {message.name}")
        elif "abortunexp" in behaviors and not (message.method == "ACK" and self.incoming):
            where = f"the {command.name} of line {command.line}"
            self._give_up(f"unexpected {message.name} in the place of {where}")

    def _is_late(self, message: Received) -> bool:
        """Whether a response is for what has been answered before."""
        if not message.status:
            return False
        if message.cseq[1] == "INVITE" and self.invite and message.status >= 200:
            known = any(
                one.response and self._matches(one, message)
                for one in self.program.commands[: self.index]
            )
            if known:
                self._send_text(goodbye(self, acknowledge=True))
            return known
        return any(self._matches(one, message) for one in self.program.commands[: self.index])

    def command_received(self, command: Received) -> None:
        """Take what the twin of a 3PCC pair has sent."""
        commands = self.program.commands
        if self.index >= len(commands) or commands[self.index].kind != "recvCmd":
            self._guarded(self._give_up, "the twin has sent a command that is not expected")
            return
        self.last = command
        self._guarded(self._take, command, commands[self.index])

    # ---------------------------------------------------------------- the end

    def _send_text(self, text: str) -> None:
        if text:
            self.player.exchange.send(text.encode("utf-8", "surrogateescape"), self.flow)

    def _give_up(self, reason: str) -> None:
        """End the call for a reason, and take leave of the other side."""
        if not self.done.done():
            if "bye" in self.options.default_behaviors:
                self._send_text(goodbye(self))
            self.finish(reason)

    def abandon(self, reason: str) -> None:
        """End the call from outside."""
        self._guarded(self._give_up, reason)

    def late(self, message: Received, data: bytes) -> bool:
        """Take a message after the end; False where it says nothing to it."""
        if self.repeats(data):
            return True
        text = answer(self, message)
        if text:
            self._send_text(text)
        return bool(text)

    def finish(self, reason: str, wait: float = 0.0) -> None:
        """End the call.

        Args:
            reason: Why it has failed; "" where it has not.
            wait: Seconds that repetitions are answered for, at the least.
        """
        if self.done.done():
            return
        self.failure = reason
        self._stop_retransmission()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.player.ended(self, wait)
        self.done.set_result(reason)


_ACCOUNT = ("username", "password")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
