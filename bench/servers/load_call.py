"""The call of `sipparty load` that is measured: INVITE, answer, BYE, answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sipparty.load import CallRun


async def scenario(run: CallRun) -> None:
    """Call, and hang up."""
    with run.step("answer"):
        call = await run.invite()
    with run.step("hang up"):
        call.terminate()
        await call
