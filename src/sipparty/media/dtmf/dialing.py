"""Sending keys in a call: the way is chosen, and a handle says how it goes.

Laws:

* Without a `method`, keys go as telephone events where those were agreed on (RFC 4733), else in
  INFO where the other side's Allow has it, else as tones in the audio.
* An INFO is application/dtmf-relay, and application/dtmf where the other side does not know that
  (415); the next one is sent when it is answered, and the key's time is over.
* What is sent later waits for what is sent before, in the same way of sending.
* It runs on the engine's thread. With the end of the call, what was not sent fails.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from sipparty.concurrency.waiting import Portal, Waitable, verb
from sipparty.errors import CallFailed, SIPPartyError, UsageError, copy_of
from sipparty.media.dtmf.events import KeysSending, Method
from sipparty.media.dtmf.keys import FLASH, Press, plan

if TYPE_CHECKING:
    from sipparty.sip.client_request import ClientRequest

__all__ = ["METHODS", "InfoSender", "KeysSent", "choose_method", "send_keys"]

#: The methods that there are.
METHODS: Final[tuple[Method, ...]] = ("rtp", "info", "inband")
_SENDING: Final = "sending"


def choose_method(
    method: Method | None, events: bool, info: bool, audio: bool, keys: Sequence[Press]
) -> Method:
    """Choose how keys are sent.

    Args:
        method: What is wanted; None for what can be.
        events: Whether telephone events were agreed on.
        info: Whether the other side takes INFO.
        audio: Whether there is a stream of audio to the other side.
        keys: What is to be sent.

    Raises:
        UsageError: It cannot be sent so, or in no way at all.
    """
    if method is not None and method not in METHODS:
        raise UsageError(f'Keys are sent by "rtp", "info" or "inband", not {method!r}.')
    tones = not any(press.key == FLASH for press in keys)
    if method == "rtp" and not events:
        raise UsageError("The other side has not agreed on telephone events (RFC 4733).")
    if method == "inband" and not tones:
        raise UsageError("A hook flash has no tone: it cannot be sent in the audio.")
    if method == "inband" and not audio:
        raise UsageError("The call has no stream of audio that tones could be sent in.")
    if method is not None:
        return method
    if events:
        return "rtp"
    if info:
        return "info"
    if audio and tones:
        return "inband"
    without = "the call has no audio" if not audio else "a hook flash has no tone"
    raise UsageError(
        "The keys cannot be sent: telephone events were not agreed on, the other side's Allow has"
        f' no INFO, and {without}. method="info" sends them in INFO all the same.'
    )


def send_keys(
    call: Any, keys: str, duration: float, gap: float, pause: float, method: Method | None
) -> KeysSent:
    """Send keys in a call; as `AudioCall.send_dtmf` documents it."""
    presses = plan(keys, duration, gap, pause)
    line = getattr(call.session, "line", None)
    settings = getattr(getattr(line, "stream", None), "settings", None)
    events = settings is not None and settings.dtmf_send is not None
    chosen = choose_method(method, events, call.takes_info, settings is not None, presses)
    portal = call.portal
    handle = KeysSent(keys, chosen, portal)
    if call.core.watch is not None:
        call.core.watch(KeysSending(tuple(presses), chosen, agent=call.agent, call=call))
    if chosen == "info":
        call._info_keys.send(presses, handle)
        return handle
    from sipparty.media.dtmf.line_keys import cancel_keys, send_events, send_tones

    def finish(state: str, error: CallFailed | None = None) -> None:
        if portal is None:
            handle.finish(state, error)
        else:
            portal.post(handle.finish, state, error)

    def done() -> None:
        finish("sent")

    def failed() -> None:
        error = CallFailed(f"{keys!r} was not sent: telephone events are agreed on no more.")
        finish("failed", error)

    handle.begin(call, lambda: cancel_keys(line, done))
    if chosen == "rtp":
        send_events(line, presses, done, failed)
    else:
        send_tones(line, presses, done)
    return handle


class KeysSent(Waitable[str]):
    """Keys that are being sent, or were: `handle.wait(timeout)` in a thread, or `await handle`,
    gives "sent" when all are, or "cancelled".

    Args:
        keys: The keys, as they were given.
        method: How they are sent: "rtp", "info" or "inband".
        portal: Access to the engine's thread.

    Attributes:
        keys, method: As above.
        state: "sending", "sent", "cancelled" or "failed".
        error: Why it failed; `wait` raises it. None unless it did.
    """

    __slots__ = ("_release", "_stop", "error", "keys", "method")

    def __init__(self, keys: str, method: Method, portal: Portal | None) -> None:
        self.keys = keys
        self.method = method
        self.error: CallFailed | None = None
        self._stop: Callable[[], object] | None = None
        self._release: Callable[[], None] | None = None
        self._portal = portal
        self._watchers = None
        self.state = self._entered = _SENDING

    def begin(self, call: Any, stop: Callable[[], object]) -> None:
        """Take note of what stops it, and of the call's end."""
        self._stop = stop
        self._release = call._when(lambda state: state in call.final, self._hang_up)
        if self.state != _SENDING:
            self._leave()

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self.state != _SENDING

    @verb
    def cancel(self) -> None:
        """Send nothing more; the key under way ends. Nothing where it has ended. On any thread."""
        if not self.done and self._stop is not None:
            self._stop()
            self.finish("cancelled")

    def finish(self, state: str, error: CallFailed | None = None) -> None:
        """Take note of the end, once; on the engine's thread."""
        if not self.done:
            self.error = error
            self.state = state
            self._leave()
            self._notify()

    def settled(self, state: str) -> bool:
        """Whether it has ended."""
        return state != _SENDING

    def _hang_up(self) -> None:
        self.finish("failed", CallFailed(f"The call ended before {self.keys!r} was sent."))

    def _leave(self) -> None:
        unwatch, self._release = self._release, None
        if unwatch is not None:
            unwatch()

    def _outcome(self) -> str:
        if self.error is not None:
            raise copy_of(self.error)
        return self.state

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.keys!r} by {self.method}: {self.state}>"


