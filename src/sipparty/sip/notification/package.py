"""Event packages (RFC 6665 §5): what is notified of, and how it is written.

A package of one's own:

    class Temperature(EventPackage[float]):
        name = "temperature"
        accepts = ("text/plain",)

        def parse(self, body, media_type):
            return float(body)

        def build(self, state):
            return str(state).encode()
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, ClassVar, Generic, TypeVar

from sipparty.errors import SIPPartyError, UsageError
from sipparty.records import Record
from sipparty.sip.grammar import is_token

__all__ = ["PACKAGES", "Body", "EventPackage", "check_state", "find_package"]

StateT = TypeVar("StateT")

#: The packages that are here by the name of their event: module and class.
PACKAGES: Mapping[str, tuple[str, str]] = {
    "conference": ("conference", "ConferencePackage"),
    "dialog": ("dialog_info", "DialogPackage"),
    "message-summary": ("message_summary", "MessageSummaryPackage"),
    "presence": ("presence", "PresencePackage"),
    "refer": ("refer", "ReferPackage"),
    "reg": ("reg_info", "RegPackage"),
}


class Body(Record):
    """The state of a package that is not known here: a body as it came.

    Args:
        media_type: Its Content-Type, in lower case and without parameters.
        content: The body.
    """

    media_type: str
    content: bytes


class EventPackage(Generic[StateT]):
    """An event package: subclass it and say how its state is read and written.

    An instance is asked on the engine's thread, and has to answer at once.
    """

    #: The name of the event, as it stands in Event and Allow-Events (§8.2.1).
    name: ClassVar[str] = ""
    #: The media types of its bodies in lower case; the first is the one that `build` writes.
    accepts: ClassVar[tuple[str, ...]] = ()
    #: Seconds that a subscription is asked for, and given at the most (§5.4.4).
    expires: ClassVar[int] = 3600
    #: Seconds between two notifications to one subscriber, at the least (§5.4.10).
    interval: ClassVar[float] = 1.0

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.name and not is_token(cls.name):
            raise UsageError(f"{cls.name!r} cannot be the name of an event: expected a token.")

    def parse(self, body: bytes, media_type: str) -> StateT:
        """Return the state that a body holds.

        Args:
            body: The body; not empty.
            media_type: Its type, one of those that were accepted.

        Raises:
            ValueError: It is no such body; the NOTIFY is answered 400. `ParseError` is one.
        """
        raise NotImplementedError

    def build(self, state: StateT) -> bytes:
        """Return the body for a state, of the first type of `accepts`."""
        raise NotImplementedError

    def merge(self, before: StateT | None, new: StateT) -> StateT | None:
        """Return the whole state, where a body may hold a part of it; None to ask for all of it.

        Args:
            before: The state before; None at first.
            new: What `parse` has returned.
        """
        return new

    def numbered(self, state: StateT, number: int) -> StateT:
        """Return the state as the document of this number, from 0, that one subscriber is sent; for
        packages whose documents have such a number.
        """
        return state


def check_state(package: EventPackage[Any], state: Any, number: int | None = None) -> bytes:
    """Return the body for a state that a program gives.

    Args:
        package: The package.
        state: The state.
        number: The number of the document, as `EventPackage.numbered` takes it; None for none.

    Raises:
        SIPPartyError: It cannot be written, as the package says.
        TypeError: It is no state of the package.
    """
    try:
        return package.build(state if number is None else package.numbered(state, number))
    except SIPPartyError:
        raise
    except Exception as error:
        name = type(package).__name__
        raise TypeError(
            f"{state!r:.80} is no state of {package.name!r}, which {name}.build takes: {error}"
        ) from error


class _Opaque(EventPackage[Body]):
    def parse(self, body: bytes, media_type: str) -> Body:
        return Body(media_type, body)

    def build(self, state: Body) -> bytes:
        return state.content


def find_package(
    package: str | type[EventPackage[Any]] | EventPackage[Any], *accepts: str
) -> EventPackage[Any]:
    """Return a package, given by name, class or instance.

    Args:
        package: The package. The state of one that is only known by name is a `Body`.
        accepts: The media types of one that is only known by name.

    Raises:
        TypeError: It is none of them.
        UsageError: Nothing says which media types it has, or it has no name.
    """
    if isinstance(package, type) and issubclass(package, EventPackage):
        package = package()
    if isinstance(package, EventPackage):
        if not package.name:
            raise UsageError(f"{type(package).__name__} has no name: write name = 'my-event'.")
        return package
    if not isinstance(package, str):
        raise TypeError(f"An event package is a name or an EventPackage, not {package!r}.")
    known = PACKAGES.get(package)
    if known is not None:
        module = import_module(f"sipparty.sip.packages.{known[0]}")
        made: EventPackage[Any] = getattr(module, known[1])()
        return made
    if not accepts:
        known_here = ", ".join(sorted(PACKAGES))
        raise UsageError(
            f"The event {package!r} is not known here (those are {known_here}): give its media"
            ' types, as in accept=["text/plain"] or --accept text/plain, or an EventPackage.'
        )
    kind = type("_Opaque", (_Opaque,), {"name": package, "accepts": accepts})
    opaque: EventPackage[Any] = kind()
    return opaque
