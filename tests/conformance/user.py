"""The steps of the party's user: what the party is told to do, and how its calls stand."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from sipparty.sip import Request

from .probe import Scene, Step

__all__ = ["Asks", "Dial", "Does", "Stands"]


@dataclass(frozen=True)
class Dial(Step):
    """The party calls the peer.

    Args:
        target: Whom.
        options: What `invite` takes.
    """

    target: str = "sip:peer@{place};transport={way}"
    options: dict[str, Any] = field(default_factory=dict)

    def play(self, scene: Scene) -> None:
        """Call."""
        options = {
            name: scene.fill(value) if isinstance(value, str) else value
            for name, value in self.options.items()
        }
        scene.handle = scene.party.invite(scene.fill(self.target), **options)


@dataclass(frozen=True)
class Asks(Step):
    """The party sends a request outside of dialogs.

    Args:
        method: The method.
        headers: Headers.
        body: The body.
    """

    method: str
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""

    def play(self, scene: Scene) -> None:
        """Ask."""
        uri = scene.fill("sip:peer@{place};transport={way}")
        headers = [(name, scene.fill(value)) for name, value in self.headers.items()]
        scene.handle = scene.party.send(Request(self.method, uri, headers, self.body))


@dataclass(frozen=True)
class Does(Step):
    """The party's user does something with the call, or with what `Asks` made.

    Args:
        verb: The verb.
        arguments: What it takes.
    """

    verb: str
    arguments: tuple[Any, ...] = ()

    def play(self, scene: Scene) -> None:
        """Do it."""
        scene.stage.clock.advance()
        if scene.handle is None:
            scene.handle = _call_of(scene)
        result = getattr(scene.handle, self.verb)(*self.arguments)
        scene.kept["result"] = result


def _call_of(scene: Scene) -> Any:
    calls = [call for call in scene.party.calls if call.call_id == scene.call_id]
    assert len(calls) == 1, f"the party has {len(calls)} such calls"
    return calls[0]


@dataclass(frozen=True)
class Stands(Step):
    """How the party's call, or request, stands.

    Args:
        state: Its state.
        error: A pattern of its error; "" for none.
        status: The status of the error, or of the response.
    """

    state: str
    error: str = ""
    status: int | None = None

    def play(self, scene: Scene) -> None:
        """Look."""
        scene.stage.clock.advance()
        if scene.handle is None:
            scene.handle = _call_of(scene)
        handle = scene.handle
        assert handle.state == self.state, f"it is {handle.state}"
        wrong = handle.last_error if hasattr(handle, "last_error") else handle.error
        if self.error:
            assert re.search(self.error, str(wrong)), f"its error is {wrong}"
        if self.status is not None:
            response = getattr(handle, "response", None)
            status = getattr(wrong or response, "status", None)
            assert status == self.status, f"its status is {status}"
