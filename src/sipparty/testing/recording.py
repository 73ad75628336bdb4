"""What engines have sent and received, kept for assertions and reports."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from sipparty.errors import UsageError
from sipparty.trace import Trace
from sipparty.trace.wirelog import Echoes, WireRecord

__all__ = ["Heard", "messages_of", "record"]

#: A message, and whether the side that is asked about has sent it.
Heard = tuple[bool, WireRecord]

_traces: WeakKeyDictionary[Any, Trace] = WeakKeyDictionary()


def record(engine: Any) -> Trace:
    """Have an engine traced from now on, and return its trace."""
    if engine not in _traces:
        _traces[engine] = Trace(engine).start()
    return _traces[engine]


def messages_of(subject: Any) -> list[Heard]:
    """Return the messages of a call, or of all that a party does, in order, each with whether its
    own side has sent it.

    Raises:
        UsageError: Nothing was recorded.
    """
    party = getattr(subject, "party", subject)
    call_id = getattr(subject, "call_id", None)
    trace = _traces.get(party.engine)
    if trace is not None:
        records = [one for one in trace if isinstance(one, WireRecord)]
    elif call_id is not None and subject.agent.history is not None:
        records = subject.messages
    else:
        raise UsageError(
            f"Nothing was recorded of {party!r}: make it by a fixture, or call"
            " sip_party.watch(it) first."
        )
    found = [one for one in records if call_id is None or one.call_id == call_id]
    if len({one.local for one in found}) < 2:
        return [(one.direction == "sent", one) for one in found]
    # Other ends of them are on this engine too, or each is kept once: by address, then.
    own = {endpoint.address[1] for endpoint in party._endpoints}
    echoes = Echoes(limit=max(1, len(found)))
    found = [one for one in found if not echoes.is_echo(one)]
    ours = [(one.source[1] in own, one) for one in found]
    return [(sent, one) for sent, one in ours if sent or one.destination[1] in own]
