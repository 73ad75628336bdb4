"""What `call.transfer` and `party.refer` take: who is to be called, and how."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

from sipparty.errors import UsageError
from sipparty.sip.components import URI
from sipparty.sip.dialog.dialog import Dialog
from sipparty.sip.dialog.transfer import Transfer
from sipparty.sip.user_headers import given_fields

__all__ = ["TransferOptions", "transfer_call", "transfer_target"]


class TransferOptions(TypedDict, total=False):
    """The options of `call.transfer`: those of `transfer_call`."""

    hold: bool
    reports: bool
    headers: Iterable[tuple[str, str]] | Mapping[str, str]
    patience: float | None


def transfer_call(
    call: Any,
    target: Any,
    *,
    hold: bool = False,
    reports: bool = True,
    headers: Iterable[tuple[str, str]] | Mapping[str, str] = (),
    patience: float | None = None,
) -> Transfer:
    """Have the other side of a call that is established call somebody in our place, by REFER; what
    `call.transfer(target)` does.

    Args:
        call: The call.
        target: An address, or a party that listens: the other side calls it ("blind"). Or another
            call of ours: the other sides of both are connected ("attended", by Replaces); where its
            callee has not answered yet, that is waited for.
        hold: Whether to put the other side on hold first; a transfer that fails ends that.
        reports: Whether the other side is to report what becomes of it. Without, this call is hung
            up as soon as the other side has agreed to that (RFC 4488).
        headers: Further headers of the REFER.
        patience: Seconds from the answer to the REFER to the outcome; 240 by default.

    Returns:
        A handle to be waited for. Once the target has answered, this call, and the other one, are
        hung up; where it has not, `wait` raises `CallFailed` with the status of its answer, and
        this call goes on.

    Raises:
        BuildError: A header cannot stand in a message.
        ParseError: The target is no SIP address.
        UnexpectedInput: The call is not established.
        UsageError: It cannot be transferred to that call; or the party does not listen.
    """
    fields, wanted = given_fields(headers), transfer_target(target)
    options: Any = {"hold": hold, "reports": reports, "fields": fields, "patience": patience}
    return Transfer(call.agent, call).begin(wanted, **options)


def transfer_target(target: Any) -> Any:
    """Return a call as it is, and the URI of anything else that can be called.

    Raises:
        ParseError: It is no address.
        UsageError: It is a party that does not listen.
    """
    if isinstance(target, Dialog):
        return target
    if hasattr(target, "contact_uri"):
        if target.contact_uri is None:
            raise UsageError("The party to transfer to does not listen: listen() comes first.")
        return str(target.contact_uri)
    return str(URI.from_user_text(target))
