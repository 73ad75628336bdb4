"""KeyCall: a call with keys of the telephone (DTMF): sent, collected, asked for.

`AudioCall` is one, with sound.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sipparty.errors import UsageError
from sipparty.fsm import verb
from sipparty.sip import SimpleCall

if TYPE_CHECKING:
    from sipparty.media import RTPSession
    from sipparty.media.dtmf.dialing import InfoSender, KeysSent
    from sipparty.media.dtmf.digits import CallDigits
    from sipparty.media.dtmf.events import DigitEnded, DigitReceived, Method
    from sipparty.media.dtmf.gathering import Gathering
    from sipparty.media.playing.playable import Playable
    from sipparty.sip.info import DTMF
    from sipparty.sip.message import Message

    _AudioCall = SimpleCall[RTPSession]
else:
    _AudioCall = SimpleCall

__all__ = ["KeyCall"]


class KeyCall(_AudioCall):
    """A call whose media is an `RTPSession`, and the verbs for keys."""

    __slots__ = ()

    def _media(self) -> RTPSession:
        """Return the media session.

        Raises:
            UsageError: The call has none yet: it is called, and was neither answered nor rung with
                media; or none any more.
        """
        session = self.session
        if session is None and self.state in self.final:
            raise UsageError(f"{self.name} is over: it has no media any more.")
        if session is None:
            raise UsageError(
                f"{self.name} has no media: it has some from accept(), or ring(media=True), on."
            )
        return session

    @verb
    def send_dtmf(
        self,
        keys: str,
        duration: float = 0.1,
        gap: float = 0.07,
        *,
        pause: float = 2.0,
        method: Method | None = None,
    ) -> KeysSent:
        """Press keys: `call.send_dtmf("12#")`; after those that are still being sent.

        Args:
            keys: "0" to "9", "*", "#", "A" to "D"; "!" or "R" for a hook flash, "," or "p" for a
                pause.
            duration: How long each is pressed, 0.04 to 60 seconds.
            gap: The silence after each, 0.04 to 60 seconds.
            pause: How long a pause is, in seconds.
            method: "rtp" for telephone events (RFC 4733), "info", or "inband" for tones in the
                audio. None for telephone events where they were agreed on, else INFO where the
                other side's Allow has it, else tones.

        Returns:
            A handle: `wait(timeout)` in a thread, or `await`, gives "sent" or "cancelled", and
            raises `CallFailed` where the call ended before, or an INFO was refused; `cancel()`
            stops it.

        Raises:
            UsageError: A character is no key, or a time out of its range; or keys cannot be sent so
                in this call.
        """
        from sipparty.media.dtmf.dialing import send_keys

        return send_keys(self, keys, duration, gap, pause, method)

    @verb
    def gather(
        self,
        max: int | None = None,
        end: str = "#",
        timeout: float = 5.0,
        first_timeout: float | None = None,
        *,
        clear: bool = False,
    ) -> Gathering:
        """Collect keys that the other side presses: `digits = await call.gather(max=4)`, or
        `call.gather(max=4).wait()`. Those that came before, and nobody collected, come first.

        Args:
            max: The most digits; None for any number.
            end: The keys that end it, which are not part of what is returned; "" for none.
            timeout: Seconds from one digit to the next.
            first_timeout: Seconds to the first; None for `timeout`.
            clear: Whether what came before is forgotten.

        Returns:
            A handle. It gives the digits as text whose `reason` says why it ended: "max", "end",
            "timeout", "hangup", "cancelled", or "replaced" by another `gather` or `ask`.

        Raises:
            UsageError: Something is out of its range.
        """
        from sipparty.media.dtmf.gathering import Gathering

        options: Any = {"max": max, "end": end, "timeout": timeout, "first_timeout": first_timeout}
        return Gathering(self._digits, self.portal, **options).begin(clear)

    @verb
    def ask(
        self,
        prompt: Playable,
        max: int | None = None,
        end: str = "#",
        timeout: float = 5.0,
        first_timeout: float | None = None,
        *,
        retries: int = 0,
        choices: Iterable[str] | None = None,
        barge_in: bool = True,
        clear: bool = False,
    ) -> Gathering:
        """Play a prompt and collect what is pressed: `await call.ask("menu.wav", max=1)`. The
        prompt stops at the first digit; the time for that begins at the end of the prompt.

        Args:
            prompt: What is played, as `play` takes it; where it may be repeated, something that can
                be played again, such as a path.
            max: The most digits, as for `gather`.
            end: The keys that end it.
            timeout: Seconds from one digit to the next.
            first_timeout: Seconds from the end of the prompt to the first; None for `timeout`.
            retries: How often it is asked again where nothing was pressed, or none of `choices`.
            choices: The answers that are valid, such as ("1", "2"); None for any.
            barge_in: Whether a digit stops the prompt; where not, what is pressed before its end is
                forgotten.
            clear: Whether what came before is forgotten; else it may be the answer.

        Returns:
            A handle, as of `gather`; the `reason` may be "invalid" where `choices` are given.

        Raises:
            MediaError: The prompt cannot be played.
            UsageError: Something is out of its range; or the call has no media.
        """
        from functools import partial

        from sipparty.media.dtmf.gathering import Gathering

        options: Any = {"max": max, "end": end, "timeout": timeout, "first_timeout": first_timeout}
        play = partial(self._media().play, prompt)
        gathering = Gathering(
            self._digits, self.portal, play, retries, barge_in, choices, **options
        )
        return gathering.begin(clear)

    @property
    def _digits(self) -> CallDigits:
        """The digits that come; on the engine's thread."""
        digits: CallDigits | None = self.__dict__.get("_call_digits")
        if digits is None:
            from sipparty.media.dtmf.digits import CallDigits

            digits = self.__dict__["_call_digits"] = CallDigits(self)
        return digits

    @property
    def _info_keys(self) -> InfoSender:
        """What sends keys in INFO; on the engine's thread."""
        sender: InfoSender | None = self.__dict__.get("_info_sender")
        if sender is None:
            from sipparty.media.dtmf.dialing import InfoSender

            sender = self.__dict__["_info_sender"] = InfoSender(self)
        return sender

    def _note_media(self, event: DigitReceived | DigitEnded) -> None:
        """Take note of a key, before handlers do; on the engine's thread."""
        self._digits.hear(event)

    def _note_dtmf(self, dtmf: DTMF) -> None:
        """Take note of a key that came in an INFO; on the engine's thread."""
        from sipparty.media.dtmf.events import DigitEnded, DigitReceived

        duration = None if dtmf.duration is None else dtmf.duration / 1000
        about: Any = {"agent": self.agent, "call": self, "made_by": self.core.message}
        self._digits.hear(DigitReceived(dtmf.signal, "info", **about))
        self._digits.hear(DigitEnded(dtmf.signal, "info", duration, **about))

    @property
    def takes_info(self) -> bool:
        """Whether the other side's Allow has INFO."""
        return bool(self.__dict__.get("_takes_info"))

    def _receive(self, transaction: Any, state: Any) -> None:
        super()._receive(transaction, state)
        self._note_allow(transaction.request)

    def _establish(self, state: Any) -> None:
        self._note_allow(self.core.message)
        super()._establish(state)

    def _note_allow(self, message: Message | None) -> None:
        if message is not None and any("INFO" in line for line in message.lines("Allow")):
            self.__dict__["_takes_info"] = True
