"""How many calls of a user agent are one source's, or of sources that have shown nothing yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipparty.sip.transaction import ServerTransaction

if TYPE_CHECKING:
    from sipparty.sip.agent import UserAgent

__all__ = ["MANY_CALLS", "has_its_part"]

#: From so many calls at a time on, half of them are kept for callers who have shown that they
#: receive what they are sent: by a connection, credentials, or an ACK before. Fewer are for people.
MANY_CALLS = 64


def has_its_part(agent: UserAgent, transaction: ServerTransaction) -> bool:
    """Whether a source has as many calls as it may have of this agent's; or whether all sources
    have that have shown nothing yet: where there are many, half of `max_calls` is for others.
    """
    count, most, share = len(agent.dialogs), agent.max_calls_of_one, transaction.share
    full = (
        most is not None
        and count >= most
        and sum(one.share is share for one in agent.dialogs) >= most
    )
    half = ((agent.max_calls or 0) + 1) // 2
    if not full and (agent.max_calls or 0) >= MANY_CALLS and count >= half:
        proven = (
            transaction.flow.reliable
            or transaction.authenticated is not None
            or transaction.share.proofs
        )
        full = not proven and sum(one.is_unproven for one in agent.dialogs) >= half
    if full:
        agent.core.counters["refused"] += 1
        agent.core.attacks.note("flood", transaction.flow, agent.core.timers.now)
    return full
