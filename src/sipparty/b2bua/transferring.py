"""Transfers of a call whose two legs are here (RFC 5589): who is named is called from here, and
joined with the leg that stays when it answers.

Laws:

* Until the new call is answered, both legs stay joined; where it fails they go on.
* Nobody is called who was not chosen here: `B2BUA.transfer_target` says who. A transfer between two
  calls that are both here needs no choice.
* An attended transfer names a call by the dialog with us, which the target does not know: it is
  given the one that it has.
"""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any, cast

from sipparty.b2bua.bridge import Bridge, Leg
from sipparty.sip.dialog.referral import TransferRequested
from sipparty.sip.dialog.replaces import Replaces

if TYPE_CHECKING:
    from sipparty.b2bua.b2bua import B2BUA

__all__ = ["perform"]

_DIRECTION = re.compile(rb"^a=(?:sendonly|recvonly|inactive)\r?\n", re.MULTILINE)


async def perform(b2bua: B2BUA, event: TransferRequested) -> None:
    """Do what a REFER inside a leg asks for, or decline it."""
    leg, referral = cast("Leg | None", event.call), event.referral
    stays = None if leg is None else leg.other
    moving = leg is None or stays is None or leg.moving is not None or stays.moving is not None
    if leg is None or stays is None or stays.state != "InDialog" or moving:
        event.reject(603)
        return
    reference = referral.reference
    replaced = None if reference.replaces is None else _leg_of(b2bua, reference.replaces)
    if replaced is not None:
        far = replaced.other
        assert far is not None
        assert far.dialog_state is not None
        state = far.dialog_state
        theirs = Replaces(state.call_id, state.remote_tag, state.local_tag)
        target: Any = far.remote_target
        referral.reference = reference._replace(uri=target, replaces=theirs)
    else:
        target = b2bua.transfer_target(leg, event)
        if inspect.isawaitable(target):
            target = await target
        if target is None or stays.state != "InDialog":
            event.reject(603)
            return
        referral.reference = reference._replace(uri=target)

    def make(agent: Any) -> Leg:
        outgoing = Leg(agent)
        if stays.described is not None:
            # Who transfers has put it on hold, as a rule; the new one is not to be.
            outgoing.to_offer = _DIRECTION.sub(b"", stays.described)
        Bridge(b2bua, stays, outgoing, joined=False)
        return outgoing

    new = cast(Leg, event.accept(dialog=make))
    assert new.bridge is not None
    b2bua.placed.add(new.call_id)
    new.bridge.watch()


def _leg_of(b2bua: B2BUA, replaces: Replaces) -> Leg | None:
    """Return the leg that a Replaces names, as who asks for a transfer knows it."""
    state = b2bua.engine.core.dialogs.get((replaces.call_id, replaces.to_tag, replaces.from_tag))
    leg: Any = None if state is None else state.call
    if isinstance(leg, Leg) and leg.agent.owner is b2bua and leg.other is not None:
        return leg if leg.other.state == "InDialog" else None
    return None
