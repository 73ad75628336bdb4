"""NOTIFYs outside of any subscription: answered 481 (RFC 6665 §4.1.3), but for those packages whose
unsolicited notifications are taken, as some servers send them for waiting messages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sipparty.errors import ParseError
from sipparty.sip.dialog.state import DialogState
from sipparty.sip.notification.events import UnsolicitedNotification
from sipparty.sip.notification.notice import read_body
from sipparty.sip.notification.package import EventPackage
from sipparty.sip.notification.usage import event_of
from sipparty.sip.transaction.server import ServerTransaction

if TYPE_CHECKING:
    from sipparty.sip.agent import UserAgent

__all__ = ["StrayNotifies"]


class StrayNotifies:
    """What is done with a NOTIFY of no subscription.

    Args:
        agent: The user agent.
        packages: The packages of which such notifications are taken.
    """

    def __init__(self, agent: UserAgent, *packages: EventPackage[Any]) -> None:
        self.agent = agent
        self.packages = {package.name: package for package in packages}
        agent.handle_method("NOTIFY", self.take)

    def take(self, transaction: ServerTransaction, state: DialogState | None) -> None:
        """Answer a NOTIFY.

        Raises:
            ParseError: It cannot be read, which is answered with the status of the error.
        """
        agent, request = self.agent, transaction.request
        event = event_of(request)
        package = None if event is None or state is not None else self.packages.get(event.value)
        if package is None:
            agent.refuse(transaction, 481)
            return
        try:
            value = read_body(request, package, package.accepts)
        except ParseError as error:
            accept = [("Accept", ", ".join(package.accepts))] if error.status == 415 else []
            agent.refuse(transaction, error.status, accept)
            return
        transaction.answer(200)
        who = transaction.authenticated
        agent.emit(UnsolicitedNotification(agent, value, request, who, made_by=request))
