"""What is expected of a call, a party or a request, and failures that say what came in its place.

    call = alice.invite("sales@biloxi.com")
    expect(call).answered(within=2)
    his = expect(bob).called(within=2)
    expect(his).received("INVITE", {"Subject": "lunch"}, sdp={"audio": {"codecs": ["PCMU"]}})
    expect(call).heard("welcome.wav", within=5)

Laws:

* Each waits, at most so many seconds of the call's own time, and passes as soon as it can.
* What cannot come any more fails at once: the answer of a call that was refused.
* A failure says what came in its place, and which way it took.
* In a coroutine each is awaited: `await expect(call).answered()`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar, overload

from sipparty.errors import UsageError
from sipparty.party import Party
from sipparty.sip.client_request import ClientRequest
from sipparty.sip.dialog.call import SimpleCall
from sipparty.sip.handle import Handle
from sipparty.sip.message import Message
from sipparty.sip.status import reason_phrase
from sipparty.testing.awaiting import Checked, Wrong, settle
from sipparty.testing.ladders import Rung, Step, read_ladder, rungs
from sipparty.testing.matching import Streams, Wanted, differences
from sipparty.testing.recording import messages_of

__all__ = [
    "CallExpectations",
    "Expectations",
    "HandleExpectations",
    "PartyExpectations",
    "RequestExpectations",
    "expect",
]

_T = TypeVar("_T")

#: Seconds that is waited where nothing is said.
WITHIN = 2.0


class Expectations(Generic[_T]):
    """What can be expected of all that sends and receives messages.

    Args:
        subject: What it is about.
    """

    def __init__(self, subject: _T) -> None:
        self.subject = subject
        self._engine: Any = subject.portal  # type: ignore[attr-defined]
        self._machine: Any = None

    def received(
        self,
        what: str,
        headers: Mapping[str, Wanted] | None = None,
        *,
        sdp: Streams | None = None,
        body: Wanted = ...,
        within: float = WITHIN,
    ) -> Any:
        """Expect that a message was received.

        Args:
            what: A method, or a status and perhaps its method: "INVITE", "200", "200 BYE", "4xx".
            headers: What headers are to be, by name: a text, a pattern, a function, `...` for any,
                None for none; see `sipparty.testing.matching`.
            sdp: What streams are to be: `{"audio": {"codecs": ["PCMU"], "direction": "sendonly"}}`.
            body: What the body is to be, as text.
            within: Seconds.

        Returns:
            The message, the first that is so.

        Raises:
            AssertionError: None was; what the nearest of them has otherwise.
        """
        __tracebackhide__ = True
        return self._message(False, what, (headers, sdp, body), within)

    def sent(
        self,
        what: str,
        headers: Mapping[str, Wanted] | None = None,
        *,
        sdp: Streams | None = None,
        body: Wanted = ...,
        within: float = WITHIN,
    ) -> Any:
        """Expect that a message was sent; the arguments are those of `received`."""
        __tracebackhide__ = True
        return self._message(True, what, (headers, sdp, body), within)

    def _message(self, sent: bool, what: str, asked: tuple[Any, ...], within: float) -> Any:
        __tracebackhide__ = True
        (step,) = read_ladder(f"{what} {'>' if sent else '<'}")
        looked: dict[bytes, tuple[Message, list[str]]] = {}

        def check(late: bool) -> Checked:
            came = rungs(messages_of(self.subject))
            for rung, record in came:
                if step.takes(rung) and record.data not in looked:
                    message = Message.parse(record.data)
                    looked[record.data] = message, differences(message, *asked)
                    if not looked[record.data][1]:
                        return True, message
            return late, Wrong(_no_message(step, came, looked, within)) if late else None

        return self._settle(check, within)

    def _settle(self, check: Callable[[bool], Checked], within: float) -> Any:
        __tracebackhide__ = True
        return settle(self._engine, check, within, self._machine)


def _no_message(
    step: Step, came: list[Any], looked: dict[bytes, tuple[Message, list[str]]], within: float
) -> str:
    what, done = str(step)[:-2], "sent" if step.sent else "received"
    if looked:
        message, faults = min(looked.values(), key=lambda one: len(one[1]))
        several = f"the nearest of {len(looked)}" if len(looked) > 1 else "it"
        lines = [f"No {what} with what is asked for was {done} within {within:g} s; {several} has:"]
        lines += [f"  {_start(message)}", *(f"    {fault}" for fault in faults)]
        return "\n".join(lines)
    rungs_: list[Rung] = [rung for rung, _ in came]
    shown = "\n".join(f"  {rung}" for rung in rungs_) or "  nothing"
    return f"No {what} was {done} within {within:g} s. What came:\n{shown}"


def _start(message: Message) -> str:
    return bytes(message).partition(b"\r\n")[0].decode("utf-8", "backslashreplace")


class PartyExpectations(Expectations["Party[Any, Any]"]):
    """What can be expected of a party."""

    def called(self, within: float = WITHIN) -> Any:
        """Expect that it is called.

        Returns:
            The call: the first to it that this was not said of before.

        Raises:
            AssertionError: Nobody has called.
        """
        __tracebackhide__ = True
        party: Any = self.subject
        known: list[Any] = party.__dict__.setdefault("_calls_expected", [])

        def check(late: bool) -> Checked:
            for call in _calls_to(party):
                if all(call is not other for other in known):
                    known.append(call)
                    return True, call
            return late, Wrong(f"Nobody called {party.uri} within {within:g} s{_others(known)}.")

        return self._settle(check, within)

    def not_called(self, within: float = WITHIN) -> Any:
        """Expect that nobody calls it for so long, but for the calls that `called` has given.

        Raises:
            AssertionError: Somebody has.
        """
        __tracebackhide__ = True
        party: Any = self.subject

        def check(late: bool) -> Checked:
            known = party.__dict__.get("_calls_expected", [])
            for call in _calls_to(party):
                if all(call is not other for other in known):
                    return True, Wrong(f"{call.remote.uri} called {party.uri}.\n{_way(call)}")
            return late, None

        return self._settle(check, within)


def _calls_to(party: Any) -> list[Any]:
    calls = [*party.__dict__.get("_seen_calls", ()), *party.calls]
    return [call for call in calls if call.role == "callee"]


def _others(known: list[Any]) -> str:
    return f", but for {len(known)} earlier" if known else ""


class HandleExpectations(Expectations[Any]):
    """What can be expected of what lasts: a call, a registration, a subscription, a transfer."""

    def __init__(self, subject: Any) -> None:
        super().__init__(subject)
        self._machine = subject

    def reached(self, state: str, within: float = WITHIN) -> Any:
        """Expect that it is in a state, such as "Registered".

        Returns:
            What it is about.

        Raises:
            AssertionError: It is not; which way it took.
            UsageError: There is no such state.
        """
        __tracebackhide__ = True
        handle = self.subject
        if state not in handle.States:
            raise UsageError(f"There is no state {state!r}: it is one of {handle.States!r}.")
        return self._come(lambda: handle.state == state, f"did not get to {state}", within)

    def _come(self, happened: Callable[[], object], otherwise: str, within: float) -> Any:
        """Wait for something that can not be any more once the handle is over."""
        __tracebackhide__ = True
        handle = self.subject

        def check(late: bool) -> Checked:
            if happened():
                return True, handle
            over = handle.state in handle.final
            if not (over or late):
                return False, None
            limit = "" if over else f" within {within:g} s"
            return True, Wrong(
                f"{_who(handle)} {otherwise}{limit}: {_fate(handle)}\n{_way(handle)}"
            )

        return self._settle(check, within)


class CallExpectations(HandleExpectations):
    """What can be expected of a call. Each returns the call, where nothing else is said."""

    def ringing(self, within: float = WITHIN) -> Any:
        """Expect that it rings: a provisional response of more than 100 came, or was sent."""
        __tracebackhide__ = True
        call = self.subject
        return self._come(lambda: (call.progress or 0) > 100, "did not ring", within)

    def answered(self, within: float = WITHIN) -> Any:
        """Expect that it is answered, or was before it ended."""
        __tracebackhide__ = True
        call = self.subject
        return self._come(lambda: _was(call, "InDialog"), "was not answered", within)

    def refused(self, status: int | None = None, within: float = WITHIN) -> Any:
        """Expect that it is refused.

        Args:
            status: With which status; None for any.
            within: Seconds.
        """
        __tracebackhide__ = True
        call = self.subject
        what = "was not refused" + (f" with {status}" if status else "")

        def refused() -> bool:
            found = None if call.cause is None or _was(call, "InDialog") else call.cause.status
            return bool(found) and status in (None, found)

        return self._come(refused, what, within)

    def ended(self, by: str | None = None, within: float = WITHIN) -> Any:
        """Expect that it ends.

        Args:
            by: Who is to have ended it: "local", "remote", "timeout" or "network"; None for anyone.
            within: Seconds.
        """
        __tracebackhide__ = True
        call = self.subject
        what = "did not end" if by is None else f"was not ended by {by!r}"
        return self._come(
            lambda: call.state in call.final and by in (None, call.ended_by), what, within
        )

    def held(self, within: float = WITHIN) -> Any:
        """Expect that the other side holds it."""
        __tracebackhide__ = True
        call = self.subject
        return self._come(lambda: call.held_by_peer, "was not held by the other side", within)

    def heard(self, what: Any, within: float = 5.0) -> Any:
        """Expect that a sound is heard from now on.

        Args:
            what: The path of a WAV file, of which half a second, or all where it is shorter, has to
                be found; or the frequency of a tone, in Hz.
            within: Seconds.

        Returns:
            A `sipparty.testing.hearing.Match` for a file; the share of the tone in the power of
            what was heard, for a tone.

        Raises:
            AssertionError: It was not heard; what was.
            UsageError: The call has no media; or numpy, of the extra `media`, is not installed.
        """
        __tracebackhide__ = True
        from sipparty.testing.hearing import Ear

        return self._settle(Ear(self.subject, what, within).check, within)

    def pressed(self, keys: str, within: float = 5.0) -> Any:
        """Expect that the other side presses keys, "12#", what came before included.

        Raises:
            AssertionError: Others came, or too few.
            UsageError: Calls of this kind take no keys.
        """
        __tracebackhide__ = True
        call = self.subject
        if not hasattr(call, "gather"):
            raise UsageError(f"{call.name} takes no keys: make its party an AudioParty.")
        gathering = call.gather(len(keys), end="", timeout=within + 1, first_timeout=within + 1)

        def check(late: bool) -> Checked:
            came = gathering.digits
            wrong = not keys.startswith(came)
            if came == keys:
                return True, call
            if late or wrong:
                gathering.cancel()
                return True, Wrong(
                    f"{_who(call)} did not get the keys {keys!r} within {within:g} s:"
                    f" {came or 'none'!r} came."
                )
            return False, None

        return self._settle(check, within)


class RequestExpectations(Expectations[ClientRequest]):
    """What can be expected of a request outside of calls, such as `party.options(...)` gives."""

    def answered(self, status: int | None = None, within: float = WITHIN) -> Any:
        """Expect that it is answered.

        Args:
            status: With which status; None for any of success, 2xx.
            within: Seconds.

        Returns:
            The response.
        """
        __tracebackhide__ = True
        request: Any = self.subject

        def check(late: bool) -> Checked:
            name, response, error = request.request.method, request.response, request.error
            if response is None:
                why = f": {error}" if error else f" within {within:g} s."
                failed = Wrong(f"The {name} was not answered{why}")
                return (True, failed) if late or error else (False, None)
            if response.status == status or (status is None and response.status < 300):
                return True, response
            wanted = "2xx" if status is None else f"{status} {reason_phrase(status)}"
            return True, Wrong(
                f"The {name} was answered {response.status} {response.reason}, expected {wanted}."
            )

        return self._settle(check, within)


def _was(call: Any, state: str) -> bool:
    return any(step.state == state for step in call.steps)


def _who(handle: Any) -> str:
    if not isinstance(handle, SimpleCall):
        return f"{handle.party.username}'s {type(handle).__name__}"
    return f"{handle.party.username}'s call"


def _fate(handle: Any) -> str:
    """What has become of it in the place of what was expected."""
    if handle.last_error is not None:
        return str(handle.last_error).removeprefix("The other side answered ")
    if isinstance(handle, SimpleCall):
        if handle.cause is not None:
            return handle.cause.text
        if handle.state == "InitiatingDialog":
            status = handle.progress
            if not status:
                return "nothing has come in answer."
            return f"it is at {status} {reason_phrase(status)}."
    return f"it is {handle.state}."


def _way(handle: Any) -> str:
    """The steps that it took."""
    steps = getattr(handle, "steps", ())
    if not steps:
        return f"  state: {handle.state}"
    begin = steps[0].time
    remote = "" if handle.remote is None else f" {handle.remote.uri}"
    verb = "calls" if handle.role == "caller" else "is called by"
    lines = [f"  {handle.party.uri} {verb}{remote}:"]
    lines += [f"    {one.time - begin:8.3f} s  {one.what:18} {one.state}" for one in steps]
    return "\n".join(lines)


@overload
def expect(subject: SimpleCall) -> CallExpectations: ...
@overload
def expect(subject: Handle) -> HandleExpectations: ...
@overload
def expect(subject: Party[Any, Any]) -> PartyExpectations: ...
@overload
def expect(subject: ClientRequest) -> RequestExpectations: ...
def expect(subject: Any) -> Any:
    """Return what can be expected of something.

    Args:
        subject: A call gives `CallExpectations`, a party `PartyExpectations`, a registration,
            subscription or transfer `HandleExpectations`, a request `RequestExpectations`.

    Raises:
        TypeError: It is something else.
    """
    kinds: tuple[tuple[type[Any], type[Expectations[Any]]], ...] = (
        (SimpleCall, CallExpectations),
        (Handle, HandleExpectations),
        (Party, PartyExpectations),
        (ClientRequest, RequestExpectations),
    )
    for kind, expectations in kinds:
        if isinstance(subject, kind):
            return expectations(subject)
    raise TypeError(f"expect() takes a call, a party or another handle, not {subject!r}.")