class InfoSender:
    """Sends the keys of a call in INFO, one after the other.

    Args:
        call: The call.
    """

    __slots__ = ("_call", "_queue", "_relay", "_request", "_waiting")

    def __init__(self, call: Any) -> None:
        self._call = call
        self._queue: deque[tuple[Press | None, KeysSent]] = deque()
        #: Whether the other side takes application/dtmf-relay, as far as is known.
        self._relay = True
        self._request: ClientRequest | None = None
        #: Whether a key's time is running.
        self._waiting = False

    def send(self, presses: Sequence[Press], handle: KeysSent) -> None:
        """Send keys after those that wait; the handle is given the outcome."""
        self._queue += [(press, handle) for press in presses]
        self._queue.append((None, handle))
        handle.begin(self._call, lambda: self.drop(handle))
        self._next()

    def drop(self, handle: KeysSent) -> None:
        """Send no more of a handle's keys."""
        self._queue = deque(one for one in self._queue if one[1] is not handle)

    def _next(self) -> None:
        while self._queue and self._request is None and not self._waiting:
            press, handle = self._queue.popleft()
            if press is None:
                handle.finish("sent")
            elif not handle.done:
                self._arm(press)
                if press.key:
                    self._send(press, handle)

    def _arm(self, press: Press) -> None:
        self._waiting = True
        self._call.core.timers.arm(press.duration + press.gap, self, "due")

    def _fire(self, input: str, /) -> None:
        """Go on: a key's time is over."""
        self._waiting = False
        self._next()

    def _send(self, press: Press, handle: KeysSent) -> None:
        milliseconds = round(press.duration * 1000)
        if self._relay:
            body = f"Signal={press.key}\r\nDuration={milliseconds}\r\n"
            content_type = "application/dtmf-relay"
        else:
            body, content_type = press.key, "application/dtmf"
        try:
            request = self._call.info(body=body, content_type=content_type)
        except SIPPartyError as error:
            self._fail(handle, CallFailed(f"The key {press.key!r} could not be sent: {error}"))
            return
        self._request = request
        request._when(request.settled, lambda: self._answered(request, press, handle))

    def _answered(self, request: ClientRequest, press: Press, handle: KeysSent) -> None:
        self._request = None
        response = request.response
        if response is None:
            reason = request.error or "there was no answer"
            self._fail(handle, CallFailed(f"The key {press.key!r} was not taken: {reason}"))
        elif response.status == 415 and self._relay:
            self._relay = False
            self._send(press, handle)
        elif response.status >= 300:
            words = f"{response.status} {response.reason}".strip()
            message = f"The other side refused the key {press.key!r} in INFO with {words}."
            self._fail(handle, CallFailed(message, response.status, response.reason, response))
        self._next()

    def _fail(self, handle: KeysSent, error: CallFailed) -> None:
        self.drop(handle)
        handle.finish("failed", error)
